"""A repository that somebody pushes to, and the mirrors of it, all on real transports."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from towline.adapters.git import GitRepositories, NoLooks
from towline.adapters.git.command import Limits
from towline.core.application import Application, Documents, Repository, Source
from towline.ports import Tree
from towline.sandbox import forge
from towline.sandbox.forge import Forge
from towline.sandbox.installation import WorkingCopy

TOKEN = "t0ken-of-the-tests"
API = "towline.dev/v1alpha1"


def config_map(name: str, **data: str) -> str:
    lines = "".join(f'\n  {key}: "{text}"' for key, text in data.items())
    head = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n"
    return f"{head}data:{lines}\n" if data else head


def application(source: Source, name: str = "app") -> Application:
    spec = {"source": source, "destination": {"cluster": "here"}}
    body = {"api_version": API, "kind": "Application", "metadata": {"name": name}, "spec": spec}
    return Application.model_validate(body)


def repository(url: str, **spec: Any) -> Repository:
    body = {"apiVersion": API, "kind": "Repository", "metadata": {"name": "repository"}}
    files = {name: str(value) for name, value in spec.items()}
    return Repository.model_validate({**body, "spec": {"url": url, **files}})


def make_blank(folder: Path) -> Path:
    """An empty repository of the forge, and a clone of it that finds it by a relative path."""
    bare = forge.create(folder / "forge", "deploy", base_url="http://unused.example")
    copy = WorkingCopy.of(bare, folder / "work")
    copy.git("remote", "set-url", "origin", "../forge/deploy.git")
    shutil.rmtree(copy.folder / ".git" / "hooks")
    return folder


class MemoryLooks:
    """The port `Looks` in one process; `flush` is what an emptied Redis looks like."""

    def __init__(self) -> None:
        self.epoch = 1
        self._begun: dict[str, int] = defaultdict(int)
        self._ended: dict[str, tuple[str, str]] = {}

    def begin(self, repository: str) -> str:
        self._begun[repository] += 1
        return f"epoch{self.epoch}:{self._begun[repository]}"

    def end(self, repository: str, look: str, seen: str = "") -> str:
        newest, newest_seen = self._ended.get(repository, ("", ""))
        if seen and seen == newest_seen:
            return newest
        self._ended[repository] = (look, seen)
        return look

    def newest(self, repository: str) -> str | None:
        return self._ended.get(repository, (None, ""))[0]

    def flush(self) -> None:
        self.epoch += 1
        self._begun.clear()
        self._ended.clear()


@dataclass
class World:
    """`upstream` is somebody's clone; `url` is where Towline fetches what they push."""

    folder: Path
    upstream: WorkingCopy
    url: str
    looks: MemoryLooks | None = None
    """Without them every tree is fetched anew."""
    documents: Documents = field(default_factory=Documents)

    @classmethod
    def at(
        cls, folder: Path, blank: Path, url: str = "", looks: MemoryLooks | None = None
    ) -> World:
        """A copy of `blank`, which is cheaper than to make everything anew for each test."""
        shutil.copytree(blank, folder, dirs_exist_ok=True)
        bare = folder / "forge" / "deploy.git"
        copy = WorkingCopy(bare, folder / "work")
        return cls(folder, copy, url or f"file://{bare}", looks)

    def source(self, *, path: str = "", repository: str = "", **followed: Any) -> Source:
        body = {"repository": repository or self.url, "path": path, **followed}
        if not {"branch", "tag", "semver", "commit"} & body.keys():
            body["branch"] = "main"
        return Source.model_validate(body)

    def follow(self, *sources: Source, repositories: tuple[Repository, ...] = ()) -> None:
        named = {f"app-{n}": application(source, f"app-{n}") for n, source in enumerate(sources)}
        self.documents = Documents(named, repositories or self.documents.repositories)

    def repositories(
        self,
        *,
        root: Path | None = None,
        protocols: str = "file:http:ssh",
        limits: Limits | None = None,
    ) -> GitRepositories:
        return GitRepositories(
            root or self.folder / "data",
            lambda: self.documents,
            self.looks or NoLooks(),
            protocols=protocols,
            limits=limits or Limits(seconds=30),
        )

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.upstream.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def push(self, files: Mapping[str, str | bytes] | None = None, *, to: str = "main") -> str:
        """Commit and push; the commit."""
        self.write(files or {})
        self.upstream.git("add", "--all")
        self.upstream.git("commit", "--quiet", "--allow-empty", "--message", f"to {to}")
        self.upstream.git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{to}")
        return self.upstream.git("rev-parse", "HEAD")

    def delete(self, ref: str) -> None:
        self.upstream.git("push", "--quiet", "origin", f":{ref}")

    def tag(self, name: str, *options: str) -> str:
        """Tag the head, wherever the tag was before; the commit."""
        self.upstream.git("tag", "--force", *options, name)
        self.upstream.git("push", "--quiet", "--force", "origin", f"refs/tags/{name}")
        return self.upstream.git("rev-parse", "HEAD")

    @contextmanager
    def tree(self, *, path: str = "", **followed: Any) -> Iterator[Tree]:
        with self.repositories().tree(self.source(path=path, **followed)) as tree:
            yield tree

    @property
    def mirror(self) -> Path:
        (found,) = (self.folder / "data" / "mirrors").glob("*.git")
        return found


def head(repositories: GitRepositories, source: Source) -> str:
    with repositories.tree(source) as tree:
        return tree.commit


class CountingForge(Forge):
    """Git makes one connection for a fetch, so that connections count fetches."""

    fetches = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        self.fetches += 1
        super().process_request(request, client_address)


@contextmanager
def serving(root: Path, *, token: str = TOKEN) -> Iterator[CountingForge]:
    root.mkdir(exist_ok=True)
    with CountingForge(root, token=token) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Line:
    """A TCP line to a server, which can go dead or break after so many bytes of answers."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.passes: int | None = None
        self.then_closes = False
        self.passed = 0

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [near, far]
                for pump in ((near, far, False), (far, near, True)):
                    thread = threading.Thread(target=self._pump, args=pump)
                    self._threads.append(thread)
                    thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 14):
                if not is_answer or self.passes is None:
                    sink.sendall(data)
                    continue
                sink.sendall(data[: max(0, self.passes - self.passed)])
                self.passed += len(data)
                if self.passed > self.passes and self.then_closes:
                    break
            if not is_answer or self.passes is None or self.then_closes:
                sink.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._sockets:
            end.close()


@contextmanager
def line_to(port: int) -> Iterator[Line]:
    line = Line(port)
    try:
        yield line
    finally:
        line.close()


def eventually(what: Callable[[], object], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.01)
    return bool(what())


def own_children() -> list[str]:
    """The children of this process, without the broker that all its tests share."""
    names = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            names.append(child.name())
    return [name for name in names if name != "valkey-server"]


def running(*words: str) -> list[list[str]]:
    """Command lines of this machine's processes that contain all these words."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = process.cmdline()
            if command and all(word in " ".join(command) for word in words):
                found.append(command)
    return found
