"""Any other kind, by the convention of kstatus."""

from __future__ import annotations

import re

from towline.core.health.assessment import HEALTHY, Assessment, Health
from towline.core.health.conditions import Condition, conditions_of, decided
from towline.core.health.reading import stale
from towline.core.objects import Object

_FAILURE = re.compile("fail|error", re.IGNORECASE)


def convention(live: Object) -> Assessment:
    """https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus

    Other types of conditions mean what their kind says, and that is not known here: they count
    for nothing (a PodDisruptionBudget that allows no disruption right now is not ill). As there,
    `Stalled` and `Reconciling` come before `Ready`, which may still be true of what was before.
    """
    conditions = conditions_of(live)
    return (
        stale(live)
        or decided(
            conditions,
            ("Stalled", "True", Health.DEGRADED),
            ("Reconciling", "True", Health.PROGRESSING),
        )
        or _readiness(conditions.get("Ready") or conditions.get("Available"))
    )


def _readiness(condition: Condition | None) -> Assessment:
    """kstatus cannot tell a failure from an object on its way; most reasons do."""
    if condition is None or condition.status == "True":
        return HEALTHY
    failed = condition.status == "False" and _FAILURE.search(condition.reason)
    return Assessment(Health.DEGRADED if failed else Health.PROGRESSING, str(condition))
