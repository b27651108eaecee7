"""Settings from the environment; each may be given as NAME_FILE, for mounted secrets."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from towline.core.errors import DocumentError

FORGES = (
    "GITHUB",
    "GITLAB",
    "GITEA",
    "FORGEJO",
    "GOGS",
    "BITBUCKET",
    "AZURE_DEVOPS",
    "GENERIC",
)
_TOKEN = re.compile(r"(?P<name>[\w.@-]+):(?P<role>viewer|operator):(?P<sha256>[0-9a-f]{64})")
_SECONDS = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(s|m|h)")
_UNITS = {"s": 1, "m": 60, "h": 3600}
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PROTOCOLS = re.compile(r"(https|ssh|http|git|file)(:(https|ssh|http|git|file))*")


@dataclass(frozen=True, slots=True)
class ApiToken:
    name: str
    role: str
    sha256: str


@dataclass(frozen=True)
class Settings:
    """What the environment says, checked. Secrets stay out of `repr`."""

    applications: Path
    redis_url: str = field(repr=False, default="redis://127.0.0.1:6379/0")
    data_dir: Path = Path("data")
    namespace: str = "towline-system"
    webhook_secrets: Mapping[str, tuple[str, ...]] = field(repr=False, default_factory=dict)
    api_tokens: tuple[ApiToken, ...] = field(repr=False, default=())
    git_protocols: str = "https:ssh"
    resync_tick: timedelta = timedelta(seconds=30)
    given_signing_key: str = field(repr=False, default="")

    @cached_property
    def signing_key(self) -> bytes:
        """Shared by web and workers; made once in the data folder if none is given."""
        if self.given_signing_key:
            return self.given_signing_key.encode()
        return _own_key(self.data_dir)

    def broker_options(self) -> dict[str, Any]:
        """Celery's settings that whoever sends and whoever consumes must agree on."""
        return {
            "broker_url": self.redis_url,
            "broker_connection_retry_on_startup": True,
            "broker_connection_max_retries": None,
            "broker_transport_options": {
                # Longer than the hard time limit: else a running task is delivered again.
                "visibility_timeout": VISIBILITY_SECONDS,
                "unacked_restore_interval": 10,
                "queue_order_strategy": "priority",
                "socket_timeout": 10,
                "socket_connect_timeout": 2,
                "socket_keepalive": True,
                "health_check_interval": 30,
            },
            "task_default_queue": PUSH_QUEUE,
            "task_ignore_result": True,
            "task_serializer": "json",
            "accept_content": ["json"],
        }


HARD_LIMIT_SECONDS = 600
SOFT_LIMIT_SECONDS = 570
VISIBILITY_SECONDS = 660


def time_limits(seconds: float | None) -> dict[str, float]:
    """Celery's limits for a task that may take so long, below those that all tasks have."""
    if seconds is None:
        return {}
    soft = min(seconds, SOFT_LIMIT_SECONDS)
    return {"soft_time_limit": soft, "time_limit": soft + 30}


PUSH_QUEUE = "push"
RESYNC_QUEUE = "resync"

REFRESH_TASK = "towline.refresh"
RECONCILE_TASK = "towline.reconcile"
PLAN_TASK = "towline.plan"
STEER_TASK = "towline.steer"
TICK_TASK = "towline.tick"
SURVEY_TASK = "towline.survey"
PRUNE_TASK = "towline.prune"


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raises DocumentError with every error, a line each."""
    reader = _Reader(os.environ if environment is None else environment)
    settings = Settings(
        applications=Path(reader.text("TOWLINE_APPLICATIONS", "applications")),
        redis_url=reader.text("TOWLINE_REDIS_URL", "redis://127.0.0.1:6379/0"),
        data_dir=Path(reader.text("TOWLINE_DATA_DIR", "data")).absolute(),
        namespace=reader.matching("TOWLINE_NAMESPACE", "towline-system", _NAMESPACE),
        webhook_secrets={forge: reader.secrets(f"TOWLINE_{forge}_SECRET") for forge in FORGES},
        api_tokens=reader.tokens("TOWLINE_API_TOKENS"),
        git_protocols=reader.matching("TOWLINE_GIT_PROTOCOLS", "https:ssh", _PROTOCOLS),
        resync_tick=reader.duration("TOWLINE_RESYNC_TICK", timedelta(seconds=30)),
        given_signing_key=reader.text("TOWLINE_SIGNING_KEY", ""),
    )
    if reader.errors:
        raise DocumentError("\n".join(reader.errors))
    return settings


def load_or_exit() -> Settings:
    """For a process that begins: what is wrong, a line each, and status 78 (EX_CONFIG)."""
    try:
        return load()
    except DocumentError as error:
        sys.stderr.write(f"the settings are in error:\n{error}\n")
        sys.exit(78)


class _Reader:
    """Collects what is wrong, so that all of it can be said at once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.errors: list[str] = []

    def text(self, name: str, default: str) -> str:
        file = self._environment.get(f"{name}_FILE")
        value = self._environment.get(name)
        if file and value:
            self.errors.append(f"{name} and {name}_FILE are both set: keep one")
        if not file:
            return value if value is not None else default
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            self.errors.append(f"{name}_FILE: cannot read {file}: {reason}")
            return default

    def matching(self, name: str, default: str, shape: re.Pattern[str]) -> str:
        value = self.text(name, default)
        if not shape.fullmatch(value):
            self.errors.append(f"{name}: {value!r} is malformed")
        return value

    def duration(self, name: str, default: timedelta) -> timedelta:
        value = self.text(name, "")
        found = _SECONDS.fullmatch(value)
        if not value:
            return default
        if not found or float(found[1]) <= 0:
            self.errors.append(f"{name}: write a duration such as 30s or 5m")
            return default
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])

    def secrets(self, name: str) -> tuple[str, ...]:
        """One secret a line. A variable that is set and empty is an error, never 'no check'."""
        given = name in self._environment or f"{name}_FILE" in self._environment
        found = tuple(line for line in self.text(name, "").splitlines() if line.strip())
        if given and not found:
            self.errors.append(f"{name} is set and empty: write a secret, or leave it out")
        return found

    def tokens(self, name: str) -> tuple[ApiToken, ...]:
        tokens = []
        for number, line in enumerate(self.text(name, "").split(), 1):
            found = _TOKEN.fullmatch(line)
            if found:
                tokens.append(ApiToken(**found.groupdict()))
            else:
                self.errors.append(
                    f"{name}: line {number} is not name:role:sha256 (role viewer or operator)"
                )
        return tuple(tokens)


def _own_key(folder: Path) -> bytes:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "signing.key"
    if not path.exists():
        fresh = folder / f".signing-{os.getpid()}-{secrets.token_hex(4)}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        try:
            # A link fails if another process was first, and then its key is the one.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text(encoding="ascii").strip().encode()
