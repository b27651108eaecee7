"""Where nothing has changed since all was well, a run looks at versions and at nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.engine.world import World, config_map, tally
from towline.core.outcome import Outcome, Status
from towline.proofs import Proofs

PATH = "/api/v1/namespaces/shop/configmaps/a"
INVENTORY = "/api/v1/namespaces/towline-system/configmaps/towline-app"


class Counted(Proofs):
    """Says how often all was found as it was."""

    rests = 0

    def at_rest(self, *state: object) -> object:  # type: ignore[override]
        found = super().at_rest(*state)  # type: ignore[arg-type]
        Counted.rests += found is not None
        return found


@pytest.fixture
def resting(world: World) -> World:
    """Two objects, and two runs: the second found nothing to do."""
    Counted.rests = 0
    world.services = replace(world.services, proofs=Counted())
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    world.run("app")
    assert Counted.rests == 0
    return world


def rested(world: World, *, requested: bool = False) -> Outcome | None:
    """The outcome of a run that looked at versions only; None if it looked closer."""
    before = Counted.rests
    outcome = world.run("app", requested=requested)
    return outcome if Counted.rests > before else None


def test_what_is_as_it_was_is_as_it_was_found(resting: World) -> None:
    outcome = rested(resting)
    assert outcome is not None
    closer = resting.run("app", requested=True)
    assert outcome.results == closer.results
    assert (outcome.status, outcome.health) == (closer.status, closer.health)
    assert outcome.plan is not None
    assert closer.plan is not None
    assert outcome.plan.digest == closer.plan.digest
    assert outcome.plan.keys_left() == closer.plan.keys_left()
    assert outcome.rollout == closer.rollout


def test_a_commit_that_changes_nothing_here_is_told(resting: World) -> None:
    document = resting.application("app", "here")
    resting.applications(document)
    resting.commit({"here/a.yaml": config_map("a"), "a.yaml": None, "b.yaml": None})
    for _ in range(3):
        resting.run("app")
    commit = resting.commit({"elsewhere.txt": "x"})
    outcome = rested(resting)
    assert outcome is not None
    assert outcome.revision is not None
    assert outcome.revision.commit == commit


def drift(world: World) -> None:
    world.by_hand("PATCH", PATH, {"data": {"key": "drifted"}})


def note(world: World) -> None:
    world.by_hand("PATCH", PATH, {"metadata": {"annotations": {"theirs": "x"}}})


def delete(world: World) -> None:
    world.by_hand("DELETE", PATH)


def make_anew(world: World) -> None:
    live = world.by_hand("GET", PATH)
    world.by_hand("DELETE", PATH)
    metadata = {name: live["metadata"][name] for name in ("name", "labels", "annotations")}
    body = {"metadata": metadata, "data": live["data"]}
    world.by_hand("POST", PATH.rpartition("/")[0], body)


def copy_labels(world: World) -> None:
    labels = world.by_hand("GET", PATH)["metadata"]["labels"]
    body = {"metadata": {"name": "copy", "labels": labels}}
    world.by_hand("POST", PATH.rpartition("/")[0], body)


def strip(world: World) -> None:
    labels = {"applyset.kubernetes.io/part-of": None}
    world.by_hand("PATCH", PATH, {"metadata": {"labels": labels}})


def commit(world: World) -> None:
    world.commit({"a.yaml": config_map("a", "2")})


def suspend(world: World) -> None:
    inventory = world.services.inventory("sandbox")
    inventory.write(replace(inventory.read("app"), suspended="ann"))


def narrow(world: World) -> None:
    kinds = {"applyset.kubernetes.io/contains-group-kinds": "Secret"}
    world.by_hand("PATCH", INVENTORY, {"metadata": {"annotations": kinds}})


def lose(world: World) -> None:
    world.by_hand("DELETE", INVENTORY)


def restrict(world: World) -> None:
    world.applications(world.application("app", sync="automatic: false"))


@pytest.mark.parametrize(
    "change",
    [drift, note, delete, make_anew, copy_labels, strip, commit, suspend, narrow, lose, restrict],
)
def test_whatever_changes_has_a_run_look_closer(
    resting: World, change: Callable[[World], None]
) -> None:
    change(resting)
    assert rested(resting) is None


def test_after_healing_it_comes_to_rest_again(resting: World) -> None:
    drift(resting)
    assert tally(resting.run("app")) == "updated ConfigMap/shop/a"
    assert rested(resting) is None
    assert rested(resting) is not None


def test_a_person_gets_a_closer_look(resting: World) -> None:
    assert rested(resting, requested=True) is None


def test_what_waits_or_is_held_or_failed_is_no_rest(world: World) -> None:
    Counted.rests = 0
    world.services = replace(world.services, proofs=Counted())
    world.applications(world.application("app"))
    door = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: door}\n"
        "spec: {type: LoadBalancer, ports: [{port: 80}]}\n"
    )
    world.commit({"door.yaml": door})
    outcomes = [world.run("app") for _ in range(4)]
    assert outcomes[-1].status is Status.SYNCED
    assert Counted.rests == 0


def test_what_may_not_be_pruned_is_no_rest(resting: World) -> None:
    resting.applications(resting.application("app", sync="prune: false"))
    resting.commit({"b.yaml": None})
    for _ in range(4):
        resting.run("app")
    assert Counted.rests == 0


def test_it_costs_the_lists_and_the_inventory(resting: World) -> None:
    before = len(resting.api.requests)
    assert rested(resting) is not None
    asked = [(r.method, r.path) for r in list(resting.api.requests)[before:]]
    assert sorted(asked) == [("GET", "/api/v1/configmaps"), ("GET", INVENTORY)]
