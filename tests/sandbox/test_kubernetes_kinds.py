"""Every built-in kind can be applied, and applying it again changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from towline.sandbox.kubernetes.kinds import BUILT_IN, Kind

Call = Callable[..., tuple[int, dict[str, Any]]]

POD = """
containers:
- name: c
  image: i:1
  livenessProbe: {httpGet: {port: 80}}
  resources: {limits: {cpu: 1000m, memory: 0.5Gi}}
  env: [{name: E, value: ""}, {name: F, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
volumes: [{name: v, configMap: {name: x}}, {name: h, hostPath: {path: /}}, {name: e}]
topologySpreadConstraints:
- maxSkew: 1
  topologyKey: zone
  whenUnsatisfiable: DoNotSchedule
  labelSelector: {matchLabels: {a: b}}
"""
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": yaml.safe_load(POD)}
JOB = {"template": {"spec": {**yaml.safe_load(POD), "restartPolicy": "Never"}}}
SELECTED = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}}

BODIES: dict[str, Any] = {
    "Pod": {"spec": yaml.safe_load(POD)},
    "PodTemplate": {"template": TEMPLATE},
    "ReplicationController": {"spec": {"selector": {"a": "b"}, "template": TEMPLATE}},
    "Deployment": SELECTED,
    "StatefulSet": SELECTED,
    "DaemonSet": SELECTED,
    "ReplicaSet": SELECTED,
    "Job": {"spec": JOB},
    "CronJob": {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}},
    **yaml.safe_load(
        """
Service:
  spec: {type: LoadBalancer, ports: [{port: 53, protocol: UDP, name: u}, {port: 53, name: t}]}
Secret: {stringData: {a: b}}
ConfigMap: {data: {a: ""}}
ServiceAccount: {secrets: [{name: a}], imagePullSecrets: [{name: b}]}
PersistentVolumeClaim:
  spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}
PersistentVolume: {spec: {capacity: {storage: 1024Mi}, hostPath: {path: /}}}
Endpoints: {subsets: [{addresses: [{ip: 1.2.3.4}], ports: [{port: 80}]}]}
Event: {involvedObject: {name: x}, reason: r}
LimitRange: {spec: {limits: [{type: Container, default: {cpu: 1000m}}]}}
ResourceQuota: {spec: {hard: {cpu: 1000m}}}
Node: {spec: {taints: [{key: a, effect: NoSchedule}]}}
ControllerRevision: {revision: 1}
Ingress: {spec: {defaultBackend: {service: {name: x, port: {number: 80}}}}}
NetworkPolicy: {spec: {podSelector: {}, ingress: [{}], egress: []}}
IngressClass: {spec: {controller: a/b}}
Role: {rules: [{verbs: [get], apiGroups: [""], resources: [pods]}]}
ClusterRole: {rules: []}
RoleBinding: {roleRef: {kind: Role, name: x}, subjects: [{kind: User, name: a}]}
ClusterRoleBinding: {roleRef: {kind: ClusterRole, name: x}}
PodDisruptionBudget: {spec: {minAvailable: 1, selector: {}}}
HorizontalPodAutoscaler: {spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: x}}}
StorageClass: {provisioner: x, parameters: {a: b}}
PriorityClass: {value: 0}
Lease: {spec: {holderIdentity: a}}
EndpointSlice: {addressType: IPv4, endpoints: [{addresses: [1.2.3.4]}], ports: [{port: 80}]}
ValidatingWebhookConfiguration: &webhooks
  webhooks:
  - name: a.b.c
    sideEffects: None
    admissionReviewVersions: [v1]
    clientConfig: {service: {name: s, namespace: n}}
    rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
MutatingWebhookConfiguration: *webhooks
APIService: {spec: {group: x.y, version: v1, groupPriorityMinimum: 1, versionPriority: 1}}
CustomResourceDefinition:
  spec:
    group: example.com
    scope: Cluster
    names: {plural: xs, kind: X}
    versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""
    ),
}


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.kind)
def test_a_second_apply_changes_nothing(apply: Call, call: Call, kind: Kind) -> None:
    name = "xs.example.com" if kind.kind == "CustomResourceDefinition" else "x"
    identity = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}}
    body = {**identity, **BODIES.get(kind.kind, {})}
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    scope = "/namespaces/default" if kind.namespaced else ""
    path = f"{root}{scope}/{kind.plural}/{name}"
    status, first = apply(path, body, fieldValidation="Strict")
    assert status == 201, first["message"]
    status, second = apply(path, body, fieldValidation="Strict")
    assert (status, second) == (200, first)
    # What a client reads and writes back is no change either.
    status, third = call("PUT", path, first)
    assert (status, third) == (200, first)
