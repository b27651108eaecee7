"""What stands between a commit and a mistake: limits, consent, approval, suspension."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.engine.test_stages import door, open_door
from tests.engine.world import World, config_map, tally
from towline.core.outcome import Status

PROTECTED = "apiVersion: v1\nkind: Namespace\nmetadata: {name: quay%s}\n"


def test_an_empty_revision_prunes_nothing_until_someone_says_so(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    world.commit({"a.yaml": None, "b.yaml": None, "README.md": "empty"})
    with world.writes() as writes:
        outcome = world.run("app")
    assert outcome.status is Status.HELD
    assert "the revision is empty" in outcome.message
    assert writes == []
    _approve(world, "app", world.plan("app").digest)
    assert tally(world.run("app")) == "deleted ConfigMap/shop/b\ndeleted ConfigMap/shop/a"


def test_allow_empty_says_so_once_for_all(world: World) -> None:
    world.applications(world.application("app", sync="allowEmpty: true"))
    world.commit({"a.yaml": config_map("a"), "README.md": ""})
    world.run("app")
    world.commit({"a.yaml": None})
    assert tally(world.run("app")) == "deleted ConfigMap/shop/a"


def test_more_deletions_than_the_limit_wait_while_the_rest_is_applied(world: World) -> None:
    world.applications(world.application("app", sync="maxPrune: 10%"))
    world.commit({f"{n}.yaml": config_map(f"c{n:02}") for n in range(20)})
    world.run("app")
    removed: dict[str, str | None] = {f"{n}.yaml": None for n in range(6)}
    world.commit({**removed, "19.yaml": config_map("c19", "2")})
    outcome = world.run("app")
    assert outcome.status is Status.HELD
    assert "6 of 20 objects would be pruned, maxPrune allows 5" in outcome.message
    assert outcome.counts == {"unchanged": 13, "updated": 1, "skipped": 6}
    _approve(world, "app", world.plan("app").digest)
    assert world.run("app").counts == {"unchanged": 14, "deleted": 6}


def test_an_approval_is_bound_to_its_plan(world: World) -> None:
    world.applications(world.application("app", sync="automatic: false"))
    world.commit({"a.yaml": config_map("a")})
    assert world.run("app").status is Status.HELD
    digest = world.plan("app").digest
    world.commit({"a.yaml": config_map("a", "2")})
    _approve(world, "app", digest)
    with world.writes() as writes:
        assert world.run("app").status is Status.HELD
    assert writes == []
    _approve(world, "app", world.plan("app").digest)
    assert tally(world.run("app")) == "created ConfigMap/shop/a"
    world.commit({"a.yaml": config_map("a", "3")})
    assert world.run("app").status is Status.HELD


def test_a_suspended_application_is_looked_at_and_not_written(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    inventory = world.services.inventory("sandbox")
    inventory.write(replace(inventory.read("app"), suspended="alice"))
    world.commit({"a.yaml": config_map("a", "2")})
    with world.writes() as writes:
        outcome = world.run("app")
    assert outcome.status is Status.SUSPENDED
    assert outcome.message == "suspended by alice"
    assert outcome.plan is not None
    assert [change.action for change in outcome.plan.changes] == ["update"]
    assert writes == []
    inventory.write(replace(inventory.read("app"), suspended=None))
    assert tally(world.run("app")) == "updated ConfigMap/shop/a"


def test_without_self_heal_drift_is_shown_and_a_new_revision_heals_it(world: World) -> None:
    world.applications(world.application("app", sync="selfHeal: false"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    path = "/api/v1/namespaces/shop/configmaps/a"
    world.by_hand("PATCH", path, {"data": {"key": "drifted"}})
    with world.writes() as writes:
        assert world.run("app").status is Status.DRIFTED
    assert writes == []
    assert tally(world.run("app", requested=True)) == "updated ConfigMap/shop/a"
    world.by_hand("PATCH", path, {"data": {"key": "drifted"}})
    world.commit({"b.yaml": config_map("b", "2")})
    assert tally(world.run("app")) == "updated ConfigMap/shop/a\nupdated ConfigMap/shop/b"


def test_a_namespace_goes_only_with_consent_written_in_git(world: World) -> None:
    enabled = ", annotations: {towline.dev/prune: enabled}"
    world.applications(world.application("app"))
    files = {"keep.yaml": PROTECTED % "1", "go.yaml": PROTECTED % "2", "a.yaml": config_map("a")}
    files["go.yaml"] = files["go.yaml"].replace("quay2", f"quay2{enabled}")
    world.commit(files)
    world.run("app")
    world.by_hand(
        "PATCH",
        "/api/v1/namespaces/quay1",
        {"metadata": {"annotations": {"towline.dev/prune": "enabled"}}},
    )
    world.commit({"keep.yaml": None, "go.yaml": None})
    outcome = world.run("app")
    assert tally(outcome).splitlines() == ["deleted Namespace/quay2", "skipped Namespace/quay1"]
    assert outcome.status is Status.HELD
    assert "a Namespace takes others with it" in outcome.message
    world.wait_until_gone("/api/v1/namespaces/quay2")
    world.converge("app")
    _approve(world, "app", world.plan("app").digest)
    assert tally(world.run("app")) == "deleted Namespace/quay1"


def test_reconcile_disabled_in_git_leaves_an_object_alone(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    disabled = config_map("a", "2", annotations="towline.dev/reconcile: disabled")
    world.commit({"a.yaml": disabled})
    assert tally(world.run("app")) == "skipped ConfigMap/shop/a"
    assert world.data("a") == {"key": "1"}


def test_prune_disabled_keeps_an_object_that_left_git(world: World) -> None:
    world.applications(world.application("app"))
    kept = config_map("a", annotations="towline.dev/prune: disabled")
    world.commit({"a.yaml": kept, "b.yaml": config_map("b")})
    world.run("app")
    world.commit({"a.yaml": None})
    outcome = world.run("app")
    assert tally(outcome) == "skipped ConfigMap/shop/a"
    world.converge("app")


def test_an_immutable_field_is_an_error_unless_recreation_is_enabled(world: World) -> None:
    secret = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {%s}}\n"
        "immutable: true\ndata: {key: '%s'}\n"
    )
    world.applications(world.application("app"))
    world.commit({"a.yaml": secret % ("", "1")})
    world.run("app")
    world.commit({"a.yaml": secret % ("", "2")})
    outcome = world.run("app")
    assert tally(outcome) == "failed ConfigMap/shop/a"
    assert "set towline.dev/recreate: enabled" in outcome.message
    world.commit({"a.yaml": secret % ("towline.dev/recreate: enabled", "2")})
    assert tally(world.run("app")) == "recreated ConfigMap/shop/a"
    assert world.data("a") == {"key": "2"}


def test_an_invalid_value_has_nothing_recreated_whatever_it_is_called(world: World) -> None:
    service = (
        "apiVersion: v1\nkind: Service\n"
        "metadata: {name: immutable-web, annotations: {towline.dev/recreate: enabled%s}}\n"
        "spec: {ports: [{name: may-not-change, port: %s}]}\n"
    )
    world.applications(world.application("app"))
    world.commit({"s.yaml": service % ("", 80)})
    world.run("app")
    before = world.live("Service", "immutable-web")
    for wrong in (("", 70000), ("}, labels: {a: field is immutable", 80)):
        world.commit({"s.yaml": service % wrong})
        with world.writes() as writes:
            outcome = world.run("app")
        assert tally(outcome) == "failed Service/shop/immutable-web"
        assert [write for write in writes if write.startswith("DELETE")] == []
    assert before is not None
    after = world.live("Service", "immutable-web")
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


def test_an_object_that_waits_for_a_finalizer_is_said_so(world: World) -> None:
    held = config_map("a").replace("name: a", "name: a, finalizers: [example.com/wait]")
    world.applications(world.application("app"))
    world.commit({"a.yaml": held, "b.yaml": config_map("b")})
    world.run("app")
    world.commit({"a.yaml": None})
    world.run("app")
    outcome = world.run("app")
    assert tally(outcome) == "skipped ConfigMap/shop/a"
    assert "waits for example.com/wait" in outcome.results[0].message
    world.commit({"a.yaml": held})
    assert "waits for example.com/wait" in world.run("app").message


def _approve(world: World, name: str, digest: str) -> None:
    inventory = world.services.inventory("sandbox")
    inventory.write(replace(inventory.read(name), approved=digest))


def test_what_would_go_with_an_object_is_counted(world: World) -> None:
    """Who is asked for consent sees what is at stake, and so does who gave it in Git."""
    enabled = "annotations: {towline.dev/prune: enabled}"
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: quay, %s}\n"
    world.applications(world.application("app"))
    world.commit({"n.yaml": space % "annotations: {}", "a.yaml": config_map("a")})
    world.run("app")
    for name in ("one", "two"):
        body = {"metadata": {"name": name, "namespace": "quay"}}
        world.by_hand("POST", "/api/v1/namespaces/quay/secrets", body)
    kept = (world.source / "n.yaml").read_text()
    world.commit({"n.yaml": None})
    outcome = world.run("app")
    assert "with it go " in outcome.message
    assert "2 Secret" in outcome.message
    world.commit({"n.yaml": kept.replace("annotations: {}", enabled)})
    world.run("app")
    world.commit({"n.yaml": None})
    outcome = world.run("app")
    (deleted,) = [r for r in outcome.results if r.kind == "deleted"]
    assert deleted.message.startswith("not in Git; with it go ")


def _goes_with_a_namespace(world: World) -> str:
    """What is said of a namespace with two ConfigMaps that left Git."""
    message = world.run("app").message
    return message.partition("with it go ")[2].partition(". If")[0]


def _namespace_that_left_git(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"n.yaml": PROTECTED % "", "a.yaml": config_map("a")})
    world.run("app")
    for name in ("one", "two"):
        body = {"metadata": {"name": name, "namespace": "quay"}}
        world.by_hand("POST", "/api/v1/namespaces/quay/configmaps", body)
    world.commit({"n.yaml": None, "a.yaml": config_map("a", "2")})


def test_what_may_not_be_counted_is_named(world: World) -> None:
    _namespace_that_left_git(world)
    world.api.fail(path_contains="namespaces/quay/secrets", status=403, times=9)
    world.api.fail(path_contains="namespaces/quay/leases", status=403, times=9)
    said = _goes_with_a_namespace(world)
    assert " ConfigMap, " in said
    assert said.endswith(", and what may not be counted (Lease.coordination.k8s.io, Secret)")


def test_of_much_that_may_not_be_counted_three_are_named(world: World) -> None:
    _namespace_that_left_git(world)
    world.api.fail(path_contains="namespaces/quay/", status=403, times=900)
    said = _goes_with_a_namespace(world)
    assert re.fullmatch(r"what may not be counted \((\S+, ){2}\S+ and \d+ more kinds\)", said), said


def test_a_kind_whose_server_is_away_ends_no_run(world: World) -> None:
    _namespace_that_left_git(world)
    world.api.fail(path_contains="namespaces/quay/leases", status=503, times=9)
    said = _goes_with_a_namespace(world)
    assert said.endswith(", and what may not be counted (Lease.coordination.k8s.io)")
    assert world.data("a") == {"key": "2"}


def test_a_definition_takes_its_custom_resources(world: World) -> None:
    definition = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: floods.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Flood, plural: floods, singular: flood}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""
    world.applications(world.application("app"))
    world.commit({"d.yaml": definition, "a.yaml": config_map("a")})
    world.run("app")
    body = {"apiVersion": "example.com/v1", "kind": "Flood", "metadata": {"name": "low"}}
    world.by_hand("POST", "/apis/example.com/v1/namespaces/shop/floods", body)
    world.commit({"d.yaml": None})
    assert "with it go 1 Flood.example.com" in world.run("app").message


# One word for a whole plan -------------------------------------------------------------------


def test_an_approval_holds_until_all_stages_are_done(world: World) -> None:
    world.applications(world.application("app", sync="automatic: false"))
    later = config_map("a", annotations='towline.dev/wave: "1"')
    world.commit({"door.yaml": door(), "a.yaml": later})
    _approve(world, "app", world.plan("app").digest)
    assert world.run("app").status is Status.WAITING
    open_door(world)
    outcome = world.run("app")
    assert (tally(outcome), outcome.status) == ("created ConfigMap/shop/a", Status.SYNCED)
    world.by_hand("DELETE", "/api/v1/namespaces/shop/configmaps/a")
    assert world.run("app").status is Status.HELD


def test_an_approval_is_used_up_by_what_was_done(world: World) -> None:
    """Another object of the plan fails: what was made and then deleted needs a new word."""
    world.applications(world.application("app", sync="automatic: false"))
    lost = config_map("lost", namespace="nowhere")
    world.commit({"a.yaml": config_map("a"), "lost.yaml": lost})
    _approve(world, "app", world.plan("app").digest)
    assert "created ConfigMap/shop/a" in tally(world.run("app"))
    world.by_hand("DELETE", "/api/v1/namespaces/shop/configmaps/a")
    assert world.run("app").status is Status.HELD
    assert world.data("a") is None


def test_an_approved_replacement_is_finished_whatever_happens_in_between(world: World) -> None:
    text = """
apiVersion: v1
kind: ConfigMap
metadata: {name: c, annotations: {towline.dev/recreate: enabled}}
immutable: true
data: {k: "%d"}
"""
    world.applications(world.application("app", sync="automatic: false"))
    world.commit({"c.yaml": text % 1})
    _approve(world, "app", world.plan("app").digest)
    world.run("app")
    path = "/api/v1/namespaces/shop/configmaps/c"
    world.by_hand("PATCH", path, {"metadata": {"finalizers": ["example.com/hold"]}})
    world.commit({"c.yaml": text % 2})
    _approve(world, "app", world.plan("app").digest)
    assert "being deleted" in world.run("app").message
    world.by_hand("PATCH", path, {"metadata": {"finalizers": None}})
    assert tally(world.run("app")) == "created ConfigMap/shop/c"
    assert world.data("c") == {"k": "2"}


def test_a_hold_on_pruning_hides_no_waiting(world: World) -> None:
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: quay1}\n"
    world.applications(world.application("app"))
    world.commit({"n.yaml": space, "b.yaml": config_map("b")})
    world.run("app")
    later = config_map("a", annotations='towline.dev/wave: "1"')
    world.commit({"n.yaml": None, "door.yaml": door(), "a.yaml": later})
    outcome = world.run("app")
    assert (outcome.status, outcome.pending) == (Status.WAITING, True)
    assert "a Namespace takes others with it" in outcome.message
    assert "waits for Service/shop/door" in outcome.message
    open_door(world)
    assert world.run("app").status is Status.HELD
    assert world.data("a") == {"key": "1"}


def test_without_self_heal_going_back_is_a_change(world: World) -> None:
    """The revision in between was never finished: the rollback is what must not get stuck."""
    world.applications(world.application("app", sync="selfHeal: false"))
    world.commit({"x.yaml": config_map("x")})
    world.run("app")
    lost = config_map("lost", namespace="nowhere")
    world.commit({"x.yaml": config_map("x", "2"), "lost.yaml": lost})
    world.run("app")
    world.git("revert", "--no-edit", "HEAD")
    assert world.run("app").status is Status.SYNCED
    assert world.data("x") == {"key": "1"}
