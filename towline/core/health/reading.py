"""Readers of a live object that never raise: what has an unexpected shape counts as missing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeGuard

from towline.core.health.assessment import Assessment, Health, progressing
from towline.core.objects import Object


def section(live: Object, *path: str) -> Object:
    """The map at a path, or an empty one."""
    value: Any = live
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def items(values: Object, name: str) -> list[Object]:
    """The maps in a list."""
    return [item for item in _list(values, name) if isinstance(item, dict)]


def texts(values: Object, name: str) -> list[str]:
    """The texts in a list."""
    return [item for item in _list(values, name) if isinstance(item, str)]


def _list(values: Object, name: str) -> list[Any]:
    value = values.get(name)
    return value if isinstance(value, list) else []


def text(values: Object, name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""


def number(values: Object, name: str, missing: int = 0) -> int:
    value = values.get(name)
    return value if _is_count(value) else missing


def moment(values: Object, name: str) -> datetime | None:
    """A time of RFC 3339. One without an offset counts as missing: it compares with no other."""
    try:
        found = datetime.fromisoformat(text(values, name))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _is_count(value: object) -> TypeGuard[int]:
    """Counts and generations: never negative, and for Python `True` is an int."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def unreadable(live: Object, *paths: str) -> Assessment | None:
    """For numbers that look good when they are missing: what is written there must be one.

    Paths are `section.field`.
    """
    for path in paths:
        part, _, name = path.partition(".")
        holder = live.get(part)
        value = holder.get(name) if isinstance(holder, dict) else holder
        if value is not None and not _is_count(value):
            return Assessment(Health.UNKNOWN, f"{path} is no number")
    return None


def stale(live: Object) -> Assessment | None:
    """Its status is about an older generation. Without `observedGeneration` nobody can tell."""
    generation = number(section(live, "metadata"), "generation")
    observed = number(section(live, "status"), "observedGeneration", missing=generation)
    return _not_seen(generation) if observed < generation else None


def unobserved(live: Object) -> Assessment | None:
    """As `stale`, for kinds whose controller always writes `observedGeneration`."""
    status = section(live, "status")
    generation = number(section(live, "metadata"), "generation")
    if not status or number(status, "observedGeneration") < generation:
        return _not_seen(generation)
    return unreadable(live, "metadata.generation")


def _not_seen(generation: int) -> Assessment:
    what = f"generation {generation}" if generation else "it"
    return progressing(f"waiting for rollout: the controller has not seen {what} yet")
