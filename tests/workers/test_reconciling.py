"""A run under its lease: recorded whatever becomes of it, and served, retried or queued again."""

from __future__ import annotations

from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from tests.workers.place import PUSH, RESYNC, SYNC, Place, application, documents
from towline.core.errors import ClusterError, ManifestError, SourceError, TemporaryError
from towline.core.outcome import Trigger, TriggerKind
from towline.ports import Scope
from workers import reconciling

APP = Scope.APPLICATION


def ran(place: Place, trigger: Trigger = PUSH, name: str = "shop") -> dict[str, Any]:
    """Want a run, make it, and tell how it was recorded."""
    place.marks.want(APP, name, trigger)
    reconciling.reconcile(name, place.room)
    return dict(place.ledger.runs(name, limit=1)[0])


def test_without_a_mark_nothing_is_run(place: Place) -> None:
    reconciling.reconcile("shop", place.room)
    assert (place.api.applied, place.ledger.runs("shop")) == ([], [])


def test_a_run_is_applied_served_and_recorded(place: Place) -> None:
    record = ran(place)
    assert place.api.applied == ["shop"]
    assert (record["status"], record["application"]) == ("synced", "shop")
    assert record["trigger"] == {"kind": "webhook", "detail": "delivery-1", "at": 1.0}
    assert record["commit"] == place.forge.head
    assert place.ledger.run(record["id"]) == record
    assert (place.ledger.status("shop") or {})["id"] == record["id"]
    assert not place.is_wanted(APP, "shop")
    assert not place.is_leased(APP, "shop")
    assert place.queue.emptied() == []


def test_ids_of_runs_sort_by_time_and_never_repeat() -> None:
    times = (0.0, 1.0, 1e9, 1.7e9, 1.7e9 + 0.001, 4e9)
    ids = [reconciling.new_run_id(now) for now in times]
    assert ids == sorted(ids)
    assert len({reconciling.new_run_id(1.0) for _ in range(100)}) == 100


def test_a_run_with_refused_objects_is_tried_again_after_a_minute(place: Place) -> None:
    place.api.refuses = "exceeded quota"
    record = ran(place)
    assert record["status"] == "failed"
    assert "exceeded quota" in record["message"]
    assert place.is_wanted(APP, "shop")
    assert not place.is_leased(APP, "shop")
    place.lose_messages()
    assert place.marks.unserved(APP) == []
    place.clock.seconds += reconciling.RETRY_SECONDS
    assert place.marks.unserved(APP) == ["shop"]
    place.api.refuses = ""
    reconciling.reconcile("shop", place.room)
    latest = place.ledger.runs("shop", limit=1)[0]
    assert (latest["status"], latest["trigger"]["kind"]) == ("synced", "retry")
    assert not place.is_wanted(APP, "shop")


def test_a_temporary_error_is_recorded_and_raised_with_its_delay(place: Place) -> None:
    place.press.error = ClusterError("the cluster does not answer", delay=7.0)
    with pytest.raises(TemporaryError) as raised:
        ran(place)
    assert raised.value.delay == 7.0
    record = place.ledger.runs("shop")[0]
    assert (record["status"], record["message"]) == ("failed", "the cluster does not answer")
    assert place.is_wanted(APP, "shop")
    assert not place.is_leased(APP, "shop")


def test_a_permanent_error_is_recorded_and_waits_for_a_change(place: Place) -> None:
    place.press.error = ManifestError("no kind")
    record = ran(place)
    assert (record["status"], record["message"]) == ("failed", "no kind")
    assert not place.is_wanted(APP, "shop")
    assert place.queue.emptied() == []


def test_while_runs_fail_what_was_applied_last_is_still_told(place: Place) -> None:
    applied = ran(place)["applied_commit"]
    place.forge.error = SourceError("no route")
    with pytest.raises(TemporaryError):
        ran(place)
    status = place.ledger.status("shop") or {}
    assert (status["status"], status["applied_commit"]) == ("failed", applied)
    assert status["objects"] == 1


@pytest.mark.parametrize("error", [ValueError("secret"), KeyError("secret"), MemoryError("secret")])
def test_a_fault_of_our_own_is_shown_without_its_text_and_gives_the_lease_back(
    place: Place, error: Exception
) -> None:
    place.press.error = error
    with pytest.raises(type(error)):
        ran(place)
    record = place.ledger.runs("shop")[0]
    assert record["status"] == "failed"
    assert type(error).__name__ in record["message"]
    assert "secret" not in str(record)
    assert not place.is_leased(APP, "shop")
    assert place.is_wanted(APP, "shop")


def test_a_run_that_takes_too_long_is_recorded_and_gives_the_lease_back(place: Place) -> None:
    """The lease would be renewed by its thread for as long as the process lives otherwise."""
    place.press.error = SoftTimeLimitExceeded()
    with pytest.raises(SoftTimeLimitExceeded):
        ran(place)
    assert "did not end within its time" in place.ledger.runs("shop")[0]["message"]
    assert not place.is_leased(APP, "shop")
    assert place.is_wanted(APP, "shop")


def test_a_worker_that_is_told_to_go_gives_the_lease_back(place: Place) -> None:
    place.press.error = SystemExit(0)
    with pytest.raises(SystemExit):
        ran(place)
    assert not place.is_leased(APP, "shop")
    assert place.is_wanted(APP, "shop")


def test_when_the_record_cannot_be_kept_the_lease_is_given_back(place: Place) -> None:
    place.redis.set("towline:1:runs:shop", "not a list")
    with pytest.raises(Exception, match="WRONGTYPE"):
        ran(place)
    assert not place.is_leased(APP, "shop")


@pytest.mark.parametrize(
    "error", [None, ManifestError("x"), ClusterError("x"), "refused by the server"]
)
def test_what_is_wanted_during_a_run_is_queued_at_once(
    place: Place, error: Exception | str | None
) -> None:
    """Its message came while the lease was taken, and ended. It goes by its own trigger: the
    run under way may be a resync."""

    def push() -> None:
        place.press.meanwhile = lambda: None
        assert place.marks.want(APP, "shop", PUSH)
        reconciling.reconcile("shop", place.room)

    place.press.meanwhile = push
    if isinstance(error, str):
        place.api.refuses = error
    else:
        place.press.error = error
    ran(place, RESYNC)
    assert place.queue.emptied() == ["reconcile shop on push"]
    assert len(place.ledger.runs("shop")) == 1
    place.press.error, place.api.refuses = None, ""
    reconciling.reconcile("shop", place.room)
    assert not place.is_wanted(APP, "shop")


def test_while_a_cluster_is_away_retries_do_not_pile_up(place: Place) -> None:
    place.press.error = ClusterError("away", delay=5.0)
    raised = 0
    for _ in range(20):
        try:
            ran(place)
        except TemporaryError:
            raised += 1
    assert raised == 1
    place.clock.seconds += 5
    with pytest.raises(TemporaryError):
        reconciling.reconcile("shop", place.room)


def test_an_unknown_application_ends(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.marks.want(APP, "nobody", PUSH)
    reconciling.reconcile("nobody", place.room)
    assert not place.is_wanted(APP, "nobody")
    assert "there is no such document" in caplog.text
    assert place.ledger.runs("nobody") == []


def test_an_application_that_ends_its_workers_is_set_aside_and_says_so(place: Place) -> None:
    place.marks.want(APP, "shop", PUSH)
    for _ in range(reconciling.MOST_ATTEMPTS):
        place.marks.take(APP, "shop")
        place.lose_lease(APP, "shop")
    reconciling.reconcile("shop", place.room)
    record = place.ledger.runs("shop")[0]
    assert "ended its worker 5 times in a row" in record["message"]
    assert place.api.applied == []
    assert not place.is_wanted(APP, "shop")
    assert ran(place, SYNC)["status"] == "synced"


def test_a_run_whose_lease_is_lost_writes_nothing_more_and_counts_for_nothing(
    place: Place,
) -> None:
    place.press.meanwhile = lambda: place.redis.set("towline:1:application:lease:shop", "another")
    ran(place)
    assert place.is_wanted(APP, "shop")
    assert place.redis.get("towline:1:application:lease:shop") == "another"


def test_one_applications_fault_does_not_hold_up_another(place: Place) -> None:
    place.press.error = ManifestError("x")
    ran(place)
    place.press.error = None
    assert ran(place, name="site")["status"] == "synced"


def test_only_a_persons_word_counts_as_requested(place: Place) -> None:
    """With automatic: false, what is planned is held until somebody asks or approves."""
    place.documents = documents(application("shop", sync="automatic: false"))
    held = ran(place)
    assert (held["status"], place.api.applied) == ("held", [])
    assert held["trigger"]["kind"] == TriggerKind.WEBHOOK
    assert place.queue.emptied() == []


def test_a_plan_is_recorded_without_a_write(place: Place) -> None:
    reconciling.plan("shop", place.room)
    plan = place.ledger.plan("shop") or {}
    assert (plan["application"], plan["at"]) == ("shop", place.clock.now())
    assert [change["action"] for change in plan["changes"]] == ["create"]
    assert (place.api.applied, place.parents.sets) == ([], {})


def test_a_plan_that_cannot_be_made_says_why(place: Place) -> None:
    place.press.error = ManifestError("no kind")
    reconciling.plan("shop", place.room)
    assert (place.ledger.plan("shop") or {})["error"] == "no kind"
    reconciling.plan("nobody", place.room)
    assert place.ledger.plan("nobody") is None
