"""Custom resources: served as soon as they are defined, gone with their definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
MERGE = "application/merge-patch+json"

SPEC = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1},
        "colour": {"type": "string", "default": "red", "enum": ["red", "blue"]},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
            },
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "plain": {"type": "array", "items": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "limits": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def definition(scope: str = "Namespaced", *, status: bool = True) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "spec": SPEC,
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    version = {"served": True, "schema": {"openAPIV3Schema": schema}}
    if status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": scope,
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [
                {"name": "v1", "storage": True, **version},
                {"name": "v1beta1", "storage": False, **version},
            ],
        },
    }


def widget(name: str = "w", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 1, **spec},
    }


@pytest.fixture
def defined(call: Call) -> dict[str, Any]:
    status, body = call("POST", DEFINITIONS, definition())
    assert status == 201
    return body


def test_a_definition_is_established_at_once(call: Call, defined: dict[str, Any]) -> None:
    conditions = {c["type"]: c["status"] for c in defined["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert defined["status"]["storedVersions"] == ["v1"]
    assert defined["spec"]["names"]["singular"] == "widget"
    _, listed = call("GET", "/apis/example.com/v1")
    assert [entry["name"] for entry in listed["resources"]] == ["widgets", "widgets/status"]


@pytest.mark.usefixtures("defined")
def test_lists_of_custom_resources_name_the_kind_of_items(call: Call) -> None:
    call("POST", WIDGETS, widget())
    _, body = call("GET", WIDGETS)
    assert body["kind"] == "WidgetList"
    assert body["items"][0]["kind"] == "Widget"


@pytest.mark.usefixtures("defined")
def test_defaults_and_generation(call: Call) -> None:
    _, body = call("POST", WIDGETS, widget())
    assert body["spec"] == {"size": 1, "colour": "red"}
    assert body["metadata"]["generation"] == 1
    _, body = call("PATCH", f"{WIDGETS}/w", {"spec": {"size": 2}}, media=MERGE)
    assert body["metadata"]["generation"] == 2
    _, body = call("PATCH", f"{WIDGETS}/w/status", {"status": {"ok": True}}, media=MERGE)
    assert (body["status"], body["metadata"]["generation"]) == ({"ok": True}, 2)


@pytest.mark.usefixtures("defined")
@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"size": "1"}, "spec.size"),
        ({"size": 0}, "spec.size"),
        ({"size": None}, "spec.size"),
        ({"colour": "green"}, "spec.colour"),
        ({"tags": "x"}, "spec.tags"),
        ({"parts": [{"name": 1}]}, "spec.parts[0].name"),
        ({"limits": {"a": 1}}, "spec.limits.a"),
    ],
)
def test_the_schema_is_checked(call: Call, spec: dict[str, Any], field: str) -> None:
    status, body = call("POST", WIDGETS, widget(**spec))
    assert status == 422
    assert [cause["field"] for cause in body["details"]["causes"]] == [field]


@pytest.mark.usefixtures("defined")
def test_what_is_required(call: Call) -> None:
    status, body = call("POST", WIDGETS, {"metadata": {"name": "w"}, "spec": {}})
    assert status == 422
    assert body["message"] == 'Widget.example.com "w" is invalid: spec.size: Required value'


@pytest.mark.usefixtures("defined")
def test_unknown_fields_are_pruned_or_refused(call: Call) -> None:
    status, _ = call("POST", WIDGETS, widget(extra=1), fieldValidation="Strict")
    assert status == 400
    _, body = call("POST", WIDGETS, widget(extra=1, free={"any": {"thing": [1]}}))
    assert body["spec"] == {"size": 1, "colour": "red", "free": {"any": {"thing": [1]}}}


@pytest.mark.usefixtures("defined")
def test_lists_merge_as_the_schema_says(apply: Call) -> None:
    first = widget(parts=[{"name": "a", "count": 1}], tags=["x"], plain=["1"])
    second = widget(parts=[{"name": "b", "count": 2}], tags=["y"])
    apply(f"{WIDGETS}/w", first)
    _, body = apply(f"{WIDGETS}/w", second, manager="other")
    assert sorted(part["name"] for part in body["spec"]["parts"]) == ["a", "b"]
    assert sorted(body["spec"]["tags"]) == ["x", "y"]
    entry = next(e for e in body["metadata"]["managedFields"] if e["manager"] == "towline")
    fields = entry["fieldsV1"]["f:spec"]
    assert fields["f:parts"] == {'k:{"name":"a"}': {".": {}, "f:count": {}, "f:name": {}}}
    assert fields["f:tags"] == {'v:"x"': {}}
    assert fields["f:plain"] == {}


@pytest.mark.usefixtures("defined")
def test_put_of_a_custom_resource_needs_a_version(call: Call) -> None:
    call("POST", WIDGETS, widget())
    status, body = call("PUT", f"{WIDGETS}/w", widget(size=2))
    assert status == 422
    assert "metadata.resourceVersion" in body["message"]


@pytest.mark.usefixtures("defined")
def test_versions_share_their_objects(call: Call) -> None:
    call("POST", WIDGETS, widget())
    beta = WIDGETS.replace("/v1/", "/v1beta1/")
    _, body = call("GET", f"{beta}/w")
    assert body["apiVersion"] == "example.com/v1beta1"
    _, listed = call("GET", beta)
    assert listed["items"][0]["apiVersion"] == "example.com/v1beta1"
    _, body = call("PATCH", f"{beta}/w", {"spec": {"size": 5}}, media=MERGE)
    assert body["apiVersion"] == "example.com/v1beta1"
    assert call("GET", f"{WIDGETS}/w")[1]["spec"]["size"] == 5


@pytest.mark.usefixtures("defined")
def test_a_strategic_patch_is_not_supported(call: Call) -> None:
    call("POST", WIDGETS, widget())
    media = "application/strategic-merge-patch+json"
    assert call("PATCH", f"{WIDGETS}/w", {"spec": {}}, media=media)[0] == 415


def test_cluster_scoped_resources(call: Call) -> None:
    call("POST", DEFINITIONS, definition("Cluster"))
    assert call("POST", "/apis/example.com/v1/widgets", widget())[0] == 201
    assert call("POST", WIDGETS, widget())[0] == 404


def test_without_the_subresource_status_is_plain(call: Call) -> None:
    call("POST", DEFINITIONS, definition(status=False))
    _, body = call("POST", WIDGETS, {**widget(), "status": {"ok": True}})
    assert body["status"] == {"ok": True}
    assert call("GET", f"{WIDGETS}/w/status")[0] == 404


@pytest.mark.usefixtures("defined")
def test_a_definition_takes_its_objects_with_it(call: Call) -> None:
    call("POST", WIDGETS, widget())
    assert call("DELETE", f"{DEFINITIONS}/widgets.example.com")[0] == 200
    assert call("GET", WIDGETS)[0] == 404
    assert call("GET", "/apis/example.com/v1")[0] == 404
    call("POST", DEFINITIONS, definition())
    assert call("GET", WIDGETS)[1]["items"] == []


@pytest.mark.usefixtures("defined")
def test_a_definition_waits_for_finalizers(call: Call) -> None:
    body = widget()
    body["metadata"]["finalizers"] = ["example.com/hold"]
    call("POST", WIDGETS, body)
    _, held = call("DELETE", f"{DEFINITIONS}/widgets.example.com")
    assert held["metadata"]["deletionTimestamp"]
    call("PATCH", f"{WIDGETS}/w", {"metadata": {"finalizers": None}}, media=MERGE)
    assert call("GET", f"{DEFINITIONS}/widgets.example.com")[0] == 404


def test_a_definition_must_be_named_after_its_resource(call: Call) -> None:
    body = definition()
    body["metadata"]["name"] = "gadgets.example.com"
    status, answer = call("POST", DEFINITIONS, body)
    assert (status, answer["reason"]) == (422, "Invalid")


@pytest.mark.usefixtures("defined")
def test_the_versions_of_a_definition_are_one_leaf(apply: Call) -> None:
    _, body = apply(f"{DEFINITIONS}/widgets.example.com", definition(), force=True)
    entry = next(e for e in body["metadata"]["managedFields"] if e["operation"] == "Apply")
    assert entry["fieldsV1"]["f:spec"]["f:versions"] == {}
