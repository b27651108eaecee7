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
from functools import cached_property

from towline.core import diff
from towline.core.application import Application
from towline.core.approval import token
from towline.core.desired import Desired
from towline.core.errors import Place
from towline.core.health import Assessment
from towline.core.inventory import Parent
from towline.core.manifest import Manifest, wave_of
from towline.core.objects import GroupKind, Object, ObjectKey
from towline.core.ordering import Stage, rank_of, stage_of
from towline.core.resources import Resource
from towline.core.staging import Blocker, blocker, is_custom, waits_for, why_held_back
from towline.core.takeover import Takeover


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
    takeovers: Mapping[ObjectKey, Takeover] = field(default_factory=dict)
    """What is taken over from kubectl clients; `predicted` is the outcome of both."""
    left: Mapping[ObjectKey, str] = field(default_factory=dict)
    """Why fields that kubectl clients applied stay theirs."""
    elsewhere: Mapping[ObjectKey, tuple[Elsewhere, ...]] = field(default_factory=dict)
    unlisted: frozenset[GroupKind] = frozenset()
    """Kinds of the set whose members could not be listed: nothing of them is deleted."""
    failed_groups: frozenset[str] = frozenset()
    """API groups that did not answer discovery."""
    health: Mapping[ObjectKey, Assessment] = field(default_factory=dict)
    """Of live objects whose health does not show in themselves."""
    takes: Mapping[ObjectKey, str] = field(default_factory=dict)
    """What goes with a member that is to be pruned, in words."""
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
    refused: bool = False
    """Whether the problem is what the server said of a dry run."""
    previous_owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field managers that lose fields to us, with the fields."""
    takeover: Takeover | None = None
    """Who owns what, to be rewritten before an update is applied."""
    handed_over_from: str = ""
    consent: str = ""
    """Why a person must have approved this very plan before the change is made."""
    health: Assessment | None = None
    """Of the live object, where Git names it; None where it does not matter."""

    @property
    def place(self) -> Place | None:
        return self.manifest.place if self.manifest else None

    @property
    def stage(self) -> tuple[int, Stage]:
        body = self.manifest.body if self.manifest else self.live
        return (wave_of(body) if body else 0, stage_of(self.key))

    @property
    def grants(self) -> tuple[str, ...]:
        """What must be approved for the change to be made, and what is approved with it: whoever
        has an object replaced wants it made again, whatever happens in between."""
        own = token(self.action, self.key, self.uid)
        if self.action is not Action.RECREATE:
            return (own,)
        return (own, token(Action.CREATE, self.key, ""))

    @property
    def is_leaving(self) -> bool:
        """Whether it is being deleted already, and not in Git any more."""
        return self.manifest is None and bool(
            self.live and self.live["metadata"].get("deletionTimestamp")
        )

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
                return self.live, self.predicted or (self.manifest.body if self.manifest else None)
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
    """In the order of `order_of`."""
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

    @cached_property
    def writes(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.action.writes)

    def held(self, scope: HoldScope) -> tuple[Hold, ...]:
        return tuple(hold for hold in self.holds if hold.scope is scope)

    @property
    def is_approved(self) -> bool:
        """Whether a person let just this through, or a plan of which this is what is left."""
        granted = self.parent.granted
        return self.parent.approved == self.digest or (
            granted is not None
            and granted.covers(self.revision.digest, (c.grants[0] for c in self.writes))
        )

    @property
    def heals(self) -> bool:
        """Whether the cluster moved, not Git: this very render was applied before."""
        return self.parent.applied == self.revision.digest

    @property
    def has_begun(self) -> bool:
        """Whether a run has written for this revision, or noted that it waits."""
        rollout = self.parent.rollout
        return rollout is not None and rollout.digest == self.revision.digest

    @cached_property
    def permitted(self) -> tuple[Change, ...]:
        """The writes that nothing holds.

        Nothing is pruned where an object fails. Where that is known beforehand, it is no reason
        to claim the inventory again and again; nor is what waits for health.
        """
        if self.held(HoldScope.ALL):
            return ()
        failing = any(change.problem for change in self.changes)
        pruning = not failing and not self.held(HoldScope.PRUNE)
        consent = not self.held(HoldScope.CONSENT)
        return tuple(
            change
            for change in self.writes
            if (pruning or change.action is not Action.DELETE)
            and (consent or not change.consent)
            and change.key not in self.waiting
        )

    @cached_property
    def waiting(self) -> Mapping[ObjectKey, str]:
        """Writes whose stage surely cannot start yet, with what each waits for.

        What this run will have written is not known here: `towline.execute` looks at that.
        """
        found: dict[ObjectKey, str] = {}
        blockers: list[Blocker] = []
        for stage in () if self.heals else self.applies:
            why = why_held_back(stage[0].stage, blockers)
            if why:
                found |= {change.key: why for change in stage if change.action.writes}
            blockers += self._known_blockers(stage)
        return found | self._prunes_waiting(next(iter(found.values()), ""))

    def _known_blockers(self, stage: Iterable[Change]) -> Iterable[Blocker]:
        for change in stage:
            if change.problem or not change.action.writes or self.held_by(change):
                found = blocker(
                    change.key, change.stage[0], change.health, failed=bool(change.problem)
                )
                if found:
                    yield found

    @property
    def prunes_operators(self) -> bool:
        """Whether something goes that custom resources may need to go: their operator's workload,
        or their definition."""
        groups = ("apps", "apiextensions.k8s.io")
        return any(c.action is Action.DELETE and c.key.group in groups for c in self.changes)

    def _prunes_waiting(self, why: str) -> dict[ObjectKey, str]:
        """Nothing goes before all is applied, and no operator before its custom resources."""
        deletes = [change.key for stage in self.prunes for change in stage]
        if why:
            return dict.fromkeys(deletes, why)
        if not self.prunes_operators:
            return {}
        leaving = [c.key for c in self.changes if c.is_leaving and is_custom(c.key)]
        why = waits_for(f"{key} to be gone" for key in leaving)
        return {key: why for key in deletes if why and not is_custom(key)}

    def held_by(self, change: Change) -> Hold | None:
        """What keeps a change from being made, if anything does."""
        scopes = [HoldScope.ALL]
        scopes += [HoldScope.PRUNE] if change.action is Action.DELETE else []
        scopes += [HoldScope.CONSENT] if change.consent else []
        return next((hold for hold in self.holds if hold.scope in scopes), None)

    @cached_property
    def applies(self) -> tuple[tuple[Change, ...], ...]:
        """What is not pruning, by stages, in order."""
        staged = ((c.stage, c) for c in self.changes if c.action is not Action.DELETE)
        stages = itertools.groupby(sorted(staged, key=_by_stage), key=_by_stage)
        return tuple(tuple(change for _, change in members) for _, members in stages)

    @cached_property
    def prunes(self) -> tuple[tuple[Change, ...], ...]:
        """The deletions by stages, in reverse order; of a stage custom resources first."""
        deletes = [change for change in self.changes if change.action is Action.DELETE]
        ordered = sorted(deletes, key=_prune_order, reverse=True)
        stages = itertools.groupby(ordered, key=lambda change: _prune_order(change)[:2])
        return tuple(tuple(changes) for _, changes in stages)

    def keys_left(self, deleted: Iterable[ObjectKey] = ()) -> frozenset[ObjectKey]:
        """What carries our label after a run that deleted those.

        Also what is handed over: it is ours until the other application has taken it.
        """
        return frozenset(change.key for change in self.changes) - frozenset(deleted)


def _by_stage(staged: tuple[tuple[int, Stage], Change]) -> tuple[int, Stage]:
    return staged[0]


def order_of(change: Change) -> tuple[tuple[int, Stage], tuple[int, int, ObjectKey]]:
    return (change.stage, rank_of(change.key))


def _prune_order(change: Change) -> tuple[tuple[int, Stage], bool, tuple[int, int, ObjectKey]]:
    return (change.stage, is_custom(change.key), rank_of(change.key))
