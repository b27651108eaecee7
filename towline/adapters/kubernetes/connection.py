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
from urllib3 import Timeout
from urllib3.exceptions import HTTPError

from towline.core.errors import ClusterError
from towline.core.objects import Object
from towline.ports import RefusedError

TIMEOUT = 10.0
"""Seconds for one request: well under a lease, so that no write lands long after its end."""

_TIMEOUT = Timeout(total=TIMEOUT)
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
# The words of the API's validation, and of most rules in definitions (`Value is immutable`);
# `tests/contract` has them from a real server.
_IMMUTABLE = re.compile(
    r"\bis immutable(\.?$| (after|once|when)\b)|may not (be )?change|cannot be changed"
    r"|updates to \S+ spec for fields other"
)
_VALIDATED = {"FieldValueInvalid", "FieldValueForbidden"}
_DENIED = re.compile(r"admission webhook|denied (the )?request|AdmissionPolicy")
"""Whoever denied it may use any words."""
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


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
            except (HTTPError, OSError) as error:
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
        """By the client's own pool, with its credentials: what it does around that takes as long
        again as the request."""
        client = self._client
        sent = {**client.default_headers, **headers}
        client.update_params_for_auth(sent, None, ["BearerToken"], url, method, None)
        response = client.rest_client.pool_manager.request(
            method,
            client.configuration.host + url,
            body=None if body is None else json.dumps(body).encode(),
            headers=sent,
            timeout=_TIMEOUT,
            retries=False,  # those are ours; a redirect is not followed with the credentials
        )
        return response.status, response.data, response.headers.get("Retry-After")


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
    immutable = status == 422 and _is_immutable(answer)
    return RefusedError(
        message, status=status, reason=str(answer.get("reason", "")), immutable=immutable
    )


def _is_immutable(answer: Object) -> bool:
    """Whether nothing stands against it but fields that never change: the object may be deleted for
    it, so that what somebody wrote (names, values, the words of a policy) must not decide."""
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    if not isinstance(causes, list) or _DENIED.search(_unquoted(answer.get("message"))):
        return False
    return bool(causes) and all(map(_is_immutability, causes))


def _is_immutability(cause: Any) -> bool:
    if not isinstance(cause, dict) or cause.get("reason") not in _VALIDATED:
        return False
    words = _unquoted(cause.get("message"))
    # Below the first line is what would change.
    return bool(_IMMUTABLE.search(words.partition("\n")[0])) and not _DENIED.search(words)


def _unquoted(text: object) -> str:
    return _QUOTED.sub('""', str(text or ""))
