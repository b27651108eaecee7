"""Sets without a document: kept, shown, and pruned only by the plan that a person named."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.conftest import Clusters
from tests.engine.world import World, config_map, tally
from towline import abandoned
from towline.core.abandoned import AbandonedSet
from towline.core.errors import PermanentError, TowlineError
from towline.core.outcome import Outcome
from towline.core.plan import Plan
from towline.observe import Phases
from towline.reconcile import Attempt

PARENT = "/api/v1/namespaces/towline-system/configmaps/towline-app"
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: quay}\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n"

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gears.abandoned.example.com}
spec:
  group: abandoned.example.com
  scope: Namespaced
  names: {kind: Gear, plural: gears}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
GEAR = "apiVersion: abandoned.example.com/v1\nkind: Gear\nmetadata: {name: g}\n"

_runs = itertools.count(1)


def survey(world: World, cluster: str = "sandbox") -> tuple[AbandonedSet, ...]:
    return abandoned.survey(cluster, world.services)


def shown(world: World) -> list[str]:
    return [f"{one.application}: {one.members}, {one.why}" for one in survey(world)]


def plan(world: World, name: str = "app") -> Plan:
    return abandoned.prune_plan(name, "sandbox", world.services)


def lines(made: Plan) -> list[str]:
    return [f"{change.action} {change.key}: {change.reason}" for change in made.changes]


def prune(
    world: World,
    digest: str | None = None,
    *,
    name: str = "app",
    held: Callable[[], bool] = lambda: True,
) -> Outcome:
    asked = abandoned.Pruning(name, "sandbox", digest or plan(world, name).digest, at=7.0)
    attempt = Attempt(f"prune-{next(_runs)}", Phases(world.services.clock.monotonic), held)
    return abandoned.prune(asked, world.services, attempt)


@pytest.fixture
def left(world: World) -> World:
    """Two ConfigMaps and a Service, and no document any more."""
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b"), "s.yaml": SERVICE})
    world.run("app")
    world.applications()
    return world


def test_a_set_whose_document_is_gone_is_shown_and_kept(left: World) -> None:
    with left.writes() as writes:
        assert shown(left) == ["app: 3, its document is gone"]
    assert writes == []
    (one,) = survey(left)
    assert sorted(map(str, one.parent.group_kinds)) == ["ConfigMap", "Service"]
    assert one.parent.namespaces == {"shop"}
    assert (one.parent.revision or "").startswith("branch main@")
    left.applications(left.application("app"))
    assert shown(left) == []


def test_pruning_deletes_exactly_what_is_ours_and_then_the_parent(left: World) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}}
    left.by_hand("POST", "/api/v1/namespaces/shop/configmaps", theirs)
    assert lines(plan(left)) == [
        "delete ConfigMap/shop/a: not in Git",
        "delete ConfigMap/shop/b: not in Git",
        "delete Service/shop/s: not in Git",
    ]
    assert tally(prune(left)).splitlines() == [
        "deleted Service/shop/s",
        "deleted ConfigMap/shop/b",
        "deleted ConfigMap/shop/a",
        "deleted ConfigMap/towline-system/towline-app",
    ]
    assert (left.data("a"), left.live("Service", "s")) == (None, None)
    assert left.data("theirs") == {}
    left.wait_until_gone(PARENT)
    assert shown(left) == []


def test_what_was_pruned_already_is_no_failure(left: World) -> None:
    digest = plan(left).digest
    prune(left, digest)
    with left.writes() as writes:
        assert prune(left, digest).results == ()
    assert writes == []
    with pytest.raises(PermanentError, match="there is no set of application app"):
        plan(left)


def test_a_plan_that_has_changed_is_refused_with_the_new_one(left: World) -> None:
    stale = plan(left).digest
    left.by_hand("DELETE", "/api/v1/namespaces/shop/configmaps/a")
    with left.writes() as writes, pytest.raises(PermanentError) as caught:
        prune(left, stale)
    assert writes == []
    assert stale[:12] in caught.value.message
    assert f"towline prune app {plan(left).digest}" in caught.value.message


def test_what_another_application_names_is_left_to_it(left: World) -> None:
    left.applications(left.application("other", "other"))
    left.commit({"other/b.yaml": config_map("b"), "other/c.yaml": config_map("c")})
    assert lines(plan(left)) == [
        "delete ConfigMap/shop/a: not in Git",
        "skip ConfigMap/shop/b: handed over to application other",
        "delete Service/shop/s: not in Git",
    ]
    assert tally(prune(left)).splitlines()[-1] == "skipped ConfigMap/towline-system/towline-app"
    assert left.owner("b") == "app"
    left.run("other")
    assert left.owner("b") == "other"
    assert shown(left) == ["app: 0, its document is gone"]
    assert tally(prune(left)) == "deleted ConfigMap/towline-system/towline-app"
    assert left.data("b") == {"key": "1"}


def test_a_renamed_application_leaves_a_parent_and_nothing_else(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    world.applications(world.application("new"))
    assert shown(world) == ["app: 1, its document is gone"]
    world.converge("new")
    assert shown(world) == ["app: 0, its document is gone"]
    assert tally(prune(world)) == "deleted ConfigMap/towline-system/towline-app"
    assert (shown(world), world.owner("a")) == ([], "new")


def test_what_is_not_to_be_pruned_is_kept_and_named(world: World) -> None:
    world.applications(world.application("app"))
    kept = config_map("a", annotations="towline.dev/prune: disabled")
    world.commit({"a.yaml": kept, "b.yaml": config_map("b"), "s.yaml": SERVICE})
    world.run("app")
    revision = world.services.inventory("sandbox").read("app").revision
    world.applications()
    outcome = prune(world)
    end = outcome.results[-1]
    assert end.message == "the inventory stays: ConfigMap/shop/a is left"
    assert (world.data("a"), world.data("b")) == ({"key": "1"}, None)
    parent = world.services.inventory("sandbox").read("app")
    assert list(map(str, parent.group_kinds)) == ["ConfigMap"]
    assert (parent.revision, parent.steered) == (revision, 7.0)
    assert shown(world) == ["app: 1, its document is gone"]


def test_what_takes_others_with_it_goes_with_the_consent_of_the_digest(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"n.yaml": NAMESPACE, "a.yaml": config_map("a", namespace="quay")})
    world.run("app")
    world.applications()
    made = plan(world)
    (hold,) = made.holds
    assert "a Namespace takes others with it" in hold.message
    assert hold.message.endswith(f"If it is meant: towline prune app {made.digest}")
    assert "deleted Namespace/quay" in tally(prune(world, made.digest))
    world.wait_until_gone("/api/v1/namespaces/quay")


def test_a_suspended_set_is_pruned_by_naming_the_plan_that_says_so(left: World) -> None:
    path, suspended = PARENT, {"metadata": {"annotations": {"towline.dev/suspended": "ann"}}}
    left.by_hand("PATCH", path, suspended)
    made = plan(left)
    assert made.holds[0].message.startswith("suspended by ann. To prune it all the same: towline")
    assert survey(left)[0].parent.suspended == "ann"
    assert prune(left, made.digest).counts["deleted"] == 4


def test_all_limits_are_off_for_a_person_who_asks_for_just_that(world: World) -> None:
    world.applications(world.application("app", sync="maxPrune: 0"))
    world.commit({f"{n}.yaml": config_map(f"c{n}") for n in range(12)})
    world.run("app")
    world.applications()
    assert plan(world).holds == ()
    assert prune(world).counts == {"deleted": 13}


def test_what_finalizers_hold_keeps_the_parent(left: World) -> None:
    path = "/api/v1/namespaces/shop/configmaps/a"
    left.by_hand("PATCH", path, {"metadata": {"finalizers": ["example.com/wait"]}})
    outcome = prune(left)
    assert outcome.results[-1].message == "the inventory stays: ConfigMap/shop/a is left"
    (line,) = lines(plan(left))
    assert "waits for example.com/wait" in line
    left.by_hand("PATCH", path, {"metadata": {"finalizers": None}})
    assert tally(prune(left)) == "deleted ConfigMap/towline-system/towline-app"


def test_an_operator_stays_until_its_custom_resources_are_gone(world: World) -> None:
    """What waits does so for the next word: nobody comes back by himself."""
    world.applications(world.application("app"))
    world.commit({"d.yaml": DEFINITION, "g.yaml": GEAR, "a.yaml": config_map("a")})
    world.converge("app")
    path = "/apis/abandoned.example.com/v1/namespaces/shop/gears/g"
    world.by_hand("PATCH", path, {"metadata": {"finalizers": ["example.com/wait"]}})
    world.applications()
    outcome = prune(world)
    assert (outcome.status, outcome.pending) == ("synced", False)
    assert outcome.counts == {"deleted": 1, "skipped": 3}
    assert world.data("a") == {"key": "1"}
    assert "is left" in outcome.results[-1].message or "are left" in outcome.results[-1].message
    world.by_hand("PATCH", path, {"metadata": {"finalizers": None}})
    assert "deleted ConfigMap/shop/a" in tally(prune(world))
    world.wait_until_gone(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gears.abandoned.example.com"
    )


def test_copies_and_what_a_controller_owns_are_left_alone(left: World) -> None:
    live = left.live("ConfigMap", "b")
    assert live is not None
    copy = {"name": "copy", "labels": live["metadata"]["labels"]}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": copy}
    left.by_hand("POST", "/api/v1/namespaces/shop/configmaps", body, manager="operator")
    path = "/api/v1/namespaces/shop/configmaps/b"
    left.by_hand("PATCH", path, {"metadata": {"ownerReferences": [left.controller()]}})
    assert "kept, for Namespace/kube-system controls it" in lines(plan(left))[1]
    prune(left)
    assert left.data("copy") == {}
    assert left.data("b") is not None


def test_a_document_that_deploys_there_is_never_pruned(left: World) -> None:
    digest = plan(left).digest
    left.applications(left.application("app"))
    for act in (lambda: plan(left), lambda: prune(left, digest)):
        with left.writes() as writes, pytest.raises(PermanentError) as caught:
            act()
        assert "has a document that deploys to sandbox: remove its document" in str(caught.value)
        assert writes == []


def test_a_document_that_comes_meanwhile_ends_the_pruning(left: World) -> None:
    digest, asked = plan(left).digest, itertools.count()

    def held() -> bool:
        if next(asked) == 1:
            left.applications(left.application("app"))
        return True

    with pytest.raises(PermanentError, match="has a document that deploys to sandbox"):
        prune(left, digest, held=held)
    left.converge("app")
    assert (left.data("a"), left.data("b")) == ({"key": "1"}, {"key": "1"})


@pytest.mark.parametrize("steps", range(3))
def test_a_pruning_stopped_after_any_write_is_taken_up_by_the_next(left: World, steps: int) -> None:
    asked = itertools.count(1)
    with pytest.raises(TowlineError):
        prune(left, held=lambda: next(asked) <= steps)
    assert shown(left)
    assert prune(left).results[-1].kind == "deleted"
    assert (left.data("a"), left.live("Service", "s"), shown(left)) == (None, None, [])


def test_a_pruning_stopped_before_the_parent_went_is_ended_by_the_next(left: World) -> None:
    left.api.fail(method="DELETE", path_contains="towline-app", status=500, times=100)
    outcome = prune(left)
    assert outcome.counts == {"deleted": 3, "failed": 1}
    assert "towline-app" in outcome.message
    left.api.heal()
    assert shown(left) == ["app: 0, its document is gone"]
    assert tally(prune(left)) == "deleted ConfigMap/towline-system/towline-app"


def test_a_set_without_its_parent_is_found_by_name(left: World) -> None:
    left.by_hand("DELETE", PARENT)
    assert shown(left) == []
    assert prune(left).counts == {"deleted": 4}
    assert left.data("a") is None


def test_what_could_not_be_listed_is_kept(left: World) -> None:
    left.api.fail(method="GET", path_contains="/services", status=503, times=100)
    with left.writes() as writes, pytest.raises(TowlineError):
        plan(left)
    assert writes == []


def test_members_that_may_not_be_counted_are_some(left: World) -> None:
    left.api.fail(method="GET", path_contains="/services", status=403, times=100)
    assert shown(left) == ["app: None, its document is gone"]
    left.api.heal()


def test_sets_of_other_tools_are_not_shown(world: World) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "towline-app",
            "labels": {"applyset.kubernetes.io/id": "applyset-x-v1"},
            "annotations": {"applyset.kubernetes.io/tooling": "kubectl/v1.37"},
        },
    }
    world.by_hand("POST", "/api/v1/namespaces/towline-system/configmaps", body)
    assert shown(world) == []


# Two clusters --------------------------------------------------------------------------------


@pytest.fixture
def two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clusters: Clusters
) -> Iterator[tuple[World, World]]:
    """Two worlds of two clusters; the first knows both, as `sandbox` and `second`."""
    with clusters() as one, clusters() as other:
        (tmp_path / "second").mkdir()
        second = World(tmp_path / "second", other, monkeypatch)
        first = World(tmp_path, one, monkeypatch)
        monkeypatch.setenv("KUBECONFIG", _both(tmp_path))
        yield first, second


def _both(folder: Path) -> str:
    """A kubeconfig in which the second cluster has a name of its own, and the first has two."""
    import yaml

    merged = yaml.safe_load((folder / "kubeconfig").read_text())
    (context,) = merged["contexts"]
    merged["contexts"].append({**context, "name": "alias"})
    for kind in ("clusters", "users", "contexts"):
        other = yaml.safe_load((folder / "second" / "kubeconfig").read_text())[kind][0]
        merged[kind].append({**other, "name": "second"})
    merged["contexts"][-1]["context"] = {"cluster": "second", "user": "second"}
    path = folder / "both"
    path.write_text(yaml.safe_dump(merged))
    return str(path)


def _moved(world: World, cluster: str) -> str:
    return world.application("app").replace("cluster: sandbox", f"cluster: {cluster}")


def test_a_changed_destination_leaves_its_set_behind(two: tuple[World, World]) -> None:
    first, second = two
    first.applications(first.application("app"))
    first.commit({"a.yaml": config_map("a")})
    first.run("app")
    first.applications(_moved(first, "second"))
    assert first.run("app").counts == {"created": 1}
    if first.cluster.identity() == second.services.cluster("sandbox").identity():
        pytest.skip("both are parts of one real server")
    assert shown(first) == ["app: 1, its document deploys to second now"]
    assert survey(first, "second") == ()
    assert prune(first).counts == {"deleted": 2}
    assert (first.data("a"), second.data("a")) == (None, {"key": "1"})
    with pytest.raises(PermanentError, match="a document that deploys to second"):
        abandoned.prune_plan("app", "second", first.services)


def test_another_name_of_the_same_cluster_abandons_nothing(two: tuple[World, World]) -> None:
    first, _ = two
    first.applications(first.application("app"))
    first.commit({"a.yaml": config_map("a")})
    first.run("app")
    first.applications(_moved(first, "alias"))
    assert shown(first) == []
    with pytest.raises(PermanentError, match="deploys to alias, which may be sandbox"):
        plan(first)


def test_where_it_cannot_be_told_nothing_is_called_abandoned(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    world.applications(_moved(world, "unknown-context"))
    assert shown(world) == []
    with pytest.raises(PermanentError, match="which may be sandbox"):
        plan(world)
