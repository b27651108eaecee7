"""Kinds that keep a number of pods. Their rules are those of `kubectl rollout status`."""

from __future__ import annotations

from towline.core.health.assessment import HEALTHY, Assessment, Health, progressing, too_few
from towline.core.health.conditions import conditions_of, decided
from towline.core.health.reading import number, section, text, unobserved, unreadable
from towline.core.objects import Object


def deployment(live: Object) -> Assessment:
    return (
        _paused(live)
        or unobserved(live)
        or _past_deadline(live)
        or unreadable(live, "spec.replicas", "status.replicas")
        or _rollout(live)
        or HEALTHY
    )


def _paused(live: Object) -> Assessment | None:
    paused = section(live, "spec").get("paused") is True
    return Assessment(Health.SUSPENDED, "the rollout is paused") if paused else None


def _past_deadline(live: Object) -> Assessment | None:
    condition = conditions_of(live).get("Progressing")
    if condition is None or condition.reason != "ProgressDeadlineExceeded":
        return None
    return Assessment(Health.DEGRADED, str(condition))


def _rollout(live: Object) -> Assessment | None:
    status = section(live, "status")
    updated = number(status, "updatedReplicas")
    return (
        too_few(updated, _wanted(live), "replicas are updated")
        or _old_ones(number(status, "replicas") - updated)
        or too_few(number(status, "availableReplicas"), updated, "updated replicas are available")
    )


def _old_ones(count: int) -> Assessment | None:
    words = "replica is" if count == 1 else "replicas are"
    return progressing(f"{count} old {words} not gone yet") if count > 0 else None


def _wanted(live: Object) -> int:
    return number(section(live, "spec"), "replicas", missing=1)


def stateful_set(live: Object) -> Assessment:
    ready = number(section(live, "status"), "readyReplicas")
    return (
        unobserved(live)
        or unreadable(live, "spec.replicas")
        or too_few(ready, _wanted(live), "replicas are ready")
        or _updated(live)
        or HEALTHY
    )


def _updated(live: Object) -> Assessment | None:
    """While a partition holds pods back the revisions differ: then only the count tells.

    A server writes partition 0 where there is none, so that this is the usual way.
    """
    status, strategy = section(live, "status"), section(live, "spec", "updateStrategy")
    partition = number(section(strategy, "rollingUpdate"), "partition", missing=-1)
    if text(strategy, "type") == "OnDelete":
        return None
    if partition >= 0:
        wanted = _wanted(live) - partition
        return too_few(number(status, "updatedReplicas"), wanted, "replicas are updated")
    if status.get("updateRevision") != status.get("currentRevision"):
        return progressing("not all replicas are of the new revision yet")
    return None


def daemon_set(live: Object) -> Assessment:
    strategy = section(live, "spec", "updateStrategy")
    on_delete = text(strategy, "type") == "OnDelete"
    return unobserved(live) or (HEALTHY if on_delete else _on_each_node(live)) or HEALTHY


def _on_each_node(live: Object) -> Assessment | None:
    status = section(live, "status")
    desired = number(status, "desiredNumberScheduled", missing=-1)
    # The API always has this count: without it nothing is known, not even that no node is wanted.
    if desired < 0:
        return progressing("the controller has not counted its nodes yet")
    return too_few(
        number(status, "updatedNumberScheduled"), desired, "pods are updated"
    ) or too_few(number(status, "numberAvailable"), desired, "pods are available")


def replica_set(live: Object) -> Assessment:
    """Also a ReplicationController, whose status has the same fields."""
    available = number(section(live, "status"), "availableReplicas")
    return (
        unobserved(live)
        or decided(conditions_of(live), ("ReplicaFailure", "True", Health.DEGRADED))
        or unreadable(live, "spec.replicas")
        or too_few(available, _wanted(live), "replicas are available")
        or HEALTHY
    )
