"""What is proven unchanged, and above all what is not."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towline.core.objects import Object
from towline.core.ownership import is_same_json, proves_unchanged

MANAGER = "towline"


def entry(fields: Any, version: str = "apps/v1", **more: Any) -> Object:
    return {
        "manager": MANAGER,
        "operation": "Apply",
        "apiVersion": version,
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def pair(
    spec: Any,
    fields: Any,
    live: Any = None,
    *,
    kind: str = "Deployment",
    version: str = "apps/v1",
    others: tuple[Any, ...] = (),
) -> tuple[Object, Object]:
    """A manifest with this spec, and the live object as it was applied."""
    head = {"apiVersion": version, "kind": kind}
    owned: Any = {"f:spec": fields} if fields else {}
    listed = [*others, entry(owned, version)]
    metadata = {"name": "x", "namespace": "n", "uid": "u", "managedFields": listed}
    return (
        {**head, "metadata": {"name": "x", "namespace": "n"}, "spec": spec},
        {
            **head,
            "metadata": metadata,
            "spec": copy.deepcopy(spec if live is None else live),
            "status": {"a": 1},
        },
    )


def proven(*args: Any, **named: Any) -> bool:
    return proves_unchanged(*pair(*args, **named), MANAGER)


CUSTOM: Any = {"kind": "Widget", "version": "example.com/v1"}

# As a real server writes it for a manifest of this kind.
DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "labels": {"app": "web"},
        "annotations": {"towline.dev/id": "shop"},
        "creationTimestamp": None,
    },
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "web:1",
                        "args": ["--port", "80"],
                        "env": [
                            {"name": "A", "value": "1"},
                            {
                                "name": "B",
                                "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}},
                            },
                        ],
                        "ports": [{"containerPort": 80, "name": "http"}],
                        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
                    },
                    {"name": "log", "image": "log:1"},
                ],
                "imagePullSecrets": [{"name": "registry"}],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        },
    },
}
DEPLOYMENT_FIELDS: Object = {
    "f:metadata": {
        "f:annotations": {"f:towline.dev/id": {}},
        "f:labels": {"f:app": {}},
    },
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:template": {
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {
                "f:containers": {
                    'k:{"name":"log"}': {".": {}, "f:image": {}, "f:name": {}},
                    'k:{"name":"web"}': {
                        ".": {},
                        "f:args": {},
                        "f:env": {
                            'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}},
                            'k:{"name":"B"}': {
                                ".": {},
                                "f:name": {},
                                "f:valueFrom": {"f:secretKeyRef": {}},
                            },
                        },
                        "f:image": {},
                        "f:name": {},
                        "f:ports": {
                            'k:{"containerPort":80,"protocol":"TCP"}': {
                                ".": {},
                                "f:containerPort": {},
                                "f:name": {},
                            }
                        },
                        "f:resources": {"f:limits": {"f:cpu": {}, "f:memory": {}}},
                    },
                },
                "f:imagePullSecrets": {'k:{"name":"registry"}': {}},
                "f:volumes": {'k:{"name":"tmp"}': {".": {}, "f:emptyDir": {}, "f:name": {}}},
            },
        },
    },
}


def deployed() -> tuple[Object, Object]:
    """The manifest, and the live object with the server's defaults and others' fields."""
    desired = copy.deepcopy(DEPLOYMENT)
    live = copy.deepcopy(DEPLOYMENT)
    live["metadata"] |= {
        "uid": "u",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [
            entry(copy.deepcopy(DEPLOYMENT_FIELDS)),
            {
                **entry({"f:status": {"f:replicas": {}}}, subresource="status"),
                "manager": "kube-controller-manager",
                "operation": "Update",
            },
        ],
    }
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
    live["spec"]["progressDeadlineSeconds"] = 600
    pod = live["spec"]["template"]["spec"]
    pod["dnsPolicy"] = "ClusterFirst"
    pod["containers"][0]["ports"][0]["protocol"] = "TCP"
    pod["containers"][0]["resources"]["limits"] = {"cpu": "1", "memory": "1Gi"}
    pod["containers"].insert(1, {"name": "injected", "image": "mesh:1"})
    live["status"] = {"replicas": 2}
    return desired, live


def walk_to(body: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        body = body[step]
    return body


def test_an_object_as_the_server_keeps_it_is_proven() -> None:
    assert proves_unchanged(*deployed(), MANAGER)


POD = ("spec", "template", "spec")
WEB = (*POD, "containers", 0)

CHANGED_MANIFESTS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("a value", ("spec", "replicas"), 3),
    ("another type of it", ("spec", "replicas"), "2"),
    ("a bool for a number", ("spec", "replicas"), True),
    ("null", ("spec", "replicas"), None),
    ("inside an atomic map", ("spec", "selector", "matchLabels", "app"), "api"),
    ("more in an atomic map", ("spec", "selector", "matchLabels", "more"), "x"),
    ("a new label", ("metadata", "labels", "more"), "x"),
    ("a label value", ("metadata", "labels", "app"), "api"),
    ("a default spelt out", ("spec", "progressDeadlineSeconds"), 600),
    ("a defaulted key spelt out", (*WEB, "ports", 0, "protocol"), "TCP"),
    ("another key", (*WEB, "ports", 0, "containerPort"), 81),
    ("an atomic list", (*WEB, "args"), ["80", "--port"]),
    ("a reference", (*WEB, "env", 1, "valueFrom", "secretKeyRef", "key"), "l"),
    ("another quantity", (*WEB, "resources", "limits", "cpu"), "1001m"),
    ("the same amount in another format", (*WEB, "resources", "limits", "memory"), "1073741824"),
    ("a quantity is no bool", (*WEB, "resources", "limits", "cpu"), True),
    ("an atomic item", (*POD, "imagePullSecrets", 0, "name"), "other"),
    ("an item less", (*POD, "imagePullSecrets"), []),
    ("null for a list", (*POD, "imagePullSecrets"), None),
    ("what was empty", (*POD, "volumes", 0, "emptyDir"), {"medium": "Memory"}),
    ("a map emptied", (*WEB, "resources"), {}),
    ("a text for a map", (*WEB, "resources"), "none"),
    ("a map for a list", (*WEB, "env"), {"name": "A"}),
    ("a list of texts", (*WEB, "env"), ["A", "B"]),
    ("items with null", (*WEB, "env"), [None, None]),
    ("items that swapped", (*WEB, "env"), list(reversed(DEPLOYMENT["spec"]["template"]["spec"][
        "containers"][0]["env"]))),
    ("an item twice", (*WEB, "env"), [{"name": "A", "value": "1"}, {"name": "A", "value": "1"}]),
    ("another name", ("metadata", "name"), "api"),
    ("another namespace", ("metadata", "namespace"), "other"),
    ("another version", ("apiVersion",), "apps/v1beta1"),
    ("another kind", ("kind",), "StatefulSet"),
    ("a kind that is none", ("kind",), []),
    ("a version that is none", ("apiVersion",), None),
    ("metadata that is none", ("metadata",), None),
    ("a field that nobody knows", ("more",), {}),
    ("a status", ("status",), {"replicas": 2}),
    ("a precondition", ("metadata", "resourceVersion"), "7"),
    ("another precondition", ("metadata", "uid"), "u"),
    ("managed fields", ("metadata", "managedFields"), []),
    ("the time of its creation", ("metadata", "creationTimestamp"), "2026-01-01T00:00:00Z"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value"),
    [case[1:] for case in CHANGED_MANIFESTS],
    ids=[case[0] for case in CHANGED_MANIFESTS],
)
def test_a_changed_manifest_is_not_proven(path: tuple[Any, ...], value: Any) -> None:
    desired, live = deployed()
    walk_to(desired, path[:-1])[path[-1]] = value
    assert not proves_unchanged(desired, live, MANAGER)


@pytest.mark.parametrize(
    "field",
    ["clusterName", "generation", "managedFields", "resourceVersion", "selfLink", "uid"],
)
@pytest.mark.parametrize("value", [None, "", "x"])
def test_what_only_the_server_sets_has_no_place_in_a_manifest(field: str, value: Any) -> None:
    desired, live = deployed()
    desired["metadata"][field] = live["metadata"].setdefault(field, "x")
    assert not proves_unchanged(desired, live, MANAGER)
    desired["metadata"][field] = value
    assert not proves_unchanged(desired, live, MANAGER)


def leaves(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members: Any = {}
    if isinstance(body, dict):
        members = body.items()
    elif isinstance(body, list):
        members = enumerate(body)
    found = [leaf for step, member in members for leaf in leaves(member, (*path, step))]
    return found or [path]


@pytest.mark.parametrize("path", leaves(DEPLOYMENT), ids=str)
def test_no_field_may_be_missing(path: tuple[Any, ...]) -> None:
    if path in {("metadata", "creationTimestamp"), ("metadata", "namespace")}:
        return
    desired, live = deployed()
    del walk_to(desired, path[:-1])[path[-1]]
    assert not proves_unchanged(desired, live, MANAGER)


@pytest.mark.parametrize("path", leaves(DEPLOYMENT), ids=str)
@pytest.mark.parametrize("value", ["drifted", None, 7, {}, [], {"a": "b"}])
def test_no_owned_field_may_have_drifted(path: tuple[Any, ...], value: Any) -> None:
    if path == ("metadata", "creationTimestamp"):
        return
    desired, live = deployed()
    if path[-1] == "emptyDir" and value == {}:
        return
    if path[:4] == WEB[:4] and path[4] == 1:
        path = (*path[:4], 2, *path[5:])  # the injected container stands between the two
    walk_to(live, path[:-1])[path[-1]] = value
    assert not proves_unchanged(desired, live, MANAGER)


@pytest.mark.parametrize("path", leaves(DEPLOYMENT_FIELDS), ids=str)
def test_no_owned_field_may_be_missing_from_the_entry(path: tuple[Any, ...]) -> None:
    desired, live = deployed()
    fields = live["metadata"]["managedFields"][0]["fieldsV1"]
    del walk_to(fields, path[:-1])[path[-1]]
    assert not proves_unchanged(desired, live, MANAGER)


@pytest.mark.parametrize("path", [(), *leaves(DEPLOYMENT_FIELDS)], ids=str)
@pytest.mark.parametrize("part", ["f:more", ".", "i:0", 'k:{"name":"x"}', 'v:"x"', "x"])
def test_nothing_more_may_be_owned(path: tuple[Any, ...], part: str) -> None:
    if path[-1:] == (".",):
        return
    desired, live = deployed()
    walk_to(live["metadata"]["managedFields"][0]["fieldsV1"], path)[part] = {}
    assert not proves_unchanged(desired, live, MANAGER)


@pytest.mark.parametrize(
    "change",
    [
        {"operation": "Update"},
        {"manager": "other"},
        {"subresource": "status"},
        {"apiVersion": "apps/v1beta1"},
        {"apiVersion": None},
        {"fieldsType": "FieldsV2"},
        {"fieldsV1": None},
        {"fieldsV1": []},
    ],
    ids=str,
)
def test_the_entry_has_to_be_our_own(change: Object) -> None:
    desired, live = deployed()
    live["metadata"]["managedFields"][0] |= change
    assert not proves_unchanged(desired, live, MANAGER)


def test_two_entries_of_ours_prove_nothing() -> None:
    desired, live = deployed()
    live["metadata"]["managedFields"] *= 2
    assert not proves_unchanged(desired, live, MANAGER)


def test_an_object_that_is_being_deleted_is_not_proven() -> None:
    desired, live = deployed()
    live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not proves_unchanged(desired, live, MANAGER)


@pytest.mark.parametrize("field", ["apiVersion", "kind"])
def test_the_live_object_has_to_say_what_it_is(field: str) -> None:
    desired, live = deployed()
    del live[field]
    assert not proves_unchanged(desired, live, MANAGER)


def test_a_manifest_without_a_namespace_was_paired_by_the_caller() -> None:
    desired, live = deployed()
    del desired["metadata"]["namespace"]
    assert proves_unchanged(desired, live, MANAGER)


# Leaves


LEAVES: list[tuple[str, bool, Any, Any, Any, dict[str, Any]]] = [
    # what, proven, the manifest's value, what is owned, the live value, the kind
    ("empty and empty", True, {}, {}, {}, {}),
    ("empty, and the server filled it", False, {}, {}, {"a": 1}, {}),
    ("empty, and the server left it out", False, {}, {}, ..., {}),
    ("null and null", True, None, {}, None, {}),
    ("null and absent", False, None, {}, ..., {}),
    ("null and empty", False, None, {}, {}, {}),
    ("null that is not owned", False, None, ..., None, {}),
    ("an empty list that is not owned", False, [], ..., [], {}),
    ("an empty atomic list", True, [], {}, [], {}),
    ("an atomic list", True, [1, {"a": [2]}], {}, [1, {"a": [2]}], {}),
    ("an atomic list in another order", False, [1, 2], {}, [2, 1], {}),
    ("an atomic list with a default inside", False, [{"a": 1}], {}, [{"a": 1, "b": 2}], {}),
    ("an atomic list, longer", False, [1], {}, [1, 1], {}),
    ("1 and 1.0", True, 1, {}, 1.0, {}),
    ("1 and true", False, 1, {}, True, {}),
    ("0 and -0.0", False, 0, {}, -0.0, {}),
    ("deep in a list too", False, [[1]], {}, [[True]], {}),
    ("large integers", False, 2**53 + 1, {}, float(2**53), {}),
    ("not a number", False, float("nan"), {}, float("nan"), {}),
    ("a text and a number", False, "80", {}, 80, {}),
    ("a leaf may be the default of an empty map", False, {"a": 1}, {}, {"a": 1}, {}),
    ("in custom kinds as well", False, {"a": 1}, {}, {"a": 1}, CUSTOM),
    ("a leaf that is no map of ours", False, 1, None, 1, {}),
    ("a list in the place of a leaf", False, 1, [], 1, {}),
    ("a text in the place of a leaf", False, 1, "", 1, {}),
    ("only a dot", False, 1, {".": {}}, 1, {}),
]


@pytest.mark.parametrize(
    ("expected", "value", "fields", "have", "kind"),
    [case[1:] for case in LEAVES],
    ids=[case[0] for case in LEAVES],
)
def test_leaves(expected: bool, value: Any, fields: Any, have: Any, kind: Any) -> None:
    live = {"b": 0} if have is ... else {"b": 0, "a": have}
    owned: Any = {"f:b": {}} if fields is ... else {"f:b": {}, "f:a": fields}
    assert proven({"a": value, "b": 0}, owned, live, **kind) is expected


ATOMIC_EVERYWHERE = """
    configMapKeyRef fieldRef labelSelector namespaceSelector nodeSelector objectSelector
    podSelector resourceFieldRef secretKeyRef selector
"""
GRANULAR_IN_SOME_VERSION = "port resource roleRef scaleTargetRef"
ATOMIC_IN_BUILT_IN_KINDS = """
    controllerExpandSecretRef controllerPublishSecretRef dataSource fileKeyRef matchConstraints
    matchResources nodeExpandSecretRef nodePublishSecretRef nodeStageSecretRef paramKind paramRef
    required requiredDuringSchedulingIgnoredDuringExecution scopeSelector secretRef
"""


@pytest.mark.parametrize("name", ATOMIC_EVERYWHERE.split())
@pytest.mark.parametrize("kind", [{}, CUSTOM])
def test_a_known_atomic_map_is_compared_whole(name: str, kind: Any) -> None:
    assert proven({name: {"a": "b"}}, {f"f:{name}": {}}, **kind)
    assert not proven({name: {"a": "b"}}, {f"f:{name}": {}}, {name: {"a": "b", "c": "d"}}, **kind)


@pytest.mark.parametrize("name", (ATOMIC_IN_BUILT_IN_KINDS + GRANULAR_IN_SOME_VERSION).split())
def test_some_maps_are_known_to_be_atomic_in_built_in_kinds_alone(name: str) -> None:
    assert proven({name: {"a": "b"}}, {f"f:{name}": {}})
    assert not proven({name: {"a": "b"}}, {f"f:{name}": {}}, **CUSTOM)


@pytest.mark.parametrize("name", (ATOMIC_EVERYWHERE + ATOMIC_IN_BUILT_IN_KINDS).split())
def test_an_atomic_map_that_is_owned_field_by_field_was_applied_before_it_was_one(
    name: str,
) -> None:
    assert not proven({name: {"a": "b"}}, {f"f:{name}": {"f:a": {}}})
    assert proven({name: {"a": "b"}}, {f"f:{name}": {"f:a": {}}}, **CUSTOM)


@pytest.mark.parametrize("name", GRANULAR_IN_SOME_VERSION.split())
def test_a_map_that_is_granular_in_some_version_may_be_owned_field_by_field(name: str) -> None:
    assert proven({name: {"a": "b"}}, {f"f:{name}": {"f:a": {}}})


def test_what_another_owns_a_field_of_is_not_atomic() -> None:
    """Applied as `{}` before, filled by another, and now written out: that takes ownership."""
    other = {**entry({"f:spec": {"f:selector": {"f:a": {}}}}), "manager": "other"}
    assert not proven({"selector": {"a": "b"}}, {"f:selector": {}}, others=(other,), **CUSTOM)
    other = {**entry({"f:spec": {"f:list": {'k:{"name":"a"}': {".": {}}}}}), "manager": "other"}
    assert not proven({"list": [{"name": "a"}]}, {"f:list": {}}, others=(other,), **CUSTOM)
    other = {**entry({"f:spec": {"f:list": {}}}), "manager": "other"}
    assert proven({"list": [{"name": "a"}]}, {"f:list": {}}, others=(other,), **CUSTOM)


def test_what_became_atomic_since_is_not_proven() -> None:
    fields: Any = {"f:selector": {"f:matchLabels": {"f:app": {}}}}
    assert not proven({"selector": {"matchLabels": {"app": "web"}}}, fields)
    assert proven({"selector": {"matchLabels": {"app": "web"}}}, fields, **CUSTOM)


# As `applyconfigurations/internal` of client-go has them.
ASSOCIATIVE = """
    claims conditions containers devices disableResizePreemption drivers env
    ephemeralContainers finalizers hostAliases imagePullSecrets initContainers mapping
    matchConditions ownerReferences podCIDRs podGroupTemplates podIPs ports requesters
    reservedFor resourceClaims schedulingGates secrets topologySpreadConstraints
    validationActions variables volumeDevices volumeLifecycleModes volumeMounts volumes
    webhooks
"""


@pytest.mark.parametrize("name", ASSOCIATIVE.split())
def test_an_associative_list_that_was_null_is_not_proven(name: str) -> None:
    assert not proven({name: [{"name": "a"}]}, {f"f:{name}": {}})
    assert not proven({name: []}, {f"f:{name}": {}})
    assert proven({name: []}, {f"f:{name}": {}}, **CUSTOM)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("EndpointSlice", "ports"),
        ("MutatingAdmissionPolicy", "variables"),
        ("ResourceSlice", "devices"),
        ("ServiceAccount", "imagePullSecrets"),
    ],
)
def test_some_kinds_have_an_atomic_list_of_that_name(kind: str, name: str) -> None:
    assert proven({name: [{"name": "a"}]}, {f"f:{name}": {}}, kind=kind)


def test_finalizers_are_a_set_in_every_kind() -> None:
    desired, live = pair({"a": 1}, {"f:a": {}}, **CUSTOM)
    for body in desired, live:
        body["metadata"]["finalizers"] = ["example.com/x"]
    fields = live["metadata"]["managedFields"][0]["fieldsV1"]
    fields["f:metadata"] = {"f:finalizers": {}}
    assert not proves_unchanged(desired, live, MANAGER)
    fields["f:metadata"] = {"f:finalizers": {'v:"example.com/x"': {}}}
    assert proves_unchanged(desired, live, MANAGER)


# The dot


def test_a_dot_is_only_where_an_apply_would_put_it() -> None:
    """Upgrading from client-side apply merges sets that hold a dot for each map."""
    spec = {"a": {"b": 1}}
    plain: Any = {"f:a": {"f:b": {}}}
    dotted: Any = {"f:a": {".": {}, "f:b": {}}}
    assert proven(spec, plain)
    assert not proven(spec, dotted)
    assert proven(spec, plain, **CUSTOM)
    assert proven(spec, dotted, **CUSTOM)
    assert not proven(spec, {"f:a": {".": {"f:c": {}}, "f:b": {}}}, **CUSTOM)


BUILT_IN = """
    admissionregistration.k8s.io apiextensions.k8s.io apiregistration.k8s.io apps autoscaling
    batch certificates.k8s.io coordination.k8s.io discovery.k8s.io events.k8s.io
    flowcontrol.apiserver.k8s.io networking.k8s.io node.k8s.io policy
    rbac.authorization.k8s.io resource.k8s.io scheduling.k8s.io storage.k8s.io
"""


@pytest.mark.parametrize("version", ["v1", *(f"{group}/v1" for group in BUILT_IN.split())])
def test_no_built_in_kind_has_arbitrary_names_for_maps(version: str) -> None:
    fields: Any = {"f:a": {".": {}, "f:b": {}}}
    assert not proven({"a": {"b": 1}}, fields, version=version)
    assert proven({"a": {"b": 1}}, fields, version=f"x.{version.rpartition('/')[0]}/v1")


def test_a_dotted_list_is_the_value_of_an_arbitrary_name() -> None:
    """Only a custom kind has such names, and there it is owned like any other list."""
    items: Any = {".": {}, 'k:{"name":"a"}': {".": {}, "f:name": {}}}
    members: Any = {".": {}, 'v:"x"': {}}
    for value, fields in (([{"name": "a"}], items), (["x"], members)):
        assert proven({"x": value}, {"f:x": fields}, **CUSTOM)
        assert not proven({"x": value}, {"f:x": fields})
        assert not proven({"x": [*value, *value]}, {"f:x": fields}, **CUSTOM)
        assert not proven({"x": value}, {"f:x": fields}, {"x": []}, **CUSTOM)


@pytest.mark.parametrize("kind", [{}, CUSTOM], ids=["built-in", "custom"])
def test_metadata_is_never_owned_as_such(kind: Any) -> None:
    desired, live = pair({"a": 1}, {"f:a": {}}, **kind)
    for body in desired, live:
        body["metadata"]["labels"] = {"app": "web"}
    fields = live["metadata"]["managedFields"][0]["fieldsV1"]
    fields["f:metadata"] = {"f:labels": {"f:app": {}}}
    assert proves_unchanged(desired, live, MANAGER)
    fields["f:metadata"] = {".": {}, "f:labels": {"f:app": {}}}
    assert not proves_unchanged(desired, live, MANAGER)


# Lists

PORT = {"port": 53, "protocol": "TCP"}
KEYED: Any = {'k:{"port":53,"protocol":"TCP"}': {".": {}, "f:port": {}}}
NAMED: Any = {'k:{"name":"a"}': {".": {}, "f:name": {}}, 'k:{"name":"b"}': {".": {}, "f:name": {}}}
A, B, C = {"name": "a"}, {"name": "b"}, {"name": "c"}

LISTS: list[tuple[str, bool, Any, Any, Any]] = [
    # what, proven, the manifest's list, what is owned, the live list
    ("a defaulted key", True, [{"port": 53}], KEYED, [PORT]),
    ("two live items fit", False, [{"port": 53}], KEYED, [PORT, {**PORT, "protocol": "UDP"}]),
    ("two that are written out", True, [PORT, {**PORT, "protocol": "UDP"}], {
        f'k:{{"port":53,"protocol":"{p}"}}': {".": {}, "f:port": {}, "f:protocol": {}}
        for p in ("TCP", "UDP")
    }, [PORT, {**PORT, "protocol": "UDP"}]),
    ("the default was another", False, [{"port": 53}], KEYED, [{**PORT, "protocol": "UDP"}]),
    ("the item has no key", False, [{}], KEYED, [PORT]),
    ("the live item has no key", False, [{"port": 53}], KEYED, [{"port": 53}]),
    ("the item twice", False, [A, A], NAMED, [A, B]),
    ("twice in the live list", False, [A, B], NAMED, [A, B, A]),
    ("in order", True, [A, B], NAMED, [A, B]),
    ("with one of another between", True, [A, B], NAMED, [C, A, C, B]),
    ("in another order", False, [A, B], NAMED, [B, A]),
    ("one less", False, [A], NAMED, [A, B]),
    ("one more", False, [A, B, C], NAMED, [A, B, C]),
    ("another one", False, [A, C], NAMED, [A, B, C]),
    ("one gone", False, [A, B], NAMED, [A]),
    ("none left", False, [A, B], NAMED, []),
    ("no list", False, [A, B], NAMED, {"name": "a"}),
    ("a number", False, [A, B], NAMED, 7),
    ("nothing", False, [A, B], NAMED, None),
    ("an item without its dot", False, [A], {'k:{"name":"a"}': {"f:name": {}}}, [A]),
    ("an atomic item", True, [A], {'k:{"name":"a"}': {}}, [A]),
    ("an atomic item with more", False, [A], {'k:{"name":"a"}': {}}, [{**A, "more": 1}]),
    ("a key that is a bool", False, [{"x": True}], {'k:{"x":true}': {".": {}, "f:x": {}}},
     [{"x": True}]),
    ("a bool that looks like one", False, [{"x": True}], {'k:{"x":1}': {".": {}, "f:x": {}}},
     [{"x": True}]),
    ("a key that is a list", False, [{"x": [1]}], {'k:{"x":[1]}': {".": {}, "f:x": {}}},
     [{"x": [1]}]),
    ("an item with a list as key", False, [{"x": [1]}], {'k:{"x":1}': {".": {}, "f:x": {}}},
     [{"x": [1]}]),
    ("no keys at all", False, [A], {"k:{}": {".": {}, "f:name": {}}}, [A]),
    ("keys that are no JSON", False, [A], {"k:{name}": {".": {}, "f:name": {}}}, [A]),
    ("keys that are no object", False, [A], {"k:[]": {".": {}, "f:name": {}}}, [A]),
    ("one key in two writings", False, [A, B],
     {'k:{"name":"a"}': {".": {}, "f:name": {}}, 'k:{"name": "a"}': {".": {}, "f:name": {}}},
     [A, B]),
    ("positions", False, [A], {"i:0": {".": {}, "f:name": {}}}, [A]),
    ("a set", True, ["x", "y"], {'v:"x"': {}, 'v:"y"': {}}, ["z", "x", "y"]),
    ("a set of numbers", True, [1, 2], {"v:1": {}, "v:2": {}}, [1, 2]),
    ("numbers are no texts", False, [1], {'v:"1"': {}}, [1]),
    ("a set in another order", False, ["x", "y"], {'v:"x"': {}, 'v:"y"': {}}, ["y", "x"]),
    ("a member twice", False, ["x", "x"], {'v:"x"': {}, 'v:"y"': {}}, ["x", "y"]),
    ("a member twice in the live set", False, ["x"], {'v:"x"': {}}, ["x", "x"]),
    ("a member gone", False, ["x"], {'v:"x"': {}}, []),
    ("a member more", False, ["x", "y"], {'v:"x"': {}}, ["x", "y"]),
    ("another member", False, ["y"], {'v:"x"': {}}, ["x", "y"]),
    ("a set of bools", False, [True], {"v:true": {}}, [True]),
    ("a set of lists", False, [["x"]], {'v:["x"]': {}}, [["x"]]),
    ("a set with fields", False, ["x"], {'v:"x"': {"f:a": {}}}, ["x"]),
    ("a set and items", False, ["x", A], {'v:"x"': {}, 'k:{"name":"a"}': {}}, ["x", A]),
    ("a set that is no JSON", False, ["x"], {"v:x": {}}, ["x"]),
]  # fmt: skip


@pytest.mark.parametrize("kind", [{}, CUSTOM], ids=["built-in", "custom"])
@pytest.mark.parametrize(
    ("expected", "items", "fields", "have"),
    [case[1:] for case in LISTS],
    ids=[case[0] for case in LISTS],
)
def test_lists(expected: bool, items: Any, fields: Any, have: Any, kind: Any) -> None:
    assert proven({"x": items}, {"f:x": fields}, {"x": have}, **kind) is expected


# Quantities


def nested(path: str, value: Any) -> tuple[Any, Any]:
    """A spec with the value at the path, and the fields of it; `[]` makes an atomic list."""
    fields: Any = {}
    for name in reversed(path.split(".")):
        if name == "[]":
            value, fields = [value], {}
        else:
            value, fields = {name: value}, {f"f:{name}": fields}
    return value, fields


QUANTITIES = [
    (True, "Deployment", "apps/v1", "template.spec.resources.limits.cpu"),
    (True, "Pod", "v1", "overhead.cpu"),
    (True, "StatefulSet", "apps/v1", "volumeClaimTemplates.[].spec.resources.requests.storage"),
    (True, "Job", "batch/v1", "template.spec.v.emptyDir.sizeLimit"),
    (True, "CronJob", "batch/v1", "jobTemplate.spec.template.spec.resources.requests.cpu"),
    (True, "DaemonSet", "apps/v1", "template.spec.resources.limits.cpu"),
    (True, "ReplicaSet", "apps/v1", "template.spec.overhead.cpu"),
    (True, "PodTemplate", "v1", "template.spec.resources.limits.cpu"),
    (True, "ReplicationController", "v1", "template.spec.e.[].resourceFieldRef.divisor"),
    (True, "PersistentVolumeClaim", "v1", "resources.requests.storage"),
    (True, "PersistentVolumeClaim", "v1", "resources.limits.storage"),
    (True, "PersistentVolume", "v1", "capacity.storage"),
    (True, "ResourceQuota", "v1", "hard.pods"),
    *(
        (True, "LimitRange", "v1", f"limits.[].{name}.cpu")
        for name in ("default", "defaultRequest", "max", "maxLimitRequestRatio", "min")
    ),
    (True, "HorizontalPodAutoscaler", "autoscaling/v2", "metrics.[].r.target.averageValue"),
    (True, "HorizontalPodAutoscaler", "autoscaling/v2", "metrics.[].r.target.value"),
    (True, "RuntimeClass", "node.k8s.io/v1", "overhead.podFixed.memory"),
    (False, "Deployment", "apps/v1", "template.metadata.annotations.cpu"),
    (False, "Deployment", "apps/v1", "template.spec.capacity.cpu"),
    (False, "Deployment", "apps/v1", "template.spec.c.env.[].value"),
    (False, "ConfigMap", "v1", "resources.limits.cpu"),
    (False, "Widget", "example.com/v1", "resources.limits.cpu"),
    (False, "Deployment", "example.com/v1", "resources.limits.cpu"),
    (False, "Service", "v1", "hard.pods"),
]


@pytest.mark.parametrize(("known", "kind", "version", "path"), QUANTITIES)
def test_only_quantities_are_compared_as_such(
    known: bool, kind: str, version: str, path: str
) -> None:
    spec, fields = nested(path, "1000m")
    assert proven(spec, fields, nested(path, "1")[0], kind=kind, version=version) is known
    spec, fields = nested(path, 1)
    assert proven(spec, fields, nested(path, "1")[0], kind=kind, version=version) is known
    assert not proven(spec, fields, nested(path, "2")[0], kind=kind, version=version)
    assert not proven(spec, fields, nested(path, [1])[0], kind=kind, version=version)


def test_a_shared_quantity_is_taken_from_the_other_where_the_texts_differ() -> None:
    path = "template.spec.resources.limits.cpu"
    spec, fields = nested(path, "1000m")
    live = nested(path, "1")[0]
    sets: tuple[Any, ...] = (fields, {"f:template": {}})
    for owned in sets:
        other = {**entry({"f:spec": owned}), "manager": "other"}
        assert not proven(spec, fields, live, others=(other,))
        assert proven(live, fields, live, others=(other,))
    sets = ({"f:paused": {}}, {"f:template": {"f:metadata": {}}}, None)
    for owned in sets:
        other = {**entry({"f:spec": owned}), "manager": "other"}
        assert proven(spec, fields, live, others=(other,))


def test_equal_texts_need_not_be_quantities() -> None:
    assert proven(*nested("template.spec.resources.limits.cpu", "what?"))


# Secrets


def secret(**fields: Any) -> tuple[Object, Object]:
    desired = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **fields}
    live = copy.deepcopy(desired)
    owned: Any = {f"f:{field}": {f"f:{name}": {} for name in fields[field]} for field in fields}
    live["metadata"]["managedFields"] = [entry(owned, "v1")]
    return desired, live


def test_a_secret_is_compared_by_its_data() -> None:
    desired, live = secret(data={"a": "eA=="})
    assert proves_unchanged(desired, live, MANAGER)
    live["data"]["a"] = "eQ=="
    assert not proves_unchanged(desired, live, MANAGER)


def test_string_data_is_not_proven() -> None:
    assert not proves_unchanged(*secret(stringData={"a": "x"}), MANAGER)


# Whatever comes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["a", "", "FieldsV1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["f:spec", "f:a", "a", "name", ".", 'k:{"name":"a"}', "k:{", "v:1", 'v:"a"', "v:"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
DESIRED = st.fixed_dictionaries(
    {},
    optional={
        "apiVersion": st.just("v1") | JSON,
        "kind": st.just("X") | JSON,
        "metadata": st.just({"name": "x"}) | JSON,
        "spec": JSON,
    },
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(DESIRED, JSON, JSON, st.booleans())
def test_malformed_input_never_raises(desired: Any, first: Any, second: Any, ours: bool) -> None:
    live = copy.deepcopy(desired)
    if isinstance(live.get("metadata"), dict):
        live["metadata"]["managedFields"] = (
            [entry(first, "v1"), second] if ours else [first, second]
        )
    result = proves_unchanged(desired, live, MANAGER)
    assert result in {True, False}
    assert ours or not result


@settings(derandomize=True, deadline=None, max_examples=300)
@given(JSON, JSON, JSON)
def test_a_difference_in_an_owned_leaf_is_always_seen(value: Any, have: Any, fields: Any) -> None:
    sets: tuple[Any, ...] = ({}, fields)
    for owned in sets:
        if proven({"a": value}, {"f:a": owned}, {"a": have}):
            assert is_same_json(value, have) or owned


def test_depth_is_no_proof() -> None:
    spec: Any = 1
    fields: Any = {}
    for _ in range(100_000):
        spec, fields = {"a": spec}, {"f:a": fields}
    desired, live = pair(1, {})
    desired["spec"] = live["spec"] = {"a": spec}
    live["metadata"]["managedFields"][0]["fieldsV1"] = {"f:spec": fields}
    assert not proves_unchanged(desired, live, MANAGER)


def test_a_thousand_objects_take_a_moment() -> None:
    """Measured well below; the limit only catches what makes it slow by an order."""
    desired, live = deployed()
    live = json.loads(json.dumps(live))
    started = time.perf_counter()
    for _ in range(1000):
        proves_unchanged(desired, live, MANAGER)
    assert time.perf_counter() - started < 1
