"""What is called unchanged, a server with server-side apply leaves unchanged.

Objects of several kinds are applied, then others change the live object, then somebody edits
the manifest. Whenever the result is proven unchanged, a forced dry-run apply of it must answer
with the very same object and the very same entry of ours.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cluster import servers
from tests.cluster.fixtures import make_namespace, new_prefix, wait_for
from tests.cluster.servers import ApiServer
from towline.core.objects import Object
from towline.core.ownership import proves_unchanged

MANAGER = "towline"
EXAMPLES = int(os.environ.get("TOWLINE_TEST_EXAMPLES", "300"))
"""How many edits are tried; thousands find what hundreds miss."""

GROUP = f"{new_prefix()}x.example.com"

POD = {
    "containers": [
        {
            "name": "web",
            "image": "web:1",
            "args": ["--port", "80"],
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            "ports": [
                {"containerPort": 80, "name": "http"},
                {"containerPort": 53, "protocol": "UDP"},
            ],
            "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
            "resources": {
                "limits": {"cpu": "1000m", "memory": "1024Mi"},
                "requests": {"cpu": 0.5, "memory": "1Gi"},
            },
            "securityContext": {},
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
        },
        {"name": "log", "image": "log:1"},
    ],
    "nodeSelector": {"disk": "fast"},
    "imagePullSecrets": [{"name": "registry"}],
    "securityContext": {"runAsNonRoot": True},
    "volumes": [
        {"name": "tmp", "emptyDir": {}},
        {"name": "config", "configMap": {"name": "c"}},
    ],
}


def manifest(version: str, kind: str, **fields: Any) -> Object:
    metadata = {
        "name": "x",
        "labels": {"app": "x", "tier": "y"},
        "annotations": {"towline.dev/id": "shop"},
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": POD}
SELECTOR = {"matchLabels": {"app": "x"}}
MANIFESTS: dict[str, Object] = {
    "configmaps": manifest("v1", "ConfigMap", data={"a": "1000m", "b": "x\ny\n"}),
    "secrets": manifest("v1", "Secret", type="Opaque", data={"a": "eA==", "b": "eQ=="}),
    "services": manifest(
        "v1",
        "Service",
        spec={
            "selector": {"app": "x"},
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "http", "port": 80, "targetPort": "http"},
            ],
        },
    ),
    "deployments": manifest(
        "apps/v1",
        "Deployment",
        spec={"replicas": 2, "selector": SELECTOR, "strategy": {}, "template": TEMPLATE},
    ),
    "statefulsets": manifest(
        "apps/v1",
        "StatefulSet",
        spec={"serviceName": "x", "selector": SELECTOR, "template": TEMPLATE},
    ),
    "ingresses": manifest(
        "networking.k8s.io/v1",
        "Ingress",
        spec={"defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}},
    ),
    "networkpolicies": manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec={"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]},
    ),
    "roles": manifest(
        "rbac.authorization.k8s.io/v1",
        "Role",
        rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    ),
    "limitranges": manifest(
        "v1", "LimitRange", spec={"limits": [{"type": "Container", "max": {"cpu": "1"}}]}
    ),
    "resourcequotas": manifest("v1", "ResourceQuota", spec={"hard": {"cpu": "1000m", "pods": 10}}),
    "horizontalpodautoscalers": manifest(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        spec={
            "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
        },
    ),
    "widgets": manifest(
        f"{GROUP}/v1",
        "Widget",
        spec={
            "size": "1000m",
            "free": {"a": {"b": 1, "c": {}}, "d": [{"e": 1}]},
            "parts": {"wheel": {"count": 4, "colour": "red"}},
            "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}],
            "tags": ["a", "b"],
            "list": [{"a": 1}],
            "selector": {"matchLabels": {"app": "x"}},
            "options": {},
        },
    ),
}

TEXT = {"type": "string"}
OBJECT = {"type": "object"}
WIDGET_SPEC = {
    "size": TEXT,
    "free": {**OBJECT, "x-kubernetes-preserve-unknown-fields": True},
    "parts": {
        **OBJECT,
        "additionalProperties": {
            **OBJECT,
            "properties": {"count": {"type": "integer"}, "colour": TEXT},
        },
    },
    "ports": {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"],
        "items": {
            **OBJECT,
            "required": ["port"],
            "properties": {
                "port": {"type": "integer"},
                "protocol": {**TEXT, "default": "TCP"},
                "weight": {"type": "integer"},
            },
        },
    },
    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
    "list": {
        "type": "array",
        "items": {**OBJECT, "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
    },
    "selector": {
        **OBJECT,
        "x-kubernetes-map-type": "atomic",
        "properties": {"matchLabels": {**OBJECT, "additionalProperties": TEXT}},
    },
    "options": {
        **OBJECT,
        "properties": {
            "mode": {**TEXT, "default": "fast"},
            "more": {**OBJECT, "properties": {"deep": TEXT}},
        },
    },
}
DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"widgets.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        **OBJECT,
                        "properties": {"spec": {**OBJECT, "properties": WIDGET_SPEC}},
                    }
                },
            }
        ],
    },
}


class Place:
    """A namespace of one server for all tests of this module."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self._namespace = namespace

    def request(self, method: str, path: str, body: Any = None, form: str = "") -> tuple[int, Any]:
        data = None if body is None else json.dumps(self._placed(body))
        headers = {"Content-Type": form or "application/json"}
        response = self.server.request(method, path, data, headers)
        return response.status, servers.parsed(response.data)

    def apply(self, path: str, body: Object, manager: str, query: str = "") -> tuple[int, Any]:
        return self.request(
            "PATCH",
            f"{path}?fieldManager={manager}&force=true{query}",
            body,
            "application/apply-patch+yaml",
        )

    def path(self, plural: str) -> str:
        version = MANIFESTS[plural]["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        return f"{root}/namespaces/{self._namespace}/{plural}/x"

    def delete(self, plural: str) -> None:
        self.request("DELETE", self.path(plural))
        wait_for(self.server, self.path(plural), 404)

    def wanted(self, body: Object) -> Object:
        """The manifest as it stands in Git for this place."""
        return dict(self._placed(body))

    def _placed(self, body: Any) -> Any:
        """Bodies name no namespace until they are sent."""
        metadata = body.get("metadata")
        if "apiVersion" not in body or not isinstance(metadata, dict) or "name" not in metadata:
            return body
        if body.get("kind") == "CustomResourceDefinition":
            return body
        return {**body, "metadata": {**metadata, "namespace": self._namespace}}


@pytest.fixture(scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.cluster)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "sandbox":
        with servers.sandbox() as sandbox:
            yield from _furnished(sandbox)
    else:
        yield from _furnished(request.getfixturevalue("real_server"))


def _furnished(server: ApiServer) -> Iterator[Place]:
    namespace = f"{new_prefix()}x"
    make_namespace(server, namespace)
    place = Place(server, namespace)
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{GROUP}"
    status, answer = place.apply(path, DEFINITION, "setup")
    assert status == 201, answer
    wait_for(server, f"/apis/{GROUP}/v1/namespaces/{namespace}/widgets", 200)
    yield place
    place.request("DELETE", path)
    place.request("DELETE", f"/api/v1/namespaces/{namespace}")
    wait_for(server, path, 404)


@pytest.fixture
def fresh(place: Place) -> Place:
    for plural in MANIFESTS:
        place.delete(plural)
    return place


@pytest.mark.parametrize("plural", MANIFESTS)
def test_what_was_just_applied_is_proven(fresh: Place, plural: str) -> None:
    """Else the property below would say nothing."""
    wanted = fresh.wanted(MANIFESTS[plural])
    status, live = fresh.apply(fresh.path(plural), wanted, MANAGER)
    assert status == 201, live
    assert_left_alone(fresh, plural, wanted)
    # An empty map that the server filled, and a default inside an atomic leaf, go to the server.
    asks = {"deployments", "limitranges", "statefulsets", "networkpolicies", "widgets"}
    assert proves_unchanged(wanted, live, MANAGER) is (plural not in asks)


def assert_left_alone(place: Place, plural: str, wanted: Object) -> None:
    """A dry run of an apply changes nothing of the object, nor of what we own of it.

    Controllers write to the object whenever they like: what is compared must be of one moment.
    """
    for _ in range(50):
        _, before = place.request("GET", place.path(plural))
        status, answer = place.apply(place.path(plural), wanted, MANAGER, "&dryRun=All")
        _, after = place.request("GET", place.path(plural))
        if before == after:
            break
    assert (status, without_status(answer)) == (200, without_status(before))


def without_status(body: Object) -> Object:
    """An apply of the object itself has no say in it, so what it would do to it says nothing."""
    return {name: value for name, value in body.items() if name != "status"}


# Edits of a manifest or of a live object, each a small one that people or controllers make.

Path = tuple[Any, ...]


def places(body: Any, path: Path = ()) -> list[Path]:
    members: Any = ()
    if isinstance(body, dict):
        members = list(body.items())
    elif isinstance(body, list):
        members = list(enumerate(body))
    return [
        found
        for step, member in members
        for found in ((*path, step), *places(member, (*path, step)))
    ]


def value_at(body: Any, path: Path) -> Any:
    for step in path:
        body = body[step]
    return body


def editable(body: Object) -> list[Path]:
    """Everything but the object's identity and what the server alone writes."""
    return [
        path
        for path in places(body)
        if path[0] not in {"apiVersion", "kind", "status"}
        and (path[0] != "metadata" or (len(path) > 2 and path[1] in {"labels", "annotations"}))
    ]


# What a server would refuse for its type says nothing here.
SUBSTITUTES: dict[type, list[Any]] = {
    dict: [{}, {}, None, {"a": "b"}],
    list: [[], [], None],
    str: ["", "x", "1", "1000m", "1Gi", None],
    int: [0, 1, 2.0, 81],
    float: [0.5, 1, "500m"],
}


EDITS = ["copy", "copy", "copy", "remove", "replace", "reorder", "twice"]


def edited(chance: Random, body: Object, live: Object | None = None) -> Object:
    """The body after a few edits; some write out what the live object has anyway."""
    body = copy.deepcopy(body)
    for _ in range(chance.randint(0, 2)):
        path = chance.choice(editable(body))
        holder, step = value_at(body, path[:-1]), path[-1]
        edit, value = chance.choice(EDITS), holder[step]
        if edit == "copy" and live is not None:
            copy_over(live, body, chance.choice(editable(live)))
        elif edit == "remove":
            del holder[step]
        elif edit == "replace" and type(value) in SUBSTITUTES:
            holder[step] = copy.deepcopy(chance.choice(SUBSTITUTES[type(value)]))
        elif edit == "reorder" and isinstance(value, list):
            value.reverse()
        elif edit == "twice" and isinstance(value, list) and value:
            value.append(copy.deepcopy(value[0]))
    return body


def copy_over(live: Object, body: Object, path: Path) -> None:
    """Write into the body what the live object has at the path, where both have its parents."""
    try:
        value_at(body, path[:-1])[path[-1]] = copy.deepcopy(value_at(live, path))
    except (LookupError, TypeError):
        return


@pytest.mark.parametrize("plural", ["deployments", "networkpolicies", "services", "widgets"])
@pytest.mark.parametrize("filler", ["nobody", "update", "apply"])
def test_what_was_empty_and_got_filled_is_not_taken_for_ours(
    place: Place, plural: str, filler: str
) -> None:
    """Applied empty, filled by the server or by somebody, and then written out in Git.

    The values are the same as before, and yet the apply would take ownership of them.
    """
    path, whole = place.path(plural), place.wanted(MANIFESTS[plural])
    containers = [
        spot for spot in editable(whole) if isinstance(value_at(whole, spot), (dict, list))
    ]
    for spot, empty in itertools.product(containers, ["empty", "null"]):
        place.delete(plural)
        first = copy.deepcopy(whole)
        value = value_at(whole, spot)
        value_at(first, spot[:-1])[spot[-1]] = type(value)() if empty == "empty" else None
        if place.apply(path, first, MANAGER)[0] != 201:
            continue
        live = fill(place, path, whole if filler != "nobody" else None, filler)
        wanted = copy.deepcopy(first)
        copy_over(live, wanted, spot)
        for body in (first, wanted, whole):
            assert_left_alone_if_proven(place, plural, body)


def fill(place: Place, path: str, whole: Object | None, how: str) -> Object:
    if whole is not None and how == "apply":
        place.apply(path, whole, "someone")
    elif whole is not None:
        form = "application/merge-patch+json"
        place.request("PATCH", f"{path}?fieldManager=someone", whole, form)
    return dict(place.request("GET", path)[1])


def assert_left_alone_if_proven(place: Place, plural: str, wanted: Object) -> None:
    live = dict(place.request("GET", place.path(plural))[1])
    if proves_unchanged(wanted, live, MANAGER):
        assert_left_alone(place, plural, wanted)


@settings(derandomize=True, deadline=None, max_examples=EXAMPLES)
@given(st.sampled_from(sorted(MANIFESTS)), st.integers(0, 2**32))
def test_what_is_proven_is_what_a_dry_run_leaves_alone(
    place: Place, plural: str, seed: int
) -> None:
    """What is drawn is a seed, for a live object isn't the same twice: controllers write to it."""
    chance = Random(seed)  # noqa: S311
    path = place.path(plural)
    place.delete(plural)
    first = edited(chance, place.wanted(MANIFESTS[plural]))
    status, live = place.apply(path, first, MANAGER)
    if status != 201:
        return
    meddle(place, path, live, chance)
    live = dict(place.request("GET", path)[1])
    assert_left_alone_if_proven(place, plural, edited(chance, first, live))


def meddle(place: Place, path: str, live: Object, chance: Random) -> None:
    """Somebody else changes the object: by an update, or by an apply of some of it."""
    how = chance.choice(["not", "update", "apply"])
    changed = edited(chance, live)
    if how == "update":
        place.request("PUT", f"{path}?fieldManager=someone", changed, "application/json")
    if how == "apply":
        body = {**changed, "metadata": {"name": "x"}}
        place.apply(path, place.wanted(body), "someone")
