"""What differs between two objects, and that nothing secret is ever shown."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from towline.core.diff import (
    ABSENT,
    MASK,
    MASK_AFTER,
    MASK_BEFORE,
    FieldChange,
    changes,
    masked,
    masked_pair,
    unified,
)
from towline.core.objects import Object
from towline.core.ownership import is_same_json

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def shown(before: Object | None, after: Object | None) -> str:
    """The changes as lines, so that a failure reads like the product."""
    return "\n".join(f"{c.path}: {c.before!r} -> {c.after!r}" for c in changes(before, after))


def deployment(**container: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "web", **container}]}}},
    }


def secret(**data: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data}


CASES: list[tuple[str, Any, Any, str]] = [
    ("the same", {"a": 1}, {"a": 1}, ""),
    ("a value", {"a": 1}, {"a": 2}, "a: 1 -> 2"),
    ("added", {}, {"a": {"b": 1}}, "a.b: ABSENT -> 1"),
    ("removed", {"a": {"b": 1, "c": 2}}, {}, "a.b: 1 -> ABSENT\na.c: 2 -> ABSENT"),
    ("null is not absence", {"a": None}, {}, "a: None -> ABSENT"),
    ("empty is not absence", {"a": {}}, {}, "a: {} -> ABSENT"),
    ("an empty list", {}, {"a": []}, "a: ABSENT -> []"),
    ("emptied", {"a": {"b": 1}}, {"a": {}}, "a.b: 1 -> ABSENT"),
    ("another type", {"a": {"b": 1}}, {"a": "b"}, "a: {'b': 1} -> 'b'"),
    ("text and number", {"a": "80"}, {"a": 80}, "a: '80' -> 80"),
    ("true is not 1", {"a": True}, {"a": 1}, "a: True -> 1"),
    ("1 is 1.0", {"a": 1}, {"a": 1.0}, ""),
    ("names in order", {}, {"b": 1, "a": 2}, "a: ABSENT -> 2\nb: ABSENT -> 1"),
    (
        "names that need quotes",
        {"metadata": {"labels": {"a.b/c": "x"}}},
        {"metadata": {"labels": {"a.b/c": "y"}}},
        "metadata.labels[\"a.b/c\"]: 'x' -> 'y'",
    ),
    ("by position", {"a": [1, 2]}, {"a": [1, 3, 4]}, "a[1]: 2 -> 3\na[2]: ABSENT -> 4"),
    (
        "by name",
        {"a": [{"name": "x", "v": 1}, {"name": "y", "v": 2}]},
        {"a": [{"name": "y", "v": 3}, {"name": "z"}]},
        "a[name=y].v: 2 -> 3\na[name=z].name: ABSENT -> 'z'\n"
        "a[name=x].name: 'x' -> ABSENT\na[name=x].v: 1 -> ABSENT",
    ),
    (
        "order",
        {"a": [{"name": "x"}, {"name": "y"}]},
        {"a": [{"name": "y"}, {"name": "x"}]},
        "a (order): ['[name=x]', '[name=y]'] -> ['[name=y]', '[name=x]']",
    ),
    (
        "a key that two share does not tell them apart",
        {"a": [{"name": "x", "v": 1}, {"name": "x", "v": 2}]},
        {"a": [{"name": "x", "v": 1}, {"name": "x", "v": 3}]},
        "a[1].v: 2 -> 3",
    ),
    (
        "two ports of one number",
        {"p": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP", "n": 1}]},
        {"p": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP", "n": 2}]},
        "p[port=53,protocol=UDP].n: 1 -> 2",
    ),
    (
        "mount paths, for the name of a volume may come twice",
        {"m": [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]},
        {"m": [{"name": "v", "mountPath": "/a"}, {"name": "w", "mountPath": "/b"}]},
        "m[mountPath=/b].name: 'v' -> 'w'",
    ),
    (
        "what the server counts and stamps",
        {"metadata": {"uid": "1", "generation": 1, "resourceVersion": "1"}, "status": {"a": 1}},
        {
            "metadata": {
                "managedFields": [{}],
                "creationTimestamp": "x",
                "selfLink": "y",
            }
        },
        "",
    ),
    ("status is only the top one", {"a": {"status": 1}}, {"a": {}}, "a.status: 1 -> ABSENT"),
    ("created", None, {"a": {"b": 1}, "c": []}, "a.b: ABSENT -> 1\nc: ABSENT -> []"),
    ("deleted", {"a": {"b": 1}, "c": [1]}, None, "a.b: 1 -> ABSENT\nc[0]: 1 -> ABSENT"),
    ("nothing and nothing", None, None, ""),
]


@pytest.mark.parametrize(
    ("before", "after", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_changes_are_told_field_by_field(before: Any, after: Any, expected: str) -> None:
    assert shown(before, after) == expected


@pytest.mark.parametrize(
    ("first", "second", "step"),
    [
        ({"name": "x"}, {"name": "y"}, "name=y"),
        ({"key": "x"}, {"key": "y"}, "key=y"),
        ({"containerPort": 80}, {"containerPort": 81}, "containerPort=81"),
        (
            {"containerPort": 80, "protocol": "TCP"},
            {"containerPort": 80, "protocol": "UDP"},
            "containerPort=80,protocol=UDP",
        ),
        ({"port": 80}, {"port": 81}, "port=81"),
        ({"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}, "port=80,protocol=UDP"),
        ({"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}, "mountPath=/b"),
        ({"type": "x"}, {"type": "y"}, "type=y"),
        ({"ip": "::1"}, {"ip": "::2"}, "ip=::2"),
        ({"uid": "x"}, {"uid": "y"}, "uid=y"),
        ({"uid": "x", "name": "a"}, {"uid": "y", "name": "b"}, "name=b"),
    ],
)
def test_an_item_is_told_apart_by_its_most_telling_key(first: Any, second: Any, step: str) -> None:
    before = {"a": [{**first, "v": 1}, {**second, "v": 2}]}
    after = {"a": [{**first, "v": 1}, {**second, "v": 3}]}
    assert shown(before, after) == f"a[{step}].v: 2 -> 3"


def test_a_path_names_the_container() -> None:
    change = FieldChange("spec.template.spec.containers[name=web].image", "web:1", "web:2")
    assert changes(deployment(image="web:1"), deployment(image="web:2")) == (change,)


def test_inputs_stay_as_they_are() -> None:
    before, after = secret(a="eA=="), secret(a="eQ==")
    originals = copy.deepcopy((before, after))
    changes(before, after)
    unified(before, after, name="s")
    masked(before)
    assert (before, after) == originals


def test_unified_is_yaml_with_context() -> None:
    before, after = deployment(image="web:1"), deployment(image="web:2")
    assert unified(before, after, name="Deployment/web", context=1) == (
        "--- a/Deployment/web\n"
        "+++ b/Deployment/web\n"
        "@@ -8,3 +8,3 @@\n"
        "       containers:\n"
        "-      - image: web:1\n"
        "+      - image: web:2\n"
        "         name: web\n"
    )


def test_three_lines_of_context_are_what_everybody_is_used_to() -> None:
    before, after = ({f"a{n}": n for n in range(9)} for _ in range(2))
    after["a4"] = 40
    assert unified(before, after, name="x") == (
        "--- a/x\n+++ b/x\n@@ -2,7 +2,7 @@\n"
        " a1: 1\n a2: 2\n a3: 3\n-a4: 4\n+a4: 40\n a5: 5\n a6: 6\n a7: 7\n"
    )


def test_what_is_the_same_json_is_no_difference_however_it_is_written() -> None:
    assert unified({"a": 1}, {"a": 1.0}, name="x") == ""
    assert unified({"a": 1}, {"a": True}, name="x") != ""


def test_only_the_outermost_names_stand_in_the_order_of_a_manifest() -> None:
    body = {
        "subjects": [{"name": "a", "kind": "User", "apiGroup": "g"}],
        "roleRef": {"name": "r", "kind": "Role", "apiGroup": "g"},
        "metadata": {"name": "x", "annotations": {"kind": "a", "a": "b"}},
        "kind": "RoleBinding",
        "apiVersion": "v1",
    }
    lines = unified(None, body, name="x").splitlines()[3:]
    assert [line.strip("+- ").partition(":")[0] for line in lines] == [
        *("apiVersion", "kind", "metadata", "annotations", "a", "kind", "name"),
        *("roleRef", "apiGroup", "kind", "name"),
        *("subjects", "apiGroup", "kind", "name"),
    ]


def test_unified_of_what_is_created_and_deleted() -> None:
    body = {"kind": "X", "apiVersion": "v1", "metadata": {"name": "x", "uid": "u"}}
    created = "@@ -0,0 +1,4 @@\n+apiVersion: v1\n+kind: X\n+metadata:\n+  name: x\n"
    assert unified(None, body, name="x") == "--- /dev/null\n+++ b/x\n" + created
    assert unified(body, None, name="x").startswith("--- a/x\n+++ /dev/null\n@@ -1,4 +0,0 @@\n-")
    assert unified(body, dict(reversed(body.items())), name="x") == ""


def test_texts_of_several_lines_differ_line_by_line() -> None:
    def config(port: int) -> Object:
        return {"data": {"c": f"listen {port};  \n\troot /srv;\n\n  # that is all\n"}}

    assert unified(config(80), config(81), name="c", context=9) == (
        "--- a/c\n+++ b/c\n@@ -1,6 +1,6 @@\n data:\n   c: |\n"
        "-    listen 80;  \n+    listen 81;  \n     \troot /srv;\n \n       # that is all\n"
    )


def test_long_lines_are_not_folded() -> None:
    text = "word " * 500
    assert text.strip() in unified(None, {"a": text.strip()}, name="x")


# Masking


def test_a_masked_value_shows_only_that_it_differs() -> None:
    before, after = (
        secret(same="eA==", other="eQ==", gone="eg=="),
        secret(same="eA==", other="YQ=="),
    )
    assert shown(before, after) == (
        f"data.gone: {MASK!r} -> ABSENT\ndata.other: {MASK_BEFORE!r} -> {MASK_AFTER!r}"
    )
    assert unified(before, after, name="s", context=0) == (
        "--- a/s\n+++ b/s\n"
        f"@@ -6,2 +6 @@\n-  gone: {MASK}\n-  other: {MASK_BEFORE}\n+  other: {MASK_AFTER}\n"
    )


def test_masks_are_alike_whatever_is_behind_them() -> None:
    body = masked(secret(a="", b="x" * 999, c=None, d={"deep": ["y"]}, e=1))
    assert set(body["data"].values()) == {MASK}


@pytest.mark.parametrize("field", ["data", "stringData", "binaryData", "stringdata"])
@pytest.mark.parametrize("value", ["token", ["token"], 7, True])
def test_what_should_be_a_map_of_values_is_masked_whole(field: str, value: Any) -> None:
    body = {**secret(), field: value}
    assert masked(body)[field] == MASK
    assert shown(body, {**secret(), field: "another"}).endswith(f"-> {MASK_AFTER!r}")


def test_what_a_secret_is_called_and_of_which_type_it_is_stays() -> None:
    head = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": True}
    body = {**head, "metadata": {"name": "s", "labels": {"app": "web"}}}
    assert masked({**body, "data": {"a": "eA=="}}) == {**body, "data": {"a": MASK}}


def test_annotations_of_a_secret_are_masked_but_ours() -> None:
    annotations = {LAST_APPLIED: "token", "a/b": "token", "towline.dev/id": "shop"}
    body = secret()
    body["metadata"]["annotations"] = annotations
    assert masked(body)["metadata"]["annotations"] == {
        LAST_APPLIED: MASK,
        "a/b": MASK,
        "towline.dev/id": "shop",
    }
    body["metadata"]["annotations"] = "token"
    assert masked(body)["metadata"]["annotations"] == MASK


@pytest.mark.parametrize("metadata", ["token", ["token"], 7])
def test_metadata_that_is_no_map_is_masked_whole(metadata: Any) -> None:
    assert masked({"kind": "Secret", "metadata": metadata}) == {"kind": "Secret", "metadata": MASK}


def test_an_annotation_named_like_a_field_does_not_hide_the_field() -> None:
    body = {**secret(), "data": "token"}
    body["metadata"]["annotations"] = {"data": "token", "annotations": "token"}
    assert "token" not in str(masked_pair(body, body))


def test_of_other_kinds_only_the_copy_of_the_object_is_masked() -> None:
    body = {"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "b"}}
    body["metadata"] = {"annotations": {LAST_APPLIED: "{}", "a/b": "c"}}
    assert masked(body) == {
        **body,
        "metadata": {"annotations": {LAST_APPLIED: MASK, "a/b": "c"}},
    }


def test_a_custom_kind_that_is_called_secret_is_none() -> None:
    body = {"kind": "Secret", "apiVersion": "example.com/v1", "data": {"a": "b"}}
    assert masked(body) == body


def test_of_a_pair_both_are_masked_if_either_is_a_secret() -> None:
    left, right = masked_pair(secret(a="x"), {"data": {"a": "token"}})
    assert left is not None
    assert right is not None
    assert (left["data"], right["data"]) == ({"a": MASK_BEFORE}, {"a": MASK_AFTER})


def test_a_pair_may_lack_either_side() -> None:
    body = masked(secret(a="x"))
    assert masked_pair(None, secret(a="x")) == (None, body)
    assert masked_pair(secret(a="x"), None) == (body, None)
    assert masked_pair(None, None) == (None, None)


# Properties

TOKEN = "s3cr3t-"
NAMES = st.sampled_from(["name", "key", "port", "protocol", "a", "b", "a.b", "data", "status", ""])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from([0.0, 1.0, -0.0, 0.5])
    | st.sampled_from(["x", "1", "true", "x\ny\n", " \n", "\tq\n\n\n", "- a: b", "#", "\n x \n"])
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)
METADATA = st.dictionaries(
    st.sampled_from(["name", "labels", "uid", "generation", "managedFields", "annotations"]),
    VALUES,
    max_size=3,
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["ConfigMap", "Deployment"]),
        "metadata": METADATA | st.none(),
        "spec": VALUES,
        "data": VALUES,
        "status": VALUES,
    },
)


def without_ignored(body: Object) -> Object:
    ignored = {
        "managedFields",
        "resourceVersion",
        "generation",
        "uid",
        "creationTimestamp",
        "selfLink",
    }
    rest = {name: value for name, value in body.items() if name != "status"}
    if isinstance(rest.get("metadata"), dict):
        rest["metadata"] = {k: v for k, v in rest["metadata"].items() if k not in ignored}
    return rest


@settings(derandomize=True, deadline=None, max_examples=300)
@given(BODIES, BODIES)
def test_there_is_a_change_exactly_if_something_differs(before: Object, after: Object) -> None:
    masked_before, masked_after = masked_pair(before, after)
    assert masked_before is not None
    assert masked_after is not None
    equal = is_same_json(without_ignored(masked_before), without_ignored(masked_after))
    assert (changes(before, after) == ()) is equal
    assert changes(before, copy.deepcopy(before)) == ()
    assert changes(before, after) == changes(before, after)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(BODIES)
def test_the_text_is_yaml_of_the_object(body: Object) -> None:
    text = unified(None, body, name="x", context=10**6)
    lines = [line[1:] for line in text.split("\n")[3:-1]]
    wanted = without_ignored(masked(body))
    assert is_same_json(yaml.safe_load("\n".join(lines) + "\n"), wanted)
    assert unified(body, body, name="x") == ""


def plant(value: Any, count: list[int]) -> Any:
    """Puts a token into each text; what is no text becomes one."""
    if isinstance(value, dict):
        return {name: plant(member, count) for name, member in value.items()}
    if isinstance(value, list):
        return [plant(item, count) for item in value]
    count[0] += 1
    return f"{TOKEN}{count[0]}"


SECRETS = st.fixed_dictionaries(
    {"apiVersion": st.just("v1"), "kind": st.just("Secret")},
    optional={
        "metadata": st.fixed_dictionaries(
            {"name": st.just("s")},
            optional={
                "annotations": st.dictionaries(
                    NAMES | st.just(LAST_APPLIED), SCALARS, max_size=3
                ).map(lambda values: plant(values, [1000]))
            },
        ),
        "data": VALUES.map(lambda value: plant(value, [0])),
        "stringData": VALUES.map(lambda value: plant(value, [0])),
        "binaryData": VALUES.map(lambda value: plant(value, [5])),
        "stringdata": VALUES.map(lambda value: plant(value, [5])),
    },
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(SECRETS | st.none(), SECRETS | st.none())
def test_no_secret_is_in_any_output(before: Object | None, after: Object | None) -> None:
    outputs = [
        str(changes(before, after)),
        unified(before, after, name="s", context=100),
        json.dumps(masked_pair(before, after)),
        *(str(masked(body)) for body in (before, after) if body),
    ]
    assert TOKEN not in "".join(outputs)


@settings(derandomize=True, deadline=None)
@given(SECRETS, SECRETS)
def test_masking_hides_no_difference(before: Object, after: Object) -> None:
    assert (changes(before, after) == ()) is is_same_json(before, after)


def test_absence_has_a_name() -> None:
    assert repr(ABSENT) == "ABSENT"
    assert copy.deepcopy(ABSENT) is ABSENT
