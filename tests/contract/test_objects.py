"""Creating, reading, listing, changing and deleting objects over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.fixtures import eventually
from tests.cluster.servers import ApiServer

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

MAPS = "/api/v1/namespaces/default/configmaps"
NAMESPACES = "/api/v1/namespaces"
MERGE = "application/merge-patch+json"


def config_map(name: str, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"labels": labels} if labels else {}), **more}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}


def names(body: dict[str, Any]) -> list[str]:
    """All but the map that the controllers put into each namespace."""
    found = [item["metadata"]["name"] for item in body["items"]]
    return [name for name in found if name != "kube-root-ca.crt"]


def test_a_new_object_gets_its_identity(call: Call, namespace: str) -> None:
    status, body = call("POST", MAPS, config_map("one"))
    metadata = body["metadata"]
    assert status == 201
    assert metadata["namespace"] == namespace
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
    """In a group that is not served at all, the answer is not even JSON."""
    for path in ("/api/v1/things", "/apis/apps/v1/namespaces/default/things/x", "/apis/apps/v3"):
        status, body = call("GET", path)
        assert (status, body["reason"], body["details"]) == (404, "NotFound", {})
        assert body["message"] == "the server could not find the requested resource"
    for path in ("/apis/nobody.example.com/v1/things", "/apis/nobody.example.com", "/nowhere"):
        assert call("GET", path) == (404, {"message": "404 page not found\n"})


def test_a_missing_namespace_has_no_objects(call: Call, apply: Call) -> None:
    inside = "/api/v1/namespaces/nowhere/configmaps"
    status, body = call("GET", f"{inside}/a")
    assert (status, body["message"]) == (404, 'configmaps "a" not found')
    assert call("GET", inside)[1]["items"] == []
    status, body = apply(f"{inside}/a", config_map("a"))
    assert (status, body["message"]) == (404, 'namespaces "nowhere" not found')
    assert body["details"] == {"name": "nowhere", "kind": "namespaces"}


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


def test_a_list_across_namespaces(call: Call, namespace: str, own: str) -> None:
    other = f"{own}other"
    call("POST", NAMESPACES, {"metadata": {"name": other}})
    call("POST", MAPS, config_map("a", {"of": f"{own}x"}))
    call("POST", f"{NAMESPACES}/{other}/configmaps", config_map("a", {"of": f"{own}x"}))
    _, body = call("GET", "/api/v1/configmaps", labelSelector=f"of={own}x")
    found = [item["metadata"]["namespace"] for item in body["items"]]
    assert found == sorted([namespace, other])


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


@pytest.mark.usefixtures("by_itself")
def test_a_list_in_pages(call: Call) -> None:
    for name in "abcde":
        call("POST", MAPS, config_map(name))
    found: list[str] = []
    token = ""
    for _ in range(4):
        _, body = call("GET", MAPS, limit="2", **({"continue": token} if token else {}))
        found += names(body)
        token = body["metadata"].get("continue", "")
        if not token:
            break
    assert (found, token) == (list("abcde"), "")


@pytest.mark.usefixtures("by_itself")
def test_pages_show_one_moment(call: Call) -> None:
    """With the version of the first page, and what is left unless a selector hides that."""
    for name in "abc":
        call("POST", MAPS, config_map(name, {"x": "y"}))
    _, selected = call("GET", MAPS, limit="2", labelSelector="x=y")
    assert names(selected) == ["a", "b"]
    assert "remainingItemCount" not in selected["metadata"]
    _, first = call("GET", MAPS, limit="1")
    left = first["metadata"]["remainingItemCount"]
    call("DELETE", f"{MAPS}/c")
    call("POST", MAPS, config_map("d"))
    token = {"continue": first["metadata"]["continue"]}
    _, rest = call("GET", MAPS, limit="10", **token)
    assert names(rest) == ["b", "c"]
    assert len(rest["items"]) == left
    assert rest["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}
    assert names(call("GET", MAPS)[1]) == ["a", "b", "d"]


@pytest.mark.usefixtures("by_itself")
def test_a_page_goes_on_from_a_token_alone(call: Call) -> None:
    for name in "ab":
        call("POST", MAPS, config_map(name))
    token = call("GET", MAPS, limit="1")[1]["metadata"]["continue"]
    status, body = call("GET", MAPS, limit="1", resourceVersion="5", **{"continue": token})
    assert (status, body["reason"]) == (400, "BadRequest")
    status, body = call("GET", MAPS, limit="1", **{"continue": "nonsense"})
    assert (status, body["reason"]) == (400, "BadRequest")
    assert "continue key is not valid" in body["message"]


def test_a_list_sees_the_write_before_it(call: Call) -> None:
    """In each of the forms in which clients ask for what is there now."""
    for index in range(5):
        _, body = call("POST", MAPS, config_map(f"m{index}"))
        version = body["metadata"]["resourceVersion"]
        for query in ({}, {"resourceVersion": version}, {"limit": "500"}):
            listed = call("GET", MAPS, **query)[1]
            assert f"m{index}" in names(listed)
            assert int(listed["metadata"]["resourceVersion"]) >= int(version)


def test_a_list_may_come_from_any_moment(call: Call) -> None:
    """`resourceVersion=0`: what a cache has, which is there soon."""
    call("POST", MAPS, config_map("a"))
    eventually(lambda: names(call("GET", MAPS, resourceVersion="0")[1]) == ["a"], "the list")


@pytest.mark.parametrize(
    ("version", "status", "reason"), [("x", 400, "BadRequest"), ("999999999", 504, "Timeout")]
)
def test_a_version_that_does_not_exist(call: Call, version: str, status: int, reason: str) -> None:
    found, body = call("GET", MAPS, resourceVersion=version, timeoutSeconds="1")
    assert (found, body["reason"]) == (status, reason)


def test_metadata_only(call: Call) -> None:
    call("POST", MAPS, config_map("a"))
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    _, body = call("GET", MAPS, accept=accept)
    assert body["kind"] == "PartialObjectMetadataList"
    (item,) = [item for item in body["items"] if item["metadata"]["name"] == "a"]
    assert item.keys() == {"kind", "apiVersion", "metadata"}
    assert item["kind"] == "PartialObjectMetadata"
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    assert call("GET", f"{MAPS}/a", accept=accept)[1] == item


def test_an_empty_list_of_metadata_has_null_for_its_items(call: Call) -> None:
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    assert call("GET", MAPS, accept=accept, labelSelector="a=b")[1]["items"] is None
    assert call("GET", MAPS, labelSelector="a=b")[1]["items"] == []


def test_a_table_is_what_people_read(call: Call) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    assert call("GET", MAPS, accept=accept)[1]["kind"] == "Table"


def test_delete_answers_with_a_status(call: Call) -> None:
    _, body = call("POST", MAPS, config_map("a"))
    status, answer = call("DELETE", f"{MAPS}/a", {"propagationPolicy": "Background"})
    assert (status, answer["kind"], answer["status"]) == (200, "Status", "Success")
    uid = body["metadata"]["uid"]
    assert answer["details"] == {"name": "a", "kind": "configmaps", "uid": uid}
    assert call("DELETE", f"{MAPS}/a")[0] == 404


def test_a_deletion_in_the_foreground_takes_a_moment(
    server: ApiServer, call: Call, gone: Any
) -> None:
    _with_controllers(server)
    call("POST", MAPS, config_map("a"))
    status, answer = call("DELETE", f"{MAPS}/a", {"propagationPolicy": "Foreground"})
    assert (status, answer["kind"]) == (200, "ConfigMap")
    assert answer["metadata"]["deletionTimestamp"]
    assert answer["metadata"]["finalizers"] == ["foregroundDeletion"]
    gone(f"{MAPS}/a")


def test_a_deletion_has_one_of_three_policies(call: Call) -> None:
    call("POST", MAPS, config_map("a"))
    status, answer = call("DELETE", f"{MAPS}/a", {"propagationPolicy": "Sometimes"})
    assert (status, answer["details"]["causes"][0]["field"]) == (422, "propagationPolicy")


@pytest.mark.parametrize("guard", ["uid", "resourceVersion"])
def test_delete_has_preconditions(call: Call, guard: str) -> None:
    _, body = call("POST", MAPS, config_map("a"))
    status, answer = call("DELETE", f"{MAPS}/a", {"preconditions": {guard: "7"}})
    assert (status, answer["reason"]) == (409, "Conflict")
    kind = guard[0].upper() + guard[1:] if guard != "uid" else "UID"
    assert f"the {kind} in the precondition (7) does not match" in answer["message"]
    assert answer["details"] == {"name": "a", "kind": "ConfigMap"}
    right = {guard: body["metadata"][guard]}
    assert call("DELETE", f"{MAPS}/a", {"preconditions": right})[0] == 200


def test_a_dry_run_deletes_nothing(call: Call) -> None:
    call("POST", MAPS, config_map("a"))
    assert call("DELETE", f"{MAPS}/a", dryRun="All")[0] == 200
    assert call("DELETE", f"{MAPS}/a", {"dryRun": ["All"]})[0] == 200
    assert call("GET", f"{MAPS}/a")[0] == 200
    _, held = call("POST", MAPS, config_map("b", finalizers=["example.com/hold"]))
    status, answer = call("DELETE", f"{MAPS}/b", dryRun="All")
    assert (status, answer["kind"]) == (200, "ConfigMap")
    assert answer["metadata"]["deletionTimestamp"]
    assert call("GET", f"{MAPS}/b")[1] == held


def test_finalizers_hold_an_object(call: Call) -> None:
    call("POST", MAPS, config_map("a", finalizers=["example.com/hold"]))
    status, body = call("DELETE", f"{MAPS}/a")
    assert status == 200
    assert body["kind"] == "ConfigMap"
    assert body["metadata"]["deletionTimestamp"]
    # Deleting it once more neither helps nor changes anything.
    assert call("DELETE", f"{MAPS}/a") == (200, body)
    more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    assert call("PATCH", f"{MAPS}/a", more, media=MERGE)[0] == 422
    assert call("GET", f"{MAPS}/a")[1] == body
    status, last = call("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": None}}, media=MERGE)
    # What takes the last one away is not written any more.
    assert last["metadata"]["resourceVersion"] == body["metadata"]["resourceVersion"]
    assert call("GET", f"{MAPS}/a")[0] == 404


def test_what_is_being_deleted_can_be_applied(call: Call, apply: Call) -> None:
    call("POST", MAPS, config_map("a", finalizers=["example.com/hold"]))
    _, held = call("DELETE", f"{MAPS}/a")
    status, body = apply(f"{MAPS}/a", {**config_map("a"), "data": {"b": "2"}})
    assert status == 200
    assert body["data"] == {"a": "1", "b": "2"}
    assert body["metadata"]["deletionTimestamp"] == held["metadata"]["deletionTimestamp"]
    more = config_map("a", finalizers=["example.com/more"])
    status, refused = apply(f"{MAPS}/a", more)
    assert (status, refused["details"]["causes"][0]["field"]) == (422, "metadata.finalizers")
    assert "no new finalizers can be added if the object is being deleted" in refused["message"]
    call("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": None}}, media=MERGE)


def test_deleting_counts_a_generation(call: Call) -> None:
    path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
    metadata = {"name": "deny", "finalizers": ["example.com/hold"]}
    call("POST", path, {"metadata": metadata, "spec": {"podSelector": {}}})
    _, body = call("DELETE", f"{path}/deny")
    assert body["metadata"]["generation"] == 2
    call("PATCH", f"{path}/deny", {"metadata": {"finalizers": None}}, media=MERGE)
    assert call("GET", f"{path}/deny")[0] == 404


def test_delete_a_collection(call: Call) -> None:
    call("POST", MAPS, config_map("a", {"x": "1"}))
    call("POST", MAPS, config_map("b"))
    _, body = call("DELETE", MAPS, labelSelector="x")
    assert names(body) == ["a"]
    assert names(call("GET", MAPS)[1]) == ["b"]


def test_a_namespace_takes_its_content_with_it(
    server: ApiServer, call: Call, own: str, gone: Any
) -> None:
    """Not at once: the answer shows it as terminating."""
    _with_controllers(server)
    shop = f"{NAMESPACES}/{own}shop"
    call("POST", NAMESPACES, {"metadata": {"name": f"{own}shop"}})
    call("POST", f"{shop}/configmaps", config_map("a"))
    status, body = call("DELETE", shop)
    assert (status, body["kind"], body["status"]["phase"]) == (200, "Namespace", "Terminating")
    assert body["metadata"]["deletionTimestamp"]
    gone(shop)
    assert call("GET", f"{shop}/configmaps/a")[0] == 404


def test_a_namespace_waits_for_finalizers(
    server: ApiServer, call: Call, apply: Call, own: str, gone: Any
) -> None:
    _with_controllers(server)
    shop = f"{NAMESPACES}/{own}shop"
    call("POST", NAMESPACES, {"metadata": {"name": f"{own}shop"}})
    inside = f"{shop}/configmaps"
    call("POST", inside, config_map("a", finalizers=["example.com/hold"]))
    _, body = call("DELETE", shop)
    assert body["status"]["phase"] == "Terminating"
    refusals = (call("POST", inside, config_map("b")), apply(f"{inside}/b", config_map("b")))
    for status, refused in refusals:
        assert (status, refused["reason"]) == (403, "Forbidden")
        assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"
        assert "because it is being terminated" in refused["message"]
    # What is there can still be changed.
    eventually(lambda: _is_ending(call, f"{inside}/a"), "the content is deleted too")
    assert apply(f"{inside}/a", {**config_map("a"), "data": {"b": "1"}})[0] == 200
    call("PATCH", f"{inside}/a", {"metadata": {"finalizers": []}}, media=MERGE)
    gone(shop)


def _is_ending(call: Call, path: str) -> bool:
    return "deletionTimestamp" in call("GET", path)[1]["metadata"]


def _with_controllers(server: ApiServer) -> None:
    if not server.has_controllers:
        pytest.skip("without a controller manager nothing waits for dependents and goes")


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
    scaled = [e for e in body["metadata"]["managedFields"] if e.get("subresource") == "scale"]
    assert [entry["fieldsV1"] for entry in scaled] == [{"f:spec": {"f:replicas": {}}}]
    status, refused = call("PATCH", f"{path}/web/scale", {"spec": {"replicas": -1}}, media=MERGE)
    assert (status, refused["details"]["causes"][0]["field"]) == (422, "spec.replicas")


def test_the_status_subresource_changes_nothing_else(call: Call) -> None:
    path = "/api/v1/namespaces/default/services"
    call("POST", path, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    patch = {"spec": {"type": "NodePort"}, "status": {"conditions": [{"type": "Ready"}]}}
    _, body = call("PATCH", f"{path}/web/status", patch, media=MERGE)
    assert body["spec"]["type"] == "ClusterIP"
    # What its type is never written without is there too.
    condition = {"lastTransitionTime": None, "message": "", "reason": "", "status": ""}
    assert body["status"]["conditions"] == [{"type": "Ready", **condition}]
    _, again = call("PATCH", f"{path}/web", {"status": {"conditions": None}}, media=MERGE)
    assert again == body


def test_methods_that_are_not_allowed(call: Call) -> None:
    status, body = call("DELETE", NAMESPACES, labelSelector="nobody=has")
    assert (status, body["reason"]) == (405, "MethodNotAllowed")
    assert call("POST", f"{MAPS}/a", config_map("a"))[0] == 405
    assert call("PUT", MAPS, config_map("a"))[0] == 405


def test_access_reviews_allow_everything(call: Call) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    review = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods"}}}
    status, body = call("POST", path, review)
    assert (status, body["status"]["allowed"]) == (201, True)
