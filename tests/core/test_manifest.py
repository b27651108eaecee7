"""From the bytes of a file to objects that remember where they were written."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from towline.core.errors import ManifestError, Place
from towline.core.manifest import Manifest, manifest_of, parse_manifests, wave_of
from towline.core.objects import Object, ObjectKey

HERE = Place("app.yaml", 7)


def body(kind: str = "ConfigMap", api_version: str = "v1", **fields: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, **fields}


def named(**metadata: Any) -> Object:
    return body(metadata={"name": "a", **metadata})


def annotated(**annotations: str) -> Object:
    return named(annotations={f"towline.dev/{name}": text for name, text in annotations.items()})


def read(*values: Any) -> list[Manifest]:
    return parse_manifests(yaml.safe_dump_all(values).encode(), "app.yaml")


def refusal(value: Any) -> str:
    with pytest.raises(ManifestError) as caught:
        manifest_of(value, HERE)
    assert caught.value.place == HERE
    assert str(caught.value).startswith("app.yaml:7: ")
    return caught.value.message


# Files ---------------------------------------------------------------------------------------

FILE = b"""\
# The first.
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
---
# Nothing here.
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
"""


def test_every_object_knows_its_file_and_line() -> None:
    assert [str(manifest) for manifest in parse_manifests(FILE, "deploy/app.yaml")] == [
        "ConfigMap/a (deploy/app.yaml:2)",
        "Deployment/shop/web (deploy/app.yaml:9)",
    ]


@pytest.mark.parametrize("data", [b"", b"\n", b"---\n", b"# nothing\n", b"---\n---\n", b"null\n"])
def test_empty_documents_are_skipped(data: bytes) -> None:
    assert parse_manifests(data, "app.yaml") == []


def test_json_is_read_too() -> None:
    (found,) = parse_manifests(json.dumps(body()).encode(), "app.json")
    assert found.key == ObjectKey("", "ConfigMap", "", "a")


def test_a_bad_document_names_its_own_line() -> None:
    with pytest.raises(ManifestError) as caught:
        parse_manifests(FILE + b"---\nkind: ConfigMap\n", "app.yaml")
    assert str(caught.value) == "app.yaml:15: `apiVersion` is missing: every object names its own"


@pytest.mark.parametrize(
    "data",
    [
        b"a: [\n",
        b"a: b\n\tc: d\n",
        b"a: \xfa",
        b"a: 1\na: 2\n",
        b"!!python/object:os.system {}\n",
        b"a: &a [x]\nb: *c\n",
    ],
)
def test_what_is_no_yaml_is_an_error_of_its_file(data: bytes) -> None:
    with pytest.raises(ManifestError, match=r"^app\.yaml:\d+: "):
        parse_manifests(data, "app.yaml")


def test_an_lfs_pointer_is_told_from_a_manifest() -> None:
    data = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n"
    with pytest.raises(ManifestError, match=r"^app\.yaml:1: the file is a Git LFS pointer"):
        parse_manifests(data, "app.yaml")


# Lists ---------------------------------------------------------------------------------------


def test_a_list_gives_its_items() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [named(namespace="x"), body("Secret")]}
    assert [str(m.key) for m in read(listed)] == ["ConfigMap/x/a", "Secret/a"]


def test_items_are_at_the_place_of_their_list() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [body()]}
    assert [m.place for m in read(body(), listed)] == [Place("app.yaml", 1), Place("app.yaml", 6)]


def test_a_typed_list_gives_its_items() -> None:
    item = body("Deployment", "apps/v1")
    listed = {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [item, item]}
    assert [str(m.key) for m in read(listed)] == ["Deployment/a", "Deployment/a"]


def test_lists_in_lists_are_flattened() -> None:
    inner = {"apiVersion": "v1", "kind": "List", "items": [body("Secret")]}
    outer = {"apiVersion": "v1", "kind": "List", "items": [body(), inner, body("Service")]}
    assert [m.key.kind for m in read(outer)] == ["ConfigMap", "Secret", "Service"]


def test_an_empty_list_is_nothing() -> None:
    assert read({"apiVersion": "v1", "kind": "List", "items": []}) == []


@pytest.mark.parametrize("items", [None, {}, "x", 1])
def test_a_list_without_a_list_of_items_is_refused(items: Any) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    for value in (listed, {"apiVersion": "v1", "kind": "List", "items": [body(), listed]}):
        with pytest.raises(ManifestError) as caught:
            read(body(), value)
        assert str(caught.value) == "app.yaml:6: a List needs `items`, a list of objects"


@pytest.mark.parametrize("item", [None, 1, "x", [], [{}]])
def test_an_item_that_is_no_object_is_refused(item: Any) -> None:
    with pytest.raises(ManifestError, match="not a Kubernetes object"):
        read({"apiVersion": "v1", "kind": "List", "items": [item]})


def test_a_kind_that_only_sounds_like_a_list_is_an_object() -> None:
    (found,) = read(body("AllowList", "example.com/v1", spec={"items": []}))
    assert found.key.kind == "AllowList"


# What every object must have -----------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 1, "text", [], [body()], True])
def test_an_object_is_a_mapping(value: Any) -> None:
    assert refusal(value) == "not a Kubernetes object: expected a mapping"


@pytest.mark.parametrize("field", ["apiVersion", "kind"])
@pytest.mark.parametrize("value", [None, "", 1, [], {}, True])
def test_an_object_names_its_version_and_kind(field: str, value: Any) -> None:
    assert refusal({**body(), field: value}) == f"`{field}` is missing: every object names its own"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("apiVersion", "v1/"),
        ("apiVersion", "/v1"),
        ("apiVersion", "a/b/c"),
        ("apiVersion", "Apps/v1"),
        ("apiVersion", "v 1"),
        ("apiVersion", "v1\n"),
        ("kind", "Config Map"),
        ("kind", "Config/Map"),
        ("kind", "1Map"),
        ("kind", "ConfigMap\n"),
        ("kind", "ConfigMap.v1"),
    ],
)
def test_a_malformed_version_or_kind_is_refused(field: str, value: str) -> None:
    assert refusal({**body(), field: value}) == f"`{field}: {value}` is malformed"


def test_a_long_malformed_kind_is_shortened() -> None:
    assert refusal({**body(), "kind": "x " * 5000}) == f"`kind: {'x ' * 40}` is malformed"


@pytest.mark.parametrize(
    "metadata",
    [None, {}, [], "a", {"name": None}, {"name": ""}, {"name": 1}, {"name": ["a"]}, {"name": True}],
)
def test_an_object_has_a_name(metadata: Any) -> None:
    assert refusal({**body(), "metadata": metadata}) == "the ConfigMap has no `metadata.name`"


def test_an_object_without_metadata_has_no_name() -> None:
    assert "no `metadata.name`" in refusal({"apiVersion": "v1", "kind": "ConfigMap"})


def test_a_generated_name_is_explained() -> None:
    assert refusal(body(metadata={"generateName": "a-"})) == (
        "the ConfigMap has `generateName`: what is kept equal to Git needs a fixed name"
    )


def test_a_name_beside_a_generated_one_is_enough() -> None:
    assert manifest_of(named(generateName="a-"), HERE).key.name == "a"


@pytest.mark.parametrize("name", [".", "..", "a/b", "../../x", "/", "a%2fb"])
def test_a_name_that_could_lead_a_request_elsewhere_is_refused(name: str) -> None:
    assert refusal(body(metadata={"name": name})) == "the ConfigMap has a malformed `metadata.name`"
    assert refusal(named(namespace=name)) == "the ConfigMap has a malformed `metadata.namespace`"


@pytest.mark.parametrize("name", ["a", "a.b", "system:node", "a..b", "Ä", "-", "a?b#c"])
def test_what_else_makes_a_name_is_for_the_server_to_say(name: str) -> None:
    assert manifest_of(body(metadata={"name": name}), HERE).key.name == name


@pytest.mark.parametrize("namespace", [1, [], {}, True])
def test_a_namespace_is_a_string(namespace: Any) -> None:
    assert refusal(named(namespace=namespace)) == (
        "ConfigMap/a: `metadata.namespace` must be a string"
    )


@pytest.mark.parametrize("field", ["labels", "annotations"])
@pytest.mark.parametrize("entries", ["x", [], 1, ["a=b"]])
def test_labels_and_annotations_are_mappings(field: str, entries: Any) -> None:
    text = refusal(named(**{field: entries}))
    assert text == f"ConfigMap/a: `metadata.{field}` must be a mapping"


@pytest.mark.parametrize("field", ["labels", "annotations"])
@pytest.mark.parametrize("value", [True, 1, 1.5, None, [], {}])
def test_labels_and_annotations_are_strings(field: str, value: Any) -> None:
    text = refusal(named(**{field: {"ok": "x", "version": value}}))
    assert text == f"ConfigMap/a: `metadata.{field}.version` must be a string: quote it"


@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_null_for_labels_or_annotations_is_none(field: str) -> None:
    assert manifest_of(named(**{field: None}), HERE).body == body()


# What only a server writes -------------------------------------------------------------------


def test_what_only_a_server_writes_is_left_out() -> None:
    exported = body(
        metadata={
            "name": "a",
            "namespace": "shop",
            "uid": "u",
            "resourceVersion": "1",
            "generation": 3,
            "creationTimestamp": None,
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "deletionGracePeriodSeconds": 0,
            "selfLink": "/x",
            "managedFields": [{"manager": "kubectl"}],
            "labels": {"app": "a"},
            "finalizers": ["example.com/x"],
            "ownerReferences": [],
        },
        data={"k": "v"},
        status={"phase": "Ready"},
    )
    assert manifest_of(exported, HERE).body == body(
        metadata={
            "name": "a",
            "namespace": "shop",
            "labels": {"app": "a"},
            "finalizers": ["example.com/x"],
            "ownerReferences": [],
        },
        data={"k": "v"},
    )


def test_a_status_inside_the_spec_is_not_the_servers() -> None:
    value = body("Widget", "example.com/v1", spec={"status": "on", "uid": 1})
    assert manifest_of(value, HERE).body["spec"] == {"status": "on", "uid": 1}


@pytest.mark.parametrize(
    ("rule", "left"),
    [({"clusterRoleSelectors": []}, False), ({}, True), (None, True)],
)
def test_rules_that_a_controller_gathers_are_left_out(rule: Any, left: bool) -> None:
    version = "rbac.authorization.k8s.io/v1"
    value = body("ClusterRole", version, aggregationRule=rule, rules=[])
    found = manifest_of(value, HERE).body
    assert ("rules" in found) is left
    assert found["aggregationRule"] == rule


def test_rules_beside_another_kinds_aggregation_are_kept() -> None:
    value = body("ClusterRole", "example.com/v1", aggregationRule={"a": 1}, rules=[])
    assert manifest_of(value, HERE).body["rules"] == []


def test_what_was_read_is_not_changed() -> None:
    value = body("Secret", stringData={"k": "v"}, status={}, metadata={"name": "a", "uid": "u"})
    before = copy.deepcopy(value)
    manifest_of(value, HERE)
    assert value == before


# Steering ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prune", "enabled"),
        ("prune", "disabled"),
        ("reconcile", "disabled"),
        ("recreate", "enabled"),
    ],
)
def test_steering_annotations_have_their_words(name: str, value: str) -> None:
    manifest = manifest_of(annotated(**{name: value}), HERE)
    assert manifest.steers(f"towline.dev/{name}", value)
    assert not manifest.steers(f"towline.dev/{name}", "other")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("prune", "", "enabled or disabled"),
        ("prune", "true", "enabled or disabled"),
        ("prune", "Disabled", "enabled or disabled"),
        ("reconcile", "enabled", "disabled"),
        ("reconcile", "false", "disabled"),
        ("recreate", "disabled", "enabled"),
        ("recreate", "true", "enabled"),
    ],
)
def test_other_words_are_refused_for_they_could_mean_anything(
    name: str, value: str, expected: str
) -> None:
    text = refusal(annotated(**{name: value}))
    assert text == f"ConfigMap/a: towline.dev/{name} must be {expected}"


@pytest.mark.parametrize(
    ("text", "wave"), [("0", 0), ("5", 5), ("-3", -3), ("+7", 7), ("007", 7), ("999999", 999999)]
)
def test_a_wave_is_a_whole_number(text: str, wave: int) -> None:
    assert wave_of(manifest_of(annotated(wave=text), HERE).body) == wave


def test_without_a_word_the_wave_is_zero() -> None:
    assert wave_of(manifest_of(body(), HERE).body) == 0


@pytest.mark.parametrize("text", ["", "last", "1.5", "1000000"])
def test_nonsense_on_a_live_object_is_wave_zero(text: str) -> None:
    """Somebody may have written it by hand; it must not stop the run that would correct it."""
    assert wave_of(annotated(wave=text)) == 0


@pytest.mark.parametrize("text", ["", "1.5", "one", "1 ", "--1", "1_0", "0x1", "1000000", "1\n"])
def test_another_wave_is_refused(text: str) -> None:
    assert refusal(annotated(wave=text)) == "ConfigMap/a: towline.dev/wave must be a whole number"


def test_nothing_steers_without_annotations() -> None:
    assert not manifest_of(body(), HERE).steers("towline.dev/prune", "enabled")


# Secrets -------------------------------------------------------------------------------------


def secret(**fields: Any) -> Object:
    return body("Secret", **fields)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("given_fields", "data"),
    [
        ({"stringData": {"k": "v"}}, {"k": b64("v")}),
        ({"stringData": {"k": ""}}, {"k": ""}),
        ({"stringData": {"k": "äöü\n"}}, {"k": b64("äöü\n")}),
        ({"data": {"k": b64("v")}}, {"k": b64("v")}),
        ({"data": {"k": b64("old")}, "stringData": {"k": "new"}}, {"k": b64("new")}),
        ({"data": {"a": b64("1")}, "stringData": {"b": "2"}}, {"a": b64("1"), "b": b64("2")}),
        ({"data": {"k": ""}}, {"k": ""}),
        ({"data": {"k": None}}, {"k": None}),
        ({"data": {"k": "YWJj\nZGVm\n"}}, {"k": "YWJj\nZGVm\n"}),
        ({"data": {"k": " YQ=\n=\n"}}, {"k": " YQ=\n=\n"}),
    ],
)
def test_plain_text_becomes_data(given_fields: Object, data: Object) -> None:
    found = manifest_of(secret(**given_fields), HERE).body
    assert found["data"] == data
    assert "stringData" not in found


@pytest.mark.parametrize(
    "fields",
    [{}, {"data": None}, {"stringData": None}, {"data": {}}, {"data": None, "stringData": {}}],
)
def test_a_secret_without_values_has_no_data(fields: Object) -> None:
    assert manifest_of(secret(type="Opaque", **fields), HERE).body == secret(type="Opaque")


HIDDEN = "hunter2-is-not-base64!"


@pytest.mark.parametrize("value", [HIDDEN, "YQ", "YQ===", "Y", "=", "ä", 1, True, [HIDDEN], {}])
def test_data_that_is_not_base64_is_an_error_that_shows_no_value(value: Any) -> None:
    text = refusal(secret(data={"ok": "", "k": value}))
    assert text == "Secret/a: `data.k` is not base64: encode it, or use `stringData`"


@pytest.mark.parametrize("value", [1, True, None, [HIDDEN], {HIDDEN: HIDDEN}])
def test_plain_data_that_is_no_text_is_an_error_that_shows_no_value(value: Any) -> None:
    text = refusal(secret(stringData={"k": value}))
    assert text == "Secret/a: `stringData.k` must be a string: quote it"


@pytest.mark.parametrize("field", ["data", "stringData"])
@pytest.mark.parametrize("value", [HIDDEN, [HIDDEN], 1, True])
def test_a_secrets_data_is_a_mapping(field: str, value: Any) -> None:
    assert refusal(secret(**{field: value})) == f"Secret/a: `{field}` must be a mapping"


def test_the_reason_of_an_error_hides_the_value_too() -> None:
    with pytest.raises(ManifestError) as caught:
        manifest_of(secret(data={"k": HIDDEN}), HERE)
    assert HIDDEN not in repr(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "value",
    [
        body(data={"k": "not base64!"}),
        body("Secret", "example.com/v1", stringData={"k": "v"}, data={"k": 1}),
    ],
)
def test_only_a_core_secret_is_taken_for_one(value: Object) -> None:
    assert manifest_of(value, HERE).body == value


# Keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "key", "text"),
    [
        (body(), ObjectKey("", "ConfigMap", "", "a"), "ConfigMap/a"),
        (named(namespace="s"), ObjectKey("", "ConfigMap", "s", "a"), "ConfigMap/s/a"),
        (named(namespace=""), ObjectKey("", "ConfigMap", "", "a"), "ConfigMap/a"),
        (body("Job", "batch/v1"), ObjectKey("batch", "Job", "", "a"), "Job/a"),
        (
            body("Role", "rbac.authorization.k8s.io/v1"),
            ObjectKey("rbac.authorization.k8s.io", "Role", "", "a"),
            "Role/a",
        ),
    ],
)
def test_a_manifest_is_known_by_group_kind_namespace_and_name(
    value: Object, key: ObjectKey, text: str
) -> None:
    manifest = manifest_of(value, HERE)
    assert manifest.key == key
    assert str(manifest.key) == text
    assert str(manifest) == f"{text} (app.yaml:7)"
    assert manifest.api_version == value["apiVersion"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["apiVersion", "kind", "metadata", "data", "stringData", "status", "spec", "items"]
        ),
        json_values | st.sampled_from(["v1", "Secret", "List"]) | st.just({"name": "a"}),
    )
)
def test_whatever_stands_in_a_document_is_read_or_refused_and_nothing_else(value: Object) -> None:
    try:
        manifest = manifest_of(value, HERE)
    except ManifestError:
        return
    assert manifest_of(manifest.body, HERE) == manifest
    assert "status" not in manifest.body
