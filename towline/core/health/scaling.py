"""What changes the number of pods."""

from __future__ import annotations

import json

from towline.core.health.assessment import Assessment, Health
from towline.core.health.conditions import Conditions, awaited, conditions_of, decided, read
from towline.core.health.reading import items, section, text
from towline.core.objects import Object

_ANNOTATION = "autoscaling.alpha.kubernetes.io/conditions"


def autoscaler(live: Object) -> Assessment:
    """`ScalingActive` is also False where scaling is switched off: only a failure counts."""
    conditions = conditions_of(live) or _annotated(live)
    return (
        _failure(conditions)
        or decided(
            conditions,
            ("AbleToScale", "True", Health.HEALTHY),
            ("ScalingLimited", "True", Health.HEALTHY),
        )
        or awaited(conditions, "AbleToScale", "has not scaled anything yet")
    )


def _failure(conditions: Conditions) -> Assessment | None:
    for condition in filter(None, map(conditions.get, ("AbleToScale", "ScalingActive"))):
        if condition.status == "False" and condition.reason.startswith(("Failed", "Invalid")):
            return Assessment(Health.DEGRADED, str(condition))
    return None


def _annotated(live: Object) -> Conditions:
    """autoscaling/v1 has no conditions: a server tells them in an annotation."""
    written = text(section(live, "metadata", "annotations"), _ANNOTATION)
    try:
        return read(items({"conditions": json.loads(written)}, "conditions"))
    except (ValueError, RecursionError):
        return {}
