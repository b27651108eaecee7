"""Creating, reading, listing, changing and deleting objects over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

MAPS = "/api/v1/namespaces/default/configmaps"
NAMESPACES = "/api/v1/namespaces"
MERGE = "application/merge-patch+json"


def config_map(name: str, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"labels": labels} if labels else {}), **more}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}


def names(body: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


def test_a_new_object_gets_its_identity(call: Call) -> None:
    status, body = call("POST", MAPS, config_map("one"))
    metadata = body["metadata"]
    assert status == 201
    assert metadata["namespace"] == "default"
    assert metadata["uid"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert int(metadata["resourceVersion"]) > 0
    assert "generation" not in metadata
    assert call("GET", f"{MAPS}/one") == (200, body)


def test_a_name_can_be_generated(call: Call) -> None:
    body = {"metadata": {"generateName": "job-"}}
    first, second = call("POST", MAPS, body)[1], call("POST", MAPS, body)[1]
    assert first["metadata"]["name"].startswith("job-")
    assert first["metadata"]["name"] != second["metadata"]["name"]


def test_what_exists_cannot_be_created(call: Call) -> None:
    call("POST", MAPS, config_map("one"))
    status, body = call("POST", MAPS, config_map("one"))
    assert (status, body["reason"]) == (409, "AlreadyExists")
    assert body["message"] == 'configmaps "one" already exists'


def test_what_is_absent_is_not_found(call: Call) -> None:
    status, body = call("GET", "/apis/apps/v1/namespaces/default/deployments/web")
    assert status == 404
    assert body["reason"] == "NotFound"
    assert body["message"] == 'deployments.apps "web" not found'
    assert body["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


def test_a_missing_namespace_is_named(call: Call) -> None:
    status, body = call("POST", "/api/v1/namespaces/nowhere/configmaps", config_map("one"))
    assert (status, body["message"]) == (404, 'namespaces "nowhere" not found')


def test_a_path_that_is_not_served(call: Call) -> None:
    status, body = call("GET", "/apis/example.com/v1/things")
    assert (status, body["reason"]) == (404, "NotFound")
    assert body["message"] == "the server could not find the requested resource"


def test_put_replaces_and_guards_by_version(call: Call) -> None:
    _, body = call("POST", MAPS, config_map("one"))
    status, changed = call("PUT", f"{MAPS}/one", {**body, "data": {"b": "2"}})
    assert (status, changed["data"]) == (200, {"b": "2"})
    assert changed["metadata"]["uid"] == body["metadata"]["uid"]
    status, refused = call("PUT", f"{MAPS}/one", {**body, "data": {"c": "3"}})
    assert (status, refused["reason"]) == (409, "Conflict")
    assert call("PUT", f"{MAPS}/one", config_map("one"))[0] == 200


def test_a_write_without_changes_keeps_the_version(call: Call) -> None:
    _, body = call("POST", MAPS, config_map("one"))
    _, again = call("PUT", f"{MAPS}/one", body)
    assert again == body


def test_generation_counts_changes_of_the_spec(call: Call) -> None:
    path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
    body = {"metadata": {"name": "deny"}, "spec": {"podSelector": {}}}
    assert call("POST", path, body)[1]["metadata"]["generation"] == 1
    labels = {"metadata": {"labels": {"a": "b"}}}
    _, labelled = call("PATCH", f"{path}/deny", labels, media=MERGE)
    assert labelled["metadata"]["generation"] == 1
    spec = {"spec": {"policyTypes": ["Egress"]}}
    _, changed = call("PATCH", f"{path}/deny", spec, media=MERGE)
    assert changed["metadata"]["generation"] == 2


def test_lists_are_sorted_and_leave_out_the_kind_of_items(call: Call) -> None:
    for name in ("b", "a"):
        call("POST", MAPS, config_map(name))
    _, body = call("GET", MAPS)
    assert (body["kind"], body["apiVersion"]) == ("ConfigMapList", "v1")
    assert names(body) == ["a", "b"]
    assert "kind" not in body["items"][0]
    assert int(body["metadata"]["resourceVersion"]) > 0


def test_a_list_across_namespaces(call: Call) -> None:
    call("POST", NAMESPACES, {"metadata": {"name": "other"}})
    call("POST", MAPS, config_map("a"))
    call("POST", "/api/v1/namespaces/other/configmaps", config_map("a"))
    _, body = call("GET", "/api/v1/configmaps")
    assert [item["metadata"]["namespace"] for item in body["items"]] == ["default", "other"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=web", ["front"]),
        ("app==web,tier=1", ["front"]),
        ("app!=web", ["back", "plain"]),
        ("app", ["back", "front"]),
        ("!app", ["plain"]),
        ("app in (web, api)", ["back", "front"]),
        ("app notin (web),app", ["back"]),
        ("example.com/x=", ["plain"]),
        ("app=none", []),
    ],
)
def test_label_selectors(call: Call, selector: str, expected: list[str]) -> None:
    call("POST", MAPS, config_map("front", {"app": "web", "tier": "1"}))
    call("POST", MAPS, config_map("back", {"app": "api"}))
    call("POST", MAPS, config_map("plain", {"example.com/x": ""}))
    assert names(call("GET", MAPS, labelSelector=selector)[1]) == expected


def test_a_bad_selector_is_a_bad_request(call: Call) -> None:
    assert call("GET", MAPS, labelSelector="a=b=c")[0] == 400


def test_field_selectors(call: Call) -> None:
    call("POST", MAPS, config_map("a"))
    call("POST", MAPS, config_map("b"))
    assert names(call("GET", MAPS, fieldSelector="metadata.name=b")[1]) == ["b"]
    assert names(call("GET", MAPS, fieldSelector="metadata.name!=b")[1]) == ["a"]


def test_a_list_in_pages(call: Call) -> None:
    for name in "abcde":
        call("POST", MAPS, config_map(name))
    found: list[str] = []
    token = ""
    for _ in range(3):
        _, body = call("GET", MAPS, limit="2", **({"continue": token} if token else {}))
        found += names(body)
        token = body["metadata"].get("continue", "")
    assert (found, token) == (list("abcde"), "")


def test_metadata_only(call: Call) -> None:
    call("POST", MAPS, config_map("a"))
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    _, body = call("GET", MAPS, accept=accept)
    assert body["kind"] == "PartialObjectMetadataList"
    (item,) = body["items"]
    assert item.keys() == {"kind", "apiVersion", "metadata"}
    assert item["kind"] == "PartialObjectMetadata"
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    assert call("GET", f"{MAPS}/a", accept=accept)[1] == item


def test_a_table_is_answered_plainly(call: Call) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    assert call("GET", MAPS, accept=accept)[1]["kind"] == "ConfigMapList"


def test_delete_answers_with_a_status(call: Call) -> None:
    _, body = call("POST", MAPS, config_map("a"))
    status, answer = call("DELETE", f"{MAPS}/a", {"propagationPolicy": "Foreground"})
    assert (status, answer["status"]) == (200, "Success")
    assert answer["details"]["uid"] == body["metadata"]["uid"]
    assert call("DELETE", f"{MAPS}/a")[0] == 404


@pytest.mark.parametrize("guard", ["uid", "resourceVersion"])
def test_delete_has_preconditions(call: Call, guard: str) -> None:
    _, body = call("POST", MAPS, config_map("a"))
    status, answer = call("DELETE", f"{MAPS}/a", {"preconditions": {guard: "7"}})
    assert (status, answer["reason"]) == (409, "Conflict")
    assert "Precondition failed" in answer["message"]
    right = {guard: body["metadata"][guard]}
    assert call("DELETE", f"{MAPS}/a", {"preconditions": right})[0] == 200


def test_a_dry_run_deletes_nothing(call: Call) -> None:
    call("POST", MAPS, config_map("a"))
    assert call("DELETE", f"{MAPS}/a", dryRun="All")[0] == 200
    assert call("DELETE", f"{MAPS}/a", {"dryRun": ["All"]})[0] == 200
    assert call("GET", f"{MAPS}/a")[0] == 200


def test_finalizers_hold_an_object(call: Call) -> None:
    call("POST", MAPS, config_map("a", finalizers=["example.com/hold"]))
    status, body = call("DELETE", f"{MAPS}/a")
    assert status == 200
    assert body["kind"] == "ConfigMap"
    assert body["metadata"]["deletionTimestamp"]
    more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    assert call("PATCH", f"{MAPS}/a", more, media=MERGE)[0] == 422
    assert call("GET", f"{MAPS}/a")[0] == 200
    call("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": None}}, media=MERGE)
    assert call("GET", f"{MAPS}/a")[0] == 404


def test_delete_a_collection(call: Call) -> None:
    call("POST", MAPS, config_map("a", {"x": "1"}))
    call("POST", MAPS, config_map("b"))
    _, body = call("DELETE", MAPS, labelSelector="x")
    assert names(body) == ["a"]
    assert names(call("GET", MAPS)[1]) == ["b"]


def test_a_namespace_takes_its_content_with_it(call: Call) -> None:
    call("POST", NAMESPACES, {"metadata": {"name": "shop"}})
    inside = "/api/v1/namespaces/shop/configmaps"
    call("POST", inside, config_map("a"))
    assert call("DELETE", f"{NAMESPACES}/shop")[0] == 200
    assert call("GET", f"{NAMESPACES}/shop")[0] == 404
    assert call("GET", f"{inside}/a")[0] == 404


def test_a_namespace_waits_for_finalizers(call: Call) -> None:
    call("POST", NAMESPACES, {"metadata": {"name": "shop"}})
    inside = "/api/v1/namespaces/shop/configmaps"
    call("POST", inside, config_map("a", finalizers=["example.com/hold"]))
    _, body = call("DELETE", f"{NAMESPACES}/shop")
    assert body["status"]["phase"] == "Terminating"
    status, refused = call("POST", inside, config_map("b"))
    assert (status, refused["reason"]) == (403, "Forbidden")
    assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    call("PATCH", f"{inside}/a", {"metadata": {"finalizers": []}}, media=MERGE)
    assert call("GET", f"{NAMESPACES}/shop")[0] == 404


def test_the_systems_namespaces_stay(call: Call) -> None:
    assert call("DELETE", f"{NAMESPACES}/kube-system")[0] == 403


def test_a_json_patch(call: Call) -> None:
    call("POST", MAPS, config_map("a", {"x/y": "1"}))
    patch = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "2"},
        {"op": "add", "path": "/data/b", "value": "3"},
        {"op": "remove", "path": "/metadata/labels/x~1y"},
    ]
    status, body = call("PATCH", f"{MAPS}/a", patch, media="application/json-patch+json")
    assert (status, body["data"]) == (200, {"a": "2", "b": "3"})
    assert "labels" not in body["metadata"]
    patch = [{"op": "test", "path": "/data/a", "value": "1"}]
    assert call("PATCH", f"{MAPS}/a", patch, media="application/json-patch+json")[0] == 422


def test_a_strategic_patch_merges_lists_by_key(call: Call) -> None:
    path = "/api/v1/namespaces/default/services"
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 90}]
    call("POST", path, {"metadata": {"name": "web"}, "spec": {"ports": ports}})
    patch = {"spec": {"ports": [{"port": 90, "name": "c"}, {"port": 80, "$patch": "delete"}]}}
    media = "application/strategic-merge-patch+json"
    status, body = call("PATCH", f"{path}/web", patch, media=media)
    assert status == 200
    assert [(port["name"], port["port"]) for port in body["spec"]["ports"]] == [("c", 90)]


def test_an_unknown_patch_is_not_supported(call: Call) -> None:
    call("POST", MAPS, config_map("a"))
    assert call("PATCH", f"{MAPS}/a", {}, media="application/json")[0] == 415


def test_the_scale_of_a_workload(call: Call) -> None:
    path = "/apis/apps/v1/namespaces/default/deployments"
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web"}]},
    }
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    call("POST", path, {"metadata": {"name": "web"}, "spec": spec})
    _, scale = call("GET", f"{path}/web/scale")
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 1})
    status, scale = call("PATCH", f"{path}/web/scale", {"spec": {"replicas": 4}}, media=MERGE)
    assert (status, scale["spec"]) == (200, {"replicas": 4})
    _, body = call("GET", f"{path}/web")
    assert (body["spec"]["replicas"], body["metadata"]["generation"]) == (4, 2)
    assert body["metadata"]["managedFields"][-1]["subresource"] == "scale"


def test_the_status_subresource_changes_nothing_else(call: Call) -> None:
    path = "/api/v1/namespaces/default/services"
    call("POST", path, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    patch = {"spec": {"type": "NodePort"}, "status": {"conditions": [{"type": "Ready"}]}}
    _, body = call("PATCH", f"{path}/web/status", patch, media=MERGE)
    assert body["spec"]["type"] == "ClusterIP"
    assert body["status"]["conditions"] == [{"type": "Ready"}]
    _, body = call("PATCH", f"{path}/web", {"status": {"conditions": None}}, media=MERGE)
    assert body["status"]["conditions"] == [{"type": "Ready"}]


def test_methods_that_are_not_allowed(call: Call) -> None:
    assert call("POST", f"{MAPS}/a", config_map("a"))[0] == 405
    assert call("PUT", MAPS, config_map("a"))[0] == 405


def test_access_reviews_allow_everything(call: Call) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    review = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods"}}}
    status, body = call("POST", path, review)
    assert (status, body["status"]) == (201, {"allowed": True})
