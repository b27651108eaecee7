"""kubectl and Towline keep sets by one specification, and leave each other's alone."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests.cluster.kubectl import BINARY
from tests.engine.world import World, config_map
from towline.core.inventory import GROUP_KINDS, ID_LABEL, PART_OF, TOOLING, applyset_id, parent_key
from towline.core.objects import annotations_of, labels_of

pytestmark = pytest.mark.skipif(BINARY is None, reason="kubectl is not installed")

HOME = "towline-system"
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "k"}, "data": {"key": "1"}}


def kubectl_apply(world: World, given: Any, *, name: str) -> subprocess.CompletedProcess[str]:
    """`kubectl apply` of a set whose parent is a ConfigMap where Towline's are."""
    environment = {
        "HOME": str(world.folder),
        "KUBECONFIG": os.environ["KUBECONFIG"],
        "KUBECTL_APPLYSET": "true",
        "PATH": "/usr/bin:/bin",
    }
    command = [str(BINARY), "apply", "--server-side", "--prune", f"--applyset=configmap/{name}"]
    return subprocess.run(
        [*command, "-n", HOME, "-f", "-"],
        input=json.dumps(given),
        capture_output=True,
        env=environment,
        text=True,
        timeout=60,
        check=False,
    )


def test_kubectl_reads_our_parent_and_refuses_it_for_its_tooling(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    with world.writes() as writes:
        done = kubectl_apply(world, MAP, name="towline-app")
    assert done.returncode == 1
    assert 'already exists and is managed by tooling "towline"' in done.stderr
    assert writes == []
    assert world.data("a") == {"key": "1"}


def test_we_refuse_the_parent_of_kubectl(world: World) -> None:
    done = kubectl_apply(world, MAP, name="towline-app")
    assert done.returncode == 0, done.stderr
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    with world.writes() as writes:
        assert "its tooling is kubectl" in world.run("app").error
    assert writes == []
    assert world.services.inventory("sandbox").parents() == []


def test_both_compute_the_same_id_and_note_the_same(world: World) -> None:
    assert kubectl_apply(world, MAP, name="towline-app").returncode == 0
    parent = world.live("ConfigMap", "towline-app", namespace=HOME)
    member = world.live("ConfigMap", "k", namespace=HOME)
    assert parent is not None
    assert member is not None
    expected = applyset_id(parent_key("app", HOME))
    assert labels_of(parent)[ID_LABEL] == labels_of(member)[PART_OF] == expected
    assert annotations_of(parent)[GROUP_KINDS] == "ConfigMap"
    assert annotations_of(parent)[TOOLING].startswith("kubectl/v")


def test_an_object_of_a_set_of_kubectl_is_not_taken_over(world: World) -> None:
    """Nor does kubectl see ours: it lists by its own id."""
    assert kubectl_apply(world, MAP, name="kubectls").returncode == 0
    world.applications(world.application("app"))
    world.commit({"k.yaml": config_map("k", "2", namespace=HOME), "a.yaml": config_map("a")})
    outcome = world.run("app")
    assert "it belongs to another ApplySet" in outcome.message
    assert world.data("a") == {"key": "1"}
    assert kubectl_apply(world, {**MAP, "data": {"key": "3"}}, name="kubectls").returncode == 0
    assert world.data("a") == {"key": "1"}
