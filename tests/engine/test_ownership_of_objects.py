"""Whose an object is: adoption, drift, moves, and what is never deleted."""

from __future__ import annotations

import itertools

import pytest

from tests.engine.world import World, config_map, tally
from towline.core.inventory import PART_OF, applyset_id, parent_key


def test_an_existing_object_is_adopted_and_the_run_says_so(world: World) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a"},
        "data": {"key": "old", "mine": "kept"},
    }
    world.by_hand("POST", "/api/v1/namespaces/shop/configmaps", body)
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    outcome = world.run("app")
    (result,) = outcome.results
    assert result.message == "adopted: it existed already"
    assert result.previous_owners == {"kubectl": ("data.key",)}
    assert world.data("a") == {"key": "1", "mine": "kept"}


def test_drift_is_put_back_and_names_who_did_it(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    path = "/api/v1/namespaces/shop/configmaps"
    world.by_hand("PATCH", f"{path}/a", {"data": {"key": "changed"}}, manager="mallory")
    world.by_hand("DELETE", f"{path}/b")
    outcome = world.run("app")
    assert tally(outcome) == "updated ConfigMap/shop/a\ncreated ConfigMap/shop/b"
    assert outcome.results[0].previous_owners == {"mallory": ("data.key",)}
    assert world.data("a") == {"key": "1"}


def test_fields_that_no_manifest_names_are_left_to_others(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    path = "/api/v1/namespaces/shop/configmaps/a"
    world.by_hand("PATCH", path, {"data": {"other": "theirs"}}, manager="controller")
    with world.writes() as writes:
        world.run("app")
    assert writes == []
    assert world.data("a") == {"key": "1", "other": "theirs"}


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["one", "one", "two", "two"], 4))[::5]
)
def test_a_file_moved_to_another_application_is_handed_over(
    world: World, order: tuple[str, ...]
) -> None:
    world.applications(world.application("one", "one"), world.application("two", "two"))
    world.commit(
        {
            "one/x.yaml": config_map("x"),
            "one/w.yaml": config_map("w"),
            "two/z.yaml": config_map("z"),
        }
    )
    world.run("one")
    world.run("two")
    uid = _uid(world, "x")
    world.commit({"one/x.yaml": None, "two/x.yaml": config_map("x")})
    with world.writes() as writes:
        for name in order:
            world.run(name)
    assert not [write for write in writes if write.startswith("DELETE")]
    world.converge("one", "two")
    assert _uid(world, "x") == uid
    assert world.owner("x") == "two"
    assert world.run("two").failures == ()


def test_an_application_that_is_renamed_keeps_its_objects(world: World) -> None:
    world.applications(world.application("old"))
    world.commit({"x.yaml": config_map("x")})
    world.run("old")
    uid = _uid(world, "x")
    world.applications(world.application("new"))
    outcome = world.run("new")
    assert outcome.results[0].message == "taken over from old"
    world.converge("new")
    assert (_uid(world, "x"), world.owner("x")) == (uid, "new")


def test_an_object_that_another_application_names_is_an_error_that_names_it(world: World) -> None:
    world.applications(world.application("one", "one"), world.application("two", "two"))
    world.commit({"one/x.yaml": config_map("x"), "two/x.yaml": config_map("x", "2")})
    world.run("one")
    outcome = world.run("two")
    assert tally(outcome) == "failed ConfigMap/shop/x"
    assert "it belongs to application one" in outcome.message
    assert world.data("x") == {"key": "1"}


def test_adopt_from_takes_over_what_the_other_still_names(world: World) -> None:
    one = world.application("one", "one")
    two = world.application("two", "two", extra="adoptFrom: [one]")
    world.applications(one, two)
    world.commit({"one/x.yaml": config_map("x"), "two/x.yaml": config_map("x")})
    world.run("one")
    assert world.run("two").results[0].message == "taken over from one"
    assert world.owner("x") == "two"


def test_a_copied_label_makes_no_member(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"x.yaml": config_map("x"), "w.yaml": config_map("w")})
    world.run("app")
    copy = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "copy",
            "labels": {PART_OF: applyset_id(parent_key("app", "towline-system"))},
        },
    }
    world.by_hand("POST", "/api/v1/namespaces/shop/configmaps", copy, manager="operator")
    restored = world.live("ConfigMap", "w")
    assert restored is not None
    restored["metadata"] = {
        "name": "w",
        "namespace": "other",
        "labels": restored["metadata"]["labels"],
        "annotations": restored["metadata"]["annotations"],
    }
    world.make_namespace("other")
    world.by_hand("POST", "/api/v1/namespaces/other/configmaps", restored, manager="velero")
    world.commit({"w.yaml": None})
    assert tally(world.run("app")) == "deleted ConfigMap/shop/w"
    assert world.data("copy") == {}
    assert world.live("ConfigMap", "w", namespace="other") is not None


def test_what_a_controller_owns_is_not_pruned(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"x.yaml": config_map("x"), "w.yaml": config_map("w")})
    world.run("app")
    path = "/api/v1/namespaces/shop/configmaps/w"
    world.by_hand("PATCH", path, {"metadata": {"ownerReferences": [world.controller()]}})
    world.commit({"w.yaml": None})
    outcome = world.run("app")
    assert tally(outcome) == "skipped ConfigMap/shop/w"
    assert outcome.results[0].message == "not in Git; kept, for Namespace/kube-system controls it"
    assert world.data("w") is not None


def test_an_inventory_deleted_by_hand_is_rebuilt_from_the_members(world: World) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n"
    world.applications(world.application("app"))
    world.commit({"x.yaml": config_map("x"), "s.yaml": service})
    world.run("app")
    world.by_hand("DELETE", "/api/v1/namespaces/towline-system/configmaps/towline-app")
    world.commit({"s.yaml": None})
    assert tally(world.run("app")) == "deleted Service/shop/s"
    world.converge("app")


def test_an_inventory_edited_by_hand_is_not_believed(world: World) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n"
    world.applications(world.application("app"))
    world.commit({"x.yaml": config_map("x"), "s.yaml": service})
    world.run("app")
    edit = {
        "metadata": {"annotations": {"applyset.kubernetes.io/contains-group-kinds": "ConfigMap"}}
    }
    world.by_hand("PATCH", "/api/v1/namespaces/towline-system/configmaps/towline-app", edit)
    world.commit({"s.yaml": None})
    assert tally(world.run("app")) == "deleted Service/shop/s"


def test_another_tools_applyset_is_refused(world: World) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "towline-app",
            "annotations": {"applyset.kubernetes.io/tooling": "kubectl/v1.37"},
        },
    }
    world.by_hand("POST", "/api/v1/namespaces/towline-system/configmaps", body)
    world.applications(world.application("app"))
    world.commit({"x.yaml": config_map("x")})
    with world.writes() as writes:
        assert "its tooling is kubectl" in world.run("app").error
    assert writes == []


def test_a_broken_neighbour_holds_up_only_what_it_may_name(world: World) -> None:
    world.applications(world.application("one", "one"), world.application("two", "two"))
    files = {f"one/{name}.yaml": config_map(name) for name in ("keep", "gone", "mentioned")}
    world.commit(files)
    world.run("one")
    broken = "apiVersion: v1\nmetadata: {name: mentioned}\n"
    world.commit({"one/gone.yaml": None, "one/mentioned.yaml": None, "two/broken.yaml": broken})
    outcome = world.run("one")
    assert tally(outcome).splitlines() == [
        "skipped ConfigMap/shop/mentioned",
        "deleted ConfigMap/shop/gone",
    ]


def _uid(world: World, name: str) -> str:
    live = world.live("ConfigMap", name)
    assert live is not None
    return str(live["metadata"]["uid"])
