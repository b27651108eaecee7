"""Where a worker of the benchmark works: a server, a Valkey, Git repositories, documents."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from redis.exceptions import RedisError

from benchmarks.manifests import Objects
from benchmarks.server import Server
from benchmarks.worker import Worker
from towline.adapters.redis import connect
from towline.sandbox.installation import WorkingCopy
from towline.sandbox.processes import Processes, free_port


@dataclass
class Workplace:
    server: Server
    redis_url: str
    folder: Path
    _documents: list[str] = field(default_factory=list)

    @property
    def context(self) -> str:
        text = json.loads(self.server.kubeconfig.read_text(encoding="utf-8"))
        return str(text["current-context"])

    def objects(self, name: str, count: int, namespaces: int) -> Objects:
        """So many objects that nobody else has, in a folder of manifests."""
        objects = Objects(f"{self.server.prefix}-{name}", count, namespaces)
        objects.write(self.manifests(name))
        return objects

    def manifests(self, name: str) -> Path:
        return self.folder / name

    def application(self, name: str, count: int, namespaces: int) -> Objects:
        """An application of its own, in a Git repository of its own."""
        objects = self.objects(name, count, namespaces)
        copy = WorkingCopy(self.manifests(name), self.manifests(name))
        copy.git("init", "--quiet", "--initial-branch=main")
        copy.commit(f"{count} objects")
        self._documents.append(f"""
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec:
  source: {{repository: "file://{self.manifests(name)}", branch: main}}
  destination: {{cluster: {self.context}}}
""")
        self._file.write_text("\n---\n".join(self._documents), encoding="utf-8")
        return objects

    @property
    def _file(self) -> Path:
        return self.folder / "applications.yaml"

    def worker(self) -> Worker:
        """It knows the applications that were made before."""
        environment = {
            "KUBECONFIG": str(self.server.kubeconfig),
            "TOWLINE_APPLICATIONS": str(self._file),
            "TOWLINE_REDIS_URL": self.redis_url,
            "TOWLINE_DATA_DIR": str(self.folder / f"data-{secrets.token_hex(3)}"),
            "TOWLINE_GIT_PROTOCOLS": "file",
            "TOWLINE_NAMESPACE": f"{self.server.prefix}-system",
        }
        return Worker(environment, self.context)


@contextmanager
def workplace(server: Server) -> Iterator[Workplace]:
    server.make_namespace(f"{server.prefix}-system")
    folder = server.folder / "work"
    folder.mkdir()
    password = folder / "redis-password"
    password.write_text(secrets.token_urlsafe(24), encoding="ascii")
    port = free_port()
    url = f"redis://:{password.read_text(encoding='ascii')}@127.0.0.1:{port}/0"
    with Processes(server.folder / "logs") as processes:
        command = [sys.executable, "-m", "towline.sandbox.broker", "--port", str(port)]
        processes.start("broker", [*command, "--password-file", str(password)], os.environ)
        while not _answers(url):
            processes.check()
            time.sleep(0.05)
        yield Workplace(server, url, folder)


def _answers(url: str) -> bool:
    with suppress(RedisError), connect(url) as redis:
        return bool(redis.ping())
    return False
