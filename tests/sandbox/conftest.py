"""A Kubernetes sandbox for each test, and a plain HTTP client of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from towline.sandbox.kubernetes import SandboxCluster

TOKEN = "a-token-of-the-tests"


@pytest.fixture
def cluster() -> Iterator[SandboxCluster]:
    with SandboxCluster(token=TOKEN) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    """An HTTP client without retries that leaves no socket open."""
    with urllib3.PoolManager(retries=False, timeout=20) as manager:
        yield manager
        manager.clear()


@pytest.fixture
def call(
    cluster: SandboxCluster, pool: urllib3.PoolManager
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """`call(method, path, body, media=..., accept=..., **query)` → status and parsed body."""

    def perform(
        method: str,
        path: str,
        body: Any = None,
        *,
        media: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> tuple[int, dict[str, Any]]:
        data = body if isinstance(body, (bytes, str)) or body is None else json.dumps(body)
        address = cluster.url + path
        if query:
            address += "?" + urlencode(query)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": media, "Accept": accept}
        response = pool.request(method, address, body=data, headers=headers)
        return response.status, json.loads(response.data)

    return perform


@pytest.fixture
def apply(
    call: Callable[..., tuple[int, dict[str, Any]]],
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """`apply(path, config, manager=..., force=..., **query)`: a server-side apply."""

    def perform(
        path: str, config: Any, *, manager: str = "towline", force: bool = False, **query: str
    ) -> tuple[int, dict[str, Any]]:
        parameters = {"fieldManager": manager, "force": str(force).lower(), **query}
        return call("PATCH", path, config, media="application/apply-patch+yaml", **parameters)

    return perform
