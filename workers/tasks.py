"""The tasks: names, limits and retries. What they do stands in the modules beside this one."""

from __future__ import annotations

from typing import Any

from celery import Task
from celery.exceptions import SoftTimeLimitExceeded

from towline.core.errors import TemporaryError
from towline.settings import (
    PLAN_TASK,
    PRUNE_TASK,
    RECONCILE_TASK,
    REFRESH_TASK,
    STEER_TASK,
    SURVEY_TASK,
    TICK_TASK,
)
from workers import pruning, reconciling, refresh, steering, surveying, tick
from workers.app import app, room

_LONGEST_RETRY = 60.0
"""What must wait longer is left to the tick: a message held back sits in one worker's memory."""


@app.task(name=REFRESH_TASK, bind=True, max_retries=None)
def refresh_task(self: Task, repository: str) -> None:
    with _retried(self):
        refresh.refresh(repository, room())


@app.task(name=RECONCILE_TASK, bind=True, max_retries=None)
def reconcile_task(self: Task, application: str) -> None:
    with _retried(self):
        reconciling.reconcile(application, room())


@app.task(name=PLAN_TASK)
def plan_task(application: str) -> None:
    reconciling.plan(application, room())


@app.task(name=STEER_TASK, bind=True, max_retries=5)
def steer_task(self: Task, message: dict[str, Any]) -> None:
    with _retried(self):
        steering.steer(message, room())


@app.task(name=PRUNE_TASK, bind=True, max_retries=None)
def prune_task(self: Task, message: dict[str, Any]) -> None:
    with _retried(self):
        pruning.prune(message, room())


@app.task(name=SURVEY_TASK)
def survey_task(cluster: str) -> None:
    surveying.survey(cluster, room())


@app.task(name=TICK_TASK)
def tick_task() -> None:
    if room().marks.first("tick", app.conf.towline_tick * 0.5):
        tick.tick(room())


class _retried:  # noqa: N801 - reads as a clause
    """Turns a TemporaryError into a retry; the only place that does."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TemporaryError) and error.delay <= _LONGEST_RETRY:
            raise self._task.retry(countdown=error.delay, exc=error)
        if isinstance(error, TemporaryError):
            raise error
        if isinstance(error, SoftTimeLimitExceeded):
            raise TimeoutError("the task did not end within its time") from error
