"""Every built-in kind can be applied, and applying it again changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.bodies import BODIES, manifest, path_of

Call = Callable[..., tuple[int, dict[str, Any]]]
Placed = Callable[[str], tuple[str, dict[str, Any]]]

# Their content cannot be written again: the server takes away or adds what makes it another.
_UNSTABLE = {
    "Node-full": "an admission plugin adds a taint to the list that is owned whole",
    "NetworkPolicy": "it has an empty list",
    "MutatingWebhookConfiguration-full": "it has an empty list",
}


@pytest.fixture
def placed(namespace: str, own: str) -> Placed:
    """`placed(variant)`: the path and the body of a manifest, under a name of the test's own."""

    def place(variant: str) -> tuple[str, dict[str, Any]]:
        kind, body = manifest(variant, f"{own}x")
        if kind.kind in {"CustomResourceDefinition", "APIService"}:
            name = body["metadata"]["name"].replace("example.com", f"{own}x.example.com")
            group = body["spec"]["group"].replace("example.com", f"{own}x.example.com")
            body["metadata"] = {**body["metadata"], "name": name}
            body["spec"] = {**body["spec"], "group": group}
        if kind.kind == "Event":
            body["involvedObject"] = {**body["involvedObject"], "namespace": namespace}
        return path_of(kind, body["metadata"]["name"]), body

    return place


@pytest.mark.parametrize("variant", [name for name in BODIES if name not in _UNSTABLE])
def test_a_second_apply_changes_nothing(
    apply: Call, call: Call, settled: Call, placed: Placed, variant: str
) -> None:
    path, body = placed(variant)
    # Without a force that would hide what others came to own.
    status, first = apply(path, body, fieldValidation="Strict")
    assert status == 201, first["message"]
    status, second = settled(path, lambda _: apply(path, body, fieldValidation="Strict"))
    assert status == 200, second["message"]
    # What a client reads and writes back is no change either.
    status, third = settled(path, lambda live: call("PUT", path, live))
    assert status == 200, third["message"]
    if second["metadata"].get("finalizers"):
        call(
            "PATCH",
            path,
            {"metadata": {"finalizers": None}},
            media="application/merge-patch+json",
        )


def test_an_empty_list_makes_each_apply_a_change(apply: Call) -> None:
    """For some kinds: it is not stored, and yet it differs from what is."""
    kind, body = manifest("NetworkPolicy", "x")
    path = path_of(kind, "x")
    _, first = apply(path, body)
    _, second = apply(path, body)
    assert "egress" not in first["spec"]
    assert second["spec"] == first["spec"]
    assert second["metadata"]["managedFields"] == first["metadata"]["managedFields"]
    assert second["metadata"]["generation"] == 2
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    _, tried = apply(path, body, dryRun="All")
    assert tried["metadata"]["generation"] == 3
    assert tried["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


def test_every_exception_is_a_manifest() -> None:
    assert BODIES.keys() >= _UNSTABLE.keys()
