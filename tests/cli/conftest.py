"""The sandbox, and settings in the environment that name it."""

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
        documents = tmp_path / "applications.yaml"
        documents.write_text(world.application("app"), encoding="utf-8")
        monkeypatch.setenv("TOWLINE_APPLICATIONS", str(documents))
        monkeypatch.setenv("TOWLINE_DATA_DIR", str(tmp_path / "cli-data"))
        monkeypatch.setenv("TOWLINE_GIT_PROTOCOLS", "file")
        world.applications(world.application("app"))
        yield world
        world.services.cluster.close()  # type: ignore[attr-defined]
