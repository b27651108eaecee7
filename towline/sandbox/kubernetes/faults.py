"""Failures on demand, for tests of clients."""

from __future__ import annotations

import threading
from dataclasses import dataclass

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def reason_of(status: int) -> str:
    return _REASONS.get(status, "")


@dataclass(frozen=True, slots=True)
class Fault:
    """How requests fail: with a status, or by a connection that breaks."""

    method: str = ""
    """Empty for every method."""
    path_contains: str = ""
    status: int = 500
    """0 breaks the connection without performing the request."""
    retry_after: int | None = None
    after: bool = False
    """Perform the request, then break the connection instead of answering."""
    delay: float = 0.0
    """Seconds to wait before anything else."""

    def fits(self, method: str, path: str) -> bool:
        return self.method in {"", method} and self.path_contains in path


class Faults:
    """Faults that wait for their requests; each is used up after its number of times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, int]] = []

    def add(self, fault: Fault, times: int) -> None:
        with self._lock:
            self._waiting.append((fault, times))

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The first fault that fits, counted down."""
        if not self._waiting:
            return None
        with self._lock:
            for index, (fault, times) in enumerate(self._waiting):
                if fault.fits(method, path):
                    if times > 1:
                        self._waiting[index] = (fault, times - 1)
                    else:
                        del self._waiting[index]
                    return fault
        return None
