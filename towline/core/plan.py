"""The plan of a run: what would be done to each object, and what stands in the way.

These are the values; `towline.core.planning` makes them, `towline.execute` interprets them. The
same plan is the dry run and the diff on the screen.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from towline.core import diff
from towline.core.application import Application
from towline.core.desired import Desired
from towline.core.errors import Place
from towline.core.inventory import Parent
from towline.core.manifest import Manifest, wave_of
from towline.core.objects import GroupKind, Object, ObjectKey
from towline.core.ordering import Stage, rank_of, stage_of
from towline.core.resources import Resource


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    RECREATE = "recreate"
    DELETE = "delete"
    KEEP = "keep"
    SKIP = "skip"

    @property
    def writes(self) -> bool:
        return self not in (Action.KEEP, Action.SKIP)


@dataclass(frozen=True, slots=True)
class Revision:
    """A ref and the commit it pointed at; `digest` names all that the render depends on."""

    ref: str
    commit: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the server would not take an object (from a dry run)."""

    message: str
    immutable: bool = False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another application of the cluster says of an object.

    `wanted` is None where that could not be found out; `reason` then says why.
    """

    application: str
    wanted: bool | None
    reason: str = ""


@dataclass(frozen=True)
class Snapshot:
    """Desired and live side by side, as `towline.observe` saw them."""

    application: Application
    revision: Revision
    parent: Parent
    desired: tuple[Desired, ...]
    live: Mapping[ObjectKey, Object]
    """The wanted objects that exist, whoever they belong to."""
    members: Mapping[ObjectKey, Object]
    """Every object that carries the application's label."""
    resources: Mapping[ObjectKey, Resource]
    """How to address each live object."""
    unreadable: Mapping[ObjectKey, Refusal] = field(default_factory=dict)
    """Wanted objects that the server would not show, so that nothing is known of them."""
    proven: frozenset[ObjectKey] = frozenset()
    """Live objects that hold what is wanted, by their managedFields."""
    predicted: Mapping[ObjectKey, Object | Refusal] = field(default_factory=dict)
    """What a dry-run apply answered for those that are not proven."""
    elsewhere: Mapping[ObjectKey, tuple[Elsewhere, ...]] = field(default_factory=dict)
    unlisted: frozenset[GroupKind] = frozenset()
    """Kinds of the set whose members could not be listed: nothing of them is deleted."""
    failed_groups: frozenset[str] = frozenset()
    """API groups that did not answer discovery."""
    requested: bool = False
    """Whether a person asked for this run."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one object, and why."""

    action: Action
    key: ObjectKey
    manifest: Manifest | None = None
    resource: Resource | None = None
    live: Object | None = None
    predicted: Object | None = None
    reason: str = ""
    problem: str = ""
    """Why the object cannot be what Git says; the object then counts as failed."""
    previous_owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field managers that lose fields to us, with the fields."""
    handed_over_from: str = ""
    consent: str = ""
    """Why a person must have approved this very plan before the change is made."""

    @property
    def place(self) -> Place | None:
        return self.manifest.place if self.manifest else None

    @property
    def stage(self) -> tuple[int, Stage]:
        body = self.manifest.body if self.manifest else self.live
        return (wave_of(body) if body else 0, stage_of(self.key))

    @property
    def uid(self) -> str:
        return str(self.live["metadata"].get("uid", "")) if self.live else ""

    def sides(self) -> tuple[Object | None, Object | None]:
        """The object before and after, as the server would have it; not masked."""
        match self.action:
            case Action.DELETE:
                return self.live, None
            case Action.UPDATE:
                return self.live, self.predicted
            case Action.CREATE | Action.RECREATE:
                return self.live, self.manifest.body if self.manifest else None
            case _:
                return None, None

    def fields(self) -> tuple[diff.FieldChange, ...]:
        """What changes, field by field; secrets are masked."""
        return diff.changes(*self.sides())


class HoldScope(StrEnum):
    ALL = "all"
    PRUNE = "prune"
    CONSENT = "consent"
    """Only the changes that need a person's consent."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that keeps a plan, or its pruning, from being executed."""

    scope: HoldScope
    kind: str
    """suspended, approval, drift, empty, max-prune or consent."""
    message: str


@dataclass(frozen=True)
class Plan:
    """All changes in their order, and what stands in the way."""

    application: str
    revision: Revision
    parent: Parent
    changes: tuple[Change, ...]
    holds: tuple[Hold, ...] = ()
    unlisted: frozenset[GroupKind] = frozenset()

    @property
    def digest(self) -> str:
        """Names exactly these changes of these objects at this commit; approvals are bound to it.

        No manifest's content goes in, for a Secret's could be guessed from it: the commit and the
        render's digest stand for the content.
        """
        lines = [self.application, self.revision.commit, self.revision.digest]
        lines += [f"{c.action} {'/'.join(c.key)} {c.uid}" for c in self.changes if c.action.writes]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def writes(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.action.writes)

    def held(self, scope: HoldScope) -> tuple[Hold, ...]:
        return tuple(hold for hold in self.holds if hold.scope is scope)

    @property
    def permitted(self) -> tuple[Change, ...]:
        """The writes that nothing holds.

        Nothing is pruned where an object fails. Where that is known beforehand, it is no reason
        to claim the inventory again and again.
        """
        if self.held(HoldScope.ALL):
            return ()
        failing = any(change.problem for change in self.changes)
        pruning = not failing and not self.held(HoldScope.PRUNE)
        consent = not self.held(HoldScope.CONSENT)
        return tuple(
            change
            for change in self.writes
            if (pruning or change.action is not Action.DELETE) and (consent or not change.consent)
        )

    def held_by(self, change: Change) -> Hold | None:
        """What keeps a change from being made, if anything does."""
        scopes = [HoldScope.ALL]
        scopes += [HoldScope.PRUNE] if change.action is Action.DELETE else []
        scopes += [HoldScope.CONSENT] if change.consent else []
        return next((hold for hold in self.holds if hold.scope in scopes), None)

    @property
    def applies(self) -> tuple[tuple[Change, ...], ...]:
        """What is not pruning, by stages, in order."""
        rest = [change for change in self.changes if change.action is not Action.DELETE]
        stages = itertools.groupby(sorted(rest, key=order_of), key=lambda change: change.stage)
        return tuple(tuple(changes) for _, changes in stages)

    @property
    def prunes(self) -> tuple[tuple[Change, ...], ...]:
        """The deletions by stages, in reverse order."""
        deletes = [change for change in self.changes if change.action is Action.DELETE]
        ordered = sorted(deletes, key=order_of, reverse=True)
        stages = itertools.groupby(ordered, key=lambda change: change.stage)
        return tuple(tuple(changes) for _, changes in stages)

    def keys_left(self, deleted: Iterable[ObjectKey] = ()) -> frozenset[ObjectKey]:
        """What carries our label after a run that deleted those.

        Also what is handed over: it is ours until the other application has taken it.
        """
        return frozenset(change.key for change in self.changes) - frozenset(deleted)


def order_of(change: Change) -> tuple[tuple[int, Stage], tuple[int, int, ObjectKey]]:
    return (change.stage, rank_of(change.key))
