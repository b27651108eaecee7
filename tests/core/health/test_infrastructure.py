"""Storage, network, scaling, and what other objects need to exist."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.core.health.lives import (
    HEALTHY,
    condition,
    conditions,
    degraded,
    live,
    progressing,
    unknown,
)
from towline.core.health import Assessment, assess
from towline.core.objects import Object


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ({"phase": "Bound"}, HEALTHY),
        ({"phase": "Pending"}, progressing("is not bound yet")),
        ({"phase": "Lost"}, degraded("its volume is lost")),
        ({"phase": "bound"}, unknown("its phase is bound")),
        ({"phase": ["Bound"]}, progressing("is not bound yet")),
        (None, progressing("is not bound yet")),
    ],
)
def test_a_claim(status: Any, found: Assessment) -> None:
    assert assess(live("v1", "PersistentVolumeClaim", status)) == found


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ({"phase": "Available"}, HEALTHY),
        ({"phase": "Bound"}, HEALTHY),
        ({"phase": "Released"}, HEALTHY),
        ({"phase": "Pending"}, HEALTHY),
        (None, HEALTHY),
        ({"phase": "Failed", "message": "no such disk"}, degraded("no such disk")),
        ({"phase": "Failed", "reason": "RecycleFailed"}, degraded("RecycleFailed")),
        ({"phase": "Failed"}, degraded("its reclaiming has failed")),
    ],
)
def test_a_volume(status: Any, found: Assessment) -> None:
    assert assess(live("v1", "PersistentVolume", status)) == found


WAITS = progressing("waits for an address of its load balancer")
BALANCED: list[tuple[Any, Assessment]] = [
    ({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}, HEALTHY),
    ({"loadBalancer": {"ingress": [{"hostname": "a.example.com"}]}}, HEALTHY),
    ({"loadBalancer": {"ingress": [{}]}}, HEALTHY),
    ({"loadBalancer": {"ingress": []}}, WAITS),
    ({"loadBalancer": {"ingress": ["192.0.2.1"]}}, WAITS),
    ({"loadBalancer": {"ingress": {"ip": "192.0.2.1"}}}, WAITS),
    ({"loadBalancer": {}}, WAITS),
    ({"loadBalancer": [{"ingress": [{}]}]}, WAITS),
    ({}, WAITS),
    (None, WAITS),
]


@pytest.mark.parametrize(("status", "found"), BALANCED)
@pytest.mark.parametrize("api_version", ["networking.k8s.io/v1", "extensions/v1beta1"])
def test_an_ingress(api_version: str, status: Any, found: Assessment) -> None:
    assert assess(live(api_version, "Ingress", status)) == found


@pytest.mark.parametrize(("status", "found"), BALANCED)
def test_a_service_of_type_load_balancer(status: Any, found: Assessment) -> None:
    assert assess(live("v1", "Service", status, {"type": "LoadBalancer"})) == found


@pytest.mark.parametrize(
    "spec", [None, {}, {"type": "ClusterIP"}, {"type": "NodePort"}, {"type": "ExternalName"}]
)
def test_any_other_service_waits_for_nothing(spec: Any) -> None:
    assert assess(live("v1", "Service", {"loadBalancer": {}}, spec)) == HEALTHY


ABLE = condition("AbleToScale", "True", "ReadyForNewScale")
UNABLE = condition("AbleToScale", "False", "FailedGetScale", "no such deployment")
BLIND = condition("ScalingActive", "False", "FailedGetResourceMetric", "no metrics")
INVALID = condition("ScalingActive", "False", "InvalidSelector", "no selector")
DISABLED = condition("ScalingActive", "False", "ScalingDisabled", "zero replicas")
LIMITED = condition("ScalingLimited", "True", "TooFewReplicas")
FREE = condition("ScalingLimited", "False", "DesiredWithinRange")
ACTIVE = condition("ScalingActive", "True", "ValidMetricFound")

SCALED: list[tuple[list[Object], Assessment]] = [
    ([ABLE, ACTIVE, FREE], HEALTHY),
    ([ABLE], HEALTHY),
    ([ACTIVE, LIMITED], HEALTHY),
    ([ABLE, DISABLED], HEALTHY),
    ([UNABLE, ACTIVE], degraded("FailedGetScale: no such deployment")),
    ([ABLE, BLIND], degraded("FailedGetResourceMetric: no metrics")),
    ([ABLE, INVALID, LIMITED], degraded("InvalidSelector: no selector")),
    ([condition("AbleToScale", "False", "BackoffBoth", "wait")], progressing("BackoffBoth: wait")),
    ([condition("AbleToScale", "Unknown", "FailedGetScale")], progressing("FailedGetScale")),
    ([ACTIVE, FREE], progressing("has not scaled anything yet")),
    ([], progressing("has not scaled anything yet")),
]


@pytest.mark.parametrize(("given", "found"), SCALED)
@pytest.mark.parametrize("version", ["v2", "v2beta2"])
def test_an_autoscaler(version: str, given: list[Object], found: Assessment) -> None:
    body = live(f"autoscaling/{version}", "HorizontalPodAutoscaler", conditions(*given))
    assert assess(body) == found


def scaler_v1(annotation: Any) -> Object:
    annotations = {"autoscaling.alpha.kubernetes.io/conditions": annotation}
    return live("autoscaling/v1", "HorizontalPodAutoscaler", {}, annotations=annotations)


@pytest.mark.parametrize(("given", "found"), SCALED)
def test_an_autoscaler_of_v1_has_its_conditions_in_an_annotation(
    given: list[Object], found: Assessment
) -> None:
    assert assess(scaler_v1(json.dumps(given))) == found


@pytest.mark.parametrize("written", ["", "{", "{}", "null", "[1]", "[" * 100_000, None, 1, [ABLE]])
def test_an_annotation_that_cannot_be_read_tells_nothing(written: Any) -> None:
    assert assess(scaler_v1(written)) == progressing("has not scaled anything yet")


ESTABLISHED = condition("Established", "True", "InitialNamesAccepted")
ACCEPTED = condition("NamesAccepted", "True", "NoConflicts")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([ACCEPTED, ESTABLISHED], HEALTHY),
        ([ESTABLISHED, condition("NonStructuralSchema", "False")], HEALTHY),
        (
            [condition("NamesAccepted", "False", "PluralConflict", "taken"), ESTABLISHED],
            degraded("PluralConflict: taken"),
        ),
        (
            [ACCEPTED, ESTABLISHED, condition("NonStructuralSchema", "True", "Violations", "x")],
            degraded("Violations: x"),
        ),
        ([ACCEPTED, condition("Established", "False", "Installing")], progressing("Installing")),
        ([ACCEPTED], progressing("is not established yet")),
        ([], progressing("is not established yet")),
    ],
)
def test_a_definition(given: list[Object], found: Assessment) -> None:
    body = live("apiextensions.k8s.io/v1", "CustomResourceDefinition", conditions(*given))
    assert assess(body) == found


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([condition("Available", "True", "Local")], HEALTHY),
        (
            [condition("Available", "False", "FailedDiscoveryCheck", "no answer")],
            progressing("FailedDiscoveryCheck: no answer"),
        ),
        ([condition("Available", "Unknown")], progressing("Available is Unknown")),
        ([condition("Ready", "True")], progressing("is not available yet")),
        ([], progressing("is not available yet")),
    ],
)
def test_an_api_service(given: list[Object], found: Assessment) -> None:
    body = live("apiregistration.k8s.io/v1", "APIService", conditions(*given))
    assert assess(body) == found


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ({"phase": "Active"}, HEALTHY),
        ({}, HEALTHY),
        (None, HEALTHY),
        ({"phase": "Terminating"}, progressing("is being deleted")),
        (conditions(condition("NamespaceDeletionContentFailure", "True")), HEALTHY),
    ],
)
def test_a_namespace(status: Any, found: Assessment) -> None:
    assert assess(live("v1", "Namespace", status)) == found
