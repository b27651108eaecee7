"""Abandoned sets: what documents left behind on a cluster, and pruning it on request.

Deleting is deploying nothing: the plan is made and carried out by the same rules as any other,
with nothing desired. A person names the digest of the plan that was shown, and just that is done.
It never prunes a set that a document deploys to, or may deploy to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from towline.core import inventory
from towline.core.abandoned import AbandonedSet, deploying_nothing, last_revision
from towline.core.errors import LeaseLostError, PermanentError, TowlineError
from towline.core.inventory import Parent
from towline.core.objects import ObjectKey
from towline.core.outcome import Outcome, Result, ResultKind
from towline.core.plan import Hold, Plan, Revision, Snapshot
from towline.core.planning import make_plan
from towline.members import Members, resources_for
from towline.neighbours import is_same_cluster
from towline.observe import Phases, observe_members
from towline.ports import RefusedError, Services
from towline.reconcile import Attempt, carry_out

_MOST_NAMED = 5


def survey(cluster: str, services: Services) -> tuple[AbandonedSet, ...]:
    """The abandoned sets of a destination; raises what the port `Inventory` raises."""
    found = []
    for parent in services.inventory(cluster).parents():
        why = why_abandoned(parent.application, cluster, services)
        if why:
            found.append(AbandonedSet(parent, cluster, why, _count(parent, cluster, services)))
    return tuple(found)


def why_abandoned(application: str, cluster: str, services: Services) -> str:
    """Why nobody describes a set there; empty if a document deploys there, or may."""
    document = services.documents().applications.get(application)
    if document is None:
        return "its document is gone"
    elsewhere = document.destination.cluster
    if is_same_cluster(cluster, elsewhere, services) is False:
        return f"its document deploys to {elsewhere} now"
    return ""


def _count(parent: Parent, cluster: str, services: Services) -> int | None:
    """How many members there are; None where that may not be seen."""
    there = services.cluster(cluster)
    try:
        listed = Members(there, parent, resources_for(there, parent)).list()
    except RefusedError:
        return None
    return sum(inventory.owner_named_by(live) == parent.application for live in listed.values())


# Pruning -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pruning:
    """What a person asked for at `at` (seconds since the epoch): exactly the plan with a digest."""

    application: str
    cluster: str
    digest: str
    at: float


def prune_plan(application: str, cluster: str, services: Services) -> Plan:
    """What pruning a set would delete and keep, with what naming the plan consents to.

    Raises PermanentError if a document deploys there, or if there is no such set.
    """
    snapshot = _observed(application, cluster, services, Phases(services.clock.monotonic))
    made = _planned(snapshot)
    if _is_nothing(made):
        raise PermanentError(
            f"on {cluster} there is no set of application {application}: nothing to prune"
        )
    return made


def prune(asked: Pruning, services: Services, attempt: Attempt) -> Outcome:
    """Carry out exactly the plan that was asked for; a set that is gone is pruned already.

    Where nothing is left of the set, its parent goes too; else it stays and says what is left.
    Raises PermanentError with the new digest if the plan is another one by now.
    """
    snapshot = _observed(asked.application, asked.cluster, services, attempt.phases)
    with attempt.phases("plan"):
        made = _planned(snapshot)
    if _is_nothing(made):
        return Outcome(made.application, made.revision, made, phases=attempt.phases.seconds)
    if made.digest != asked.digest:
        raise PermanentError(_changed(made, asked))
    outcome = _carry_out(made, asked, snapshot, services, attempt)
    with attempt.phases("settle"):
        end = _end(asked, snapshot, outcome, services)
    # What waits does so for a person's next word: no later run goes on by itself.
    results = (*(replace(result, waits=False) for result in outcome.results), end)
    return replace(outcome, results=results, rollout=None)


def _carry_out(
    made: Plan, asked: Pruning, snapshot: Snapshot, services: Services, attempt: Attempt
) -> Outcome:
    """A document that comes meanwhile ends the run before its next write."""

    def may_go_on() -> bool:
        abandoned = bool(why_abandoned(asked.application, asked.cluster, services))
        return abandoned and attempt.still_held()

    watched = replace(attempt, still_held=may_go_on)
    unheld = replace(made, holds=())
    try:
        return carry_out(unheld, services, watched, cluster=asked.cluster, members=snapshot.members)
    except LeaseLostError:
        _refuse_described(asked.application, asked.cluster, services)
        raise


def _observed(application: str, cluster: str, services: Services, phases: Phases) -> Snapshot:
    _refuse_described(application, cluster, services)
    nothing = deploying_nothing(application, cluster)
    snapshot = observe_members(nothing, services, phases, Revision("", ""))
    phases.revision = last_revision(snapshot.parent)
    return replace(snapshot, revision=phases.revision)


def _refuse_described(application: str, cluster: str, services: Services) -> None:
    document = services.documents().applications.get(application)
    if document is None or why_abandoned(application, cluster, services):
        return
    elsewhere = document.destination.cluster
    name = cluster if cluster == elsewhere else f"{elsewhere}, which may be {cluster}"
    raise PermanentError(
        f"application {application} has a document that deploys to {name}: "
        f"remove its document first, or use `towline sync {application}`"
    )


def _planned(snapshot: Snapshot) -> Plan:
    made = make_plan(snapshot)
    return replace(made, holds=tuple(_explained(hold, made) for hold in made.holds))


def _explained(hold: Hold, made: Plan) -> Hold:
    """What stands in the way is what naming the plan consents to."""
    approving, naming = (f"towline {verb} {made.application} {made.digest}" for verb in _VERBS)
    message = hold.message.replace(approving, naming)
    if hold.kind == "suspended":
        message = f"{message}. To prune it all the same: {naming}"
    return replace(hold, message=message)


_VERBS = ("approve", "prune")


def _is_nothing(made: Plan) -> bool:
    return not made.changes and made.parent.resource_version is None


def _changed(made: Plan, asked: Pruning) -> str:
    deletes = len(made.writes)
    return (
        f"plan {asked.digest[:12]} is not what would be done by now, and nothing was deleted. "
        f"Look at it again with `towline prune {asked.application}`; "
        f"to delete {deletes} objects by the new plan: "
        f"towline prune {asked.application} {made.digest}"
    )


# The parent, at the end ----------------------------------------------------------------------


def _end(asked: Pruning, snapshot: Snapshot, outcome: Outcome, services: Services) -> Result:
    """Delete the parent if nothing needs it any more; else note the word, and say what does.

    Raises nothing: what was deleted before is to be told in any case.
    """
    parents = services.inventory(asked.cluster)
    why = _why_it_stays(snapshot, outcome)
    try:
        parent = _own(parents.read(asked.application), outcome)
        if not why:
            parents.remove(parent)
            return Result(ResultKind.DELETED, parent.key, "nothing of the set is left")
        parents.write(_noted(parent, snapshot.parent, asked))
    except LeaseLostError as lost:
        why = why or lost.message
    except TowlineError as error:
        return Result(ResultKind.FAILED, snapshot.parent.key, str(error))
    return Result(ResultKind.SKIPPED, snapshot.parent.key, f"the inventory stays: {why}")


def _own(parent: Parent, outcome: Outcome) -> Parent:
    """The parent as this run left it, whatever a person noted in it since."""
    claimed = outcome.plan and outcome.plan.parent
    if claimed and (parent.uid, parent.run) == (claimed.uid, claimed.run):
        return parent
    raise LeaseLostError("another run has begun with it")


def _noted(parent: Parent, before: Parent, asked: Pruning) -> Parent:
    """The same word does not count twice. What was applied last is what it was."""
    return replace(parent, steered=asked.at, revision=before.revision, applied=before.applied)


def _why_it_stays(snapshot: Snapshot, outcome: Outcome) -> str:
    gone = {r.key for r in outcome.results if r.kind is ResultKind.DELETED and not r.lingers}
    left = [result.key for result in outcome.results if result.key not in gone]
    if left:
        return f"{_named(left)} {'are' if len(left) > 1 else 'is'} left"
    unknown = snapshot.unlisted and ", ".join(sorted(map(str, snapshot.unlisted)))
    if not snapshot.parent.complete and snapshot.failed_groups:
        unknown = ", ".join(sorted(snapshot.failed_groups))
    return f"objects of {unknown} may be left, which do not answer just now" if unknown else ""


def _named(keys: Iterable[ObjectKey]) -> str:
    texts = [str(key) for key in keys]
    more = f" and {len(texts) - _MOST_NAMED} more" if len(texts) > _MOST_NAMED else ""
    return f"{', '.join(texts[:_MOST_NAMED])}{more}"
