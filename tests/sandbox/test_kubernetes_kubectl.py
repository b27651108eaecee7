"""What people do with kubectl works against the sandbox, without extra flags."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from towline.sandbox.kubernetes import SandboxCluster

Kubectl = Callable[..., str]

BINARY = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
pytestmark = pytest.mark.skipif(BINARY is None, reason="kubectl is not installed")

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        },
    },
}

DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


@pytest.fixture
def kubectl(cluster: SandboxCluster, tmp_path: Path) -> Kubectl:
    """`kubectl(*arguments, given=object)`: what it printed; fails with what it complained of."""
    config = tmp_path / "kubeconfig"
    cluster.write_kubeconfig(config)
    environment = {"HOME": str(tmp_path), "KUBECONFIG": str(config), "PATH": "/usr/bin:/bin"}

    def run(*arguments: str, given: Any = None, code: int = 0) -> str:
        result = subprocess.run(
            [str(BINARY), *arguments],
            input=json.dumps(given) if given else None,
            capture_output=True,
            env=environment,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == code, result.stderr
        return result.stdout if code == 0 else result.stderr

    return run


def test_server_side_apply(kubectl: Kubectl) -> None:
    said = kubectl("apply", "--server-side", "-f", "-", given=DEPLOYMENT)
    assert said == "deployment.apps/web serverside-applied\n"
    assert "web" in kubectl("get", "deployments")
    kubectl("scale", "deployment/web", "--replicas=5")
    refused = kubectl("apply", "--server-side", "-f", "-", given=DEPLOYMENT, code=1)
    assert (
        'conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas' in refused
    )
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=DEPLOYMENT)
    assert kubectl("get", "deploy/web", "-o", "jsonpath={.spec.replicas}") == "2"


def test_client_side_apply(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", given=DEPLOYMENT) == "deployment.apps/web created\n"
    assert kubectl("apply", "-f", "-", given=DEPLOYMENT) == "deployment.apps/web unchanged\n"
    changed = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 3}}  # type: ignore[dict-item]
    assert kubectl("apply", "-f", "-", given=changed) == "deployment.apps/web configured\n"


def test_changes_by_hand(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=DEPLOYMENT)
    kubectl("label", "deployment/web", "tier=front")
    kubectl("annotate", "deployment/web", "note=x")
    kubectl("set", "image", "deployment/web", "web=web:2")
    kubectl("patch", "deployment/web", "-p", '{"spec":{"replicas":7}}')
    body = json.loads(kubectl("get", "deployment/web", "-o", "json"))
    assert body["metadata"]["labels"] == {"tier": "front"}
    assert body["spec"]["replicas"] == 7
    assert body["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert "tier" not in kubectl("get", "deploy", "-l", "tier!=front", "-o", "name")
    kubectl("delete", "deployment/web")
    assert "NotFound" in kubectl("get", "deployment/web", code=1)


def test_definitions(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=DEFINITION)
    kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=20s")
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    kubectl("apply", "--server-side", "-f", "-", given={**widget, "spec": {"a": [1]}})
    assert kubectl("get", "wd", "-o", "name") == "widget.example.com/w\n"
    kubectl("delete", "crd/widgets.example.com")


def test_waiting_for_a_deletion(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=DEPLOYMENT)
    kubectl("delete", "deployment/web", "--wait=true")
    kubectl("wait", "--for=delete", "deployment/web", "--timeout=20s")


def test_creating_by_hand(kubectl: Kubectl) -> None:
    """kubectl sends these in protobuf."""
    kubectl("create", "namespace", "shop")
    kubectl("create", "configmap", "c", "-n", "shop", "--from-literal=a=b")
    kubectl("create", "secret", "generic", "s", "-n", "shop", "--from-literal=a=b")
    kubectl("create", "serviceaccount", "me", "-n", "shop")
    kubectl("create", "deployment", "web", "-n", "shop", "--image=web:1", "--replicas=3")
    text = kubectl("get", "cm/c", "secret/s", "-n", "shop", "-o", "jsonpath={.items[*].data.a}")
    assert text == "b Yg=="
    body = json.loads(kubectl("get", "deploy/web", "-n", "shop", "-o", "json"))
    assert body["spec"]["replicas"] == 3
    assert body["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    assert body["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1"
    assert "NotFound" not in kubectl("delete", "namespace", "shop")


def test_a_diff(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=DEPLOYMENT)
    assert kubectl("diff", "--server-side", "-f", "-", given=DEPLOYMENT) == ""
    changed = json.loads(json.dumps(DEPLOYMENT).replace("web:1", "web:2"))
    kubectl("diff", "--server-side", "-f", "-", given=changed, code=1)


def test_watching(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=DEPLOYMENT)
    said = kubectl("get", "deploy", "-w", "-o", "name", "--request-timeout=2s")
    assert said.splitlines()[0] == "deployment.apps/web"


def test_what_may_i_do(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
