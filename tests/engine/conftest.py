from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.gateway import Gateway
from tests.engine.world import World
from towline.sandbox.kubernetes import Front, SandboxCluster

Clusters = Callable[[], AbstractContextManager[Front]]


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.cluster)])
def clusters(request: pytest.FixtureRequest) -> Clusters:
    """Makes clusters that are empty: sandboxes, or parts of the real API server."""
    if request.param == "real":
        return partial(Gateway, request.getfixturevalue("real_server"))
    return partial(SandboxCluster, token="for-the-test")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clusters: Clusters) -> Iterator[World]:
    with clusters() as cluster:
        world = World(tmp_path, cluster, monkeypatch)
        yield world
        world.services.cluster.close()  # type: ignore[attr-defined]
