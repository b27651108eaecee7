"""What stands before an API: the token, faults on demand, and a record of the requests."""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from towline.sandbox.kubernetes.faults import Fault, Faults, reason_of
from towline.sandbox.kubernetes.messages import Request, Response
from towline.sandbox.kubernetes.routes import OPEN_PATHS, refusal
from towline.sandbox.kubernetes.server import ConnectionBroken, Server
from towline.sandbox.kubernetes.status import StatusError, unauthorized

REQUESTS_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request as it was answered; `status` is 0 where the connection was broken."""

    method: str
    path: str
    query: Mapping[str, str]
    status: int


def _credentials(token: str) -> tuple[bytes, ...]:
    """The values of an Authorization header that are accepted."""
    basic = base64.b64encode(f"sandbox:{token}".encode())
    return (f"Bearer {token}".encode(), b"Basic " + basic)


class Front:
    """Serves an API on loopback; `answer` must be safe to call from threads.

    `token` is what clients must bear; without one it is open.
    """

    def __init__(
        self, answer: Callable[[Request], Response], *, token: str | None = None, port: int = 0
    ) -> None:
        self._answer_to = answer
        self._token = token
        self._credentials = () if token is None else _credentials(token)
        self._faults = Faults()
        self._server = Server(self._handle, port)
        self.requests: deque[RequestRecord] = deque(maxlen=REQUESTS_KEPT)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """End all connections."""
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def write_kubeconfig(self, path: str | Path, context: str = "sandbox") -> None:
        """Write how to reach this cluster, readable only by its owner.

        kubectl bears no token over plain HTTP, but sends what stands in the URL: so the token is
        there too, as a password.
        """
        user = {} if self._token is None else {"token": self._token}
        server = self.url
        if self._token is not None:
            server = server.replace("://", f"://sandbox:{quote(self._token, safe='')}@")
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": {"server": server}}],
            "users": [{"name": context, "user": user}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
            "current-context": context,
        }
        fresh = Path(path).with_name(f".{Path(path).name}-{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            # JSON is YAML, and nothing in it needs quoting rules.
            json.dump(config, file, indent=2)
            file.write("\n")
        fresh.replace(path)  # whoever waits for the file finds it whole

    def fail(  # noqa: PLR0913 - all of them are keywords, and one or two are given
        self,
        *,
        method: str = "",
        path_contains: str = "",
        status: int = 500,
        times: int = 1,
        retry_after: int | None = None,
        after: bool = False,
        delay: float = 0.0,
    ) -> None:
        """Let the next requests that fit fail.

        They are answered with `status` and are not performed; with 0 the connection is reset
        instead. `after` performs the request first and then resets the connection. `delay`, in
        seconds, comes before all of that.
        """
        fault = Fault(method, path_contains, status, retry_after, after, delay)
        self._faults.add(fault, times)

    def heal(self) -> None:
        """Forget all faults that have not happened yet."""
        self._faults.clear()

    def _handle(self, request: Request) -> Response:
        fault = self._faults.take(request.method, request.path)
        try:
            response = self._answer(request, fault)
        except ConnectionBroken:
            self._record(request, 0)
            raise
        self._record(request, response.status)
        return response

    def _answer(self, request: Request, fault: Fault | None) -> Response:
        if fault is None:
            return self._authorised(request)
        if fault.delay:
            time.sleep(fault.delay)
        if fault.after:
            self._authorised(request)
            raise ConnectionBroken
        if fault.status == 0:
            raise ConnectionBroken
        return _failed(fault)

    def _authorised(self, request: Request) -> Response:
        if not request.path.startswith(OPEN_PATHS) and not self._is_known(request):
            return refusal(unauthorized())
        return self._answer_to(request)

    def _is_known(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        return not self._credentials or any(
            hmac.compare_digest(given, known) for known in self._credentials
        )

    def _record(self, request: Request, status: int) -> None:
        self.requests.append(RequestRecord(request.method, request.path, request.query, status))


def _failed(fault: Fault) -> Response:
    error = StatusError(
        fault.status,
        reason_of(fault.status),
        "a fault that was asked for",
        retry_after=fault.retry_after,
    )
    if fault.status != 429:
        return refusal(error)
    # A server that has too much to do says so before it knows what it is asked, in plain text.
    text = b"Too many requests, please try again later.\n"
    return replace(refusal(error), body=text, content_type="text/plain; charset=utf-8")
