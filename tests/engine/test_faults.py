"""A fault delays; it never deletes, never leaks, and never wedges."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import pytest

from tests.engine.world import World, config_map, tally
from towline.core.errors import LeaseLostError
from towline.core.outcome import Outcome

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: k}\nstringData: {key: v}\n"


def _until(number: int) -> Callable[[], bool]:
    """Says that the lease is held, so many times."""
    asked = itertools.count(1)
    return lambda: next(asked) <= number


@pytest.mark.parametrize("steps", range(7))
def test_a_run_stopped_after_any_write_is_taken_up_by_the_next(world: World, steps: int) -> None:
    """Kinds that came and kinds that go, all in one commit: nothing leaks, nothing is orphaned."""
    world.applications(world.application("app"))
    world.commit({"s.yaml": SERVICE, "a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    world.commit(
        {
            "s.yaml": None,
            "k.yaml": SECRET,
            "a.yaml": config_map("a", "2"),
            "c.yaml": config_map("c"),
        }
    )
    world.run("app", held=_until(steps))
    world.git("revert", "--no-edit", "HEAD")
    world.run("app", held=_until(steps))
    world.converge("app")
    assert world.live("Service", "s") is not None
    assert world.live("Secret", "k") is None
    assert (world.data("a"), world.data("b"), world.data("c")) == ({"key": "1"}, {"key": "1"}, None)


def test_of_two_runs_that_read_the_same_inventory_one_gets_through(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    inventory = world.services.inventory("sandbox")
    read = inventory.read("app")
    inventory.write(read.claimed([], run="first"))
    with pytest.raises(LeaseLostError):
        inventory.write(read.claimed([], run="second"))


def test_an_inventory_deleted_meanwhile_is_not_written_by_an_old_run(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    inventory = world.services.inventory("sandbox")
    read = inventory.read("app")
    world.by_hand("DELETE", "/api/v1/namespaces/towline-system/configmaps/towline-app")
    with pytest.raises(LeaseLostError):
        inventory.write(read.claimed([], run="old"))


@pytest.mark.parametrize("status", [429, 500, 503, 0])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_passing_fault_of_the_server_is_waited_out(
    world: World, method: str, status: int
) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    world.commit({"a.yaml": config_map("a", "2"), "b.yaml": None})
    world.api.fail(method=method, path_contains="configmaps", status=status, times=2)
    assert tally(world.run("app")) == "updated ConfigMap/shop/a\ndeleted ConfigMap/shop/b"
    world.converge("app")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_connection_reset_after_the_server_had_committed_does_no_harm(
    world: World, method: str
) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    world.commit({"a.yaml": config_map("a", "2"), "b.yaml": None})
    world.api.fail(method=method, path_contains="namespaces/shop/configmaps", after=True, times=1)
    assert world.run("app").failures == ()
    world.converge("app")
    assert (world.data("a"), world.data("b")) == ({"key": "2"}, None)


def test_a_listing_that_fails_ends_the_run_before_any_write(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "s.yaml": SERVICE})
    world.run("app")
    world.commit({"a.yaml": None, "c.yaml": config_map("c")})
    world.api.fail(method="GET", path_contains="/services", status=503, times=100)
    with world.writes() as writes:
        outcome = world.run("app")
    assert "does not answer GET /api/v1/services" in outcome.error
    assert writes == []
    world.api.heal()
    assert tally(world.run("app")) == "created ConfigMap/shop/c\ndeleted ConfigMap/shop/a"


def test_an_object_whose_webhook_is_down_fails_alone(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "s.yaml": SERVICE})
    world.api.fail(method="PATCH", path_contains="/services", status=500, times=100)
    outcome = world.run("app")
    assert tally(outcome) == "created ConfigMap/shop/a\nfailed Service/shop/s"
    world.api.heal()
    assert tally(world.run("app")) == "created Service/shop/s"


def test_pages_are_followed_and_a_forgotten_page_starts_again(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"all.yaml": "\n---".join(config_map(f"c{n:04}") for n in range(1100))})
    assert world.run("app").counts == {"created": 1100}
    world.api.fail(method="GET", path_contains="/api/v1/configmaps", status=410, times=1)
    with world.writes() as writes:
        assert world.run("app").counts == {"unchanged": 1100}
    assert writes == []


def test_runs_at_the_same_time_leave_what_one_after_the_other_leaves(world: World) -> None:
    """The lease keeps this from happening; without it the inventory still lets one through."""
    world.applications(world.application("app"))
    world.commit({f"{n}.yaml": config_map(f"c{n}") for n in range(5)})
    world.run("app")
    world.commit({"0.yaml": None, "1.yaml": config_map("c1", "2")})
    outcomes: list[Outcome] = []
    runs = [threading.Thread(target=lambda: outcomes.append(world.run("app"))) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert any(not outcome.error for outcome in outcomes)
    world.converge("app")
    assert (world.data("c0"), world.data("c1")) == (None, {"key": "2"})


def test_an_object_that_changed_since_it_was_judged_is_judged_anew(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b"), "c.yaml": config_map("c")})
    world.run("app")
    world.commit({"a.yaml": None, "b.yaml": None})
    path = "/api/v1/namespaces/shop/configmaps"

    def meanwhile() -> bool:
        """A controller writes to one, and somebody takes the other out of the application."""
        world.by_hand("PATCH", f"{path}/a", {"data": {"seen": "1"}}, manager="controller")
        stripped = {"metadata": {"labels": {"applyset.kubernetes.io/part-of": None}}}
        world.by_hand("PATCH", f"{path}/b", stripped, manager="person")
        return True

    outcome = world.run("app", held=meanwhile)
    assert "deleted ConfigMap/shop/a" in tally(outcome)
    assert "failed ConfigMap/shop/b" in tally(outcome)
    assert "not deleted, for it has changed: it does not carry the label" in outcome.message
    assert world.data("b") is not None


def test_an_object_that_gets_no_answer_fails_alone_while_the_server_answers(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "s.yaml": SERVICE})
    world.api.fail(method="PATCH", path_contains="/services", status=0, times=100)
    outcome = world.run("app")
    assert tally(outcome) == "created ConfigMap/shop/a\nfailed Service/shop/s"
    world.api.heal()
    assert tally(world.run("app")) == "created Service/shop/s"
