"""A person's word: kept on the cluster if it was signed here and just now, and dropped if not."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from tests.workers.place import KEY, RESYNC, Place
from towline.core.errors import LeaseLostError
from towline.core.outcome import TriggerKind
from towline.core.steering import Steer, Verb
from towline.ports import Scope
from workers import reconciling, steering

DIGEST = "d" * 64


def message(place: Place, verb: Verb = Verb.SUSPEND, **fields: Any) -> dict[str, Any]:
    said = {"application": "shop", "actor": "ann", "at": place.clock.now(), **fields}
    sent: dict[str, Any] = json.loads(json.dumps(Steer(verb=verb, **said).signed(KEY)))
    return sent


@pytest.mark.parametrize(
    ("verb", "value", "suspended", "approved"),
    [
        (Verb.SUSPEND, "", "ann", None),
        (Verb.RESUME, "", None, None),
        (Verb.APPROVE, DIGEST, None, DIGEST),
    ],
)
def test_a_word_is_kept_with_the_inventory_and_the_application_is_looked_at(
    place: Place, verb: Verb, value: str, suspended: str | None, approved: str | None
) -> None:
    steering.steer(message(place, verb, value=value), place.room)
    parent = place.parents.sets["shop"]
    assert (parent.suspended, parent.approved) == (suspended, approved)
    assert place.queue.emptied() == ["reconcile shop on push"]
    lease = place.marks.take(Scope.APPLICATION, "shop")
    assert lease is not None
    assert (lease.trigger.kind, lease.trigger.detail) == (TriggerKind.STEER, f"{verb} ann")


def test_a_suspended_application_is_left_alone_until_it_is_resumed(place: Place) -> None:
    steering.steer(message(place), place.room)
    reconciling.reconcile("shop", place.room)
    assert (place.ledger.status("shop") or {})["status"] == "suspended"
    assert place.api.applied == []
    place.clock.seconds += 1
    steering.steer(message(place, Verb.RESUME), place.room)
    reconciling.reconcile("shop", place.room)
    assert place.api.applied == ["shop"]


def test_an_older_word_that_comes_late_or_twice_is_dropped(place: Place) -> None:
    resume = message(place, Verb.RESUME)
    place.clock.seconds += 1
    suspend = message(place)
    for late in (suspend, suspend, resume):
        steering.steer(late, place.room)
    assert place.parents.sets["shop"].suspended == "ann"


@pytest.mark.parametrize(
    ("ahead", "heard"), [(60.0, False), (3600.0, False), (3601.0, True), (1e18, True)]
)
def test_a_time_far_ahead_does_not_block_every_later_word(
    place: Place, ahead: float, *, heard: bool
) -> None:
    """A clock that was wrong, or a hand that wrote there."""
    noted = place.clock.now() + ahead
    place.parents.sets["shop"] = replace(place.parents.read("shop"), steered=noted)
    steering.steer(message(place), place.room)
    parent = place.parents.sets["shop"]
    assert (parent.suspended == "ann") is heard
    assert parent.steered == (place.clock.now() if heard else noted)


def test_a_flushed_redis_does_not_forget_that_an_application_is_suspended(place: Place) -> None:
    steering.steer(message(place), place.room)
    place.redis.flushall()
    place.room.want_reconcile(place.documents.applications["shop"], RESYNC)
    reconciling.reconcile("shop", place.room)
    assert place.api.applied == []


def _forgeries(place: Place) -> list[Any]:
    right = message(place)
    other_key = Steer("shop", Verb.SUSPEND, "ann", place.clock.now()).signed(b"another key")
    unsigned = {name: value for name, value in right.items() if name != "signature"}
    changed = [
        {**right, name: value}
        for name, value in {
            "application": "site",
            "verb": "resume",
            "actor": "bob",
            "at": right["at"] + 1,
            "value": DIGEST,
            "extra": 1,
            "signature": "",
        }.items()
    ]
    wrong: list[Any] = [None, 7, [], {}, "é", "\ud800", "0" * 64]
    broken = [{**right, "signature": signature} for signature in wrong]
    missing = [{n: v for n, v in right.items() if n != name} for name in right]
    nothing: list[Any] = [{}, [], None, 7, "x", [right], {"signature": right["signature"]}]
    return [other_key, unsigned, *changed, *broken, *missing, *nothing]


def test_what_was_not_signed_here_is_dropped_with_a_line_in_the_log(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for forged in _forgeries(place):
        caplog.clear()
        steering.steer(forged, place.room)
        assert [record.levelname for record in caplog.records] == ["WARNING"], forged
        assert "ignored" in caplog.text
        assert KEY.decode() not in caplog.text
    assert (place.parents.sets, place.queue.emptied()) == ({}, [])


@pytest.mark.parametrize("age", [601.0, 86_400.0, -601.0])
def test_an_old_word_is_dropped(place: Place, caplog: pytest.LogCaptureFixture, age: float) -> None:
    said = message(place)
    place.clock.seconds += age
    steering.steer(said, place.room)
    assert place.parents.sets == {}
    assert "too old" in caplog.text


def test_a_word_on_its_way_for_some_minutes_counts(place: Place) -> None:
    said = message(place)
    place.clock.seconds += 590
    steering.steer(said, place.room)
    assert place.parents.sets["shop"].suspended == "ann"


def test_a_word_on_an_unknown_application_is_dropped(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    steering.steer(message(place, application="nobody"), place.room)
    assert place.parents.sets == {}
    assert "there is no such document" in caplog.text


def test_a_run_that_wrote_the_inventory_meanwhile_makes_it_come_again(place: Place) -> None:
    place.parents.error = LeaseLostError("changed by another run", delay=1)
    with pytest.raises(LeaseLostError):
        steering.steer(message(place), place.room)
    assert place.queue.emptied() == []
