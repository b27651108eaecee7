"""What a cluster serves, and what the definitions of a revision add to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from towline.core.errors import Place
from towline.core.manifest import Manifest, manifest_of
from towline.core.objects import GroupKind
from towline.core.resources import Resource, Resources

ALL = frozenset({"get", "list", "patch", "delete"})
PODS = Resource("", "v1", "Pod", "pods", namespaced=True, verbs=ALL)
NODES = Resource("", "v1", "Node", "nodes", namespaced=False, verbs=ALL)
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", namespaced=True, verbs=ALL)
OLD = Resource("apps", "v1beta1", "Deployment", "deployments", namespaced=True, verbs=ALL)
REVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "SubjectAccessReview",
    "subjectaccessreviews",
    namespaced=False,
    verbs=frozenset({"create"}),
)


def resources(*listed: Resource) -> Resources:
    by_kind: dict[GroupKind, tuple[Resource, ...]] = {}
    for resource in listed:
        by_kind[resource.group_kind] = (*by_kind.get(resource.group_kind, ()), resource)
    return Resources(by_kind)


def definition(*versions: Any, scope: str = "Namespaced", **spec: Any) -> Manifest:
    return manifest_of(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com",
                "names": {"kind": "Widget", "plural": "widgets"},
                "scope": scope,
                "versions": list(versions),
                **spec,
            },
        },
        Place("crd.yaml", 1),
    )


SERVED = {"name": "v1", "served": True, "storage": True}


# Paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "namespace", "name", "path"),
    [
        (PODS, None, None, "/api/v1/pods"),
        (PODS, "", None, "/api/v1/pods"),
        (PODS, "shop", None, "/api/v1/namespaces/shop/pods"),
        (PODS, "shop", "a", "/api/v1/namespaces/shop/pods/a"),
        (NODES, None, "n", "/api/v1/nodes/n"),
        (NODES, "shop", "n", "/api/v1/nodes/n"),
        (DEPLOYMENTS, None, None, "/apis/apps/v1/deployments"),
        (DEPLOYMENTS, "shop", "web", "/apis/apps/v1/namespaces/shop/deployments/web"),
        (OLD, "shop", None, "/apis/apps/v1beta1/namespaces/shop/deployments"),
    ],
)
def test_a_resource_knows_its_path(
    resource: Resource, namespace: str | None, name: str | None, path: str
) -> None:
    assert resource.path(namespace, name) == path


@pytest.mark.parametrize(
    ("resource", "version"), [(PODS, "v1"), (DEPLOYMENTS, "apps/v1"), (OLD, "apps/v1beta1")]
)
def test_the_core_group_has_no_name_in_a_version(resource: Resource, version: str) -> None:
    assert resource.api_version == version


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ConfigMap", GroupKind("", "ConfigMap")),
        ("Deployment.apps", GroupKind("apps", "Deployment")),
        ("Role.rbac.authorization.k8s.io", GroupKind("rbac.authorization.k8s.io", "Role")),
    ],
)
def test_a_kind_is_written_as_kubectl_writes_it(text: str, kind: GroupKind) -> None:
    assert GroupKind.parse(text) == kind
    assert str(kind) == text


# Finding -------------------------------------------------------------------------------------


def test_a_kind_is_found_in_exactly_its_version() -> None:
    known = resources(DEPLOYMENTS, OLD, PODS)
    assert known.find("apps/v1", "Deployment") == DEPLOYMENTS
    assert known.find("apps/v1beta1", "Deployment") == OLD
    assert known.find("v1", "Pod") == PODS


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("apps/v2", "Deployment"),
        ("v1", "Deployment"),
        ("extensions/v1", "Deployment"),
        ("apps/v1", "deployment"),
        ("apps/v1", "Pod"),
    ],
)
def test_another_version_group_or_kind_is_not_found(version: str, kind: str) -> None:
    assert resources(DEPLOYMENTS, OLD, PODS).find(version, kind) is None


def test_the_first_version_is_the_preferred_one() -> None:
    known = resources(DEPLOYMENTS, OLD)
    assert known.preferred(GroupKind("apps", "Deployment")) == DEPLOYMENTS
    assert known.preferred(GroupKind("", "Deployment")) is None


def test_nothing_is_known_of_no_discovery() -> None:
    assert Resources().find("v1", "Pod") is None
    assert list(Resources().listable()) == []
    assert Resources().failed == frozenset()


def test_what_can_be_listed_and_deleted_and_nothing_else_is_searched() -> None:
    enough = replace(PODS, verbs=frozenset({"list", "delete"}))
    assert list(resources(enough).listable()) == [enough]


def test_each_kind_is_listed_once_in_its_preferred_version() -> None:
    assert list(resources(DEPLOYMENTS, OLD, NODES).listable()) == [DEPLOYMENTS, NODES]


@pytest.mark.parametrize("verbs", [set(), {"list"}, {"delete"}, {"create"}, {"get", "list"}])
def test_what_cannot_be_listed_and_deleted_is_not_searched(verbs: set[str]) -> None:
    resource = Resource("", "v1", "Thing", "things", namespaced=True, verbs=frozenset(verbs))
    assert list(resources(resource, REVIEWS).listable()) == []


# Definitions ---------------------------------------------------------------------------------


def test_a_definition_brings_its_kind() -> None:
    found = Resources().with_definitions([definition(SERVED)]).find("example.com/v1", "Widget")
    assert found == Resource("example.com", "v1", "Widget", "widgets", namespaced=True)


def test_a_cluster_scoped_definition_has_no_namespace() -> None:
    known = Resources().with_definitions([definition(SERVED, scope="Cluster")])
    found = known.find("example.com/v1", "Widget")
    assert found is not None
    assert not found.namespaced


def test_only_served_versions_are_brought() -> None:
    versions = [{"name": "v1alpha1", "served": False}, SERVED, {"name": "v2", "served": True}]
    known = Resources().with_definitions([definition(*versions)])
    assert known.find("example.com/v1alpha1", "Widget") is None
    assert known.find("example.com/v1", "Widget") is not None
    assert known.find("example.com/v2", "Widget") is not None


def test_what_the_cluster_serves_already_stays_preferred() -> None:
    served = Resource("example.com", "v1", "Widget", "widgets", namespaced=True, verbs=ALL)
    known = resources(served).with_definitions([definition(SERVED, {"name": "v2", "served": True})])
    kind = GroupKind("example.com", "Widget")
    assert [r.version for r in known.by_kind[kind]] == ["v1", "v2"]
    assert known.preferred(kind) is served


def test_adding_definitions_changes_nothing_of_what_was_known() -> None:
    before = resources(PODS)
    after = before.with_definitions([definition(SERVED)])
    assert list(before.by_kind) == [PODS.group_kind]
    assert list(after.by_kind) == [PODS.group_kind, GroupKind("example.com", "Widget")]


def test_failed_groups_stay_failed() -> None:
    known = Resources(failed=frozenset({"metrics.k8s.io"}))
    assert known.with_definitions([definition(SERVED)]).failed == {"metrics.k8s.io"}


@pytest.mark.parametrize(
    "manifest",
    [
        definition(spec=None),
        definition(versions=None),
        definition(versions={}),
        definition(versions=[None, 1, "v1", []]),
        definition({"name": "v1"}),
        definition({"name": "v1", "served": False}),
    ],
)
def test_a_definition_that_serves_nothing_brings_nothing(manifest: Manifest) -> None:
    assert Resources().with_definitions([manifest]).by_kind == {}


def test_half_a_definition_is_left_to_the_server() -> None:
    specs: tuple[Any, ...] = (None, [], "x")
    for spec in specs:
        body = {**definition(SERVED).body, "spec": spec}
        known = Resources().with_definitions([Manifest(body, Place("crd.yaml"))])
        assert known.by_kind == {}


def test_a_kind_of_that_name_in_another_group_defines_nothing() -> None:
    body = {**definition(SERVED).body, "apiVersion": "example.com/v1"}
    assert Resources().with_definitions([Manifest(body, Place("crd.yaml"))]).by_kind == {}
