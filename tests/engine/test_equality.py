"""The cluster becomes equal to Git, and stays so without a write."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.engine.world import World, config_map, tally

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.harbour.example}
spec:
  group: harbour.example
  scope: Namespaced
  names: {kind: Boat, plural: boats, singular: boat}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
BOAT = """
apiVersion: harbour.example/v1
kind: Boat
metadata: {name: tug, namespace: quay}
spec: {crew: 4}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: quay}\n"


def test_what_git_names_is_created_and_a_second_run_writes_nothing(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "sub/b.yaml": config_map("b")})
    assert tally(world.run("app")) == "created ConfigMap/shop/a\ncreated ConfigMap/shop/b"
    with world.writes() as writes:
        assert tally(world.run("app")) == ""
    assert writes == []


POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}
"""


def test_what_others_write_after_the_listing_is_no_change_of_ours(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A default inside an atomic list needs a dry run; a controller writes just before it."""
    world.applications(world.application("app"))
    world.commit({"p.yaml": POLICY})
    world.run("app")
    path = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/p"
    listed, tries = world.cluster.list, itertools.count()

    def then_written(*arguments: Any, **options: Any) -> Any:
        found = listed(*arguments, **options)
        seen = {"metadata": {"annotations": {"example.com/seen": str(next(tries))}}}
        world.by_hand("PATCH", path, seen, manager="controller")
        return found

    monkeypatch.setattr(world.cluster, "list", then_written)
    with world.writes() as writes:
        assert world.run("app").counts == {"unchanged": 1}
    assert writes == [f"PATCH {path}"]  # the controller's


def test_a_commit_writes_only_what_it_changed(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({f"{n}.yaml": config_map(f"c{n}") for n in range(10)})
    world.run("app")
    world.commit({"3.yaml": config_map("c3", "2")})
    with world.writes() as writes:
        assert tally(world.run("app")) == "updated ConfigMap/shop/c3"
    members = [w for w in writes if "towline-app" not in w]
    assert members == ["PATCH /api/v1/namespaces/shop/configmaps/c3"]
    assert world.data("c3") == {"key": "2"}


def test_a_commit_beside_the_path_writes_nothing_at_all(world: World) -> None:
    world.applications(world.application("app", "here"))
    world.commit({"here/a.yaml": config_map("a")})
    world.run("app")
    world.commit({"elsewhere/b.yaml": config_map("b")})
    with world.writes() as writes:
        world.run("app")
    assert writes == []


def test_a_removed_file_is_pruned_and_a_revert_brings_it_back(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    world.commit({"b.yaml": None})
    assert tally(world.run("app")) == "deleted ConfigMap/shop/b"
    assert world.data("b") is None
    world.git("revert", "--no-edit", "HEAD")
    assert tally(world.run("app")) == "created ConfigMap/shop/b"
    assert world.data("b") == {"key": "1"}


def test_a_field_that_git_no_longer_names_is_removed(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a").replace('key: "1"', 'key: "1", extra: "2"')})
    world.run("app")
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    assert world.data("a") == {"key": "1"}


def test_a_dropped_string_data_key_is_removed_from_a_secret(world: World) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: x, b: y}\n"
    world.applications(world.application("app"))
    world.commit({"s.yaml": secret})
    world.run("app")
    with world.writes() as writes:
        world.run("app")
    assert writes == []
    world.commit({"s.yaml": secret.replace(", b: y", "")})
    world.run("app")
    live = world.live("Secret", "s")
    assert live is not None
    assert live["data"] == {"a": "eA=="}


@pytest.mark.usefixtures("by_itself")
def test_a_custom_resource_may_come_with_its_definition_and_namespace(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"all.yaml": f"{BOAT}---{DEFINITION}---\n{NAMESPACE}"})
    outcome = world.run("app")
    assert tally(outcome).splitlines() == [
        "created CustomResourceDefinition/boats.harbour.example",
        "created Namespace/quay",
        "created Boat/quay/tug",
    ]
    with world.writes() as writes:
        world.run("app")
    assert writes == []


@pytest.mark.usefixtures("by_itself")
def test_an_unknown_kind_fails_alone_and_says_what_to_do(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "boat.yaml": BOAT})
    outcome = world.run("app")
    assert tally(outcome) == "created ConfigMap/shop/a\nfailed Boat/quay/tug"
    assert "install its CustomResourceDefinition" in outcome.message


def test_a_missing_namespace_is_named_and_never_created(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a", namespace="nowhere"), "b.yaml": config_map("b")})
    outcome = world.run("app")
    assert tally(outcome) == "failed ConfigMap/nowhere/a\ncreated ConfigMap/shop/b"
    assert "the namespace nowhere does not exist" in outcome.message
    assert world.live("Namespace", "nowhere", namespace="") is None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("kind: ConfigMap\nmetadata: {name: x}\n", "`apiVersion` is missing"),
        ("apiVersion: v1\nmetadata: {name: x}\n", "`kind` is missing"),
        ("apiVersion: v1\nkind: ConfigMap\n", "has no `metadata.name`"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: x-}\n", "generateName"),
        ("a: [", "bad.yaml:"),
        ("a: 1\na: 2\n", "bad.yaml:"),
        (config_map("a"), "is written twice, the first time at a.yaml:2"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: '%%%'}\n", "not base64"),
    ],
)
def test_one_bad_document_stops_the_revision_before_any_write(
    world: World, document: str, message: str
) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    bad = world.commit({"a.yaml": config_map("a", "2"), "b.yaml": None, "bad.yaml": document})
    with world.writes() as writes:
        outcome = world.run("app")
    assert message in outcome.error
    assert "bad.yaml" in outcome.error
    assert outcome.revision is not None
    assert outcome.revision.commit == bad
    assert writes == []
    world.commit({"bad.yaml": None})
    assert tally(world.run("app")) == "updated ConfigMap/shop/a\ndeleted ConfigMap/shop/b"


def test_what_the_server_refuses_fails_alone_and_nothing_is_pruned(world: World) -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: Not_A_Name}\nspec: {ports: [{port: 1}]}\n"
    )
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    world.commit({"a.yaml": config_map("a", "2"), "b.yaml": None, "s.yaml": service})
    outcome = world.run("app")
    assert tally(outcome).splitlines() == [
        "updated ConfigMap/shop/a",
        "failed Service/shop/Not_A_Name",
        "skipped ConfigMap/shop/b",
    ]
    assert world.data("b") == {"key": "1"}


def test_a_branch_that_is_gone_prunes_nothing(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    world.git("branch", "--move", "main", "renamed")
    with world.writes() as writes:
        outcome = world.run("app")
    assert "branch main is not in" in outcome.error
    assert writes == []


def test_a_repository_that_is_gone_prunes_nothing(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    world.source.rename(world.source.with_name("away"))
    with world.writes() as writes:
        outcome = world.run("app")
    assert "the repository cannot be fetched" in outcome.error
    assert writes == []
