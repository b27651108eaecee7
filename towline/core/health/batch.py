"""Jobs, and what starts them."""

from __future__ import annotations

from towline.core.health.assessment import HEALTHY, Assessment, Health, progressing, too_few
from towline.core.health.conditions import conditions_of, decided
from towline.core.health.reading import items, moment, number, section
from towline.core.objects import Object


def job(live: Object) -> Assessment:
    """A Job that still runs is not healthy yet: who waits for a Job waits for its end."""
    succeeded = number(section(live, "status"), "succeeded")
    completions = number(section(live, "spec"), "completions")
    return (
        decided(
            conditions_of(live),
            ("Failed", "True", Health.DEGRADED),
            ("Suspended", "True", Health.SUSPENDED),
            ("Complete", "True", Health.HEALTHY),
        )
        or too_few(succeeded, completions, "pods have succeeded")
        or progressing("has not completed yet")
    )


def cron_job(live: Object) -> Assessment:
    """Healthy too where no run has succeeded so far: nobody can tell whether one has failed.

    So says Argo CD, in `resource_customizations/batch/CronJob`.
    """
    if section(live, "spec").get("suspend") is True:
        return Assessment(Health.SUSPENDED, "is suspended")
    status = section(live, "status")
    return _unreadable_times(status) or _last_run(status) or HEALTHY


_SCHEDULED = "lastScheduleTime"
_SUCCEEDED = "lastSuccessfulTime"


def _unreadable_times(status: Object) -> Assessment | None:
    for name in (_SCHEDULED, _SUCCEEDED):
        if status.get(name) is not None and moment(status, name) is None:
            return Assessment(Health.UNKNOWN, f"status.{name} is no time")
    return None


def _last_run(status: Object) -> Assessment | None:
    scheduled, succeeded = moment(status, _SCHEDULED), moment(status, _SUCCEEDED)
    if items(status, "active") or scheduled is None or succeeded is None or succeeded >= scheduled:
        return None
    return Assessment(Health.DEGRADED, f"the run of {status[_SCHEDULED]} has not succeeded")
