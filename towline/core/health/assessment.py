"""What is said of an object: its health, and what it waits for or what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """From best to worst, in the order that users of Argo CD know."""

    HEALTHY = "healthy"
    SUSPENDED = "suspended"
    """Somebody stopped it on purpose."""
    PROGRESSING = "progressing"
    """Not healthy, but it can still become so without help."""
    MISSING = "missing"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    """Its own words cannot be understood."""

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(Health).index(self)


def worst(healths: Iterable[Health]) -> Health:
    """The worst one: an application is as healthy as its worst object, and healthy without any."""
    return max(set(healths), key=lambda health: health.rank, default=Health.HEALTHY)


@dataclass(frozen=True, slots=True)
class Assessment:
    health: Health
    message: str = ""
    """What it waits for or what is wrong, in short words; empty where it is healthy."""


HEALTHY = Assessment(Health.HEALTHY)


def progressing(message: str) -> Assessment:
    return Assessment(Health.PROGRESSING, message)


def too_few(have: int, wanted: int, what: str) -> Assessment | None:
    """`1 of 3 replicas are available`, unless there are enough."""
    return progressing(f"{have} of {wanted} {what}") if have < wanted else None
