"""What the server refuses, with which status and which words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.servers import ApiServer
from tests.contract.widgets import Widgets
from towline.adapters.kubernetes import connection

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

CORE = "/api/v1/namespaces/default"
APPS = "/apis/apps/v1/namespaces/default"
MERGE = "application/merge-patch+json"
LOTS = {"limits": {"cpu": "lots"}}


def deployment(**spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    full = {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    return {"metadata": {"name": "web"}, "spec": full}


def fields(body: dict[str, Any]) -> list[str]:
    return [cause["field"] for cause in body["details"]["causes"]]


def is_immutable(status: int, answer: dict[str, Any]) -> bool:
    """Whether it is taken for a field that never changes: the object may be deleted for it."""
    return connection._refusal(status, json.dumps(answer).encode()).refusal.immutable


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{CORE}/configmaps", "Upper"),
        (f"{CORE}/configmaps", "under_score"),
        (f"{CORE}/configmaps", "a" * 254),
        (f"{CORE}/services", "web.a"),
        ("/api/v1/namespaces", "a.b"),
        (f"{APPS}/deployments", "-web"),
    ],
)
def test_names_have_a_form(call: Call, path: str, name: str) -> None:
    body: dict[str, Any] = {"metadata": {"name": name}}
    if "deployments" in path:
        body = {**deployment(), **body}
    if "services" in path:
        body["spec"] = {"ports": [{"port": 1}]}
    status, body = call("POST", path, body)
    assert (status, body["reason"]) == (422, "Invalid")
    assert "metadata.name" in fields(body)
    assert body["details"]["name"] == name


def test_roles_may_have_colons(call: Call, own: str) -> None:
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    assert call("POST", path, {"metadata": {"name": f"{own}x:reader"}, "rules": []})[0] == 201


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
        '{"app":"web"}: `selector` does not match template `labels`'
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
    assert is_immutable(status, body)


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
    assert (status, answer["reason"]) == (400, "BadRequest")
    assert "quantities must match the regular expression" in answer["message"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"replicas": "3"}, "string into Go struct field DeploymentSpec.spec.replicas of type int"),
        ({"replicas": 1.5}, "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type"),
        ({"paused": "x"}, "string into Go struct field DeploymentSpec.spec.paused of type bool"),
        ({"selector": 3}, "number into Go struct field DeploymentSpec.spec.selector of type"),
        ({"strategy": []}, "array into Go struct field DeploymentSpec.spec.strategy of type"),
    ],
)
def test_values_have_types(call: Call, spec: dict[str, Any], words: str) -> None:
    status, body = call("POST", f"{APPS}/deployments", deployment(**spec))
    assert (status, body["reason"]) == (400, "BadRequest")
    assert f"cannot be handled as a Deployment: json: cannot unmarshal {words}" in body["message"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [("1000m", "1"), ("0.5", "500m"), (2, "2"), (0.1, "100m"), ("1024Mi", "1Gi"), ("1e3", "1e3")],
)
def test_quantities_are_shown_in_one_form(
    apply: Call, settled: Call, given: Any, shown: str
) -> None:
    """However they are spelled; the spelling is nobody's concern afterwards."""
    config = {"apiVersion": "apps/v1", "kind": "Deployment", **deployment()}
    container = config["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"limits": {"memory": given}}
    path = f"{APPS}/deployments/web"
    _, live = apply(path, config)
    (found,) = live["spec"]["template"]["spec"]["containers"]
    assert found["resources"]["limits"] == {"memory": shown}
    assert settled(path, lambda _: apply(path, config))[0] == 200


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
    assert is_immutable(status, body)


@pytest.mark.parametrize("kind", ["configmaps", "secrets"])
def test_immutable_data_stays(call: Call, kind: str) -> None:
    body = {"metadata": {"name": "a"}, "data": {"x": "eA=="}, "immutable": True}
    call("POST", f"{CORE}/{kind}", body)
    patch = {"data": {"x": "eQ=="}}
    status, answer = call("PATCH", f"{CORE}/{kind}/a", patch, media=MERGE)
    assert (status, fields(answer)) == (422, ["data"])
    assert "field is immutable when `immutable` is set" in answer["message"]
    assert is_immutable(status, answer)
    status, answer = call("PATCH", f"{CORE}/{kind}/a", {**patch, "immutable": None}, media=MERGE)
    assert (status, fields(answer)) == (422, ["immutable", "data"])
    assert is_immutable(status, answer)
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


def test_a_jobs_template_never_changes(call: Call, update: Call) -> None:
    path = "/apis/batch/v1/namespaces/default/jobs"
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}
    call("POST", path, {"metadata": {"name": "once"}, "spec": {"template": {"spec": pod}}})

    def change(body: dict[str, Any]) -> None:
        body["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2"

    status, body = update(f"{path}/once", change)
    assert (status, fields(body)) == (422, ["spec.template"])
    assert body["message"].endswith("field is immutable")
    assert is_immutable(status, body)


def test_a_job_needs_a_restart_policy(call: Call) -> None:
    pod = {"containers": [{"name": "c", "image": "i"}]}
    body = {"metadata": {"name": "once"}, "spec": {"template": {"spec": pod}}}
    status, answer = call("POST", "/apis/batch/v1/namespaces/default/jobs", body)
    assert (status, fields(answer)) == (422, ["spec.template.spec.restartPolicy"])


@pytest.mark.parametrize("where", ["clusterrolebindings", "namespaces/default/rolebindings"])
def test_a_bindings_role_never_changes(call: Call, own: str, where: str) -> None:
    path = f"/apis/rbac.authorization.k8s.io/v1/{where}"
    role = {"kind": "ClusterRole", "name": "view"}
    call("POST", path, {"metadata": {"name": f"{own}b"}, "roleRef": role})
    patch = {"roleRef": {"name": "edit"}}
    status, body = call("PATCH", f"{path}/{own}b", patch, media=MERGE)
    assert (status, fields(body)) == (422, ["roleRef"])
    assert body["message"].endswith("field is immutable")
    assert is_immutable(status, body)


IMMUTABLE: dict[str, tuple[str, Any, Any, list[str], str]] = {
    "a Deployment's selector": (
        f"{APPS}/deployments",
        {"spec": deployment()["spec"]},
        {
            "spec": {
                "selector": {"matchLabels": {"x": "y"}},
                "template": {"metadata": {"labels": {"x": "y"}}},
            }
        },
        ["spec.selector"],
        "field is immutable",
    ),
    "a StatefulSet's service": (
        f"{APPS}/statefulsets",
        {"spec": deployment()["spec"]},
        {"spec": {"serviceName": "x"}},
        ["spec.serviceName"],
        "field is immutable",
    ),
    "a StatefulSet's claims": (
        f"{APPS}/statefulsets",
        {"spec": deployment()["spec"]},
        {
            "spec": {
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "a"},
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": "1Gi"}},
                        },
                    }
                ]
            }
        },
        ["spec.volumeClaimTemplates"],
        "field is immutable",
    ),
    "a claim": (
        f"{CORE}/persistentvolumeclaims",
        {
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            }
        },
        {"spec": {"accessModes": ["ReadWriteMany"]}},
        ["spec"],
        "spec is immutable after creation",
    ),
    "a Service's address": (
        f"{CORE}/services",
        {"spec": {"ports": [{"port": 1}]}},
        {"spec": {"clusterIP": "None"}},
        ["spec.clusterIPs[0]"],
        "may not change once set",
    ),
    "a Secret's type": (
        f"{CORE}/secrets",
        {"data": {}},
        {"type": "example.com/x"},
        ["type"],
        "field is immutable",
    ),
    "a class's parameters": (
        "/apis/storage.k8s.io/v1/storageclasses",
        {"provisioner": "example.com/x", "parameters": {"a": "b"}},
        {"parameters": {"a": "c"}},
        ["parameters"],
        "field is immutable",
    ),
    "a class's priority": (
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        {"value": 1},
        {"value": 2},
        ["value"],
        "may not be changed in an update.",
    ),
    "a Pod": (
        f"{CORE}/pods",
        {"spec": {"containers": [{"name": "c", "image": "i"}]}},
        {"spec": {"containers": [{"name": "c", "image": "i", "command": ["x"]}]}},
        ["spec"],
        "pod updates may not change fields other than",
    ),
}


@pytest.mark.parametrize("what", IMMUTABLE)
def test_what_never_changes_is_refused_in_these_words(call: Call, own: str, what: str) -> None:
    path, body, patch, named, words = IMMUTABLE[what]
    status, answer = call("POST", path, {"metadata": {"name": f"{own}x"}, **body})
    assert status == 201, answer
    status, answer = call("PATCH", f"{path}/{own}x", patch, media=MERGE)
    assert (status, answer["reason"], fields(answer)) == (422, "Invalid", named)
    assert words in answer["message"]
    assert is_immutable(status, answer)


@pytest.mark.parametrize("spec", [{"scope": "Cluster"}, {"names": {"kind": "Gadget"}}])
@pytest.mark.usefixtures("defined")
def test_a_definitions_scope_and_kind_never_change(
    call: Call, widgets: Widgets, spec: dict[str, Any]
) -> None:
    status, answer = call("PATCH", widgets.definition, {"spec": spec}, media=MERGE)
    assert (status, answer["reason"]) == (422, "Invalid")
    assert is_immutable(status, answer)


WRONG_LABEL = {"labels": {"a": "field is immutable"}}
WRONG: dict[str, dict[str, Any]] = {
    "a number": {"spec": {"ports": [{"port": 70000}]}},
    "a value that has the words": {"metadata": WRONG_LABEL},
    "a value that is none of several": {"spec": {"type": "field is immutable"}},
    "beside what never changes": {"metadata": WRONG_LABEL, "spec": {"clusterIP": "10.96.255.1"}},
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_not_taken_for_what_never_changes(call: Call, what: str) -> None:
    """Neither the object's name nor the values in the answer say so."""
    body = {"metadata": {"name": "immutable-web"}, "spec": {"ports": [{"port": 80}]}}
    call("POST", f"{CORE}/services", body)
    status, answer = call("PATCH", f"{CORE}/services/immutable-web", WRONG[what], media=MERGE)
    assert (status, answer["reason"]) == (422, "Invalid")
    assert "immutable" in answer["message"]
    assert not is_immutable(status, answer)


@pytest.mark.parametrize(
    "spec",
    [
        {"replicas": 1.5},
        {"replicas": "two"},
        {"replica": 2},
        {"template": {"spec": {"containers": [{"name": "web", "resources": LOTS}]}}},
    ],
)
def test_what_does_not_fit_its_type_is_not_worth_another_try(apply: Call, spec: Any) -> None:
    """The server calls it an internal error of its own, and says so without a reason."""
    body = {"apiVersion": "apps/v1", "kind": "Deployment", **deployment(**spec)}
    status, answer = apply(f"{APPS}/deployments/web", body)
    assert (status, answer.get("reason")) == (500, None)
    assert connection._is_final(json.dumps(answer).encode())


def test_a_suspended_jobs_pod_is_named_in_another_way(apply: Call) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"suspend": True, "template": {"spec": pod}},
    }
    path = "/apis/batch/v1/namespaces/default/jobs/once"
    apply(path, job)
    pod["containers"] = [{"name": "c", "image": "i:2"}]
    status, body = apply(path, job)
    assert (status, fields(body)) == (422, ["spec.template.spec"])
    assert body["message"].endswith("field is immutable")


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


def test_unknown_fields_are_found_everywhere(call: Call) -> None:
    """Also in what is owned as a whole."""
    body = deployment()
    body["spec"]["selector"]["x"] = 1
    body["spec"]["template"]["spec"]["affinity"] = {"podAffinity": {"x": 1}}
    status, answer = call("POST", f"{APPS}/deployments", body, fieldValidation="Strict")
    assert status == 400
    for path in ("spec.selector.x", "spec.template.spec.affinity.podAffinity.x"):
        assert f'unknown field "{path}"' in answer["message"]


TWICE = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1","x":"2"}}'
TWICE_IN_YAML = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: '1'\n  x: '2'\n"
SAID = 'key "x" already set in map'


@pytest.mark.parametrize(
    ("method", "body", "media", "words"),
    [
        ("POST", TWICE, "application/json", 'duplicate field "data.x"'),
        ("POST", TWICE_IN_YAML, "application/yaml", SAID),
        ("PATCH", TWICE, "application/apply-patch+yaml", SAID),
        ("PATCH", TWICE_IN_YAML, "application/apply-patch+yaml", SAID),
    ],
)
def test_a_field_twice_is_refused_when_strict(
    call: Call, method: str, body: str, media: str, words: str
) -> None:
    path, query = f"{CORE}/configmaps", {"fieldManager": "towline"}
    if method == "PATCH":
        path = f"{path}/a"
    status, answer = call(method, path, body, media=media, fieldValidation="Strict", **query)
    assert (status, answer["reason"]) == (400, "BadRequest")
    assert words in answer["message"]
    assert "strict decoding" in answer["message"]
    status, answer = call(method, path, body, media=media, **query)
    assert (status, answer["data"]) == (201, {"x": "2"})


def test_warnings_name_what_is_unknown_or_there_twice(server: ApiServer, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = '{"metadata":{"name":"a"},"data":{"x":"1","x":"2"},"foo":1}'
    response = server.request("POST", path, body, {"Content-Type": "application/json"})
    assert response.status == 201
    warnings = response.headers.getlist("Warning")
    assert sorted(warnings) == [
        r'299 - "duplicate field \"data.x\""',
        r'299 - "unknown field \"foo\""',
    ]


def test_an_object_can_be_too_large(call: Call, apply: Call, own: str) -> None:
    """etcd's limit comes as an error without a reason; a request's own limit as a 413."""
    rule = {"verbs": ["x" * 1_600_000], "apiGroups": [""], "resources": ["pods"]}
    role = {"metadata": {"name": f"{own}a"}, "rules": [rule]}
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    identity = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    for status, body in (
        call("POST", path, role),
        apply(f"{path}/{own}a", {**identity, **role}),
    ):
        assert (status, body["message"]) == (500, "etcdserver: request is too large")
        assert "reason" not in body
    data = {"metadata": {"name": "a"}, "data": {"x": "x" * 1_100_000}}
    status, body = call("POST", f"{CORE}/configmaps", data)
    assert (status, fields(body)) == (422, ["[]"])
    assert "Too long: may not be more than 1048576 bytes" in body["message"]
    status, body = call("POST", f"{CORE}/configmaps", "x" * 3_200_000)
    assert (status, body["reason"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize("body", [b"{", b"[1]", b"", b"\xff", b'"x"'])
def test_a_body_that_is_no_object(call: Call, body: bytes) -> None:
    status, answer = call("POST", f"{CORE}/configmaps", body)
    assert (status, answer["reason"]) == (400, "BadRequest")
    assert "the object provided is unrecognized" in answer["message"]


@pytest.mark.parametrize("body", [b"{", b"[1]", b"", b"a: [", b'"x"'])
def test_a_body_that_cannot_be_applied(call: Call, body: bytes) -> None:
    media = "application/apply-patch+yaml"
    path = f"{CORE}/configmaps/a"
    status, answer = call("PATCH", path, body, media=media, fieldManager="towline")
    assert (status, answer["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("method", "media"),
    [("POST", "text/plain"), ("PATCH", "application/json"), ("PATCH", "text/plain")],
)
def test_a_form_that_is_not_read(call: Call, method: str, media: str) -> None:
    call("POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}})
    path = f"{CORE}/configmaps/a" if method == "PATCH" else f"{CORE}/configmaps"
    status, answer = call(method, path, "{}", media=media)
    assert (status, answer["reason"]) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/merge-patch+json", "{"),
        ("application/merge-patch+json", "[]"),
        ("application/json-patch+json", "{}"),
    ],
)
def test_a_patch_that_cannot_be_read(call: Call, media: str, body: str) -> None:
    call("POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}})
    status, answer = call("PATCH", f"{CORE}/configmaps/a", body, media=media)
    assert (status, answer["reason"]) == (400, "BadRequest")


def test_a_new_object_has_no_version(call: Call) -> None:
    body = {"metadata": {"name": "a", "resourceVersion": "1"}}
    status, answer = call("POST", f"{CORE}/configmaps", body)
    assert (status, answer.get("reason")) == (500, None)
    assert answer["message"] == "resourceVersion should not be set on objects to be created"


def test_a_uid_is_a_precondition_of_a_replacement(call: Call) -> None:
    call("POST", f"{CORE}/configmaps", {"metadata": {"name": "a"}})
    body = {"metadata": {"name": "a", "uid": "of-another-life"}}
    status, answer = call("PUT", f"{CORE}/configmaps/a", body)
    assert (status, answer["reason"]) == (409, "Conflict")
    assert "Precondition failed: UID in precondition: of-another-life" in answer["message"]
    # To a patch it is an attempt to change it.
    status, answer = call("PATCH", f"{CORE}/configmaps/a", body, media=MERGE)
    assert (status, fields(answer)) == (422, ["metadata.uid"])


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
