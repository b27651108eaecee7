"""The order of healths, and what is said of an object before its kind is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.health.lives import HEALTHY, condition, conditions, live, progressing, unknown
from towline.core.health import Assessment, Health, assess, worst
from towline.core.objects import Object

SINCE = "2026-01-01T00:00:00Z"


def test_healths_go_from_best_to_worst() -> None:
    assert [str(health) for health in sorted(Health, key=lambda health: health.rank)] == [
        "healthy",
        "suspended",
        "progressing",
        "missing",
        "degraded",
        "unknown",
    ]
    assert [health.rank for health in Health] == [0, 1, 2, 3, 4, 5]


@given(st.lists(st.sampled_from(Health), min_size=1))
def test_the_worst_is_one_of_them_and_none_is_worse(healths: list[Health]) -> None:
    found = worst(healths)
    assert found in healths
    assert all(health.rank <= found.rank for health in healths)


def test_nothing_at_all_is_healthy() -> None:
    assert worst([]) is Health.HEALTHY
    assert worst(iter([Health.MISSING, Health.HEALTHY])) is Health.MISSING


def test_what_is_not_there_is_missing() -> None:
    assert assess(None) == Assessment(Health.MISSING, "is not on the cluster")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"deletionTimestamp": SINCE}, f"being deleted since {SINCE}"),
        ({"deletionTimestamp": SINCE, "finalizers": []}, f"being deleted since {SINCE}"),
        (
            {"deletionTimestamp": SINCE, "finalizers": ["orphan", "example.com/x"]},
            f"being deleted since {SINCE}, waits for orphan, example.com/x",
        ),
        (
            {"deletionTimestamp": SINCE, "finalizers": [1, "orphan", None]},
            f"being deleted since {SINCE}, waits for orphan",
        ),
        ({"deletionTimestamp": SINCE, "finalizers": "orphan"}, f"being deleted since {SINCE}"),
        ({"deletionTimestamp": 1}, "being deleted since "),
    ],
)
def test_what_is_being_deleted_is_on_its_way(metadata: Object, message: str) -> None:
    lost = {"phase": "Lost"}
    assert assess(live("v1", "ConfigMap", **metadata)) == progressing(message)
    assert assess(live("v1", "PersistentVolumeClaim", lost, **metadata)) == progressing(message)


def test_a_deletion_that_was_never_asked_for_is_none() -> None:
    assert assess(live("v1", "ConfigMap", deletionTimestamp=None)) == HEALTHY


BOUND = {"phase": "Bound"}
LOST = {"phase": "Lost"}


@pytest.mark.parametrize(
    "body",
    [
        live("example.com/v1", "PersistentVolumeClaim", LOST),
        live("apps/v1", "Pod", {"phase": "Failed"}),
        live("example.com/v1", "Deployment"),
        live("serving.knative.dev/v1", "Service", spec={"type": "LoadBalancer"}),
        live("batch/v1", "Deployment"),
        {"kind": "Deployment", "metadata": {"generation": 1}},
        {"apiVersion": "apps/v1"},
        {"apiVersion": ["apps/v1"], "kind": {"Deployment": 1}},
        {},
    ],
)
def test_a_rule_is_for_its_group_alone(body: Object) -> None:
    assert assess(body) == HEALTHY


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v2alpha1"])
def test_a_rule_is_for_all_versions(version: str) -> None:
    assert assess(live(f"batch/{version}", "CronJob", spec={"suspend": True})) == Assessment(
        Health.SUSPENDED, "is suspended"
    )


# One object for each kind with a rule, as well as it can be.
WELL = [
    live("apps/v1", "Deployment", {"observedGeneration": 1}, {"replicas": 0}, generation=1),
    live("apps/v1", "StatefulSet", {"observedGeneration": 1}, {"replicas": 0}, generation=1),
    live("apps/v1", "ReplicaSet", {"observedGeneration": 1}, {"replicas": 0}, generation=1),
    live("v1", "ReplicationController", {"observedGeneration": 1}, {"replicas": 0}, generation=1),
    live(
        "apps/v1",
        "DaemonSet",
        {"observedGeneration": 1, "desiredNumberScheduled": 0},
        generation=1,
    ),
    live("v1", "Pod", {"phase": "Succeeded"}),
    live("batch/v1", "Job", conditions(condition("Complete", "True"))),
    live("v1", "PersistentVolumeClaim", BOUND),
    live("networking.k8s.io/v1", "Ingress", {"loadBalancer": {"ingress": [{}]}}),
    live("extensions/v1beta1", "Ingress", {"loadBalancer": {"ingress": [{}]}}),
    live("autoscaling/v2", "HorizontalPodAutoscaler", conditions(condition("AbleToScale", "True"))),
    live("apiregistration.k8s.io/v1", "APIService", conditions(condition("Available", "True"))),
    live(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        conditions(condition("Established", "True")),
    ),
]


@pytest.mark.parametrize("body", WELL, ids=lambda body: str(body["kind"]))
@pytest.mark.parametrize("status", [None, {}, [], "healthy", 1, True, [{}], {"conditions": "x"}])
def test_no_object_is_healthy_because_its_status_cannot_be_read(body: Object, status: Any) -> None:
    assert assess(body) == HEALTHY
    found = assess({**body, "status": status})
    assert found.health is Health.PROGRESSING
    assert found.message


REPLICAS = {"observedGeneration": 1, "readyReplicas": 1, "availableReplicas": 1}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet"])
@pytest.mark.parametrize("value", ["1", True, 1.0, -1, [1], {}])
@pytest.mark.parametrize("path", ["spec.replicas", "metadata.generation"])
def test_a_number_that_looks_good_when_missing_must_be_one(
    kind: str, value: Any, path: str
) -> None:
    status = {**REPLICAS, "updatedReplicas": 1, "replicas": 1}
    body = live("apps/v1", kind, status, {"replicas": 1}, generation=1)
    assert assess(body) == HEALTHY
    part, name = path.split(".")
    body[part][name] = value
    assert assess(body) == unknown(f"{path} is no number")


def test_a_spec_that_is_no_map_has_no_number() -> None:
    status = {**REPLICAS, "updatedReplicas": 1, "replicas": 1}
    body = live("apps/v1", "Deployment", status, "replicas: 3", generation=1)
    assert assess(body) == unknown("spec.replicas is no number")
