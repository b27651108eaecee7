"""The commands that ask the API, against the real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from towline.sandbox.installation import Installation

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]


def _documents(place: Installation) -> str:
    return f"""
apiVersion: towline.dev/v1alpha1
kind: Repository
metadata: {{name: forge}}
spec: {{url: "{place.forge_url}", username: towline, tokenFile: {place.folder / "git-token"}}}
---
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {{name: harbour}}
spec:
  source: {{repository: "{place.forge_url}/deploy.git", branch: main, path: environments/demo}}
  destination: {{cluster: {place.context}, namespace: towline-demo-harbour}}
---
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {{name: careful}}
spec:
  source: {{repository: "{place.forge_url}/deploy.git", branch: main, path: lighthouse/base}}
  destination: {{cluster: {place.context}, namespace: default}}
  sync: {{automatic: false}}
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Installation]:
    with Installation(documents=_documents) as installation:
        copy = installation.example_repository()
        installation.start_towline("web", "worker")
        copy.commit("Set up")
        copy.push()
        installation.wait("synced", lambda: _status(installation, "harbour") == "synced")
        yield installation


def _towline(place: Installation, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        **{name: text for name, text in place.environment.items() if name.startswith("TOWLINE_")},
        "TOWLINE_URL": place.url,
        "TOWLINE_TOKEN_FILE": str(place.folder / "api-token"),
        "COLUMNS": "200",
    }
    command = [sys.executable, "-c", "from towline.cli.app import main; main()", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def _json(place: Installation, *arguments: str) -> Any:
    return json.loads(_towline(place, *arguments, "-o", "json").stdout)


def _status(place: Installation, name: str) -> str:
    return str(_json(place, "status", name)["status"])


def test_status_lists_all_and_shows_one(place: Installation) -> None:
    listed = _towline(place, "status").stdout
    assert listed.splitlines()[0].split()[:3] == ["APPLICATION", "STATUS", "HEALTH"]
    one = _towline(place, "status", "harbour").stdout
    assert one.startswith("harbour  synced")
    assert "\x1b" not in listed + one


def test_history_names_the_trigger_and_the_counts(place: Installation) -> None:
    runs = _json(place, "history", "harbour")
    assert any(run["trigger"]["kind"] in ("webhook", "change") for run in runs)
    assert any(run["counts"] == {"created": 12} for run in runs)
    assert "created" in _towline(place, "history", "harbour").stdout


def test_sync_waits_for_its_run(place: Installation) -> None:
    done = _towline(place, "sync", "harbour", "--wait")
    assert (done.returncode, "12 unchanged" in done.stdout) == (0, True)
    assert _json(place, "sync", "harbour", "--wait")["trigger"]["kind"] == "sync"


def test_suspend_stops_writing_and_resume_goes_on(place: Installation) -> None:
    where = ("apps/v1", "Deployment", "towline-demo-harbour", "site")
    assert "suspended" in _towline(place, "suspend", "harbour").stdout
    place.change_by_hand(where, {"spec": {"replicas": 7}}, manager="night-shift")
    assert _towline(place, "sync", "harbour", "--wait").returncode == 1
    live = place.live(where)
    assert live is not None
    assert live["spec"]["replicas"] == 7
    resumed = _json(place, "resume", "harbour")
    assert (resumed["status"], resumed["counts"]["updated"]) == ("synced", 1)
    assert next(r for r in resumed["results"] if r["result"] == "updated")["previous_owners"] == {
        "night-shift": ["spec.replicas"]
    }


def test_a_plan_that_waits_is_applied_once_it_is_approved(place: Installation) -> None:
    run = _json(place, "sync", "careful", "--wait")
    assert run["status"] == "held"
    assert place.live(("apps/v1", "Deployment", "default", "lamp")) is None
    approved = _json(place, "approve", "careful", run["plan_digest"])
    assert (approved["status"], approved["counts"]) == ("synced", {"created": 3})


def test_diff_works_alone_and_agrees(place: Installation) -> None:
    environment = place.environment
    done = subprocess.run(
        [sys.executable, "-c", "from towline.cli.app import main; main()", "diff", "harbour"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "no change; 12 unchanged\n")


def test_errors_of_the_api_are_sentences(place: Installation) -> None:
    done = _towline(place, "status", "nope")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "towline: there is no application 'nope' (404)\n"
