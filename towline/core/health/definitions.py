"""What other objects need before they can exist: kinds, APIs, namespaces."""

from __future__ import annotations

from towline.core.health.assessment import HEALTHY, Assessment, Health, progressing
from towline.core.health.conditions import awaited, conditions_of, decided
from towline.core.health.reading import section, text
from towline.core.objects import Object


def definition(live: Object) -> Assessment:
    conditions = conditions_of(live)
    return decided(
        conditions,
        ("NamesAccepted", "False", Health.DEGRADED),
        ("NonStructuralSchema", "True", Health.DEGRADED),
        ("Established", "True", Health.HEALTHY),
    ) or awaited(conditions, "Established", "is not established yet")


def api_service(live: Object) -> Assessment:
    conditions = conditions_of(live)
    available = decided(conditions, ("Available", "True", Health.HEALTHY))
    return available or awaited(conditions, "Available", "is not available yet")


def namespace(live: Object) -> Assessment:
    terminating = text(section(live, "status"), "phase") == "Terminating"
    return progressing("is being deleted") if terminating else HEALTHY
