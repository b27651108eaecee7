"""What a pod's phase and its containers say."""

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
    unknown,
)
from towline.core.health import Assessment, assess
from towline.core.objects import Object


def waiting(reason: Any, message: str = "") -> Object:
    return {"name": "web", "state": {"waiting": {"reason": reason, "message": message}}}


def ended(code: Any, message: str = "") -> Object:
    return {"name": "web", "state": {"terminated": {"exitCode": code, "message": message}}}


def pod(phase: Any = None, *containers: Any, init: Any = None, **more: Any) -> Object:
    status = {"phase": phase, "containerStatuses": list(containers), **more}
    return live("v1", "Pod", {**status, "initContainerStatuses": init})


@pytest.mark.parametrize(
    "reason",
    [
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    ],
)
@pytest.mark.parametrize("phase", ["Pending", "Running", None])
def test_a_container_that_cannot_start_makes_its_pod_degraded(phase: Any, reason: str) -> None:
    told = degraded(f"container web: {reason}: in short")
    assert assess(pod(phase, waiting(reason, "in short"))) == told
    assert assess(pod(phase, init=[waiting(reason, "in short")])) == told


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "BackOffice", "", 1])
def test_a_container_that_is_about_to_start_does_not(reason: Any) -> None:
    assert assess(pod("Pending", waiting(reason))) == progressing("is pending")


def test_each_container_is_named() -> None:
    first, second = {**waiting("ErrImagePull"), "name": "init"}, waiting("CrashLoopBackOff")
    assert assess(pod("Pending", waiting("PodInitializing"), second, init=[first])) == degraded(
        "container init: ErrImagePull; container web: CrashLoopBackOff"
    )


READY = condition("Ready", "True")
UNREADY = condition("Ready", "False", "ContainersNotReady", "containers with unready status: [web]")
UNSCHEDULED = condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (pod("Pending"), progressing("is pending")),
        (
            pod("Pending", **conditions(UNSCHEDULED)),
            progressing("Unschedulable: 0/3 nodes are available"),
        ),
        (
            pod("Pending", **conditions(condition("PodScheduled", "True"))),
            progressing("is pending"),
        ),
        (pod(), progressing("is pending")),
        (pod(["Running"], **conditions(READY)), progressing("is pending")),
        (live("v1", "Pod"), progressing("is pending")),
        (pod("Succeeded"), HEALTHY),
        (pod("Succeeded", **conditions(condition("Ready", "False", "PodCompleted"))), HEALTHY),
        (pod("Running", **conditions(READY)), HEALTHY),
        (
            pod("Running", **conditions(UNREADY)),
            progressing("ContainersNotReady: containers with unready status: [web]"),
        ),
        (pod("Running"), progressing("is not ready yet")),
        (pod("Running", conditions="Ready"), progressing("is not ready yet")),
        (
            pod("Running", conditions=[{"type": "Ready", "status": True}]),
            progressing("Ready is not readable"),
        ),
        (
            pod("Failed", message="The node was low on memory", reason="Evicted"),
            degraded("The node was low on memory"),
        ),
        (pod("Failed", reason="Evicted"), degraded("Evicted")),
        (pod("Failed", ended(2)), degraded("container web: exit code 2")),
        (pod("Failed", ended(0), ended(1, "no config")), degraded("container web: no config")),
        (pod("Failed", init=[ended(3)]), degraded("container web: exit code 3")),
        (pod("Failed", ended("2"), None, "x"), degraded("has failed")),
        (pod("Failed"), degraded("has failed")),
        (pod("Unknown", **conditions(READY)), unknown("its phase is Unknown")),
    ],
)
def test_a_pod_by_its_phase(body: Object, found: Assessment) -> None:
    assert assess(body) == found


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
def test_a_pod_that_runs_and_is_ready_is_healthy_however_it_restarts(policy: str) -> None:
    body = pod("Running", **conditions(READY))
    assert assess({**body, "spec": {"restartPolicy": policy}}) == HEALTHY


def test_a_container_that_has_been_restarted_is_given_its_time() -> None:
    restarted = {"name": "web", "lastState": ended(1)["state"], "state": {"running": {}}}
    assert assess(pod("Running", restarted)) == progressing("is not ready yet")
