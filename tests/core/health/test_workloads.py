"""A rollout is over once every pod that is wanted is there and is the new one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.health.lives import (
    HEALTHY,
    condition,
    conditions,
    degraded,
    live,
    progressing,
    suspended,
    unknown,
)
from towline.core.health import Assessment, assess
from towline.core.objects import Object

SEEN = {"observedGeneration": 4}
UNSEEN = progressing("waiting for rollout: the controller has not seen generation 4 yet")

EXCEEDED = condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")
AVAILABLE = condition("Available", "False", "MinimumReplicasUnavailable", "not enough")


def counts(updated: Any, total: Any, available: Any, **more: Any) -> Object:
    numbers = {"updatedReplicas": updated, "replicas": total, "availableReplicas": available}
    return {**SEEN, **{name: n for name, n in numbers.items() if n is not None}, **more}


@pytest.mark.parametrize(
    ("spec", "status", "found"),
    [
        ({"replicas": 3}, counts(3, 3, 3), HEALTHY),
        ({"replicas": 3}, counts(3, 3, 3, **conditions(AVAILABLE)), HEALTHY),
        ({"replicas": 3}, counts(3, 3, 3, observedGeneration=5), HEALTHY),
        ({"replicas": 3, "paused": False}, counts(3, 3, 3), HEALTHY),
        ({"replicas": 3, "paused": True}, counts(1, 3, 0), suspended("the rollout is paused")),
        ({"paused": True}, None, suspended("the rollout is paused")),
        ({"replicas": 3}, counts(3, 3, 3, observedGeneration=3), UNSEEN),
        ({"replicas": 3}, counts(3, 3, 3, observedGeneration="4"), UNSEEN),
        ({"replicas": 3}, counts(3, 3, 3, observedGeneration=None), UNSEEN),
        ({"replicas": 3}, None, UNSEEN),
        ({"replicas": 3}, {}, UNSEEN),
        ({"replicas": 0}, {}, UNSEEN),
        (
            {"replicas": 3},
            counts(1, 3, 1, **conditions(EXCEEDED)),
            degraded("ProgressDeadlineExceeded: timed out"),
        ),
        ({"replicas": 3}, counts(3, 3, 3, observedGeneration=3, **conditions(EXCEEDED)), UNSEEN),
        ({"replicas": 3}, counts(2, 3, 3), progressing("2 of 3 replicas are updated")),
        ({"replicas": 3}, SEEN, progressing("0 of 3 replicas are updated")),
        ({"replicas": 3}, counts(3, 4, 3), progressing("1 old replica is not gone yet")),
        ({"replicas": 3}, counts(3, 5, 3), progressing("2 old replicas are not gone yet")),
        ({"replicas": 0}, counts(None, 2, 2), progressing("2 old replicas are not gone yet")),
        ({"replicas": 3}, counts(3, 3, 1), progressing("1 of 3 updated replicas are available")),
        (
            {"replicas": 3},
            counts(3, 3, "3"),
            progressing("0 of 3 updated replicas are available"),
        ),
        (
            {"replicas": 3},
            counts(3, 3, True),
            progressing("0 of 3 updated replicas are available"),
        ),
        ({"replicas": 3}, counts(3, "5", 3), unknown("status.replicas is no number")),
        ({"replicas": 0}, SEEN, HEALTHY),
        (None, counts(1, 1, 1), HEALTHY),
        ({}, SEEN, progressing("0 of 1 replicas are updated")),
        ({"replicas": None}, SEEN, progressing("0 of 1 replicas are updated")),
        ({"replicas": 1}, counts(1, 1, 1, conditions=[None, "x", 1, {"type": 1}]), HEALTHY),
        ({"replicas": 1}, counts(1, 1, 1, conditions={"Progressing": EXCEEDED}), HEALTHY),
    ],
)
def test_a_deployment(spec: Any, status: Any, found: Assessment) -> None:
    assert assess(live("apps/v1", "Deployment", status, spec, generation=4)) == found


def test_without_a_generation_there_is_nothing_to_be_seen() -> None:
    status = counts(1, 1, 1, observedGeneration=None)
    assert assess(live("apps/v1", "Deployment", status)) == HEALTHY
    assert assess(live("apps/v1", "Deployment")) == progressing(
        "waiting for rollout: the controller has not seen it yet"
    )


def rolling(partition: Any = None) -> Object:
    strategy: Object = {"type": "RollingUpdate"}
    if partition is not None:
        strategy["rollingUpdate"] = {"partition": partition}
    return {"replicas": 3, "updateStrategy": strategy}


ON_DELETE = {"replicas": 3, "updateStrategy": {"type": "OnDelete"}}
READY = {**SEEN, "readyReplicas": 3}
BETWEEN = {**READY, "currentRevision": "a-1", "updateRevision": "a-2"}
MIXED = progressing("not all replicas are of the new revision yet")


@pytest.mark.parametrize(
    ("spec", "status", "found"),
    [
        ({"replicas": 3}, {**READY, "currentRevision": "a", "updateRevision": "a"}, HEALTHY),
        ({"replicas": 3}, READY, HEALTHY),
        ({"replicas": 3}, {**READY, "observedGeneration": 3}, UNSEEN),
        ({"replicas": 3}, {"readyReplicas": 3}, UNSEEN),
        ({"replicas": 3}, None, UNSEEN),
        ({"replicas": 3}, {**SEEN, "readyReplicas": 2}, progressing("2 of 3 replicas are ready")),
        ({"replicas": 3}, SEEN, progressing("0 of 3 replicas are ready")),
        ({}, SEEN, progressing("0 of 1 replicas are ready")),
        ({"replicas": 0}, SEEN, HEALTHY),
        ({"replicas": 3}, BETWEEN, MIXED),
        ({"replicas": 3}, {**READY, "updateRevision": "a"}, MIXED),
        (rolling(), BETWEEN, MIXED),
        (rolling("2"), BETWEEN, MIXED),
        (rolling(0), {**BETWEEN, "updatedReplicas": 3}, HEALTHY),
        (rolling(0), BETWEEN, progressing("0 of 3 replicas are updated")),
        (
            rolling(1),
            {**BETWEEN, "updatedReplicas": 1},
            progressing("1 of 2 replicas are updated"),
        ),
        (rolling(1), {**BETWEEN, "updatedReplicas": 2}, HEALTHY),
        (rolling(3), BETWEEN, HEALTHY),
        (rolling(5), BETWEEN, HEALTHY),
        (rolling(3), {**SEEN, "readyReplicas": 2}, progressing("2 of 3 replicas are ready")),
        (ON_DELETE, BETWEEN, HEALTHY),
        (ON_DELETE, SEEN, progressing("0 of 3 replicas are ready")),
        ({"replicas": 3, "updateStrategy": "OnDelete"}, BETWEEN, MIXED),
    ],
)
def test_a_stateful_set(spec: Any, status: Any, found: Assessment) -> None:
    assert assess(live("apps/v1", "StatefulSet", status, spec, generation=4)) == found


def nodes(desired: Any, updated: Any, available: Any) -> Object:
    return {
        **SEEN,
        "desiredNumberScheduled": desired,
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
    }


@pytest.mark.parametrize(
    ("spec", "status", "found"),
    [
        (None, nodes(3, 3, 3), HEALTHY),
        (None, nodes(0, None, None), HEALTHY),
        (None, {**nodes(3, 3, 3), "observedGeneration": 3}, UNSEEN),
        (None, None, UNSEEN),
        (None, nodes(3, 1, 3), progressing("1 of 3 pods are updated")),
        (None, nodes(3, None, 3), progressing("0 of 3 pods are updated")),
        (None, nodes(3, 3, 2), progressing("2 of 3 pods are available")),
        (None, nodes(3, 3, "3"), progressing("0 of 3 pods are available")),
        (None, nodes("3", 3, 3), progressing("the controller has not counted its nodes yet")),
        (None, SEEN, progressing("the controller has not counted its nodes yet")),
        ({"updateStrategy": {"type": "OnDelete"}}, nodes(3, 1, 2), HEALTHY),
        ({"updateStrategy": {"type": "OnDelete"}}, None, UNSEEN),
        (
            {"updateStrategy": {"type": "RollingUpdate"}},
            nodes(3, 1, 2),
            progressing("1 of 3 pods are updated"),
        ),
    ],
)
def test_a_daemon_set(spec: Any, status: Any, found: Assessment) -> None:
    assert assess(live("apps/v1", "DaemonSet", status, spec, generation=4)) == found


REFUSED = condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")
ACCEPTED = condition("ReplicaFailure", "False")


@pytest.mark.parametrize(
    ("api_version", "kind"), [("apps/v1", "ReplicaSet"), ("v1", "ReplicationController")]
)
@pytest.mark.parametrize(
    ("spec", "status", "found"),
    [
        ({"replicas": 2}, {**SEEN, "availableReplicas": 2}, HEALTHY),
        ({"replicas": 2}, {**SEEN, "availableReplicas": 2, **conditions(ACCEPTED)}, HEALTHY),
        ({"replicas": 0}, SEEN, HEALTHY),
        ({"replicas": 2}, {"availableReplicas": 2}, UNSEEN),
        ({"replicas": 2}, {"observedGeneration": 3, **conditions(REFUSED)}, UNSEEN),
        (
            {"replicas": 2},
            {**SEEN, "availableReplicas": 2, **conditions(REFUSED)},
            degraded("FailedCreate: exceeded quota"),
        ),
        (
            {"replicas": 2},
            {**SEEN, "availableReplicas": 1},
            progressing("1 of 2 replicas are available"),
        ),
        ({}, SEEN, progressing("0 of 1 replicas are available")),
    ],
)
def test_a_replica_set(
    api_version: str, kind: str, spec: Any, status: Any, found: Assessment
) -> None:
    assert assess(live(api_version, kind, status, spec, generation=4)) == found
