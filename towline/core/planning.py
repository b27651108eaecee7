"""From a Snapshot to a Plan: every decision, and nothing else.

A pure function. It says why for each object that is not simply made equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from towline.core import fieldset, inventory
from towline.core.desired import Desired
from towline.core.health import Assessment, Health, assess
from towline.core.inventory import MANAGER, PART_OF
from towline.core.manifest import PRUNE, RECONCILE, RECREATE, Manifest
from towline.core.objects import Object, ObjectKey, key_of, labels_of
from towline.core.plan import (
    Action,
    Change,
    Elsewhere,
    Hold,
    HoldScope,
    Plan,
    Refusal,
    Snapshot,
    order_of,
)
from towline.core.resources import defined_by
from towline.core.rollout import FAILED, job_digest
from towline.core.takeover import Takeover
from towline.core.verdicts import same


def make_plan(snapshot: Snapshot) -> Plan:
    """Decide what happens to every object."""
    wanted = {desired.key for desired in snapshot.desired}
    applies = [_change(desired, snapshot) for desired in snapshot.desired]
    applies = _unless_redefined(applies)
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
        changes=tuple(sorted([*applies, *prunes], key=order_of)),
        unlisted=snapshot.unlisted,
    )
    if plan.is_approved:
        return replace(plan, holds=_suspension(snapshot))
    return replace(plan, holds=(*_suspension(snapshot), *_holds(plan, snapshot)))


def _unless_redefined(changes: Sequence[Change]) -> list[Change]:
    """Where this revision changes a definition, what the server says of its objects before that is
    no verdict: an operator's upgrade brings both in one commit."""
    redefined = {
        group_kind
        for change in changes
        if change.manifest and change.action.writes
        for group_kind in defined_by(change.manifest)
    }
    return [
        replace(change, action=Action.UPDATE, problem="", reason=f"refused now: {change.problem}")
        if change.refused and change.key.group_kind in redefined
        else change
        for change in changes
    ]


# Applying ------------------------------------------------------------------------------------


def _change(desired: Desired, snapshot: Snapshot) -> Change:
    live = snapshot.live.get(desired.key)
    # Most objects are equal: `base` is what becomes of them, and is made once.
    base = Change(
        action=Action.KEEP,
        key=desired.key,
        manifest=desired.manifest,
        resource=desired.resource,
        live=live,
        health=_health(desired.key, snapshot),
    )
    if desired.manifest.steers(RECONCILE, "disabled"):
        reason = f"{RECONCILE} is disabled in Git"
        return replace(base, action=Action.SKIP, reason=reason, health=None)
    ended = None if live else _end_of_job(desired.manifest, snapshot)
    if ended:
        return replace(base, action=Action.SKIP, reason=ended.message, health=ended)
    problem = _why_not_applied(desired, snapshot) or (live and _why_not_touched(live))
    if problem:
        return _failing(base, problem)
    if live is None:
        return _creation(base, snapshot.predicted.get(desired.key))
    return _change_of_live(base, desired.manifest, live, snapshot)


def _health(key: ObjectKey, snapshot: Snapshot) -> Assessment:
    unreadable = snapshot.unreadable.get(key)
    if unreadable:
        return Assessment(Health.UNKNOWN, unreadable.message)
    return snapshot.health.get(key) or assess(snapshot.live.get(key))


def _failing(base: Change, problem: str) -> Change:
    return replace(base, action=Action.SKIP, problem=problem)


def _end_of_job(manifest: Manifest, snapshot: Snapshot) -> Assessment | None:
    """How a Job ended that is gone by itself; None for what did not run, or is anything else."""
    digest = job_digest(manifest)
    name = f"{manifest.key.namespace}/{manifest.key.name}"
    ran, _, end = snapshot.parent.jobs.get(name, "").partition(":")
    if digest is None or ran != digest:
        return None
    if end == FAILED:
        return Assessment(Health.DEGRADED, "it failed, and its time to live removed it")
    return Assessment(Health.HEALTHY, "it ran for this manifest, and its time to live removed it")


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


def _creation(base: Change, predicted: Object | Refusal | None) -> Change:
    """A refusal is no verdict yet: what the object needs may come with the same revision."""
    if isinstance(predicted, Refusal):
        reason = f"the server would refuse it now: {predicted.message}"
        return replace(base, action=Action.CREATE, reason=reason)
    return replace(base, action=Action.CREATE, predicted=predicted)


def _change_of_live(base: Change, manifest: Manifest, live: Object, snapshot: Snapshot) -> Change:
    owner = _other_owner(live, snapshot)
    if owner is not None:
        problem = _why_not_taken_over(base.key, owner, live, snapshot)
        if problem:
            return _failing(base, problem)
        base = replace(base, handed_over_from=owner, reason=f"taken over from {owner}")
    left = snapshot.left.get(base.key, "")
    if base.key in snapshot.proven:
        return replace(base, reason=left) if left else base
    predicted = snapshot.predicted[base.key]
    if isinstance(predicted, Refusal):
        return _refused(base, manifest, predicted, snapshot)
    takeover = snapshot.takeovers.get(base.key)
    if takeover is None and same(live, predicted):
        return replace(base, reason=left)
    adopted = "" if PART_OF in labels_of(live) else "adopted: it existed already"
    reasons = (base.reason or adopted, _taken_over(takeover), left)
    return replace(
        base,
        action=Action.UPDATE,
        predicted=predicted,
        reason="; ".join(filter(None, reasons)),
        takeover=takeover,
        previous_owners=_previous_owners(live, predicted, takeover),
    )


def _taken_over(takeover: Takeover | None) -> str:
    return f"fields taken over from {', '.join(takeover.managers)}" if takeover else ""


def _previous_owners(
    live: Object, predicted: Object, takeover: Takeover | None
) -> dict[str, tuple[str, ...]]:
    """Who loses fields to the apply by force, and whose fields go with what is taken over."""
    lost = fieldset.lost(live, predicted, to=MANAGER)
    gone = takeover.losses if takeover else {}
    return {
        manager: tuple(sorted({*lost.get(manager, ()), *gone.get(manager, ())}))
        for manager in sorted({*lost, *gone})
    }


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
        return replace(_failing(base, refusal.message), refused=True)
    if not manifest.steers(RECREATE, "enabled"):
        hint = f"set {RECREATE}: enabled on the object to have it replaced"
        return _failing(base, f"{refusal.message}; {hint}")
    foreign = base.live and inventory.why_not_ours(base.live, snapshot.parent)
    if foreign:
        hint = f"not replaced, for {foreign}: delete it by hand to let it be created"
        return _failing(base, f"{refusal.message}; {hint}")
    consent = "" if manifest.steers(PRUNE, "enabled") else inventory.takes_others(base.key)
    return replace(base, action=Action.RECREATE, reason=refusal.message, consent=consent)


# Pruning -------------------------------------------------------------------------------------


def _prune(key: ObjectKey, live: Object, snapshot: Snapshot) -> Change:
    base = Change(Action.SKIP, key, resource=snapshot.resources[key], live=live)
    claims = snapshot.elsewhere.get(key, ())
    taker = next((claim.application for claim in claims if claim.wanted), None)
    if taker:
        return replace(base, reason=f"handed over to application {taker}")
    kept = _why_not_pruned(live, claims, snapshot)
    if kept:
        return replace(base, reason=f"not in Git; {kept}")
    takes = f"with it go {snapshot.takes[key]}" if snapshot.takes.get(key) else ""
    consent = inventory.consent_needed(live)
    return replace(
        base,
        action=Action.DELETE,
        reason="; ".join(filter(None, ("not in Git", takes))),
        consent="; ".join(filter(None, (consent, consent and takes))),
    )


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
    """The widest first: it is what to read first."""
    policy = snapshot.application.sync
    approve = f"towline approve {plan.application} {plan.digest}"
    if plan.writes and not policy.automatic:
        yield Hold(HoldScope.ALL, "approval", f"sync.automatic is false; to apply: {approve}")
    # What waits for consent since this revision came is no drift, and has its own hold.
    moved = any(not change.consent for change in plan.writes)
    if moved and not policy.self_heal and not snapshot.requested and plan.heals:
        message = "the cluster drifted and sync.selfHeal is false; to heal: towline sync"
        yield Hold(HoldScope.ALL, "drift", f"{message} {plan.application}")
    yield from _prune_holds(plan, snapshot, approve)
    asking = [change for change in plan.writes if change.consent]
    if asking:
        named = "; ".join(f"{change.key}: {change.consent}" for change in asking[:5])
        yield Hold(HoldScope.CONSENT, "consent", f"{named}. If it is meant: {approve}")


def _prune_holds(plan: Plan, snapshot: Snapshot, approve: str) -> Iterable[Hold]:
    policy = snapshot.application.sync
    deletes = sum(c.action is Action.DELETE and not c.consent for c in plan.writes)
    if not deletes:
        return
    # A copied label makes no member, and must not raise what a share of the members amounts to.
    members = sum(
        not inventory.why_not_ours(live, snapshot.parent) for live in snapshot.members.values()
    )
    limit = policy.prune_limit(members)
    if not snapshot.desired and not policy.allow_empty:
        message = f"the revision is empty; pruning {deletes} of {members} objects is refused"
        yield Hold(HoldScope.PRUNE, "empty", f"{message}. If it is meant: {approve}")
    elif deletes > limit:
        message = f"{deletes} of {members} objects would be pruned, maxPrune allows {limit}"
        yield Hold(HoldScope.PRUNE, "max-prune", f"{message}. If it is meant: {approve}")
