"""Server-side apply of lists: by keys, as sets, as a whole; and what a dry run answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

MAP = "/api/v1/namespaces/default/configmaps/settings"
SERVICE = "/api/v1/namespaces/default/services/dns"
WEB = "/apis/apps/v1/namespaces/default/deployments/web"


def config_map(*finalizers: str, **data: str) -> dict[str, Any]:
    metadata = {"name": "settings", **({"finalizers": list(finalizers)} if finalizers else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def service(*ports: dict[str, Any]) -> dict[str, Any]:
    spec = {"ports": list(ports)}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dns"}, "spec": spec}


def deployment(*containers: dict[str, Any]) -> dict[str, Any]:
    pod = {"containers": [{"image": "web:1", **container} for container in containers]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
        },
    }


def owned(body: dict[str, Any], manager: str = "towline") -> Any:
    (entry,) = [e for e in body["metadata"]["managedFields"] if e["manager"] == manager]
    return entry["fieldsV1"]


def protocols(body: dict[str, Any]) -> list[tuple[int, str]]:
    return [(port["port"], port["protocol"]) for port in body["spec"]["ports"]]


def names(body: dict[str, Any]) -> list[str]:
    return [c["name"] for c in body["spec"]["template"]["spec"]["containers"]]


UDP = {"port": 53, "protocol": "UDP", "name": "udp"}
TCP = {"port": 53, "name": "tcp"}


def test_an_item_is_known_by_all_its_keys(apply: Call) -> None:
    """One of which has a default."""
    _, body = apply(SERVICE, service(UDP, TCP))
    assert protocols(body) == [(53, "UDP"), (53, "TCP")]
    _, body = apply(SERVICE, service(TCP))
    assert protocols(body) == [(53, "TCP")]
    item = 'k:{"port":53,"protocol":"TCP"}'
    assert owned(body)["f:spec"]["f:ports"] == {item: {".": {}, "f:name": {}, "f:port": {}}}


def test_to_name_a_default_is_to_own_it(apply: Call) -> None:
    _, first = apply(SERVICE, service(TCP))
    _, second = apply(SERVICE, service({**TCP, "protocol": "TCP"}))
    assert second["spec"] == first["spec"]
    (item,) = owned(second)["f:spec"]["f:ports"].values()
    assert item == {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}}
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]


def test_a_default_makes_two_items_the_same(apply: Call) -> None:
    status, body = apply(SERVICE, service(TCP, {**TCP, "protocol": "TCP"}))
    assert status == 500
    assert 'duplicate entries for key [port=53,protocol="TCP"]' in body["message"]


def test_the_order_of_items_is_that_of_the_manifest(apply: Call) -> None:
    _, body = apply(WEB, deployment({"name": "a"}, {"name": "b"}))
    assert names(body) == ["a", "b"]
    _, body = apply(WEB, deployment({"name": "b"}, {"name": "a"}))
    assert names(body) == ["b", "a"]
    assert body["metadata"]["generation"] == 2


def test_an_item_that_others_own_too_stays(apply: Call) -> None:
    """With what they own of it, and what nobody owns."""
    apply(WEB, deployment({"name": "a"}, {"name": "b", "args": ["x"]}))
    apply(WEB, deployment({"name": "b"}), manager="other")
    _, body = apply(WEB, deployment({"name": "a"}))
    assert names(body) == ["a", "b"]
    (kept,) = [c for c in body["spec"]["template"]["spec"]["containers"] if c["name"] == "b"]
    assert kept["image"] == "web:1"
    assert "args" not in kept


def test_the_members_of_a_set_are_owned_one_by_one(apply: Call) -> None:
    apply(MAP, config_map("example.com/a", "example.com/b", a="1"))
    more = config_map("example.com/b", "example.com/c", a="1")
    _, body = apply(MAP, more, manager="other")
    assert sorted(body["metadata"]["finalizers"]) == [
        "example.com/a",
        "example.com/b",
        "example.com/c",
    ]
    _, body = apply(MAP, config_map(a="1"))
    assert body["metadata"]["finalizers"] == ["example.com/b", "example.com/c"]
    assert owned(body, "other")["f:metadata"] == {
        "f:finalizers": {'v:"example.com/b"': {}, 'v:"example.com/c"': {}}
    }


def test_a_plain_list_is_owned_as_a_whole(apply: Call) -> None:
    apply(WEB, deployment({"name": "a", "args": ["x", "y"]}))
    status, body = apply(WEB, deployment({"name": "a", "args": ["x", "z"]}), manager="other")
    assert status == 409
    (cause,) = body["details"]["causes"]
    assert cause["field"] == '.spec.template.spec.containers[name="a"].args'
    assert cause["message"] == 'conflict with "towline"'
    _, body = apply(WEB, deployment({"name": "a", "args": ["z"]}))
    (container,) = body["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["z"]


def test_owning_together_is_a_change_of_the_object(apply: Call) -> None:
    """Though only of its bookkeeping: watchers see a new version."""
    _, first = apply(MAP, config_map(a="1"))
    _, second = apply(MAP, config_map(a="1"), manager="other")
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    _, third = apply(MAP, config_map(), manager="other")
    assert third["data"] == {"a": "1"}


def test_an_empty_map_is_owned_and_conflicts_like_a_value(apply: Call) -> None:
    """It is not stored: whoever names one too changes what is not there."""
    _, body = apply(MAP, config_map())
    assert "data" not in body
    assert owned(body) == {"f:data": {}}
    status, body = apply(MAP, config_map(), manager="other")
    assert status == 409
    assert body["message"] == 'Apply failed with 1 conflict: conflict with "towline": .data'


def test_a_value_that_is_given_up_by_one_of_two_stays(apply: Call) -> None:
    apply(MAP, config_map(a="1"))
    apply(MAP, config_map(a="1"), manager="other")
    status, body = apply(MAP, config_map(a="2"))
    assert (status, body["details"]["causes"][0]["field"]) == (409, ".data.a")
    _, body = apply(MAP, config_map(a="2"), force=True)
    assert body["data"] == {"a": "2"}
    assert [entry["manager"] for entry in body["metadata"]["managedFields"]] == ["towline"]


def test_a_dry_run_of_a_creation_has_no_version(apply: Call, call: Call) -> None:
    status, body = apply(MAP, config_map(a="1"), dryRun="All")
    assert status == 201
    assert body["metadata"]["uid"]
    assert "resourceVersion" not in body["metadata"]
    assert owned(body) == {"f:data": {"f:a": {}}}
    assert call("GET", MAP)[0] == 404


def test_a_dry_run_of_a_change_has_the_version_of_the_live_object(apply: Call, call: Call) -> None:
    network = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/x"
    policy: dict[str, Any] = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "x"},
        "spec": {"podSelector": {}},
    }
    _, live = apply(network, policy)
    changed = {**policy, "spec": {"podSelector": {"matchLabels": {"a": "b"}}}}
    status, body = apply(network, changed, dryRun="All")
    assert (status, body["spec"]["podSelector"]) == (200, {"matchLabels": {"a": "b"}})
    assert body["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
    assert body["metadata"]["generation"] == 2
    assert call("GET", network)[1] == live


def test_a_dry_run_is_refused_like_the_real_thing(apply: Call, call: Call) -> None:
    apply(MAP, config_map(a="1"), manager="other")
    assert apply(MAP, config_map(a="2"), dryRun="All")[0] == 409
    status, body = call("POST", MAP.rpartition("/")[0], config_map(), dryRun="All")
    assert (status, body["reason"]) == (409, "AlreadyExists")


def test_metadata_is_applied_like_the_rest(apply: Call) -> None:
    config = config_map(a="1")
    config["metadata"]["labels"] = {"a": "1", "b": "2"}
    config["metadata"]["annotations"] = {"a": "1"}
    apply(MAP, config)
    config["metadata"]["labels"] = {"b": "3"}
    del config["metadata"]["annotations"]
    _, body = apply(MAP, config)
    assert body["metadata"]["labels"] == {"b": "3"}
    assert "annotations" not in body["metadata"]
    assert owned(body)["f:metadata"] == {"f:labels": {"f:b": {}}}
