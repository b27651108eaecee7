"""API groups whose own server is away: the API server says so in its discovery."""

from __future__ import annotations

import pytest

from tests.cluster.fixtures import eventually
from tests.engine.conftest import clusters, world
from tests.engine.test_edges import DEFINED, WIDGET
from tests.engine.world import World, config_map, tally
from towline.core.objects import GroupKind

__all__ = ["clusters", "world"]

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.usefixtures("by_itself"),
    pytest.mark.parametrize("clusters", ["real"], indirect=True),
]
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"


def _take_away(world: World, group: str) -> None:
    """Have another server asked for the group, which is not there."""
    service = {
        "metadata": {"labels": {"kube-aggregator.kubernetes.io/automanaged": None}},
        "spec": {
            "service": {"name": "nobody", "namespace": "shop"},
            "insecureSkipTLSVerify": True,
        },
    }
    world.by_hand("PATCH", f"{SERVICES}/v1.{group}", service)
    _wait(world, group, away=True)


def _wait(world: World, group: str, *, away: bool) -> None:
    def is_so() -> bool:
        return (group in world.cluster.resources(fresh=True).failed) == away

    eventually(is_so, f"{group} is {'away' if away else 'there'}")


def test_an_api_group_that_is_away_holds_up_only_its_own_objects(world: World) -> None:
    world.applications(*(world.application(name, name) for name in ("app", "defs", "new")))
    world.commit({"app/a.yaml": config_map("a"), "defs/d.yaml": DEFINED % ""})
    world.run("defs")
    world.commit({"app/w.yaml": WIDGET % "v1"})
    assert tally(world.run("app")) == "created ConfigMap/shop/a\ncreated Widget/shop/w"
    _take_away(world, "example.com")
    world.commit({"app/a.yaml": config_map("a", "2"), "new/n.yaml": config_map("other")})
    outcome = world.run("app")
    # Whether its kind has namespaces is not known now.
    assert tally(outcome) == "updated ConfigMap/shop/a\nfailed Widget/w"
    assert "does not answer just now" in outcome.message
    assert tally(world.run("new")) == "created ConfigMap/shop/other"
    world.commit({"app/w.yaml": None})
    assert "Widget" not in tally(world.run("app"))
    kinds = world.services.inventory("sandbox").read("app").group_kinds
    assert GroupKind("example.com", "Widget") in kinds
    world.by_hand("DELETE", f"{SERVICES}/v1.example.com")
    _wait(world, "example.com", away=False)
    assert tally(world.run("app")) == "deleted Widget/shop/w"
