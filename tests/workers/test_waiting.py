"""What is on its way is looked at again, without a worker that waits and without runs that say
nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.test_stages import door, open_door, wave
from tests.engine.world import World, config_map
from tests.workers.place import KEY, PUSH, RESYNC, SYNC, Place
from towline.core.errors import ClusterError, TemporaryError
from towline.core.outcome import Trigger, TriggerKind
from towline.core.steering import Steer, Verb
from towline.ports import Cluster, Scope
from towline.sandbox.kubernetes import SandboxCluster
from workers import reconciling, steering

APP = Scope.APPLICATION


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Place) -> Iterator[World]:
    """A real cluster and real Git for the place's room, with the place's clock."""
    with SandboxCluster(token="for-the-test") as cluster:
        world = World(tmp_path, cluster, monkeypatch)
        world.services = replace(world.services, clock=place.clock)
        place.room = replace(place.room, services=world.services)
        world.applications(world.application("shop"))
        world.commit({"door.yaml": door(), "a.yaml": config_map("a", annotations=wave(1))})
        yield world
        world.services.cluster.close()  # type: ignore[attr-defined]


def look(place: Place, trigger: Trigger | None = None) -> dict[str, Any]:
    """One task: the pause that it asks for, and how the application stands."""
    if trigger is not None:
        place.marks.want(APP, "shop", trigger)
    pause = None
    try:
        reconciling.reconcile("shop", place.room)
    except TemporaryError as error:
        pause = error.delay
    return {"pause": pause, **dict(place.ledger.status("shop") or {})}


def test_a_waiting_run_ends_and_asks_for_a_later_look(place: Place, world: World) -> None:
    first = look(place, PUSH)
    assert (first["status"], first["health"], first["pause"]) == ("waiting", "missing", 1.0)
    assert place.is_wanted(APP, "shop")
    assert not place.is_leased(APP, "shop")
    place.clock.seconds += 40
    assert look(place)["pause"] == pytest.approx(10, abs=0.5)
    open_door(world)
    last = look(place)
    assert (last["status"], last["health"], last["pause"]) == ("synced", "healthy", None)
    assert not place.is_wanted(APP, "shop")
    rollout = last["rollout"]
    assert rollout["state"] == "healthy"
    assert rollout["healthy"] - rollout["began"] == pytest.approx(40, abs=1)


def test_looks_that_write_nothing_belong_to_the_run_that_wrote(place: Place, world: World) -> None:
    began = look(place, PUSH)["id"]
    place.clock.seconds += 2
    look(place)
    assert [run["id"] for run in place.ledger.runs("shop")] == [began]
    open_door(world)
    look(place)
    first, second = reversed(place.ledger.runs("shop"))
    assert (first["id"], first["status"]) == (began, "waiting")
    assert second["counts"] == {"unchanged": 1, "created": 1}
    assert second["trigger"]["detail"] == PUSH.detail


def test_a_run_whose_objects_become_healthy_says_so(place: Place, world: World) -> None:
    world.commit({"a.yaml": config_map("a")})
    first = look(place, PUSH)
    assert (first["status"], first["health"]) == ("synced", "progressing")
    place.clock.seconds += 4
    open_door(world)
    last = look(place)
    assert (last["id"], last["health"]) == (first["id"], "healthy")
    (run,) = place.ledger.runs("shop")
    healths = {r["object"]: (r["result"], r["health"]) for r in run["results"]}
    assert healths["Service/shop/door"] == ("created", "healthy")
    assert run["rollout"]["applied"] == first["rollout"]["applied"]
    assert run["rollout"]["healthy"] == pytest.approx(first["rollout"]["applied"] + 4, abs=0.5)


@pytest.mark.usefixtures("world")
def test_what_is_overdue_fails_and_is_tried_once_a_minute(place: Place) -> None:
    look(place, PUSH)
    place.clock.seconds += 301
    late = look(place)
    assert (late["status"], late["pause"]) == ("failed", None)
    assert "not healthy within 300 s" in late["message"]
    place.lose_messages()
    assert place.marks.unserved(APP) == []
    place.clock.seconds += reconciling.RETRY_SECONDS
    assert place.marks.unserved(APP) == ["shop"]


def test_a_resync_meanwhile_is_a_run_of_its_own(place: Place, world: World) -> None:
    world.commit({"a.yaml": None})
    look(place, PUSH)
    open_door(world)
    look(place)
    look(place, RESYNC)
    assert len(place.ledger.runs("shop")) == 2


# What a person asked for ---------------------------------------------------------------------

MAP = "/api/v1/namespaces/shop/configmaps/a"


def drift(world: World, value: str = "drifted") -> None:
    world.by_hand("PATCH", MAP, {"data": {"key": value}})


def only_shown(place: Place, world: World) -> None:
    """With `selfHeal: false` all is applied and healthy, and drift is only shown from now on."""
    world.applications(world.application("shop", sync="selfHeal: false"))
    world.commit({"a.yaml": config_map("a")})
    look(place, PUSH)
    open_door(world)
    assert look(place)["pending"] is False


def test_a_sync_heals_once_and_not_what_drifts_while_its_objects_become_healthy(
    place: Place, world: World
) -> None:
    only_shown(place, world)
    open_door(world, is_open=False)
    place.clock.seconds += 10
    drift(world)
    assert look(place, RESYNC)["status"] == "drifted"
    assert look(place, SYNC)["pending"] is True
    assert world.data("a") == {"key": "1"}
    drift(world, "again")
    place.clock.seconds += 5
    assert look(place)["status"] == "drifted"
    assert world.data("a") == {"key": "again"}


def test_a_push_while_a_sync_waits_is_told_as_a_push(place: Place, world: World) -> None:
    synced = look(place, SYNC)
    place.clock.seconds += 5
    assert look(place)["id"] == synced["id"], "it still waits"
    world.commit({"b.yaml": config_map("b")})
    delivery = Trigger(TriggerKind.WEBHOOK, "delivery-9", 9.0)
    pushed = look(place, delivery)
    assert pushed["trigger"] == {"kind": "webhook", "detail": "delivery-9", "at": 9.0}
    first = place.ledger.run(synced["id"]) or {}
    assert (first["trigger"]["kind"], first["trigger"]["detail"]) == ("sync", SYNC.detail)


def test_a_sync_that_failed_is_still_to_be_done(place: Place, world: World) -> None:
    """The run that applies at last may heal what the one that failed could not."""
    only_shown(place, world)
    drift(world)
    services = place.room.services
    away = ClusterError("the cluster does not answer", delay=5.0)

    def cluster(_: str) -> Cluster:
        raise away

    place.room = replace(place.room, services=replace(services, cluster=cluster))
    assert look(place, SYNC)["pause"] == 5.0
    place.room = replace(place.room, services=services)
    assert look(place)["status"] == "synced"
    assert world.data("a") == {"key": "1"}


@pytest.mark.parametrize("verb", [Verb.SUSPEND, Verb.RESUME, Verb.APPROVE])
def test_a_word_that_steers_heals_nothing(place: Place, world: World, verb: Verb) -> None:
    only_shown(place, world)
    drift(world)
    said = Steer("shop", verb, "ann", place.clock.now(), value="d" * 64)
    steering.steer(said.signed(KEY), place.room)
    status = look(place)
    assert status["status"] == ("suspended" if verb is Verb.SUSPEND else "drifted")
    assert (status["trigger"]["kind"], status["trigger"]["detail"]) == ("steer", f"{verb} ann")
    assert world.data("a") == {"key": "drifted"}


def test_a_retry_tells_what_was_said(place: Place, world: World) -> None:
    """The command line waits for a run that begins so, or goes on with one."""
    world.commit({"a.yaml": config_map("a")})
    said = Steer("shop", Verb.RESUME, "ann", place.clock.now())
    steering.steer(said.signed(KEY), place.room)
    first = look(place)
    assert (first["pending"], first["trigger"]["detail"]) == (True, "resume ann")
    place.clock.seconds += 2
    open_door(world)
    last = look(place)
    assert (last["id"], last["health"]) == (first["id"], "healthy")
    assert last["trigger"]["detail"] == "resume ann"
