"""An object's values at the paths of a field set: what a manifest names, and what goes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.core.fieldset import paths, trie
from towline.core.fieldvalues import named, without
from towline.core.objects import Object

WEB = ("f:spec", "f:containers", 'k:{"name":"web"}')


def of(*lines: str) -> frozenset[tuple[str, ...]]:
    """Paths with their parts between spaces."""
    return frozenset(tuple(line.split()) for line in lines)


def test_a_member_is_named_by_a_value_at_its_place() -> None:
    fields = of("f:spec f:replicas", "f:spec f:paused", "f:spec", "f:data f:a", "f:spec f:x f:y")
    body = {"spec": {"replicas": 0, "paused": None, "x": "text"}, "data": []}
    assert named(fields, body) == of("f:spec f:replicas", "f:spec")


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ([{"port": 80, "protocol": "TCP"}], True),
        ([{"port": 80}], True),
        ([{"port": 80, "protocol": "UDP"}], False),
        ([{"port": 81}], False),
        ([{"port": True}], False),
        ([{"protocol": "TCP"}], True),
        ([{}], False),
        ([80, None, "x"], False),
        ({"port": 80}, False),
    ],
)
def test_items_are_told_apart_by_the_keys_they_have(items: Any, found: bool) -> None:
    fields = of('f:ports k:{"port":80,"protocol":"TCP"}')
    assert bool(named(fields, {"ports": items})) is found


def test_of_two_items_that_fit_the_one_with_more_keys_is_meant() -> None:
    key = 'k:{"port":80,"protocol":"TCP"}'
    fields = of(f"f:ports {key} f:a", f"f:ports {key} f:b")
    body = {"ports": [{"port": 80, "a": 1}, {"port": 80, "protocol": "TCP", "b": 1}]}
    assert named(fields, body) == of(f"f:ports {key} f:b")


def test_members_of_a_set_and_positions() -> None:
    fields = of('f:tags v:"a"', 'f:tags v:"b"', "f:tags v:1", "f:tags i:0", "f:tags i:2")
    fields |= of("f:tags i:-1", "f:tags v:{", "f:tags k:[]", "f:tags x", "f:tags v:true")
    assert named(fields, {"tags": ["a", 1]}) == of('f:tags v:"a"', "f:tags v:1", "f:tags i:0")


def container(**fields: Any) -> Object:
    return {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "web", **fields}]}}


def test_a_field_goes_and_its_neighbours_stay() -> None:
    body = {"metadata": {"name": "x"}, "data": {"a": "1", "b": "2"}}
    left = without(body, of("f:data f:a"), of("f:data f:b"))
    assert left == {"metadata": {"name": "x"}, "data": {"b": "2"}}
    assert body["data"] == {"a": "1", "b": "2"}


def test_what_has_an_owner_stays() -> None:
    body = {"metadata": {"name": "x"}, "data": {"a": "1"}}
    assert without(body, of("f:data f:a"), of("f:data f:a")) == body


def test_a_field_goes_with_the_defaults_in_it() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": "25%"}}
    body = {"metadata": {"name": "x"}, "spec": {"strategy": strategy, "replicas": 1}}
    gone = of("f:spec f:strategy f:rollingUpdate f:maxSurge")
    assert without(body, gone, of("f:spec f:replicas"))["spec"] == {"replicas": 1}
    kept = of("f:spec f:strategy f:type")
    assert without(body, gone, kept)["spec"]["strategy"] == {"type": "RollingUpdate"}


def test_an_item_goes_unless_it_is_kept_itself() -> None:
    body = container(image="web:1", terminationMessagePath="/dev/x")
    gone = of(" ".join(WEB), " ".join((*WEB, "f:image")), " ".join((*WEB, "f:name")))
    inside = of(" ".join((*WEB, "f:terminationMessagePath")), "f:spec f:replicas")
    assert without(body, gone, inside)["spec"] == {"containers": None}
    kept = of(" ".join(WEB), " ".join((*WEB, "f:name")))
    assert without(body, gone, kept) == container(terminationMessagePath="/dev/x")


def test_of_an_item_of_others_only_the_fields_go() -> None:
    gone = of(" ".join((*WEB, "f:image")))
    assert without(container(image="web:1"), gone, frozenset()) == {"metadata": {"name": "x"}}
    kept = of("f:spec f:containers f:other")
    assert without(container(image="web:1"), gone, kept) == container()


def test_what_is_emptied_is_null_as_the_server_leaves_it() -> None:
    body = {"metadata": {"name": "x"}, "spec": {"tags": ["a"], "free": {"a": 1}, "more": {}}}
    gone = of('f:spec f:tags v:"a"', "f:spec f:free f:a", "f:spec f:more f:a")
    kept = of("f:spec f:tags", "f:spec f:free", "f:spec f:more")
    assert without(body, gone, kept)["spec"] == {"tags": None, "free": None, "more": {}}


def test_what_identifies_an_object_never_goes() -> None:
    body = {"metadata": {"name": "x", "uid": "u", "labels": {"a": "b"}}}
    assert without(body, of("f:metadata f:labels f:a"), frozenset()) == {
        "metadata": {"name": "x", "uid": "u"}
    }
    assert without({"spec": {"a": 1}}, of("f:spec f:a"), frozenset()) == {}


NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none() | st.integers(0, 2) | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
PARTS = st.sampled_from(
    ["f:a", "f:b", "f:c", 'k:{"a":1}', 'k:{"a":1,"b":"a"}', 'v:"a"', "v:1", "i:0", "k:{", "x", "."]
)
PATHS = st.frozensets(st.lists(PARTS.filter("..".__ne__), min_size=1, max_size=4).map(tuple))
BODIES = st.dictionaries(NAMES, VALUES)


@given(BODIES, PATHS, PATHS)
def test_what_is_named_is_a_part_and_more_values_name_more(
    body: Object, some: frozenset[tuple[str, ...]], more: frozenset[tuple[str, ...]]
) -> None:
    assert named(some, body) <= some
    assert named(some, {}) == frozenset()
    assert named(some | more, body) == named(some, body) | named(more, body)
    assert named(named(some, body), body) == named(some, body)


@given(BODIES, PATHS, PATHS)
def test_nothing_is_made_and_nothing_is_changed_in_place(
    body: Object, gone: frozenset[tuple[str, ...]], kept: frozenset[tuple[str, ...]]
) -> None:
    before = copy.deepcopy(body)
    left = without(body, gone, kept)
    assert body == before
    assert left.keys() <= body.keys()
    assert without(body, frozenset(), kept) == (body or {})
    assert named(gone - kept, without(left, gone, kept)) == named(gone - kept, left)


@given(PATHS)
def test_a_set_is_the_same_after_it_was_a_trie(
    fields: frozenset[tuple[str, ...]],
) -> None:
    fields = frozenset(path for path in fields if "." not in path)
    assert paths(trie(fields)) == fields
