"""The real processes of the Procfile against the sandbox: what happens when things go wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from redis import Redis

from towline.cli.remote import Remote
from towline.core.objects import Object
from towline.sandbox.installation import Installation, Where, WorkingCopy

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

WHERE: Where = ("v1", "ConfigMap", "quay", "tide")
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: quay}\n"
TIDE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tide}\ndata: {level: '%d'}\n"


def _documents(place: Installation) -> str:
    return f"""
apiVersion: towline.dev/v1alpha1
kind: Repository
metadata: {{name: forge}}
spec:
  url: {place.forge_url}
  username: towline
  tokenFile: {place.folder / "git-token"}
  interval: 3s
---
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {{name: harbour}}
spec:
  source: {{repository: "{place.forge_url}/deploy.git", branch: main}}
  destination: {{cluster: {place.context}, namespace: quay}}
  sync: {{interval: 4s}}
"""


@pytest.fixture
def place() -> Iterator[Installation]:
    with Installation(documents=_documents) as installation:
        yield installation


def _write(copy: WorkingCopy, level: int) -> str:
    (copy.folder / "tide.yaml").write_text(TIDE % level, encoding="utf-8")
    (copy.folder / "namespace.yaml").write_text(NAMESPACE, encoding="utf-8")
    return copy.commit(f"level {level}")


def _level(place: Installation) -> int | None:
    live: Object | None = place.live(WHERE)
    return int(live["data"]["level"]) if live else None


def _await_level(place: Installation, level: int) -> None:
    place.wait(f"level {level}", lambda: _level(place) == level)


def _status(place: Installation) -> str:
    answer = Remote(place.url, place.api_token).get("applications", "harbour")
    return str(answer["status"])


def test_without_any_webhook_everything_converges(place: Installation) -> None:
    copy = place.repository("deploy", webhook=False)
    _write(copy, 1)
    copy.push()
    place.start_towline("worker", "beat")
    _await_level(place, 1)
    _write(copy, 2)
    copy.push()
    _await_level(place, 2)


def test_a_push_while_no_worker_runs_is_served_when_one_starts(place: Installation) -> None:
    copy = place.repository("deploy")
    place.start_towline("web", "worker")
    _write(copy, 1)
    copy.push()
    place.wait("the end of the run", lambda: _status(place) == "synced")
    place.processes.kill("worker")
    _write(copy, 2)
    copy.push()
    time.sleep(0.2)
    assert _level(place) == 1
    place.start_towline("worker")
    _await_level(place, 2)


GATE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: gate}
spec:
  selector: {matchLabels: {app: gate}}
  template:
    metadata: {labels: {app: gate}}
    spec: {containers: [{name: gate, image: "gate:1"}]}
"""


def test_a_wave_comes_by_itself_when_the_one_before_it_is_healthy(place: Installation) -> None:
    """No second push, no resync: the only worker looks again, and serves others meanwhile."""
    copy = place.repository("deploy")
    place.start_towline("web", "worker")
    (copy.folder / "gate.yaml").write_text(GATE, encoding="utf-8")
    later = TIDE.replace("name: tide", "name: tide, annotations: {towline.dev/wave: '1'}")
    (copy.folder / "tide.yaml").write_text(later % 1, encoding="utf-8")
    (copy.folder / "namespace.yaml").write_text(NAMESPACE, encoding="utf-8")
    copy.commit("a gate, then the tide")
    copy.push()
    place.wait("the first look", lambda: _status(place) == "waiting")
    assert _level(place) is None
    _await_level(place, 1)
    place.wait("health", lambda: _last_run(place).get("health") == "healthy")
    rollout = _last_run(place)["rollout"]
    assert rollout["state"] == "healthy"
    assert rollout["began"] <= rollout["applied"] <= rollout["healthy"]
    runs = Remote(place.url, place.api_token).get("applications", "harbour", "runs")["items"]
    assert [run["status"] for run in runs] == ["synced", "waiting"]


def _last_run(place: Installation) -> dict[str, Any]:
    answer = Remote(place.url, place.api_token).get("applications", "harbour")
    return dict(answer["last_run"] or {})


def test_an_emptied_broker_costs_a_tick_and_forgets_no_suspension(place: Installation) -> None:
    copy = place.repository("deploy")
    place.start_towline("web", "worker", "beat")
    _write(copy, 1)
    copy.push()
    _await_level(place, 1)
    remote = Remote(place.url, place.api_token)
    asked = remote.post("applications", "harbour", "suspend")
    remote.wait("harbour", asked["at"], lambda: None, detail="suspend ")
    with Redis.from_url(place.broker_url) as redis:
        redis.flushall()
    place.change_by_hand(WHERE, {"data": {"level": "9"}}, manager="night-shift")
    place.wait("a look at it", lambda: _status(place) == "suspended")
    assert _level(place) == 9
    asked = remote.post("applications", "harbour", "resume")
    run = remote.wait("harbour", asked["at"], lambda: None, detail="resume ")
    assert run["status"] == "synced"
    assert _level(place) == 1


def test_a_forged_message_makes_nobody_resume(place: Installation) -> None:
    copy = place.repository("deploy")
    place.start_towline("web", "worker", "beat")
    _write(copy, 1)
    copy.push()
    _await_level(place, 1)
    remote = Remote(place.url, place.api_token)
    asked = remote.post("applications", "harbour", "suspend")
    remote.wait("harbour", asked["at"], lambda: None, detail="suspend ")
    _forge(place, "towline.steer", [_resume_unsigned()])
    _forge(place, "towline.reconcile", ["no-such-application"])
    place.change_by_hand(WHERE, {"data": {"level": "9"}}, manager="night-shift")
    asked = remote.post("applications", "harbour", "sync")
    run = remote.wait("harbour", asked["at"], lambda: None)
    assert run["status"] == "suspended"
    assert _level(place) == 9


def _resume_unsigned() -> dict[str, Any]:
    return {
        "application": "harbour",
        "verb": "resume",
        "actor": "mallory",
        "at": time.time(),
        "value": "",
        "signature": "0" * 64,
    }


def _forge(place: Installation, task: str, arguments: list[Any]) -> None:
    """Put a message on the queue as anyone could who can write to the broker."""
    code = (
        "import json, sys; from celery import Celery; app = Celery(broker=sys.argv[1]);"
        "app.send_task(sys.argv[2], args=json.loads(sys.argv[3]), queue='push')"
    )
    command = [sys.executable, "-c", code, place.broker_url, task, json.dumps(arguments)]
    subprocess.run(command, check=True, timeout=30)


def test_an_invalid_change_of_the_documents_keeps_the_last_good_state(place: Installation) -> None:
    copy = place.repository("deploy")
    place.start_towline("web", "worker", "beat")
    _write(copy, 1)
    copy.push()
    _await_level(place, 1)
    good = place.documents_file.read_text(encoding="utf-8")
    place.documents_file.write_text(good.replace("branch: main", "branch: [main"), encoding="utf-8")
    remote = Remote(place.url, place.api_token)
    place.wait("the error", lambda: remote.get("applications")["documents_error"])
    assert "applications.yaml:" in remote.get("applications")["documents_error"]
    _write(copy, 2)
    copy.push()
    _await_level(place, 2)
    place.documents_file.write_text(good, encoding="utf-8")
    place.wait("no error", lambda: not remote.get("applications")["documents_error"])


def test_flower_shows_the_work_to_those_who_have_the_password(place: Installation) -> None:
    copy = place.repository("deploy")
    place.start_towline("web", "worker", "flower")
    _write(copy, 1)
    copy.push()
    _await_level(place, 1)
    address = f"http://127.0.0.1:{place.flower_port}/tasks"
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", address).status == 401
        credentials = urllib3.make_headers(basic_auth=f"towline:{place.flower_password}")
        assert pool.request("GET", address, headers=credentials).status == 200


def test_the_demo_tells_its_story_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from towline.cli.app import main; main()"]
    with (tmp_path / "story").open("w+", encoding="utf-8") as story:
        done = subprocess.run(
            [*command, "demo", "--once", "--json"],
            stdout=subprocess.PIPE,
            stderr=story,
            text=True,
            timeout=150,
            check=False,
        )
        story.seek(0)
        told = story.read()
    assert done.returncode == 0, told
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["converged"], summary["healed"], summary["bad_commit_refused"]) == (True,) * 3
    assert len(summary["pushes"]) >= 5
    assert summary["push_to_applied_seconds"] > 0
    folder = next(line for line in told.splitlines() if line.strip().startswith("logs"))
    assert not Path(folder.split()[-1]).exists()
