"""Looks, the inbox and the ledger: bounded, and of no authority."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from towline.adapters.redis import RedisInbox, RedisLedger, RedisLooks, RedisMarks, connect
from towline.core.outcome import Trigger, TriggerKind
from towline.ports import Received, Scope

REF = "refs/heads/main"
COMMIT = "a" * 40


@pytest.fixture
def looks(redis: Redis) -> RedisLooks:
    return RedisLooks(redis)


@pytest.fixture
def inbox(redis: Redis) -> RedisInbox:
    return RedisInbox(redis)


@pytest.fixture
def ledger(redis: Redis) -> RedisLedger:
    return RedisLedger(redis)


# Looks -------------------------------------------------------------------------------------------


def test_the_newest_look_is_the_last_that_ended(looks: RedisLooks) -> None:
    assert looks.newest("r") is None
    first, second = looks.begin("r"), looks.begin("r")
    assert looks.newest("r") is None
    looks.end("r", first)
    assert looks.newest("r") == first
    looks.end("r", second)
    assert looks.newest("r") == second
    assert looks.newest("another") is None


def test_a_look_that_saw_the_same_is_as_new_as_the_newest(looks: RedisLooks) -> None:
    first, second = looks.begin("r"), looks.begin("r")
    assert looks.end("r", first, "heads") == first
    assert looks.end("r", second, "heads") == first
    assert looks.newest("r") == first
    third = looks.begin("r")
    assert looks.end("r", third, "other heads") == third
    assert looks.newest("r") == third


def test_a_look_that_nobody_took_makes_every_mirror_old(looks: RedisLooks) -> None:
    looks.end("r", looks.begin("r"), "heads")
    demanded = looks.begin("r")
    assert looks.end("r", demanded) == demanded
    taken = looks.begin("r")
    assert looks.end("r", taken, "heads") == taken
    assert looks.newest("r") == taken


def test_a_look_that_ends_late_counts_for_nothing(looks: RedisLooks) -> None:
    first, second = looks.begin("r"), looks.begin("r")
    looks.end("r", second)
    looks.end("r", first)
    assert looks.newest("r") == second


def test_numbers_are_compared_as_numbers(looks: RedisLooks) -> None:
    begun = [looks.begin("r") for _ in range(12)]
    looks.end("r", begun[8])
    looks.end("r", begun[11])
    assert looks.newest("r") == begun[11]


def test_a_look_from_before_a_flush_counts_for_nothing(looks: RedisLooks, redis: Redis) -> None:
    before = [looks.begin("r") for _ in range(9)][-1]
    redis.flushall()
    looks.end("r", before)
    assert looks.newest("r") is None
    after = looks.begin("r")
    looks.end("r", before)
    looks.end("r", after)
    assert looks.newest("r") == after
    assert before.partition(":")[0] != after.partition(":")[0]


def test_looks_are_lost_whole_or_not_at_all(looks: RedisLooks, redis: Redis) -> None:
    """An old number under a new epoch would pass for fresh: there is one key to evict."""
    looks.end("r", looks.begin("r"))
    assert redis.keys("*") == ["towline:1:looks"]


# The inbox ---------------------------------------------------------------------------------------


def delivery(number: int = 1, provider: str = "github", **fields: Any) -> dict[str, Any]:
    return {"id": f"d-{number}", "provider": provider, **fields}


def test_a_delivery_is_recorded_marked_and_coalesced_in_one_step(
    inbox: RedisInbox, redis: Redis
) -> None:
    assert inbox.receive(delivery(1), repository="r", ref=REF, expected=COMMIT) == Received(
        queue=True, duplicate=False
    )
    assert inbox.receive(delivery(2), repository="r", ref=REF, expected="b" * 40) == Received(
        queue=False, duplicate=False
    )
    assert [record["id"] for record in inbox.deliveries()] == ["d-2", "d-1"]
    ((ref, (commit, _)),) = inbox.expected("r").items()
    assert (ref, commit) == (REF, "b" * 40)
    lease = RedisMarks(redis).take(Scope.REPOSITORY, "r")
    assert lease is not None
    assert (lease.trigger.kind, lease.trigger.detail) == (TriggerKind.WEBHOOK, "d-1")
    lease.release(served=True)


def test_a_delivery_that_a_resync_is_queued_for_is_queued_in_front(
    inbox: RedisInbox, redis: Redis
) -> None:
    RedisMarks(redis).want(Scope.REPOSITORY, "r", Trigger(TriggerKind.RESYNC))
    assert inbox.receive(delivery(), repository="r").queue


def test_an_unmatched_delivery_is_recorded_and_marks_nothing(
    inbox: RedisInbox, redis: Redis
) -> None:
    assert inbox.receive(delivery(), repository=None, ref=REF, expected=COMMIT) == Received(
        queue=False, duplicate=False
    )
    assert len(inbox.deliveries()) == 1
    assert redis.keys("towline:1:repository:*") == []
    assert redis.keys("towline:1:expected:*") == []


def test_a_duplicate_is_told_by_provider_and_id_and_marks_again(
    inbox: RedisInbox, redis: Redis
) -> None:
    board = RedisMarks(redis)
    inbox.receive(delivery(), repository="r")
    lease = board.take(Scope.REPOSITORY, "r")
    assert lease is not None
    lease.release(served=True)
    assert inbox.receive(delivery(), repository="r") == Received(queue=True, duplicate=True)
    assert not inbox.receive(delivery(provider="gitea"), repository="r").duplicate
    assert [record["duplicate"] for record in inbox.deliveries()] == [False, True, False]


def test_what_is_kept_of_deliveries_is_bounded(inbox: RedisInbox, redis: Redis) -> None:
    for number in range(1300):
        inbox.receive(delivery(number), repository=None)
    assert 1000 <= int(redis.xlen("towline:1:deliveries")) <= 1100
    assert [record["id"] for record in inbox.deliveries(limit=2)] == ["d-1299", "d-1298"]
    assert len(inbox.deliveries()) == 50


def test_a_commit_is_expected_until_it_is_met(inbox: RedisInbox) -> None:
    inbox.receive(delivery(), repository="r", ref=REF, expected=COMMIT)
    inbox.receive(delivery(), repository="r", ref="refs/tags/main", expected=COMMIT)
    inbox.met("r", REF)
    assert list(inbox.expected("r")) == ["refs/tags/main"]
    inbox.met("r", "refs/heads/none")
    assert inbox.expected("another") == {}


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "7", "null", '"ab"', '["a"]', '["--x", 1]', "[7, 7]", "{}", '["a", 1, 2]'],
)
def test_an_expectation_that_nobody_here_wrote_is_left_out(
    inbox: RedisInbox, redis: Redis, text: str
) -> None:
    inbox.receive(delivery(), repository="r", ref=REF, expected=COMMIT)
    redis.hset("towline:1:expected:r", "refs/heads/x", text)
    assert list(inbox.expected("r")) == [REF]


def test_when_redis_is_away_nothing_is_taken_in() -> None:
    with connect("redis://127.0.0.1:1/0") as away, pytest.raises(RedisError):
        RedisInbox(away).receive(delivery(), repository="r")


def test_when_redis_is_full_nothing_is_taken_in(inbox: RedisInbox, redis: Redis) -> None:
    inbox.receive(delivery(1), repository="r")
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(RedisError):
            inbox.receive(delivery(2), repository="r", ref=REF, expected=COMMIT)
    finally:
        redis.config_set("maxmemory", 0)
    assert [record["id"] for record in inbox.deliveries()] == ["d-1"]
    assert inbox.expected("r") == {}


# The ledger --------------------------------------------------------------------------------------


def run(number: int, application: str = "shop", **fields: Any) -> dict[str, Any]:
    own = {"id": f"{application}-{number}", "application": application, "status": "synced"}
    return {**own, "results": [1], "plan": {"digest": "x"}, **fields}


def test_a_run_is_kept_and_is_the_status(ledger: RedisLedger) -> None:
    assert (ledger.run("shop-1"), ledger.status("shop"), ledger.runs("shop")) == (None, None, [])
    ledger.record_run(run(1))
    ledger.record_run(run(2, status="failed"))
    assert ledger.run("shop-1") == run(1)
    assert [found["id"] for found in ledger.runs("shop")] == ["shop-2", "shop-1"]
    assert ledger.status("shop") == {
        "id": "shop-2",
        "application": "shop",
        "status": "failed",
    }
    assert ledger.statuses(["shop", "other"]) == {"shop": ledger.status("shop"), "other": None}
    assert ledger.statuses([]) == {}


def test_runs_that_fall_off_the_list_are_gone_themselves(ledger: RedisLedger, redis: Redis) -> None:
    """An application that fails every few seconds would fill Redis otherwise."""
    for number in range(250):
        ledger.record_run(run(number))
    ledger.record_run(run(1, "other"))
    assert len(redis.keys("towline:1:run:shop-*")) == 100
    assert [found["id"] for found in ledger.runs("shop", limit=1000)] == [
        f"shop-{249 - number}" for number in range(100)
    ]
    assert ledger.run("other-1") is not None
    assert ledger.run("shop-149") is None


def test_plans_and_source_errors_are_the_latest(ledger: RedisLedger) -> None:
    assert (ledger.plan("shop"), ledger.source_error("r")) == (None, "")
    ledger.record_plan("shop", {"at": 1.0})
    ledger.record_plan("shop", {"at": 2.0})
    ledger.record_source("r", error="no route")
    assert (ledger.plan("shop"), ledger.source_error("r")) == ({"at": 2.0}, "no route")
    ledger.record_source("r", error="")
    assert ledger.source_error("r") == ""


def test_a_record_that_is_no_object_is_none(ledger: RedisLedger, redis: Redis) -> None:
    redis.set("towline:1:run:x", "[]")
    redis.lpush("towline:1:runs:shop", "x", "gone")
    assert ledger.run("x") is None
    assert ledger.runs("shop") == []


# All keys ----------------------------------------------------------------------------------------

HASHES = {
    *(
        f"towline:1:{scope}:{kind}"
        for scope, kind in itertools.product(
            ("repository", "application"),
            ("wanted", "served", "trigger", "retry", "attempts", "slot"),
        )
    ),
    "towline:1:looks",
}


def test_every_key_has_an_end_but_the_hashes_of_what_is_followed(redis: Redis) -> None:
    board, looks = RedisMarks(redis), RedisLooks(redis)
    inbox, ledger = RedisInbox(redis), RedisLedger(redis)
    for number in range(20):
        repository, application = f"r{number}", f"a{number}"
        inbox.receive(delivery(number), repository=repository, ref=REF, expected=COMMIT)
        inbox.receive(delivery(number), repository=None)
        for scope, name in (
            (Scope.REPOSITORY, repository),
            (Scope.APPLICATION, application),
        ):
            board.want(scope, name, Trigger(TriggerKind.RESYNC))
            board.entered(scope, {name: number})
            lease = board.take(scope, name)
            assert lease is not None
            board.want(scope, name, Trigger(TriggerKind.SYNC, "ann"))
            if number % 4:
                lease.release(served=number % 2 == 0, retry_after=9)
                board.unserved(scope)
                board.take(scope, name)
        looks.end(repository, looks.begin(repository))
        board.first(f"tick {number}", 30)
        ledger.record_run(run(number, application))
        ledger.record_plan(application, {"at": 1})
        ledger.record_source(repository, error="x")
    names = [str(name) for name in redis.scan_iter("*")]
    hashes = {name for name in names if redis.type(name) == "hash"}
    expectations = {name for name in hashes if name.startswith("towline:1:expected:")}
    assert hashes - expectations <= HASHES
    endless = {name for name in names if int(redis.ttl(name)) < 0}
    assert endless == hashes - expectations
    assert all(name.startswith("towline:1:") for name in names)


def test_records_are_json_that_anyone_can_read(redis: Redis, ledger: RedisLedger) -> None:
    ledger.record_run(run(1, message="é"))
    assert json.loads(str(redis.get("towline:1:run:shop-1")))["message"] == "é"


# Surveys ------------------------------------------------------------------------------------------


def test_surveys_are_kept_by_cluster_for_a_month(ledger: RedisLedger, redis: Redis) -> None:
    assert ledger.surveys() == {}
    for cluster in ("one", "two"):
        ledger.record_survey(cluster, {"cluster": cluster, "sets": []})
    ledger.record_survey("one", {"cluster": "one", "sets": [1]})
    assert ledger.surveys() == {
        "one": {"cluster": "one", "sets": [1]},
        "two": {"cluster": "two", "sets": []},
    }
    assert 29 * 24 * 3600 < int(str(redis.ttl("towline:1:abandoned"))) <= 30 * 24 * 3600
    ledger.record_survey("one", None)
    assert list(ledger.surveys()) == ["two"]


def test_a_survey_that_cannot_be_read_is_none(ledger: RedisLedger, redis: Redis) -> None:
    redis.hset("towline:1:abandoned", "one", "[]")
    assert ledger.surveys() == {}


def test_a_run_that_is_no_status_leaves_the_status(ledger: RedisLedger) -> None:
    first = {"id": "1", "application": "shop", "status": "synced"}
    ledger.record_run(first)
    ledger.record_run({**first, "id": "2", "status": "failed"}, is_status=False)
    assert [run["id"] for run in ledger.runs("shop")] == ["2", "1"]
    assert (ledger.status("shop") or {})["id"] == "1"
