"""An application's document is removed: its set is shown as abandoned, and pruned on request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from towline.sandbox.installation import NAMESPACE, Installation

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def place() -> Iterator[Installation]:
    with Installation(documents=_documents) as installation:
        copy = installation.example_repository()
        installation.start_towline("web", "worker", "beat")
        copy.commit("Set up")
        copy.push()
        installation.wait("synced", lambda: _status(installation) == "synced")
        yield installation


def _documents(place: Installation) -> str:
    return f"""
apiVersion: towline.dev/v1alpha1
kind: Repository
metadata: {{name: forge}}
spec: {{url: "{place.forge_url}", username: towline, tokenFile: {place.folder / "git-token"}}}
---
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {{name: lighthouse}}
spec:
  source: {{repository: "{place.forge_url}/deploy.git", branch: main, path: lighthouse/base}}
  destination: {{cluster: {place.context}, namespace: default}}
"""


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
    return json.loads(_towline(place, *arguments, "-o", "json").stdout or "null")


def _status(place: Installation) -> str:
    return str((_json(place, "status", "lighthouse") or {}).get("status"))


def test_the_story_of_a_document_that_goes(place: Installation) -> None:
    lamp = ("apps/v1", "Deployment", "default", "lamp")
    refused = _towline(place, "prune", "lighthouse")
    assert refused.returncode == 2
    assert "has a document that deploys to" in refused.stderr

    text = place.documents_file.read_text(encoding="utf-8")
    place.documents_file.write_text(text.partition("---")[0], encoding="utf-8")
    place.wait("abandoned", lambda: _status(place) == "abandoned")
    assert place.live(lamp) is not None

    plan = _json(place, "prune", "lighthouse")
    assert (plan["counts"], plan["cluster"]) == ({"delete": 3}, place.context)
    stale = _towline(place, "prune", "lighthouse", "0" * 64)
    assert (stale.returncode, plan["digest"] in stale.stdout) == (1, True)
    assert place.live(lamp) is not None

    run = _json(place, "prune", "lighthouse", plan["digest"])
    assert (run["status"], run["counts"]) == ("synced", {"deleted": 4})
    assert place.live(lamp) is None
    assert place.live(("v1", "ConfigMap", NAMESPACE, "towline-lighthouse")) is None
    assert _towline(place, "status", "lighthouse").returncode == 2
    assert _json(place, "history", "lighthouse")[0]["id"] == run["id"]
