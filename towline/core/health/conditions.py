"""Conditions, by their type, and what they decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from towline.core.health.assessment import HEALTHY, Assessment, Health, progressing
from towline.core.health.reading import items, section, text
from towline.core.objects import Object


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: str
    """`True`, `False` or `Unknown`; empty if it was no text."""
    reason: str = ""
    message: str = ""

    def __str__(self) -> str:
        written = ": ".join(filter(None, (self.reason, self.message)))
        return written or f"{self.type} is {self.status or 'not readable'}"


Conditions = Mapping[str, Condition]


def conditions_of(live: Object) -> Conditions:
    return read(items(section(live, "status"), "conditions"))


def read(written: Iterable[Object]) -> Conditions:
    """The first one of each type: a server allows no second."""
    found: dict[str, Condition] = {}
    for item in written:
        condition = Condition(
            text(item, "type"), text(item, "status"), text(item, "reason"), text(item, "message")
        )
        found.setdefault(condition.type, condition)
    return found


def decided(conditions: Conditions, *verdicts: tuple[str, str, Health]) -> Assessment | None:
    """What the first of the verdicts (type, status, health) that holds says of the object."""
    for kind, status, health in verdicts:
        condition = conditions.get(kind)
        if condition is not None and condition.status == status:
            return HEALTHY if health is Health.HEALTHY else Assessment(health, str(condition))
    return None


def awaited(conditions: Conditions, kind: str, otherwise: str) -> Assessment:
    """It waits for a condition: in the condition's words, or in others where there is none."""
    condition = conditions.get(kind)
    return progressing(otherwise if condition is None else str(condition))
