"""kubectl, kapp and git, as people run them: each call is a process of its own, and is timed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import build


class ToolError(RuntimeError):
    """A tool that was to be measured failed: there is no time to compare with."""


@dataclass(frozen=True)
class Tools:
    """With a home of their own: what they keep there is warm after the first call."""

    home: Path
    kubeconfig: Path

    def kubectl(self, *arguments: str) -> float:
        """Seconds; the client-side limits are kubectl's own."""
        return self._run([kubectl_program(), *arguments])

    def kapp(self, name: str, folder: Path) -> float:
        command = [str(build.program()), "deploy", "--yes", "--app", name]
        return self._run([*command, "--namespace", "default", "--file", str(folder)])

    def git(self, *arguments: str) -> float:
        return self._run(["git", *arguments])

    def _run(self, command: Sequence[str]) -> float:
        started = time.monotonic()
        done = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - started
        if done.returncode != 0:
            words = (done.stderr.strip() or done.stdout.strip())[-2000:]
            raise ToolError(f"{Path(command[0]).name} {command[1]} failed: {words}")
        return seconds

    def _environment(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
        return {
            **kept,
            "HOME": str(self.home),
            "KUBECONFIG": str(self.kubeconfig),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }


def kubectl_program() -> str:
    """The one of the wheel, which is beside this Python; else that of the machine."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.is_file() else shutil.which("kubectl")
    if not found:
        raise ToolError("kubectl is not installed: make sets it up")
    return found


def kubectl_version() -> str:
    done = subprocess.run(
        [kubectl_program(), "version", "--client"], capture_output=True, text=True, check=False
    )
    found = re.search(r"Client Version: (\S+)", done.stdout)
    return found[1] if found else "of an unknown version"
