"""What only a real API server does to the objects of an application."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.fixtures import eventually
from tests.cluster.servers import ApiServer
from tests.engine.conftest import clusters, world
from tests.engine.world import World, config_map, tally
from towline.core.objects import Object
from towline.ports import RefusedError

__all__ = ["clusters", "world"]

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.parametrize("clusters", ["real"], indirect=True),
]

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example.com/web:1"}]}
"""


@pytest.fixture(autouse=True)
def _with_controllers(real_server: ApiServer) -> None:
    if not real_server.has_controllers:
        pytest.skip("there is no controller manager")


@pytest.fixture
def make(real_server: ApiServer) -> Iterator[Callable[[str, Object], None]]:
    """`make(collection, body)`: a cluster-scoped object that no application has, for one test."""
    made: list[str] = []

    def perform(collection: str, body: Object) -> None:
        status, answer = real_server.call("POST", collection, body)
        assert status == 201, answer
        made.append(f"{collection}/{body['metadata']['name']}")

    yield perform
    for path in reversed(made):
        real_server.call("DELETE", path)


def _settled(world: World) -> None:
    """Another run finds nothing to do."""
    with world.writes() as writes:
        outcome = world.run("app")
    assert (writes, outcome.failures) == ([], ())
    assert set(outcome.counts) == {"unchanged"}


# Controllers ---------------------------------------------------------------------------------


def test_a_deployment_and_its_controllers_leave_each_other_alone(world: World) -> None:
    """Revision annotations, status, ReplicaSets with our labels, Endpoints with those of ours."""
    sets = "/apis/apps/v1/namespaces/shop/replicasets"
    slices = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
    service += "spec: {selector: {app: web}, ports: [{port: 80}]}\n"
    world.applications(world.application("app"))
    world.commit({"web.yaml": DEPLOYMENT, "service.yaml": service, "a.yaml": config_map("a")})
    assert world.run("app").failures == ()
    eventually(lambda: _items(world, sets), "a ReplicaSet")
    eventually(lambda: _items(world, slices), "an EndpointSlice")
    _settled(world)
    world.commit({"web.yaml": None, "service.yaml": None})
    assert tally(world.run("app")) == "deleted Deployment/shop/web\ndeleted Service/shop/web"
    eventually(lambda: not _items(world, sets), "its end")


def test_rules_that_a_controller_gathers_are_left_to_it(world: World) -> None:
    """People write `rules: []` beside an aggregation rule; the controller fills them in."""
    gathering = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: gathering}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {gathered: TOKEN}}]}
rules: []
"""
    part = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: part, labels: {gathered: TOKEN}}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
"""
    token = secrets.token_hex(4)
    world.applications(world.application("app"))
    world.commit({"roles.yaml": f"{gathering}---{part}".replace("TOKEN", f'"t{token}"')})
    assert world.run("app").failures == ()
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/gathering"
    eventually(lambda: world.by_hand("GET", path).get("rules"), "rules are gathered")
    _settled(world)


# Admission -----------------------------------------------------------------------------------


def _label(world: World) -> str:
    """A label of the namespace that policies of one test can select."""
    token = f"t{secrets.token_hex(4)}"
    world.by_hand("PATCH", "/api/v1/namespaces/shop", {"metadata": {"labels": {"policy": token}}})
    return token


def _policy(make: Callable[[str, Object], None], kind: str, token: str, **spec: Any) -> None:
    """An admission policy for the ConfigMaps of the namespaces with that label."""
    root = "/apis/admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["configmaps"],
    }
    matching = {
        "resourceRules": [rule],
        "namespaceSelector": {"matchLabels": {"policy": token}},
    }
    name = f"towline-test-{token}"
    body = {"metadata": {"name": name}, "spec": {**spec, "matchConstraints": matching}}
    make(f"{root}/{kind}", body)
    binding: Object = {"metadata": {"name": name}, "spec": {"policyName": name}}
    if kind.startswith("validating"):
        binding["spec"]["validationActions"] = ["Deny"]
    make(f"{root}/{kind.replace('policies', 'policybindings')}", binding)


def test_what_a_policy_denies_fails_alone_with_its_words(
    world: World, make: Callable[[str, Object], None]
) -> None:
    token = _label(world)
    denial = {"expression": "object.metadata.name != 'denied'", "message": "not this one"}
    _policy(make, "validatingadmissionpolicies", token, validations=[denial])
    eventually(lambda: _is_refused(world, "configmaps", "denied"), "the policy is in force")
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("denied")})
    outcome = world.run("app")
    assert tally(outcome) == "created ConfigMap/shop/a\nfailed ConfigMap/shop/denied"
    assert "not this one" in outcome.message


def test_what_a_policy_denies_is_not_recreated_whatever_the_policy_says(
    world: World, make: Callable[[str, Object], None]
) -> None:
    token = _label(world)
    recreate = "towline.dev/recreate: enabled"
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a", annotations=recreate)})
    world.run("app")
    allowed = "object.metadata.name != 'denied' && (!has(object.data) || object.data.key != '2')"
    denial = {"expression": allowed, "message": "data: field is immutable", "reason": "Invalid"}
    _policy(make, "validatingadmissionpolicies", token, validations=[denial])
    eventually(lambda: _is_refused(world, "configmaps", "denied"), "the policy is in force")
    world.commit({"a.yaml": config_map("a", "2", annotations=recreate)})
    outcome = world.run("app")
    assert tally(outcome) == "failed ConfigMap/shop/a"
    assert "field is immutable" in outcome.message
    assert world.data("a") == {"key": "1"}


def test_what_a_policy_changes_is_not_fought_over(
    world: World, make: Callable[[str, Object], None]
) -> None:
    """Each apply is changed on its way: what a dry run answers is what is there."""
    token = _label(world)
    mutation = {
        "patchType": "ApplyConfiguration",
        "applyConfiguration": {
            "expression": "Object{data: {'key': 'of the policy', 'more': 'of the policy'}}"
        },
    }
    _policy(
        make,
        "mutatingadmissionpolicies",
        token,
        mutations=[mutation],
        failurePolicy="Fail",
        reinvocationPolicy="Never",
    )
    probe = {"metadata": {"name": "probe"}}
    path = "/api/v1/namespaces/shop/configmaps"
    eventually(
        lambda: "data" in world.by_hand("POST", path, probe, dryRun="All"), "the policy acts"
    )
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    assert tally(world.run("app")) == "created ConfigMap/shop/a"
    assert world.data("a") == {"key": "of the policy", "more": "of the policy"}
    _settled(world)


def test_a_webhook_that_is_away_fails_its_objects_alone(
    world: World, make: Callable[[str, Object], None]
) -> None:
    token = _label(world)
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"]}
    service = {"name": "nobody", "namespace": "default", "path": "/"}
    webhook = {
        "name": "away.example.com",
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"policy": token}},
        "clientConfig": {"service": service},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    name = f"towline-test-{token}"
    collection = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    make(collection, {"metadata": {"name": name}, "webhooks": [webhook]})
    eventually(lambda: _is_refused(world, "secrets", "probe"), "the webhook is asked")
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n"
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "s.yaml": secret})
    outcome = world.run("app")
    assert tally(outcome) == "failed Secret/shop/s\ncreated ConfigMap/shop/a"
    assert "away.example.com" in outcome.message


def test_what_a_quota_forbids_fails_alone(world: World) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"count/secrets": "0"}}}
    world.by_hand("POST", "/api/v1/namespaces/shop/resourcequotas", quota)
    path = "/api/v1/namespaces/shop/resourcequotas/few"
    eventually(lambda: "hard" in world.by_hand("GET", path).get("status", {}), "it is counted")
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n"
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "s.yaml": secret})
    outcome = world.run("app")
    assert tally(outcome) == "failed Secret/shop/s\ncreated ConfigMap/shop/a"
    assert "exceeded quota" in outcome.message


# Conversion ----------------------------------------------------------------------------------


def test_a_manifest_in_another_version_than_the_stored_one(world: World) -> None:
    """From autoscaling/v1 to v2 and back: the same object, and no end of updates."""
    target = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}"
    scaler = (
        "apiVersion: autoscaling/%s\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\n"
        f"spec: {{maxReplicas: 3, {target}, %s}}\n"
    )
    metric = "{type: Resource, resource: {name: cpu, target: {type: %s, averageUtilization: 70}}}"
    first = scaler % ("v1", "targetCPUUtilizationPercentage: 60")
    second = scaler % ("v2", "metrics: [" + metric % "Utilization" + "]")
    world.applications(world.application("app"))
    for text in (first, second, first):
        world.commit({"h.yaml": text})
        assert world.run("app").failures == ()
        world.converge("app", rounds=2)
        _settled(world)


# ---------------------------------------------------------------------------------------------


def _items(world: World, path: str) -> list[Object]:
    items: list[Object] = world.by_hand("GET", path)["items"]
    return items


def _is_refused(world: World, plural: str, name: str) -> bool:
    collection = f"/api/v1/namespaces/shop/{plural}"
    try:
        world.by_hand("POST", collection, {"metadata": {"name": name}}, dryRun="All")
    except RefusedError:
        return True
    return False
