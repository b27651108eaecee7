"""Any other kind, by the convention of kstatus."""

from __future__ import annotations

import re

from towline.core.health.assessment import HEALTHY, Assessment, Health
from towline.core.health.conditions import Condition, Conditions, conditions_of
from towline.core.health.reading import items, section, stale, text
from towline.core.objects import Object

_FAILURE = re.compile("fail|error", re.IGNORECASE)


def convention(live: Object) -> Assessment:
    """https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus

    Other types of conditions mean what their kind says, and that is not known here: they count
    for nothing (a PodDisruptionBudget that allows no disruption right now is not ill). As there,
    `Stalled` and `Reconciling` come before `Ready`, which may still be true of what was before.
    """
    condition = _deciding(conditions_of(live))
    if condition is None:
        return stale(live) or HEALTHY
    return stale(live) or _stale_condition(live, condition) or _said(condition)


def _deciding(conditions: Conditions) -> Condition | None:
    for kind in ("Stalled", "Reconciling"):
        condition = conditions.get(kind)
        if condition is not None and condition.status == "True":
            return condition
    return conditions.get("Ready") or conditions.get("Available")


def _stale_condition(live: Object, condition: Condition) -> Assessment | None:
    """Some kinds (of cert-manager, of the Gateway API) say only there which generation was seen."""
    found = items(section(live, "status"), "conditions")
    written = next(item for item in found if text(item, "type") == condition.type)
    return stale({"metadata": section(live, "metadata"), "status": written})


def _said(condition: Condition) -> Assessment:
    """kstatus cannot tell a failure from an object on its way; most reasons do."""
    if condition.type == "Stalled":
        return Assessment(Health.DEGRADED, str(condition))
    if condition.type == "Reconciling":
        return Assessment(Health.PROGRESSING, str(condition))
    if condition.status == "True":
        return HEALTHY
    failed = condition.status == "False" and _FAILURE.search(condition.reason)
    return Assessment(Health.DEGRADED if failed else Health.PROGRESSING, str(condition))
