"""The API servers of the benchmark: a real one where there is one, else the sandbox's."""

from __future__ import annotations

import os
import re
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.peers.tools import Tools
from tests.cluster import servers
from towline.sandbox.processes import Processes

Result = TypeVar("Result")

_METRIC = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
# What the server and its controllers do on their own.
_THEIR_KINDS = {"leases", "replicasets", "endpointslices", "endpoints", "events"}
_THEIR_VERBS = {"WATCH", "CONNECT"}


@dataclass(frozen=True)
class Server:
    """One API server, and a prefix for the names of all that a benchmark makes on it."""

    api: servers.ApiServer
    folder: Path
    prefix: str

    @property
    def kubeconfig(self) -> Path:
        return self.api.kubeconfig

    @property
    def is_real(self) -> bool:
        return self.api.is_real

    @property
    def description(self) -> str:
        if self.is_real:
            return f"a real API server, Kubernetes {self.api.version} ({self.api.source})"
        return "the sandbox's API server in memory, for there is no real one here"

    def tools(self) -> Tools:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return Tools(home, self.kubeconfig)

    def make_namespace(self, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        status, answer = self.api.call("POST", "/api/v1/namespaces", body)
        assert status == 201, answer

    # Requests --------------------------------------------------------------------------------

    def counted(self, work: Callable[[], Result]) -> tuple[Result, int | None]:
        """What comes of some work, and how many requests it sent by the server's own count."""
        if not self.is_real:
            return work(), None
        before = self._requests()
        result = work()
        return result, sum((self._requests() - before).values())

    def _requests(self) -> Counter[str]:
        response = self.api.request("GET", "/metrics", headers={"Accept": "text/plain"})
        found: Counter[str] = Counter()
        for labels, value in _METRIC.findall(response.data.decode()):
            facts = dict(_LABEL.findall(labels))
            if not _is_of_the_server(facts):
                found[labels] = int(float(value))
        return found

    # Rest ------------------------------------------------------------------------------------

    def wait_until_calm(self, seconds: float = 60.0) -> None:
        """Until next to nothing is asked or written: controllers work after every apply, and
        installations after their start. A cluster that others use never comes to rest."""
        deadline = time.monotonic() + seconds
        before = self._activity()
        while time.monotonic() < deadline:
            time.sleep(2.0)
            now = self._activity()
            if now - before <= 5:
                return
            before = now

    def _activity(self) -> int:
        """Grows with each write, and on a real server with each request."""
        _, answer = self.api.call("GET", "/api/v1/namespaces?limit=1")
        asked = sum(self._requests().values()) if self.is_real else 0
        return asked + int(answer["metadata"]["resourceVersion"])

    def clean(self) -> None:
        """Remove what was made, from a cluster that stays."""
        _, answer = self.api.call("GET", "/api/v1/namespaces")
        for item in answer["items"]:
            if item["metadata"]["name"].startswith(self.prefix):
                self.api.call("DELETE", f"/api/v1/namespaces/{item['metadata']['name']}")


def _is_of_the_server(facts: dict[str, str]) -> bool:
    """Discovery is left out too: controllers ask for it at any time."""
    kind, verb = facts["resource"], facts["verb"]
    is_annotated = kind == "deployments" and verb == "PUT"
    by_controllers = verb in _THEIR_VERBS or kind in _THEIR_KINDS or is_annotated
    return not kind or by_controllers or facts["subresource"] == "status"


@contextmanager
def api_server() -> Iterator[Server]:
    """A server with nothing of ours on it: one of its own where it is for us to start."""
    prefix = f"towline-test-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory(prefix="towline-bench-") as name:
        folder = Path(name)
        with _sandbox(folder) if servers.why_none() else _real() as api:
            server = Server(api, folder, prefix)
            try:
                yield server
            finally:
                if os.environ.get("TOWLINE_TEST_KUBECONFIG"):
                    server.clean()


@contextmanager
def _real() -> Iterator[servers.ApiServer]:
    with servers.running() as running, running.connected() as api:
        yield api


@contextmanager
def _sandbox(folder: Path) -> Iterator[servers.ApiServer]:
    """In a process of its own, as a server is."""
    kubeconfig = folder / "kubeconfig"
    with Processes(folder / "logs") as processes:
        command = [sys.executable, "-m", "towline.sandbox.kubernetes"]
        command += ["--kubeconfig", str(kubeconfig)]
        processes.start("kubernetes", command, os.environ)
        while not kubeconfig.exists():
            processes.check()
            time.sleep(0.05)
        with servers.connected(kubeconfig, "sandbox", source="towline.sandbox") as api:
            yield api
