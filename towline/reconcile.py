"""Reconcile one application: the story on one page.

observe (Git, cluster) → plan (pure) → claim → execute → settle → an Outcome to record.
It never decides how to retry, what to queue next, or where records go: `workers` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from towline.core.application import Application
from towline.core.errors import LeaseLostError, TowlineError
from towline.core.objects import ObjectKey
from towline.core.outcome import Outcome, Result, ResultKind
from towline.core.plan import HoldScope, Plan
from towline.core.planning import make_plan
from towline.execute import Executor
from towline.observe import Phases, observe
from towline.ports import Inventory, Services


def plan(application: Application, services: Services, *, requested: bool = False) -> Plan:
    """What a run would do now, without doing it."""
    phases = Phases(services.clock.monotonic)
    return make_plan(observe(application, services, phases, requested=requested))


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
    snapshot = observe(application, services, attempt.phases, requested=attempt.requested)
    with attempt.phases("plan"):
        made = make_plan(snapshot)
    return carry_out(
        made, services, attempt, cluster=application.destination.cluster, members=snapshot.members
    )


def carry_out(
    made: Plan, services: Services, attempt: Attempt, *, cluster: str, members: Iterable[ObjectKey]
) -> Outcome:
    """Claim, execute and settle a plan; `members` are all that carry the application's label."""
    phases = attempt.phases
    inventory = services.inventory(cluster)
    made = _claim(made, inventory, frozenset(members), attempt.run)
    with phases("apply"):
        results = Executor(
            made, services.cluster(cluster), services.clock, attempt.still_held
        ).run()
    # Who changed the inventory meanwhile (a person's word) has this application looked at again,
    # and that run settles; what was done here is to be told all the same.
    with phases("settle"), suppress(LeaseLostError):
        _settle(made, inventory, results)
    return Outcome(made.application, made.revision, made, results, phases=phases.seconds)


def _claim(made: Plan, inventory: Inventory, members: frozenset[ObjectKey], run: str) -> Plan:
    """Widen the parent to old and new before the first write; nothing if there is none.

    One that cannot be believed is written in any case: where an object fails it is never settled,
    and each run would have to look for members among all kinds.
    """
    rebuild = not made.parent.complete and made.changes and not made.held(HoldScope.ALL)
    if not made.permitted and not rebuild:
        return made
    keys = made.keys_left() | {c.key for c in made.changes if c.key in members}
    return replace(made, parent=inventory.write(made.parent.claimed(keys, run=run)))


def _settle(made: Plan, inventory: Inventory, results: Iterable[Result]) -> None:
    """Shrink the parent to what is left, and note what was applied, once all of it was done."""
    results = tuple(results)
    waits = made.held(HoldScope.ALL) or made.held(HoldScope.PRUNE)
    if waits or any(result.kind is ResultKind.FAILED for result in results):
        return
    # What lingers is still there: the next runs look for it, and say what it waits for.
    deleted = [r.key for r in results if r.kind is ResultKind.DELETED and not r.lingers]
    revision = f"{made.revision.ref}@{made.revision.commit}"
    settled = made.parent.settled(
        made.keys_left(deleted), revision=revision, applied=made.revision.digest
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
        inventory.write(settled)


def failed(application: Application, error: TowlineError, attempt: Attempt) -> Outcome:
    """The outcome of a run that an error ended."""
    phases = attempt.phases
    return Outcome(application.name, phases.revision, error=str(error), phases=dict(phases.seconds))
