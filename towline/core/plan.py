"""The plan of a run: what would be done to each object, and what stands in the way.

Planning is a pure function of a Snapshot. The same plan is the dry run, the diff on the screen
and what `towline.execute` interprets.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from towline.core import diff, fieldset, inventory
from towline.core.application import Application
from towline.core.desired import Desired
from towline.core.errors import Place
from towline.core.inventory import MANAGER, PART_OF, Parent
from towline.core.manifest import PRUNE, RECONCILE, RECREATE, Manifest, wave_of
from towline.core.objects import GroupKind, Object, ObjectKey, key_of, labels_of
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
    handed_over_to: str = ""
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
        stages = itertools.groupby(sorted(rest, key=_order), key=lambda change: change.stage)
        return tuple(tuple(changes) for _, changes in stages)

    @property
    def prunes(self) -> tuple[tuple[Change, ...], ...]:
        """The deletions by stages, in reverse order."""
        deletes = [change for change in self.changes if change.action is Action.DELETE]
        ordered = sorted(deletes, key=_order, reverse=True)
        stages = itertools.groupby(ordered, key=lambda change: change.stage)
        return tuple(tuple(changes) for _, changes in stages)

    def keys_left(self, deleted: Iterable[ObjectKey] = ()) -> frozenset[ObjectKey]:
        """What carries our label after a run that deleted those.

        Also what is handed over: it is ours until the other application has taken it.
        """
        return frozenset(change.key for change in self.changes) - frozenset(deleted)


def _order(change: Change) -> tuple[tuple[int, Stage], tuple[int, int, ObjectKey]]:
    return (change.stage, rank_of(change.key))


def make_plan(snapshot: Snapshot) -> Plan:
    """Decide what happens to every object."""
    wanted = {desired.key for desired in snapshot.desired}
    applies = [_change(desired, snapshot) for desired in snapshot.desired]
    prunes = [
        _prune(key, live, snapshot)
        for key, live in snapshot.members.items()
        # Also those that may not be deleted (now): they are shown, and the inventory goes on
        # covering their kind. What only has a copied label is no member at all.
        if key not in wanted and inventory.owner_named_by(live) == snapshot.parent.application
    ]
    plan = Plan(
        application=snapshot.application.name,
        revision=snapshot.revision,
        parent=snapshot.parent,
        changes=tuple(sorted([*applies, *prunes], key=_order)),
        unlisted=snapshot.unlisted,
    )
    if plan.parent.approved == plan.digest:
        return replace(plan, holds=_suspension(snapshot))
    return replace(plan, holds=(*_suspension(snapshot), *_holds(plan, snapshot)))


# Applying ------------------------------------------------------------------------------------


def _change(desired: Desired, snapshot: Snapshot) -> Change:
    live = snapshot.live.get(desired.key)
    base = Change(Action.SKIP, desired.key, desired.manifest, desired.resource, live)
    if desired.manifest.steers(RECONCILE, "disabled"):
        return replace(base, reason=f"{RECONCILE} is disabled in Git")
    problem = _why_not_applied(desired, snapshot) or (live and _why_not_touched(live))
    if problem:
        return replace(base, problem=problem)
    if live is None:
        return replace(base, action=Action.CREATE)
    return _change_of_live(base, desired.manifest, live, snapshot)


def _why_not_applied(desired: Desired, snapshot: Snapshot) -> str | None:
    """What stands against it, whatever the live object is like."""
    bodies = (desired.manifest.body, snapshot.live.get(desired.key))
    if any(inventory.is_inventory(body, snapshot.parent) for body in bodies if body):
        return "it is where the inventory of an application is kept: leave it out of Git"
    if desired.resource is None:
        return _unknown_kind(desired.manifest, snapshot)
    unreadable = snapshot.unreadable.get(desired.key)
    return unreadable.message if unreadable else None


def _why_not_touched(live: Object) -> str | None:
    if live["metadata"].get("deletionTimestamp"):
        return f"{_being_deleted(live)}; it will be created after that"
    controller = inventory.controller_of(live)
    return f"{controller} controls it: leave it out of Git" if controller else None


def _change_of_live(base: Change, manifest: Manifest, live: Object, snapshot: Snapshot) -> Change:
    owner = _other_owner(live, snapshot)
    if owner is not None:
        problem = _why_not_taken_over(base.key, owner, live, snapshot)
        if problem:
            return replace(base, problem=problem)
        base = replace(base, handed_over_from=owner, reason=f"taken over from {owner}")
    if base.key in snapshot.proven:
        return replace(base, action=Action.KEEP)
    predicted = snapshot.predicted[base.key]
    if isinstance(predicted, Refusal):
        return _refused(base, manifest, predicted, snapshot)
    if same(live, predicted):
        return replace(base, action=Action.KEEP)
    adopted = "" if PART_OF in labels_of(live) else "adopted: it existed already"
    return replace(
        base,
        action=Action.UPDATE,
        predicted=predicted,
        reason=base.reason or adopted,
        previous_owners=fieldset.lost(live, predicted, to=MANAGER),
    )


def _unknown_kind(manifest: Manifest, snapshot: Snapshot) -> str:
    key = manifest.key
    if key.group in snapshot.failed_groups:
        return f"the API group {key.group} does not answer just now; the object was left as it is"
    return (
        f"the cluster does not know {key.kind} in {manifest.api_version}, and the revision does "
        "not define it: install its CustomResourceDefinition, or correct apiVersion and kind"
    )


def _being_deleted(live: Object) -> str:
    finalizers = ", ".join(live["metadata"].get("finalizers") or ()) or "its dependents"
    return f"being deleted since {live['metadata']['deletionTimestamp']}, waits for {finalizers}"


def _other_owner(live: Object, snapshot: Snapshot) -> str | None:
    """Whose the object is: None if free or ours, empty if it is no application of Towline's."""
    if labels_of(live).get(PART_OF) in (None, snapshot.parent.id):
        return None
    return inventory.owner_named_by(live) or ""


def _why_not_taken_over(key: ObjectKey, owner: str, live: Object, snapshot: Snapshot) -> str | None:
    if not owner:
        return (
            f"it belongs to another ApplySet ({labels_of(live)[PART_OF]}) that is not Towline's: "
            f"remove its label {PART_OF} to let it be adopted"
        )
    verdicts = snapshot.elsewhere.get(key, ())
    verdict = next((v for v in verdicts if v.application == owner), None)
    if owner in snapshot.application.spec.adopt_from or (verdict and verdict.wanted is False):
        return None
    because = f" ({verdict.reason})" if verdict and verdict.reason else ""
    return (
        f"it belongs to application {owner}{because}: remove it there, "
        f"or name {owner} in adoptFrom to take it over"
    )


def _refused(base: Change, manifest: Manifest, refusal: Refusal, snapshot: Snapshot) -> Change:
    if not refusal.immutable:
        return replace(base, problem=refusal.message)
    if not manifest.steers(RECREATE, "enabled"):
        hint = f"set {RECREATE}: enabled on the object to have it replaced"
        return replace(base, problem=f"{refusal.message}; {hint}")
    foreign = base.live and inventory.why_not_ours(base.live, snapshot.parent)
    if foreign:
        hint = f"not replaced, for {foreign}: delete it by hand to let it be created"
        return replace(base, problem=f"{refusal.message}; {hint}")
    consent = "" if manifest.steers(PRUNE, "enabled") else inventory.takes_others(base.key)
    return replace(base, action=Action.RECREATE, reason=refusal.message, consent=consent)


_BOOKKEEPING = ("managedFields", "resourceVersion", "generation")


def same(live: Object, predicted: Object) -> bool:
    """Whether a dry-run apply changed nothing: no field, and nothing of what we own."""
    if _content(live) != _content(predicted):
        return False
    ours = [fieldset.apply_entry(body, MANAGER) for body in (live, predicted)]
    owned = [(entry["apiVersion"], entry.get("fieldsV1")) if entry else None for entry in ours]
    return owned[0] == owned[1]


def _content(body: Object) -> Object:
    metadata = {k: v for k, v in body["metadata"].items() if k not in _BOOKKEEPING}
    return {**body, "metadata": metadata}


# Pruning -------------------------------------------------------------------------------------


def _prune(key: ObjectKey, live: Object, snapshot: Snapshot) -> Change:
    base = Change(Action.SKIP, key, resource=snapshot.resources[key], live=live)
    claims = snapshot.elsewhere.get(key, ())
    taker = next((claim.application for claim in claims if claim.wanted), None)
    if taker:
        return replace(base, handed_over_to=taker, reason=f"handed over to application {taker}")
    kept = _why_not_pruned(live, claims, snapshot)
    if kept:
        return replace(base, reason=f"not in Git; {kept}")
    consent = inventory.consent_needed(live)
    return replace(base, action=Action.DELETE, reason="not in Git", consent=consent)


def _why_not_pruned(live: Object, claims: Iterable[Elsewhere], snapshot: Snapshot) -> str | None:
    if live["metadata"].get("deletionTimestamp"):
        return _being_deleted(live)
    foreign = inventory.why_not_ours(live, snapshot.parent)
    if foreign:
        return f"kept, for {foreign}"
    if key_of(live).group_kind in snapshot.unlisted:
        return "kept, for not all objects of its kind could be listed"
    for claim in claims:
        if claim.wanted is None:
            return f"kept, for application {claim.application} may name it: {claim.reason}"
    kept = inventory.why_kept(live)
    if kept is None and not snapshot.application.sync.prune:
        kept = "sync.prune is false"
    return f"kept, for {kept}" if kept else None


# What stands in the way ----------------------------------------------------------------------


def _suspension(snapshot: Snapshot) -> tuple[Hold, ...]:
    suspended = snapshot.parent.suspended
    if suspended is None:
        return ()
    return (Hold(HoldScope.ALL, "suspended", f"suspended by {suspended}"),)


def _holds(plan: Plan, snapshot: Snapshot) -> Iterable[Hold]:
    policy = snapshot.application.sync
    approve = f"towline approve {plan.application} {plan.digest}"
    if plan.writes and not policy.automatic:
        yield Hold(HoldScope.ALL, "approval", f"sync.automatic is false; to apply: {approve}")
    # What waits for consent since this revision came is no drift, and has its own hold.
    moved = any(not change.consent for change in plan.writes)
    if moved and not policy.self_heal and not snapshot.requested and _is_drift(plan):
        message = "the cluster drifted and sync.selfHeal is false; to heal: towline sync"
        yield Hold(HoldScope.ALL, "drift", f"{message} {plan.application}")
    asking = [change for change in plan.writes if change.consent]
    if asking:
        named = "; ".join(f"{change.key}: {change.consent}" for change in asking[:5])
        yield Hold(HoldScope.CONSENT, "consent", f"{named}. If it is meant: {approve}")
    deletes = [c for c in plan.writes if c.action is Action.DELETE and not c.consent]
    # A copied label makes no member, and must not raise what a share of the members amounts to.
    members = sum(
        not inventory.why_not_ours(live, snapshot.parent) for live in snapshot.members.values()
    )
    limit = policy.prune_limit(members)
    if deletes and not snapshot.desired and not policy.allow_empty:
        message = f"the revision is empty; pruning all {len(deletes)} objects is refused"
        yield Hold(HoldScope.PRUNE, "empty", f"{message}. If it is meant: {approve}")
    elif len(deletes) > limit:
        message = f"{len(deletes)} of {members} objects would be pruned, maxPrune allows {limit}"
        yield Hold(HoldScope.PRUNE, "max-prune", f"{message}. If it is meant: {approve}")


def _is_drift(plan: Plan) -> bool:
    """Whether the cluster moved, not Git: this very render was applied before."""
    return plan.parent.applied == plan.revision.digest
