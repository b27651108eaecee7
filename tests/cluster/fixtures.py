"""Fixtures: the real API server, and places of a test's own on it."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from tests.cluster.servers import ApiServer, Running

PREFIX = "towline-test-"
Result = TypeVar("Result")

SERVER = pytest.StashKey[Running]()


@pytest.fixture(scope="session")
def real_server(request: pytest.FixtureRequest) -> Iterator[ApiServer]:
    """The real API server; who needs it is marked `cluster`."""
    with request.config.stash[SERVER].connected() as server:
        yield server


@pytest.fixture
def by_itself(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For a test that changes what the server has but once, such as a definition: no other test
    with this fixture runs meanwhile, in no process of this run."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with (shared / "by-itself.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def new_prefix() -> str:
    """What no other test puts before its names, now or in another run on the same cluster."""
    return f"{PREFIX}{secrets.token_hex(4)}-"


def make_namespace(server: ApiServer, name: str) -> None:
    """Make a namespace and wait for what the controllers put into each."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    status, answer = server.call("POST", "/api/v1/namespaces", body)
    assert status == 201, answer
    wait_until_furnished(server, name)


def wait_until_furnished(server: ApiServer, namespace: str) -> None:
    """Wait for what the controllers put into a new namespace."""
    if not server.has_controllers or not server.is_real:
        return
    for path in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
        wait_for(server, f"/api/v1/namespaces/{namespace}/{path}", 200)


# What tests put finalizers on: nobody else would take them off again.
_MAY_BE_HELD = (
    ("/api/v1", "configmaps"),
    ("/api/v1", "services"),
    ("/apis/apps/v1", "deployments"),
    ("/apis/networking.k8s.io/v1", "networkpolicies"),
)


def remove_namespace(server: ApiServer, name: str) -> None:
    """Begin the end of a namespace, and leave nothing in it that would hold it up."""
    for root, plural in _MAY_BE_HELD:
        let_go(server, f"{root}/namespaces/{name}/{plural}")
    server.call("DELETE", f"/api/v1/namespaces/{name}")


def let_go(server: ApiServer, path: str) -> None:
    """Take the finalizers away from all objects of a list."""
    status, body = server.call("GET", path)
    for item in body["items"] if status == 200 else ():
        if item["metadata"].get("finalizers"):
            server.request(
                "PATCH",
                _path_of_item(path, item),
                '{"metadata":{"finalizers":null}}',
                {"Content-Type": "application/merge-patch+json"},
            )


def _path_of_item(path: str, item: dict[str, Any]) -> str:
    """Also from the list of all namespaces."""
    metadata = item["metadata"]
    collection, _, plural = path.rpartition("/")
    if "/namespaces/" not in path and metadata.get("namespace"):
        collection += f"/namespaces/{metadata['namespace']}"
    return f"{collection}/{plural}/{metadata['name']}"


def wait_for(server: ApiServer, path: str, status: int) -> None:
    """Wait until a GET is answered like that."""
    eventually(lambda: server.call("GET", path)[0] == status, f"GET {path} is answered {status}")


def eventually(check: Callable[[], Result | None], what: str, seconds: float = 90.0) -> Result:
    """What the check answers as soon as that is true; it is asked again and again."""
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} seconds: {what}")
        time.sleep(0.02)
