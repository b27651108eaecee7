"""One Git child process: its environment, its limits, and its errors without secrets."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from git import Git

from towline.core.application import Repository
from towline.core.errors import DocumentError, SourceError, SourceRefusedError

# The helper answers Git's questions from the environment, so that a secret is in no argument,
# no URL and no configuration.
_ASKPASS = """#!/bin/sh
case "$1" in
  Username*) printf '%s\\n' "$TOWLINE_GIT_USERNAME" ;;
  *) printf '%s\\n' "$TOWLINE_GIT_PASSWORD" ;;
esac
"""

_CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.symlinks": "false",
    "credential.helper": "",
    "fetch.fsckObjects": "true",
    "gc.autoDetach": "false",
    "maintenance.autoDetach": "false",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "30",
    "protocol.version": "2",
    "submodule.recurse": "false",
}

# Without a Repository document there is no key, and no host key to compare with: never a question.
_SSH_ALONE = "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes"

_MAX_OUTPUT = 64 * 1024**2
"""Bytes that a child may print; a server's messages come through its error output."""

_OURS = ("TOWLINE_", "FLOWER_")  # settings with secrets that are no business of Git's
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class AbsentError(SourceError):
    """The server does not have what was asked for by its id; a force push can do that for once."""


@dataclass(frozen=True)
class Limits:
    seconds: float = 120.0
    bytes: int = 2 * 1024**3


@dataclass(frozen=True)
class Credentials:
    """What a Repository document adds to the environment of a fetch; `secret` is masked."""

    environment: Mapping[str, str] = field(default_factory=dict)
    secret: str = ""


def credentials_of(repository: Repository | None, home: Path) -> Credentials:
    """Read the credential files anew: mounted secrets are rotated in place."""
    if repository is None:
        return Credentials()
    spec = repository.spec
    environment: dict[str, str] = {}
    secret = ""
    if spec.ca_file:
        environment["GIT_SSL_CAINFO"] = spec.ca_file
    if spec.token_file:
        secret = _read(spec.token_file, repository.name)
        environment |= {
            "GIT_ASKPASS": str(_askpass(home)),
            "TOWLINE_GIT_USERNAME": spec.username or "towline",
            "TOWLINE_GIT_PASSWORD": secret,
        }
    if spec.ssh_key_file and spec.known_hosts_file:
        environment["GIT_SSH_COMMAND"] = _ssh(spec.ssh_key_file, spec.known_hosts_file)
    return Credentials(environment, secret)


def _askpass(home: Path) -> Path:
    path = home / "askpass"
    if not path.exists():
        fresh = home / f".askpass-{os.getpid()}"
        fresh.write_text(_ASKPASS, encoding="ascii")
        fresh.chmod(0o700)
        fresh.replace(path)
    return path


def _read(path: str, repository: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise DocumentError(f"Repository {repository}: cannot read {path}: {reason}") from None
    if not text or "\n" in text:
        raise DocumentError(f"Repository {repository}: {path} must hold one line, the token")
    return text


def _ssh(key: str, known_hosts: str) -> str:
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": key,
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "2",
    }
    settings = [f"-o {shlex.quote(f'{name}={value}')}" for name, value in options.items()]
    return " ".join(["ssh", "-F", "/dev/null", *settings])


@dataclass(frozen=True)
class GitRunner:
    """Runs Git in one mirror."""

    folder: Path
    home: Path
    protocols: str
    limits: Limits = Limits()
    inherited: tuple[int, ...] = ()
    """Descriptors that a child keeps open: it holds the mirror's lock even if we are killed."""

    def environment(self) -> dict[str, str]:
        """What Git's settings are, whatever the machine's; GitPython adds it to the process's."""
        pairs = list(_CONFIG.items())
        numbered = {f"GIT_CONFIG_KEY_{n}": key for n, (key, _) in enumerate(pairs)}
        numbered |= {f"GIT_CONFIG_VALUE_{n}": value for n, (_, value) in enumerate(pairs)}
        return {
            **{name: "" for name in os.environ if name.startswith(_OURS)},
            **numbered,
            # Named, so that Git does not look above a broken mirror for another repository.
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_COUNT": str(len(pairs)),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "GIT_SSH_COMMAND": _SSH_ALONE,
            "GIT_ALLOW_PROTOCOL": self.protocols,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
        }

    def run(self, *arguments: str, credentials: Credentials | None = None) -> str:
        """Standard output of `git ARGUMENTS`; raises SourceError or SourceRefusedError.

        The child leads a process group, so that a transport helper that hangs goes with it.
        """
        credentials = credentials or Credentials()
        environment = {**self.environment(), **credentials.environment}
        process = Git(self.folder).execute(
            ["git", *arguments],
            as_process=True,
            env=environment,
            start_new_session=True,
            pass_fds=self.inherited,
            with_exceptions=False,
        )
        child: subprocess.Popen[bytes] = process.proc  # type: ignore[assignment]
        try:
            output, errors = self._wait(child)
        finally:
            _kill(child)
        if child.returncode != 0:
            raise _error(errors.decode(errors="replace"), credentials.secret)
        return output.decode(errors="surrogateescape")

    def _wait(self, child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """Collect the output, and stop the child at the limit of time or of bytes received."""
        deadline = time.monotonic() + self.limits.seconds
        while True:
            left = deadline - time.monotonic()
            try:
                return child.communicate(timeout=max(0.0, min(0.25, left)))
            except subprocess.TimeoutExpired as waited:
                if len(waited.output or b"") + len(waited.stderr or b"") > _MAX_OUTPUT:
                    raise SourceRefusedError(
                        f"the repository answers with more than {_MAX_OUTPUT} bytes of messages"
                    ) from None
                if left <= 0:
                    raise SourceError(
                        f"the repository did not finish within {self.limits.seconds:.0f} s",
                        delay=60,
                    ) from None
                self.check_size()

    def check_size(self) -> None:
        """Raises SourceRefusedError if the mirror is larger than the limit."""
        if self.is_too_large():
            mebibytes = self.limits.bytes / 1024**2
            raise SourceRefusedError(
                f"the repository is larger than the limit of {mebibytes:g} MiB"
            )

    def is_too_large(self) -> bool:
        return _size(self.folder) > self.limits.bytes


def forget_ambient_git() -> None:
    """Drop GIT_… from this process's environment: a GIT_DIR from outside would win over ours."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    for stream in (child.stdout, child.stderr, child.stdin):
        if stream:
            stream.close()
    child.wait()


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:
            continue  # a temporary file that was just renamed
    return total


_MEANINGS = {
    "Host key verification failed": "the server's host key is not the one in knownHostsFile",
    "Authentication failed": "the credentials were refused",
    "Permission denied (publickey": "the SSH key was refused",
    "could not read Username": "it is private or not there, and no Repository document covers it",
    "could not read Password": "the credentials were refused",
    "not found": "it is not there, or the credentials may not see it",
    "does not appear to be a git repository": "it is not there",
    "Could not resolve host": "the host's name does not resolve",
    "not allowed": "this transport is not allowed (TOWLINE_GIT_PROTOCOLS)",
}


# What servers say of a commit that they do not have, or do not give out by its name.
_NO_SUCH_COMMIT = ("not our ref", "unadvertised object", "couldn't find remote ref")


def _error(stderr: str, secret: str) -> SourceError:
    text = _CONTROL.sub(" ", stderr.replace(secret, "•••") if secret else stderr)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    detail = "; ".join(lines[-3:])[:500] or "git failed without a word"
    meaning = next((words for needle, words in _MEANINGS.items() if needle in text), None)
    message = f"the repository cannot be fetched: {meaning or detail}"
    if any(words in text for words in _NO_SUCH_COMMIT):
        return AbsentError(message)
    return SourceError(f"{message} (git: {detail})" if meaning else message)
