"""Marks and leases: what is wanted is served, by one at a time, whatever comes in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from redis import Redis

from towline.adapters.redis import RedisMarks, marks
from towline.core.outcome import Trigger, TriggerKind
from towline.ports import Lease, Released, Scope

APP, REPO = Scope.APPLICATION, Scope.REPOSITORY
PUSH = Trigger(TriggerKind.WEBHOOK, "delivery", 1.0)
LATER = Trigger(TriggerKind.WEBHOOK, "later", 2.0)
SYNC = Trigger(TriggerKind.SYNC, "ann", 3.0)
RESYNC = Trigger(TriggerKind.RESYNC, at=4.0)
STEER = Trigger(TriggerKind.STEER, "resume bob", 5.0)
BOTH = replace(STEER, kind=TriggerKind.SYNC)
NOTHING = Released()


@dataclass
class Now:
    """A clock that stands still until it is moved."""

    seconds: float = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def board(redis: Redis, now: Now) -> RedisMarks:
    return RedisMarks(redis, now=now)


def taken(board: RedisMarks, name: str = "a", scope: Scope = APP) -> Lease:
    lease = board.take(scope, name)
    assert lease is not None
    return lease


def expire_lease(redis: Redis, name: str = "a", scope: Scope = APP) -> None:
    """As if its worker had been dead for a minute."""
    assert redis.delete(f"towline:1:{scope}:lease:{name}") == 1


def expire_queued(redis: Redis, name: str = "a", scope: Scope = APP) -> None:
    """As if the message had been lost a minute ago."""
    assert redis.delete(f"towline:1:{scope}:queued:{name}") == 1


# Wanted, taken, served ---------------------------------------------------------------------------


def test_nothing_is_wanted_at_first(board: RedisMarks) -> None:
    assert board.take(APP, "a") is None
    assert board.unserved(APP) == []


def test_only_the_first_want_queues_a_task(board: RedisMarks) -> None:
    assert [board.want(APP, "a", PUSH) for _ in range(5)] == [True, *[False] * 4]
    assert board.want(APP, "b", PUSH)
    assert board.want(REPO, "a", PUSH)


def test_one_run_serves_everything_wanted_until_then(board: RedisMarks) -> None:
    for _ in range(5):
        board.want(APP, "a", PUSH)
    assert taken(board).release(served=True) == NOTHING
    assert board.take(APP, "a") is None
    assert board.unserved(APP) == []


def test_what_is_wanted_while_the_message_is_taken_is_queued_again(board: RedisMarks) -> None:
    board.want(APP, "a", PUSH)
    lease = taken(board)
    assert board.want(APP, "a", LATER)
    assert not board.want(APP, "a", LATER)
    lease.release(served=True)
    assert taken(board).release(served=True) == NOTHING


def test_wanted_during_a_run_and_the_message_came_too_early(board: RedisMarks) -> None:
    """The message finds the lease taken and ends; the one who holds it must queue another."""
    board.want(APP, "a", PUSH)
    lease = taken(board)
    board.want(APP, "a", LATER)
    assert board.take(APP, "a") is None
    assert lease.release(served=True) == Released(more=LATER)
    assert not board.want(APP, "a", PUSH), "the task that release asked for counts as queued"
    again = taken(board)
    assert again.trigger == LATER
    assert again.release(served=True) == NOTHING


def test_wanted_during_a_run_and_the_message_is_still_under_way(board: RedisMarks) -> None:
    board.want(APP, "a", PUSH)
    lease = taken(board)
    board.want(APP, "a", LATER)
    assert lease.release(served=True) == NOTHING
    assert taken(board).trigger == LATER


def test_a_failed_run_does_not_hold_up_what_was_wanted_meanwhile(board: RedisMarks) -> None:
    """A push that mends what failed is tried at once, not when the retry is due."""
    board.want(APP, "a", PUSH)
    lease = taken(board)
    board.want(APP, "a", LATER)
    assert board.take(APP, "a") is None
    assert lease.release(served=False, retry_after=60) == Released(more=LATER)
    again = taken(board)
    assert again.release(served=True) == NOTHING
    assert board.unserved(APP) == []


def test_a_doubled_message_finds_nothing_to_do(board: RedisMarks) -> None:
    board.want(APP, "a", PUSH)
    lease = taken(board)
    assert board.take(APP, "a") is None
    lease.release(served=True)
    assert board.take(APP, "a") is None


def test_two_workers_never_hold_one_name(redis: Redis) -> None:
    boards = [RedisMarks(redis) for _ in range(4)]
    holding, most, served = threading.Semaphore(1), [0], [0]
    stop = time.monotonic() + 0.4

    def work(board: RedisMarks) -> None:
        while time.monotonic() < stop:
            board.want(APP, "a", PUSH)
            lease = board.take(APP, "a")
            if lease is None:
                continue
            most[0] += not holding.acquire(blocking=False)
            served[0] += 1
            holding.release()
            lease.release(served=True)

    threads = [threading.Thread(target=work, args=[board]) for board in boards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most[0], served[0] > 10) == (0, True)


def test_names_and_scopes_do_not_mix(board: RedisMarks) -> None:
    board.want(APP, "a", PUSH)
    board.want(REPO, "a", SYNC)
    board.want(APP, "b:c", RESYNC)
    leases = [taken(board), taken(board, "a", REPO), taken(board, "b:c")]
    assert [lease.trigger for lease in leases] == [PUSH, SYNC, RESYNC]
    for lease in leases:
        lease.release(served=True)


# Why ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([PUSH, LATER], PUSH),
        ([PUSH, RESYNC], PUSH),
        ([RESYNC, PUSH, LATER], PUSH),
        ([PUSH, SYNC], SYNC),
        ([SYNC, PUSH, RESYNC], SYNC),
        ([RESYNC, RESYNC], RESYNC),
        ([PUSH, STEER], STEER),
        ([STEER, PUSH, RESYNC], STEER),
        ([SYNC, STEER], BOTH),
        ([STEER, SYNC], BOTH),
        ([STEER, replace(STEER, detail="suspend ann")], replace(STEER, detail="suspend ann")),
        ([SYNC, replace(SYNC, detail="bob")], replace(SYNC, detail="bob")),
    ],
)
def test_the_first_trigger_is_told_but_a_person_outweighs_it(
    board: RedisMarks, given: list[Trigger], kept: Trigger
) -> None:
    for trigger in given:
        board.want(APP, "a", trigger)
    lease = taken(board)
    assert lease.trigger == kept
    lease.release(served=True)


def test_a_trigger_counts_as_what_it_is_whatever_its_detail_says(board: RedisMarks) -> None:
    """The detail is a person's or a forge's, and must not pass for a kind."""
    named = replace(STEER, detail='"kind": "sync", \\"kind\\": \\"steer\\"')
    for given, kept in [([PUSH, named], named), ([SYNC, named], replace(named, kind=SYNC.kind))]:
        for trigger in given:
            board.want(APP, "a", trigger)
        lease = taken(board)
        assert lease.trigger == kept
        lease.release(served=True)


@pytest.mark.parametrize("word", [SYNC, STEER])
def test_a_persons_word_does_not_wait_behind_the_resyncs(board: RedisMarks, word: Trigger) -> None:
    assert board.want(APP, "a", RESYNC)
    assert board.want(APP, "a", word)
    assert not board.want(APP, "a", PUSH)


def test_a_push_does_not_wait_behind_the_resyncs(board: RedisMarks) -> None:
    """The message of a resync is behind a thousand others; the push gets one of its own."""
    assert board.want(APP, "a", RESYNC)
    assert not board.want(APP, "a", RESYNC)
    assert board.want(APP, "a", PUSH)
    assert not board.want(APP, "a", PUSH)
    assert not board.want(APP, "a", RESYNC)
    taken(board).release(served=True)
    assert board.take(APP, "a") is None


def test_what_came_during_a_resync_is_told_with_its_own_trigger(board: RedisMarks) -> None:
    board.want(APP, "a", RESYNC)
    lease = taken(board)
    board.want(APP, "a", PUSH)
    board.take(APP, "a")
    assert lease.release(served=True) == Released(more=PUSH)


def test_a_retry_keeps_what_it_was_for(board: RedisMarks) -> None:
    board.want(APP, "a", PUSH)
    taken(board).release(served=False)
    lease = taken(board)
    assert lease.trigger == Trigger(TriggerKind.RETRY, "delivery", 1.0)
    lease.release(served=False)
    assert taken(board).trigger == Trigger(TriggerKind.RETRY, "delivery", 1.0)


def test_a_retry_of_a_persons_word_is_still_a_persons_word(board: RedisMarks) -> None:
    """It says what may be healed, so that neither a retry nor a push that comes may weaken it."""
    board.want(APP, "a", SYNC)
    lease = taken(board)
    board.want(APP, "a", PUSH)
    board.take(APP, "a")
    assert lease.release(served=False) == Released(more=SYNC)
    again = taken(board)
    assert again.trigger == SYNC
    again.release(served=False)
    assert taken(board).trigger == SYNC


@pytest.mark.parametrize("word", [SYNC, STEER])
def test_a_persons_word_that_was_heeded_leaves_a_retry(board: RedisMarks, word: Trigger) -> None:
    """Looks at what its run left on its way may not do what was allowed to that run."""
    retry = replace(word, kind=TriggerKind.RETRY)
    board.want(APP, "a", word)
    taken(board).release(served=False, heeded=True)
    lease = taken(board)
    assert lease.trigger == retry
    lease.release(served=True)
    board.want(APP, "a", word)
    lease = taken(board)
    board.want(APP, "a", PUSH)
    board.take(APP, "a")
    assert lease.release(served=False, heeded=True) == Released(more=PUSH)
    assert taken(board).trigger == PUSH


def test_a_webhook_replaces_what_is_left_of_a_word_that_was_heeded(board: RedisMarks) -> None:
    board.want(APP, "a", SYNC)
    taken(board).release(served=False, heeded=True)
    board.want(APP, "a", RESYNC)
    board.want(APP, "a", PUSH)
    assert taken(board).trigger == PUSH


@pytest.mark.parametrize(
    ("left", "later", "kept"),
    [
        (STEER, PUSH, STEER),
        (STEER, SYNC, BOTH),
        (SYNC, STEER, BOTH),
        (SYNC, replace(SYNC, detail="bob"), replace(SYNC, detail="bob")),
    ],
)
def test_a_word_that_comes_while_another_is_not_heeded_joins_it(
    board: RedisMarks, left: Trigger, later: Trigger, kept: Trigger
) -> None:
    board.want(APP, "a", left)
    lease = taken(board)
    board.want(APP, "a", later)
    lease.release(served=False)
    assert taken(board).trigger == kept


def test_a_repository_is_looked_at_again_for_the_same_reason(board: RedisMarks) -> None:
    board.want(REPO, "r", PUSH)
    taken(board, "r", REPO).release(served=False)
    assert taken(board, "r", REPO).trigger == PUSH


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"kind": "magic"}', "null", "7"])
def test_a_trigger_that_nobody_here_wrote_is_a_resync(
    board: RedisMarks, redis: Redis, text: str
) -> None:
    board.want(APP, "a", PUSH)
    redis.hset("towline:1:application:trigger", "a", text)
    assert taken(board).trigger.kind is TriggerKind.RESYNC


# What nobody serves ------------------------------------------------------------------------------


def test_a_mark_is_unserved_once_its_message_counts_as_lost(
    board: RedisMarks, redis: Redis
) -> None:
    board.want(APP, "a", PUSH)
    assert board.unserved(APP) == []
    expire_queued(redis)
    assert board.unserved(APP) == ["a"]
    assert board.unserved(APP) == [], "it counts as queued now"
    assert not board.want(APP, "a", RESYNC)
    assert board.want(APP, "a", PUSH), "the tick's message may be behind the resyncs"


def test_a_mark_under_a_lease_is_not_unserved(board: RedisMarks, redis: Redis) -> None:
    board.want(APP, "a", PUSH)
    taken(board)
    assert board.unserved(APP) == []
    expire_lease(redis)
    assert board.unserved(APP) == ["a"]


def test_a_retry_is_left_alone_until_it_is_due(board: RedisMarks, now: Now) -> None:
    board.want(APP, "a", PUSH)
    assert taken(board).release(served=False, retry_after=60) == Released(retry=True)
    assert board.unserved(APP) == []
    now.seconds += 59
    assert board.unserved(APP) == []
    now.seconds += 1
    assert board.unserved(APP) == ["a"]


def test_retries_do_not_pile_up(board: RedisMarks, now: Now) -> None:
    """While a cluster is away every push brings a message, and each would come again for ever."""
    comes_back = 0
    for _ in range(20):
        board.want(APP, "a", PUSH)
        now.seconds += 0.1
        comes_back += taken(board).release(served=False, retry_after=5).retry
    assert comes_back == 1
    now.seconds += 5
    assert taken(board).release(served=False, retry_after=5).retry, "the one that came back"
    assert not taken(board).release(served=False, retry_after=5).retry


def test_a_sooner_retry_replaces_a_later_one(board: RedisMarks, now: Now) -> None:
    board.want(APP, "a", PUSH)
    assert taken(board).release(served=False, retry_after=60).retry
    assert taken(board).release(served=False, retry_after=5).retry
    now.seconds += 5
    assert board.unserved(APP) == ["a"]


def test_a_served_mark_has_no_retry_left(board: RedisMarks) -> None:
    board.want(APP, "a", PUSH)
    taken(board).release(served=False, retry_after=60)
    taken(board).release(served=True)
    board.want(APP, "a", PUSH)
    assert taken(board).release(served=False, retry_after=60).retry


# Workers that die --------------------------------------------------------------------------------


def test_attempts_count_what_was_taken_and_not_given_back(board: RedisMarks, redis: Redis) -> None:
    board.want(APP, "a", PUSH)
    found = []
    for _ in range(4):
        found.append(taken(board).attempts)
        expire_lease(redis)
    assert found == [1, 2, 3, 4]
    lease = taken(board)
    lease.release(served=False)
    assert (lease.attempts, taken(board).attempts) == (5, 1)


def test_a_lease_that_ran_out_changes_nothing_when_it_is_released(
    board: RedisMarks, redis: Redis
) -> None:
    board.want(APP, "a", PUSH)
    late = taken(board)
    expire_lease(redis)
    successor = taken(board)
    board.want(APP, "a", LATER)
    before = {str(name): redis.dump(name) for name in redis.keys("*")}
    assert late.release(served=True) == NOTHING
    assert late.release(served=False, retry_after=9) == NOTHING
    assert {str(name): redis.dump(name) for name in redis.keys("*")} == before
    board.take(APP, "a")
    assert successor.release(served=True) == Released(more=LATER)


def test_only_the_first_release_counts(board: RedisMarks) -> None:
    board.want(APP, "a", PUSH)
    lease = taken(board)
    lease.release(served=False, retry_after=60)
    assert lease.release(served=True) == NOTHING
    assert board.take(APP, "a") is not None
    assert not lease.held()


def test_a_lease_is_held_until_a_margin_before_it_runs_out(
    board: RedisMarks, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    board.want(APP, "a", PUSH)
    lease = taken(board)
    assert 59_000 < int(redis.pttl("towline:1:application:lease:a")) <= 60_000
    assert lease.held()
    monkeypatch.setattr("time.monotonic", lambda: began + 44.0)
    assert lease.held()
    monkeypatch.setattr("time.monotonic", lambda: began + 46.0)
    assert not lease.held()
    monkeypatch.undo()
    lease.release(served=True)


def eventually(true: Callable[[], Any], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_lease_is_renewed_while_the_work_goes_on(
    board: RedisMarks, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "_RENEW_SECONDS", 0.01)
    board.want(APP, "a", PUSH)
    lease = taken(board)
    redis.pexpire("towline:1:application:lease:a", 5000)
    eventually(lambda: int(redis.pttl("towline:1:application:lease:a")) > 55_000)
    assert lease.held()
    lease.release(served=True)
    assert not lease.held()


def test_a_lease_that_another_has_is_noticed_and_never_renewed(
    board: RedisMarks, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "_RENEW_SECONDS", 0.01)
    board.want(APP, "a", PUSH)
    lease = taken(board)
    redis.set("towline:1:application:lease:a", "another", px=5000)
    eventually(lambda: not lease.held())
    assert int(redis.pttl("towline:1:application:lease:a")) <= 5000
    assert lease.release(served=True) == NOTHING
    assert redis.get("towline:1:application:lease:a") == "another"


# Redis loses what it had -------------------------------------------------------------------------


def test_a_flush_during_a_run_forgets_the_lease_and_nothing_is_counted(
    board: RedisMarks, redis: Redis
) -> None:
    board.want(APP, "a", PUSH)
    lease = taken(board)
    redis.flushall()
    assert lease.release(served=True) == NOTHING
    assert redis.keys("*") == []
    assert board.want(APP, "a", LATER)
    assert taken(board).trigger == LATER


def test_a_flush_between_want_and_take_leaves_nothing_to_do(
    board: RedisMarks, redis: Redis
) -> None:
    board.want(APP, "a", PUSH)
    redis.flushall()
    assert board.take(APP, "a") is None
    assert board.want(APP, "a", PUSH)


@pytest.mark.parametrize("lost", ["wanted", "served", "trigger", "retry", "attempts"])
def test_a_hash_that_is_evicted_alone_loses_no_later_want(
    board: RedisMarks, redis: Redis, lost: str
) -> None:
    for _ in range(7):
        board.want(APP, "a", PUSH)
        taken(board).release(served=True)
    redis.delete(f"towline:1:application:{lost}")
    assert board.want(APP, "a", LATER)
    lease = taken(board)
    assert lease.trigger == LATER
    assert lease.release(served=True) == NOTHING
    assert board.take(APP, "a") is None


def test_scripts_are_loaded_again_when_redis_forgot_them(board: RedisMarks, redis: Redis) -> None:
    board.want(APP, "a", PUSH)
    redis.script_flush()
    lease = taken(board)
    redis.script_flush()
    assert lease.release(served=True) == NOTHING


# Slots and names ---------------------------------------------------------------------------------


def test_each_slot_is_told_once(board: RedisMarks) -> None:
    assert board.entered(APP, {}) == []
    assert board.entered(APP, {"a": 1, "b": 1}) == ["a", "b"]
    assert board.entered(APP, {"a": 1, "b": 1}) == []
    assert board.entered(APP, {"a": 2, "b": 1}) == ["a"]
    assert board.entered(REPO, {"a": 2}) == ["a"]


def test_only_the_first_says_a_name_within_its_time(board: RedisMarks, redis: Redis) -> None:
    assert [board.first("tick", 30.0) for _ in range(3)] == [True, False, False]
    assert board.first("another", 0.0)
    assert 0 < int(redis.pttl("towline:1:slot:tick")) <= 30_000


def test_removed_names_are_forgotten(board: RedisMarks, redis: Redis) -> None:
    for name in ("a", "b"):
        board.want(APP, name, PUSH)
        board.entered(APP, {name: 1})
        taken(board, name).release(served=False, retry_after=60)
    board.want(REPO, "b", PUSH)
    board.retain(APP, ["a", "new"])
    fields = {str(name): redis.hkeys(name) for name in redis.keys("towline:1:application:*")}
    assert set(map(tuple, fields.values())) == {("a",)}
    assert board.take(APP, "b") is None
    assert taken(board).attempts == 1
    assert taken(board, "b", REPO).trigger == PUSH


def test_a_name_that_is_removed_and_comes_back_during_its_run_is_not_missed(
    board: RedisMarks,
) -> None:
    """Its counters would begin anew, and the release would count what it served against them."""
    for _ in range(3):
        board.want(APP, "a", PUSH)
    lease = taken(board)
    board.retain(APP, [])
    assert lease.release(served=True) == NOTHING
    for _ in range(3):
        board.want(APP, "a", LATER)
    assert taken(board).trigger == LATER


def test_a_removed_name_is_forgotten_once_nobody_is_at_it(board: RedisMarks, redis: Redis) -> None:
    board.want(APP, "a", PUSH)
    lease = taken(board)
    board.retain(APP, [])
    lease.release(served=True)
    board.retain(APP, [])
    assert redis.keys("towline:1:application:*") == []
