"""A Job is healthy at its end; a CronJob while its last run did not fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.health.lives import (
    HEALTHY,
    condition,
    conditions,
    degraded,
    live,
    progressing,
    suspended,
    unknown,
)
from towline.core.health import Assessment, assess
from towline.core.objects import Object

FAILED = condition("Failed", "True", "BackoffLimitExceeded", "tried 6 times")
SUSPENDED = condition("Suspended", "True", "JobSuspended", "Job suspended")
RESUMED = condition("Suspended", "False", "JobResumed", "Job resumed")
COMPLETE = condition("Complete", "True")
RUNNING = progressing("has not completed yet")


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (conditions(COMPLETE), HEALTHY),
        (conditions(condition("SuccessCriteriaMet", "True"), COMPLETE), HEALTHY),
        (conditions(RESUMED, COMPLETE), HEALTHY),
        (conditions(FAILED), degraded("BackoffLimitExceeded: tried 6 times")),
        (conditions(COMPLETE, FAILED), degraded("BackoffLimitExceeded: tried 6 times")),
        (conditions(condition("Failed", "True")), degraded("Failed is True")),
        (conditions(SUSPENDED), suspended("JobSuspended: Job suspended")),
        (conditions(RESUMED), RUNNING),
        (conditions(condition("Failed", "False"), condition("Complete", "False")), RUNNING),
        (conditions(condition("FailureTarget", "True")), RUNNING),
        (conditions(condition("SuccessCriteriaMet", "True")), RUNNING),
        ({"conditions": [{"type": "Complete", "status": True}]}, RUNNING),
        ({"conditions": {"type": "Complete", "status": "True"}}, RUNNING),
        ({"succeeded": 1, "active": 1}, RUNNING),
        ({}, RUNNING),
        (None, RUNNING),
    ],
)
def test_a_job(status: Any, found: Assessment) -> None:
    assert assess(live("batch/v1", "Job", status)) == found


def test_a_job_that_runs_tells_how_far_it_is() -> None:
    spec = {"completions": 3}
    told = progressing("2 of 3 pods have succeeded")
    assert assess(live("batch/v1", "Job", {"succeeded": 2}, spec)) == told
    assert assess(live("batch/v1", "Job", {"succeeded": 3}, spec)) == RUNNING


EARLIER, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
MISSED = degraded(f"the run of {LATER} has not succeeded")


def times(scheduled: Any = None, succeeded: Any = None, **more: Any) -> Object:
    return {"lastScheduleTime": scheduled, "lastSuccessfulTime": succeeded, **more}


@pytest.mark.parametrize(
    ("spec", "status", "found"),
    [
        ({}, times(EARLIER, LATER), HEALTHY),
        ({}, times(LATER, LATER), HEALTHY),
        ({"suspend": False}, times(LATER, EARLIER), MISSED),
        ({"suspend": True}, times(LATER, EARLIER), suspended("is suspended")),
        ({}, times(LATER, EARLIER, active=[{"name": "a-1"}]), HEALTHY),
        ({}, times(LATER, EARLIER, active=[]), MISSED),
        ({}, times(LATER, EARLIER, active="a-1"), MISSED),
        ({}, times(LATER, "2026-01-01T00:59:00+01:00"), MISSED),
        ({}, times(LATER), HEALTHY),
        ({}, times(succeeded=EARLIER), HEALTHY),
        ({}, {}, HEALTHY),
        (None, None, HEALTHY),
        ({}, times(LATER, "yesterday"), unknown("status.lastSuccessfulTime is no time")),
        ({}, times(LATER, "2026-01-01"), unknown("status.lastSuccessfulTime is no time")),
        ({}, times(1, EARLIER), unknown("status.lastScheduleTime is no time")),
    ],
)
def test_a_cron_job(spec: Any, status: Any, found: Assessment) -> None:
    assert assess(live("batch/v1", "CronJob", status, spec)) == found
