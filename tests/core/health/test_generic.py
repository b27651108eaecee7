"""A kind without a rule is read by the convention of kstatus, and no condition by its sound."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.health.lives import HEALTHY, condition, conditions, degraded, live, progressing
from towline.core.health import Assessment, assess
from towline.core.objects import Object

READY = condition("Ready", "True", "Succeeded", "all is well")
STALLED = condition("Stalled", "True", "BadSpec", "no such host")
RECONCILING = condition("Reconciling", "True", "Progressing", "2 of 3")
ISSUING = condition("Ready", "False", "DoesNotExist", "issuing certificate")
AVAILABLE = condition("Available", "True")
WAITING = condition("Available", "False", "Waiting")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([READY], HEALTHY),
        ([AVAILABLE], HEALTHY),
        ([], HEALTHY),
        ([condition("Synced", "False", "ReconcileError", "no credentials")], HEALTHY),
        ([STALLED], degraded("BadSpec: no such host")),
        ([RECONCILING], progressing("Progressing: 2 of 3")),
        ([condition("Stalled", "False"), condition("Reconciling", "False"), READY], HEALTHY),
        ([condition("Stalled", "Unknown"), condition("Reconciling", "Unknown")], HEALTHY),
        # What Ready says may still be about what was before.
        ([READY, STALLED], degraded("BadSpec: no such host")),
        ([READY, RECONCILING], progressing("Progressing: 2 of 3")),
        ([RECONCILING, STALLED], degraded("BadSpec: no such host")),
        ([ISSUING], progressing("DoesNotExist: issuing certificate")),
        ([condition("Ready", "False")], progressing("Ready is False")),
        ([condition("Ready", "Unknown")], progressing("Ready is Unknown")),
        ([condition("Ready", "Unknown", "FailedProbe")], progressing("FailedProbe")),
        ([condition("Ready", "true")], progressing("Ready is true")),
        ([condition("Ready", "")], progressing("Ready is not readable")),
        ([WAITING], progressing("Waiting")),
        # Ready is the broader one, where there are both.
        ([READY, WAITING], HEALTHY),
        ([AVAILABLE, ISSUING], progressing("DoesNotExist: issuing certificate")),
    ],
)
def test_the_convention(given: list[Object], found: Assessment) -> None:
    assert assess(live("example.com/v1", "Widget", conditions(*given))) == found


@pytest.mark.parametrize(
    "reason", ["Failed", "InstallFailed", "failure", "SecretSyncedError", "ERROR", "ErrorInSpec"]
)
@pytest.mark.parametrize("kind", ["Ready", "Available"])
def test_a_reason_that_tells_of_a_failure(kind: str, reason: str) -> None:
    given = conditions(condition(kind, "False", reason, "no such chart"))
    assert assess(live("example.com/v1", "Widget", given)) == degraded(f"{reason}: no such chart")


@pytest.mark.parametrize(
    ("generation", "observed", "found"),
    [
        (2, 1, "waiting for rollout: the controller has not seen generation 2 yet"),
        (2, 2, ""),
        (2, 3, ""),
        (2, None, ""),
        (2, "1", ""),
        (2, True, ""),
        (None, 1, ""),
        ("2", 1, ""),
    ],
)
def test_a_stale_status_is_not_believed(generation: Any, observed: Any, found: str) -> None:
    status = {"observedGeneration": observed, **conditions(READY)}
    body = live("example.com/v1", "Widget", status, generation=generation)
    assert assess(body) == (progressing(found) if found else HEALTHY)


NOT_SEEN = progressing("waiting for rollout: the controller has not seen generation 2 yet")


@pytest.mark.parametrize("decides", [READY, AVAILABLE, WAITING, ISSUING, STALLED, RECONCILING])
def test_a_condition_of_an_older_generation_is_not_believed(decides: Object) -> None:
    """So cert-manager and the Gateway API, which have it nowhere else."""

    def seen(observed: Any) -> Assessment:
        status = conditions({**decides, "observedGeneration": observed})
        return assess(live("example.com/v1", "Widget", status, generation=2))

    assert seen(1) == NOT_SEEN
    assert seen(2) == seen(3) == seen("1") == seen(None) != NOT_SEEN


def test_only_the_condition_that_decides_must_be_of_this_generation() -> None:
    old = {"observedGeneration": 1}
    status = conditions(
        {**condition("Stalled", "False"), **old},
        {**READY, "observedGeneration": 2},
        {**WAITING, **old},
        {**READY, **old},
    )
    assert assess(live("example.com/v1", "Widget", status, generation=2)) == HEALTHY
    status = conditions({**READY, "observedGeneration": 2}, {**STALLED, **old})
    assert assess(live("example.com/v1", "Widget", status, generation=2)) == NOT_SEEN


def test_a_stale_failure_is_none() -> None:
    status = {"observedGeneration": 1, **conditions(STALLED)}
    assert assess(live("example.com/v1", "Widget", status, generation=2)) == progressing(
        "waiting for rollout: the controller has not seen generation 2 yet"
    )


@pytest.mark.parametrize(
    "status",
    [
        None,
        "Ready",
        ["Ready"],
        {},
        {"phase": "Failed"},
        {"conditions": None},
        {"conditions": "Ready"},
        {"conditions": {"Ready": "False"}},
        {"conditions": [None, 1, "Ready", [], {}]},
        {"conditions": [{"type": ["Ready"], "status": "False"}]},
    ],
)
def test_what_has_no_conditions_is_healthy_once_it_exists(status: Any) -> None:
    assert assess(live("example.com/v1", "Widget", status)) == HEALTHY


@pytest.mark.parametrize(
    "written",
    [{"type": "Ready"}, {"type": "Ready", "status": True}, {"type": "Ready", "status": ["True"]}],
)
def test_a_condition_that_cannot_be_read_is_not_true(written: Object) -> None:
    assert assess(live("example.com/v1", "Widget", conditions(written))) == progressing(
        "Ready is not readable"
    )


def test_the_first_of_two_conditions_of_one_type_counts() -> None:
    assert assess(live("example.com/v1", "Widget", conditions(ISSUING, READY))) == progressing(
        "DoesNotExist: issuing certificate"
    )


# Conditions of kinds that come with Kubernetes or its sub-projects, and mean something else.
OTHERS = [
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", condition("Dangling", "False", "Found")),
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", condition("Dangling", "True", "NotFound")),
    (
        "flowcontrol.apiserver.k8s.io/v1",
        "PriorityLevelConfiguration",
        condition("ConcurrencyShared", "False"),
    ),
    (
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
        condition("Approved", "True", "AutoApproved"),
    ),
    ("certificates.k8s.io/v1", "CertificateSigningRequest", condition("Failed", "True", "Error")),
    ("networking.k8s.io/v1", "NetworkPolicy", condition("Accepted", "False", "Unsupported")),
    ("gateway.networking.k8s.io/v1", "GatewayClass", condition("Accepted", "Unknown", "Pending")),
    (
        "policy/v1",
        "PodDisruptionBudget",
        condition("DisruptionAllowed", "False", "InsufficientPods"),
    ),
    ("policy/v1", "PodDisruptionBudget", condition("DisruptionAllowed", "False", "SyncFailed")),
    ("v1", "ResourceQuota", condition("Exceeded", "True")),
    ("v1", "ConfigMap", condition("Whatever", "False", "Failed")),
]


@pytest.mark.parametrize(("api_version", "kind", "given"), OTHERS)
def test_conditions_that_mean_something_else_do_no_harm(
    api_version: str, kind: str, given: Object
) -> None:
    assert assess(live(api_version, kind, conditions(given))) == HEALTHY
