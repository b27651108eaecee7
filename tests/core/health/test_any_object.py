"""Whatever a server sends, there is an assessment."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.health.lives import live
from towline.core.health import Assessment, Health, assess
from towline.core.health.rules import RULES
from towline.core.objects import Object

_TYPES = (
    "Ready Available Stalled Reconciling Progressing ReplicaFailure Failed Suspended Complete"
    " Established NamesAccepted NonStructuralSchema AbleToScale ScalingActive ScalingLimited"
    " PodScheduled"
)
_REASONS = "ProgressDeadlineExceeded FailedGetScale InvalidSelector InstallFailed CrashLoopBackOff"
_PHASES = "Pending Running Succeeded Failed Unknown Bound Lost Available Terminating Active"
_TIMES = "2026-01-01T00:00:00Z 2026-01-02T00:00:00Z 2026-01-01T00:00:00 0001-01-01T00:00:00+23:59"

_noise = st.recursive(
    st.none() | st.booleans() | st.integers(-1) | st.floats(allow_nan=False) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


def _mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Something else in its place, one time in ten."""
    return st.integers(0, 9).flatmap(lambda dice: usual if dice else _noise)


def _words(words: str) -> st.SearchStrategy[Any]:
    return _mostly(st.sampled_from(words.split()))


def _map(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return _mostly(st.fixed_dictionaries({}, optional=fields))


def _several(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return _mostly(st.lists(inner, max_size=3))


_count = _mostly(st.integers(0, 2))
_reason = _words(_REASONS)
_said = _mostly(st.sampled_from(["", "in short"]))
_flag = _mostly(st.booleans())


def _counts(names: str) -> dict[str, st.SearchStrategy[Any]]:
    return dict.fromkeys(names.split(), _count)


_condition = _mostly(
    st.fixed_dictionaries(
        {"type": _words(_TYPES), "status": _words("True False Unknown")},
        optional={"reason": _reason, "message": _said},
    )
)
_conditions = _several(_condition)
_state = _map(
    waiting=_map(reason=_reason, message=_said), terminated=_map(exitCode=_count, message=_said)
)
_containers = _several(_map(state=_state, name=_said))
_strategy = _map(type=_words("OnDelete RollingUpdate"), rollingUpdate=_map(partition=_count))

_metadata = _map(
    generation=_count,
    annotations=_map(
        **{"autoscaling.alpha.kubernetes.io/conditions": _mostly(_conditions.map(json.dumps))}
    ),
)
_deleted = _map(deletionTimestamp=_words(_TIMES), finalizers=_several(_said))
_spec = _map(
    updateStrategy=_strategy,
    paused=_flag,
    suspend=_flag,
    type=_words("LoadBalancer ClusterIP"),
    **_counts("replicas completions"),
)
_status = _map(
    conditions=_conditions,
    containerStatuses=_containers,
    initContainerStatuses=_containers,
    loadBalancer=_map(ingress=_several(_map(ip=_said))),
    active=_several(_map(name=_said)),
    phase=_words(_PHASES),
    message=_said,
    reason=_reason,
    currentRevision=_words("a b"),
    updateRevision=_words("a b"),
    lastScheduleTime=_words(_TIMES),
    lastSuccessfulTime=_words(_TIMES),
    **_counts(
        "observedGeneration replicas readyReplicas availableReplicas updatedReplicas succeeded"
        " desiredNumberScheduled updatedNumberScheduled numberAvailable"
    ),
)
_objects = st.fixed_dictionaries(
    {"status": _status}, optional={"metadata": _metadata, "spec": _spec}
) | st.fixed_dictionaries({"metadata": _deleted}, optional={"status": _status})
_KINDS = [*RULES, ("example.com", "Widget")]


@given(st.sampled_from(_KINDS), _objects)
@example(("apps", "Deployment"), {"metadata": 1, "spec": [], "status": "x"})
def test_every_object_has_an_assessment(kind: tuple[str, str], body: Object) -> None:
    found = assess({"apiVersion": f"{kind[0]}/v1", "kind": kind[1], **body})
    assert isinstance(found, Assessment)
    assert isinstance(found.health, Health)
    assert (found.health is Health.HEALTHY) == (found.message == "")


@given(st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata", "status"]), _noise))
def test_so_has_any_other_map(body: Object) -> None:
    assert isinstance(assess(body), Assessment)


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: str(kind[1]))
def test_a_rule_leaves_the_object_alone(kind: tuple[str, str]) -> None:
    body = live(f"{kind[0]}/v1", kind[1], {"conditions": []}, {"replicas": 1}, generation=1)
    assess(body)
    assert body == live(f"{kind[0]}/v1", kind[1], {"conditions": []}, {"replicas": 1}, generation=1)
