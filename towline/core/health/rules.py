"""The rule of each kind, and what comes before any rule."""

from __future__ import annotations

from collections.abc import Callable

from towline.core.health import (
    batch,
    definitions,
    generic,
    network,
    pods,
    scaling,
    storage,
    workloads,
)
from towline.core.health.assessment import Assessment, Health, progressing
from towline.core.health.reading import section, text, texts
from towline.core.objects import Object, group_of

RULES: dict[tuple[str, str], Callable[[Object], Assessment]] = {
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("", "ReplicationController"): workloads.replica_set,
    ("", "Pod"): pods.pod,
    ("batch", "Job"): batch.job,
    ("batch", "CronJob"): batch.cron_job,
    ("autoscaling", "HorizontalPodAutoscaler"): scaling.autoscaler,
    ("", "PersistentVolumeClaim"): storage.claim,
    ("", "PersistentVolume"): storage.volume,
    ("", "Service"): network.service,
    ("networking.k8s.io", "Ingress"): network.ingress,
    ("extensions", "Ingress"): network.ingress,
    ("", "Namespace"): definitions.namespace,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definitions.definition,
    ("apiregistration.k8s.io", "APIService"): definitions.api_service,
}


def assess(live: Object | None) -> Assessment:
    """How a live object does; None is one that the cluster does not have."""
    if live is None:
        return Assessment(Health.MISSING, "is not on the cluster")
    rule = RULES.get((group_of(text(live, "apiVersion")), text(live, "kind")), generic.convention)
    return _deletion(live) or rule(live)


def _deletion(live: Object) -> Assessment | None:
    metadata = section(live, "metadata")
    if metadata.get("deletionTimestamp") is None:
        return None
    since = f"being deleted since {text(metadata, 'deletionTimestamp')}"
    finalizers = ", ".join(texts(metadata, "finalizers"))
    return progressing(f"{since}, waits for {finalizers}" if finalizers else since)
