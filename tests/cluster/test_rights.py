"""A run with just the rights that it needs, granted and withheld by the real RBAC."""

from __future__ import annotations

import secrets

import pytest

from tests.cluster.gateway import Gateway
from tests.engine.conftest import clusters, world
from tests.engine.world import World, config_map, tally

__all__ = ["clusters", "world"]

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.parametrize("clusters", ["real"], indirect=True),
]
ROLES = "/apis/rbac.authorization.k8s.io/v1"
ALL = ["get", "list", "create", "update", "patch", "delete"]


@pytest.fixture
def user() -> str:
    return f"towline-test-{secrets.token_hex(4)}"


def _grant(world: World, namespace: str, user: str, resources: list[str]) -> None:
    """All that can be done to resources of one namespace; of the whole cluster for none."""
    kind = "Role" if namespace else "ClusterRole"
    where = f"{ROLES}/namespaces/{namespace}/" if namespace else f"{ROLES}/cluster"
    verbs = ALL if namespace else ["get"]
    rule = {"apiGroups": [""], "resources": resources, "verbs": verbs}
    name = {"metadata": {"name": user}}
    world.by_hand("POST", f"{where}roles", {**name, "rules": [rule]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": _name(world, user, kind)}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    binding = {**name, "roleRef": role, "subjects": [subject]}
    world.by_hand("POST", f"{where}rolebindings", binding)


def _name(world: World, user: str, kind: str) -> str:
    """References are not translated on their way to the shared server."""
    assert isinstance(world.api, Gateway)
    return f"{world.api.prefix}{user}" if kind == "ClusterRole" else user


def _become(world: World, user: str) -> None:
    assert isinstance(world.api, Gateway)
    world.api.user = user


def test_rights_to_a_few_kinds_in_a_namespace_suffice(world: World, user: str) -> None:
    _grant(world, "towline-system", user, ["configmaps"])
    _grant(world, "shop", user, ["configmaps", "secrets"])
    _become(world, user)
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n"
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "s.yaml": secret})
    assert tally(world.run("app")) == "created Secret/shop/s\ncreated ConfigMap/shop/a"
    world.converge("app")
    world.commit({"s.yaml": None, "a.yaml": config_map("a", "2")})
    assert tally(world.run("app")) == "updated ConfigMap/shop/a\ndeleted Secret/shop/s"
    world.converge("app")


def test_what_is_not_granted_fails_alone_and_says_what_is_missing(world: World, user: str) -> None:
    _grant(world, "towline-system", user, ["configmaps"])
    _grant(world, "shop", user, ["configmaps"])
    _become(world, user)
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n"
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "s.yaml": service})
    outcome = world.run("app")
    assert tally(outcome) == "created ConfigMap/shop/a\nfailed Service/shop/s"
    assert "cannot" in outcome.message
    assert 'resource "services"' in outcome.message


def test_a_namespace_that_is_gone_takes_its_rights_with_it(world: World, user: str) -> None:
    """Whoever may look at namespaces sees that, and does not wait for its members."""
    world.make_namespace("quay")
    _grant(world, "towline-system", user, ["configmaps"])
    _grant(world, "", user, ["namespaces"])
    for namespace in ("shop", "quay"):
        _grant(world, namespace, user, ["configmaps"])
    _become(world, user)
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "q.yaml": config_map("q", namespace="quay")})
    world.run("app")
    _become(world, "")
    world.by_hand("DELETE", "/api/v1/namespaces/quay")
    world.wait_until_gone("/api/v1/namespaces/quay")
    _become(world, user)
    world.commit({"q.yaml": None, "b.yaml": config_map("b")})
    assert tally(world.run("app")) == "created ConfigMap/shop/b"
    world.converge("app")
    assert world.services.inventory("sandbox").read("app").namespaces == {"shop"}
