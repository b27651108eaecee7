"""What the engine asks of the world. Adapters keep these promises; tests hold them to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self

from towline.core.application import Application, Documents, Source
from towline.core.errors import TowlineError
from towline.core.inventory import Parent
from towline.core.manifest import Manifest
from towline.core.objects import Object
from towline.core.outcome import Trigger
from towline.core.plan import Refusal
from towline.core.resources import Resource, Resources
from towline.proofs import Proofs

# Git -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class File:
    """A blob of a tree; `path` is relative to the repository's root."""

    path: str
    oid: str
    size: int
    mode: str

    @property
    def is_link(self) -> bool:
        return self.mode == "120000"

    @property
    def is_submodule(self) -> bool:
        return self.mode == "160000"


class Tree(Protocol):
    """The tree of one commit, read without a work tree; leaving its `with` ends its processes."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *details: object) -> None: ...

    @property
    def commit(self) -> str: ...

    def oid(self, path: str) -> str | None:
        """The id of a folder's tree or a file's blob; None if it is not there."""

    def is_folder(self, path: str) -> bool: ...

    def files(self, path: str) -> Sequence[File]:
        """All files below a folder; raises SourceGoneError if it is not there."""

    def read(self, files: Iterable[File]) -> Mapping[str, bytes]:
        """Contents by path; raises SourceRefusedError beyond the limit of bytes."""


class Repositories(Protocol):
    def refresh(self, url: str) -> None:
        """Fetch what is followed of a repository; raises SourceError or SourceRefusedError."""

    def tree(self, source: Source) -> Tree:
        """The head of what a source follows, at least as new as any refresh that has ended.

        Raises SourceGoneError if the ref is not there.
        """

    def knows(self, url: str, commit: str) -> bool:
        """Whether the commit has been fetched."""


class Renderer(Protocol):
    def digest(self, application: Application, tree: Tree) -> str:
        """Names everything that the render depends on; equal digests give equal manifests."""

    def render(self, application: Application, tree: Tree) -> Sequence[Manifest]:
        """Raises ManifestError or RenderError, with the place."""


# Clusters ------------------------------------------------------------------------------------


class RefusedError(TowlineError):
    """The server refused one object. This is that object's failure, not the run's."""

    def __init__(self, message: str, *, status: int, reason: str = "", immutable: bool = False):
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.immutable = immutable

    @property
    def refusal(self) -> Refusal:
        return Refusal(self.message, self.immutable)


PARALLEL = 8
"""Requests to one cluster at a time: below what API priority and fairness gives one client."""


class Cluster(Protocol):
    """An API server. Every method raises ClusterError if it does not answer in time.

    Objects are parsed JSON. A list is complete or an error, never cut short.
    """

    def identity(self) -> str:
        """Equal for two names of one cluster, and for no two clusters; empty if it cannot be told.

        Raises nothing.
        """

    def resources(self, *, fresh: bool = False) -> Resources: ...

    def list(
        self, resource: Resource, *, namespace: str | None = None, selector: str = ""
    ) -> Sequence[Object]:
        """Raises RefusedError, for instance where the rights are missing."""

    def names(
        self, resource: Resource, *, namespace: str | None = None, most: int
    ) -> frozenset[str] | None:
        """`namespace/name` of all objects of a kind, read as metadata only; None if there are more
        than so many."""

    def count(self, resource: Resource, *, namespace: str | None = None) -> int:
        """How many objects of a kind there are; they are not read."""

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None: ...

    def apply(self, resource: Resource, body: Object, *, dry_run: bool = False) -> Object:
        """Server-side apply by our field manager, by force; raises RefusedError."""

    def patch(
        self,
        resource: Resource,
        live: Object,
        steps: Sequence[Mapping[str, Any]],
        *,
        dry_run: bool = False,
    ) -> Object:
        """A JSON patch (RFC 6902) of exactly this state of a live object (resourceVersion).

        It needs the same right as an apply. Raises RefusedError, with status 409 if the object
        was written to meanwhile.
        """

    def delete(self, resource: Resource, live: Object) -> bool:
        """Delete exactly this live object (UID and resourceVersion); raises RefusedError.

        True if it is gone, also if it was before; false if it lingers (finalizers).
        """


class Inventory(Protocol):
    @property
    def namespace(self) -> str:
        """Where the parents are kept."""

    def read(self, application: str) -> Parent:
        """Raises PermanentError if the parent is another tool's."""

    def write(self, parent: Parent) -> Parent:
        """Compare and set by resourceVersion; raises LeaseLostError if another run was first."""

    def parents(self) -> Sequence[Parent]:
        """The sets of this installation on the cluster, by application.

        What other tools keep there is left out. Raises RefusedError where the rights are missing.
        """

    def bodies(self) -> Mapping[str, Object]:
        """By application, each ConfigMap that is a parent, or stands where one would, as it is."""

    def remove(self, parent: Parent) -> None:
        """Delete exactly this parent (UID and resourceVersion).

        Raises LeaseLostError if it was changed meanwhile.
        """


# Redis ---------------------------------------------------------------------------------------


class Scope(StrEnum):
    REPOSITORY = "repository"
    APPLICATION = "application"
    CLUSTER = "cluster"
    """Only what is due: a survey is a look, and needs no mark."""


@dataclass(frozen=True, slots=True)
class Released:
    """What is left to do for whoever gave a lease back."""

    more: Trigger | None = None
    """Why more was wanted meanwhile: a task must be queued now."""
    retry: bool = False
    """Nobody else comes back to what was not served, so that the caller must."""


class Lease(Protocol):
    """The right to work on one name, and what was wanted when it was taken."""

    trigger: Trigger
    attempts: int
    """How often it was taken without being released, this time included."""

    def held(self) -> bool:
        """Whether it surely is ours still; answers from the clock, without a request."""

    def release(self, *, served: bool, retry_after: float = 0.0, heeded: bool = False) -> Released:
        """Give it back; only the first call counts, and none once the lease is lost.

        What was not served stays wanted; the tick leaves it alone for `retry_after` seconds. An
        application's next run is told that it is a retry, unless something else was wanted
        meanwhile. But a person's word stays what it is until a run has `heeded` it: what it let
        that run do, looks at what that run left on its way may not do.
        """


class Marks(Protocol):
    """Wanted and served: counters that any number of messages can only raise, never confuse."""

    def want(self, scope: Scope, name: str, trigger: Trigger) -> bool:
        """Raise the mark; true if the caller must queue a task: none is queued for it, or only
        one behind all resyncs and this trigger is no resync."""

    def take(self, scope: Scope, name: str) -> Lease | None:
        """None if nothing is wanted, or another worker is at it (it will see the mark)."""

    def unserved(self, scope: Scope) -> Sequence[str]:
        """Names whose mark stands and for which no task is queued; they count as queued now."""

    def entered(self, scope: Scope, slots: Mapping[str, int]) -> Sequence[str]:
        """The names that have come into a new slot; each slot is told once."""

    def first(self, name: str, seconds: float) -> bool:
        """Whether nobody else has said this name within so many seconds."""

    def retain(self, scope: Scope, names: Iterable[str]) -> None:
        """Forget every name but these, and those that somebody is at."""


class Looks(Protocol):
    """Numbers the looks at a repository, over all hosts: a later look sees no older head."""

    def begin(self, repository: str) -> str:
        """A new number, taken before the fetch starts; `epoch:number`."""

    def end(self, repository: str, look: str, seen: str = "") -> str:
        """Note what a look saw; the answer is the look that its mirror is as new as.

        That is the newest one if that saw the same, and `look` itself otherwise. A look that ends
        after a later one is noted nowhere. An empty `seen` fits no other.
        """

    def newest(self, repository: str) -> str | None:
        """The latest look that has ended; None if that is not known."""


class Verdicts(Protocol):
    """What dry runs found unchanged, by the digests of `towline.core.verdicts`. May forget."""

    def known(self, application: str, digests: Iterable[str]) -> frozenset[str]:
        """Those of the digests that were remembered, not long ago."""

    def remember(self, application: str, digests: Iterable[str]) -> None:
        """These too. How long they are known does not depend on what comes after them."""


class NoVerdicts:
    """For a process on its own: the server is asked each time."""

    def known(self, application: str, digests: Iterable[str]) -> frozenset[str]:  # noqa: ARG002
        return frozenset()

    def remember(self, application: str, digests: Iterable[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Received:
    """Whether a refresh must be queued, and whether this delivery was seen before."""

    queue: bool
    duplicate: bool


class Inbox(Protocol):
    def receive(
        self,
        record: Mapping[str, Any],
        *,
        repository: str | None,
        ref: str = "",
        expected: str = "",
    ) -> Received:
        """Take in a delivery, whole or not at all; `record` has `id` and `provider`."""

    def deliveries(self, *, limit: int = 50) -> Sequence[Mapping[str, Any]]:
        """The latest first."""


class Expectations(Protocol):
    """Commits that webhooks announced and that have not been seen yet."""

    def expected(self, repository: str) -> Mapping[str, tuple[str, float]]:
        """Full ref → the commit, and when it was announced (seconds since the epoch)."""

    def met(self, repository: str, ref: str) -> None:
        """The commit has come, or is waited for no longer."""


class Ledger(Protocol):
    """What happened, for people to read. Nothing here is authority."""

    def record_run(self, run: Mapping[str, Any], *, is_status: bool = True) -> None:
        """Keep a run; `is_status` is false for one that says nothing of how the application
        stands."""

    def amend_run(self, run_id: str, later: Mapping[str, Any]) -> None:
        """How an application stands by a later look of the same run; nothing if it is gone."""

    def run(self, run_id: str) -> Mapping[str, Any] | None: ...
    def runs(self, application: str, *, limit: int = 20) -> Sequence[Mapping[str, Any]]: ...
    def status(self, application: str) -> Mapping[str, Any] | None: ...
    def statuses(self, applications: Sequence[str]) -> Mapping[str, Mapping[str, Any] | None]: ...
    def record_plan(self, application: str, plan: Mapping[str, Any]) -> None: ...
    def plan(self, application: str) -> Mapping[str, Any] | None: ...
    def record_source(self, repository: str, *, error: str) -> None: ...
    def source_error(self, repository: str) -> str: ...

    def record_survey(self, cluster: str, survey: Mapping[str, Any] | None) -> None:
        """What a look for abandoned sets found on a cluster; None forgets the cluster."""

    def surveys(self) -> Mapping[str, Mapping[str, Any]]:
        """By cluster, what the last look found that was answered."""


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Services:
    """Everything a run needs, wired in one place for each process."""

    documents: Callable[[], Documents]
    repositories: Repositories
    renderer: Renderer
    cluster: Callable[[str], Cluster]
    """By the name of a destination; raises PermanentError for one that is not configured."""
    inventory: Callable[[str], Inventory]
    clock: Clock
    verdicts: Verdicts = field(default_factory=NoVerdicts)
    proofs: Proofs = field(default_factory=Proofs)
