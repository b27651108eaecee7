"""Watches: events from a version on, bookmarks, selectors, and what is too old."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.servers import ApiServer
from tests.contract.widgets import Widgets

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]
Watch = Callable[..., Any]
Event = tuple[str, str]

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


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
    call("POST", MAPS, config_map("a", of="test"))
    with watch(MAPS, labelSelector="of=test") as events:
        assert short(next(events)) == ("ADDED", "a")
        call("POST", MAPS, config_map("b", of="test"))
        assert short(next(events)) == ("ADDED", "b")


def test_other_kinds_and_namespaces_are_not_seen(call: Call, watch: Watch, own: str) -> None:
    other = f"/api/v1/namespaces/{own}other"
    call("POST", "/api/v1/namespaces", {"metadata": {"name": f"{own}other"}})
    version = call("GET", MAPS)[1]["metadata"]["resourceVersion"]
    with watch(MAPS, resourceVersion=version) as events:
        call("POST", f"{other}/configmaps", config_map("x"))
        call("POST", "/api/v1/namespaces/default/secrets", config_map("y"))
        call("POST", MAPS, config_map("a"))
        assert short(next(events)) == ("ADDED", "a")


def test_a_watch_of_all_namespaces(call: Call, watch: Watch, own: str) -> None:
    other = f"/api/v1/namespaces/{own}other"
    call("POST", "/api/v1/namespaces", {"metadata": {"name": f"{own}other"}})
    query = {"labelSelector": f"of={own}x"}
    version = call("GET", "/api/v1/configmaps", **query)[1]["metadata"]["resourceVersion"]
    with watch("/api/v1/configmaps", resourceVersion=version, **query) as events:
        call("POST", f"{other}/configmaps", config_map("x", of=f"{own}x"))
        call("POST", MAPS, config_map("a", of=f"{own}x"))
        assert [short(next(events)) for _ in "xa"] == [("ADDED", "x"), ("ADDED", "a")]


def test_an_object_enters_and_leaves_a_selector(call: Call, watch: Watch) -> None:
    call("POST", MAPS, config_map("a", app="api"))
    with watch(MAPS, labelSelector="app=web") as events:
        call("PATCH", f"{MAPS}/a", {"metadata": {"labels": {"app": "web"}}}, media=MERGE)
        assert short(next(events)) == ("ADDED", "a")
        call("PATCH", f"{MAPS}/a", {"metadata": {"labels": {"app": "api"}}}, media=MERGE)
        assert short(next(events)) == ("DELETED", "a")


def test_the_last_finalizer_is_not_a_change_of_its_own(call: Call, watch: Watch) -> None:
    body = config_map("a")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    version = call("POST", MAPS, body)[1]["metadata"]["resourceVersion"]
    call("DELETE", f"{MAPS}/a")
    call("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": None}}, media=MERGE)
    with watch(MAPS, resourceVersion=version, timeoutSeconds="1") as events:
        seen = list(events)
    assert [short(event) for event in seen] == [("MODIFIED", "a"), ("DELETED", "a")]
    # What was stored last is what is shown, under a version of its own.
    assert seen[-1]["object"]["metadata"]["finalizers"] == ["example.com/hold"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))


def test_a_watch_ends_when_its_time_is_over(call: Call, watch: Watch) -> None:
    version = call("GET", MAPS)[1]["metadata"]["resourceVersion"]
    with watch(MAPS, resourceVersion=version, timeoutSeconds="1") as events:
        assert [event for event in events if event["type"] != "BOOKMARK"] == []


def test_bookmarks_say_how_far_a_watch_has_come(call: Call, watch: Watch) -> None:
    """A server sends them when it likes: about once a minute, and before a watch ends."""
    version = call("GET", MAPS)[1]["metadata"]["resourceVersion"]
    call("POST", MAPS, config_map("unseen"))
    query = {"allowWatchBookmarks": "true", "timeoutSeconds": "4", "resourceVersion": version}
    with watch(MAPS, labelSelector="of=nobody", **query) as events:
        *_, last = events
    assert last["type"] == "BOOKMARK"
    assert last["object"]["kind"] == "ConfigMap"
    assert int(last["object"]["metadata"]["resourceVersion"]) > int(version)


def test_the_end_of_the_initial_events_is_told(call: Call, watch: Watch) -> None:
    call("POST", MAPS, config_map("a", of="test"))
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
        "labelSelector": "of=test",
    }
    with watch(MAPS, **query) as events:
        assert short(next(events)) == ("ADDED", "a")
        bookmark = next(events)
    assert bookmark["type"] == "BOOKMARK"
    annotations = bookmark["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}


def test_initial_events_need_to_be_asked_for_in_full(call: Call) -> None:
    status, body = call("GET", MAPS, watch="1", sendInitialEvents="true", timeoutSeconds="1")
    assert (status, body["reason"]) == (422, "Invalid")
    assert body["details"]["causes"][0]["field"] == "resourceVersionMatch"


def test_a_watch_from_no_version(call: Call) -> None:
    status, body = call("GET", MAPS, watch="1", resourceVersion="x", timeoutSeconds="1")
    assert (status, body.get("reason")) == (500, None)
    assert "parsing" in body["message"]


def aged(token: str) -> str:
    """The token as one that was given out when the cluster was new."""
    value = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    assert value["rv"] > 1
    text = json.dumps({**value, "rv": 1}, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@pytest.mark.usefixtures("by_itself")
def test_a_version_that_is_too_old_is_gone(
    server: ApiServer, call: Call, watch: Watch, widgets: Widgets
) -> None:
    """Of a definition, whose objects no server remembers from before it was made."""
    if server.forget is None:
        pytest.skip("nobody may have this server forget the past")
    widgets.define()
    for name in "ab":
        call("POST", widgets.path, widgets.body(name))
    token = call("GET", widgets.path, limit="1")[1]["metadata"]["continue"]
    server.forget()
    call("POST", widgets.path, widgets.body("c"))
    with watch(widgets.path, resourceVersion="1") as events:
        (event,) = events
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 1 (")
    status, body = call("GET", widgets.path, limit="1", **{"continue": aged(token)})
    assert (status, body["reason"]) == (410, "Expired")
    # Who does without one consistent list may go on from there.
    go_on = {"continue": body["metadata"]["continue"]}
    status, rest = call("GET", widgets.path, limit="5", **go_on)
    assert status == 200
    assert [item["metadata"]["name"] for item in rest["items"]] == ["b", "c"]
    query = {"resourceVersion": "1", "resourceVersionMatch": "Exact"}
    status, body = call("GET", widgets.path, **query)
    assert (status, body["reason"]) == (410, "Expired")


def test_a_watch_may_ask_for_metadata_only(call: Call, watch: Watch) -> None:
    call("POST", MAPS, config_map("a", of="test"))
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    with watch(MAPS, accept=accept, labelSelector="of=test") as events:
        event = next(events)
    assert event["object"].keys() == {"kind", "apiVersion", "metadata"}
    assert event["object"]["kind"] == "PartialObjectMetadata"
