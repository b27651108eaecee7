"""Reconcile an application under its lease, and record the run."""

from __future__ import annotations

import logging
import secrets

from towline import reconcile as engine
from towline.core.application import Application
from towline.core.errors import PermanentError, TemporaryError, TowlineError
from towline.core.outcome import Outcome, Status, TriggerKind
from towline.core.record import Record, plan_record, run_record
from towline.ports import Lease, Scope
from workers.room import Room, queue_for

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""After so long a run with failed objects is tried again: a quota or a webhook may have moved."""

MOST_ATTEMPTS = 5


def reconcile(name: str, room: Room) -> None:
    """Serve the application's mark; raises TemporaryError if it must be tried again."""
    lease = room.marks.take(Scope.APPLICATION, name)
    if lease is None:
        return
    application = room.documents.applications.get(name)
    if application is None:
        log.warning("application %s: there is no such document", name)
        lease.release(served=True)
        return
    started = room.services.clock.now()
    run = new_run_id(started)
    outcome, error = _run(application, room, lease, run)
    ended = room.services.clock.now()
    record = run_record(outcome, run=run, trigger=lease.trigger, started=started, ended=ended)
    room.ledger.record_run(_with_applied(record, room))
    _log(outcome, run, ended - started)
    _release(application, outcome, error, lease, room)


def new_run_id(now: float) -> str:
    """Sorts by time, and says nothing else."""
    return f"{int(now * 1000):012x}-{secrets.token_hex(4)}"


def _run(
    application: Application, room: Room, lease: Lease, run: str
) -> tuple[Outcome, TowlineError | None]:
    requested = lease.trigger.kind is TriggerKind.SYNC
    try:
        if lease.attempts > MOST_ATTEMPTS:
            raise PermanentError(
                f"this application ended its worker {lease.attempts - 1} times in a row and is "
                "set aside until it changes, or until someone runs: towline sync"
            )
        outcome = engine.reconcile(
            application,
            room.services,
            run=run,
            still_held=lease.held,
            requested=requested,
        )
    except TowlineError as error:
        return engine.failed(application, error), error
    return outcome, None


def _with_applied(record: Record, room: Room) -> Record:
    """Keep saying what was applied last while runs fail."""
    if record["status"] == Status.SYNCED:
        return {**record, "applied_commit": record["commit"], "applied_at": record["ended"]}
    earlier = room.ledger.status(record["application"]) or {}
    kept = {name: earlier.get(name) for name in ("applied_commit", "applied_at")}
    if record["objects"] is None:
        kept["objects"] = earlier.get("objects")
    return {**record, **kept}


def _release(
    application: Application,
    outcome: Outcome,
    error: TowlineError | None,
    lease: Lease,
    room: Room,
) -> None:
    if isinstance(error, TemporaryError):
        lease.release(served=False, retry_after=error.delay)
        raise error
    if outcome.failures:
        lease.release(served=False, retry_after=RETRY_SECONDS)
    elif lease.release(served=True):
        room.queue.reconcile(application, queue=queue_for(lease.trigger))


def _log(outcome: Outcome, run: str, seconds: float) -> None:
    counts = ", ".join(f"{number} {kind}" for kind, number in outcome.counts.items()) or "nothing"
    commit = outcome.revision.commit[:12] if outcome.revision else "no revision"
    level = logging.WARNING if outcome.status is Status.FAILED else logging.INFO
    message = "application %s: %s at %s: %s in %.3f s (run %s)%s"
    detail = f": {outcome.message}" if outcome.message else ""
    log.log(
        level, message, outcome.application, outcome.status, commit, counts, seconds, run, detail
    )


def plan(name: str, room: Room) -> None:
    """A fresh plan for the API to show, without a write."""
    application = room.documents.applications.get(name)
    if application is None:
        return
    at = room.services.clock.now()
    try:
        record: Record = plan_record(engine.plan(application, room.services))
    except TowlineError as error:
        record = {"application": name, "error": str(error)}
    room.ledger.record_plan(name, {**record, "at": at})
