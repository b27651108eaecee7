"""Reconcile one application: the story on one page.

observe (Git, cluster) → plan (pure) → claim → execute → settle → an Outcome to record.
It never decides how to retry, what to queue next, or where records go: `workers` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from towline.core.application import Application
from towline.core.approval import Grant
from towline.core.errors import LeaseLostError, TowlineError
from towline.core.health import Health
from towline.core.inventory import Parent
from towline.core.objects import ObjectKey
from towline.core.outcome import Outcome, Result, ResultKind
from towline.core.plan import HoldScope, Plan
from towline.core.planning import make_plan
from towline.core.rollout import FAILED, Rollout, job_digest, moved
from towline.execute import Executor
from towline.observe import Manner, Phases, observe, observe_unless_at_rest
from towline.ports import Inventory, Services
from towline.proofs import Rest


def plan(application: Application, services: Services, *, requested: bool = False) -> Plan:
    """What a run would do now, without doing it."""
    phases = Phases(services.clock.monotonic)
    manner = Manner(requested=requested, thorough=True)
    return make_plan(observe(application, services, phases, manner))


@dataclass(frozen=True)
class Attempt:
    """One run: its id, whether a person asked for it, whether it may still write."""

    run: str
    phases: Phases
    still_held: Callable[[], bool]
    requested: bool = False


def reconcile(application: Application, services: Services, attempt: Attempt) -> Outcome:
    """Make the cluster equal to Git for one application.

    Raises TowlineError for what ends the whole run; the attempt's phases then say how far it
    came. An object's failure is in the outcome.
    """
    manner = Manner(requested=attempt.requested)
    snapshot = observe_unless_at_rest(application, services, attempt.phases, manner)
    timeout = application.sync.timeout.total_seconds()
    if isinstance(snapshot, Rest):
        outcome = snapshot.again(ended=services.clock.now(), timeout=timeout)
        return replace(outcome, phases=attempt.phases.seconds)
    with attempt.phases("plan"):
        made = make_plan(snapshot)
    outcome = carry_out(
        made, services, attempt, cluster=application.destination.cluster, members=snapshot.members
    )
    outcome = replace(outcome, timeout=timeout)
    services.proofs.rest(snapshot, outcome)
    return outcome


def carry_out(
    made: Plan, services: Services, attempt: Attempt, *, cluster: str, members: Iterable[ObjectKey]
) -> Outcome:
    """Claim, execute and settle a plan; `members` are all that carry the application's label."""
    phases, clock = attempt.phases, services.clock
    inventory = services.inventory(cluster)
    rollout = moved(made.parent.rollout, made.revision.digest, clock.now())
    made = _claim(made, inventory, frozenset(members), attempt.run, rollout)
    with phases("apply"):
        results = Executor(made, services.cluster(cluster), clock, attempt.still_held).run()
    with phases("settle"):
        try:
            made = replace(made, parent=_settle(made, inventory, results, rollout))
        except LeaseLostError:
            # Who changed the inventory meanwhile (a person's word) has this application looked at
            # again, and that run settles; what was done here is to be told all the same.
            _note_jobs(made, inventory, results)
    return Outcome(
        application=made.application,
        revision=made.revision,
        plan=made,
        results=results,
        phases=phases.seconds,
        rollout=made.parent.rollout,
        ended=clock.now(),
    )


def _claim(
    made: Plan,
    inventory: Inventory,
    members: frozenset[ObjectKey],
    run: str,
    rollout: Rollout,
) -> Plan:
    """Widen the parent to old and new before the first write; nothing if there is none.

    One that cannot be believed is written in any case: where an object fails it is never settled,
    and each run would have to look for members among all kinds. So is when a revision began that
    waits before its first write.
    """
    if made.held(HoldScope.ALL):
        return made
    rebuild = not made.parent.complete and made.changes
    begins = made.waiting and not made.has_begun
    if not (made.permitted or rebuild or begins):
        return made
    keys = made.keys_left() | {c.key for c in made.changes if c.key in members}
    claimed = made.parent.claimed(keys, run=run, rollout=rollout)
    if made.parent.approved == made.digest:
        granted = Grant.of(made.revision.digest, (g for c in made.writes for g in c.grants))
        claimed = replace(claimed, approved=None, granted=granted)
    return replace(made, parent=inventory.write(claimed))


def _settle(
    made: Plan, inventory: Inventory, results: Iterable[Result], rollout: Rollout
) -> Parent:
    """Shrink the parent to what is left, and note what was applied, once all of it was done.

    Which Jobs have run is noted in any case, for they may be gone before the next run.
    """
    results = tuple(results)
    jobs = _jobs(made, results)
    if not _is_done(made, results):
        noted = replace(made.parent, jobs=jobs, granted=_left_of_grant(made, results))
        return made.parent if noted == made.parent else inventory.write(noted)
    # What lingers is still there: the next runs look for it, and say what it waits for.
    deleted = [r.key for r in results if r.kind is ResultKind.DELETED and not r.lingers]
    revision = f"{made.revision.ref}@{made.revision.commit}"
    settled = made.parent.settled(
        made.keys_left(deleted), revision=revision, applied=made.revision.digest
    )
    settled = replace(
        settled, jobs=jobs, rollout=made.parent.rollout if made.has_begun else rollout
    )
    if made.unlisted:
        # Where their members are is not known now either.
        settled = replace(
            settled,
            group_kinds=settled.group_kinds | made.unlisted,
            namespaces=settled.namespaces | made.parent.namespaces,
        )
    as_it_was = replace(made.parent, revision=revision, complete=True) == replace(
        settled, complete=True
    )
    if made.permitted or not as_it_was or (not made.parent.complete and made.changes):
        return inventory.write(settled)
    return made.parent


def _is_done(made: Plan, results: Iterable[Result]) -> bool:
    held = made.held(HoldScope.ALL) or made.held(HoldScope.PRUNE)
    return not held and not any(r.waits or r.kind is ResultKind.FAILED for r in results)


def _left_of_grant(made: Plan, results: Iterable[Result]) -> Grant | None:
    """What was approved and is not done: what is done is done once."""
    if made.parent.granted is None:
        return None
    kinds = {result.key: result.kind for result in results}
    done = (c for c in made.writes if kinds.get(c.key) in _WRITTEN)
    return made.parent.granted.without(g for change in done for g in change.grants)


def _note_jobs(made: Plan, inventory: Inventory, results: Iterable[Result]) -> None:
    """Beside whatever else was written to the parent meanwhile: a Job must not run twice."""
    with suppress(LeaseLostError):
        parent = inventory.read(made.application)
        jobs = {**parent.jobs, **_jobs(made, results)}
        if jobs != parent.jobs:
            inventory.write(replace(parent, jobs=jobs))


_WRITTEN = (ResultKind.CREATED, ResultKind.UPDATED, ResultKind.RECREATED, ResultKind.DELETED)
_RAN = (ResultKind.CREATED, ResultKind.RECREATED, ResultKind.UPDATED, ResultKind.UNCHANGED)


def _jobs(made: Plan, results: Iterable[Result]) -> dict[str, str]:
    """Jobs that have run and may go by themselves, as Git names them now."""
    ran = {result.key: result.health for result in results if result.kind in _RAN}
    jobs: dict[str, str] = {}
    for change in made.changes:
        digest = job_digest(change.manifest) if change.manifest else None
        name = f"{change.key.namespace}/{change.key.name}"
        known = made.parent.jobs.get(name, "")
        if digest and change.key in ran:
            health = ran[change.key]
            has_failed = health is not None and health.health is Health.DEGRADED
            jobs[name] = f"{digest}:{FAILED}" if has_failed else digest
        elif digest and known.partition(":")[0] == digest:
            jobs[name] = known
    return jobs


def failed(application: Application, error: TowlineError, attempt: Attempt) -> Outcome:
    """The outcome of a run that an error ended."""
    phases = attempt.phases
    return Outcome(application.name, phases.revision, error=str(error), phases=dict(phases.seconds))
