"""Corners of the API that decide over somebody's objects: each of these was wrong once, or is easy
to get wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engine.world import World, config_map, tally
from towline.core.objects import GroupKind
from towline.core.outcome import Status, Trigger, TriggerKind
from towline.core.record import run_record
from towline.sandbox.kubernetes import discovery

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: s%s}\nspec: {ports: [{port: 80}]}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: k}\nstringData: {key: %s}\n"
BUDGET = (
    "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: p}\n"
    "spec: {minAvailable: 1, selector: {}}\n"
)
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com, annotations: {%s}}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
"""
VERSION = """
  - name: %s
    served: true
    storage: %s
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
WIDGET = "apiVersion: example.com/%s\nkind: Widget\nmetadata: {name: w}\nspec: {size: 1}\n"
DEFINED = DEFINITION + VERSION % ("v1", "true")
WIDGETS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com"
MAPS = "/api/v1/namespaces/shop/configmaps"
PARENTS = "/api/v1/namespaces/towline-system/configmaps"


def _kinds(world: World, name: str = "app") -> set[GroupKind]:
    return set(world.services.inventory("sandbox").read(name).group_kinds)


# Inventories ---------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["one", "two", "later"])
def test_no_application_applies_or_deletes_an_inventory(world: World, whose: str) -> None:
    """The field manager is the same: an apply would wipe what is noted there."""
    forged = config_map(
        f"towline-{whose}", namespace="towline-system", annotations="towline.dev/application: later"
    )
    world.applications(world.application("one", "one"), world.application("two", "two"))
    world.commit({"one/a.yaml": config_map("a"), "two/z.yaml": config_map("z")})
    world.converge("one", "two")
    before = world.live("ConfigMap", f"towline-{whose}", namespace="towline-system")
    world.commit({"one/p.yaml": forged})
    outcome = world.run("one")
    assert tally(outcome) == f"failed ConfigMap/towline-system/towline-{whose}"
    assert "leave it out of Git" in outcome.message
    world.commit({"one/p.yaml": None})
    world.converge("one", "two")
    after = world.live("ConfigMap", f"towline-{whose}", namespace="towline-system")
    assert (before is None) == (after is None)
    assert world.run("two").error == ""


def test_a_neighbours_spoiled_inventory_holds_up_nobody_else(world: World) -> None:
    world.applications(world.application("one", "one"), world.application("two", "two"))
    files = {"one/x.yaml": config_map("x"), "one/w.yaml": config_map("w")}
    world.commit({**files, "two/z.yaml": config_map("z")})
    world.converge("one", "two")
    spoiled = {"metadata": {"annotations": {"applyset.kubernetes.io/tooling": "other/v1"}}}
    world.by_hand("PATCH", f"{PARENTS}/towline-one", spoiled)
    world.commit({"one/x.yaml": None, "two/x.yaml": config_map("x")})
    assert tally(world.run("two")) == "updated ConfigMap/shop/x"
    assert world.owner("x") == "two"


def test_a_lost_inventory_is_rebuilt_though_an_object_fails(world: World) -> None:
    world.applications(world.application("app"))
    bad = config_map("bad", namespace="nowhere")
    world.commit({"a.yaml": config_map("a"), "s.yaml": SERVICE % ""})
    world.run("app")
    world.by_hand("DELETE", f"{PARENTS}/towline-app")
    world.commit({"bad.yaml": bad})
    world.run("app")
    assert _kinds(world) == {GroupKind("", "ConfigMap"), GroupKind("", "Service")}


def test_a_failure_that_is_known_beforehand_writes_nothing_again(world: World) -> None:
    """Nothing is pruned then, so that the deletions that wait are no reason to claim."""
    world.applications(world.application("one", "one"), world.application("two", "two"))
    world.commit({"one/x.yaml": config_map("x"), "two/z.yaml": config_map("z")})
    world.converge("one", "two")
    world.commit({"two/x.yaml": config_map("x"), "two/z.yaml": None})
    world.converge("one", "two", rounds=2)
    assert tally(world.run("two")) == "failed ConfigMap/shop/x\nskipped ConfigMap/shop/z"


# Members that stay ---------------------------------------------------------------------------


def test_what_a_controller_held_is_found_when_it_lets_go(world: World) -> None:
    path = "/api/v1/namespaces/shop/services/s"
    world.applications(world.application("app"))
    world.commit({"x.yaml": config_map("x"), "s.yaml": SERVICE % ""})
    world.run("app")
    world.by_hand("PATCH", path, {"metadata": {"ownerReferences": [world.controller()]}})
    world.commit({"s.yaml": None})
    world.converge("app")
    world.by_hand("PATCH", path, {"metadata": {"ownerReferences": None}})
    assert tally(world.run("app")) == "deleted Service/shop/s"


def test_what_lingers_is_shown_until_it_is_gone(world: World) -> None:
    world.applications(world.application("app"))
    held = SERVICE % ", finalizers: [example.com/wait]"
    world.commit({"x.yaml": config_map("x"), "s.yaml": held})
    world.run("app")
    world.commit({"s.yaml": None})
    assert "not gone yet" in world.run("app").results[1].message
    world.converge("app")
    assert "waits for example.com/wait" in world.run("app").results[1].message
    path = "/api/v1/namespaces/shop/services/s"
    world.by_hand("PATCH", path, {"metadata": {"finalizers": None}})
    world.converge("app")
    assert _kinds(world) == {GroupKind("", "ConfigMap")}


def test_waves_are_pruned_in_reverse(world: World) -> None:
    world.applications(world.application("app"))
    waves = {"a": 5, "b": 0, "c": -5}
    files = {
        f"{name}.yaml": config_map(name, annotations=f"towline.dev/wave: '{wave}'")
        for name, wave in waves.items()
    }
    world.commit({**files, "z.yaml": config_map("z")})
    world.run("app")
    world.commit(dict.fromkeys(files, None))
    with world.writes() as writes:
        world.run("app")
    deleted = [write[-1] for write in writes if write.startswith("DELETE")]
    assert deleted == ["a", "b", "c"]


def test_a_replaced_object_with_a_finalizer_is_created_once_it_is_gone(world: World) -> None:
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, finalizers: [example.com/x], "
        "annotations: {towline.dev/recreate: enabled}}\nimmutable: true\ndata: {key: '%s'}\n"
    )
    world.applications(world.application("app"))
    world.commit({"a.yaml": text % 1, "b.yaml": config_map("b")})
    world.run("app")
    world.commit({"a.yaml": text % 2, "b.yaml": None})
    for _ in range(2):
        assert tally(world.run("app")) == "failed ConfigMap/shop/a\nskipped ConfigMap/shop/b"
    world.by_hand("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": None}})
    assert tally(world.run("app")) == "created ConfigMap/shop/a\ndeleted ConfigMap/shop/b"
    world.converge("app")


def test_another_destination_namespace_moves_the_objects(world: World) -> None:
    world.make_namespace("quay")
    document = world.application("app")
    world.applications(document)
    world.commit({"a.yaml": config_map("a")})
    world.run("app")
    world.applications(document.replace("namespace: shop", "namespace: quay"))
    assert tally(world.run("app")) == "created ConfigMap/quay/a\ndeleted ConfigMap/shop/a"
    world.converge("app")
    assert world.services.inventory("sandbox").read("app").namespaces == {"quay"}


def test_what_waits_for_consent_is_not_called_drift(world: World) -> None:
    world.applications(world.application("app", sync="selfHeal: false"))
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: q}\n"
    world.commit({"q.yaml": namespace, "a.yaml": config_map("a")})
    world.run("app")
    world.commit({"q.yaml": None})
    assert [world.run("app").status for _ in range(3)] == [Status.HELD] * 3


# Definitions and API groups ------------------------------------------------------------------


@pytest.mark.usefixtures("by_itself")
def test_a_definition_goes_after_its_objects(world: World) -> None:
    world.applications(world.application("app"))
    definition = DEFINED % "towline.dev/prune: enabled"
    world.commit({"d.yaml": definition, "w.yaml": WIDGET % "v1", "a.yaml": config_map("a")})
    world.run("app")
    world.converge("app")
    world.commit({"d.yaml": None, "w.yaml": None})
    assert tally(world.run("app")).splitlines() == [
        "deleted Widget/shop/w",
        "deleted CustomResourceDefinition/widgets.example.com",
    ]
    world.wait_until_gone(WIDGETS)
    world.converge("app")
    assert _kinds(world) == {GroupKind("", "ConfigMap")}


@pytest.mark.usefixtures("by_itself")
def test_a_definition_without_consent_stays_while_its_objects_go(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"d.yaml": DEFINED % "", "w.yaml": WIDGET % "v1", "a.yaml": config_map("a")})
    world.run("app")
    world.commit({"d.yaml": None, "w.yaml": None})
    assert tally(world.run("app")).splitlines() == [
        "deleted Widget/shop/w",
        "skipped CustomResourceDefinition/widgets.example.com",
    ]
    world.converge("app")


@pytest.mark.usefixtures("by_itself")
def test_a_version_that_came_later_is_seen(world: World) -> None:
    """What discovery does not know is applied blindly: again and again, and whoever owns it."""
    both = DEFINED % "" + VERSION % ("v2", "false")
    world.applications(world.application("app"))
    world.commit({"d.yaml": DEFINED % "", "w.yaml": WIDGET % "v1"})
    world.run("app")
    world.commit({"d.yaml": both, "w.yaml": WIDGET % "v2"})
    assert world.run("app").failures == ()
    world.converge("app", rounds=2)


@pytest.mark.usefixtures("by_itself")
def test_a_definition_that_somebody_deleted_does_not_end_the_run(world: World) -> None:
    """The cluster is still remembered with the kind when its members are listed."""
    world.applications(world.application("defs", "defs"), world.application("app", "app"))
    widget = {"app/w.yaml": WIDGET % "v1", "app/a.yaml": config_map("a")}
    world.commit({"defs/d.yaml": DEFINED % "", **widget})
    world.converge("defs", "app")
    world.by_hand("DELETE", WIDGETS)
    world.wait_until_gone(WIDGETS)
    world.commit({"app/w.yaml": None, "app/a.yaml": config_map("a", "2")})
    assert tally(world.run("app")) == "updated ConfigMap/shop/a"
    world.converge("app")


@pytest.mark.parametrize("clusters", ["sandbox"], indirect=True)
def test_an_api_group_that_does_not_answer_holds_up_only_its_own_objects(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.applications(world.application("app", "app"), world.application("new", "new"))
    world.commit({"app/a.yaml": config_map("a"), "app/p.yaml": BUDGET})
    world.run("app")
    truth = discovery.aggregated

    def stale(kinds: Any, *, core: bool) -> Any:
        found = truth(kinds, core=core)
        for item in found["items"]:
            for version in item["versions"]:
                if item["metadata"].get("name") == "policy":
                    version["freshness"] = "Stale"
        return found

    with monkeypatch.context() as patch:
        patch.setattr("towline.sandbox.kubernetes.routes.discovery.aggregated", stale)
        world.api.fail(path_contains="/apis/policy", status=503, times=1000)
        world.cluster.resources(fresh=True)
        world.commit({"app/a.yaml": config_map("a", "2"), "new/n.yaml": config_map("other")})
        outcome = world.run("app")
        assert tally(outcome).startswith("updated ConfigMap/shop/a\nfailed PodDisruptionBudget")
        assert "does not answer just now" in outcome.message
        assert tally(world.run("new")) == "created ConfigMap/shop/other"
        world.commit({"app/p.yaml": None})
        assert tally(world.run("app")) == ""
        assert GroupKind("policy", "PodDisruptionBudget") in _kinds(world)
    world.api.heal()
    world.cluster.resources(fresh=True)
    assert tally(world.run("app")) == "deleted PodDisruptionBudget/shop/p"


# Rights and refusals -------------------------------------------------------------------------


def test_what_may_not_be_read_fails_alone(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "k.yaml": SECRET % "v"})
    world.api.fail(method="GET", path_contains="secrets", status=403, times=1000)
    assert tally(world.run("app")) == "failed Secret/shop/k\ncreated ConfigMap/shop/a"


def test_rights_that_are_limited_to_namespaces_suffice(world: World) -> None:
    world.make_namespace("quay")
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b", namespace="quay")})
    world.run("app")
    world.api.fail(method="GET", path_contains="/api/v1/configmaps", status=403, times=1000)
    world.commit({"b.yaml": None})
    assert tally(world.run("app")) == "deleted ConfigMap/quay/b"


def test_a_namespace_that_is_gone_takes_its_rights_with_it(world: World) -> None:
    """It holds nothing any more: that it may not be listed is no reason to stop."""
    path = "/api/v1/namespaces/quay"
    world.make_namespace("quay")
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b", namespace="quay")})
    world.run("app")
    world.by_hand("DELETE", path)
    world.wait_until_gone(path)
    for place in ("/api/v1/configmaps", f"{path}/configmaps"):
        world.api.fail(method="GET", path_contains=place, status=403, times=1000)
    world.commit({"b.yaml": None})
    assert tally(world.run("app")) == ""
    world.converge("app")
    assert world.services.inventory("sandbox").read("app").namespaces == {"shop"}


@pytest.mark.parametrize("status", [403, 404, 409, 413, 422])
def test_what_the_server_refuses_fails_alone_and_nothing_is_pruned(
    world: World, status: int
) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    world.commit({"a.yaml": config_map("a", "2"), "b.yaml": None, "c.yaml": config_map("c")})
    world.api.fail(method="PATCH", path_contains="configmaps/a", status=status, times=9)
    assert tally(world.run("app")).splitlines() == [
        "failed ConfigMap/shop/a",
        "created ConfigMap/shop/c",
        "skipped ConfigMap/shop/b",
    ]
    world.api.heal()
    assert tally(world.run("app")) == "updated ConfigMap/shop/a\ndeleted ConfigMap/shop/b"
    world.converge("app")


def test_an_object_over_the_limit_fails_alone(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"big.yaml": config_map("big", "x" * 1_500_000), "a.yaml": config_map("a")})
    outcome = world.run("app")
    assert tally(outcome) == "created ConfigMap/shop/a\nfailed ConfigMap/shop/big"
    assert "xxx" not in outcome.message


# Names, and what is shown --------------------------------------------------------------------


def test_names_with_dots_and_colons_and_a_namespace_too_many(world: World) -> None:
    role = (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n"
        "metadata: {name: 'system:x.y', namespace: nowhere, labels: null}\nrules: []\n"
    )
    world.applications(world.application("app"))
    world.commit({"r.yaml": role, "a.yaml": config_map("a.b.c")})
    assert tally(world.run("app")) == "created ClusterRole/system:x.y\ncreated ConfigMap/shop/a.b.c"
    world.converge("app")
    world.commit({"r.yaml": None})
    assert tally(world.run("app")) == "deleted ClusterRole/system:x.y"


def test_no_value_of_a_secret_is_recorded(world: World) -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "hush0"}
    body = {"metadata": {"name": "k", "annotations": applied}, "data": {"key": "aHVzaDE="}}
    world.by_hand("POST", "/api/v1/namespaces/shop/secrets", body)
    world.applications(world.application("app", sync="allowEmpty: true"))
    outcomes = []
    for text in (SECRET % "hush2", SECRET % "hush3", None):
        world.commit({"k.yaml": text, "README.md": ""})
        outcomes.append(world.run("app"))
    trigger = Trigger(TriggerKind.SYNC)
    records = [run_record(o, run="1", trigger=trigger, started=0, ended=1) for o in outcomes]
    assert [record["counts"] for record in records] == [
        {"updated": 1},
        {"updated": 1},
        {"deleted": 1},
    ]
    text = json.dumps(records)
    assert not [word for word in ("hush", "aHVz") if word in text]


def test_one_change_among_many_costs_what_it_touches(world: World) -> None:
    texts = [config_map(f"c{number:03}") for number in range(300)]
    world.applications(world.application("app"))
    world.commit({"all.yaml": "\n---".join(texts)})
    world.run("app")
    texts[7] = config_map("c007", "2")
    world.commit({"all.yaml": "\n---".join(texts)})
    before = len(world.api.requests)
    assert tally(world.run("app")) == "updated ConfigMap/shop/c007"
    made = [
        f"{request.method} {request.path.rpartition('/')[2]} {request.query.get('dryRun', '')}"
        for request in list(world.api.requests)[before:]
        if "continue" not in request.query  # a shared server has more pages, of other tests
    ]
    assert made == [
        "GET towline-app ",
        "GET configmaps ",
        "PATCH c007 All",
        "PATCH towline-app ",
        "PATCH c007 ",
        "PATCH towline-app ",
    ]


def test_two_names_of_one_cluster_are_one_cluster(world: World) -> None:
    """A file moved to an application whose destination names the cluster otherwise."""
    kubeconfig = world.folder / "kubeconfig"
    config = json.loads(kubeconfig.read_text(encoding="utf-8"))
    context = dict(config["contexts"][0], name="alias")
    config["contexts"].append(context)
    kubeconfig.write_text(json.dumps(config), encoding="utf-8")
    two = world.application("two", "two").replace("cluster: sandbox", "cluster: alias")
    world.applications(world.application("one", "one"), two)
    files = {f"one/{name}.yaml": config_map(name) for name in "xz"}
    world.commit({**files, "two/README.md": ""})
    world.run("one")
    world.commit({"one/x.yaml": None, "two/x.yaml": config_map("x")})
    assert "skipped ConfigMap/shop/x" in tally(world.run("one"))
    assert world.run("two").results[0].message == "taken over from one"
    world.converge("one", "two")
    assert world.owner("x") == "two"
