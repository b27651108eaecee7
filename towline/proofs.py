"""What was found before, in this process: what has not changed since needs no second look.

A resourceVersion names one state of one object. One that was proved against a render is proved
still; and where all members of a set, its inventory and the render are as they were when nothing
was to be done, nothing is to be done now. It only saves work: a process that begins looks at
everything anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from towline.core.health import Health
from towline.core.inventory import Parent
from towline.core.objects import Object, ObjectKey, key_of
from towline.core.outcome import Outcome, Result, ResultKind, Status
from towline.core.plan import Action, Change, Plan, Revision, Snapshot

_MOST_OBJECTS = 100_000
"""Remembered in one process, some hundred bytes each; the applications looked at last are kept."""

Version = tuple[object, object]
"""UID and resourceVersion: together they name one state of one object."""

Versions = Mapping[ObjectKey, Version]


def version_of(live: Object) -> Version:
    metadata = live["metadata"]
    return metadata.get("uid"), metadata.get("resourceVersion")


def versions_of(bodies: Iterable[Object]) -> Versions:
    return {key_of(body): version_of(body) for body in bodies}


@dataclass(frozen=True)
class Rest:
    """An application of which everything was proved equal to Git, and healthy."""

    revision: Revision
    """May be a newer one whose render is the same."""
    parent: Parent
    results: tuple[Result, ...]

    def again(self, *, ended: float, timeout: float) -> Outcome:
        """The outcome of a run that finds all as it was."""
        changes = tuple(Change(Action.KEEP, result.key) for result in self.results)
        return Outcome(
            application=self.parent.application,
            revision=self.revision,
            plan=Plan(self.parent.application, self.revision, self.parent, changes),
            results=self.results,
            rollout=self.parent.rollout,
            ended=ended,
            timeout=timeout,
        )


@dataclass(frozen=True)
class _Kept:
    digest: str
    versions: Versions
    rest: Rest | None = None


@dataclass
class Proofs:
    _kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)

    def known(self, application: str, digest: str) -> Versions:
        """The versions that hold what the render of that digest wants."""
        kept = self._kept.get(application)
        return kept.versions if kept is not None and kept.digest == digest else {}

    def keep(self, application: str, digest: str, versions: Versions) -> None:
        self._kept[application] = _Kept(digest, versions)
        self._kept.move_to_end(application)
        while len(self._kept) > 1 and self._size() > _MOST_OBJECTS:
            self._kept.popitem(last=False)

    def rest(self, snapshot: Snapshot, outcome: Outcome) -> None:
        """Note what a run has found, if it found that all is well and nothing else is there."""
        kept = self._kept.get(outcome.application)
        if (
            kept is None
            or kept.digest != snapshot.revision.digest
            or outcome.plan is None
            or (outcome.status, outcome.health) != (Status.SYNCED, Health.HEALTHY)
            or any(result.kind is not ResultKind.UNCHANGED for result in outcome.results)
            or not kept.versions.keys() == snapshot.members.keys() == _keys(outcome)
        ):
            return
        rest = Rest(snapshot.revision, outcome.plan.parent, outcome.results)
        self._kept[outcome.application] = replace(kept, rest=rest)

    def at_rest(
        self, application: str, digest: str, parent: Parent, versions: Versions
    ) -> Rest | None:
        """What was found of exactly this state; None if anything is not as it was."""
        kept = self._kept.get(application)
        if kept is None or kept.rest is None or kept.digest != digest:
            return None
        return kept.rest if kept.rest.parent == parent and kept.versions == versions else None

    def _size(self) -> int:
        return sum(len(kept.versions) for kept in self._kept.values())


def _keys(outcome: Outcome) -> set[ObjectKey]:
    return {result.key for result in outcome.results}
