"""Custom resources: served soon after they are defined, gone with their definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.fixtures import eventually
from tests.contract.widgets import DEFINITIONS, Widgets

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

MERGE = "application/merge-patch+json"


def test_a_definition_and_an_object_of_it_in_one_go(call: Call, widgets: Widgets) -> None:
    """The object is refused until the definition is established, and that takes a moment."""
    assert widgets.create()[0] == 404
    call("POST", DEFINITIONS, widgets.defining())
    seen = set()

    def created() -> bool:
        status, answer = widgets.create()
        seen.add(status)
        assert status in {201, 404}, answer
        return status == 201

    eventually(created, "the definition is established")
    conditions = call("GET", widgets.definition)[1]["status"]["conditions"]
    established = {condition["type"]: condition["status"] for condition in conditions}
    assert established["Established"] == "True"
    assert seen <= {201, 404}


def test_a_new_group_is_discovered(call: Call, widgets: Widgets) -> None:
    widgets.define()
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    def listed() -> bool:
        groups = {group["name"]: group for group in call("GET", "/apis")[1]["groups"]}
        return widgets.group in groups

    def aggregated() -> Any:
        _, body = call("GET", "/apis", accept=accept)
        assert (body["kind"], body["apiVersion"]) == (
            "APIGroupDiscoveryList",
            "apidiscovery.k8s.io/v2",
        )
        return [item for item in body["items"] if item["metadata"]["name"] == widgets.group]

    eventually(listed, "the group is listed")
    (group,) = eventually(aggregated, "the group is in the aggregated list")
    assert [version["version"] for version in group["versions"]] == ["v1", "v1beta1"]
    assert {version["freshness"] for version in group["versions"]} == {"Current"}
    (resource,) = group["versions"][0]["resources"]
    kind = {"group": widgets.group, "version": "v1", "kind": "Widget"}
    assert resource["resource"] == "widgets"
    assert resource["responseKind"] == kind
    assert (resource["scope"], resource["shortNames"]) == ("Namespaced", ["wd"])
    assert {"get", "list", "patch", "delete", "watch"} <= set(resource["verbs"])
    (part,) = resource["subresources"]
    assert (part["subresource"], part["responseKind"]) == ("status", kind)


@pytest.mark.usefixtures("defined")
def test_a_definition_is_completed_and_established(call: Call, widgets: Widgets) -> None:
    _, live = call("GET", widgets.definition)
    conditions = {c["type"]: c["status"] for c in live["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert live["status"]["storedVersions"] == ["v1"]
    assert live["spec"]["names"]["singular"] == "widget"
    assert live["spec"]["conversion"] == {"strategy": "None"}
    _, listed = call("GET", f"/apis/{widgets.group}/v1")
    assert [entry["name"] for entry in listed["resources"]] == ["widgets", "widgets/status"]


@pytest.mark.usefixtures("defined")
def test_lists_of_custom_resources_name_the_kind_of_items(call: Call, widgets: Widgets) -> None:
    call("POST", widgets.path, widgets.body())
    _, body = call("GET", widgets.path)
    assert body["kind"] == "WidgetList"
    assert body["items"][0]["kind"] == "Widget"


@pytest.mark.usefixtures("defined")
def test_defaults_and_generation(call: Call, widgets: Widgets) -> None:
    _, body = call("POST", widgets.path, widgets.body())
    assert body["spec"] == {"size": 1, "colour": "red"}
    assert body["metadata"]["generation"] == 1
    _, body = call("PATCH", f"{widgets.path}/w", {"spec": {"size": 2}}, media=MERGE)
    assert body["metadata"]["generation"] == 2
    _, body = call("PATCH", f"{widgets.path}/w/status", {"status": {"ok": True}}, media=MERGE)
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
def test_the_schema_is_checked(
    call: Call, widgets: Widgets, spec: dict[str, Any], field: str
) -> None:
    status, body = call("POST", widgets.path, widgets.body(**spec))
    assert status == 422
    assert [cause["field"] for cause in body["details"]["causes"]] == [field]


@pytest.mark.usefixtures("defined")
def test_what_is_required(call: Call, widgets: Widgets) -> None:
    status, body = call("POST", widgets.path, {**widgets.body(), "spec": {}})
    assert status == 422
    message = f'Widget.{widgets.group} "w" is invalid: spec.size: Required value'
    assert body["message"] == message


@pytest.mark.usefixtures("defined")
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"extra": 1}, ".spec.extra: field not declared in schema"),
        ({"size": "1"}, ".spec.size: expected numeric (int or float), got string"),
        ({"tags": "x"}, ".spec.tags: expected list, got &{x}"),
        ({"tags": ["a", "a"]}, '.spec.tags: duplicate entries for key [="a"]'),
        ({"parts": [{"count": 1}]}, 'an element that omits all key fields ["name"]'),
        ({"limits": {"a": 1}}, ".spec.limits.a: expected string"),
        ({"free": [1]}, ".spec.free: expected map, got &{[1]}"),
    ],
)
def test_what_does_not_fit_the_schema_cannot_be_applied(
    apply: Call, widgets: Widgets, spec: dict[str, Any], words: str
) -> None:
    status, body = apply(f"{widgets.path}/w", widgets.body(**spec))
    assert (status, body.get("reason")) == (500, None)
    what = f"(/w; {widgets.group}/v1, Kind=Widget)"
    assert body["message"].startswith(f"failed to create typed patch object {what}: ")
    assert words in body["message"]


@pytest.mark.usefixtures("defined")
def test_the_rest_of_the_schema_is_checked_of_what_is_applied(
    apply: Call, widgets: Widgets
) -> None:
    for spec, field in (({"colour": "green"}, "spec.colour"), ({"size": 0}, "spec.size")):
        status, body = apply(f"{widgets.path}/w", widgets.body(**spec))
        assert (status, body["details"]["causes"][0]["field"]) == (422, field)


@pytest.mark.usefixtures("defined")
def test_a_custom_resource_says_what_it_is(call: Call, apply: Call, widgets: Widgets) -> None:
    body = widgets.body()
    for change, status in (({"kind": ""}, 400), ({"apiVersion": "v1"}, 400), ({"kind": "X"}, 422)):
        assert call("POST", widgets.path, {**body, **change})[0] == status
        found, answer = apply(f"{widgets.path}/w", {**body, **change})
        assert (found, answer["message"].partition(": ")[0]) == (400, "invalid object type")


@pytest.mark.usefixtures("defined")
def test_a_field_set_of_what_the_schema_does_not_describe(apply: Call, widgets: Widgets) -> None:
    """Maps in it are members, lists are leaves."""
    _, body = apply(f"{widgets.path}/w", widgets.body(free={"a": {"b": [1]}, "c": {}}))
    (entry,) = body["metadata"]["managedFields"]
    free: dict[str, Any] = {"f:a": {".": {}, "f:b": {}}, "f:c": {}}
    assert entry["fieldsV1"] == {"f:spec": {"f:free": free, "f:size": {}}}


@pytest.mark.usefixtures("defined")
def test_unknown_fields_are_pruned_or_refused(call: Call, widgets: Widgets) -> None:
    status, _ = call("POST", widgets.path, widgets.body(extra=1), fieldValidation="Strict")
    assert status == 400
    _, body = call("POST", widgets.path, widgets.body(extra=1, free={"any": {"thing": [1]}}))
    assert body["spec"] == {"size": 1, "colour": "red", "free": {"any": {"thing": [1]}}}


@pytest.mark.usefixtures("defined")
def test_lists_merge_as_the_schema_says(apply: Call, widgets: Widgets) -> None:
    first = widgets.body(parts=[{"name": "a", "count": 1}], tags=["x"], plain=["1"])
    second = widgets.body(parts=[{"name": "b", "count": 2}], tags=["y"])
    apply(f"{widgets.path}/w", first)
    _, body = apply(f"{widgets.path}/w", second, manager="other")
    assert sorted(part["name"] for part in body["spec"]["parts"]) == ["a", "b"]
    assert sorted(body["spec"]["tags"]) == ["x", "y"]
    entry = next(e for e in body["metadata"]["managedFields"] if e["manager"] == "towline")
    fields = entry["fieldsV1"]["f:spec"]
    assert fields["f:parts"] == {'k:{"name":"a"}': {".": {}, "f:count": {}, "f:name": {}}}
    assert fields["f:tags"] == {'v:"x"': {}}
    assert fields["f:plain"] == {}


@pytest.mark.usefixtures("defined")
def test_put_of_a_custom_resource_needs_a_version(call: Call, widgets: Widgets) -> None:
    call("POST", widgets.path, widgets.body())
    status, body = call("PUT", f"{widgets.path}/w", widgets.body(size=2))
    assert status == 422
    assert "metadata.resourceVersion" in body["message"]


@pytest.mark.usefixtures("defined")
def test_versions_share_their_objects(call: Call, widgets: Widgets) -> None:
    call("POST", widgets.path, widgets.body())
    beta = widgets.path.replace("/v1/", "/v1beta1/")
    _, body = call("GET", f"{beta}/w")
    assert body["apiVersion"] == f"{widgets.group}/v1beta1"
    _, listed = call("GET", beta)
    assert listed["items"][0]["apiVersion"] == f"{widgets.group}/v1beta1"
    _, body = call("PATCH", f"{beta}/w", {"spec": {"size": 5}}, media=MERGE)
    assert body["apiVersion"] == f"{widgets.group}/v1beta1"
    assert call("GET", f"{widgets.path}/w")[1]["spec"]["size"] == 5


@pytest.mark.usefixtures("defined")
def test_a_strategic_patch_is_not_supported(call: Call, widgets: Widgets) -> None:
    call("POST", widgets.path, widgets.body())
    media = "application/strategic-merge-patch+json"
    assert call("PATCH", f"{widgets.path}/w", {"spec": {}}, media=media)[0] == 415


def test_cluster_scoped_resources(call: Call, widgets: Widgets) -> None:
    widgets.define(scope="Cluster")
    assert call("POST", f"/apis/{widgets.group}/v1/widgets", widgets.body())[0] == 201
    assert call("POST", widgets.path, widgets.body())[0] == 404


def test_without_the_subresource_status_is_plain(call: Call, widgets: Widgets) -> None:
    widgets.define(status=False)
    _, body = call("POST", widgets.path, {**widgets.body(), "status": {"ok": True}})
    assert body["status"] == {"ok": True}
    assert call("GET", f"{widgets.path}/w/status")[0] == 404


def test_a_definition_takes_its_objects_with_it(
    call: Call, widgets: Widgets, gone: Callable[[str], None]
) -> None:
    widgets.define()
    call("POST", widgets.path, widgets.body())
    status, body = call("DELETE", widgets.definition)
    assert (status, body["kind"]) == (200, "CustomResourceDefinition")
    assert body["metadata"]["deletionTimestamp"]
    gone(widgets.definition)
    gone(widgets.path)
    gone(f"/apis/{widgets.group}/v1")
    widgets.define()
    assert call("GET", widgets.path)[1]["items"] == []


def test_a_definition_waits_for_finalizers(
    call: Call, widgets: Widgets, gone: Callable[[str], None]
) -> None:
    widgets.define()
    body = widgets.body()
    body["metadata"]["finalizers"] = ["example.com/hold"]
    call("POST", widgets.path, body)
    _, held = call("DELETE", widgets.definition)
    assert held["metadata"]["deletionTimestamp"]
    call("PATCH", f"{widgets.path}/w", {"metadata": {"finalizers": None}}, media=MERGE)
    gone(widgets.definition)


def test_a_definition_must_be_named_after_its_resource(call: Call, widgets: Widgets) -> None:
    body = widgets.defining()
    body["metadata"]["name"] = f"gadgets.{widgets.group}"
    status, answer = call("POST", DEFINITIONS, body)
    assert (status, answer["reason"]) == (422, "Invalid")


@pytest.mark.usefixtures("defined")
def test_the_versions_of_a_definition_are_one_leaf(apply: Call, widgets: Widgets) -> None:
    _, body = apply(widgets.definition, widgets.defining(), force=True)
    entry = next(e for e in body["metadata"]["managedFields"] if e["operation"] == "Apply")
    assert entry["fieldsV1"]["f:spec"]["f:versions"] == {}
