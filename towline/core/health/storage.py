"""Claims and the volumes behind them."""

from __future__ import annotations

from towline.core.health.assessment import HEALTHY, Assessment, Health, progressing
from towline.core.health.reading import section, text
from towline.core.objects import Object


def claim(live: Object) -> Assessment:
    """A claim whose storage class waits for the first consumer is pending until a pod uses it.

    Who waits for claims has to know the class; the claim alone does not say.
    """
    match text(section(live, "status"), "phase"):
        case "Bound":
            return HEALTHY
        case "" | "Pending":
            return progressing("is not bound yet")
        case "Lost":
            return Assessment(Health.DEGRADED, "its volume is lost")
        case phase:
            return Assessment(Health.UNKNOWN, f"its phase is {phase}")


def volume(live: Object) -> Assessment:
    """`Available` and `Released` are no faults: they wait for somebody to claim or to clean."""
    status = section(live, "status")
    if text(status, "phase") != "Failed":
        return HEALTHY
    why = text(status, "message") or text(status, "reason") or "its reclaiming has failed"
    return Assessment(Health.DEGRADED, why)
