"""The demo's story with the real processes, told on a real API server."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.cluster.servers import ApiServer

pytestmark = pytest.mark.cluster


@pytest.mark.timeout(300)
def test_the_demo_comes_true_twice_in_a_row(real_server: ApiServer) -> None:
    """The second one finds the namespaces of the first, which are still ending."""
    if not real_server.has_controllers:
        pytest.skip("without a controller manager namespaces do not end")
    for _ in range(2):
        summary = _tell(real_server)
        told = {name: summary[name] for name in ("converged", "healed", "bad_commit_refused")}
        assert told == {"converged": True, "healed": True, "bad_commit_refused": True}
        assert len(summary["pushes"]) >= 5
        _, answer = real_server.call("GET", "/api/v1/namespaces")
        left = {
            item["metadata"]["name"]
            for item in answer["items"]
            if "deletionTimestamp" not in item["metadata"]
        }
        assert not [name for name in left if name.startswith("towline-demo")]


def _tell(server: ApiServer) -> dict[str, Any]:
    command = [sys.executable, "-c", "from towline.cli.app import main; main()"]
    command += ["demo", "--once", "--json", "--kubeconfig", str(server.kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary
