"""A client that the server has no time for, and who is told so with 429."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import urllib3

from tests.cluster.fixtures import eventually
from tests.cluster.servers import ApiServer

_FLOWS = "/apis/flowcontrol.apiserver.k8s.io/v1"
_BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings"


@contextmanager
def refused(
    server: ApiServer, namespace: str, own: str
) -> Iterator[Callable[[], urllib3.BaseHTTPResponse]]:
    """A function that asks for a list in the namespace until that is refused with 429."""
    if server.fail is not None:
        server.fail(status=429, retry_after=1)
        yield lambda: server.request("GET", f"/api/v1/namespaces/{namespace}/configmaps")
        return
    user = {"Impersonate-User": f"{own}user"}
    with _without_room(server, namespace, own), _busy(server, namespace, user):
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        yield lambda: eventually(lambda: _refusal(server, path, user), "a request is refused")


def _refusal(
    server: ApiServer, path: str, headers: dict[str, str]
) -> urllib3.BaseHTTPResponse | None:
    response = server.request("GET", path, headers=headers)
    return response if response.status == 429 else None


@contextmanager
def _without_room(server: ApiServer, namespace: str, own: str) -> Iterator[None]:
    """Let the user's requests have no place to wait in, and just one to be worked on."""
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": f"{own}user"}
    role = {"apiGroup": user["apiGroup"], "kind": "ClusterRole", "name": "view"}
    limited = {
        "nominalConcurrencyShares": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }
    everything = {
        "verbs": ["*"],
        "apiGroups": ["*"],
        "resources": ["*"],
        "namespaces": ["*"],
        "clusterScope": True,
    }
    subject = {"kind": "User", "user": {"name": user["name"]}}
    flow = {
        "matchingPrecedence": 2,
        "priorityLevelConfiguration": {"name": f"{own}x"},
        "rules": [{"subjects": [subject], "resourceRules": [everything]}],
    }
    made: dict[str, dict[str, Any]] = {
        _BINDINGS.format(namespace): {"roleRef": role, "subjects": [user]},
        f"{_FLOWS}/prioritylevelconfigurations": {"spec": {"type": "Limited", "limited": limited}},
        f"{_FLOWS}/flowschemas": {"spec": flow},
    }
    try:
        for path, body in made.items():
            status, answer = server.call("POST", path, {"metadata": {"name": f"{own}x"}, **body})
            assert status == 201, answer
        yield
    finally:
        for path in reversed(made):
            server.call("DELETE", f"{path}/{own}x")


@contextmanager
def _busy(server: ApiServer, namespace: str, headers: dict[str, str]) -> Iterator[None]:
    """Keep the one place taken: a list of a version that is yet to come takes its time."""
    over = threading.Event()
    path = f"/api/v1/namespaces/{namespace}/configmaps?resourceVersion=999999999"

    def ask() -> None:
        while not over.is_set():
            server.request("GET", path, headers=headers)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
