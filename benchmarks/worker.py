"""A process that reconciles as a worker does, with the real adapters, and measures itself.

`python -m benchmarks.worker` reads a command a line on standard input and answers with a line of
JSON. The settings are those of a worker. `Worker` is the other end.
"""

from __future__ import annotations

import cProfile
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from towline import reconcile as engine
from towline.adapters.documents import DocumentFiles
from towline.adapters.kubernetes import Clusters
from towline.adapters.kubernetes.connection import Connection
from towline.adapters.redis import RedisLooks, connect
from towline.adapters.services import build_services
from towline.observe import Phases
from towline.ports import PARALLEL
from towline.settings import load
from workers.collecting import collect_seldom

_DISCOVERY = ("/api", "/apis", "/version")


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]

    @property
    def is_list(self) -> bool:
        return "labelSelector" in self.query

    @property
    def is_write(self) -> bool:
        return self.method != "GET" and "dryRun" not in self.query


@dataclass
class Counted:
    """A connection's requests, as they are sent. Discovery is not counted."""

    connection: Connection
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._send = self.connection.request
        self.connection.request = self._request  # type: ignore[method-assign]

    def _request(self, method: str, path: str, **options: Any) -> Any:
        if path not in _DISCOVERY:
            # A copy: the caller turns the pages by changing it.
            query = dict(options.get("query") or {})
            self.requests.append(Request(method, path, query))
        return self._send(method, path, **options)


class Bench:
    """What the commands do."""

    def __init__(self, context: str) -> None:
        self._settings = load()
        self._documents = DocumentFiles(self._settings.applications)
        redis = connect(self._settings.redis_url)
        self._services = build_services(self._settings, self._documents, RedisLooks(redis))
        assert isinstance(self._services.cluster, Clusters)
        self._cluster = self._services.cluster(context)
        self._cluster.resources()
        self._counted = Counted(self._cluster.connection)
        self._runs = 0

    def reconcile(self, application: str, profile: str = "") -> dict[str, Any]:
        """One whole run: fetch if there is something new, render, observe, plan, apply, settle."""
        self._counted.requests.clear()
        self._runs += 1
        phases = Phases(self._services.clock.monotonic)
        attempt = engine.Attempt(run=f"run-{self._runs}", phases=phases, still_held=lambda: True)
        document = self._documents().applications[application]
        watch = cProfile.Profile() if profile else None
        worked, started = time.process_time(), time.monotonic()
        if watch:
            outcome = watch.runcall(engine.reconcile, document, self._services, attempt)
            watch.dump_stats(profile)
        else:
            outcome = engine.reconcile(document, self._services, attempt)
        seconds, worked = time.monotonic() - started, time.process_time() - worked
        requests = self._counted.requests
        return {
            "seconds": seconds,
            "cpu": worked,
            "phases": dict(phases.seconds),
            "counts": {str(kind): number for kind, number in outcome.counts.items()},
            "failures": [f"{result.key}: {result.message}" for result in outcome.failures][:3],
            "requests": len(requests),
            "writes": sum(request.is_write for request in requests),
            "dry_runs": sum("dryRun" in request.query for request in requests),
        }

    def lists(self) -> dict[str, Any]:
        """The LISTs of the last run again, and nothing else: same client, as many at a time."""
        first = [r for r in self._counted.requests if r.is_list and "continue" not in r.query]
        started = time.monotonic()
        with ThreadPoolExecutor(PARALLEL) as pool:
            found = sum(pool.map(self._list, first))
        return {"seconds": time.monotonic() - started, "kinds": len(first), "objects": found}

    def _list(self, request: Request) -> int:
        query = dict(request.query)
        found = 0
        while True:
            page = self._counted._send("GET", request.path, query=query)
            found += len(page.get("items") or ())
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return found
            query["continue"] = token

    def memory(self) -> dict[str, Any]:
        """MB of 10^6 bytes: now, and the most there ever was."""
        unit = 1 if sys.platform == "darwin" else 1024
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return {"now": psutil.Process().memory_info().rss // 10**6, "most": most // 10**6}


def main() -> int:
    collect_seldom()
    bench = Bench(sys.argv[1])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(bench, name)(*arguments)), flush=True)
    return 0


class Worker:
    """Such a process, as whoever measures sees it."""

    def __init__(self, environment: Mapping[str, str], context: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", context],
            env={**os.environ, **environment},
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate()

    def reconcile(self, application: str, profile: str = "") -> dict[str, Any]:
        return self._ask("reconcile", application, profile)

    def lists(self) -> dict[str, Any]:
        return self._ask("lists")

    def memory(self) -> dict[str, Any]:
        return self._ask("memory")

    def _ask(self, *command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(command)}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that reconciles ended: {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


if __name__ == "__main__":
    sys.exit(main())
