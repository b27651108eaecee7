"""Celery as it is configured: nothing acknowledged early, nothing delivered twice while it runs,
JSON only; and the tasks, which alone turn a TemporaryError into a retry."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery.exceptions import Retry, SoftTimeLimitExceeded
from celery.signals import worker_process_init
from kombu.exceptions import OperationalError

from tests.workers.place import KEY, PUSH, REPOSITORY, Place, application, documents
from towline import settings
from towline.core.application import Documents
from towline.core.errors import ClusterError, ManifestError, SourceError
from towline.core.inventory import Parent
from towline.core.steering import Steer, Verb
from towline.ports import Scope


@pytest.fixture(scope="session")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """`workers.tasks`, which reads the settings when it is imported."""
    folder: Path = tmp_path_factory.mktemp("worker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOWLINE_DATA_DIR", str(folder))
        patch.setenv("TOWLINE_APPLICATIONS", str(folder / "documents.yaml"))
        patch.setenv("TOWLINE_REDIS_URL", "redis://127.0.0.1:1/0")
        import workers.tasks

        yield workers.tasks


@pytest.fixture
def conf(wired: ModuleType) -> Any:
    return wired.app.conf


@pytest.fixture
def tasks(wired: ModuleType, place: Place, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(wired, "room", lambda: place.room)
    return wired


@pytest.fixture
def retries(tasks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every retry that was asked for, instead of a message."""
    asked: list[dict[str, Any]] = []

    def retry(**given: Any) -> Retry:
        asked.append(given)
        return Retry(exc=given["exc"])

    for task in (tasks.refresh_task, tasks.reconcile_task, tasks.steer_task, tasks.prune_task):
        monkeypatch.setattr(task, "retry", retry)
    return asked


def test_a_message_is_acknowledged_after_its_task(conf: Any) -> None:
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.task_acks_on_failure_or_timeout
    assert conf.worker_prefetch_multiplier == 1


def test_a_running_task_is_not_delivered_again(conf: Any) -> None:
    options = conf.broker_transport_options
    assert options["visibility_timeout"] > conf.task_time_limit > conf.task_soft_time_limit
    assert options["visibility_timeout"] - conf.task_time_limit >= 30


def test_pushes_go_before_resyncs(conf: Any) -> None:
    assert [queue.name for queue in conf.task_queues] == ["push", "resync"]
    assert conf.broker_transport_options["queue_order_strategy"] == "priority"
    assert conf.task_default_queue == "push"


def test_a_connection_that_is_lost_is_found_again(conf: Any) -> None:
    options = conf.broker_transport_options
    assert {"socket_timeout", "socket_keepalive", "health_check_interval"} <= options.keys()
    assert conf.broker_connection_retry_on_startup
    assert conf.broker_connection_max_retries is None
    assert conf.worker_cancel_long_running_tasks_on_connection_loss


def test_only_json_is_read_and_written(conf: Any) -> None:
    assert conf.accept_content == ["json"]
    assert (conf.task_serializer, conf.task_ignore_result) == ("json", True)


@pytest.fixture
def collector() -> Iterator[None]:
    """Left as it was."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("wired", "collector")
def test_a_child_of_the_pool_collects_seldom() -> None:
    before = gc.get_freeze_count()
    worker_process_init.send(sender=None)
    assert gc.get_freeze_count() > before + 1000
    assert gc.get_threshold()[0] >= 50_000


def test_beat_ticks_and_an_old_tick_is_dropped(conf: Any) -> None:
    ((_, entry),) = conf.beat_schedule.items()
    assert entry["task"] == settings.TICK_TASK
    assert entry["options"]["expires"] <= entry["schedule"].total_seconds()


def test_exactly_the_tasks_that_are_sent_by_name_are_there(wired: ModuleType) -> None:
    ours = {name for name in wired.app.tasks if not name.startswith("celery.")}
    assert ours == {
        settings.REFRESH_TASK,
        settings.RECONCILE_TASK,
        settings.PLAN_TASK,
        settings.STEER_TASK,
        settings.TICK_TASK,
        settings.SURVEY_TASK,
        settings.PRUNE_TASK,
    }
    assert wired.refresh_task.max_retries is None
    assert wired.reconcile_task.max_retries is None


def test_web_and_workers_agree_on_the_broker(wired: ModuleType) -> None:
    for name, value in settings.load({}).broker_options().items():
        if name != "broker_url":
            assert wired.app.conf[name] == value


@pytest.mark.parametrize(
    ("timeout", "soft"), [("30s", 30.0), ("5m", 300.0), ("2h", settings.SOFT_LIMIT_SECONDS)]
)
def test_a_run_has_the_time_that_its_document_gives_it(
    wired: ModuleType, monkeypatch: pytest.MonkeyPatch, timeout: str, soft: float
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(wired.app, "send_task", lambda *a, **k: sent.append((a, k)))
    from workers.app import CeleryQueue

    found = documents(application("shop", sync=f"timeout: {timeout}")).applications["shop"]
    CeleryQueue().reconcile(found, queue="resync")
    CeleryQueue().refresh(REPOSITORY, queue="push")
    CeleryQueue().survey("sandbox", queue="resync")
    ((task,), options), (_, plain), survey = sent
    assert survey == (("towline.survey",), {"args": ["sandbox"], "queue": "resync"})
    assert (task, options["args"], options["queue"]) == ("towline.reconcile", ["shop"], "resync")
    assert options["soft_time_limit"] == soft
    assert soft < options["time_limit"] <= settings.HARD_LIMIT_SECONDS
    assert plain == {"args": [REPOSITORY], "queue": "push"}


def test_a_publish_that_fails_is_left_to_the_tick(
    wired: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(wired.app, "send_task", refuse)
    from workers.app import CeleryQueue

    CeleryQueue().refresh(REPOSITORY, queue="push")
    assert "the tick will" in caplog.text


def _refresh(tasks: ModuleType, place: Place) -> None:
    place.marks.want(Scope.REPOSITORY, REPOSITORY, PUSH)
    tasks.refresh_task(REPOSITORY)


def _reconcile(tasks: ModuleType, place: Place) -> None:
    place.marks.want(Scope.APPLICATION, "shop", PUSH)
    tasks.reconcile_task("shop")


def _steer(tasks: ModuleType, place: Place) -> None:
    said = Steer("shop", Verb.SUSPEND, "ann", place.clock.now())
    tasks.steer_task(said.signed(KEY))


def _prune(tasks: ModuleType, place: Place) -> None:
    place.parents.sets["gone"] = Parent("gone", "towline-system", resource_version="1", uid="u")
    said = Steer("gone", Verb.PRUNE, "ann", place.clock.now(), "", "sandbox")
    tasks.prune_task(said.signed(KEY))
    assert place.ledger.plan("gone@sandbox")


def test_a_cluster_is_surveyed(tasks: ModuleType, place: Place) -> None:
    tasks.survey_task("sandbox")
    assert list(place.ledger.surveys()) == ["sandbox"]


def test_a_word_to_prune_is_served_and_tried_again_while_documents_are_unread(
    tasks: ModuleType, place: Place, retries: list[dict[str, Any]]
) -> None:
    _prune(tasks, place)
    place.documents = Documents(read=False)
    with pytest.raises(Retry):
        _prune(tasks, place)
    assert [asked["countdown"] for asked in retries] == [5.0]
    assert tasks.prune_task.max_retries is None


Act = Callable[[ModuleType, Place], None]


@pytest.mark.parametrize("act", [_refresh, _reconcile, _steer])
def test_tasks_do_their_work(tasks: ModuleType, place: Place, act: Act) -> None:
    act(tasks, place)
    assert place.queue.sent or place.api.applied


@pytest.mark.parametrize("act", [_refresh, _reconcile, _steer])
@pytest.mark.parametrize("delay", [0.25, 5.0, 60.0])
def test_a_temporary_error_is_retried_after_its_delay(
    tasks: ModuleType, place: Place, retries: list[dict[str, Any]], act: Act, delay: float
) -> None:
    error = SourceError("later", delay=delay)
    place.forge.error = place.parents.error = error
    with pytest.raises(Retry):
        act(tasks, place)
    assert retries == [{"countdown": delay, "exc": error}]


def test_what_must_wait_for_long_is_left_to_the_tick(
    tasks: ModuleType, place: Place, retries: list[dict[str, Any]]
) -> None:
    place.press.error = ClusterError("much later", delay=61.0)
    with pytest.raises(ClusterError):
        _reconcile(tasks, place)
    assert retries == []
    place.lose_messages()
    place.clock.seconds += 61
    assert place.marks.unserved(Scope.APPLICATION) == ["shop"]


def test_a_permanent_error_is_not_retried(
    tasks: ModuleType, place: Place, retries: list[dict[str, Any]]
) -> None:
    place.press.error = ManifestError("no kind")
    _reconcile(tasks, place)
    assert retries == []


def test_a_task_that_runs_too_long_fails_and_is_not_retried(
    tasks: ModuleType, place: Place, retries: list[dict[str, Any]]
) -> None:
    place.press.error = SoftTimeLimitExceeded()
    with pytest.raises(TimeoutError):
        _reconcile(tasks, place)
    assert retries == []
    assert not place.is_leased(Scope.APPLICATION, "shop")


def test_two_beats_make_one_tick(tasks: ModuleType, place: Place) -> None:
    tasks.tick_task()
    assert place.queue.emptied() != []
    place.redis.flushall()
    place.marks.first("tick", 60)
    tasks.tick_task()
    assert place.queue.emptied() == []


def test_a_plan_is_made(tasks: ModuleType, place: Place) -> None:
    tasks.plan_task("shop")
    assert place.ledger.plan("shop") is not None
