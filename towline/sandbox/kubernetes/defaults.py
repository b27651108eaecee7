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
    canonical_fields,
    canonical_values,
    default_claim,
    default_pod,
    default_source,
    default_template,
    fill,
)

_STATUS_OF: dict[str, Body] = {
    "PersistentVolumeClaim": {"phase": "Pending"},
    "PersistentVolume": {"phase": "Pending"},
    "Pod": {"phase": "Pending"},
    "HorizontalPodAutoscaler": {"currentMetrics": None},
}


def complete(body: Body, old: Body | None, *, status: Body | None) -> None:
    """Add what the server would, for a built-in kind.

    `status` is what the status of a new object has in any case; None for kinds without one.
    """
    kind = body["kind"]
    function = _FUNCTIONS.get(kind)
    if function:
        function(body, old)
    if status is not None and "status" not in body:
        body["status"] = {**status, **_STATUS_OF.get(kind, {})}
        if kind == "Pod":
            body["status"]["qosClass"] = _quality_of_service(body["spec"])


def _quality_of_service(spec: Body) -> str:
    every = [
        container.get("resources") or {}
        for group in ("initContainers", "containers")
        for container in spec.get(group) or []
    ]
    if not any(resources.get("limits") or resources.get("requests") for resources in every):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= (resources.get("limits") or {}).keys()
        and resources["limits"] == resources.get("requests")
        for resources in every
    )
    return "Guaranteed" if guaranteed else "Burstable"


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


def _tolerate(spec: Body) -> None:
    """As the admission plugin does it: a node may be away for five minutes."""
    tolerations = spec.get("tolerations") or []
    for name in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{name}"
        if not any(
            toleration.get("key") in {None, key} and toleration.get("effect") in {None, "NoExecute"}
            for toleration in tolerations
        ):
            away = {"key": key, "operator": "Exists", "effect": "NoExecute"}
            tolerations = [*tolerations, {**away, "tolerationSeconds": 300}]
    spec["tolerations"] = tolerations


def _pod(body: Body, old: Body | None) -> None:
    spec = _spec(body)
    if old is None:
        _tolerate(spec)
    default_pod(spec)
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        resources = container["resources"]
        if limits := resources.get("limits"):
            # Of a bare pod alone: what is limited is requested too.
            resources["requests"] = {**limits, **(resources.get("requests") or {})}
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
        fill(body["metadata"], labels=dict(labels))


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
        persistentVolumeClaimRetentionPolicy={},
    )
    policy = spec["persistentVolumeClaimRetentionPolicy"]
    fill(policy, whenDeleted="Retain", whenScaled="Retain")
    fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], rollingUpdate={})
        fill(spec["updateStrategy"]["rollingUpdate"], partition=0, maxUnavailable=1)
    for claim in spec.get("volumeClaimTemplates") or []:
        claim.update(apiVersion="v1", kind="PersistentVolumeClaim")
        claim["status"] = {"phase": "Pending", **(claim.get("status") or {})}
        default_claim(_spec(claim))


_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _daemon_set(body: Body, old: Body | None) -> None:
    spec = _spec(body)
    fill(spec, revisionHistoryLimit=10, updateStrategy={})
    fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], rollingUpdate={})
        fill(spec["updateStrategy"]["rollingUpdate"], maxSurge=0, maxUnavailable=1)
    default_template(spec)
    metadata = body["metadata"]
    generation = 1
    if old:
        generation = int(old["metadata"].get("annotations", {}).get(_TEMPLATE_GENERATION, 1))
        generation += old["spec"].get("template") != spec.get("template")
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {**annotations, _TEMPLATE_GENERATION: str(generation)}


JOB_LABELS = (
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
)


def _job_spec(spec: Body) -> None:
    fill(
        spec,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed",
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
    uid, name = metadata.get("uid"), metadata.get("name")
    if old is None:
        generated = dict(zip(JOB_LABELS, (uid, name, uid, name), strict=True))
        fill(spec, selector={"matchLabels": {JOB_LABELS[0]: uid}})
        labels = template["metadata"].get("labels") or {}
        template["metadata"]["labels"] = {**labels, **generated}
    # A Job without labels has those of its template.
    if template["metadata"].get("labels"):
        fill(metadata, labels=dict(template["metadata"]["labels"]))


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


def _protect(body: Body, old: Body | None, finalizer: str) -> None:
    """As the admission plugin does it that looks at new objects of storage."""
    metadata = body["metadata"]
    finalizers = metadata.get("finalizers") or []
    if old is None and finalizer not in finalizers:
        metadata["finalizers"] = [*finalizers, finalizer]


def _claim(body: Body, old: Body | None) -> None:
    default_claim(_spec(body))
    _protect(body, old, "kubernetes.io/pvc-protection")


def _volume(body: Body, old: Body | None) -> None:
    spec = _spec(body)
    fill(spec, volumeMode="Filesystem", persistentVolumeReclaimPolicy="Retain")
    canonical_values(spec, "capacity")
    default_source(spec)
    _protect(body, old, "kubernetes.io/pv-protection")


def _quota(body: Body, _: Body | None) -> None:
    canonical_values(_spec(body), "hard")


def _limit_range(body: Body, _: Body | None) -> None:
    names = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
    for limit in _spec(body).get("limits") or []:
        canonical_values(limit, *names)
        if limit.get("type") == "Container":
            # Whatever has a maximum has it for a default, and a default is requested too.
            values = {**(limit.get("max") or {}), **(limit.get("default") or {})}
            requests = {**values, **(limit.get("defaultRequest") or {})}
            fill(limit, **({"default": values} if values else {}))
            fill(limit, **({"defaultRequest": requests} if requests else {}))


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
    spec = _spec(body)
    fill(spec, minReplicas=1, metrics=[metric])
    for found in spec["metrics"]:
        for source in found.values():
            if isinstance(source, dict) and isinstance(source.get("target"), dict):
                canonical_fields(source["target"], "averageValue", "value")
    if behaviour := spec.get("behavior"):
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        pods = {"type": "Pods", "value": 4, "periodSeconds": 15}
        fill(behaviour, scaleUp={}, scaleDown={})
        fill(
            behaviour["scaleUp"],
            stabilizationWindowSeconds=0,
            selectPolicy="Max",
            policies=[pods, percent],
        )
        fill(behaviour["scaleDown"], selectPolicy="Max", policies=[percent])


def _role(body: Body, _: Body | None) -> None:
    body["rules"] = body.get("rules") or None


def _node(body: Body, old: Body | None) -> None:
    if old is None:
        taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
        spec = _spec(body)
        spec["taints"] = [*(spec.get("taints") or []), taint]


def _ingress_class(body: Body, _: Body | None) -> None:
    if parameters := _spec(body).get("parameters"):
        fill(parameters, scope="Cluster")


def _endpoints(body: Body, _: Body | None) -> None:
    for subset in body.get("subsets") or []:
        for port in subset.get("ports") or []:
            fill(port, protocol="TCP")


def _storage_class(body: Body, _: Body | None) -> None:
    fill(body, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _priority_class(body: Body, _: Body | None) -> None:
    fill(body, preemptionPolicy="PreemptLowerPriority")


def _binding(body: Body, _: Body | None) -> None:
    rbac = "rbac.authorization.k8s.io"
    if isinstance(body.get("roleRef"), dict):
        body["roleRef"]["apiGroup"] = body["roleRef"].get("apiGroup") or rbac
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
    "Role": _role,
    "ClusterRole": _role,
    "Node": _node,
    "IngressClass": _ingress_class,
    "Endpoints": _endpoints,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "ValidatingWebhookConfiguration": _webhooks,
    "MutatingWebhookConfiguration": _webhooks,
    "APIService": _api_service,
    "CustomResourceDefinition": _definition,
    "EndpointSlice": _endpoint_slice,
}
