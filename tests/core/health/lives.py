"""Live objects for the tests of health, with as little in them as a rule reads."""

from __future__ import annotations

from typing import Any

from towline.core.health import Assessment, Health
from towline.core.objects import Object

HEALTHY = Assessment(Health.HEALTHY)


def live(
    api_version: str,
    kind: str,
    status: Any = None,
    spec: Any = None,
    **metadata: Any,
) -> Object:
    body = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "a", "namespace": "z", **metadata},
        "spec": spec,
        "status": status,
    }
    return {name: value for name, value in body.items() if value is not None}


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def conditions(*given: Object) -> Object:
    return {"conditions": list(given)}


def suspended(message: str) -> Assessment:
    return Assessment(Health.SUSPENDED, message)


def progressing(message: str) -> Assessment:
    return Assessment(Health.PROGRESSING, message)


def degraded(message: str) -> Assessment:
    return Assessment(Health.DEGRADED, message)


def unknown(message: str) -> Assessment:
    return Assessment(Health.UNKNOWN, message)
