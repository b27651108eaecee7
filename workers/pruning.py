"""Prune an abandoned set: show the plan, or carry out exactly the one that a person named.

A run of its own, under the lease of the application: what bears that name is written by one run
at a time, whatever the cluster.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from towline import abandoned
from towline.core.abandoned import plan_name
from towline.core.application import is_name
from towline.core.errors import LeaseLostError, TemporaryError, TowlineError
from towline.core.outcome import Outcome, Trigger, TriggerKind
from towline.core.record import Record, plan_record, run_record
from towline.core.steering import Steer, Verb
from towline.observe import Phases
from towline.ports import Lease, Scope
from towline.reconcile import Attempt
from workers import surveying
from workers.reconciling import new_run_id
from workers.room import Room, give_back, given_back, queue_for
from workers.steering import heard, is_late

log = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0
"""So often the lease is asked for, until the word is too old to count."""


def prune(message: dict[str, Any], room: Room) -> None:
    """Serve a person's word; raises TemporaryError if it must be tried again.

    A message that was not signed here is logged and dropped.
    """
    said = heard(message, room, room.services.clock.now())
    if said is None:
        return
    if said.verb is not Verb.PRUNE or not said.cluster or not is_name(said.application):
        log.warning("a message to prune names no set: ignored")
        return
    if not room.is_furnished:
        # Which objects other applications name is then not known either.
        raise TemporaryError("no documents could be read here yet", delay=_RETRY_SECONDS)
    if said.value:
        _carry_out(said, room)
    else:
        _show(said, room)


def _show(said: Steer, room: Room) -> None:
    at = room.services.clock.now()
    try:
        made = abandoned.prune_plan(said.application, said.cluster, room.services)
        record: Record = plan_record(made)
    except TowlineError as error:
        record = {"application": said.application, "error": str(error)}
    record |= {"cluster": said.cluster, "asked": said.at, "at": at}
    room.ledger.record_plan(plan_name(said.application, said.cluster), record)


def _carry_out(said: Steer, room: Room) -> None:
    lease = _lease(said, room)
    with given_back(lease, retry_after=_RETRY_SECONDS):
        started = room.services.clock.now()
        run = new_run_id(started)
        outcome, fault = _run(said, lease, run, room)
        try:
            # Before the record: whoever waits for the run looks at the list next.
            surveying.survey(said.cluster, room)
        finally:
            if outcome is not None:
                _record(said, outcome, run, started, room)
        _release(said, lease, room)
    if fault is not None:
        raise fault


def _lease(said: Steer, room: Room) -> Lease:
    """The application's lease, which is given for a mark only.

    Where the name has a document, on another cluster, that one is looked at afterwards: the mark
    may have stood for it.
    """
    now = room.services.clock.now()
    mark = Trigger(TriggerKind.CHANGE, f"after a prune by {said.actor}", now)
    must_queue = room.marks.want(Scope.APPLICATION, said.application, mark)
    lease = room.marks.take(Scope.APPLICATION, said.application)
    if lease is not None:
        return lease
    application = room.documents.applications.get(said.application)
    if must_queue and application is not None:
        room.queue.reconcile(application, queue=queue_for(mark))
    raise LeaseLostError(f"a run of {said.application} is under way", delay=_RETRY_SECONDS)


def _run(
    said: Steer, lease: Lease, run: str, room: Room
) -> tuple[Outcome | None, Exception | None]:
    """The outcome, and a fault to raise once it is recorded; no outcome for a word that counted
    before."""
    phases = Phases(room.services.clock.monotonic)
    attempt = Attempt(run, phases, lease.held, requested=True)
    asked = abandoned.Pruning(said.application, said.cluster, said.value, said.at)
    try:
        if is_late(said, room.services.inventory(said.cluster).read(said.application)):
            return None, None
        return abandoned.prune(asked, room.services, attempt), None
    except TowlineError as error:
        return _failed(said, str(error), phases), None
    except SoftTimeLimitExceeded as error:
        late = "the run did not end within its time: `towline prune` shows what is left"
        return _failed(said, late, phases), TimeoutError(str(error))
    except Exception as error:
        # A fault of ours must show as well, though its text may hold anything.
        bug = f"an unexpected {type(error).__name__}: the worker's log has it"
        return _failed(said, bug, phases), error


def _failed(said: Steer, error: str, phases: Phases) -> Outcome:
    seconds = dict(phases.seconds)
    return Outcome(said.application, phases.revision, error=error, phases=seconds)


def _record(said: Steer, outcome: Outcome, run: str, started: float, room: Room) -> None:
    """Nothing is said of a document of that name, on another cluster, nor of one that comes later:
    without a digest its first run is due at once."""
    trigger = Trigger(TriggerKind.STEER, f"{said.verb} {said.actor}", said.at)
    ended = room.services.clock.now()
    record = run_record(outcome, run=run, trigger=trigger, started=started, ended=ended)
    record |= {"cluster": said.cluster, "digest": None}
    is_described = said.application in room.documents.applications
    room.ledger.record_run(record, is_status=not is_described)
    text = "application %s: %s by %s on %s: %s %s (run %s)"
    stands = (outcome.status, outcome.message or outcome.counts)
    log.info(text, said.application, said.verb, said.actor, said.cluster, *stands, run)


def _release(said: Steer, lease: Lease, room: Room) -> None:
    application = room.documents.applications.get(said.application)

    def requeue(queue: str) -> None:
        if application is not None:
            room.queue.reconcile(application, queue=queue)

    give_back(lease, requeue, served=True)
    if application is not None:
        room.want_reconcile(application, lease.trigger)
