"""What the proof of "nothing changed" believes of built-in kinds, against their published types.

The names of atomic maps and of associative lists are written down in the engine, for an object
alone does not tell. A version of Kubernetes that brings a new one must be noticed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.servers import ApiServer
from tests.contract import schema
from towline.core import ownership
from towline.core.objects import BUILT_IN_GROUPS
from towline.sandbox.kubernetes.kinds import Kind
from towline.sandbox.kubernetes.shape import Shape

Field = tuple[str, str, Any]
"""Kind, name of the field, and its form."""


def fields(published: dict[str, Any]) -> Iterator[Field]:
    """Each field of each kind that can be owned by itself: nothing inside what is atomic."""
    types = published["types"]
    for identity, name in published["kinds"].items():
        yield from _below(identity.split()[-1], types, name, set())


def _below(kind: str, types: dict[str, Any], name: str, seen: set[str]) -> Iterator[Field]:
    if name in seen or name not in types:
        return
    seen.add(name)
    for field, form in types[name]["fields"].items():
        if field == "status":
            continue  # nobody applies one from Git
        yield kind, field, form
        if not _is_atomic(form, types):
            yield from _below(kind, types, _inner(form), seen)


def _is_atomic(form: Any, types: dict[str, Any]) -> bool:
    if isinstance(form, str):
        return form == "object" or bool(types.get(form, {}).get("atomic"))
    if "list" in form:
        return not form.get("keys") and not form.get("set")
    if "type" in form:
        return bool(form["atomic"])
    return bool(form.get("atomic"))


def _inner(form: Any) -> str:
    while isinstance(form, dict):
        form = form.get("type") or form.get("list") or form["map"]
    return str(form)


def _is_list(form: Any) -> bool:
    return isinstance(form, dict) and "list" in form


def _is_object(form: Any, types: dict[str, Any]) -> bool:
    return form in types if isinstance(form, str) else "type" in form


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.cluster)])
def published(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The kinds that the sandbox has, or all that a real server has of its own."""
    if request.param == "sandbox":
        kept: dict[str, Any] = json.loads(schema.FILE.read_text(encoding="utf-8"))
        return kept
    server: ApiServer = request.getfixturevalue("real_server")
    return schema.published(server, _all_kinds(server))


def _all_kinds(server: ApiServer) -> list[Kind]:
    """Every built-in kind that can be applied, in every version."""
    found = []
    for group, version in _versions(server):
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        _, answer = server.call("GET", path)
        found += [
            Kind(group, version, entry["kind"], entry["name"], Shape())
            for entry in answer["resources"]
            if "/" not in entry["name"] and "patch" in entry["verbs"]
        ]
    return found


def _versions(server: ApiServer) -> list[tuple[str, str]]:
    _, answer = server.call("GET", "/apis")
    return [("", "v1")] + [
        (group["name"], version["version"])
        for group in answer["groups"]
        for version in group["versions"]
        if group["name"] in BUILT_IN_GROUPS
    ]


def test_every_group_of_the_server_is_known_as_built_in(published: dict[str, Any]) -> None:
    groups = {name.rpartition(" ")[0].rpartition("/")[0] for name in published["kinds"]}
    assert groups <= BUILT_IN_GROUPS


def test_associative_lists_are_known(published: dict[str, Any]) -> None:
    """One that was applied as null is a leaf; its content, named later, would be taken for ours."""
    types = published["types"]
    unknown = {
        (kind, name)
        for kind, name, form in fields(published)
        if _is_list(form)
        and not _is_atomic(form, types)
        and (
            name not in ownership._ASSOCIATIVE_LISTS
            or (kind, name) in ownership._ATOMIC_LISTS_BY_KIND
        )
    }
    assert sorted(unknown) == []


def test_atomic_maps_are_atomic_wherever_they_occur(published: dict[str, Any]) -> None:
    """An empty one that others filled would be taken for a whole that is ours."""
    types = published["types"]
    granular = {
        (kind, name)
        for kind, name, form in fields(published)
        if name in ownership._ATOMIC_MAPS - ownership._SOMETIMES_GRANULAR
        and _is_object(form, types)
        and not _is_atomic(form, types)
    }
    assert sorted(granular) == []
