"""Watches: events from a version on, bookmarks, selectors, and what is too old."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from towline.sandbox.kubernetes import SandboxCluster

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]
Watch = Callable[..., Any]
Event = tuple[str, str]

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


@pytest.fixture
def watch(cluster: SandboxCluster, pool: urllib3.PoolManager) -> Watch:
    """`with watch(path, **query) as events`: the parsed lines of a running watch."""

    @contextmanager
    def run(path: str, **query: str) -> Iterator[Iterator[dict[str, Any]]]:
        address = f"{cluster.url}{path}?{urlencode({'watch': '1', **query})}"
        headers = {"Authorization": "Bearer a-token-of-the-tests"}
        response = pool.request("GET", address, headers=headers, preload_content=False)
        try:
            yield (json.loads(line) for line in lines(response))
        finally:
            response.close()
            response.release_conn()

    return run


def lines(response: Any) -> Iterator[bytes]:
    rest = b""
    for part in response.stream(65_536):
        *whole, rest = (rest + part).split(b"\n")
        yield from whole


def short(event: dict[str, Any]) -> Event:
    return event["type"], event["object"]["metadata"].get("name", "")


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}}


def test_a_watch_goes_on_from_a_list(call: Call, watch: Watch) -> None:
    call("POST", MAPS, config_map("old"))
    version = call("GET", MAPS)[1]["metadata"]["resourceVersion"]
    call("POST", MAPS, config_map("a"))
    call("PATCH", f"{MAPS}/a", {"data": {"x": "1"}}, media=MERGE)
    with watch(MAPS, resourceVersion=version) as events:
        assert short(next(events)) == ("ADDED", "a")
        modified = next(events)
        assert short(modified) == ("MODIFIED", "a")
        assert modified["object"]["kind"] == "ConfigMap"
        call("DELETE", f"{MAPS}/a")
        deleted = next(events)
        assert short(deleted) == ("DELETED", "a")
        versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in (modified, deleted)]
        assert versions == sorted(set(versions))


def test_a_watch_without_a_version_starts_with_what_there_is(call: Call, watch: Watch) -> None:
    call("POST", MAPS, config_map("a"))
    with watch(MAPS) as events:
        assert short(next(events)) == ("ADDED", "a")
        call("POST", MAPS, config_map("b"))
        assert short(next(events)) == ("ADDED", "b")


def test_other_kinds_and_namespaces_are_not_seen(call: Call, watch: Watch) -> None:
    call("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    with watch(MAPS) as events:
        call("POST", "/api/v1/namespaces/other/configmaps", config_map("x"))
        call("POST", "/api/v1/namespaces/default/secrets", config_map("y"))
        call("POST", MAPS, config_map("a"))
        assert short(next(events)) == ("ADDED", "a")


def test_an_object_enters_and_leaves_a_selector(call: Call, watch: Watch) -> None:
    call("POST", MAPS, config_map("a", app="api"))
    with watch(MAPS, labelSelector="app=web") as events:
        call("PATCH", f"{MAPS}/a", {"metadata": {"labels": {"app": "web"}}}, media=MERGE)
        assert short(next(events)) == ("ADDED", "a")
        call("PATCH", f"{MAPS}/a", {"metadata": {"labels": {"app": "api"}}}, media=MERGE)
        assert short(next(events)) == ("DELETED", "a")


def test_a_watch_ends_with_a_bookmark(call: Call, watch: Watch) -> None:
    version = call("GET", MAPS)[1]["metadata"]["resourceVersion"]
    call("POST", "/api/v1/namespaces/default/secrets", config_map("elsewhere"))
    query = {"allowWatchBookmarks": "true", "timeoutSeconds": "1", "resourceVersion": version}
    with watch(MAPS, **query) as events:
        *_, last = events
    assert last["type"] == "BOOKMARK"
    assert last["object"]["kind"] == "ConfigMap"
    assert int(last["object"]["metadata"]["resourceVersion"]) > int(version)


def test_the_end_of_the_initial_events_is_told(call: Call, watch: Watch) -> None:
    call("POST", MAPS, config_map("a"))
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    with watch(MAPS, **query) as events:
        assert short(next(events)) == ("ADDED", "a")
        bookmark = next(events)
    assert bookmark["type"] == "BOOKMARK"
    annotations = bookmark["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}


def test_a_version_that_is_too_old_is_gone(
    cluster: SandboxCluster, call: Call, watch: Watch
) -> None:
    version = call("GET", MAPS)[1]["metadata"]["resourceVersion"]
    call("POST", MAPS, config_map("a"))
    call("POST", MAPS, config_map("b"))
    token = call("GET", MAPS, limit="1")[1]["metadata"]["continue"]
    call("POST", MAPS, config_map("c"))
    cluster.forget_events()
    with watch(MAPS, resourceVersion=version) as events:
        (event,) = events
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    status, body = call("GET", MAPS, limit="1", **{"continue": token})
    assert (status, body["reason"]) == (410, "Expired")


def test_a_watch_may_ask_for_metadata_only(
    cluster: SandboxCluster, call: Call, pool: urllib3.PoolManager
) -> None:
    call("POST", MAPS, config_map("a"))
    headers = {
        "Authorization": "Bearer a-token-of-the-tests",
        "Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    }
    address = f"{cluster.url}{MAPS}?watch=true&timeoutSeconds=0"
    response = pool.request("GET", address, headers=headers)
    event = json.loads(response.data.splitlines()[0])
    assert event["object"]["kind"] == "PartialObjectMetadata"


def test_stopping_the_cluster_ends_its_watches(pool: urllib3.PoolManager) -> None:
    with SandboxCluster() as cluster:
        address = f"{cluster.url}{MAPS}?watch=true"
        response = pool.request("GET", address, preload_content=False)
    with pytest.raises((urllib3.exceptions.HTTPError, StopIteration)):
        next(response.stream())
    response.close()
