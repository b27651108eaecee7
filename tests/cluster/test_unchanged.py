"""What the engine calls unchanged without a request, object by object against a dry run."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.contract.bodies import BODIES, manifest
from tests.engine.conftest import clusters, world
from tests.engine.world import World
from towline.core.desired import Desired
from towline.core.objects import Object
from towline.core.plan import Snapshot
from towline.observe import Manner, Phases, observe

__all__ = ["clusters", "world"]

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.parametrize("clusters", ["real"], indirect=True),
    pytest.mark.timeout(300),
]

CORPUS = Path(os.environ.get("TOWLINE_TEST_CORPUS", "nowhere")) / "online-boutique"
NAMESPACES = 10
Note = Callable[[str, object], None]
MANIFESTS = {
    "Deployment": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: PLACE, labels: {app: x}}
spec:
  replicas: 0
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec:
      serviceAccountName: x
      containers:
        - name: main
          image: registry.example.com/x:1.0
          ports: [{containerPort: 8080}, {containerPort: 9090, name: metrics}]
          env:
            - {name: NUMBER, value: "1"}
            - {name: KEY, valueFrom: {secretKeyRef: {name: x, key: key}}}
          readinessProbe: {httpGet: {path: /ready, port: 8080}}
          resources: {requests: {cpu: 0.1, memory: 128Mi}, limits: {cpu: 1000m, memory: 0.5Gi}}
          volumeMounts: [{name: config, mountPath: /etc/x}]
      volumes: [{name: config, configMap: {name: x}}]
""",
    "Service": """
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: PLACE}
spec: {selector: {app: x}, ports: [{name: a, port: 80, targetPort: 8080}, {name: m, port: 9090}]}
""",
    "ConfigMap": """
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME, namespace: PLACE}
data: {a: 1000m, b: ""}
""",
    "Secret": """
apiVersion: v1
kind: Secret
metadata: {name: NAME, namespace: PLACE}
stringData: {key: hush}
""",
    "ServiceAccount": """
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME, namespace: PLACE}
""",
    "Role": """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: NAME, namespace: PLACE}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, list]}]
""",
    "RoleBinding": """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: NAME, namespace: PLACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: x}
subjects: [{kind: ServiceAccount, name: x}]
""",
    "Ingress": """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: NAME, namespace: PLACE}
spec:
  rules:
    - host: x.example.com
      http:
        paths: [{path: /, pathType: Prefix, backend: {service: {name: x, port: {number: 80}}}}]
""",
}


def _thousand() -> Mapping[str, str]:
    """A thousand objects of eight kinds in ten namespaces, and the namespaces."""
    files = {}
    for number, kind in zip(range(1000), itertools.cycle(MANIFESTS), strict=False):
        place = f"n{number // len(MANIFESTS) % NAMESPACES}"
        text = MANIFESTS[kind].replace("PLACE", place).replace("NAME", f"x{number:03}")
        files[f"{number:04}.yaml"] = text
    for number in range(NAMESPACES):
        text = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: n{number}}}\n"
        files[f"namespace-{number}.yaml"] = text
    return files


def test_a_thousand_objects(world: World, record_property: Note) -> None:
    world.applications(world.application("app"))
    world.commit(_thousand())
    outcome = world.run("app")
    assert (outcome.failures, outcome.counts) == ((), {"created": 1000 + NAMESPACES})
    before = len(world.api.requests)
    assert world.run("app").counts == {"unchanged": 1000 + NAMESPACES}
    made = [r.query for r in list(world.api.requests)[before:] if "continue" not in r.query]
    asked = [query for query in made if "dryRun" in query]
    # The inventory, and the members of nine kinds.
    assert len(made) - len(asked) == 10
    _judge(world, record_property, "1,000 objects of eight kinds")


# Names that other tests would meet, kinds that refuse or change the other objects of their
# namespace, Pods, which the ReplicaSet with the same labels takes, and events, which nobody keeps
# in Git.
LEFT_OUT = {
    "APIService",
    "CustomResourceDefinition",
    "LimitRange",
    "ResourceQuota",
    "Pod",
    "Event",
}


def test_a_manifest_of_every_kind(world: World, record_property: Note) -> None:
    """Plain ones, and full ones with what people seldom write: empty maps, nulls, zeros. For half
    of these the server is asked, and it must be: what is proven has to be true."""
    files = {}
    for number, variant in enumerate(sorted(BODIES)):
        kind, body = manifest(variant, f"x{number}")
        if kind.group == "admissionregistration.k8s.io":
            # They would wait for the health of the rest, which never comes without nodes.
            body["metadata"].setdefault("annotations", {})["towline.dev/wave"] = "-1"
        if kind.kind not in LEFT_OUT:
            files[f"{variant}.yaml"] = json.dumps(body)
    world.applications(world.application("app"))
    world.commit(files)
    outcome = world.run("app")
    assert (outcome.error, outcome.failures, len(outcome.results)) == ("", (), len(files))
    _judge(world, record_property, "a manifest of every kind", most=0.6)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="TOWLINE_TEST_CORPUS names no online-boutique")
@pytest.mark.parametrize("path", ["kubernetes-manifests", "kustomize"])
def test_real_manifests(world: World, record_property: Note, path: str) -> None:
    shutil.copytree(CORPUS, world.source, dirs_exist_ok=True)
    renderer = "kustomize" if path == "kustomize" else "plain"
    document = world.application("app", path).replace("branch:", f"renderer: {renderer}, branch:")
    world.applications(document)
    world.commit({})
    assert world.run("app").failures == ()
    _judge(world, record_property, f"online-boutique, {renderer}")


def _judge(world: World, note: Note, what: str, *, most: float = 0.1) -> None:
    """Each object against a dry run: none that is proven unchanged may differ."""
    application = world.documents.applications["app"]
    snapshot = observe(
        application, world.services, Phases(world.services.clock.monotonic), Manner()
    )
    needless = 0
    for item in snapshot.desired:
        same = _is_left_alone(world, item)
        assert same or item.key not in snapshot.proven, f"{item.key} is wrongly called unchanged"
        needless += same and item.key not in snapshot.proven
    count = len(snapshot.desired)
    note(
        "note",
        f"{what}: {len(snapshot.proven)} of {count} proven unchanged without a request; "
        f"needless dry runs: {needless} ({needless / count:.1%})",
    )
    assert needless <= count * most, _kinds(snapshot)


def _is_left_alone(world: World, item: Desired) -> bool:
    """Whether a dry run changes nothing; controllers write too, so all is of one moment."""
    assert item.resource is not None
    where = (item.resource, item.key.namespace, item.key.name)
    for _ in range(50):
        before = world.cluster.get(*where)
        answer = world.cluster.apply(item.resource, item.manifest.body, dry_run=True)
        if before and before == world.cluster.get(*where):
            return _without_status(answer) == _without_status(before)
    raise AssertionError(f"{item.key} does not come to rest")


def _without_status(body: Object) -> Object:
    return {name: value for name, value in body.items() if name != "status"}


def _kinds(snapshot: Snapshot) -> str:
    return str({item.key.kind for item in snapshot.desired if item.key not in snapshot.proven})
