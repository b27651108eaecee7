"""What people do with kubectl, without extra flags, and who owns the result."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.fixtures import eventually, wait_until_furnished
from tests.cluster.kubectl import BINARY, Kubectl
from tests.cluster.servers import ApiServer
from tests.contract.widgets import Widgets

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


@pytest.fixture
def kubectl(server: ApiServer, namespace: str, tmp_path: Path) -> Kubectl:
    return Kubectl(server.kubeconfig, tmp_path, namespace)


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
    assert managers(kubectl) == {("kubectl", "Apply", "")}


def managers(kubectl: Kubectl) -> set[tuple[str, str, str]]:
    """All that own something of the Deployment, but for the controllers."""
    body = json.loads(kubectl("get", "deploy/web", "-o", "json", "--show-managed-fields"))
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", ""))
        for entry in body["metadata"]["managedFields"]
        if entry["manager"] != "kube-controller-manager"
    }


def test_client_side_apply(kubectl: Kubectl) -> None:
    """It is an update under a name of its own, and so is the scaling of others."""
    assert kubectl("apply", "-f", "-", given=DEPLOYMENT) == "deployment.apps/web created\n"
    assert kubectl("apply", "-f", "-", given=DEPLOYMENT) == "deployment.apps/web unchanged\n"
    changed = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 3}}  # type: ignore[dict-item]
    assert kubectl("apply", "-f", "-", given=changed) == "deployment.apps/web configured\n"
    client = ("kubectl-client-side-apply", "Update", "")
    assert managers(kubectl) == {client}
    kubectl("scale", "deployment/web", "--replicas=5")
    assert managers(kubectl) == {client, ("kubectl", "Update", "scale")}


def test_the_words_of_client_side_apply_are_taken_over(kubectl: Kubectl) -> None:
    """By a first apply on the server's side: what was applied then is owned as before."""
    kubectl("apply", "-f", "-", given=DEPLOYMENT)
    kubectl("apply", "--server-side", "-f", "-", given=DEPLOYMENT)
    body = json.loads(kubectl("get", "deploy/web", "-o", "json", "--show-managed-fields"))
    owned = {
        (entry["manager"], entry["operation"]): entry["fieldsV1"]
        for entry in body["metadata"]["managedFields"]
    }
    assert owned["kubectl", "Apply"]["f:spec"]["f:replicas"] == {}


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


def test_definitions(kubectl: Kubectl, widgets: Widgets, made: list[str]) -> None:
    made.append(widgets.definition)
    kubectl("apply", "--server-side", "-f", "-", given=widgets.defining())
    kubectl("wait", "--for=condition=Established", f"crd/{widgets.name}", "--timeout=20s")

    def applied() -> str:
        # Established is not yet served: kubectl finds the kind a moment later.
        return kubectl("apply", "--server-side", "-f", "-", given=widgets.body(), code=None)

    eventually(applied, "the kind is served")
    plural = f"widgets.v1.{widgets.group}"
    assert kubectl("get", plural, "-o", "name") == f"widget.{widgets.group}/w\n"
    kubectl("delete", f"crd/{widgets.name}")


def test_waiting_for_a_deletion(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=DEPLOYMENT)
    kubectl("delete", "deployment/web", "--wait=true")
    kubectl("wait", "--for=delete", "deployment/web", "--timeout=20s")


def test_creating_by_hand(server: ApiServer, kubectl: Kubectl, own: str, made: list[str]) -> None:
    """kubectl sends these in protobuf."""
    if not server.has_controllers:
        pytest.skip("without a controller manager namespaces do not end")
    shop = f"{own}shop"
    made.append(f"/api/v1/namespaces/{shop}")
    kubectl("create", "namespace", shop)
    wait_until_furnished(server, shop)
    kubectl("create", "configmap", "c", "-n", shop, "--from-literal=a=b")
    kubectl("create", "secret", "generic", "s", "-n", shop, "--from-literal=a=b")
    kubectl("create", "serviceaccount", "me", "-n", shop)
    kubectl("create", "deployment", "web", "-n", shop, "--image=web:1", "--replicas=3")
    text = kubectl("get", "cm/c", "secret/s", "-n", shop, "-o", "jsonpath={.items[*].data.a}")
    assert text == "b Yg=="
    body = json.loads(kubectl("get", "deploy/web", "-n", shop, "-o", "json"))
    assert body["spec"]["replicas"] == 3
    assert body["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    assert body["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1"
    assert "NotFound" not in kubectl("delete", "namespace", shop)


def test_a_diff(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=DEPLOYMENT)

    def is_unchanged() -> bool:
        # Between its two requests a controller may have written to the object.
        with suppress(AssertionError):
            return kubectl("diff", "--server-side", "-f", "-", given=DEPLOYMENT) == ""
        return False

    eventually(is_unchanged, "there is no difference")
    changed = json.loads(json.dumps(DEPLOYMENT).replace("web:1", "web:2"))
    kubectl("diff", "--server-side", "-f", "-", given=changed, code=1)


def test_watching(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=DEPLOYMENT)
    said = kubectl("get", "deploy", "-w", "-o", "name", "--request-timeout=2s")
    assert said.splitlines()[0] == "deployment.apps/web"


def test_what_may_i_do(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
