from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.world import World
from towline.sandbox.kubernetes import SandboxCluster


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with SandboxCluster(token="for-the-test") as cluster:
        world = World(tmp_path, cluster, monkeypatch)
        yield world
        world.services.cluster.close()  # type: ignore[attr-defined]
