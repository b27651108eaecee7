"""Who owns which field, read from `managedFields`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towline.core.fieldset import apply_entry, lost, owns, paths, readable
from towline.core.objects import Object

FIELDS = {
    "f:metadata": {"f:annotations": {"f:towline.dev/prune": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"web"}': {
                        ".": {},
                        "f:image": {},
                        "f:name": {},
                        "f:ports": {
                            'k:{"containerPort":80,"protocol":"TCP"}': {
                                ".": {},
                                "f:containerPort": {},
                            }
                        },
                    }
                }
            }
        },
    },
}


def entry(manager: str, fields: Any, *, operation: str = "Apply", **more: Any) -> Object:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def body(*entries: Any) -> Object:
    return {"metadata": {"name": "web", "managedFields": list(entries)}}


def test_the_entry_is_the_one_applied_to_the_object_itself() -> None:
    ours = entry("towline", FIELDS)
    live = body(
        entry("towline", {}, operation="Update"),
        entry("towline", {}, subresource="status"),
        entry("other", {}),
        ours,
    )
    assert apply_entry(live, "towline") is ours
    assert apply_entry(live, "nobody") is None


def test_two_entries_that_would_do_are_nobodys() -> None:
    assert apply_entry(body(entry("towline", {}), entry("towline", {})), "towline") is None


@pytest.mark.parametrize(
    ("path", "owned"),
    [
        (("metadata", "annotations", "towline.dev/prune"), True),
        (("metadata", "annotations", "towline.dev/wave"), False),
        (("metadata", "annotations"), False),
        (("spec", "replicas"), True),
        (("spec", "replicas", "deeper"), False),
        (("spec", "template", "spec", "containers", "name"), False),
        ((), False),
    ],
)
def test_a_field_is_owned_when_the_set_has_exactly_it(path: tuple[str, ...], owned: bool) -> None:
    assert owns(body(entry("towline", FIELDS)), "towline", path) is owned


def test_an_inner_field_is_owned_through_its_dot() -> None:
    live = body(entry("towline", {"f:spec": {".": {}, "f:a": {}}}))
    assert owns(live, "towline", ("spec",))


def test_only_what_was_applied_is_owned() -> None:
    live = body(entry("towline", {"f:data": {}}, operation="Update"))
    assert not owns(live, "towline", ("data",))


def test_paths_are_the_members_with_raw_parts() -> None:
    fields = {"f:a": {".": {}, "f:b": {}}, "f:c": {"v:1": {}, 'k:{"x":1}': {".": {}}}}
    assert paths(fields) == {
        ("f:a",),
        ("f:a", "f:b"),
        ("f:c", "v:1"),
        ("f:c", 'k:{"x":1}'),
    }


@pytest.mark.parametrize("malformed", [1, None, "x", []])
@pytest.mark.parametrize("name", ["f:0", "f:z"])
def test_a_malformed_field_hides_no_other(malformed: Any, name: str) -> None:
    for fields in ({name: malformed, "f:a": {}}, {"f:a": {}, name: malformed}):
        assert paths(fields) == {("f:a",)}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("f:spec", "f:replicas"), "spec.replicas"),
        (
            ("f:spec", "f:containers", 'k:{"name":"web"}', "f:image"),
            "spec.containers[name=web].image",
        ),
        (
            ("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}', "."),
            "ports[containerPort=80,protocol=TCP]",
        ),
        (("f:metadata", "f:finalizers", 'v:"a.b/c"'), "metadata.finalizers[=a.b/c]"),
        (("f:metadata", "f:labels", "f:a.b/c"), 'metadata.labels["a.b/c"]'),
        (("f:list", "i:3"), "list[3]"),
        (("f:list", "k:broken", "v:broken"), "list[broken][broken]"),
        (("plain", "f:"), 'plain[""]'),
        (("f:a-b", "f:c_d", "f:-", "f:_"), 'a-b.c_d["-"]["_"]'),
        (("f:ä", "f:ö.ü"), 'ä["ö.ü"]'),
        (("f:set", "v:true"), "set[=true]"),
        (("f:set", "v:null"), "set[=null]"),
        (("f:set", 'v:["ä"]'), 'set[=["ä"]]'),
        (("f:set", 'v:{"a":1}'), 'set[={"a": 1}]'),
        (("f:list", "k:[1]"), "list[=[1]]"),
        (("f:list", 'k:{"a":true}'), "list[a=true]"),
        ((), ""),
    ],
)
def test_a_path_reads_like_code(path: tuple[str, ...], expected: str) -> None:
    assert readable(path) == expected


def test_the_loser_of_a_field_is_named_with_what_it_lost() -> None:
    before = body(
        entry("towline", {"f:spec": {"f:paused": {}}}),
        entry("hpa", {"f:spec": {"f:replicas": {}}}, operation="Update", subresource="scale"),
        entry("kubectl", {"f:spec": {"f:replicas": {}, "f:other": {}}}, operation="Update"),
    )
    after = body(
        entry("towline", {"f:spec": {"f:paused": {}, "f:replicas": {}}}),
        entry("kubectl", {"f:spec": {"f:other": {}}}, operation="Update"),
    )
    assert lost(before, after, to="towline") == {
        "hpa": ("spec.replicas",),
        "kubectl": ("spec.replicas",),
    }


def test_what_vanished_or_went_elsewhere_is_not_lost_to_us() -> None:
    before = body(entry("hpa", {"f:spec": {"f:replicas": {}}}), entry("towline", {"f:a": {}}))
    after = body(entry("kubectl", {"f:spec": {"f:replicas": {}}}))
    assert lost(before, after, to="towline") == {}


def test_shared_fields_are_not_lost() -> None:
    shared: Object = {"f:spec": {"f:replicas": {}}}
    before = body(entry("hpa", shared))
    assert lost(before, body(entry("hpa", shared), entry("towline", shared)), to="towline") == {}


def test_fields_inside_something_owned_whole_are_lost_with_it() -> None:
    before = body(entry("kubectl", {"f:selector": {"f:app": {}}, "f:spec": {"f:a": {}}}))
    after = body(entry("towline", {"f:selector": {}, "f:spec": {".": {}, "f:b": {}}}))
    assert lost(before, after, to="towline") == {"kubectl": ("selector.app",)}


def test_what_we_own_more_of_than_before_is_not_lost_by_us() -> None:
    before = body(entry("towline", {"f:selector": {"f:app": {}}}))
    after = body(entry("towline", {"f:selector": {}}))
    assert lost(before, after, to="towline") == {}


def test_each_subresource_has_an_entry_of_its_own() -> None:
    """That the manager still owns the field through the other one does not keep this one."""
    fields: Object = {"f:spec": {"f:replicas": {}}}
    scaled = entry("hpa", fields, operation="Update", subresource="scale")
    updated = entry("hpa", fields, operation="Update")
    ours = entry("towline", fields)
    for before, after in ((scaled, updated), (updated, scaled)):
        assert lost(body(before), body(after, ours), to="towline") == {"hpa": ("spec.replicas",)}
        assert lost(body(before), body(before, ours), to="towline") == {}


def test_a_manager_with_an_entry_for_each_version_loses_from_all_of_them() -> None:
    old, new = (
        entry("kubectl", {f"f:{name}": {}}, operation="Update") | {"apiVersion": version}
        for name, version in (("a", "apps/v1"), ("b", "apps/v1beta1"))
    )
    ours = entry("towline", {"f:a": {}, "f:b": {}})
    assert lost(body(old, new), body(ours), to="towline") == {"kubectl": ("a", "b")}
    assert lost(body(old, new), body(ours, old), to="towline") == {"kubectl": ("b",)}
    assert lost(body(old, new), body(ours, new, old), to="towline") == {}


def test_a_manager_without_a_name_can_lose_too() -> None:
    nameless = entry("", {"f:a": {}}, operation="Update")
    del nameless["manager"]
    assert lost(body(nameless), body(entry("towline", {"f:a": {}})), to="towline") == {"": ("a",)}


def test_our_own_updates_can_lose_to_our_apply() -> None:
    before = body(entry("towline", {"f:a": {}}, operation="Update"))
    assert lost(before, body(entry("towline", {"f:a": {}})), to="towline") == {"towline": ("a",)}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["f:a", "f:spec", ".", "k:", 'k:{"a":1}', "v:1", "", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(derandomize=True, deadline=None)
@given(JSON, JSON)
def test_nothing_raises_for_malformed_entries(first: Any, second: Any) -> None:
    shapes = [
        {},
        {"metadata": first},
        {"metadata": {"managedFields": first}},
        {"metadata": {"managedFields": [first, second]}},
        body(entry("towline", first), entry("other", second), second),
    ]
    for live in shapes:
        apply_entry(live, "towline")
        assert isinstance(owns(live, "towline", ("spec", "a")), bool)
        for other in shapes:
            lost(live, other, to="towline")
    assert isinstance(paths(first if isinstance(first, dict) else {}), frozenset)


def test_depth_is_no_limit() -> None:
    fields: dict[str, Any] = {}
    for _ in range(3000):
        fields = {"f:a": fields}
    assert len(paths(fields)) == 1
