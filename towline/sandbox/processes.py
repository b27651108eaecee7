"""Starts processes, keeps what they print, and leaves none behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from towline.core.errors import PermanentError
from towline.sandbox import leash


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def parse_procfile(text: str) -> dict[str, str]:
    """Name → shell command."""
    lines = (line.partition(":") for line in text.splitlines() if line and line[0] != "#")
    return {name.strip(): command.strip() for name, _, command in lines}


@dataclass
class Processes:
    """Children in groups of their own: a Ctrl-C reaches the parent, which stops them in order."""

    logs: Path
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _lines: list[str] = field(default_factory=list)
    """Those of the Procfile: they end together, before what they lean on."""

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a program; its output goes to NAME.log."""
        with (self.logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-I", "-S", leash.__file__, *command],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_shell(self, name: str, command: str, environment: Mapping[str, str]) -> None:
        """Start a line of a Procfile."""
        self._lines.append(name)
        self.start(name, ["/bin/sh", "-c", command], environment)

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def check(self) -> None:
        """Raises PermanentError, with the end of its log, if a child has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise PermanentError(
                    f"the process {name} ended with status {process.returncode}:\n{self.tail(name)}"
                )

    def tail(self, name: str, lines: int = 15) -> str:
        text = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def kill(self, name: str) -> None:
        """SIGKILL to a child and everything it started, as a power cut would."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop_lines(self) -> None:
        """End the lines of the Procfile; who does not listen is killed."""
        self._end([name for name in dict.fromkeys(self._lines) if name in self._running])

    def stop(self) -> None:
        """End all of them; who does not listen is killed."""
        self.stop_lines()
        for name in reversed(list(self._running)):
            self._end([name])

    def _end(self, names: Sequence[str], patience: float = 15.0) -> None:
        ending = [self._running.pop(name) for name in names]
        for process in ending:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        for process in ending:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=patience)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for_port(port: int, processes: Processes, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        processes.check()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise PermanentError(f"nothing listens on port {port} after {seconds:.0f} s")
