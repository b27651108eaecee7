"""How an application stands after a run, and the one thing to read first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.plans import PARENT, REVISION, key
from towline.core.health import Assessment, Health
from towline.core.objects import ObjectKey
from towline.core.outcome import Outcome, Result, ResultKind, Status, TriggerKind
from towline.core.plan import Hold, HoldScope, Plan
from towline.core.rollout import Rollout, RolloutState

SUSPENDED = Hold(HoldScope.ALL, "suspended", "suspended by ada")
APPROVAL = Hold(HoldScope.ALL, "approval", "to apply: towline approve")
DRIFT = Hold(HoldScope.ALL, "drift", "to heal: towline sync")
EMPTY = Hold(HoldScope.PRUNE, "empty", "the revision is empty")
LIMIT = Hold(HoldScope.PRUNE, "max-prune", "too many")


def plan(*holds: Hold) -> Plan:
    return Plan("shop", REVISION, PARENT, (), holds)


def result(kind: ResultKind, name: str = "a", message: str = "") -> Result:
    return Result(kind, key("ConfigMap", name), message)


def outcome(*results: Result, holds: tuple[Hold, ...] = (), error: str = "") -> Outcome:
    return Outcome("shop", REVISION, plan(*holds), results, error)


FAILED = result(ResultKind.FAILED, "a", "quota exceeded")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (outcome(), Status.SYNCED),
        (outcome(result(ResultKind.UNCHANGED)), Status.SYNCED),
        (outcome(result(ResultKind.CREATED), result(ResultKind.DELETED)), Status.SYNCED),
        (outcome(holds=(APPROVAL,)), Status.HELD),
        (outcome(holds=(EMPTY,)), Status.HELD),
        (outcome(result(ResultKind.UPDATED), holds=(LIMIT,)), Status.HELD),
        (outcome(holds=(DRIFT,)), Status.DRIFTED),
        (outcome(holds=(DRIFT, LIMIT)), Status.DRIFTED),
        (outcome(holds=(SUSPENDED,)), Status.SUSPENDED),
        (outcome(holds=(SUSPENDED, APPROVAL, DRIFT, EMPTY)), Status.SUSPENDED),
        (outcome(FAILED), Status.FAILED),
        (outcome(FAILED, result(ResultKind.CREATED, "b")), Status.FAILED),
        (outcome(FAILED, holds=(SUSPENDED,)), Status.FAILED),
        (outcome(error="no such branch"), Status.FAILED),
        (Outcome("shop", None, error="no such branch"), Status.FAILED),
        (Outcome("shop", None), Status.UNKNOWN),
    ],
)
def test_the_worst_thing_is_the_status(given: Outcome, status: Status) -> None:
    assert given.status is status


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (outcome(), ""),
        (Outcome("shop", None), ""),
        (outcome(result(ResultKind.CREATED, message="adopted")), ""),
        (outcome(error="no such branch"), "no such branch"),
        (outcome(FAILED, error="no such branch"), "no such branch"),
        (outcome(FAILED), "ConfigMap/shop/a: quota exceeded"),
        (outcome(FAILED, holds=(APPROVAL,)), "ConfigMap/shop/a: quota exceeded"),
        (outcome(holds=(SUSPENDED,)), "suspended by ada"),
        (outcome(holds=(SUSPENDED, EMPTY)), "suspended by ada\nthe revision is empty"),
    ],
)
def test_the_message_is_the_one_thing_to_read_first(given: Outcome, message: str) -> None:
    assert given.message == message


def test_ten_causes_are_enough_to_read() -> None:
    results = [result(ResultKind.FAILED, f"m{n}", f"no {n}") for n in range(50)]
    given = outcome(*results)
    assert len(given.message.splitlines()) == 11
    assert given.message.endswith("and 40 more causes")
    assert len(given.failures) == 50


def test_ten_causes_leave_no_more_to_name() -> None:
    results = [result(ResultKind.FAILED, f"m{n}", f"no {n}") for n in range(10)]
    assert outcome(*results).message == "\n".join(f"ConfigMap/shop/m{n}: no {n}" for n in range(10))


def test_two_objects_of_one_cause_are_one_and_one_more() -> None:
    results = [result(ResultKind.FAILED, name, "quota exceeded") for name in ("a", "b")]
    assert outcome(*results).message == "ConfigMap/shop/a and 1 more: quota exceeded"


def test_a_cause_is_told_once_however_many_objects_it_stops() -> None:
    results = [result(ResultKind.FAILED, f"m{n}", "quota exceeded") for n in range(35)]
    assert outcome(*results).message == "ConfigMap/shop/m0 and 34 more: quota exceeded"


def test_results_are_counted_by_what_became_of_them() -> None:
    kinds = [ResultKind.CREATED, ResultKind.UNCHANGED, ResultKind.UNCHANGED, ResultKind.FAILED]
    assert outcome(*map(result, kinds)).counts == {"created": 1, "unchanged": 2, "failed": 1}
    assert outcome().counts == {}


@pytest.mark.parametrize(
    ("kind", "wrote"),
    [
        (ResultKind.CREATED, True),
        (ResultKind.UPDATED, True),
        (ResultKind.RECREATED, True),
        (ResultKind.DELETED, True),
        (ResultKind.UNCHANGED, False),
        (ResultKind.SKIPPED, False),
        (ResultKind.FAILED, False),
    ],
)
def test_a_run_wrote_if_one_object_was_written(kind: ResultKind, wrote: bool) -> None:
    assert outcome(result(ResultKind.UNCHANGED), result(kind)).wrote is wrote


def test_a_run_without_results_wrote_nothing() -> None:
    assert not outcome().wrote


def test_failures_are_in_the_order_of_the_results() -> None:
    names = ["c", "a", "b"]
    results = [result(ResultKind.FAILED, name) for name in names]
    found: list[ObjectKey] = [r.key for r in outcome(*results).failures]
    assert [k.name for k in found] == names


def test_the_words_are_those_of_the_interface() -> None:
    assert [kind.value for kind in ResultKind] == [
        "created",
        "updated",
        "recreated",
        "deleted",
        "unchanged",
        "skipped",
        "failed",
    ]
    assert {kind.value for kind in TriggerKind} >= {"webhook", "resync", "sync", "steer"}


# Health --------------------------------------------------------------------------------------

WAITS = replace(result(ResultKind.SKIPPED, "later", "waits for it"), waits=True)


def healthy(health: Health, kind: ResultKind = ResultKind.UNCHANGED) -> Result:
    return replace(result(kind, "a"), health=Assessment(health))


def rolled(*results: Result, waited: float = 0.0, holds: tuple[Hold, ...] = ()) -> Outcome:
    """Some seconds after the last write, of the five minutes that there are."""
    given = outcome(*results, holds=holds)
    return replace(given, rollout=Rollout("render-2", 1000.0, 1100.0), ended=1100.0 + waited)


def test_an_application_is_as_healthy_as_its_worst_object() -> None:
    assert outcome().health is Health.HEALTHY
    assert outcome(result(ResultKind.DELETED)).health is Health.HEALTHY
    assert outcome(*map(healthy, Health)).health is Health.UNKNOWN
    assert outcome(healthy(Health.MISSING), healthy(Health.PROGRESSING)).health is Health.MISSING
    assert Outcome("shop", None, error="gone").health is Health.UNKNOWN


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (rolled(), RolloutState.HEALTHY),
        (rolled(healthy(Health.SUSPENDED)), RolloutState.HEALTHY),
        (rolled(healthy(Health.PROGRESSING)), RolloutState.PROGRESSING),
        (rolled(healthy(Health.PROGRESSING), waited=299.0), RolloutState.PROGRESSING),
        (rolled(healthy(Health.PROGRESSING), waited=300.0), RolloutState.DEGRADED),
        (rolled(healthy(Health.MISSING)), RolloutState.PROGRESSING),
        (rolled(healthy(Health.DEGRADED)), RolloutState.DEGRADED),
        (rolled(healthy(Health.UNKNOWN)), RolloutState.APPLIED),
        (rolled(WAITS), RolloutState.PROGRESSING),
        (rolled(WAITS, waited=300.0), RolloutState.DEGRADED),
        (rolled(FAILED), RolloutState.DEGRADED),
        (rolled(holds=(APPROVAL,)), None),
        (outcome(error="no such branch"), None),
    ],
)
def test_a_revision_says_how_far_it_has_come(given: Outcome, state: RolloutState | None) -> None:
    assert given.state is state


@pytest.mark.parametrize(
    ("given", "pending"),
    [
        (rolled(), False),
        (rolled(healthy(Health.SUSPENDED)), False),
        (rolled(healthy(Health.PROGRESSING)), True),
        (rolled(healthy(Health.DEGRADED)), True),
        (rolled(healthy(Health.DEGRADED), waited=300.0), False),
        (rolled(WAITS), True),
        (rolled(WAITS, waited=300.0), False),
        (rolled(FAILED, healthy(Health.PROGRESSING)), False),
        (rolled(healthy(Health.PROGRESSING), holds=(APPROVAL,)), False),
        (outcome(healthy(Health.PROGRESSING)), False),
    ],
)
def test_what_is_on_its_way_is_looked_at_until_its_time_is_up(
    given: Outcome, *, pending: bool
) -> None:
    assert given.pending is pending


@pytest.mark.parametrize(
    ("waited", "pause"), [(0.0, 1.0), (4.0, 1.0), (8.0, 2.0), (60.0, 15.0), (250.0, 15.0)]
)
def test_looks_are_close_at_first_and_then_less_often(waited: float, pause: float) -> None:
    assert rolled(healthy(Health.PROGRESSING), waited=waited).look_after == pause


def test_waiting_is_a_status_until_its_time_is_up() -> None:
    assert rolled(WAITS).status is Status.WAITING
    assert rolled(WAITS).message == "1 object: waits for it"
    late = rolled(WAITS, replace(WAITS), waited=301.0)
    assert late.status is Status.FAILED
    assert late.message == "2 objects: waits for it (not healthy within 300 s)"


def test_what_is_not_gone_yet_is_told_without_being_a_failure() -> None:
    stuck = replace(result(ResultKind.SKIPPED, "b", "being deleted, waits for x"), lingers=True)
    given = outcome(stuck)
    assert (given.status, given.message) == (
        Status.SYNCED,
        "ConfigMap/shop/b: being deleted, waits for x",
    )
