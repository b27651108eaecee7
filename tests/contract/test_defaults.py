"""What the server adds and normalises: live objects differ from their manifests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from towline.sandbox.kubernetes.quantities import canonical

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

CORE = "/api/v1/namespaces/default"


def workload(kind: str, **container: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web:1", **container}]},
    }
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        (0.5, "500m"),
        (2, "2"),
        ("0.1", "100m"),
        ("1500m", "1500m"),
        ("1024Mi", "1Gi"),
        ("0.5Gi", "512Mi"),
        ("1.5Gi", "1536Mi"),
        ("1000Ki", "1000Ki"),
        ("1000", "1k"),
        ("1e3", "1e3"),
        ("128974848", "128974848"),
        ("129M", "129M"),
        ("1000M", "1G"),
        ("512Mi", "512Mi"),
        ("0", "0"),
        ("0Mi", "0"),
        ("-1000m", "-1"),
    ],
)
def test_quantities_have_a_canonical_form(given: str | float, expected: str) -> None:
    assert canonical(given) == expected


@pytest.mark.parametrize("text", ["", "1x", "Mi", "1 Gi", "1.2.3", "True"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        canonical(text)


def test_a_deployment_is_completed(call: Call) -> None:
    body = workload("Deployment", ports=[{"containerPort": 80}])
    _, live = call("POST", "/apis/apps/v1/namespaces/default/deployments", body)
    spec = live["spec"]
    assert spec["replicas"] == 1
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Always"
    assert pod["securityContext"] == {}
    assert pod["containers"] == [
        {
            "name": "web",
            "image": "web:1",
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"containerPort": 80, "protocol": "TCP"}],
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        }
    ]


def test_a_daemon_set_and_a_stateful_set_are_completed(call: Call) -> None:
    _, daemon = call("POST", "/apis/apps/v1/namespaces/default/daemonsets", workload("DaemonSet"))
    assert daemon["spec"]["updateStrategy"]["type"] == "RollingUpdate"
    body = workload("StatefulSet")
    body["spec"]["volumeClaimTemplates"] = [
        {
            "metadata": {"name": "data"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1024Mi"}},
            },
        }
    ]
    body["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [
        {"name": "data", "mountPath": "/data"}
    ]
    status, live = call("POST", "/apis/apps/v1/namespaces/default/statefulsets", body)
    assert status == 201, live["message"]
    (claim,) = live["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"] == {"requests": {"storage": "1Gi"}}
    assert claim["spec"]["volumeMode"] == "Filesystem"
    assert live["spec"]["podManagementPolicy"] == "OrderedReady"


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("registry:5000/web", "Always"),
        ("registry:5000/web:1.2", "IfNotPresent"),
        ("web@sha256:abc", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(call: Call, image: str, policy: str) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": image}]}}
    _, live = call("POST", f"{CORE}/pods", pod)
    assert live["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_what_go_omits_is_gone(call: Call) -> None:
    """Empty and zero values that the server's types leave out when they encode."""
    body = workload(
        "Deployment",
        env=[{"name": "EMPTY", "value": ""}],
        args=[],
        stdin=False,
        volumeMounts=[{"name": "tmp", "mountPath": "/tmp", "readOnly": False}],  # noqa: S108
        securityContext={"privileged": False},
    )
    body["metadata"] |= {"labels": {}, "annotations": None, "creationTimestamp": None}
    body["spec"]["minReadySeconds"] = 0
    body["spec"]["template"]["spec"] |= {
        "hostNetwork": False,
        "nodeSelector": {},
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    _, live = call("POST", "/apis/apps/v1/namespaces/default/deployments", body)
    pod = live["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "minReadySeconds" not in live["spec"]
    assert "labels" not in live["metadata"]
    assert not {"hostNetwork", "nodeSelector"} & pod.keys()
    assert not {"args", "stdin"} & container.keys()
    assert container["env"] == [{"name": "EMPTY"}]
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    assert container["securityContext"] == {"privileged": False}
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {}}]


def test_a_service_gets_an_address_and_keeps_it(call: Call) -> None:
    body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    _, live = call("POST", f"{CORE}/services", body)
    spec = live["spec"]
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (spec["type"], spec["sessionAffinity"]) == ("ClusterIP", "None")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert live["status"] == {"loadBalancer": {}}
    fields = live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    assert "f:clusterIP" not in fields
    _, replaced = call("PUT", f"{CORE}/services/web", body)
    assert replaced["spec"]["clusterIP"] == spec["clusterIP"]


def test_a_headless_service_stays_headless(call: Call) -> None:
    body = {"metadata": {"name": "web"}, "spec": {"clusterIP": "None"}}
    _, live = call("POST", f"{CORE}/services", body)
    assert live["spec"]["clusterIPs"] == ["None"]


def test_a_node_port_is_allocated_once(call: Call) -> None:
    body = {"metadata": {"name": "web"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    _, live = call("POST", f"{CORE}/services", body)
    port = live["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port < 32768
    assert call("PUT", f"{CORE}/services/web", body)[1]["spec"]["ports"][0]["nodePort"] == port


def test_a_secret_is_opaque_and_encoded(call: Call) -> None:
    body = {"metadata": {"name": "s"}, "data": {"a": "eA=="}, "stringData": {"b": "y"}}
    _, live = call("POST", f"{CORE}/secrets", body)
    assert live["type"] == "Opaque"
    assert live["data"] == {"a": "eA==", "b": "eQ=="}
    assert "stringData" not in live


def test_a_namespace_is_active_and_labelled(call: Call, own: str) -> None:
    name = f"{own}shop"
    _, live = call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert live["status"] == {"phase": "Active"}
    assert live["spec"] == {"finalizers": ["kubernetes"]}
    assert live["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}


def test_a_job_selects_its_own_pods(call: Call) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
    body = {"metadata": {"name": "once"}, "spec": {"template": {"spec": pod}}}
    path = "/apis/batch/v1/namespaces/default/jobs"
    status, live = call("POST", path, body)
    assert status == 201
    uid = live["metadata"]["uid"]
    assert live["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert live["spec"]["template"]["metadata"]["labels"]["job-name"] == "once"
    assert (live["spec"]["completions"], live["spec"]["parallelism"]) == (1, 1)
    assert live["metadata"]["labels"] == live["spec"]["template"]["metadata"]["labels"]
    # Nothing of that is kept for who replaces the Job without it.
    status, refused = call("PUT", f"{path}/once", body)
    assert status == 422
    causes = [cause["field"] for cause in refused["details"]["causes"]]
    assert causes[0] == "spec.selector"


def test_a_job_may_be_applied_again(apply: Call, settled: Call) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"template": {"spec": pod}},
    }
    path = "/apis/batch/v1/namespaces/default/jobs/once"
    assert apply(path, body)[0] == 201
    assert settled(path, lambda _: apply(path, body))[0] == 200


def test_a_config_map_is_left_alone(call: Call) -> None:
    body = {"metadata": {"name": "c"}, "data": {"a": "", "b": "x"}}
    _, live = call("POST", f"{CORE}/configmaps", body)
    assert live.keys() == {"kind", "apiVersion", "metadata", "data"}
    assert live["data"] == {"a": "", "b": "x"}
