"""Reconcile an application under its lease, and record the run."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from towline import reconcile as engine
from towline.core.application import Application
from towline.core.errors import PermanentError, TemporaryError, TowlineError
from towline.core.outcome import Outcome, Status, TriggerKind
from towline.core.record import Record, continued, plan_record, run_record
from towline.observe import Phases
from towline.ports import Lease, Scope
from workers.room import Room, give_back, given_back

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""After so long a run with failed objects is tried again: a quota or a webhook may have moved."""

MOST_ATTEMPTS = 5


def reconcile(name: str, room: Room) -> None:
    """Serve the application's mark; raises TemporaryError if it must be tried again."""
    lease = room.marks.take(Scope.APPLICATION, name)
    if lease is not None:
        with given_back(lease, retry_after=RETRY_SECONDS):
            _reconcile(name, lease, room)


def _reconcile(name: str, lease: Lease, room: Room) -> None:
    application = room.documents.applications.get(name)
    if application is None:
        log.warning("application %s: there is no such document", name)
        lease.release(served=room.is_furnished, retry_after=RETRY_SECONDS)
        return
    started = room.services.clock.now()
    run = new_run_id(started)
    outcome, error = _run(application, room, lease, run)
    ended = room.services.clock.now()
    record = run_record(outcome, run=run, trigger=lease.trigger, started=started, ended=ended)
    _record(record, room)
    _log(outcome, run, ended - started)
    _release(application, outcome, error, lease, room)


def new_run_id(now: float) -> str:
    """Sorts by time, and says nothing else."""
    return f"{int(now * 1000):012x}-{secrets.token_hex(4)}"


def _run(
    application: Application, room: Room, lease: Lease, run: str
) -> tuple[Outcome, Exception | None]:
    attempt = engine.Attempt(
        run=run,
        phases=Phases(room.services.clock.monotonic),
        still_held=lease.held,
        requested=lease.trigger.requested,
    )
    try:
        _set_aside_poison(lease)
        outcome = engine.reconcile(application, room.services, attempt)
    except TowlineError as error:
        return engine.failed(application, error, attempt), error
    except SoftTimeLimitExceeded as error:
        late = PermanentError("the run did not end within its time (sync.timeout); tried again")
        return engine.failed(application, late, attempt), error
    except Exception as error:
        # A fault of ours must show as well, though its text may hold anything.
        bug = PermanentError(f"an unexpected {type(error).__name__}: the worker's log has it")
        return engine.failed(application, bug, attempt), error
    return outcome, None


def _set_aside_poison(lease: Lease) -> None:
    if lease.attempts > MOST_ATTEMPTS:
        raise PermanentError(
            f"this application ended its worker {lease.attempts - 1} times in a row and is "
            "set aside for now; the worker's log and the revision should tell why"
        )


def _record(record: Record, room: Room) -> None:
    """A look that finds all as the run before it left it belongs to that run."""
    earlier = dict(room.ledger.status(record["application"]) or {})
    record = continued(record, earlier)
    if _goes_on(record, earlier):
        room.ledger.amend_run(earlier["id"], record)
    else:
        room.ledger.record_run(_with_applied(record, earlier))


def _goes_on(record: Record, earlier: Mapping[str, Any]) -> bool:
    """Whether a run is a later look of the one before: of the same cause, with the same plan.

    One that waits has other plans as health comes, but nothing is written in between.
    """
    if not earlier or record["wrote"] or record["plan_digest"] is None:
        return False
    causes = [(run["trigger"]["detail"], run["trigger"]["at"]) for run in (record, earlier)]
    same = ("digest", "objects", "holds")
    return (
        record["trigger"]["kind"] == TriggerKind.RETRY
        and causes[0] == causes[1]
        and all(record[name] == earlier.get(name) for name in same)
    )


def _with_applied(record: Record, earlier: Mapping[str, Any]) -> Record:
    """Keep saying what was applied last while runs fail."""
    if record["status"] == Status.SYNCED:
        return {**record, "applied_commit": record["commit"], "applied_at": record["ended"]}
    kept = {name: earlier.get(name) for name in ("applied_commit", "applied_at")}
    if record["objects"] is None:
        kept["objects"] = earlier.get("objects")
    return {**record, **kept}


def _release(
    application: Application,
    outcome: Outcome,
    error: Exception | None,
    lease: Lease,
    room: Room,
) -> None:
    def requeue(queue: str) -> None:
        room.queue.reconcile(application, queue=queue)

    # A sync that failed is still to be done; whatever else was said is in the record now.
    is_undone = lease.trigger.requested and bool(outcome.error or outcome.failures)
    unserved = partial(give_back, lease, requeue, served=False, heeded=not is_undone)
    if isinstance(error, TemporaryError):
        if unserved(retry_after=error.delay):
            raise error
    elif error is not None and not isinstance(error, TowlineError):
        unserved(retry_after=RETRY_SECONDS)
        raise error
    elif outcome.pending:
        if unserved(retry_after=outcome.look_after):
            raise TemporaryError(f"{application.name} is on its way", delay=outcome.look_after)
    elif outcome.failures or outcome.waits:
        unserved(retry_after=RETRY_SECONDS)
    else:
        give_back(lease, requeue, served=True)


def _log(outcome: Outcome, run: str, seconds: float) -> None:
    counts = ", ".join(f"{number} {kind}" for kind, number in outcome.counts.items()) or "nothing"
    commit = outcome.revision.commit[:12] if outcome.revision else "no revision"
    level = logging.WARNING if outcome.status is Status.FAILED else logging.INFO
    message = "application %s: %s and %s at %s: %s in %.3f s (run %s)%s"
    stands = (outcome.application, outcome.status, outcome.health, commit)
    detail = f": {outcome.message}" if outcome.message else ""
    log.log(level, message, *stands, counts, seconds, run, detail)


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
