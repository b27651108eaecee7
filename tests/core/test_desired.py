"""From rendered manifests to what is applied."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from towline.core.desired import Desired, locate, mark
from towline.core.errors import ManifestError, Place
from towline.core.inventory import MEMBER_ID, PART_OF
from towline.core.manifest import Manifest, manifest_of
from towline.core.objects import GroupKind
from towline.core.resources import Resource, Resources

CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", namespaced=True)
NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
KNOWN = Resources(
    {GroupKind("", "ConfigMap"): (CONFIG_MAPS,), GroupKind("", "Namespace"): (NAMESPACES,)}
)


def manifest(
    kind: str = "ConfigMap", *, line: int = 1, version: str = "v1", **metadata: Any
) -> Manifest:
    value = {"apiVersion": version, "kind": kind, "metadata": {"name": "a", **metadata}}
    return manifest_of(value, Place("app.yaml", line))


def located(*manifests: Manifest, namespace: str | None = "shop") -> list[str]:
    return [str(d.key) for d in locate(manifests, KNOWN, namespace=namespace)]


# Namespaces ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "namespace", "expected"),
    [
        (manifest(), "shop", "ConfigMap/shop/a"),
        (manifest(namespace=""), "shop", "ConfigMap/shop/a"),
        (manifest(namespace="other"), "shop", "ConfigMap/other/a"),
        (manifest(namespace="other"), None, "ConfigMap/other/a"),
        (manifest("Namespace"), "shop", "Namespace/a"),
        (manifest("Namespace"), None, "Namespace/a"),
        (manifest("Namespace", namespace="other"), "shop", "Namespace/a"),
    ],
)
def test_only_namespaced_objects_without_a_namespace_get_the_destinations(
    given: Manifest, namespace: str | None, expected: str
) -> None:
    assert located(given, namespace=namespace) == [expected]


@pytest.mark.parametrize("given", [manifest(line=3), manifest(line=3, namespace="")])
def test_an_object_without_any_namespace_is_refused(given: Manifest) -> None:
    with pytest.raises(ManifestError) as caught:
        located(given, namespace=None)
    assert str(caught.value) == (
        "app.yaml:3: ConfigMap/a names no namespace, and the application's destination has none: "
        "set metadata.namespace, or spec.destination.namespace"
    )


def test_an_unknown_kind_keeps_what_it_says_and_has_no_resource() -> None:
    (found,) = locate([manifest("Widget", version="example.com/v1")], KNOWN, namespace=None)
    assert found.resource is None
    assert str(found.key) == "Widget/a"


def test_an_unserved_version_of_a_known_kind_still_has_its_scope() -> None:
    known = Resources(
        {
            GroupKind("apps", "Deployment"): (
                Resource("apps", "v1", "Deployment", "deployments", namespaced=True),
            ),
            GroupKind("x.io", "Scope"): (Resource("x.io", "v1", "Scope", "scopes", False),),
        }
    )
    first, second = locate(
        [
            manifest("Deployment", version="apps/v1beta1"),
            manifest("Scope", version="x.io/v2", namespace="x"),
        ],
        known,
        namespace="shop",
    )
    assert (first.resource, str(first.key)) == (None, "Deployment/shop/a")
    assert (second.resource, str(second.key)) == (None, "Scope/a")


def test_objects_are_given_their_resource() -> None:
    (found,) = locate([manifest()], KNOWN, namespace="shop")
    assert found.resource is CONFIG_MAPS


def test_the_manifests_themselves_are_not_changed() -> None:
    given = manifest()
    before = copy.deepcopy(given)
    locate([given], KNOWN, namespace="shop")
    assert given == before


def test_the_place_is_kept() -> None:
    (found,) = locate([manifest(line=9)], KNOWN, namespace="shop")
    assert found.manifest.place == Place("app.yaml", 9)


# The same object twice -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (manifest(line=1), manifest(line=7)),
        (manifest(line=1), manifest(line=7, namespace="shop")),
        (manifest("Namespace", line=1), manifest("Namespace", line=7, namespace="x")),
    ],
)
def test_the_same_object_twice_is_refused_with_both_places(
    first: Manifest, second: Manifest
) -> None:
    with pytest.raises(ManifestError, match=r"^app\.yaml:7: .* the first time at app\.yaml:1: "):
        located(first, second)


def test_the_same_object_in_two_versions_is_the_same() -> None:
    widgets = [manifest("Widget", version=f"example.com/{v}", namespace="x") for v in ("v1", "v2")]
    with pytest.raises(ManifestError, match="is written twice"):
        located(*widgets)


def test_the_same_manifest_given_twice_is_refused_too() -> None:
    with pytest.raises(ManifestError, match="is written twice"):
        located(manifest(), manifest())


def test_the_same_name_elsewhere_is_another_object() -> None:
    assert located(
        manifest(),
        manifest(namespace="other"),
        manifest("Namespace"),
        manifest("ConfigMap", version="example.com/v1", namespace="shop"),
    ) == ["ConfigMap/shop/a", "ConfigMap/other/a", "Namespace/a", "ConfigMap/shop/a"]


def test_nothing_is_located_from_nothing() -> None:
    assert located() == []


# Membership ----------------------------------------------------------------------------------


def marked(**metadata: Any) -> Desired:
    item = Desired(manifest(namespace="shop", **metadata), CONFIG_MAPS)
    return mark(item, application="shop", set_id="applyset-x-v1")


def test_a_member_carries_the_label_and_its_own_name() -> None:
    assert marked().manifest.body["metadata"] == {
        "name": "a",
        "namespace": "shop",
        "labels": {PART_OF: "applyset-x-v1"},
        "annotations": {MEMBER_ID: "shop:/ConfigMap:shop/a"},
    }


def test_other_labels_and_annotations_stay() -> None:
    metadata = marked(labels={"app": "x"}, annotations={"note": "y"}).manifest.body["metadata"]
    assert metadata["labels"] == {"app": "x", PART_OF: "applyset-x-v1"}
    assert metadata["annotations"] == {"note": "y", MEMBER_ID: "shop:/ConfigMap:shop/a"}


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {PART_OF: "applyset-x-v1"}},
        {"labels": {PART_OF: "applyset-other-v1"}},
        {"labels": {PART_OF: ""}},
        {"annotations": {MEMBER_ID: "shop:/ConfigMap:shop/a"}},
        {"annotations": {MEMBER_ID: ""}},
    ],
)
def test_a_manifest_that_brings_its_own_membership_is_refused(metadata: dict[str, Any]) -> None:
    with pytest.raises(ManifestError) as caught:
        marked(**metadata)
    assert str(caught.value) == (
        f"app.yaml:1: ConfigMap/shop/a carries {PART_OF} or {MEMBER_ID}, "
        "which Towline sets: remove it"
    )


def test_marking_changes_nothing_of_what_it_was_given() -> None:
    item = Desired(manifest(namespace="shop", labels={"app": "x"}), CONFIG_MAPS)
    before = copy.deepcopy(item)
    after = mark(item, application="shop", set_id="applyset-x-v1")
    assert item == before
    assert after.resource is CONFIG_MAPS
    assert after.manifest.place == item.manifest.place
