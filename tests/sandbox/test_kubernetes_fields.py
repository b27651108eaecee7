"""Properties of field sets, merging and server-side apply, without a server."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from towline.sandbox.kubernetes.apply import Managers, Writer, server_side_apply
from towline.sandbox.kubernetes.fields import compare, display, from_v1, members, to_v1, without
from towline.sandbox.kubernetes.merge import merged
from towline.sandbox.kubernetes.patch import merge_patch, strategic_patch
from towline.sandbox.kubernetes.shape import SET, Shape, keyed

SHAPE = Shape({"items": keyed("name"), "set": SET, "map": Shape(mapping=True)})

_names = st.sampled_from("abc")
_items = st.lists(
    st.fixed_dictionaries({"name": _names}, optional={"x": st.integers(0, 2), "y": _names}),
    unique_by=lambda item: str(item["name"]),
    max_size=3,
)
objects = st.fixed_dictionaries(
    {},
    optional={
        "leaf": st.integers(0, 2),
        "list": st.lists(st.integers(0, 2), max_size=2),
        "items": _items,
        "set": st.lists(_names, unique=True, max_size=3),
        "map": st.dictionaries(_names, _names, min_size=1),
        "inner": st.dictionaries(_names, st.integers(0, 2), min_size=1),
    },
)


def applied(
    live: dict[str, Any], config: dict[str, Any], managers: Managers, name: str
) -> tuple[dict[str, Any], Managers]:
    writer = Writer(name, "v1", "2026-01-01T00:00:00Z", force=True)
    return server_side_apply(live, config, shape=SHAPE, managers=managers, writer=writer)


@given(objects)
def test_field_sets_survive_being_written_down(body: dict[str, Any]) -> None:
    fields = members(body, SHAPE)
    assert from_v1(to_v1(fields)) == fields


@given(objects)
def test_an_object_does_not_differ_from_itself(body: dict[str, Any]) -> None:
    change = compare(body, body, SHAPE)
    assert not change.added | change.modified | change.removed


@given(objects, objects)
def test_a_merge_holds_what_was_applied(live: dict[str, Any], config: dict[str, Any]) -> None:
    result = merged(live, config, SHAPE)
    assert merged(result, config, SHAPE) == result
    assert members(config, SHAPE) <= members(result, SHAPE)


@given(objects, objects)
def test_a_second_apply_changes_nothing(live: dict[str, Any], config: dict[str, Any]) -> None:
    first = applied(live, config, {}, "a")
    assert applied(*(first[0], config, first[1]), "a") == first


@given(objects, objects)
def test_the_only_applier_gets_what_it_wants(first: dict[str, Any], second: dict[str, Any]) -> None:
    """From nothing, whatever was applied before, only the last configuration is left."""
    body, managers = applied({}, first, {}, "a")
    body, managers = applied(body, second, managers, "a")
    left = compare(second, body, SHAPE)
    assert not left.modified
    # Nothing is left but what nobody can own: an empty list of items or members.
    assert members(body, SHAPE) == members(second, SHAPE)


@given(objects, objects, objects)
def test_what_another_applier_owns_alone_is_left_alone(
    ours: dict[str, Any], theirs: dict[str, Any], later: dict[str, Any]
) -> None:
    body, managers = applied({}, theirs, {}, "b")
    body, managers = applied(body, ours, managers, "a")
    _, managers = applied(body, later, managers, "a")
    owned = {manager.name: entry.fields for manager, entry in managers.items()}
    only_theirs = members(theirs, SHAPE) - members(ours, SHAPE) - members(later, SHAPE)
    taken = {path for path in only_theirs if not _overlaps(path, ours, later)}
    assert taken <= owned.get("b", frozenset())


def _overlaps(path: tuple[str, ...], *bodies: dict[str, Any]) -> bool:
    """Whether a field of these lies around that path, or beneath it."""
    return any(
        other[: len(path)] == path or path[: len(other)] == other
        for body in bodies
        for other in members(body, SHAPE)
    )


def test_an_items_fields_go_with_it() -> None:
    body = {"items": [{"name": "a", "x": 1}, {"name": "b"}]}
    gone = {("f:items", 'k:{"name":"a"}')}
    assert without(body, gone, SHAPE) == {"items": [{"name": "b"}]}


def test_fields_are_shown_as_messages_name_them() -> None:
    path = ("f:spec", "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}', "f:name")
    assert display(path) == '.spec.ports[containerPort=80,protocol="TCP"].name'
    assert display(("f:metadata", "f:finalizers", 'v:"x"')) == '.metadata.finalizers[="x"]'


def test_a_new_item_comes_after_those_it_follows() -> None:
    live = {"items": [{"name": "a"}, {"name": "c"}]}
    config = {"items": [{"name": "a", "x": 1}, {"name": "b"}]}
    result = merged(live, config, SHAPE)
    assert [item["name"] for item in result["items"]] == ["a", "b", "c"]


def test_a_merge_patch_removes_with_null() -> None:
    assert merge_patch({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}) == {"a": {"c": 2}}


def test_the_directives_of_a_strategic_patch() -> None:
    live = {"items": [{"name": "a", "x": 1}, {"name": "b"}], "set": ["a", "b"], "inner": {"a": 1}}
    patch = {
        "items": [{"name": "a", "y": "n"}, {"name": "b", "$patch": "delete"}, {"name": "c"}],
        "$setElementOrder/items": [{"name": "a"}, {"name": "c"}],
        "$deleteFromPrimitiveList/set": ["a"],
        "inner": {"$retainKeys": ["b"], "b": 2},
    }
    assert strategic_patch(live, patch, SHAPE) == {
        "items": [{"name": "a", "x": 1, "y": "n"}, {"name": "c"}],
        "set": ["b"],
        "inner": {"b": 2},
    }
