"""One API server over HTTP: requests with a time limit, retries, errors with the server's words."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from towline.core.errors import ClusterError
from towline.core.objects import Object
from towline.ports import RefusedError

TIMEOUT = 10.0
"""Seconds for one request: well under a lease, so that no write lands long after its end."""

_ATTEMPTS = 4
_LONGEST_PAUSE = 5.0
_PASSING = {408, 429, 500, 502, 503, 504}
# What a server answers with 500 although trying again cannot help: a patch that does not fit the
# schema (structured-merge-diff's errors), a value that is none of its type (a quantity, a whole
# number), and an object beyond etcd's limit.
_FINAL = re.compile(
    r"failed to create typed|failed to convert new object|not declared in schema"
    r"|request is too large"
)
# The words of the API's validation; `tests/contract` has each of them from a real server.
_IMMUTABLE = re.compile(
    r"immutable|may not (be )?change|cannot be changed|updates to \S+ spec for fields other"
)


class Connection:
    """Sends one request at a time for a thread; threads may share it, forks may not."""

    def __init__(self, connect: Callable[[], ApiClient], name: str) -> None:
        """`connect` reads the credentials, and is asked again when they are refused."""
        self._connect = connect
        self._client = connect()
        self._name = name

    def close(self) -> None:
        self._client.rest_client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The parsed answer.

        Every request that is sent here may be sent twice: reads, applies, deletions bound to a
        UID, and patches bound to a version. Raises RefusedError for what the server refuses,
        ClusterError for what it does not answer.
        """
        url = quote(path) + (f"?{urlencode(query)}" if query else "")
        sent = {"Accept": "application/json", "Content-Type": "application/json", **(headers or {})}
        problem = ""
        for attempt in range(_ATTEMPTS):
            is_last = attempt + 1 == _ATTEMPTS
            try:
                status, data, pause = self._send(method, url, body, sent)
            except (HTTPError, ApiException, OSError) as error:
                problem, pause = _transport_problem(error), None
            else:
                if status < 400:
                    return _parsed(data, self._name)
                problem = self._judged(status, data, is_final=is_last and method != "GET")
            if not is_last:
                time.sleep(_pause(attempt, pause))
        raise ClusterError(f"the cluster {self._name} does not answer {method} {path}: {problem}")

    def _judged(self, status: int, data: bytes, *, is_final: bool) -> str:
        """What is wrong, if trying again may help; raises RefusedError if it cannot."""
        if status == 401:
            # Credentials are rotated in place: those that are read anew may be accepted.
            self._client = self._connect()
            return f"the credentials are refused: {_message(data)}"
        # One object's admission webhook that is down (500) is no fault of the others.
        if status not in _PASSING or _is_final(data) or (status == 500 and is_final):
            raise _refusal(status, data)
        return f"{status}: {_message(data)}"

    def _send(
        self, method: str, url: str, body: Any, headers: Mapping[str, str]
    ) -> tuple[int, bytes, str | None]:
        client = self._client
        serialized = client.param_serialize(
            method, url, header_params=dict(headers), auth_settings=["BearerToken"]
        )
        # The client writes a body as JSON itself, but only where the type says JSON.
        is_json = "json" in headers["Content-Type"]
        data = body if is_json or body is None else json.dumps(body).encode()
        response = client.call_api(
            method, serialized[1], serialized[2], data, None, _request_timeout=TIMEOUT
        )
        try:
            return response.status, response.read(), response.getheader("Retry-After")
        finally:
            response.response.release_conn()


def _pause(attempt: int, retry_after: str | None) -> float:
    if retry_after and retry_after.isdigit():
        return min(float(retry_after), _LONGEST_PAUSE)
    backoff: float = min(0.1 * 3**attempt, _LONGEST_PAUSE)
    return backoff * (0.5 + random.random())  # noqa: S311


def _transport_problem(error: Exception) -> str:
    text = str(getattr(error, "reason", None) or error)
    return re.sub(r"<[^>]*object at 0x[0-9a-f]+>:? ?", "", text)[:300]


def _parsed(data: bytes, name: str) -> Any:
    try:
        return json.loads(data) if data else {}
    except ValueError:
        raise ClusterError(f"the cluster {name} answered with something other than JSON") from None


def _status(data: bytes) -> Object:
    try:
        status = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")[:300]}
    return status if isinstance(status, dict) else {}


def _is_final(data: bytes) -> bool:
    return bool(_FINAL.search(_message(data)))


def _message(data: bytes) -> str:
    return str(_status(data).get("message") or "no reason given")


def _refusal(status: int, data: bytes) -> RefusedError:
    answer = _status(data)
    message = str(answer.get("message") or f"the server answered {status}")
    immutable = status == 422 and bool(_IMMUTABLE.search(message))
    return RefusedError(
        message, status=status, reason=str(answer.get("reason", "")), immutable=immutable
    )
