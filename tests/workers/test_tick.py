"""The tick: what is due, once for each slot, and what was marked and never served."""

from __future__ import annotations

from tests.workers.place import PUSH, REPOSITORY, Place, application, documents
from towline.core.outcome import TriggerKind
from towline.ports import Scope
from workers import reconciling, refresh, tick

REPO, APP = Scope.REPOSITORY, Scope.APPLICATION
ELSE = "git.example.com/else/where"
EVERYTHING = [
    "reconcile else on resync",
    "reconcile shop on resync",
    "reconcile site on resync",
    f"refresh {ELSE} on resync",
    f"refresh {REPOSITORY} on resync",
    "survey sandbox on resync",
]


def ticked(place: Place) -> list[str]:
    tick.tick(place.room)
    return sorted(place.queue.emptied())


def serve(place: Place) -> None:
    for name in place.documents.repository_urls:
        refresh.refresh(name, place.room)
    for name in place.documents.applications:
        reconciling.reconcile(name, place.room)
    place.queue.emptied()


def test_at_first_everything_is_due(place: Place) -> None:
    assert ticked(place) == EVERYTHING


def test_each_slot_is_due_once_however_many_beats_there_are(place: Place) -> None:
    ticked(place)
    assert [ticked(place) for _ in range(5)] == [[]] * 5
    serve(place)
    assert ticked(place) == []


def test_in_an_interval_everything_comes_due_once(place: Place) -> None:
    """Repositories every 3 minutes, applications every 10: whatever the tick's length."""
    ticked(place)
    found: list[str] = []
    for _ in range(60):
        serve(place)
        place.clock.seconds += 10
        found += ticked(place)
    assert [found.count(f"reconcile {name} on resync") for name in ("shop", "site", "else")] == [
        1,
        1,
        1,
    ]
    assert found.count(f"refresh {REPOSITORY} on resync") in (3, 4)


def test_a_resync_is_told_as_one(place: Place) -> None:
    ticked(place)
    lease = place.marks.take(APP, "shop")
    assert lease is not None
    assert lease.trigger.kind is TriggerKind.RESYNC
    assert lease.trigger.at == place.clock.now()


def test_a_flushed_redis_costs_one_tick(place: Place) -> None:
    ticked(place)
    serve(place)
    place.pushed("b" * 40)
    place.redis.flushall()
    assert ticked(place) == EVERYTHING


def test_a_message_that_was_lost_is_queued_again(place: Place) -> None:
    ticked(place)
    serve(place)
    place.pushed("a" * 40)
    place.marks.want(APP, "shop", PUSH)
    assert ticked(place) == [], "they count as under way"
    place.lose_messages()
    assert ticked(place) == ["reconcile shop on resync", f"refresh {REPOSITORY} on resync"]
    assert ticked(place) == []


def test_a_worker_that_died_with_its_lease_is_made_up_for(place: Place) -> None:
    ticked(place)
    serve(place)
    place.marks.want(APP, "shop", PUSH)
    place.marks.take(APP, "shop")
    assert ticked(place) == []
    place.lose_lease(APP, "shop")
    assert ticked(place) == ["reconcile shop on resync"]


def test_a_publish_that_failed_is_made_up_for(place: Place) -> None:
    ticked(place)
    serve(place)
    assert place.marks.want(APP, "shop", PUSH)
    place.lose_messages()
    assert ticked(place) == ["reconcile shop on resync"]


def test_removed_documents_are_forgotten(place: Place) -> None:
    ticked(place)
    place.lose_messages()
    place.documents = documents(application("shop"))
    assert ticked(place) == [
        "reconcile shop on resync",
        f"refresh {REPOSITORY} on resync",
        "survey sandbox on resync",
    ]
    for scope, kept in ((REPO, REPOSITORY), (APP, "shop")):
        assert place.redis.hkeys(f"towline:1:{scope}:wanted") == [kept]
        assert place.redis.hkeys(f"towline:1:{scope}:slot") == [kept]


def test_new_documents_are_due_at_once(place: Place) -> None:
    ticked(place)
    serve(place)
    texts = [application(name) for name in ("shop", "site", "fresh")]
    texts.append(application("else", url="https://git.example.com/else/where.git"))
    place.documents = documents(*texts)
    assert ticked(place) == ["reconcile fresh on resync", "survey sandbox on resync"]


def test_without_any_document_nothing_happens(place: Place) -> None:
    place.documents = documents()
    assert ticked(place) == []
    assert place.redis.keys("*") == []
