"""The API as the command line uses it: `TOWLINE_URL`, `TOWLINE_TOKEN`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError

from towline.core.errors import PermanentError, TemporaryError, TowlineError

_WAIT_SECONDS = 600.0
_PLAN_SECONDS = 120.0
_LOOK_SECONDS = 0.25


def remote_from_environment() -> Remote:
    """Raises PermanentError if the settings are missing."""
    url = _setting("TOWLINE_URL") or "http://127.0.0.1:8080"
    token = _setting("TOWLINE_TOKEN")
    if not token:
        raise PermanentError("set TOWLINE_TOKEN (or TOWLINE_TOKEN_FILE) to a token of the API")
    return Remote(url, token)


def _setting(name: str) -> str:
    file = os.environ.get(f"{name}_FILE")
    if not file:
        return os.environ.get(name, "").strip()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise PermanentError(f"{name}_FILE: cannot read {file}: {error.strerror}") from None


class NotFoundError(PermanentError):
    """The API knows nothing of that name."""


@dataclass
class Remote:
    url: str
    token: str = field(repr=False)
    _pool: urllib3.PoolManager = field(default_factory=urllib3.PoolManager, repr=False)

    def get(self, *path: str, **query: str) -> Any:
        return self._ask("GET", path, query, None)

    def post(self, *path: str, body: Any = None) -> Any:
        return self._ask("POST", path, {}, body)

    def _ask(self, method: str, path: tuple[str, ...], query: dict[str, str], body: Any) -> Any:
        url = "/".join([self.url.rstrip("/"), "api/v1", *(quote(part, safe="") for part in path)])
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        given: dict[str, Any] = {"fields": query or None} if body is None else {"json": body}
        try:
            answer = self._pool.request(
                method, url, headers=headers, timeout=10, retries=False, **given
            )
        except HTTPError as error:
            raise TemporaryError(f"{self.url} does not answer: {_short(error)}") from None
        return _parsed(answer.status, answer.data, url)

    def wait(
        self, application: str, since: float, on_look: Callable[[], None], detail: str = ""
    ) -> Any:
        """The first run that saw what was asked for at `since`, once it has ended.

        One that waits for health has not: the run that goes on tells how it ended, whatever it
        was that had it look. `detail` is how the trigger's detail begins, where only such a run
        is meant, or one that goes on with it.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            has_begun = False
            for run in reversed(self._runs(application)):
                trigger = run["trigger"]
                is_new = run["started"] >= since or trigger["at"] >= since
                has_begun |= is_new and trigger["detail"].startswith(detail)
                if has_begun and is_new and run["status"] != "waiting":
                    return run
            on_look()
            time.sleep(_LOOK_SECONDS)
        raise TemporaryError(f"no run of {application} has ended within {_WAIT_SECONDS:.0f} s")

    def _runs(self, application: str) -> Any:
        try:
            return self.get("applications", application, "runs", limit="10")["items"]
        except NotFoundError:
            return []  # of what no survey has found, none may have been yet

    def wait_for_plan(
        self, application: str, cluster: str, asked: float, on_look: Callable[[], None]
    ) -> Any:
        """The plan of pruning that was asked for at `asked`, once a worker has made it."""
        deadline = time.monotonic() + _PLAN_SECONDS
        while time.monotonic() < deadline:
            with suppress(NotFoundError):
                plan = self.get("applications", application, "diff", cluster=cluster)
                if plan["asked"] == asked:
                    return plan
            on_look()
            time.sleep(_LOOK_SECONDS)
        raise TemporaryError(
            f"no worker has made the plan of {application} within {_PLAN_SECONDS:.0f} s"
        )


def _short(error: Exception) -> str:
    return str(error).rpartition(": ")[2] or type(error).__name__


def _parsed(status: int, data: bytes, url: str) -> Any:
    try:
        answer = json.loads(data)
    except ValueError:
        raise PermanentError(f"{url} answered {status}, and not in JSON") from None
    if status >= 400:
        detail = answer.get("detail") or answer.get("title") if isinstance(answer, dict) else ""
        raise _problem(status, str(detail))
    return answer


def _problem(status: int, detail: str) -> TowlineError:
    kind = NotFoundError if status == 404 else PermanentError
    return (TemporaryError if status >= 500 else kind)(f"{detail} ({status})")
