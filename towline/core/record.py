"""Plans and outcomes as JSON for people and programs: what the API, the pages and Redis hold.

Secrets are masked where the differences are made (`towline.core.diff`); values are shortened here.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from towline.core import diff
from towline.core.errors import Place
from towline.core.health import Health
from towline.core.objects import ObjectKey
from towline.core.outcome import Outcome, Result, Status, Trigger
from towline.core.plan import Action, Change, Plan
from towline.core.rollout import RolloutState

Record = dict[str, Any]

_MOST_FIELDS = 200
_LONGEST_VALUE = 400
_LONGEST_DIFF = 20_000


def key_record(key: ObjectKey) -> Record:
    return {
        "group": key.group,
        "kind": key.kind,
        "namespace": key.namespace,
        "name": key.name,
        "object": str(key),
    }


def plan_record(plan: Plan) -> Record:
    """The whole plan, with the differences of what it would write."""
    counts: dict[str, int] = {}
    for change in plan.changes:
        counts[change.action] = counts.get(change.action, 0) + 1
    return {
        "application": plan.application,
        "digest": plan.digest,
        "ref": plan.revision.ref,
        "commit": plan.revision.commit,
        "counts": counts,
        "holds": [asdict(hold) for hold in plan.holds],
        "changes": [
            {**change_record(c), "waits": plan.waiting.get(c.key, "")}
            for c in plan.changes
            if _worth_showing(c)
        ],
    }


def _worth_showing(change: Change) -> bool:
    return change.action is not Action.KEEP


def change_record(change: Change) -> Record:
    fields = change.fields()
    before, after = change.sides()
    unified = diff.unified(before, after, name=str(change.key))
    return {
        **key_record(change.key),
        **place_record(change.place),
        "action": change.action.value,
        "stage": change.stage[1].title,
        "wave": change.stage[0],
        "reason": change.reason,
        "problem": change.problem,
        "previous_owners": {m: list(paths) for m, paths in change.previous_owners.items()},
        "fields": [_field(field) for field in fields[:_MOST_FIELDS]],
        "more_fields": max(0, len(fields) - _MOST_FIELDS),
        "diff": unified[:_LONGEST_DIFF],
    }


def _field(field: diff.FieldChange) -> Record:
    record: Record = {"path": field.path}
    if field.before is not diff.ABSENT:
        record["before"] = _shortened(field.before)
    if field.after is not diff.ABSENT:
        record["after"] = _shortened(field.after)
    return record


def _shortened(value: Any) -> Any:
    text = value if isinstance(value, str) else repr(value)
    return value if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def place_record(place: Place | None) -> Record:
    return {"file": place.file, "line": place.line} if place else {}


def result_record(result: Result) -> Record:
    record = {**key_record(result.key), **place_record(result.place), "result": result.kind.value}
    if result.message:
        record["message"] = result.message[:2000]
    if result.health:
        record |= {"health": result.health.health.value, "health_message": result.health.message}
    if result.waits:
        record["waits"] = True
    if result.previous_owners:
        record["previous_owners"] = {m: list(p) for m, p in result.previous_owners.items()}
    return record


def rollout_record(outcome: Outcome, ended: float) -> Record | None:
    """How far the revision has come, and when it began and came there; None before it begins."""
    if outcome.state is None or outcome.revision is None:
        return None
    record: Record = {"digest": outcome.revision.digest, "state": outcome.state.value}
    if outcome.rollout is not None and outcome.rollout.digest == outcome.revision.digest:
        record["began"] = outcome.rollout.began
    if outcome.status is Status.SYNCED:
        record["applied"] = ended
    if outcome.state is RolloutState.HEALTHY:
        record["healthy"] = ended
    return record


_TIMES = ("applied", "healthy")


def continued(record: Record, earlier: Record) -> Record:
    """The rollout of a run, as far as it was known before: with the times at which it first came
    to where it is. `record` is a run's, `earlier` the application's status before.

    Of what nobody saw coming (the status was lost, and the run wrote nothing) the times are left
    out. What was healthy and is on its way again is not degraded for having taken long.
    """
    rollout, known = record["rollout"], earlier.get("rollout") or {}
    if rollout is None:
        return {**record, "rollout": known or None} if record["plan_digest"] is None else record
    if known.get("digest") == rollout["digest"]:
        kept = {name: known[name] for name in _TIMES if name in known}
        moves_again = "healthy" in kept and record["health"] == Health.PROGRESSING
        state = RolloutState.PROGRESSING.value if moves_again else rollout["state"]
        return {**record, "rollout": {**rollout, **kept, "state": state}}
    if not earlier and not record["wrote"]:
        rollout = {name: value for name, value in rollout.items() if name not in _TIMES}
    return {**record, "rollout": rollout}


_STANDING = ("commit", "status", "health", "message", "pending", "rollout")


def amended(run: Record, later: Record) -> Record:
    """An earlier run as a later look found it, which wrote nothing: how it stands, no more."""
    healths = {(r["group"], r["object"]): r for r in later.get("results", ())}
    results = []
    for result in run.get("results", ()):
        now = healths.get((result["group"], result["object"]), {})
        kept = {name: now[name] for name in ("health", "health_message") if name in now}
        results.append({**result, **kept})
    standing = {name: later[name] for name in _STANDING if name in later}
    return {**run, **standing, **({"results": results} if "results" in run else {})}


def run_record(
    outcome: Outcome, *, run: str, trigger: Trigger, started: float, ended: float
) -> Record:
    """One run, from trigger to outcome; times are seconds since the epoch."""
    plan = outcome.plan
    return {
        "id": run,
        "application": outcome.application,
        "status": outcome.status.value,
        "health": outcome.health.value,
        "message": outcome.message[:4000],
        "trigger": asdict(trigger),
        "started": started,
        "ended": ended,
        "phases": {name: round(seconds, 4) for name, seconds in outcome.phases.items()},
        "ref": outcome.revision.ref if outcome.revision else None,
        "commit": outcome.revision.commit if outcome.revision else None,
        "digest": outcome.revision.digest if outcome.revision else None,
        "counts": outcome.counts,
        "objects": len(plan.keys_left()) if plan else None,
        "wrote": outcome.wrote,
        "pending": outcome.pending,
        "rollout": rollout_record(outcome, ended),
        "holds": [asdict(hold) for hold in plan.holds] if plan else [],
        "plan_digest": plan.digest if plan else None,
        "results": [result_record(result) for result in outcome.results],
        "plan": plan_record(plan) if plan else None,
    }
