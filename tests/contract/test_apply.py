"""Server-side apply: who owns which field, and what becomes of the others' fields."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

MAPS = "/api/v1/namespaces/default/configmaps"
WEB = "/apis/apps/v1/namespaces/default/deployments/web"
MERGE = "application/merge-patch+json"


def config_map(name: str = "settings", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": list(containers) or [{"name": "web", "image": "web:1"}]},
            },
            **spec,
        },
    }


def owned(body: dict[str, Any], manager: str, operation: str = "Apply") -> dict[str, Any]:
    """The fieldsV1 of the one entry of that manager."""
    (entry,) = [
        entry
        for entry in body["metadata"]["managedFields"]
        if (entry["manager"], entry["operation"]) == (manager, operation)
    ]
    fields: dict[str, Any] = entry["fieldsV1"]
    return fields


def managers(body: dict[str, Any]) -> list[tuple[str, str]]:
    """All but the controllers, which write to the status at any time."""
    return [
        (entry["manager"], entry["operation"])
        for entry in body["metadata"].get("managedFields", [])
        if entry["manager"] != "kube-controller-manager"
    ]


def containers_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body["spec"]["template"]["spec"]["containers"]
    return found


def test_an_absent_object_is_created(apply: Call) -> None:
    status, body = apply(f"{MAPS}/settings", config_map(a="1"))
    assert status == 201
    assert body["data"] == {"a": "1"}
    assert owned(body, "towline") == {"f:data": {"f:a": {}}}


def test_the_body_may_be_yaml(apply: Call) -> None:
    """Dates are text, as for the real server."""
    text = """
    # a comment
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: settings, annotations: {day: 2026-01-02}}
    data: {a: "1"}
    """
    status, body = apply(f"{MAPS}/settings", textwrap.dedent(text))
    assert status == 201
    assert body["metadata"]["annotations"] == {"day": "2026-01-02"}


def test_the_field_sets_of_lists_have_keys(apply: Call) -> None:
    """As a real server writes them, with the protocol that nobody named as part of the key."""
    container = {
        "name": "web",
        "image": "web:1",
        "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "value": "1"}],
        "command": ["run"],
    }
    _, body = apply(WEB, deployment(container))
    assert owned(body, "towline") == {
        "f:spec": {
            "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"web"}': {
                            ".": {},
                            "f:command": {},
                            "f:env": {
                                'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}},
                            },
                            "f:image": {},
                            "f:name": {},
                            "f:ports": {
                                'k:{"containerPort":80,"protocol":"TCP"}': {
                                    ".": {},
                                    "f:containerPort": {},
                                },
                            },
                        }
                    }
                },
            },
        }
    }


def test_sets_and_owner_references(apply: Call) -> None:
    config = config_map(a="1")
    config["metadata"]["finalizers"] = ["example.com/a"]
    config["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u-1"}
    ]
    _, body = apply(f"{MAPS}/settings", config)
    assert owned(body, "towline")["f:metadata"] == {
        "f:finalizers": {'v:"example.com/a"': {}},
        "f:ownerReferences": {'k:{"uid":"u-1"}': {}},
    }


@pytest.mark.parametrize("query", [{}, {"dryRun": "All"}], ids=["apply", "dry-run"])
def test_an_apply_without_changes_writes_nothing(
    apply: Call, settled: Call, query: dict[str, str]
) -> None:
    """The answer is the live object, down to its resourceVersion and times."""
    config = deployment(
        {"name": "web", "image": "web:1", "resources": {"limits": {"cpu": "1000m"}}}
    )
    assert apply(WEB, config)[0] == 201
    status, after = settled(WEB, lambda _: apply(WEB, config, **query))
    assert (status, managers(after)) == (200, [("towline", "Apply")])
    status, forced = settled(WEB, lambda _: apply(WEB, config, force=True, **query))
    assert (status, forced["metadata"]["generation"]) == (200, 1)


def test_a_field_that_is_no_longer_named_goes_away(apply: Call) -> None:
    apply(f"{MAPS}/settings", config_map(a="1", b="2"))
    _, body = apply(f"{MAPS}/settings", config_map(a="1"))
    assert body["data"] == {"a": "1"}


def test_a_map_that_loses_all_its_entries_goes_away(apply: Call) -> None:
    config = config_map(a="1")
    config["metadata"]["labels"] = {"x": "y"}
    apply(f"{MAPS}/settings", config)
    _, body = apply(f"{MAPS}/settings", config_map(a="1"))
    assert "labels" not in body["metadata"]


def test_a_field_that_someone_else_owns_too_stays(apply: Call) -> None:
    apply(f"{MAPS}/settings", config_map(a="1", b="2"))
    apply(f"{MAPS}/settings", config_map(b="2"), manager="other")
    _, body = apply(f"{MAPS}/settings", config_map(a="1"))
    assert body["data"] == {"a": "1", "b": "2"}
    assert owned(body, "other") == {"f:data": {"f:b": {}}}


def test_fields_that_were_never_named_stay(apply: Call, call: Call) -> None:
    apply(f"{MAPS}/settings", config_map(a="1"))
    call("PATCH", f"{MAPS}/settings", {"data": {"c": "3"}}, media=MERGE, fieldManager="kubectl")
    _, body = apply(f"{MAPS}/settings", config_map(a="2"))
    assert body["data"] == {"a": "2", "c": "3"}


def test_an_item_that_is_no_longer_named_goes_with_its_defaults(apply: Call) -> None:
    web, side = {"name": "web", "image": "web:1"}, {"name": "side", "image": "side:1"}
    apply(WEB, deployment(web, side))
    _, body = apply(WEB, deployment(web))
    assert [container["name"] for container in containers_of(body)] == ["web"]


def test_a_default_comes_back_when_its_field_is_no_longer_named(apply: Call) -> None:
    apply(WEB, deployment(replicas=3))
    _, body = apply(WEB, deployment())
    assert body["spec"]["replicas"] == 1
    assert body["metadata"]["generation"] == 2


def test_items_of_others_stay_beside_ours(apply: Call, update: Call) -> None:
    apply(WEB, deployment())
    injected = {"name": "injected", "image": "mesh:1"}
    status, _ = update(WEB, lambda live: containers_of(live).append(injected), fieldManager="mesh")
    assert status == 200
    _, body = apply(WEB, deployment({"name": "web", "image": "web:2"}))
    assert [(c["name"], c["image"]) for c in containers_of(body)] == [
        ("web", "web:2"),
        ("injected", "mesh:1"),
    ]


def test_a_conflict_names_the_manager_and_the_field(apply: Call, call: Call) -> None:
    apply(WEB, deployment(replicas=2))
    call("PATCH", WEB, {"spec": {"replicas": 5}}, media=MERGE, fieldManager="kubectl")
    status, body = apply(WEB, deployment(replicas=2))
    assert status == 409
    assert body["reason"] == "Conflict"
    assert body["message"] == (
        'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas'
    )
    assert body["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl" using apps/v1',
            "field": ".spec.replicas",
        }
    ]


def test_several_conflicts_are_grouped_by_manager(apply: Call) -> None:
    apply(WEB, deployment({"name": "web", "image": "web:1"}, replicas=2), manager="other")
    status, body = apply(WEB, deployment({"name": "web", "image": "web:2"}, replicas=3))
    assert status == 409
    assert body["message"] == (
        'Apply failed with 2 conflicts: conflicts with "other":\n'
        "- .spec.replicas\n"
        '- .spec.template.spec.containers[name="web"].image'
    )
    assert len(body["details"]["causes"]) == 2


def test_force_takes_the_fields_away(apply: Call, call: Call) -> None:
    apply(WEB, deployment(replicas=2))
    call("PATCH", WEB, {"spec": {"replicas": 5}}, media=MERGE, fieldManager="kubectl")
    status, body = apply(WEB, deployment(replicas=2), force=True)
    assert status == 200
    assert body["spec"]["replicas"] == 2
    assert managers(body) == [("towline", "Apply")]


def test_equal_values_are_owned_together(apply: Call) -> None:
    apply(f"{MAPS}/settings", config_map(a="1"))
    status, body = apply(f"{MAPS}/settings", config_map(a="1"), manager="other")
    assert status == 200
    assert sorted(managers(body)) == [("other", "Apply"), ("towline", "Apply")]


def test_a_patch_takes_over_what_it_changes(apply: Call, call: Call) -> None:
    apply(f"{MAPS}/settings", config_map(a="1", b="2"))
    _, body = call(
        "PATCH", f"{MAPS}/settings", {"data": {"a": "9"}}, media=MERGE, fieldManager="kubectl"
    )
    assert owned(body, "towline") == {"f:data": {"f:b": {}}}
    assert owned(body, "kubectl", "Update") == {"f:data": {"f:a": {}}}


def test_what_is_removed_is_owned_by_nobody(apply: Call, call: Call) -> None:
    apply(f"{MAPS}/settings", config_map(a="1", b="2"))
    _, body = call("PATCH", f"{MAPS}/settings", {"data": {"a": None}}, media=MERGE)
    assert body["data"] == {"b": "2"}
    assert owned(body, "towline") == {"f:data": {"f:b": {}}}


def test_creation_is_an_update_of_its_manager(call: Call) -> None:
    """As kubectl create leaves it: maps of the user have a dot, the spec has none."""
    body = deployment()
    body["metadata"]["labels"] = {"app": "web"}
    _, created = call("POST", WEB.removesuffix("/web"), body, fieldManager="kubectl-create")
    fields = owned(created, "kubectl-create", "Update")
    assert fields["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}
    assert "." not in fields["f:spec"]
    assert fields["f:spec"]["f:strategy"] == {
        "f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}},
        "f:type": {},
    }
    template = fields["f:spec"]["f:template"]
    assert template["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}
    assert template["f:spec"]["f:containers"].keys() == {'k:{"name":"web"}'}


def test_the_manager_of_a_plain_write_is_the_user_agent(call: Call) -> None:
    _, body = call("POST", MAPS, config_map(a="1"))
    assert managers(body)[0][0].startswith("python-urllib3")


def test_a_dry_run_changes_nothing(apply: Call, call: Call) -> None:
    _, before = apply(f"{MAPS}/settings", config_map(a="1"))
    status, body = apply(f"{MAPS}/settings", config_map(a="2"), dryRun="All")
    assert (status, body["data"]) == (200, {"a": "2"})
    assert call("GET", f"{MAPS}/settings")[1] == before
    assert apply(f"{MAPS}/new", config_map("new"), dryRun="All")[0] == 201
    assert call("GET", f"{MAPS}/new")[0] == 404


def test_a_version_in_the_body_is_a_precondition(apply: Call) -> None:
    _, body = apply(f"{MAPS}/settings", config_map(a="1"))
    version = body["metadata"]["resourceVersion"]
    config = config_map(a="2")
    config["metadata"]["resourceVersion"] = version
    assert apply(f"{MAPS}/settings", config)[0] == 200
    status, refused = apply(f"{MAPS}/settings", {**config, "data": {"a": "3"}})
    assert status == 409
    assert "the object has been modified" in refused["message"]


def test_a_version_alone_does_not_prevent_creation(apply: Call) -> None:
    """A surprise of the real server, which only a uid prevents."""
    config = config_map(a="1")
    config["metadata"]["resourceVersion"] = "4711"
    assert apply(f"{MAPS}/settings", config)[0] == 201


def test_a_uid_in_the_body_is_a_precondition(apply: Call) -> None:
    config = config_map(a="1")
    config["metadata"]["uid"] = "of-another-life"
    status, body = apply(f"{MAPS}/settings", config)
    assert status == 409
    assert "no existing object was found" in body["message"]
    apply(f"{MAPS}/settings", config_map(a="1"))
    status, body = apply(f"{MAPS}/settings", config)
    assert (status, body["reason"]) == (422, "Invalid")
    assert body["details"]["causes"][0]["field"] == "metadata.uid"
    assert body["message"].endswith("field is immutable")


def test_managed_fields_in_the_body_are_refused(apply: Call) -> None:
    config = config_map(a="1")
    config["metadata"]["managedFields"] = []
    status, body = apply(f"{MAPS}/settings", config)
    assert status == 400
    assert body["message"] == "metadata.managedFields must be nil"


def test_an_apply_needs_a_manager(call: Call) -> None:
    media = "application/apply-patch+yaml"
    status, body = call("PATCH", f"{MAPS}/settings", config_map(), media=media)
    assert status == 422
    assert body["details"]["causes"][0]["field"] == "fieldManager"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metadata": {"name": "other"}}, "does not match the name on the URL"),
        ({"metadata": {"name": "settings", "namespace": "x"}}, "namespace of the provided object"),
        ({"metadata": {}}, "(settings based on URL) was undeterminable: name must be provided"),
        ({"kind": "Secret"}, "invalid object type: /v1, Kind=Secret"),
        ({"kind": ""}, "invalid object type: /v1, Kind="),
        ({"apiVersion": "v2"}, "invalid object type: /v2, Kind=ConfigMap"),
    ],
)
def test_the_body_must_be_about_the_url(apply: Call, change: dict[str, Any], words: str) -> None:
    status, body = apply(f"{MAPS}/settings", {**config_map(), **change})
    assert status == 400
    assert words in body["message"]


def test_an_unknown_field_is_an_internal_error(apply: Call) -> None:
    """So the real server answers, whatever `fieldValidation` says."""
    status, body = apply(WEB, deployment(replica=2), fieldValidation="Strict")
    assert status == 500
    assert "reason" not in body
    assert body["message"] == (
        "failed to create typed patch object (/web; apps/v1, Kind=Deployment): "
        ".spec.replica: field not declared in schema"
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"selector": {"match": {}}}, ".spec.selector.match: field not declared in schema"),
        ({"replicas": "3"}, ".spec.replicas: expected numeric (int or float), got string"),
        ({"paused": "x"}, ".spec.paused: expected boolean, got &{x}"),
        ({"strategy": []}, ".spec.strategy: expected map, got &{[]}"),
        ({"template": {"spec": {"containers": 7}}}, "containers: expected list, got &{7}"),
        ({"template": {"spec": {"hostname": 7}}}, ".spec.template.spec.hostname: expected string"),
    ],
)
def test_what_does_not_fit_the_schema_is_an_internal_error(
    apply: Call, spec: dict[str, Any], words: str
) -> None:
    status, body = apply(WEB, deployment(**spec))
    assert (status, body.get("reason")) == (500, None)
    assert body["message"].startswith("failed to create typed patch object (")
    assert words in body["message"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"replicas": 1.5}, "cannot convert float64 to int32"),
        ({"template": {"spec": {"overhead": {"cpu": "lots"}}}}, "quantities must match"),
    ],
)
def test_what_cannot_be_decoded_is_an_internal_error_too(
    apply: Call, change: dict[str, Any], words: str
) -> None:
    """Though the patch fits the schema: again neither a 4xx nor a reason."""
    status, body = apply(WEB, deployment(**change))
    assert (status, body.get("reason")) == (500, None)
    assert body["message"].startswith("failed to convert new object (/web; apps/v1, Kind=Depl")
    assert words in body["message"]


def test_two_items_with_one_key_are_refused(apply: Call) -> None:
    one = {"name": "web", "image": "web:1"}
    status, body = apply(WEB, deployment(one, one))
    assert status == 500
    assert body["message"].endswith(
        '.spec.template.spec.containers: duplicate entries for key [name="web"]'
    )


def test_an_item_without_its_key_is_refused(apply: Call) -> None:
    """Where the key has a default, be it an empty one, only validation notices."""
    status, body = apply(WEB, deployment({"image": "web:1"}))
    assert status == 422
    field = "spec.template.spec.containers[0].name"
    assert [cause["field"] for cause in body["details"]["causes"]] == [field]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "me"}}
    path = "/api/v1/namespaces/default/serviceaccounts/me"
    status, body = apply(path, {**account, "secrets": [{"namespace": "x"}]})
    assert status == 500
    assert 'an element that omits all key fields ["name"]' in body["message"]


def test_an_update_keeps_what_it_took_and_did_not_name_again(apply: Call, call: Call) -> None:
    """Giving up a field that an updater owns leaves its value alone."""
    apply(WEB, deployment(replicas=2))
    call("PATCH", WEB, {"spec": {"replicas": 5}}, media=MERGE, fieldManager="hpa")
    _, body = apply(WEB, deployment())
    assert body["spec"]["replicas"] == 5
    assert owned(body, "hpa", "Update") == {"f:spec": {"f:replicas": {}}}


def test_a_secrets_dropped_plain_text_stays_as_data(apply: Call) -> None:
    """The server turns stringData into data, and owns nothing of that to the applier."""
    path = "/api/v1/namespaces/default/secrets/keys"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}
    _, body = apply(path, {**secret, "stringData": {"a": "x", "b": "y"}})
    assert body["data"] == {"a": "eA==", "b": "eQ=="}
    assert "stringData" not in body
    _, body = apply(path, {**secret, "stringData": {"a": "x"}})
    assert body["data"] == {"a": "eA==", "b": "eQ=="}


def test_status_is_not_applied_with_the_rest(apply: Call) -> None:
    _, body = apply(WEB, {**deployment(), "status": {"replicas": 3}})
    assert "replicas" not in body["status"]
    assert "f:status" not in owned(body, "towline")


def test_status_is_applied_through_its_subresource(apply: Call) -> None:
    """With null for the times that a condition lacks, and for others nothing."""
    service = "/api/v1/namespaces/default/services/web"
    ports = {"spec": {"ports": [{"port": 80}]}}
    identity = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    apply(service, {**identity, **ports})
    condition = {"type": "example.com/Ready", "status": "True"}
    config = {**identity, "status": {"conditions": [condition]}}
    status, body = apply(f"{service}/status", config, manager="controller")
    assert status == 200
    added = {"reason": "", "message": "", "lastTransitionTime": None}
    assert body["status"]["conditions"] == [{**condition, **added}]
    (entry,) = [e for e in body["metadata"]["managedFields"] if e["manager"] == "controller"]
    assert entry["subresource"] == "status"
    assert list(entry["fieldsV1"]) == ["f:status"]
    assert body["spec"]["ports"][0]["port"] == 80


def test_resetting_the_tracking(apply: Call, call: Call) -> None:
    apply(f"{MAPS}/settings", config_map(a="1"))
    patch: dict[str, Any] = {"metadata": {"managedFields": [{}]}}
    _, body = call("PATCH", f"{MAPS}/settings", patch, media=MERGE)
    assert managers(body) == []


def test_spurious_conflicts_over_equal_quantities(apply: Call, call: Call) -> None:
    """The server compares the text that was applied with its canonical form."""
    limits = {"name": "web", "image": "web:1", "resources": {"limits": {"cpu": "1000m"}}}
    call("POST", WEB.removesuffix("/web"), deployment(limits), fieldManager="creator")
    status, body = apply(WEB, deployment(limits))
    assert status == 409
    assert body["details"]["causes"][0]["field"].endswith(".resources.limits.cpu")
