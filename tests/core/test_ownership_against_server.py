"""What is called unchanged, a server with server-side apply leaves unchanged.

Objects of several kinds are applied, then others change the live object, then somebody edits
the manifest. Whenever the result is proven unchanged, a forced dry-run apply of it must answer
with the very same object and the very same entry of ours.
"""

from __future__ import annotations

import copy
import http.client
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from towline.core.fieldset import apply_entry
from towline.core.objects import Object
from towline.core.ownership import proves_unchanged
from towline.sandbox.kubernetes import SandboxCluster

MANAGER = "towline"

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
        "namespace": "default",
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
        "example.com/v1",
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
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
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


class Server:
    """The few requests that are needed, over one connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)

    def request(self, method: str, path: str, body: Any = None, form: str = "") -> tuple[int, Any]:
        headers = {"Content-Type": form} if form else {}
        self._connection.request(method, path, json.dumps(body) if form else None, headers)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def apply(self, path: str, body: Object, manager: str, query: str = "") -> tuple[int, Any]:
        return self.request(
            "PATCH",
            f"{path}?fieldManager={manager}&force=true{query}",
            body,
            "application/apply-patch+yaml",
        )

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with SandboxCluster() as cluster:
        client = Server(cluster.url)
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        client.apply(f"{definitions}/widgets.example.com", DEFINITION, "setup")
        yield client
        client.close()


def path_of(plural: str) -> str:
    version = MANIFESTS[plural]["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/default/{plural}/x"


@pytest.fixture
def fresh(server: Server) -> Server:
    for plural in MANIFESTS:
        server.request("DELETE", path_of(plural))
    return server


@pytest.mark.parametrize("plural", MANIFESTS)
def test_what_was_just_applied_is_proven(fresh: Server, plural: str) -> None:
    """Else the property below would say nothing."""
    wanted = MANIFESTS[plural]
    status, live = fresh.apply(path_of(plural), wanted, MANAGER)
    assert status == 201, live
    again, answer = fresh.apply(path_of(plural), wanted, MANAGER, "&dryRun=All")
    assert (again, without_status(answer)) == (200, without_status(live))
    # An empty map that the server filled, and a default inside an atomic leaf, go to the server.
    asks = {"deployments", "statefulsets", "networkpolicies", "widgets"}
    assert proves_unchanged(wanted, live, MANAGER) is (plural not in asks)


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


@st.composite
def edited(draw: st.DrawFn, body: Object, live: Object | None = None) -> Object:
    """The body after a few edits; some write out what the live object has anyway."""
    body = copy.deepcopy(body)
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.sampled_from(editable(body)))
        holder, step = value_at(body, path[:-1]), path[-1]
        edit = draw(
            st.sampled_from(["copy", "copy", "copy", "remove", "replace", "reorder", "twice"])
        )
        value = holder[step]
        if edit == "copy" and live is not None:
            copied = draw(st.sampled_from(editable(live)))
            copy_over(live, body, copied)
        elif edit == "remove":
            del holder[step]
        elif edit == "replace" and type(value) in SUBSTITUTES:
            holder[step] = copy.deepcopy(draw(st.sampled_from(SUBSTITUTES[type(value)])))
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
    server: Server, plural: str, filler: str
) -> None:
    """Applied empty, filled by the server or by somebody, and then written out in Git.

    The values are the same as before, and yet the apply would take ownership of them.
    """
    path, whole = path_of(plural), MANIFESTS[plural]
    containers = [
        place for place in editable(whole) if isinstance(value_at(whole, place), (dict, list))
    ]
    for place, empty in itertools.product(containers, ["empty", "null"]):
        server.request("DELETE", path)
        first = copy.deepcopy(whole)
        value = value_at(whole, place)
        value_at(first, place[:-1])[place[-1]] = type(value)() if empty == "empty" else None
        if server.apply(path, first, MANAGER)[0] != 201:
            continue
        live = fill(server, path, whole if filler != "nobody" else None, filler)
        wanted = copy.deepcopy(first)
        copy_over(live, wanted, place)
        for body in (first, wanted, whole):
            assert_left_alone_if_proven(server, path, body, live)


def fill(server: Server, path: str, whole: Object | None, how: str) -> Object:
    if whole is not None and how == "apply":
        server.apply(path, whole, "someone")
    elif whole is not None:
        form = "application/merge-patch+json"
        server.request("PATCH", f"{path}?fieldManager=someone", whole, form)
    return dict(server.request("GET", path)[1])


def assert_left_alone_if_proven(server: Server, path: str, wanted: Object, live: Object) -> None:
    if not proves_unchanged(wanted, live, MANAGER):
        return
    status, after = server.apply(path, wanted, MANAGER, "&dryRun=All")
    assert (status, without_status(after)) == (200, without_status(live))
    assert apply_entry(after, MANAGER) == apply_entry(live, MANAGER)


@settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(st.sampled_from(sorted(MANIFESTS)), st.data())
def test_what_is_proven_is_what_a_dry_run_leaves_alone(
    server: Server, plural: str, data: st.DataObject
) -> None:
    path = path_of(plural)
    server.request("DELETE", path)
    first = data.draw(edited(MANIFESTS[plural]))
    status, live = server.apply(path, first, MANAGER)
    if status != 201:
        return
    live = meddle(server, path, live, data)
    wanted = data.draw(edited(first, live))
    assert_left_alone_if_proven(server, path, wanted, live)


def meddle(server: Server, path: str, live: Object, data: st.DataObject) -> Object:
    """Somebody else changes the object: by an update, or by an apply of some of it."""
    how = data.draw(st.sampled_from(["not", "update", "apply"]))
    changed = data.draw(edited(live))
    if how == "update":
        server.request("PUT", f"{path}?fieldManager=someone", changed, "application/json")
    if how == "apply":
        del changed["metadata"]
        body = {**changed, "metadata": {"name": "x", "namespace": "default"}}
        server.apply(path, body, "someone")
    status, live = server.request("GET", path)
    assert status == 200
    return dict(live)
