"""What the server adds to objects of built-in kinds: one function for a kind.

Enough that live objects differ from their manifests as in real life; not every default there
is. All functions change the object that they are given; `old` is the live one, if any.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from zlib import crc32

from towline.sandbox.kubernetes.pod_defaults import (
    Body,
    canonical_values,
    default_pod,
    default_resources,
    default_template,
    fill,
)

_STATUS_OF: dict[str, Body] = {
    "Service": {"loadBalancer": {}},
    "PersistentVolumeClaim": {"phase": "Pending"},
    "PersistentVolume": {"phase": "Pending"},
    "Pod": {"phase": "Pending", "qosClass": "BestEffort"},
    "ReplicationController": {"replicas": 0},
    "ReplicaSet": {"replicas": 0},
    "StatefulSet": {"replicas": 0, "availableReplicas": 0},
    "DaemonSet": {
        "currentNumberScheduled": 0,
        "desiredNumberScheduled": 0,
        "numberMisscheduled": 0,
        "numberReady": 0,
    },
    "Ingress": {"loadBalancer": {}},
    "PodDisruptionBudget": {
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "disruptionsAllowed": 0,
        "expectedPods": 0,
    },
    "HorizontalPodAutoscaler": {"desiredReplicas": 0},
}


def complete(body: Body, old: Body | None, *, has_status: bool) -> None:
    """Add what the server would, for a built-in kind."""
    kind = body["kind"]
    function = _FUNCTIONS.get(kind)
    if function:
        function(body, old)
    if has_status and "status" not in body:
        body["status"] = dict(_STATUS_OF.get(kind, {}))


def _spec(body: Body) -> Body:
    spec = body.setdefault("spec", {})
    return spec if isinstance(spec, dict) else {}


def _namespace(body: Body, old: Body | None) -> None:
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    metadata["labels"] = {**labels, "kubernetes.io/metadata.name": metadata["name"]}
    spec = _spec(body)
    if old is None:
        fill(spec, finalizers=["kubernetes"])
    elif "finalizers" in old["spec"]:
        spec["finalizers"] = old["spec"]["finalizers"]
    fill(body, status={"phase": "Active"})


def _secret(body: Body, _: Body | None) -> None:
    fill(body, type="Opaque")
    plain = body.pop("stringData", None)
    if isinstance(plain, dict) and plain:
        encoded = {
            name: base64.b64encode(str(text).encode()).decode() for name, text in plain.items()
        }
        body["data"] = {**(body.get("data") or {}), **encoded}


def _service(body: Body, old: Body | None) -> None:
    spec = _spec(body)
    fill(spec, type="ClusterIP", sessionAffinity="None")
    for port in spec.get("ports") or []:
        fill(port, protocol="TCP", targetPort=port.get("port"))
    if spec["sessionAffinity"] == "ClientIP":
        fill(spec, sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10800}})
    if spec["type"] == "ExternalName":
        return
    fill(spec, internalTrafficPolicy="Cluster")
    _addresses(body, spec, old)
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        fill(spec, externalTrafficPolicy="Cluster")
        _node_ports(body, spec, old)
    if spec["type"] == "LoadBalancer":
        fill(spec, allocateLoadBalancerNodePorts=True)


def _addresses(body: Body, spec: Body, old: Body | None) -> None:
    held = (old or {}).get("spec", {})
    if held.get("type") == "ExternalName":
        held = {}
    for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        # An update that leaves out what was allocated keeps it.
        if name in held and not spec.get(name):
            spec[name] = held[name]
    if not spec.get("clusterIP"):
        number = crc32(body["metadata"].get("uid", "").encode())
        spec["clusterIP"] = f"10.96.{number >> 8 & 255}.{number % 254 + 1}"
    fill(spec, clusterIPs=[spec["clusterIP"]], ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")


def _node_ports(body: Body, spec: Body, old: Body | None) -> None:
    held = {
        (port.get("port"), port.get("protocol")): port.get("nodePort")
        for port in (old or {}).get("spec", {}).get("ports") or []
    }
    for index, port in enumerate(spec.get("ports") or []):
        if not port.get("nodePort"):
            number = crc32(body["metadata"].get("uid", "").encode()) + index
            known = held.get((port.get("port"), port["protocol"]))
            port["nodePort"] = known or 30000 + number % 2768


def _pod(body: Body, _: Body | None) -> None:
    spec = _spec(body)
    default_pod(spec)
    fill(spec, enableServiceLinks=True, preemptionPolicy="PreemptLowerPriority", priority=0)
    fill(spec, serviceAccountName="default", serviceAccount="default")


def _replicated(body: Body, _: Body | None) -> None:
    spec = _spec(body)
    fill(spec, replicas=1)
    default_template(spec)


def _replication_controller(body: Body, old: Body | None) -> None:
    _replicated(body, old)
    labels = ((body["spec"].get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        fill(body["spec"], selector=dict(labels))


def _deployment(body: Body, old: Body | None) -> None:
    _replicated(body, old)
    spec = body["spec"]
    fill(spec, strategy={}, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    fill(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        fill(spec["strategy"], rollingUpdate={})
        fill(spec["strategy"]["rollingUpdate"], maxSurge="25%", maxUnavailable="25%")


def _stateful_set(body: Body, old: Body | None) -> None:
    _replicated(body, old)
    spec = body["spec"]
    fill(
        spec,
        podManagementPolicy="OrderedReady",
        revisionHistoryLimit=10,
        updateStrategy={},
        persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"},
    )
    fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], rollingUpdate={"partition": 0})
    for claim in spec.get("volumeClaimTemplates") or []:
        claim.update(apiVersion="v1", kind="PersistentVolumeClaim")
        fill(claim, status={"phase": "Pending"})
        _claim(claim, None)


def _daemon_set(body: Body, _: Body | None) -> None:
    spec = _spec(body)
    fill(spec, revisionHistoryLimit=10, updateStrategy={})
    fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], rollingUpdate={"maxSurge": 0, "maxUnavailable": 1})
    default_template(spec)


def _job_spec(spec: Body) -> None:
    fill(
        spec,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="TerminatingOrFailed",
        manualSelector=False,
    )
    if "parallelism" not in spec and "completions" not in spec:
        spec["completions"] = 1
    fill(spec, parallelism=1)
    default_template(spec, restart="")


def _job(body: Body, old: Body | None) -> None:
    """A Job selects its pods by its own UID, which it also puts on their template."""
    spec, metadata = _spec(body), body["metadata"]
    _job_spec(spec)
    template = spec.get("template")
    if spec.get("manualSelector") or not isinstance(template, dict):
        return
    if old is not None:
        fill(spec, selector=old["spec"].get("selector"))
        own = (old["spec"]["template"].get("metadata") or {}).get("labels") or {}
    else:
        own = {
            "batch.kubernetes.io/controller-uid": metadata.get("uid"),
            "batch.kubernetes.io/job-name": metadata.get("name"),
            "controller-uid": metadata.get("uid"),
            "job-name": metadata.get("name"),
        }
        selected = {"batch.kubernetes.io/controller-uid": metadata.get("uid")}
        fill(spec, selector={"matchLabels": selected})
    generated = {k: v for k, v in own.items() if k.endswith(("controller-uid", "job-name"))}
    labels = template["metadata"].get("labels") or {}
    template["metadata"]["labels"] = {**labels, **generated}


def _cron_job(body: Body, _: Body | None) -> None:
    spec = _spec(body)
    fill(
        spec,
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )
    job = spec.get("jobTemplate")
    if isinstance(job, dict):
        job.setdefault("metadata", {})
        inner = job.setdefault("spec", {})
        default_template(inner, restart="")


def _claim(body: Body, _: Body | None) -> None:
    spec = _spec(body)
    fill(spec, volumeMode="Filesystem")
    default_resources(spec)


def _volume(body: Body, _: Body | None) -> None:
    spec = _spec(body)
    fill(spec, volumeMode="Filesystem", persistentVolumeReclaimPolicy="Retain")
    canonical_values(spec, "capacity")


def _quota(body: Body, _: Body | None) -> None:
    canonical_values(_spec(body), "hard")


def _limit_range(body: Body, _: Body | None) -> None:
    names = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
    for limit in _spec(body).get("limits") or []:
        canonical_values(limit, *names)


def _network_policy(body: Body, _: Body | None) -> None:
    spec = _spec(body)
    fill(spec, podSelector={})
    fill(spec, policyTypes=["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for direction in ("ingress", "egress"):
        for rule in spec.get(direction) or []:
            for port in rule.get("ports") or []:
                fill(port, protocol="TCP")


def _autoscaler(body: Body, _: Body | None) -> None:
    target = {"type": "Utilization", "averageUtilization": 80}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    fill(_spec(body), minReplicas=1, metrics=[metric])


def _storage_class(body: Body, _: Body | None) -> None:
    fill(body, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _priority_class(body: Body, _: Body | None) -> None:
    fill(body, preemptionPolicy="PreemptLowerPriority")


def _binding(body: Body, _: Body | None) -> None:
    rbac = "rbac.authorization.k8s.io"
    if isinstance(body.get("roleRef"), dict):
        body["roleRef"] = {"apiGroup": rbac, **body["roleRef"]}
    for subject in body.get("subjects") or []:
        if subject.get("kind") in {"User", "Group"}:
            fill(subject, apiGroup=rbac)


def _webhooks(body: Body, _: Body | None) -> None:
    for webhook in body.get("webhooks") or []:
        fill(
            webhook,
            failurePolicy="Fail",
            matchPolicy="Equivalent",
            namespaceSelector={},
            objectSelector={},
            timeoutSeconds=10,
        )
        if body["kind"].startswith("Mutating"):
            fill(webhook, reinvocationPolicy="Never")
        for rule in webhook.get("rules") or []:
            fill(rule, scope="*")
        service = (webhook.get("clientConfig") or {}).get("service")
        if service:
            fill(service, port=443)


def _api_service(body: Body, _: Body | None) -> None:
    if service := _spec(body).get("service"):
        fill(service, port=443)


def _definition(body: Body, _: Body | None) -> None:
    spec = _spec(body)
    fill(spec, conversion={"strategy": "None"})
    names = spec.get("names")
    if isinstance(names, dict) and names.get("kind"):
        fill(names, singular=names["kind"].lower(), listKind=f"{names['kind']}List")


def _endpoint_slice(body: Body, _: Body | None) -> None:
    for port in body.get("ports") or []:
        fill(port, protocol="TCP", name="")


_FUNCTIONS: dict[str, Callable[[Any, Any], None]] = {
    "Namespace": _namespace,
    "Secret": _secret,
    "Service": _service,
    "Pod": _pod,
    "PodTemplate": lambda body, _: default_template(body),
    "ReplicaSet": _replicated,
    "ReplicationController": _replication_controller,
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "CronJob": _cron_job,
    "PersistentVolumeClaim": _claim,
    "PersistentVolume": _volume,
    "ResourceQuota": _quota,
    "LimitRange": _limit_range,
    "NetworkPolicy": _network_policy,
    "HorizontalPodAutoscaler": _autoscaler,
    "StorageClass": _storage_class,
    "PriorityClass": _priority_class,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "ValidatingWebhookConfiguration": _webhooks,
    "MutatingWebhookConfiguration": _webhooks,
    "APIService": _api_service,
    "CustomResourceDefinition": _definition,
    "EndpointSlice": _endpoint_slice,
}
