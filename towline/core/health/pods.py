"""Pods that are in Git themselves, and what their containers say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from towline.core.health.assessment import HEALTHY, Assessment, Health, progressing
from towline.core.health.conditions import awaited, conditions_of, decided
from towline.core.health.reading import items, number, section, text
from towline.core.objects import Object


def pod(live: Object) -> Assessment:
    return _held_up(live) or _by_phase(live)


def _held_up(live: Object) -> Assessment | None:
    """A container that the kubelet cannot start, whatever the phase says meanwhile."""
    found = "; ".join(_complaints(_containers(live)))
    return Assessment(Health.DEGRADED, found) if found else None


def _containers(live: Object) -> list[Object]:
    status = section(live, "status")
    return items(status, "initContainerStatuses") + items(status, "containerStatuses")


def _complaints(containers: Iterable[Object]) -> Iterator[str]:
    """`ImagePullBackOff`, `CreateContainerConfigError`, `ErrImagePull` and their like."""
    for container in containers:
        waiting = section(container, "state", "waiting")
        reason = text(waiting, "reason")
        if reason.endswith(("Error", "BackOff")) or reason.startswith("Err"):
            words = (f"container {text(container, 'name')}", reason, text(waiting, "message"))
            yield ": ".join(filter(None, words))


def _by_phase(live: Object) -> Assessment:
    match text(section(live, "status"), "phase"):
        case "" | "Pending":
            return _pending(live)
        case "Running":
            return _running(live)
        case "Succeeded":
            return HEALTHY
        case "Failed":
            return Assessment(Health.DEGRADED, _cause(live))
        case phase:
            return Assessment(Health.UNKNOWN, f"its phase is {phase}")


def _pending(live: Object) -> Assessment:
    unscheduled = ("PodScheduled", "False", Health.PROGRESSING)
    return decided(conditions_of(live), unscheduled) or progressing("is pending")


def _running(live: Object) -> Assessment:
    conditions = conditions_of(live)
    ready = decided(conditions, ("Ready", "True", Health.HEALTHY))
    return ready or awaited(conditions, "Ready", "is not ready yet")


def _cause(live: Object) -> str:
    status = section(live, "status")
    written = text(status, "message") or text(status, "reason")
    return written or next(_failures(_containers(live)), "has failed")


def _failures(containers: Iterable[Object]) -> Iterator[str]:
    for container in containers:
        ended = section(container, "state", "terminated")
        code = number(ended, "exitCode")
        why = text(ended, "message") or (f"exit code {code}" if code else "")
        if why:
            yield f"container {text(container, 'name')}: {why}"
