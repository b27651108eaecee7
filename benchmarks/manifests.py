"""The objects of the benchmark: eight kinds, spread over ten namespaces, one file each.

All of them come to rest on a server without nodes and without an ingress controller: the
Deployments ask for no Pods, and nothing waits for an address.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

NAMESPACES = 10

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: PLACE, labels: {app: NAME}}
spec:
  replicas: 0
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      serviceAccountName: NAME
      containers:
        - name: main
          image: registry.example.com/shop:1.0
          ports: [{containerPort: 8080}, {containerPort: 9090, name: metrics}]
          env:
            - {name: NUMBER, value: "1"}
            - {name: KEY, valueFrom: {secretKeyRef: {name: NAME, key: key}}}
          readinessProbe: {httpGet: {path: /ready, port: 8080}}
          resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: "1", memory: 512Mi}}
          volumeMounts: [{name: config, mountPath: /etc/shop}]
      volumes: [{name: config, configMap: {name: NAME}}]
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: PLACE}
spec:
  selector: {app: NAME}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: metrics, port: 9090}]
"""
CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME, namespace: PLACE}
data: {settings: "level=info", number: "0"}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: NAME, namespace: PLACE}
stringData: {key: hush}
"""
SERVICE_ACCOUNT = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME, namespace: PLACE}
"""
ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: NAME, namespace: PLACE}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, list]}]
"""
ROLE_BINDING = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: NAME, namespace: PLACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: NAME}
subjects: [{kind: ServiceAccount, name: NAME, namespace: PLACE}]
"""
NETWORK_POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: NAME, namespace: PLACE}
spec:
  podSelector: {matchLabels: {app: NAME}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {role: front}}}]
      ports: [{protocol: TCP, port: 8080}]
"""
KINDS = (
    CONFIG_MAP,
    DEPLOYMENT,
    SERVICE,
    SECRET,
    SERVICE_ACCOUNT,
    ROLE,
    ROLE_BINDING,
    NETWORK_POLICY,
)
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: PLACE}\n"


@dataclass(frozen=True)
class Objects:
    """So many objects in namespaces whose names begin with `prefix`, and these namespaces."""

    prefix: str
    count: int
    namespaces: int = NAMESPACES

    @property
    def all(self) -> int:
        return self.count + self.namespaces

    def place(self, number: int) -> str:
        return f"{self.prefix}-{number % self.namespaces}"

    def write(self, folder: Path) -> None:
        """One file for each object; the namespaces' files come first for tools that go by name."""
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(self.namespaces):
            text = NAMESPACE.replace("PLACE", self.place(number))
            (folder / f"0-namespace-{number}.yaml").write_text(text, encoding="utf-8")
        for number, template in zip(range(self.count), itertools.cycle(KINDS), strict=False):
            text = template.replace("PLACE", self.place(number // len(KINDS)))
            path = folder / f"object-{number:05}.yaml"
            path.write_text(text.replace("NAME", f"x{number:05}"), encoding="utf-8")


def change(folder: Path, value: int) -> None:
    """Change one file of many: the number in the first ConfigMap."""
    path = folder / "object-00000.yaml"
    head, _, _ = path.read_text(encoding="utf-8").partition(', number: "')
    path.write_text(f'{head}, number: "{value}"}}\n', encoding="utf-8")
