"""A revision on its way: since when, how far, and which Jobs it has run.

Kept with the inventory on the cluster, for it must outlive Redis: a Job that its time to live
removed must not run again, and a time-out that begins anew with each loss would never come.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from towline.core.manifest import Manifest
from towline.core.objects import GroupKind


class RolloutState(StrEnum):
    """How far a revision has come."""

    PROGRESSING = "progressing"
    """Not all of it is applied, or not all that was applied is healthy yet."""
    APPLIED = "applied"
    """All of it is applied; whether it is healthy cannot be told."""
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """An object failed or is degraded, or health did not come in time."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Times are seconds since the epoch."""

    digest: str
    """The render's, as in `Revision.digest`."""
    began: float
    """When the first run of this revision wrote."""
    moved: float
    """When the last run wrote: a stage that does not become healthy is overdue from then on."""

    def __str__(self) -> str:
        return f"{self.digest} {self.began!r} {self.moved!r}"

    @classmethod
    def parse(cls, text: str | None) -> Rollout | None:
        """None for nothing, and for what somebody else wrote there."""
        try:
            digest, *times = (text or "").split(" ")
            began, moved = map(float, times)
        except ValueError:
            return None
        return cls(digest, began, moved) if math.isfinite(began + moved) else None


def moved(earlier: Rollout | None, digest: str, now: float) -> Rollout:
    """The rollout of a revision that is being written to now."""
    began = earlier.began if earlier and earlier.digest == digest else now
    return Rollout(digest, began, now)


_JOB = GroupKind("batch", "Job")


def job_digest(manifest: Manifest) -> str | None:
    """What a Job that goes by itself is remembered by; None for everything else.

    Only with a time to live does a Job go without anybody's doing. One that was deleted by hand
    without having one is drift, and runs again.
    """
    if manifest.key.group_kind != _JOB:
        return None
    spec = manifest.body.get("spec")
    if not isinstance(spec, dict) or spec.get("ttlSecondsAfterFinished") is None:
        return None
    text = json.dumps([spec, manifest.key], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


FAILED = "failed"
"""Stands behind the digest of a Job that was seen to have failed, with a colon between."""


def parse_jobs(text: str | None) -> Mapping[str, str]:
    """From a Job's `namespace/name` to its digest; what is malformed is left out."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: digest for name, digest in found.items() if isinstance(digest, str)}


def format_jobs(jobs: Mapping[str, str]) -> str | None:
    return json.dumps(dict(sorted(jobs.items())), separators=(",", ":")) if jobs else None
