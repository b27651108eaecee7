"""Wires the Celery application: settings, services, what happens at start."""

from __future__ import annotations

import functools
import logging
import os
import time
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_ready
from kombu.entity import Queue as KombuQueue
from kombu.exceptions import OperationalError

from towline import settings as names
from towline.adapters.documents import DocumentFiles
from towline.adapters.redis import (
    RedisInbox,
    RedisLedger,
    RedisLooks,
    RedisMarks,
    RedisVerdicts,
    connect,
)
from towline.adapters.services import build_services
from towline.core.application import Application
from towline.core.outcome import Trigger, TriggerKind
from workers import refresh, surveying
from workers.collecting import collect_seldom
from workers.room import Room

log = logging.getLogger(__name__)

settings = names.load_or_exit()

app = Celery("towline", include=["workers.tasks"])
app.conf.update(
    settings.broker_options(),
    task_queues=[KombuQueue(names.PUSH_QUEUE), KombuQueue(names.RESYNC_QUEUE)],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_failure_or_timeout=True,
    task_time_limit=names.HARD_LIMIT_SECONDS,
    task_soft_time_limit=names.SOFT_LIMIT_SECONDS,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_soft_shutdown_timeout=20.0,
    worker_max_memory_per_child=400_000,  # kilobytes
    worker_send_task_events=True,
    beat_schedule={
        "tick": {
            "task": names.TICK_TASK,
            "schedule": settings.resync_tick,
            # A tick that was not consumed before the next one is of no use to anyone.
            "options": {
                "queue": names.PUSH_QUEUE,
                "expires": settings.resync_tick.total_seconds(),
            },
        }
    },
    beat_schedule_filename=str(settings.data_dir / "beat"),
    towline_tick=settings.resync_tick.total_seconds(),
)


class CeleryQueue:
    """Publishes by name. A publish that fails is made up for by the tick."""

    def refresh(self, repository: str, *, queue: str) -> None:
        self._send(names.REFRESH_TASK, repository, queue=queue)

    def reconcile(self, application: Application, *, queue: str) -> None:
        limits = names.time_limits(application.sync.timeout.total_seconds())
        self._send(names.RECONCILE_TASK, application.name, queue=queue, **limits)

    def survey(self, cluster: str, *, queue: str) -> None:
        self._send(names.SURVEY_TASK, cluster, queue=queue)

    def _send(self, task: str, name: str, **options: Any) -> None:
        try:
            app.send_task(task, args=[name], **options)
        except OperationalError as error:
            log.warning("%s of %s was not queued, the tick will: %s", task, name, error)


def room() -> Room:
    """The services of this process; a child of the pool makes its own after the fork."""
    return _room(os.getpid())


@functools.cache
def _room(pid: int) -> Room:  # noqa: ARG001
    redis = connect(settings.redis_url)
    documents = DocumentFiles(settings.applications, protocols=settings.git_protocols)
    verdicts = RedisVerdicts(redis, lambda: settings.signing_key)
    return Room(
        services=build_services(settings, documents, RedisLooks(redis), verdicts),
        marks=RedisMarks(redis),
        ledger=RedisLedger(redis),
        expectations=RedisInbox(redis),
        queue=CeleryQueue(),
        signing_key=lambda: settings.signing_key,
    )


@worker_ready.connect
def _look_at_everything(**_: Any) -> None:
    """What happened while no worker ran is seen at once, not at the next interval."""
    refresh.mark_all(room(), Trigger(TriggerKind.CHANGE, "worker start", time.time()))
    surveying.queue_all(room())


@worker_process_init.connect
def _collect_seldom(**_: Any) -> None:
    collect_seldom()


@setup_logging.connect
def _log_plainly(loglevel: int | str | None = None, **_: Any) -> None:
    logging.basicConfig(
        level=loglevel or logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    logging.getLogger("celery.app.trace").setLevel(logging.WARNING)
    logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)


settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
