"""One suite, two servers: what the engine relies on holds on the sandbox and on the real thing.

Tests write `default` for the namespace; on the real server that is one of the test's own. What
they make outside of it bears the prefix `own`, and is removed after the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.cluster import servers
from tests.cluster.fixtures import (
    eventually,
    let_go,
    make_namespace,
    new_prefix,
    remove_namespace,
)
from tests.cluster.servers import ApiServer
from tests.contract.differences import DIFFERENCES
from tests.contract.widgets import Widgets

Answer = tuple[int, dict[str, Any]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        reason = DIFFERENCES.get(getattr(item, "originalname", ""))
        if reason and "[sandbox" in item.name:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.cluster)])
def server(request: pytest.FixtureRequest) -> Iterator[ApiServer]:
    if request.param == "real":
        yield request.getfixturevalue("real_server")
        return
    with servers.sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def own() -> str:
    """What the names begin with of all that a test makes outside its namespace."""
    return new_prefix()


@pytest.fixture
def namespace(server: ApiServer, own: str) -> Iterator[str]:
    """The namespace that `default` stands for."""
    if not server.is_real:
        yield "default"
        return
    name = f"{own}0"
    make_namespace(server, name)
    yield name
    remove_namespace(server, name)


@pytest.fixture
def made(server: ApiServer) -> Iterator[list[str]]:
    """Paths of what a test made outside its namespace, removed after it."""
    paths: list[str] = []
    yield paths
    for path in reversed(dict.fromkeys(paths)):
        server.call("DELETE", path)


@pytest.fixture
def call(server: ApiServer, namespace: str, made: list[str]) -> Callable[..., Answer]:
    """`call(method, path, body, media=..., accept=..., **query)` → status and parsed body."""

    def perform(
        method: str,
        path: str,
        body: Any = None,
        *,
        media: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> Answer:
        is_text = isinstance(body, (bytes, str)) or body is None
        # Without spaces: what a server keeps as it was sent is sent back as it was kept.
        data = body if is_text else json.dumps(body, separators=(",", ":"))
        path = placed(path, namespace)
        target = f"{path}?{urlencode(query)}" if query else path
        headers = {"Content-Type": media, "Accept": accept}
        response = server.request(method, target, data, headers)
        answer = servers.parsed(response.data)
        created = response.status == 201 and "dryRun" not in query
        if created and not answer.get("metadata", {}).get("namespace"):
            made.append(_path_of(method, path, answer))
        return response.status, answer

    return perform


def placed(path: str, namespace: str) -> str:
    return path.replace("/namespaces/default/", f"/namespaces/{namespace}/")


def _path_of(method: str, path: str, created: dict[str, Any]) -> str:
    return f"{path}/{created['metadata'].get('name')}" if method == "POST" else path


@pytest.fixture
def apply(call: Callable[..., Answer]) -> Callable[..., Answer]:
    """`apply(path, config, manager=..., force=..., **query)`: a server-side apply."""

    def perform(
        path: str, config: Any, *, manager: str = "towline", force: bool = False, **query: str
    ) -> Answer:
        parameters = {"fieldManager": manager, "force": str(force).lower(), **query}
        return call("PATCH", path, config, media="application/apply-patch+yaml", **parameters)

    return perform


@pytest.fixture
def settled(call: Callable[..., Answer]) -> Callable[..., Answer]:
    """`settled(path, write)`: the answer to a write that met the object as it was just read.

    Controllers write to new objects whenever they like: then the write is done again. One that
    changes something each time never meets what was read, and fails.
    """

    def perform(path: str, write: Callable[[dict[str, Any]], Answer]) -> Answer:
        def once() -> Answer | None:
            before = call("GET", path)[1]
            status, after = write(before)
            if (status, after) == (200, before) or "metadata" not in after:
                return status, after
            return None

        return eventually(once, f"a write to {path} that changes nothing")

    return perform


@pytest.fixture
def update(call: Callable[..., Answer]) -> Callable[..., Answer]:
    """`update(path, change, **query)`: read, change and PUT, again if someone else was faster."""

    def perform(path: str, change: Callable[[dict[str, Any]], Any], **query: str) -> Answer:
        def once() -> Answer | None:
            body = call("GET", path)[1]
            change(body)
            status, answer = call("PUT", path, body, **query)
            return None if status == 409 else (status, answer)

        return eventually(once, f"an update of {path}")

    return perform


@pytest.fixture
def gone(call: Callable[..., Answer]) -> Callable[[str], None]:
    """`gone(path)`: wait until there is nothing."""

    def wait(path: str) -> None:
        eventually(lambda: call("GET", path)[0] == 404, f"{path} is gone")

    return wait


@pytest.fixture
def widgets(
    request: pytest.FixtureRequest, server: ApiServer, call: Callable[..., Answer], own: str
) -> Iterator[Widgets]:
    """A definition that is yet to be made, unless the test has it made by `defined`."""
    if server.is_real and "defined" in request.fixturenames:
        yield Widgets(call, request.getfixturevalue("shared_group"))
        return
    found = Widgets(call, f"{own}x.example.com")
    yield found
    let_go(server, f"/apis/{found.group}/v1/widgets")


@pytest.fixture(scope="session")
def shared_group(real_server: ApiServer) -> Iterator[str]:
    """The group of a definition for all tests that leave it alone: serving one takes a while."""
    widgets = Widgets(real_server.call, f"{new_prefix()}x.example.com")
    widgets.define()
    yield widgets.group
    real_server.call("DELETE", widgets.definition)


@pytest.fixture
def defined(server: ApiServer, widgets: Widgets) -> None:
    """`widgets` are defined."""
    if not server.is_real:
        widgets.define()


@pytest.fixture
def watch(server: ApiServer, namespace: str) -> Callable[..., Any]:
    """`with watch(path, **query) as events`: the parsed lines of a running watch."""

    @contextmanager
    def run(
        path: str, *, accept: str = "application/json", **query: str
    ) -> Iterator[Iterator[dict[str, Any]]]:
        # Without an end of its own a test that waits for too much would wait for ever.
        query = {"watch": "1", "timeoutSeconds": "20", **query}
        target = f"{placed(path, namespace)}?{urlencode(query)}"
        headers = {"Accept": accept}
        response = server.request("GET", target, headers=headers, preload_content=False)
        try:
            yield (json.loads(line) for line in _lines(response))
        finally:
            response.close()
            response.release_conn()

    return run


def _lines(response: Any) -> Iterator[bytes]:
    rest = b""
    for part in response.stream(65_536):
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
    if rest:
        yield rest
