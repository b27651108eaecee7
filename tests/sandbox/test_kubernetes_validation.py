"""What the server refuses, with which status and which words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

CORE = "/api/v1/namespaces/default"
APPS = "/apis/apps/v1/namespaces/default"
MERGE = "application/merge-patch+json"


def deployment(**spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    full = {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    return {"metadata": {"name": "web"}, "spec": full}


def fields(body: dict[str, Any]) -> list[str]:
    return [cause["field"] for cause in body["details"]["causes"]]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{CORE}/configmaps", "Upper"),
        (f"{CORE}/configmaps", "under_score"),
        (f"{CORE}/configmaps", "a" * 254),
        (f"{CORE}/services", "1web"),
        ("/api/v1/namespaces", "a.b"),
        (f"{APPS}/deployments", "-web"),
    ],
)
def test_names_have_a_form(call: Call, path: str, name: str) -> None:
    status, body = call("POST", path, {**deployment(), "metadata": {"name": name}})
    assert (status, body["reason"]) == (422, "Invalid")
    assert "metadata.name" in fields(body)
    assert body["details"]["name"] == name


def test_roles_may_have_colons(call: Call) -> None:
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    assert call("POST", path, {"metadata": {"name": "system:reader"}, "rules": []})[0] == 201


def test_labels_have_a_form(call: Call) -> None:
    metadata = {"name": "a", "labels": {"ok": "not ok", "a/b/c": "x"}}
    status, body = call("POST", f"{CORE}/configmaps", {"metadata": metadata})
    assert (status, fields(body)) == (422, ["metadata.labels", "metadata.labels"])


def test_a_selector_matches_its_template(call: Call) -> None:
    body = deployment(selector={"matchLabels": {"app": "other"}})
    status, answer = call("POST", f"{APPS}/deployments", body)
    assert status == 422
    assert answer["message"] == (
        'Deployment.apps "web" is invalid: spec.template.metadata.labels: Invalid value: '
        '{"app": "web"}: `selector` does not match template `labels`'
    )
    assert answer["details"]["kind"] == "Deployment"
    assert fields(answer) == ["spec.template.metadata.labels"]


def test_a_selector_never_changes(call: Call) -> None:
    call("POST", f"{APPS}/deployments", deployment())
    labels = {"app": "web", "tier": "1"}
    patch = {
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}},
        }
    }
    status, body = call("PATCH", f"{APPS}/deployments/web", patch, media=MERGE)
    assert (status, fields(body)) == (422, ["spec.selector"])
    assert body["message"].endswith("field is immutable")


def test_containers_need_names_and_images(call: Call) -> None:
    containers = [{"name": "a"}, {"image": "x"}, {"name": "a", "image": "x"}]
    body = deployment()
    body["spec"]["template"]["spec"]["containers"] = containers
    status, answer = call("POST", f"{APPS}/deployments", body)
    assert status == 422
    assert fields(answer) == [
        "spec.template.spec.containers[0].image",
        "spec.template.spec.containers[1].name",
        "spec.template.spec.containers[2].name",
    ]


def test_quantities_are_checked(call: Call) -> None:
    body = deployment()
    container = body["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"limits": {"cpu": "lots"}}
    status, answer = call("POST", f"{APPS}/deployments", body)
    assert (status, fields(answer)) == (
        422,
        ["spec.template.spec.containers[0].resources.limits[cpu]"],
    )


def test_mounts_need_volumes(call: Call) -> None:
    body = deployment()
    container = body["spec"]["template"]["spec"]["containers"][0]
    container["volumeMounts"] = [{"name": "nope", "mountPath": "/x"}]
    status, answer = call("POST", f"{APPS}/deployments", body)
    assert (status, fields(answer)) == (
        422,
        ["spec.template.spec.containers[0].volumeMounts[0].name"],
    )


def test_a_services_address_never_changes(call: Call) -> None:
    call(
        "POST", f"{CORE}/services", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 1}]}}
    )
    patch = {"spec": {"clusterIP": "10.96.255.1"}}
    status, body = call("PATCH", f"{CORE}/services/web", patch, media=MERGE)
    assert (status, fields(body)) == (422, ["spec.clusterIPs[0]"])


@pytest.mark.parametrize("kind", ["configmaps", "secrets"])
def test_immutable_data_stays(call: Call, kind: str) -> None:
    body = {"metadata": {"name": "a"}, "data": {"x": "eA=="}, "immutable": True}
    call("POST", f"{CORE}/{kind}", body)
    patch = {"data": {"x": "eQ=="}}
    status, answer = call("PATCH", f"{CORE}/{kind}/a", patch, media=MERGE)
    assert (status, fields(answer)) == (422, ["data"])
    assert "field is immutable when `immutable` is set" in answer["message"]
    assert call("PATCH", f"{CORE}/{kind}/a", {"immutable": False}, media=MERGE)[0] == 422
    labels = {"metadata": {"labels": {"a": "b"}}}
    assert call("PATCH", f"{CORE}/{kind}/a", labels, media=MERGE)[0] == 200


def test_a_secret_holds_base64(call: Call) -> None:
    body = {"metadata": {"name": "a"}, "data": {"x": "not base64!"}}
    status, answer = call("POST", f"{CORE}/secrets", body)
    assert (status, answer["reason"]) == (400, "BadRequest")
    assert "illegal base64" in answer["message"]


def test_data_is_text(call: Call) -> None:
    status, answer = call(
        "POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}, "data": {"x": 1}}
    )
    assert status == 400
    assert "cannot unmarshal number into Go struct field ConfigMap.data" in answer["message"]


def test_a_jobs_template_never_changes(call: Call) -> None:
    path = "/apis/batch/v1/namespaces/default/jobs"
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}
    _, live = call(
        "POST", path, {"metadata": {"name": "once"}, "spec": {"template": {"spec": pod}}}
    )
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2"
    status, body = call("PUT", f"{path}/once", live)
    assert (status, fields(body)) == (422, ["spec.template"])


def test_a_job_needs_a_restart_policy(call: Call) -> None:
    pod = {"containers": [{"name": "c", "image": "i"}]}
    body = {"metadata": {"name": "once"}, "spec": {"template": {"spec": pod}}}
    status, answer = call("POST", "/apis/batch/v1/namespaces/default/jobs", body)
    assert (status, fields(answer)) == (422, ["spec.template.spec.restartPolicy"])


def test_a_bindings_role_never_changes(call: Call) -> None:
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    role = {"kind": "ClusterRole", "name": "view"}
    call("POST", path, {"metadata": {"name": "b"}, "roleRef": role})
    patch = {"roleRef": {"name": "edit"}}
    status, body = call("PATCH", f"{path}/b", patch, media=MERGE)
    assert (status, fields(body)) == (422, ["roleRef"])


def test_several_mistakes_are_told_together(call: Call) -> None:
    body = {"metadata": {"name": "Bad"}, "spec": {"ports": []}}
    _, answer = call("POST", f"{CORE}/services", body)
    assert fields(answer) == ["metadata.name", "spec.ports"]
    assert answer["message"].startswith('Service "Bad" is invalid: [metadata.name: ')


def test_unknown_fields_are_refused_when_strict(call: Call) -> None:
    body = deployment(foo=1)
    body["metadata"]["bar"] = 2
    status, answer = call("POST", f"{APPS}/deployments", body, fieldValidation="Strict")
    assert (status, answer["reason"]) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "metadata.bar", ' in answer["message"]
    assert 'unknown field "spec.foo"' in answer["message"]


def test_unknown_fields_are_dropped_otherwise(call: Call) -> None:
    status, body = call("POST", f"{APPS}/deployments", deployment(foo=1), fieldValidation="Ignore")
    assert status == 201
    assert "foo" not in body["spec"]


def test_an_object_can_be_too_large(call: Call) -> None:
    """etcd's limit comes as an error without a reason; a request's own limit as a 413."""
    data = {"metadata": {"name": "a"}, "rules": [{"verbs": ["x" * 1_600_000]}]}
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    status, body = call("POST", path, data)
    assert (status, body["message"]) == (500, "etcdserver: request is too large")
    data = {"metadata": {"name": "a"}, "data": {"x": "x" * 1_100_000}}
    assert call("POST", f"{CORE}/configmaps", data)[0] == 422
    status, body = call("POST", f"{CORE}/configmaps", "x" * 3_200_000)
    assert (status, body["reason"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize("body", [b"{", b"[1]", b"", b"\xff"])
def test_a_body_that_is_no_object(call: Call, body: bytes) -> None:
    status, answer = call("POST", f"{CORE}/configmaps", body)
    assert (status, answer["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("query", "field"),
    [({"dryRun": "Some"}, "dryRun"), ({"fieldValidation": "Maybe"}, "fieldValidation")],
)
def test_options_are_checked(call: Call, query: dict[str, str], field: str) -> None:
    status, answer = call("POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}}, **query)
    assert (status, fields(answer)) == (422, [field])


@pytest.mark.parametrize(
    "spec",
    [{"ports": "x"}, {"ports": ["x"]}, [], "x", {"ports": [{"port": "x"}]}, {"selector": 7}],
)
def test_nonsense_is_refused_and_breaks_nothing(call: Call, spec: Any) -> None:
    status, _ = call("POST", f"{CORE}/services", {"metadata": {"name": "web"}, "spec": spec})
    assert status in {400, 422}
    assert call("GET", f"{CORE}/services/web")[0] == 404
