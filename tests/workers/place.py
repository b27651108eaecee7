"""A worker's room: real marks and records in Redis, and a small world behind the other ports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from redis import Redis

from towline.adapters.redis import RedisInbox, RedisLedger, RedisMarks
from towline.core.application import Application, Documents, Source, parse_documents
from towline.core.errors import SourceGoneError
from towline.core.inventory import PART_OF, Parent
from towline.core.manifest import Manifest, parse_manifests
from towline.core.objects import GroupKind, Object, labels_of
from towline.core.outcome import Trigger, TriggerKind
from towline.core.resources import Resource, Resources
from towline.ports import Expectations, File, Ledger, RefusedError, Scope, Services, Tree
from workers.room import Room

REPOSITORY = "git.example.com/shop/deploy"
URL = f"https://{REPOSITORY}.git"
PUSH = Trigger(TriggerKind.WEBHOOK, "delivery-1", 1.0)
RESYNC = Trigger(TriggerKind.RESYNC, at=1.0)
SYNC = Trigger(TriggerKind.SYNC, "ann", 1.0)
KEY = b"a-key-that-is-not-in-redis"

CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", True, frozenset({"list", "delete"}))


def application(name: str, *, url: str = URL, sync: str = "") -> str:
    return f"""
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec:
  source: {{repository: "{url}", branch: main, path: {name}}}
  destination: {{cluster: sandbox, namespace: shop}}
  sync: {{{sync}}}
"""


def documents(*texts: str) -> Documents:
    return parse_documents({"documents.yaml": "\n---\n".join(texts).encode()})


@dataclass
class Clock:
    """Moved by hand; it begins now, for deliveries are stamped with the time they came at."""

    seconds: float = field(default_factory=time.time)

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass(frozen=True)
class Head:
    """A tree of which only the commit is asked."""

    commit: str

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def oid(self, path: str) -> str | None:
        return f"{self.commit}:{path}"

    def is_folder(self, path: str) -> bool:
        return bool(path)

    def files(self, path: str) -> Sequence[File]:
        raise SourceGoneError(path)

    def read(self, files: Iterable[File]) -> Mapping[str, bytes]:
        return {file.path: b"" for file in files}


@dataclass
class Forge:
    """The port `Repositories`: a commit comes into the mirror with a fetch."""

    head: str = "a" * 40
    known: set[str] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)
    error: BaseException | None = None
    gone: SourceGoneError | None = None
    """What there is instead of a tree."""
    meanwhile: Callable[[], object] = lambda: None
    """What others do while a fetch is under way."""

    def refresh(self, url: str) -> None:
        self.fetched.append(url)
        self.meanwhile()
        if self.error:
            raise self.error
        self.known.add(self.head)

    def tree(self, source: Source) -> Tree:  # noqa: ARG002
        if self.error or self.gone:
            raise self.error or self.gone or SystemExit
        return Head(self.head)

    def knows(self, url: str, commit: str) -> bool:  # noqa: ARG002
        return commit in self.known


@dataclass
class Press:
    """The port `Renderer`: one ConfigMap for each application, unless `versions` changes it."""

    versions: dict[str, str] = field(default_factory=dict)
    meanwhile: Callable[[], object] = lambda: None
    """What others do while a run is under way."""
    error: BaseException | None = None

    def digest(self, application: Application, tree: Tree) -> str:  # noqa: ARG002
        return f"{application.name} {self.versions.get(application.name, '1')}"

    def render(self, application: Application, tree: Tree) -> Sequence[Manifest]:
        self.meanwhile()
        if self.error:
            raise self.error
        text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {application.name}}}\n"
        text += f"data: {{digest: {self.digest(application, tree)}}}\n"
        return parse_manifests(text.encode(), "map.yaml")


@dataclass
class Api:
    """The port `Cluster`: accepts everything, or refuses every object."""

    refuses: str = ""
    applied: list[str] = field(default_factory=list)
    live: dict[str, Object] = field(default_factory=dict)
    members: list[Object] = field(default_factory=list)
    """What carries a label, of whatever set."""

    def identity(self) -> str:
        return "this one"

    def resources(self, *, fresh: bool = False) -> Resources:  # noqa: ARG002
        return Resources({GroupKind("", "ConfigMap"): (CONFIG_MAPS,)})

    def list(
        self,
        resource: Resource,  # noqa: ARG002
        *,
        namespace: str | None = None,  # noqa: ARG002
        selector: str = "",
    ) -> Sequence[Object]:
        return [body for body in self.members if labels_of(body)[PART_OF] in selector]

    def names(
        self,
        resource: Resource,  # noqa: ARG002
        *,
        namespace: str | None = None,  # noqa: ARG002
        most: int,  # noqa: ARG002
    ) -> frozenset[str] | None:
        return frozenset(self.live)

    def count(self, resource: Resource, *, namespace: str | None = None) -> int:  # noqa: ARG002
        return len(self.live)

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:  # noqa: ARG002
        return self.live.get(name)

    def apply(self, resource: Resource, body: Object, *, dry_run: bool = False) -> Object:  # noqa: ARG002
        if self.refuses:
            raise RefusedError(self.refuses, status=422)
        name = str(body["metadata"]["name"])
        metadata = {**body["metadata"], "uid": name, "resourceVersion": "1"}
        if not dry_run:
            self.applied.append(name)
        return {**body, "metadata": metadata}

    def patch(
        self,
        resource: Resource,  # noqa: ARG002
        live: Object,
        steps: Sequence[Mapping[str, Any]],  # noqa: ARG002
        *,
        dry_run: bool = False,  # noqa: ARG002
    ) -> Object:
        return live

    def delete(self, resource: Resource, live: Object) -> bool:  # noqa: ARG002
        self.members.remove(live)
        return True


@dataclass
class Parents:
    """The port `Inventory`."""

    namespace: str = "towline-system"
    sets: dict[str, Parent] = field(default_factory=dict)
    error: BaseException | None = None
    removed: list[str] = field(default_factory=list)

    def read(self, application: str) -> Parent:
        return self.sets.get(application) or Parent(application, "towline-system")

    def write(self, parent: Parent) -> Parent:
        if self.error:
            raise self.error
        version = str(int(parent.resource_version or 0) + 1)
        written = replace(parent, resource_version=version, uid="u", complete=True)
        self.sets[parent.application] = written
        return written

    def parents(self) -> Sequence[Parent]:
        if self.error:
            raise self.error
        return list(self.sets.values())

    def bodies(self) -> Mapping[str, Object]:
        return {name: parent.body() for name, parent in self.sets.items()}

    def remove(self, parent: Parent) -> None:
        del self.sets[parent.application]
        self.removed.append(parent.application)


@dataclass
class Queue:
    """Every task that was queued, as `refresh NAME on QUEUE`."""

    sent: list[str] = field(default_factory=list)
    error: BaseException | None = None

    def refresh(self, repository: str, *, queue: str) -> None:
        self._send(f"refresh {repository} on {queue}")

    def reconcile(self, application: Application, *, queue: str) -> None:
        self._send(f"reconcile {application.name} on {queue}")

    def survey(self, cluster: str, *, queue: str) -> None:
        self._send(f"survey {cluster} on {queue}")

    def _send(self, what: str) -> None:
        if self.error:
            raise self.error
        self.sent.append(what)

    def emptied(self) -> list[str]:
        """What was sent since this was asked last."""
        sent, self.sent = self.sent, []
        return sent


class Place:
    """A room, and all that a test moves in it."""

    def __init__(self, redis: Redis, *texts: str) -> None:
        self.redis = redis
        self.documents = documents(*texts)
        self.clock, self.forge, self.press = Clock(), Forge(), Press()
        self.api, self.parents, self.queue = Api(), Parents(), Queue()
        self.marks = RedisMarks(redis, now=self.clock.now)
        self.inbox = RedisInbox(redis)
        self.room = Room(
            services=Services(
                documents=lambda: self.documents,
                repositories=self.forge,
                renderer=self.press,
                cluster=lambda _: self.api,
                inventory=lambda _: self.parents,
                clock=self.clock,
            ),
            marks=self.marks,
            ledger=RedisLedger(redis),
            expectations=self.inbox,
            queue=self.queue,
            signing_key=lambda: KEY,
        )

    @property
    def ledger(self) -> Ledger:
        return self.room.ledger

    @property
    def expectations(self) -> Expectations:
        return self.room.expectations

    def pushed(self, commit: str, *, repository: str = REPOSITORY, number: int = 1) -> None:
        """A webhook announces a commit."""
        self.inbox.receive(
            {"id": f"delivery-{number}", "provider": "github"},
            repository=repository,
            ref="refs/heads/main",
            expected=commit,
        )

    def is_wanted(self, scope: Scope, name: str) -> bool:
        """Whether the mark stands, whoever is at it."""
        counts = [
            self.redis.hget(f"towline:1:{scope}:{kind}", name) for kind in ("wanted", "served")
        ]
        return (counts[0] or "0") != (counts[1] or "0")

    def is_leased(self, scope: Scope, name: str) -> bool:
        return bool(self.redis.exists(f"towline:1:{scope}:lease:{name}"))

    def lose_messages(self) -> None:
        """As if every message had been lost a minute ago."""
        for name in list(self.redis.scan_iter("towline:1:*:queued:*")):
            self.redis.delete(name)

    def lose_lease(self, scope: Scope, name: str) -> None:
        """As if its worker had been dead for a minute."""
        assert self.redis.delete(f"towline:1:{scope}:lease:{name}") == 1
