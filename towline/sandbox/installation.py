"""A whole Towline on loopback: the real processes of the Procfile against the sandbox.

With a kubeconfig it works on that cluster, with a Redis URL on that Redis; the forge is always
its own. Everything is kept in one private folder, which goes when it stops.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Any, Self

import yaml
from redis.exceptions import RedisError

from towline.adapters.kubernetes import Clusters
from towline.adapters.redis import connect
from towline.core.errors import PermanentError, TowlineError
from towline.core.inventory import PART_OF, applyset_id, parent_key
from towline.core.objects import Object, key_of
from towline.core.resources import NAMESPACES, Resource
from towline.ports import Cluster, RefusedError
from towline.sandbox import forge
from towline.sandbox.processes import Processes, free_port, parse_procfile, wait_for_port

NAMESPACE = "towline-demo"
"""Where the inventory is kept: not where an installation that is there already keeps its own."""

_REDIS_KEYS = ("towline:*", "_kombu*", "unacked*", "celery*", "push", "resync")
Where = tuple[str, str, str, str]
"""apiVersion, kind, namespace and name of an object."""

_DEFINITIONS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
)
_EXAMPLE = resources.files("towline.sandbox.example")
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Installation:
    """Start it with `with`; the addresses are there from then on."""

    kubeconfig: Path | None = None
    redis_url: str | None = None
    tick: str = "1s"
    documents: Callable[[Installation], str] | None = None
    """The documents to write; the demo's by default."""
    processes: Processes = field(init=False)

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="towline-demo-"))
        self._stack = ExitStack()
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        try:
            self.processes = self._stack.enter_context(Processes(self.folder / "logs"))
            self._start_sandbox()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    # The world around ------------------------------------------------------------------------

    def _start_sandbox(self) -> None:
        self.web_port, self.flower_port, self.forge_port = (free_port() for _ in range(3))
        self.api_token = self._secret("api-token")
        self.flower_password = self._secret("flower-password")
        self._webhook_secret = self._secret("webhook-secret")
        self._git_token = self._secret("git-token")
        self._start_broker()
        self._start_cluster()
        self._start_forge()
        self._make_namespace(NAMESPACE)
        template = self.documents(self) if self.documents else self._example_documents()
        self.documents_file.write_text(template, encoding="utf-8")

    def _secret(self, name: str) -> str:
        """A fresh secret, in a file that only this user can read."""
        text = secrets.token_urlsafe(24)
        descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        return text

    def _start_broker(self) -> None:
        if self.redis_url is not None:
            self.broker_url = self.redis_url
            self._borrow_redis()
            return
        port, password = free_port(), self._secret("redis-password")
        self.broker_url = f"redis://:{password}@127.0.0.1:{port}/0"
        command = [sys.executable, "-m", "towline.sandbox.broker", "--port", str(port)]
        command += ["--password-file", str(self.folder / "redis-password")]
        self.processes.start("broker", command, os.environ)
        self.wait("the broker", self._broker_answers)

    def _borrow_redis(self) -> None:
        """One database belongs to one installation: another's marks would be taken for ours."""
        try:
            with connect(self.broker_url) as redis:
                keys = int(redis.dbsize())
        except (RedisError, ValueError) as error:
            raise PermanentError(f"the Redis that was named does not answer: {error}") from None
        if keys:
            raise PermanentError(
                f"the Redis database that was named holds {keys} keys already: name an empty one, "
                "for instance with /15 at the end of its URL"
            )
        self._stack.callback(self._return_redis)

    def _return_redis(self) -> None:
        with connect(self.broker_url) as redis:
            for pattern in _REDIS_KEYS:
                for name in list(redis.scan_iter(match=pattern)):
                    redis.delete(name)

    def _broker_answers(self) -> bool:
        try:
            with connect(self.broker_url) as redis:
                return bool(redis.ping())
        except RedisError:
            return False

    def _start_cluster(self) -> None:
        if self.kubeconfig is not None:
            self.kubeconfig_file = self.kubeconfig.resolve()
            self.context = _current_context(self.kubeconfig_file)
        else:
            self.kubeconfig_file = self.folder / "kubeconfig"
            self.context = "sandbox"
            command = [sys.executable, "-m", "towline.sandbox.kubernetes"]
            command += ["--kubeconfig", str(self.kubeconfig_file)]
            self.processes.start("cluster", command, os.environ)
            self.wait("the Kubernetes API", self.kubeconfig_file.exists)
        os.environ["KUBECONFIG"] = str(self.kubeconfig_file)
        clusters = Clusters()
        self._stack.callback(clusters.close)
        self.cluster: Cluster = clusters(self.context)
        self.connection = clusters(self.context).connection
        self.wait("the Kubernetes API", self._cluster_answers)
        if self.kubeconfig is not None:
            self._refuse_existing()

    def _refuse_existing(self) -> None:
        """What is on a cluster that stays is not ours, and would not be told from it later."""
        for resource, name in self._made():
            live = self.cluster.get(resource, "", name)
            if live and "deletionTimestamp" in live["metadata"]:
                # Of a demo that has just ended: namespaces take a while to empty.
                self.wait(
                    f"the end of {resource.kind}/{name}", partial(self._is_gone, resource, name)
                )
            elif live:
                raise PermanentError(
                    f"{resource.kind}/{name} is on the cluster already: the demo makes and removes "
                    "it, so it must not be there before"
                )

    def _made(self) -> Iterable[tuple[Resource, str]]:
        """The cluster-scoped objects of the demo, which take the rest with them."""
        names = (NAMESPACE, "towline-demo-harbour", "towline-demo-lighthouse")
        yield from ((NAMESPACES, name) for name in names)
        yield _DEFINITIONS, "berths.harbour.example"

    def _cluster_answers(self) -> bool:
        try:
            self.cluster.resources()
        except TowlineError:
            return False
        return True

    def _make_namespace(self, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.cluster.apply(NAMESPACES, body)

    def _start_forge(self) -> None:
        root = self.folder / "forge"
        root.mkdir()
        command = [sys.executable, "-m", "towline.sandbox.forge", "--root", str(root)]
        command += ["--port", str(self.forge_port)]
        command += ["--token-file", str(self.folder / "git-token")]
        self.processes.start("forge", command, os.environ)
        wait_for_port(self.forge_port, self.processes)

    @property
    def forge_url(self) -> str:
        return f"http://127.0.0.1:{self.forge_port}"

    @property
    def documents_file(self) -> Path:
        return self.folder / "applications.yaml"

    def _example_documents(self) -> str:
        text = _EXAMPLE.joinpath("documents.yaml").read_text(encoding="utf-8")
        return Template(text).substitute(
            forge=self.forge_url,
            token_file=self.folder / "git-token",
            cluster=json.dumps(self.context),
        )

    def repository(self, name: str, *, webhook: bool = True) -> WorkingCopy:
        """A new repository of the forge, and a working copy of it to push from."""
        told = forge.Webhook(f"{self.url}/hooks/github", self.folder / "webhook-secret")
        bare = forge.create(
            self.folder / "forge",
            name,
            base_url=self.forge_url,
            webhook=told if webhook else None,
        )
        return WorkingCopy.of(bare, self.folder / "work" / name)

    def example_repository(self) -> WorkingCopy:
        copy = self.repository("deploy")
        with resources.as_file(_EXAMPLE.joinpath("repository")) as folder:
            shutil.copytree(folder, copy.folder, dirs_exist_ok=True)
        return copy

    # Towline itself --------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings that every process of the Procfile gets."""
        digest = hashlib.sha256(self.api_token.encode()).hexdigest()
        beside = str(Path(sys.executable).parent)
        path = os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])
        return {
            **{name: text for name, text in os.environ.items() if not _is_ours(name)},
            "PATH": path,
            "PYTHONPATH": str(_ROOT),
            "TOWLINE_APPLICATIONS": str(self.documents_file),
            "TOWLINE_REDIS_URL": self.broker_url,
            "TOWLINE_DATA_DIR": str(self.folder / "data"),
            "TOWLINE_NAMESPACE": NAMESPACE,
            "TOWLINE_GITHUB_SECRET_FILE": str(self.folder / "webhook-secret"),
            "TOWLINE_API_TOKENS": f"demo:operator:{digest}",
            "TOWLINE_GIT_PROTOCOLS": "http",
            "TOWLINE_RESYNC_TICK": self.tick,
            "KUBECONFIG": str(self.kubeconfig_file),
            "PORT": str(self.web_port),
            "FLOWER_PORT": str(self.flower_port),
            "FLOWER_BASIC_AUTH": f"towline:{self.flower_password}",
        }

    def start_towline(self, *names: str) -> None:
        """Start those lines of the Procfile; all of them if none is named."""
        lines = parse_procfile(procfile())
        for name in names or tuple(lines):
            self.processes.start_shell(name, lines[name], self.environment)
        ports = {"web": self.web_port, "flower": self.flower_port}
        for name in names or tuple(lines):
            if name in ports:
                wait_for_port(ports[name], self.processes)

    def wait(
        self, what: str, until: Callable[[], object], seconds: float = 60.0, pause: float = 0.01
    ) -> Any:
        """The first true answer; raises PermanentError after so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = until()
            if answer:
                return answer
            self.processes.check()
            time.sleep(pause)
        raise PermanentError(f"{what} did not come true within {seconds:.0f} s")

    def live(self, where: Where) -> Object | None:
        """An object as the cluster has it now."""
        api_version, kind, namespace, name = where
        return self.cluster.get(self._resource(api_version, kind), namespace, name)

    def change_by_hand(self, where: Where, patch: Object, *, manager: str) -> None:
        """Change a live object as somebody with kubectl would: a merge patch under a name."""
        api_version, kind, namespace, name = where
        self.connection.request(
            "PATCH",
            self._resource(api_version, kind).path(namespace, name),
            query={"fieldManager": manager},
            body=patch,
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def _resource(self, api_version: str, kind: str) -> Resource:
        for fresh in (False, True):
            found = self.cluster.resources(fresh=fresh).find(api_version, kind)
            if found:
                return found
        raise PermanentError(f"the cluster does not know {kind} in {api_version}")

    def members(self, applications: Iterable[str]) -> dict[str, Object]:
        """Object → what somebody wrote into it, of all members of these applications."""
        found: dict[str, Object] = {}
        for application in applications:
            selector = f"{PART_OF}={applyset_id(parent_key(application, NAMESPACE))}"
            for resource in self.cluster.resources(fresh=True).listable():
                for body in self.cluster.list(resource, selector=selector):
                    found[str(key_of(body))] = _without_controllers(body)
        return found

    def clean_cluster(self) -> None:
        """Remove what was made on a cluster that stays; none of it was there before."""
        self.processes.stop_lines()
        for resource, name in self._made():
            self.wait(f"deleting {resource.kind}/{name}", partial(self._delete, resource, name))

    def _delete(self, resource: Resource, name: str) -> bool:
        """Whether it is gone or going; controllers may write to it meanwhile."""
        live = self.cluster.get(resource, "", name)
        if live is None or "deletionTimestamp" in live["metadata"]:
            return True
        with suppress(RefusedError):
            self.cluster.delete(resource, live)
        return False

    def _is_gone(self, resource: Resource, name: str) -> bool:
        return self.cluster.get(resource, "", name) is None


def procfile() -> str:
    """The Procfile: of the checkout, or as the wheel carries it."""
    checkout = _ROOT / "Procfile"
    file = checkout if checkout.exists() else resources.files("towline.sandbox") / "Procfile"
    return file.read_text(encoding="utf-8")


def _is_ours(name: str) -> bool:
    return name.startswith(("TOWLINE_", "FLOWER_", "GIT_")) or name in ("HOST", "PORT")


def _current_context(kubeconfig: Path) -> str:
    try:
        found = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))["current-context"]
    except OSError as error:
        raise PermanentError(f"{kubeconfig} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, KeyError, TypeError):
        raise PermanentError(f"{kubeconfig} names no current context") from None
    return str(found)


@dataclass(frozen=True)
class WorkingCopy:
    """Somebody's clone: commits and pushes as a person would."""

    bare: Path
    folder: Path

    @classmethod
    def of(cls, bare: Path, folder: Path) -> WorkingCopy:
        folder.mkdir(parents=True)
        copy = cls(bare, folder)
        copy.git("init", "--quiet", "--initial-branch=main")
        copy.git("remote", "add", "origin", str(bare))
        return copy

    def git(self, *arguments: str) -> str:
        """Standard output; no setting of this machine's Git has a say."""
        environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Demo",
            "GIT_AUTHOR_EMAIL": "demo@example.com",
            "GIT_COMMITTER_NAME": "Demo",
            "GIT_COMMITTER_EMAIL": "demo@example.com",
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit everything; the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *options: str) -> float:
        """Push; when the forge accepted it, in seconds since the epoch."""
        self.git("push", "--quiet", *options, "origin", "HEAD:main")
        noted = self.bare / "pushed" / self.git("rev-parse", "HEAD")
        return float(noted.read_text(encoding="ascii")) if noted.exists() else time.time()

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise PermanentError(f"{file} does not contain {old!r}")
        path.write_text(text.replace(old, new), encoding="utf-8")


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_on_signals() -> None:
    """Let the first of these signals end the story, and let nothing interrupt the clearing up."""

    def stop(*_: object) -> None:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in _STOPPING:
        signal.signal(number, stop)


def _without_controllers(body: Object) -> Object:
    """An object without what its controllers write into it all the time."""
    noise = ("managedFields", "resourceVersion", "annotations")
    metadata = {name: field for name, field in body["metadata"].items() if name not in noise}
    return {
        **{name: field for name, field in body.items() if name != "status"},
        "metadata": metadata,
    }
