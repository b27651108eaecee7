"""Sets are listed, checked and mended on what is really there."""

from __future__ import annotations

import pytest

from tests.engine.world import World, config_map
from towline import audit
from towline.core.audit import findings
from towline.core.errors import LeaseLostError, PermanentError
from towline.core.inventory import (
    GROUP_KINDS,
    ID_LABEL,
    NAMESPACES,
    PART_OF,
    Parent,
    applyset_id,
    parent_key,
)

MAPS = "/api/v1/namespaces/shop/configmaps"
PARENT = "/api/v1/namespaces/towline-system/configmaps/towline-app"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n"
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gears.audit.example.com}
spec:
  group: audit.example.com
  scope: Namespaced
  names: {kind: Gear, plural: gears}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
GEAR = "apiVersion: audit.example.com/v1\nkind: Gear\nmetadata: {name: g}\n"


@pytest.fixture
def made(world: World) -> World:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b"), "s.yaml": SERVICE})
    world.run("app")
    return world


def listed(world: World, only: str | None = None) -> list[str]:
    return [
        f"{held.parent.application}: {held.state}: "
        + ", ".join(f"{number} {kind}" for kind, number in held.members.items())
        for held in audit.sets("sandbox", world.services, only=only)
    ]


def checked(world: World, only: str | None = None) -> list[str]:
    """Findings without notes: endpoints come whenever a controller makes them."""
    with world.writes() as writes:
        seen = audit.sightings("sandbox", world.services, only=only)
    assert writes == []
    return [f"{f.object}: {f.problem}" for s in seen for f in findings(s) if not f.is_note]


def repaired(world: World) -> list[str]:
    seen = audit.sightings("sandbox", world.services)
    done = [audit.repair(one, "sandbox", world.services) for one in seen]
    return [text for text in done if text]


def annotate(world: World, **annotations: str | None) -> None:
    names = {"kinds": GROUP_KINDS, "namespaces": NAMESPACES}
    changed = {names[name]: text for name, text in annotations.items()}
    world.by_hand("PATCH", PARENT, {"metadata": {"annotations": changed}})


def test_sets_are_listed_with_their_members_and_their_state(made: World) -> None:
    assert listed(made) == ["app: in use: 2 ConfigMap, 1 Service"]
    made.applications(made.application("other", "other"))
    made.commit({"other/c.yaml": config_map("c")})
    made.run("other")
    suspended = {"metadata": {"annotations": {"towline.dev/suspended": "ann"}}}
    made.by_hand("PATCH", PARENT, suspended)
    assert listed(made) == [
        "app: abandoned, suspended by ann: 2 ConfigMap, 1 Service",
        "other: in use: 1 ConfigMap",
    ]
    assert listed(made, "other") == ["other: in use: 1 ConfigMap"]


def test_a_set_in_order_has_no_findings_and_is_not_written(made: World) -> None:
    assert checked(made) == []
    with made.writes() as writes:
        assert repaired(made) == []
    assert writes == []


def test_what_has_never_been_applied_has_no_findings(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    world.by_hand("POST", MAPS, body)
    assert checked(world) == []


def test_a_missing_parent_is_written_anew(made: World) -> None:
    made.by_hand("DELETE", PARENT)
    assert checked(made) == [
        "ConfigMap/towline-system/towline-app: it is missing, and 3 objects are of the set there"
    ]
    assert repaired(made) == [
        "ConfigMap/towline-system/towline-app: written anew, "
        "with kinds ConfigMap, Service and namespaces shop added"
    ]
    assert checked(made) == []
    made.commit({"s.yaml": None})
    made.converge("app")
    assert made.live("Service", "s") is None


def test_the_set_of_nobody_is_found_by_its_members(made: World) -> None:
    made.by_hand("DELETE", PARENT)
    made.applications()
    assert [text.partition(",")[0] for text in checked(made)] == [
        "ConfigMap/towline-system/towline-app: it is missing"
    ]
    repaired(made)
    assert listed(made) == ["app: abandoned: 2 ConfigMap, 1 Service"]


def test_annotations_edited_by_hand_are_rewritten_from_what_is_there(made: World) -> None:
    annotate(made, kinds="ConfigMap", namespaces=None)
    found = checked(made)
    assert len(found) == 3
    assert "written by somebody else" in found[0]
    assert "leaves out Service, though Service/shop/s is a member" in found[1]
    assert "leaves out shop, though ConfigMap/shop/a is a member" in found[2]
    assert repaired(made) == [
        "ConfigMap/towline-system/towline-app: rewritten, "
        "with kinds Service and namespaces shop added"
    ]
    assert checked(made) == []
    assert made.services.inventory("sandbox").read("app").complete


def test_a_wrong_id_is_put_right(made: World) -> None:
    made.by_hand("PATCH", PARENT, {"metadata": {"labels": {ID_LABEL: "applyset-x-v1"}}})
    assert listed(made) == []
    (text,) = checked(made)
    assert "is applyset-x-v1, and should be" in text
    repaired(made)
    assert (checked(made), len(listed(made))) == ([], 1)


def test_another_tools_parent_is_told_and_left_alone(world: World) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "towline-app",
            "annotations": {"applyset.kubernetes.io/tooling": "kubectl/v1.37"},
        },
    }
    world.by_hand("POST", "/api/v1/namespaces/towline-system/configmaps", body)
    assert checked(world) == [], "it is nobody's who has a document"
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    assert checked(world) == [
        "ConfigMap/towline-system/towline-app: is not Towline's: its tooling is kubectl"
    ]
    with world.writes() as writes, pytest.raises(PermanentError):
        repaired(world)
    assert writes == []


def test_what_is_named_and_not_there_is_told_and_kept_for_a_run_under_way(made: World) -> None:
    inventory = made.services.inventory("sandbox")
    secret = parent_key("x", "web")._replace(kind="Secret")
    inventory.write(inventory.read("app").widened([secret]))
    assert [text.partition("names ")[2] for text in checked(made)] == [
        "Secret, of which there is no member",
        "web, in which there is no member",
    ]
    assert repaired(made) == []
    made.run("app")
    assert checked(made) == []


def test_a_definition_that_is_gone(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "d.yaml": DEFINITION, "g.yaml": GEAR})
    world.converge("app")
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gears.audit.example.com"
    world.by_hand("DELETE", path)
    world.wait_until_gone(path)
    world.commit({"d.yaml": None, "g.yaml": None})
    found = checked(world)
    assert any("names Gear.audit.example.com, which the cluster does not serve" in t for t in found)
    world.converge("app")
    assert checked(world) == []


def test_copied_labels_are_told_and_kept(made: World) -> None:
    label = {PART_OF: applyset_id(parent_key("app", "towline-system"))}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "copy", "labels": label}}
    made.by_hand("POST", MAPS, body, manager="operator")
    owned = {"name": "child", "labels": label, "ownerReferences": [made.controller()]}
    made.by_hand("POST", MAPS, {**body, "metadata": owned}, manager="operator")
    (text,) = checked(made)
    assert text.startswith("ConfigMap/shop/copy: the label was copied")
    assert repaired(made) == []
    assert made.data("copy") == {}
    live = made.live("ConfigMap", "copy")
    assert live is not None
    assert live["metadata"]["labels"] == label


def test_members_that_a_controller_owns_or_that_finalizers_hold(made: World) -> None:
    owned = {"metadata": {"ownerReferences": [made.controller()]}}
    made.by_hand("PATCH", f"{MAPS}/a", owned)
    made.by_hand("PATCH", f"{MAPS}/b", {"metadata": {"finalizers": ["example.com/wait"]}})
    made.by_hand("DELETE", f"{MAPS}/b")
    found = checked(made)
    assert found[0] == (
        "ConfigMap/shop/a: it carries the label, but Namespace/kube-system controls it"
    )
    assert found[1].startswith("ConfigMap/shop/b: being deleted since ")
    assert found[1].endswith("waits for example.com/wait")
    made.by_hand("PATCH", f"{MAPS}/b", {"metadata": {"finalizers": None}})


def test_a_kind_of_the_set_that_may_not_be_listed(made: World) -> None:
    made.api.fail(method="GET", path_contains="/services", status=403, times=100)
    assert checked(made) == [
        "ConfigMap/towline-system/towline-app: Service may not be listed by this user"
    ]
    (held,) = audit.sets("sandbox", made.services)
    assert list(map(str, held.unseen)) == ["Service"]
    made.api.heal()


def test_with_rights_limited_to_namespaces_those_of_the_sets_are_listed(made: World) -> None:
    made.api.fail(method="GET", path_contains="/api/v1/services", status=403, times=100)
    assert checked(made) == []
    assert listed(made) == ["app: in use: 2 ConfigMap, 1 Service"]
    made.api.heal()


def test_what_lost_its_label_is_told(made: World) -> None:
    made.by_hand("PATCH", f"{MAPS}/a", {"metadata": {"labels": {PART_OF: None}}})
    assert checked(made) == [
        "ConfigMap/shop/a: Git names it, and it does not carry the label of the set: "
        "it is not pruned"
    ]
    made.run("app")
    assert checked(made) == []


def test_what_git_says_to_leave_alone_needs_no_label(world: World) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    world.by_hand("POST", MAPS, body)
    world.applications(world.application("app"))
    alone = config_map("a", annotations="towline.dev/reconcile: disabled")
    world.commit({"a.yaml": alone, "b.yaml": config_map("b")})
    world.run("app")
    assert checked(world) == []


def test_a_source_that_cannot_be_read_is_a_finding(made: World) -> None:
    made.commit({"bad.yaml": "apiVersion: v1\nmetadata: {name: x}\n"})
    (text,) = checked(made)
    assert text.startswith("application app: what Git names is not known: bad.yaml:1")


def test_a_parent_that_a_run_wrote_meanwhile_is_left_to_it(made: World) -> None:
    annotate(made, kinds="ConfigMap")
    (seen,) = audit.sightings("sandbox", made.services)
    made.run("app")
    with made.writes() as writes, pytest.raises(LeaseLostError):
        audit.repair(seen, "sandbox", made.services)
    assert len(writes) == 1, "which was refused for its resourceVersion"
    assert checked(made) == []


def test_one_list_for_each_kind_serves_all_sets(made: World) -> None:
    made.applications(made.application("app"), made.application("other", "other"))
    made.commit({"other/c.yaml": config_map("c")})
    made.run("other")
    before = len(made.api.requests)
    listed(made)
    paths = [request.path for request in list(made.api.requests)[before:]]
    assert paths.count("/api/v1/configmaps") == 1
    assert paths.count("/api/v1/services") == 1


def test_other_config_maps_with_such_names_are_no_sets(made: World) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "towline-config"}}
    made.by_hand("POST", "/api/v1/namespaces/towline-system/configmaps", body)
    assert checked(made) == []
    assert Parent("config", "towline-system").key.name == "towline-config"
