"""What is reached from outside."""

from __future__ import annotations

from towline.core.health.assessment import HEALTHY, Assessment, progressing
from towline.core.health.reading import items, section, text
from towline.core.objects import Object


def service(live: Object) -> Assessment:
    balanced = text(section(live, "spec"), "type") == "LoadBalancer"
    return ingress(live) if balanced else HEALTHY


def ingress(live: Object) -> Assessment:
    """One entry is enough, whatever it says: not every controller has an address to tell."""
    if items(section(live, "status", "loadBalancer"), "ingress"):
        return HEALTHY
    return progressing("waits for an address of its load balancer")
