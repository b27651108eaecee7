"""What a run would do to each object, and what keeps it from doing so."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.plans import (
    OTHER,
    PARENT,
    PRUNE,
    RECONCILE,
    RECREATE,
    REVISION,
    actions,
    application,
    changed,
    desired,
    key,
    live,
    resource_of,
    shown,
    snapshot,
    tree,
    wanted,
    with_metadata,
)
from towline.core.desired import Desired
from towline.core.errors import Place
from towline.core.health import Assessment, Health
from towline.core.inventory import MEMBER_ID, PART_OF, TOOLING, Parent, why_not_ours
from towline.core.manifest import Manifest
from towline.core.objects import GroupKind, Object, ObjectKey
from towline.core.ordering import Stage
from towline.core.plan import (
    Action,
    Change,
    Elsewhere,
    Hold,
    HoldScope,
    Plan,
    Refusal,
    Revision,
    Snapshot,
)
from towline.core.planning import make_plan
from towline.core.takeover import Takeover
from towline.core.verdicts import same

A = key()
IMMUTABLE = Refusal("data: field is immutable when `immutable` is set", immutable=True)
FORBIDDEN = Refusal("quota exceeded")
MOVED = Revision("branch main", "d" * 40, "render-3")
APPLIED = replace(PARENT, applied=REVISION.digest)


def many(count: int, kind: str = "ConfigMap") -> list[Object]:
    return [live(kind, f"m{number:03}") for number in range(count)]


def holds(given: Snapshot) -> list[tuple[str, str]]:
    return [(hold.scope.value, hold.kind) for hold in make_plan(given).holds]


def only(plan: Plan) -> Change:
    assert len(plan.changes) == 1, tree(plan)
    return plan.changes[0]


# Creating, updating, keeping -----------------------------------------------------------------


def test_nothing_wanted_and_nothing_there_is_an_empty_plan() -> None:
    plan = make_plan(snapshot())
    assert tree(plan) == ""
    assert plan.writes == plan.permitted == ()
    assert plan.holds == ()


def test_what_is_missing_is_created() -> None:
    assert shown(snapshot([wanted()])) == "apply rest\n  create ConfigMap/shop/a"


def test_what_holds_every_field_already_is_kept() -> None:
    assert shown(snapshot([wanted()], [live()])) == "apply rest\n  keep ConfigMap/shop/a"


def test_what_the_server_would_change_is_updated() -> None:
    there = live()
    given = snapshot([wanted()], [there], predicted={A: changed(there, data={"k": "v"})})
    assert shown(given) == "apply rest\n  update ConfigMap/shop/a"
    assert only(make_plan(given)).predicted == changed(there, data={"k": "v"})


def test_what_the_server_would_not_change_is_kept() -> None:
    there = live()
    given = snapshot([wanted()], [there], predicted={A: changed(there)})
    assert shown(given) == "apply rest\n  keep ConfigMap/shop/a"


def test_the_change_carries_manifest_resource_live_object_and_place() -> None:
    there = live()
    change = only(make_plan(snapshot([wanted()], [there])))
    assert change.live is there
    assert change.resource == resource_of("ConfigMap")
    assert change.place == Place("app.yaml", 1)
    assert change.uid == "uid-a"


def test_what_is_created_has_no_uid_and_what_is_pruned_no_place() -> None:
    created = only(make_plan(snapshot([wanted()])))
    pruned = only(make_plan(snapshot(there=[live()], sync={"allowEmpty": True})))
    assert created.uid == ""
    assert pruned.place is None
    assert pruned.manifest is None


def test_a_manager_that_loses_fields_is_named_with_them() -> None:
    there = live()
    entry = {
        "manager": "kubectl",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsV1": {"f:data": {"f:k": {}}},
    }
    mine = there["metadata"]["managedFields"][0]
    before = with_metadata(there, managedFields=[mine, entry])
    taken = {**mine, "fieldsV1": {**mine["fieldsV1"], "f:data": {"f:k": {}}}}
    after = changed(with_metadata(there, managedFields=[taken]), data={"k": "v"})
    assert shown(snapshot([wanted()], [before], predicted={A: after})) == (
        "apply rest\n  update ConfigMap/shop/a [kubectl loses data.k]"
    )


BOOKKEEPING: list[tuple[str, Callable[[Object], Object], bool]] = [
    ("equal", changed, True),
    ("resourceVersion", lambda b: with_metadata(b, resourceVersion="9"), True),
    ("generation", lambda b: with_metadata(b, generation=9), True),
    ("a label", lambda b: with_metadata(b, labels={"x": "y"}), False),
    ("content", lambda b: changed(b, data={"x": "y"}), False),
    (
        "what others own",
        lambda b: with_metadata(
            b,
            managedFields=[
                *b["metadata"]["managedFields"],
                {"manager": "hpa", "operation": "Update", "apiVersion": "v1", "fieldsV1": {}},
            ],
        ),
        True,
    ),
    (
        "what we own",
        lambda b: with_metadata(
            b,
            managedFields=[{**b["metadata"]["managedFields"][0], "fieldsV1": {"f:data": {}}}],
        ),
        False,
    ),
    (
        "the version we applied in",
        lambda b: with_metadata(
            b, managedFields=[{**b["metadata"]["managedFields"][0], "apiVersion": "v2"}]
        ),
        False,
    ),
    (
        "when we applied",
        lambda b: with_metadata(
            b, managedFields=[{**b["metadata"]["managedFields"][0], "time": "2026-01-01"}]
        ),
        True,
    ),
    ("that we own anything", lambda b: with_metadata(b, managedFields=[]), False),
]


@pytest.mark.parametrize(("what", "edit", "equal"), BOOKKEEPING, ids=[c[0] for c in BOOKKEEPING])
def test_a_dry_run_that_differs_only_in_bookkeeping_changed_nothing(
    what: str, edit: Callable[[Object], Object], equal: bool
) -> None:
    before = live()
    assert same(before, edit(before)) is equal, what


# What cannot be what Git says ----------------------------------------------------------------


def test_a_kind_that_nobody_defines_fails_its_object_and_no_other() -> None:
    given = snapshot([desired(wanted("Widget"), served=False), wanted("ConfigMap", "b")])
    assert shown(given) == (
        "apply rest\n"
        "  create ConfigMap/shop/b\n"
        "  skip Widget/shop/a FAILS: the cluster does not know Widget in example.com/v1, and the "
        "revision does not define it: install its CustomResourceDefinition, or correct apiVersion "
        "and kind"
    )


UNREADABLE = Refusal("the server would not show it: secrets is forbidden")


def test_what_the_server_does_not_show_fails_with_its_words_and_no_other_does() -> None:
    """Nothing is known of it: it may be there already, and may be somebody else's."""
    given = replace(snapshot([wanted(), wanted("ConfigMap", "b")]), unreadable={A: UNREADABLE})
    assert shown(given) == (
        f"apply rest\n  skip ConfigMap/shop/a FAILS: {UNREADABLE.message}\n"
        "  create ConfigMap/shop/b"
    )


def test_the_health_of_what_the_server_does_not_show_is_not_known() -> None:
    given = replace(snapshot([wanted()]), unreadable={A: UNREADABLE})
    assert only(make_plan(given)).health == Assessment(Health.UNKNOWN, UNREADABLE.message)


def test_an_unknown_kind_is_named_before_what_the_server_does_not_show() -> None:
    widget = key("Widget")
    given = snapshot([desired(wanted("Widget"), served=False)])
    given = replace(given, unreadable={widget: UNREADABLE})
    assert "does not know Widget" in only(make_plan(given)).problem


INVENTORY = "it is where the inventory of an application is kept: leave it out of Git"


@pytest.mark.parametrize("there", [[], [live()]])
def test_an_inventory_written_in_git_fails(there: list[Object]) -> None:
    given = snapshot([with_metadata(wanted(), annotations={TOOLING: "towline/v1"})], there)
    assert only(make_plan(given)).problem == INVENTORY


def test_an_object_that_is_an_inventory_on_the_cluster_is_not_overwritten() -> None:
    """Whatever Git says of it: what people approved and suspended is noted there."""
    there = with_metadata(live(of=None), annotations={TOOLING: "towline/v1"})
    given = snapshot([wanted()], [there], predicted={A: changed(live(), data={"k": "v"})})
    change = only(make_plan(given))
    assert (change.action, change.problem) == (Action.SKIP, INVENTORY)


def test_a_kind_of_a_group_that_does_not_answer_is_left_as_it_is() -> None:
    given = snapshot([desired(wanted("Widget"), served=False)], failed_groups=["example.com"])
    assert shown(given) == (
        "apply rest\n  skip Widget/shop/a FAILS: the API group example.com does not answer just "
        "now; the object was left as it is"
    )


def test_another_groups_failure_does_not_excuse_an_unknown_kind() -> None:
    given = snapshot([desired(wanted("Widget"), served=False)], failed_groups=["other.io"])
    assert "does not know Widget" in shown(given)


def test_an_unserved_version_of_a_live_member_fails_and_does_not_prune_it() -> None:
    given = snapshot([desired(wanted("Widget"), served=False)], [live("Widget")])
    assert actions(make_plan(given)) == "skip Widget/shop/a"
    assert only(make_plan(given)).problem


@pytest.mark.parametrize(
    ("finalizers", "waits"),
    [
        (None, "its dependents"),
        ([], "its dependents"),
        (["example.com/lock"], "example.com/lock"),
        (["a/x", "b/y"], "a/x, b/y"),
    ],
)
def test_a_wanted_object_in_deletion_fails_and_says_what_it_waits_for(
    finalizers: list[str] | None, waits: str
) -> None:
    fields: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    if finalizers is not None:
        fields["finalizers"] = finalizers
    assert shown(snapshot([wanted()], [with_metadata(live(), **fields)])) == (
        "apply rest\n  skip ConfigMap/shop/a FAILS: being deleted since 2026-01-01T00:00:00Z, "
        f"waits for {waits}; it will be created after that"
    )


def test_what_the_server_refuses_fails_its_object_with_the_servers_words() -> None:
    given = snapshot(
        [wanted(), wanted("ConfigMap", "b")], [live()], predicted={A: Refusal("quota exceeded")}
    )
    assert shown(given) == (
        "apply rest\n  skip ConfigMap/shop/a FAILS: quota exceeded\n  create ConfigMap/shop/b"
    )


def test_an_immutable_field_fails_with_the_way_out() -> None:
    assert shown(snapshot([wanted()], [live()], predicted={A: IMMUTABLE})) == (
        f"apply rest\n  skip ConfigMap/shop/a FAILS: {IMMUTABLE.message}; "
        f"set {RECREATE}: enabled on the object to have it replaced"
    )


def test_an_immutable_object_is_replaced_where_git_allows_it() -> None:
    given = snapshot([wanted(recreate="enabled")], [live()], predicted={A: IMMUTABLE})
    assert shown(given) == f"apply rest\n  recreate ConfigMap/shop/a ({IMMUTABLE.message})"


def test_the_permission_to_replace_counts_only_when_written_in_git() -> None:
    given = snapshot([wanted()], [live(recreate="enabled")], predicted={A: IMMUTABLE})
    assert actions(make_plan(given)) == "skip ConfigMap/shop/a"


def test_another_refusal_does_not_replace_an_object_that_may_be() -> None:
    given = snapshot([wanted(recreate="enabled")], [live()], predicted={A: FORBIDDEN})
    assert shown(given) == "apply rest\n  skip ConfigMap/shop/a FAILS: quota exceeded"


@pytest.mark.parametrize(
    ("there", "against"),
    [
        (live(of=None), "it does not carry the label of this application"),
        (live(by="someone"), "Towline never applied it"),
        (
            with_metadata(live(), annotations={MEMBER_ID: "shop:/ConfigMap:shop/b"}),
            "its annotation does not name it: the label was copied",
        ),
    ],
    ids=["unlabelled", "never applied", "copied"],
)
def test_replacing_deletes_and_so_wants_every_proof_of_ownership(
    there: Object, against: str
) -> None:
    given = snapshot([wanted(recreate="enabled")], [there], predicted={A: IMMUTABLE})
    change = only(make_plan(given))
    assert change.action is Action.SKIP
    assert change.problem == (
        f"{IMMUTABLE.message}; not replaced, for {against}: delete it by hand to let it be created"
    )


TAKES_OTHERS = "takes others with it, and towline.dev/prune was not enabled in Git"


@pytest.mark.parametrize(
    ("kind", "prune", "consent"),
    [
        ("PersistentVolumeClaim", None, f"a PersistentVolumeClaim {TAKES_OTHERS}"),
        ("PersistentVolumeClaim", "disabled", f"a PersistentVolumeClaim {TAKES_OTHERS}"),
        ("PersistentVolumeClaim", "enabled", ""),
        ("Namespace", None, f"a Namespace {TAKES_OTHERS}"),
        ("ConfigMap", None, ""),
    ],
)
def test_replacing_what_takes_others_with_it_waits_for_consent(
    kind: str, prune: str | None, consent: str
) -> None:
    """The permission to replace an object is none to delete what is in it."""
    steering = {"recreate": "enabled"} | ({"prune": prune} if prune else {})
    given = snapshot(
        [wanted(kind, "a", **steering)], [live(kind, "a")], predicted={key(kind): IMMUTABLE}
    )
    plan = make_plan(given)
    assert only(plan).action is Action.RECREATE
    assert only(plan).consent == consent
    assert plan.permitted == (() if consent else plan.writes)


# Steering ------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [[], [live()], [live(of=None)], [live(of=OTHER)]])
def test_reconcile_disabled_in_git_leaves_the_object_as_it_is(there: list[Object]) -> None:
    given = snapshot([wanted(reconcile="disabled")], there)
    assert shown(given) == (f"apply rest\n  skip ConfigMap/shop/a ({RECONCILE} is disabled in Git)")


def test_reconcile_disabled_in_git_is_no_failure_for_an_unknown_kind() -> None:
    given = snapshot([desired(wanted("Widget", reconcile="disabled"), served=False)])
    assert only(make_plan(given)).problem == ""


def test_reconcile_disabled_in_git_stays_a_member() -> None:
    plan = make_plan(snapshot([wanted(reconcile="disabled")], [live()]))
    assert plan.keys_left() == {A}


def test_reconcile_disabled_by_hand_does_not_stop_an_update() -> None:
    there = live(reconcile="disabled")
    given = snapshot([wanted()], [there], predicted={A: changed(there, data={})})
    assert actions(make_plan(given)) == "update ConfigMap/shop/a"


# Whose an object is --------------------------------------------------------------------------


def test_an_object_without_an_owner_is_adopted_and_the_plan_says_so() -> None:
    there = live(of=None, by="kubectl")
    given = snapshot([wanted()], [there], predicted={A: changed(live(), data={})})
    assert shown(given) == "apply rest\n  update ConfigMap/shop/a (adopted: it existed already)"


def test_adopting_names_who_loses_the_fields() -> None:
    there = live(of=None, by="kubectl")
    there["metadata"]["managedFields"][0]["fieldsV1"] = {"f:data": {"f:k": {}}}
    after = changed(live(), data={"k": "v"})
    after["metadata"]["managedFields"][0]["fieldsV1"] = {"f:data": {"f:k": {}}}
    change = only(make_plan(snapshot([wanted()], [there], predicted={A: after})))
    assert change.previous_owners == {"kubectl": ("data.k",)}


def test_a_change_of_owners_alone_is_an_update_that_says_so() -> None:
    there = live()
    taken = Takeover(
        managed_fields=(),
        managers=("kubectl", "kubectl-edit"),
        gone=frozenset(),
        kept=frozenset(),
        losses={"kubectl": ("data.k",)},
    )
    given = replace(snapshot([wanted()], [there], predicted={A: there}), takeovers={A: taken})
    assert shown(given) == (
        "apply rest\n"
        "  update ConfigMap/shop/a (fields taken over from kubectl, kubectl-edit)"
        " [kubectl loses data.k]"
    )
    assert only(make_plan(given)).takeover is taken


def test_what_can_not_be_taken_over_is_said_as_long_as_it_is_so() -> None:
    for predicted in ({}, {A: live()}):
        given = snapshot([wanted()], [live()], predicted=predicted)
        kept = only(make_plan(replace(given, left={A: "they stay"})))
        assert (kept.action, kept.reason) == (Action.KEEP, "they stay")
    there = live(of=None)
    given = snapshot([wanted()], [there], predicted={A: changed(live(), data={})})
    change = only(make_plan(replace(given, left={A: "they stay"})))
    assert change.reason == "adopted: it existed already; they stay"


@pytest.mark.parametrize(
    ("verdicts", "adopt_from", "expected"),
    [
        (
            (),
            (),
            "skip ConfigMap/shop/a FAILS: it belongs to application other: remove it there, "
            "or name other in adoptFrom to take it over",
        ),
        (
            (Elsewhere("other", wanted=True),),
            (),
            "skip ConfigMap/shop/a FAILS: it belongs to application other: remove it there, "
            "or name other in adoptFrom to take it over",
        ),
        (
            (Elsewhere("other", wanted=None, reason="its branch is gone"),),
            (),
            "skip ConfigMap/shop/a FAILS: it belongs to application other (its branch is gone): "
            "remove it there, or name other in adoptFrom to take it over",
        ),
        (
            (Elsewhere("third", wanted=False),),
            (),
            "skip ConfigMap/shop/a FAILS: it belongs to application other: remove it there, "
            "or name other in adoptFrom to take it over",
        ),
        (
            (Elsewhere("other", wanted=False),),
            (),
            "update ConfigMap/shop/a (taken over from other)",
        ),
        (
            (Elsewhere("other", wanted=True),),
            ("other",),
            "update ConfigMap/shop/a (taken over from other)",
        ),
        ((), ("third", "other"), "update ConfigMap/shop/a (taken over from other)"),
        (
            (Elsewhere("other", wanted=True),),
            ("third",),
            "skip ConfigMap/shop/a FAILS: it belongs to application other: remove it there, "
            "or name other in adoptFrom to take it over",
        ),
    ],
    ids=[
        "nobody asked",
        "wanted",
        "unknown",
        "another says no",
        "released",
        "adoptFrom",
        "adoptFrom unasked",
        "adoptFrom another",
    ],
)
def test_an_object_of_another_application_is_taken_over_only_if_it_may_be(
    verdicts: tuple[Elsewhere, ...], adopt_from: tuple[str, ...], expected: str
) -> None:
    given = snapshot(
        [wanted()],
        [live(of=OTHER)],
        predicted={A: live()},
        elsewhere={A: verdicts},
        app=application(adopt_from=adopt_from),
    )
    assert shown(given) == f"apply rest\n  {expected}"


def test_what_is_taken_over_names_the_one_it_was_taken_from() -> None:
    given = snapshot(
        [wanted()],
        [live(of=OTHER)],
        predicted={A: live()},
        elsewhere={A: (Elsewhere("other", wanted=False),)},
    )
    assert only(make_plan(given)).handed_over_from == "other"


def test_an_object_of_another_tools_set_is_refused_even_if_adopt_from_is_given() -> None:
    foreign = with_metadata(live(of=None), labels={PART_OF: "applyset-x-v1"})
    given = snapshot([wanted()], [foreign], app=application(adopt_from=["other"]))
    assert shown(given) == (
        "apply rest\n  skip ConfigMap/shop/a FAILS: it belongs to another ApplySet "
        "(applyset-x-v1) that is not Towline's: remove its label "
        "applyset.kubernetes.io/part-of to let it be adopted"
    )


def test_a_foreign_label_with_a_copied_annotation_counts_as_another_tools() -> None:
    foreign = live(of=OTHER)
    foreign["metadata"]["annotations"][MEMBER_ID] = "other:/ConfigMap:shop/b"
    given = snapshot([wanted()], [foreign], elsewhere={A: (Elsewhere("other", wanted=False),)})
    assert "that is not Towline's" in only(make_plan(given)).problem


def test_an_object_of_the_same_name_in_another_installation_is_not_ours() -> None:
    foreign = live(of=Parent("shop", "elsewhere-system"))
    reason = "the owner is kept by another installation of Towline"
    verdict = Elsewhere("shop", wanted=None, reason=reason)
    given = snapshot([wanted()], [foreign], elsewhere={A: (verdict,)})
    assert f"it belongs to application shop ({reason})" in only(make_plan(given)).problem


def test_the_owner_is_looked_at_before_what_the_server_thinks() -> None:
    given = snapshot([wanted()], [live(of=OTHER)], predicted={A: FORBIDDEN})
    assert "belongs to application other" in only(make_plan(given)).problem


def test_an_immutable_object_of_another_application_is_not_replaced() -> None:
    given = snapshot(
        [wanted(recreate="enabled")],
        [live(of=OTHER)],
        predicted={A: IMMUTABLE},
        app=application(adopt_from=["other"]),
    )
    assert only(make_plan(given)).action is Action.SKIP


# Pruning -------------------------------------------------------------------------------------

GONE = live("ConfigMap", "gone")
KEPT = live("ConfigMap", "kept")
GONE_KEY = key("ConfigMap", "gone")


def pruning(there: Object, **more: Any) -> Change:
    """What becomes of an object that Git no longer names, beside one that it does."""
    plan = make_plan(snapshot([wanted("ConfigMap", "kept")], [there, KEPT], **more))
    found = [change for change in plan.changes if change.key.name != "kept"]
    assert len(found) <= 1, tree(plan)
    return found[0] if found else Change(Action.SKIP, GONE_KEY, reason="ignored")


def test_what_git_no_longer_names_is_pruned() -> None:
    assert shown(snapshot([wanted("ConfigMap", "kept")], [GONE, KEPT])) == (
        "apply rest\n  keep ConfigMap/shop/kept\nprune rest\n  delete ConfigMap/shop/gone "
        "(not in Git)"
    )


IGNORED: list[tuple[str, Object]] = [
    ("label of another set", live("ConfigMap", "gone", of=OTHER)),
    ("no label", live("ConfigMap", "gone", of=None)),
    ("no annotation", with_metadata(GONE, annotations={})),
    ("annotation of another object", with_metadata(GONE, annotations={MEMBER_ID: "shop:/X:s/g"})),
    (
        "annotation of another application",
        with_metadata(GONE, annotations={MEMBER_ID: "other:/ConfigMap:shop/gone"}),
    ),
]


@pytest.mark.parametrize(("what", "there"), IGNORED, ids=[case[0] for case in IGNORED])
def test_what_does_not_say_that_it_is_ours_is_not_even_in_the_plan(
    what: str, there: Object
) -> None:
    assert pruning(there, members=[there, KEPT]).reason == "ignored", what


def test_what_is_pruned_is_addressed_as_its_kind_is_served() -> None:
    change = pruning(live("Deployment", "gone"))
    assert change.resource == resource_of("Deployment")
    assert change.live == live("Deployment", "gone")


def test_an_owner_that_is_no_controller_does_not_keep_an_object() -> None:
    there = with_metadata(GONE, ownerReferences=[{"kind": "X", "controller": False}])
    assert pruning(there).action is Action.DELETE


UNPRUNED: list[tuple[str, Object, dict[str, Any], str]] = [
    (
        "never applied by us",
        live("ConfigMap", "gone", by="kubectl"),
        {},
        "not in Git; kept, for Towline never applied it",
    ),
    (
        "no managed fields",
        with_metadata(GONE, managedFields=[]),
        {},
        "not in Git; kept, for Towline never applied it",
    ),
    (
        "a controller's",
        with_metadata(GONE, ownerReferences=[{"kind": "X", "name": "x", "controller": True}]),
        {},
        "not in Git; kept, for X/x controls it",
    ),
    (
        "prune disabled",
        live("ConfigMap", "gone", prune="disabled"),
        {},
        f"not in Git; kept, for {PRUNE} is disabled",
    ),
    (
        "reconcile disabled",
        live("ConfigMap", "gone", reconcile="disabled"),
        {},
        f"not in Git; kept, for {RECONCILE} is disabled",
    ),
    ("sync.prune", GONE, {"sync": {"prune": False}}, "not in Git; kept, for sync.prune is false"),
    (
        "being deleted",
        with_metadata(GONE, deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["f/x"]),
        {},
        "not in Git; being deleted since 2026-01-01T00:00:00Z, waits for f/x",
    ),
    (
        "wanted elsewhere, perhaps",
        GONE,
        {"elsewhere": {GONE_KEY: (Elsewhere("other", wanted=None, reason="bad.yaml:3: tab"),)}},
        "not in Git; kept, for application other may name it: bad.yaml:3: tab",
    ),
    (
        "not all listed",
        GONE,
        {"unlisted": [GroupKind("", "ConfigMap")]},
        "not in Git; kept, for not all objects of its kind could be listed",
    ),
]


@pytest.mark.parametrize(
    ("what", "there", "more", "reason"), UNPRUNED, ids=[u[0] for u in UNPRUNED]
)
def test_what_speaks_against_pruning_keeps_the_object_a_member(
    what: str, there: Object, more: dict[str, Any], reason: str
) -> None:
    change = pruning(there, **more)
    assert (change.action, change.reason) == (Action.SKIP, reason), what
    assert change.problem == ""
    plan = make_plan(snapshot([wanted("ConfigMap", "kept")], [there, KEPT], **more))
    assert change.key in plan.keys_left()


@pytest.mark.parametrize("kind", ["Namespace", "CustomResourceDefinition", "PersistentVolumeClaim"])
def test_what_takes_others_with_it_is_pruned_with_consent_from_git(kind: str) -> None:
    assert pruning(live(kind, "gone", prune="enabled")).action is Action.DELETE


@pytest.mark.parametrize("kind", ["Namespace", "CustomResourceDefinition", "PersistentVolumeClaim"])
def test_consent_that_was_not_applied_from_git_does_not_count(kind: str) -> None:
    there = live(kind, "gone", prune="enabled")
    owned = there["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:annotations"]
    del owned[f"f:{PRUNE}"]
    assert pruning(there).consent


@pytest.mark.parametrize("kind", ["Namespace", "CustomResourceDefinition", "PersistentVolumeClaim"])
def test_what_takes_others_with_it_waits_for_consent_and_holds_up_nothing_else(kind: str) -> None:
    there = live(kind, "gone")
    given = snapshot([wanted("ConfigMap", "kept")], [there, live("ConfigMap", "other"), KEPT])
    plan = make_plan(given)
    assert [hold.scope for hold in plan.holds] == [HoldScope.CONSENT]
    assert plan.holds[0].kind == "consent"
    assert plan.holds[0].message == (
        f"{key(kind, 'gone')}: a {kind} {TAKES_OTHERS}. "
        f"If it is meant: towline approve shop {plan.digest}"
    )
    assert [change.key.name for change in plan.permitted] == ["other"]
    approved = make_plan(replace(given, parent=replace(PARENT, approved=plan.digest)))
    assert approved.holds == ()
    assert {change.key.name for change in approved.permitted} == {"gone", "other"}


def test_of_many_that_wait_for_consent_five_are_named() -> None:
    there = many(7, "PersistentVolumeClaim")
    (hold,) = make_plan(snapshot([wanted("ConfigMap", "kept")], [*there, KEPT])).holds
    named = [part.partition(":")[0] for part in hold.message.split("; ")]
    assert named == [f"PersistentVolumeClaim/shop/m{number:03}" for number in range(5)]


def test_what_a_controller_owns_is_an_error_in_git() -> None:
    owned = live("ConfigMap", "kept")
    owned["metadata"]["ownerReferences"] = [{"kind": "Boat", "name": "tug", "controller": True}]
    (change,) = make_plan(snapshot([wanted("ConfigMap", "kept")], [owned])).changes
    assert change.problem == "Boat/tug controls it: leave it out of Git"


def test_sync_prune_false_outweighs_consent_on_the_object() -> None:
    change = pruning(live("Namespace", "gone", prune="enabled"), sync={"prune": False})
    assert change.reason == "not in Git; kept, for sync.prune is false"


def test_a_kind_of_the_same_name_in_another_group_takes_nothing_with_it() -> None:
    there = changed(live("ConfigMap", "gone"), apiVersion="example.com/v1", kind="Namespace")
    there["metadata"]["annotations"][MEMBER_ID] = "shop:example.com/Namespace:shop/gone"
    found = ObjectKey("example.com", "Namespace", "shop", "gone")
    given = replace(
        snapshot([wanted("ConfigMap", "kept")], [KEPT]),
        members={found: there},
        resources={found: resource_of("Widget")},
    )
    assert f"delete {found}" in actions(make_plan(given))


def test_what_another_application_names_is_handed_over_instead() -> None:
    change = pruning(GONE, elsewhere={GONE_KEY: (Elsewhere("other", wanted=True),)})
    assert change.action is Action.SKIP
    assert change.reason == "handed over to application other"


def test_a_certain_taker_comes_before_one_that_may_be() -> None:
    claims = (Elsewhere("x", wanted=None, reason="?"), Elsewhere("y", wanted=True))
    assert pruning(GONE, elsewhere={GONE_KEY: claims}).reason.endswith("application y")


def test_what_no_other_application_names_is_pruned() -> None:
    claims = (Elsewhere("x", wanted=False), Elsewhere("y", wanted=False))
    assert pruning(GONE, elsewhere={GONE_KEY: claims}).action is Action.DELETE


def test_what_is_handed_over_stays_ours_until_it_is_taken() -> None:
    elsewhere = {GONE_KEY: (Elsewhere("other", wanted=True),)}
    plan = make_plan(snapshot([], [GONE], elsewhere=elsewhere))
    assert plan.keys_left() == {GONE_KEY}
    assert plan.holds == ()


def test_a_namespace_is_handed_over_without_any_consent() -> None:
    there = live("Namespace", "gone")
    claims = (Elsewhere("other", wanted=True),)
    change = pruning(there, elsewhere={key("Namespace", "gone"): claims})
    assert change.reason == "handed over to application other"


def test_keys_left_are_all_that_carry_the_label_without_what_was_deleted() -> None:
    plan = make_plan(snapshot([wanted(), wanted("Secret", "s")], [GONE]))
    assert plan.keys_left() == {A, key("Secret", "s"), GONE_KEY}
    assert plan.keys_left([GONE_KEY]) == {A, key("Secret", "s")}


# Proofs of ownership, in all combinations ----------------------------------------------------

PROOFS: dict[str, Callable[[Object], Object]] = {
    "label": lambda b: with_metadata(b, labels={PART_OF: OTHER.id}),
    "annotation": lambda b: with_metadata(b, annotations={MEMBER_ID: "shop:/ConfigMap:shop/x"}),
    "apply": lambda b: with_metadata(
        b, managedFields=[{**b["metadata"]["managedFields"][0], "operation": "Update"}]
    ),
    "no controller": lambda b: with_metadata(b, ownerReferences=[{"controller": True}]),
}


@settings(max_examples=200, deadline=None)
@given(
    missing=st.sets(st.sampled_from(sorted(PROOFS))),
    kind=st.sampled_from(["ConfigMap", "Secret", "Namespace", "Deployment"]),
    consent=st.sampled_from(["enabled", "disabled", None]),
    is_wanted=st.booleans(),
    refused=st.booleans(),
    sync=st.fixed_dictionaries(
        {
            "prune": st.booleans(),
            "automatic": st.booleans(),
            "selfHeal": st.booleans(),
            "allowEmpty": st.booleans(),
            "maxPrune": st.sampled_from([0, 100, "10%", "100%"]),
        }
    ),
    approve=st.booleans(),
)
def test_no_plan_deletes_an_object_that_lacks_a_proof_of_ownership(
    *,
    missing: set[str],
    kind: str,
    consent: str | None,
    is_wanted: bool,
    refused: bool,
    sync: dict[str, Any],
    approve: bool,
) -> None:
    there = live(kind, "a", prune=consent) if consent else live(kind, "a")
    for proof in missing:
        there = PROOFS[proof](there)
    found = key(kind)
    given = snapshot(
        [wanted(kind, "a", recreate="enabled")] if is_wanted else [],
        [there],
        members=[there],
        predicted={found: IMMUTABLE} if refused else {},
        app=application(sync, adopt_from=["other"]),
    )
    # Members are found by the label; that the listing was wrong must not matter.
    given = replace(given, members={found: there}, resources={found: resource_of(kind)})
    plan = make_plan(given)
    if approve:
        plan = make_plan(replace(given, parent=replace(PARENT, approved=plan.digest)))
    deleting = [c for c in plan.changes if c.action in (Action.DELETE, Action.RECREATE)]
    if missing:
        assert deleting == []
        assert why_not_ours(there, PARENT)
    if deleting and not is_wanted:
        assert sync["prune"]
        assert consent != "disabled"
        assert kind != "Namespace" or consent == "enabled" or deleting[0].consent


# Limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "gone", "limit", "held"),
    [
        (6, 5, "10%", False),
        (7, 6, "10%", True),
        (60, 6, "10%", False),
        (60, 7, "10%", True),
        (69, 6, "10%", False),
        (69, 7, "10%", True),
        (70, 7, "10%", False),
        (100, 10, "10%", False),
        (100, 11, "10%", True),
        (6, 5, 0, False),
        (7, 6, 0, True),
        (7, 6, 5, True),
        (7, 6, 6, False),
        (20, 10, 10, False),
        (20, 11, 10, True),
        (6, 5, "0%", False),
        (7, 6, "0%", True),
        (40, 39, "100%", False),
        (2, 1, "10%", False),
    ],
)
def test_more_deletions_than_the_limit_are_held_and_five_never_are(
    members: int, gone: int, limit: int | str, held: bool
) -> None:
    there = many(members)
    keep = [wanted("ConfigMap", body["metadata"]["name"]) for body in there[gone:]]
    expected = [("prune", "max-prune")] if held else []
    assert holds(snapshot(keep, there, sync={"maxPrune": limit})) == expected


def test_a_held_pruning_says_how_many_and_how_to_approve() -> None:
    there = many(12)
    plan = make_plan(snapshot([wanted("ConfigMap", "m011")], there))
    assert tree(plan).splitlines()[-1] == (
        "holds prune: max-prune: 11 of 12 objects would be pruned, maxPrune allows 5. "
        f"If it is meant: towline approve shop {plan.digest}"
    )


def test_a_held_pruning_does_not_hold_what_is_applied() -> None:
    plan = make_plan(snapshot([wanted("Secret", "s")], many(12)))
    assert [str(change.key) for change in plan.permitted] == ["Secret/shop/s"]
    assert len(plan.writes) == 13


@pytest.mark.parametrize(
    ("more", "predicted"),
    [
        ([], {key("ConfigMap", "kept"): FORBIDDEN}),
        ([desired(wanted("Widget"), served=False)], {}),
    ],
    ids=["refused", "unknown"],
)
def test_nothing_is_pruned_where_an_object_fails(
    more: list[Desired], predicted: dict[ObjectKey, Object | Refusal]
) -> None:
    """The rest is applied; what takes the place of the deleted may be what failed."""
    want: list[Object | Desired] = [wanted("ConfigMap", "kept"), wanted("Secret", "new"), *more]
    plan = make_plan(snapshot(want, [GONE, KEPT], predicted=predicted))
    assert [change.action for change in plan.writes] == [Action.CREATE, Action.DELETE]
    assert [change.action for change in plan.permitted] == [Action.CREATE]
    assert plan.holds == ()


def test_what_is_kept_does_not_count_towards_the_limit() -> None:
    there = [*many(5), *(live("ConfigMap", f"k{n}", prune="disabled") for n in range(9))]
    given = snapshot([wanted()], there)
    assert holds(given) == []


def test_copied_labels_do_not_raise_the_limit() -> None:
    copies = [
        with_metadata(body, annotations={}) for body in (live("Secret", f"c{n}") for n in range(90))
    ]
    ours = many(10)
    kept = [wanted("ConfigMap", "m000")]
    assert holds(snapshot(kept, [*ours, *copies])) == [("prune", "max-prune")]


def test_what_other_applications_take_does_not_count_towards_the_limit() -> None:
    there = many(12)
    claims = {
        key("ConfigMap", body["metadata"]["name"]): (Elsewhere("other", wanted=True),)
        for body in there[:8]
    }
    assert holds(snapshot([wanted()], there, elsewhere=claims)) == []


@pytest.mark.parametrize("count", [1, 5, 6, 100])
def test_an_empty_revision_prunes_nothing(count: int) -> None:
    plan = make_plan(snapshot([], many(count)))
    assert plan.permitted == ()
    assert tree(plan).splitlines()[-1] == (
        f"holds prune: empty: the revision is empty; pruning {count} of {count} objects is "
        "refused. "
        f"If it is meant: towline approve shop {plan.digest}"
    )


def test_allow_empty_lets_an_empty_revision_prune() -> None:
    assert holds(snapshot([], many(5), sync={"allowEmpty": True})) == []


def test_allow_empty_does_not_lift_the_limit() -> None:
    given = snapshot([], many(50), sync={"allowEmpty": True})
    assert holds(given) == [("prune", "max-prune")]
    unlimited = snapshot([], many(50), sync={"allowEmpty": True, "maxPrune": "100%"})
    assert holds(unlimited) == []


def test_an_empty_revision_of_an_empty_set_is_held_by_nothing() -> None:
    assert holds(snapshot()) == []


def test_an_empty_revision_that_may_not_prune_is_held_by_nothing() -> None:
    assert holds(snapshot([], many(9), sync={"prune": False})) == []


# Approval ------------------------------------------------------------------------------------


def approved(given: Snapshot) -> Snapshot:
    digest = make_plan(given).digest
    return replace(given, parent=replace(given.parent, approved=digest))


HELD: list[tuple[str, Snapshot]] = [
    ("manual", snapshot([wanted()], sync={"automatic": False})),
    ("limit", snapshot([wanted()], many(30))),
    ("empty", snapshot([], many(3))),
    ("drift", snapshot([wanted()], parent=APPLIED, sync={"selfHeal": False})),
    (
        "all of them",
        snapshot([], many(3), parent=APPLIED, sync={"automatic": False, "selfHeal": False}),
    ),
]


@pytest.mark.parametrize(("what", "given"), HELD, ids=[case[0] for case in HELD])
def test_an_approval_of_exactly_this_plan_lifts_every_guard(what: str, given: Snapshot) -> None:
    assert make_plan(given).holds, what
    plan = make_plan(approved(given))
    assert plan.holds == ()
    assert plan.permitted == plan.writes


@pytest.mark.parametrize(("what", "given"), HELD, ids=[case[0] for case in HELD])
def test_an_approval_of_another_plan_lifts_nothing(what: str, given: Snapshot) -> None:
    other = replace(given, parent=replace(given.parent, approved="0" * 64))
    assert make_plan(other).holds == make_plan(given).holds, what


def test_an_approval_does_not_outlive_its_commit() -> None:
    given = approved(snapshot([wanted()], sync={"automatic": False}))
    assert holds(replace(given, revision=MOVED)) == [("all", "approval")]


def test_an_approval_does_not_pass_to_an_object_of_the_same_name() -> None:
    given = approved(snapshot([], many(1)))
    reborn = [with_metadata(body, uid="another") for body in many(1)]
    assert holds(snapshot([], reborn, parent=given.parent)) == [("prune", "empty")]


def test_an_approval_does_not_cover_one_deletion_more() -> None:
    given = approved(snapshot([], many(2)))
    assert holds(snapshot([], many(3), parent=given.parent)) == [("prune", "empty")]


def test_an_approval_does_not_turn_an_update_into_a_replacement() -> None:
    there = live()
    updating = approved(
        snapshot(
            [wanted(recreate="enabled")],
            [there],
            predicted={A: changed(there, data={})},
            sync={"automatic": False},
        )
    )
    assert make_plan(updating).holds == ()
    assert holds(replace(updating, predicted={A: IMMUTABLE})) == [("all", "approval")]


def test_an_approval_does_not_wake_a_suspended_application() -> None:
    given = approved(snapshot([wanted()], sync={"automatic": False}))
    asleep = replace(given, parent=replace(given.parent, suspended="ada"))
    assert holds(asleep) == [("all", "suspended")]


def test_an_approval_does_not_touch_what_is_not_ours() -> None:
    there = with_metadata(GONE, annotations={})
    given = snapshot([], [there])
    assert make_plan(approved(given)).writes == ()


def test_the_digest_is_the_same_however_the_snapshot_is_ordered() -> None:
    bodies = [wanted("ConfigMap", "a"), wanted("Secret", "b"), wanted("Service", "c")]
    there = many(3)
    digests = {
        make_plan(snapshot(order, reversed(there))).digest
        for order in itertools.permutations(bodies)
    }
    assert len(digests) == 1


def test_the_digest_does_not_hold_the_content_of_a_secret() -> None:
    one, two = (changed(wanted("Secret"), data={"k": text}) for text in ("YQ==", "Yg=="))
    assert make_plan(snapshot([one])).digest == make_plan(snapshot([two])).digest


def test_the_digest_leaves_out_what_is_only_kept() -> None:
    with_kept = snapshot([wanted(), wanted("Secret", "s")], [live()])
    assert make_plan(with_kept).digest == make_plan(snapshot([wanted("Secret", "s")])).digest


def test_the_digest_is_of_the_revision_and_of_a_line_for_each_write() -> None:
    """Approvals are kept on the cluster: the form stays the same from release to release."""
    lines = [
        "shop",
        REVISION.commit,
        REVISION.digest,
        "create /Secret/shop/s ",
        "delete /ConfigMap/shop/gone uid-gone",
        "create apps/Deployment/shop/web ",
    ]
    plan = make_plan(snapshot([wanted("Deployment", "web"), wanted("Secret", "s")], [GONE]))
    assert plan.digest == hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        snapshot([wanted("ConfigMap", "b")]),
        snapshot([wanted("Secret", "a")]),
        snapshot([wanted()], revision=MOVED),
        snapshot([wanted(), wanted("ConfigMap", "b")]),
        snapshot([]),
        snapshot([], [live()]),
    ],
)
def test_the_digest_tells_plans_apart(other: Snapshot) -> None:
    assert make_plan(other).digest != make_plan(snapshot([wanted()])).digest


# Automatic, healing, suspension --------------------------------------------------------------


def test_without_automatic_nothing_is_done_until_it_is_approved() -> None:
    plan = make_plan(snapshot([wanted()], [GONE], sync={"automatic": False}))
    assert tree(plan) == (
        "apply rest\n  create ConfigMap/shop/a HELD\n"
        "prune rest\n  delete ConfigMap/shop/gone (not in Git) HELD\n"
        "holds all: approval: sync.automatic is false; to apply: "
        f"towline approve shop {plan.digest}"
    )
    assert plan.permitted == ()


@pytest.mark.parametrize("requested", [False, True])
def test_a_request_is_no_approval(requested: bool) -> None:
    given = snapshot([wanted()], sync={"automatic": False}, requested=requested)
    assert holds(given) == [("all", "approval")]


def test_without_automatic_there_is_nothing_to_approve_if_nothing_is_to_be_done() -> None:
    assert holds(snapshot([wanted()], [live()], sync={"automatic": False})) == []


@pytest.mark.parametrize(
    ("heal", "applied", "requested", "held"),
    [
        (False, REVISION.digest, False, True),
        (False, REVISION.digest, True, False),
        (False, "render-1", False, False),
        (False, None, False, False),
        (True, REVISION.digest, False, False),
    ],
    ids=["drift", "on request", "new revision", "first run", "heals"],
)
def test_drift_is_healed_unless_self_heal_is_false(
    heal: bool, applied: str | None, requested: bool, held: bool
) -> None:
    there = live()
    given = snapshot(
        [wanted()],
        [there],
        predicted={A: changed(there, data={"k": "v"})},
        parent=replace(PARENT, applied=applied),
        sync={"selfHeal": heal},
        requested=requested,
    )
    assert holds(given) == ([("all", "drift")] if held else [])
    assert (make_plan(given).permitted == ()) is held


def test_held_drift_is_shown_with_the_way_to_heal_it() -> None:
    given = snapshot([wanted()], parent=APPLIED, sync={"selfHeal": False})
    assert shown(given) == (
        "apply rest\n  create ConfigMap/shop/a HELD\nholds all: drift: the cluster drifted and "
        "sync.selfHeal is false; to heal: towline sync shop"
    )


def test_without_drift_self_heal_false_holds_nothing() -> None:
    given = snapshot([wanted()], [live()], parent=APPLIED, sync={"selfHeal": False})
    assert holds(given) == []


def test_another_commit_with_the_same_render_is_no_new_revision() -> None:
    given = snapshot(
        [wanted()],
        parent=APPLIED,
        revision=replace(REVISION, commit="e" * 40),
        sync={"selfHeal": False},
    )
    assert holds(given) == [("all", "drift")]


@pytest.mark.parametrize("requested", [False, True])
def test_a_suspended_application_does_nothing_and_says_by_whom(requested: bool) -> None:
    asleep = replace(PARENT, suspended="ada")
    given = snapshot([wanted()], [GONE], parent=asleep, requested=requested)
    assert shown(given) == (
        "apply rest\n  create ConfigMap/shop/a HELD\n"
        "prune rest\n  delete ConfigMap/shop/gone (not in Git) HELD\n"
        "holds all: suspended: suspended by ada"
    )


def test_a_suspended_application_says_so_even_if_there_is_nothing_to_do() -> None:
    given = snapshot([wanted()], [live()], parent=replace(PARENT, suspended="ada"))
    assert holds(given) == [("all", "suspended")]


def test_a_suspension_by_nobody_in_particular_is_a_suspension() -> None:
    assert holds(snapshot(parent=replace(PARENT, suspended=""))) == [("all", "suspended")]


def test_every_guard_that_applies_is_named() -> None:
    given = snapshot(
        [],
        many(3),
        parent=replace(APPLIED, suspended="ada"),
        sync={"automatic": False, "selfHeal": False},
    )
    assert holds(given) == [
        ("all", "suspended"),
        ("all", "approval"),
        ("all", "drift"),
        ("prune", "empty"),
    ]


# Order ---------------------------------------------------------------------------------------

EVERY_STAGE = [
    ("ValidatingWebhookConfiguration", "hook"),
    ("Deployment", "web"),
    ("Service", "web"),
    ("Secret", "s"),
    ("ServiceAccount", "web"),
    ("StorageClass", "fast"),
    ("ClusterRole", "reader"),
    ("Namespace", "shop"),
    ("CustomResourceDefinition", "widgets"),
]


def test_stages_are_applied_from_definitions_to_admission() -> None:
    assert shown(snapshot([wanted(kind, name) for kind, name in EVERY_STAGE])) == (
        "apply definitions\n  create CustomResourceDefinition/widgets\n"
        "apply namespaces\n  create Namespace/shop\n"
        "apply cluster roles\n  create ClusterRole/reader\n"
        "apply classes\n  create StorageClass/fast\n"
        "apply rest\n"
        "  create ServiceAccount/shop/web\n  create Secret/shop/s\n"
        "  create Service/shop/web\n  create Deployment/shop/web\n"
        "apply admission\n  create ValidatingWebhookConfiguration/hook"
    )


def test_stages_are_pruned_in_reverse() -> None:
    there = [live(kind, name, prune="enabled") for kind, name in EVERY_STAGE]
    given = snapshot([], there, sync={"allowEmpty": True, "maxPrune": "100%"})
    assert shown(given) == (
        "prune admission\n  delete ValidatingWebhookConfiguration/hook (not in Git)\n"
        "prune rest\n"
        "  delete Deployment/shop/web (not in Git)\n  delete Service/shop/web (not in Git)\n"
        "  delete Secret/shop/s (not in Git)\n  delete ServiceAccount/shop/web (not in Git)\n"
        "prune classes\n  delete StorageClass/fast (not in Git)\n"
        "prune cluster roles\n  delete ClusterRole/reader (not in Git)\n"
        "prune namespaces\n  delete Namespace/shop (not in Git)\n"
        "prune definitions\n  delete CustomResourceDefinition/widgets (not in Git)"
    )


def test_waves_come_before_stages() -> None:
    given = snapshot(
        [
            wanted("Namespace", "late", wave="5"),
            wanted("ConfigMap", "plain"),
            wanted("Deployment", "early", wave="-1"),
            wanted("ConfigMap", "late", wave="5"),
        ]
    )
    assert shown(given) == (
        "apply rest, wave -1\n  create Deployment/shop/early\n"
        "apply rest\n  create ConfigMap/shop/plain\n"
        "apply namespaces, wave 5\n  create Namespace/late\n"
        "apply rest, wave 5\n  create ConfigMap/shop/late"
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(EVERY_STAGE), st.integers(-2, 2), st.booleans()),
        unique_by=lambda item: item[0],
    )
)
def test_every_change_is_in_exactly_one_stage_and_stages_never_fall_back(
    items: list[tuple[tuple[str, str], int, bool]],
) -> None:
    want = [wanted(*item, wave=str(wave)) for item, wave, is_wanted in items if is_wanted]
    there = [live(*item, prune="enabled") for item, _, is_wanted in items if not is_wanted]
    plan = make_plan(snapshot(want, there, sync={"allowEmpty": True}))
    staged = [change for stages in (plan.applies, plan.prunes) for s in stages for change in s]
    assert sorted(c.key for c in staged) == sorted(c.key for c in plan.changes)
    assert len(staged) == len(items)
    applied = [stage[0].stage for stage in plan.applies]
    pruned = [stage[0].stage for stage in plan.prunes]
    assert applied == sorted(set(applied))
    assert pruned == sorted(set(pruned), reverse=True)


def test_what_is_skipped_or_kept_is_in_the_stages_too() -> None:
    given = snapshot([wanted(), wanted("ConfigMap", "b", reconcile="disabled")], [live()])
    plan = make_plan(given)
    assert [change.action for stage in plan.applies for change in stage] == ["keep", "skip"]
    assert plan.prunes == ()


# What a change shows -------------------------------------------------------------------------


def test_a_created_object_shows_what_is_not_there_yet() -> None:
    change = only(make_plan(snapshot([changed(wanted(), data={"k": "v"})])))
    assert ("data.k", "v") in [(f.path, f.after) for f in change.fields()]


def test_an_updated_object_shows_only_what_the_server_would_change() -> None:
    there = changed(live(), data={"k": "old", "same": "x"})
    after = changed(there, data={"k": "new", "same": "x"})
    change = only(make_plan(snapshot([wanted()], [there], predicted={A: after})))
    assert [(f.path, f.before, f.after) for f in change.fields()] == [("data.k", "old", "new")]


def test_a_deleted_object_shows_what_goes() -> None:
    there = changed(live(), data={"k": "v"})
    change = only(make_plan(snapshot([], [there])))
    assert change.sides() == (there, None)


@pytest.mark.parametrize("action", [Action.KEEP, Action.SKIP])
def test_what_is_not_written_shows_nothing(action: Action) -> None:
    body = wanted()
    change = Change(action, A, Manifest(body, Place("a.yaml")), live=live(), predicted=body)
    assert change.sides() == (None, None)
    assert change.fields() == ()


@pytest.mark.parametrize("action", [Action.CREATE, Action.RECREATE])
def test_without_a_manifest_there_is_nothing_after(action: Action) -> None:
    assert Change(action, A).sides() == (None, None)


def test_an_object_without_a_uid_has_an_empty_one() -> None:
    there = with_metadata(live())
    del there["metadata"]["uid"]
    assert Change(Action.DELETE, A, live=there).uid == ""


def test_a_change_without_any_body_is_of_the_plain_wave() -> None:
    assert Change(Action.SKIP, A).stage == (0, Stage.REST)


def test_what_is_recreated_shows_both_sides() -> None:
    given = snapshot([wanted(recreate="enabled")], [live()], predicted={A: IMMUTABLE})
    before, after = only(make_plan(given)).sides()
    assert before is not None
    assert after is not None


@pytest.mark.parametrize(
    ("action", "writes"),
    [
        (Action.CREATE, True),
        (Action.UPDATE, True),
        (Action.RECREATE, True),
        (Action.DELETE, True),
        (Action.KEEP, False),
        (Action.SKIP, False),
    ],
)
def test_only_keeping_and_skipping_write_nothing(action: Action, writes: bool) -> None:
    assert action.writes is writes


def test_the_stage_of_a_change_is_its_wave_and_its_kind() -> None:
    change = only(make_plan(snapshot([wanted("Namespace", "x", wave="3")])))
    assert change.stage == (3, Stage.NAMESPACES)


def test_what_could_not_be_listed_is_passed_on() -> None:
    kinds = [GroupKind("example.com", "Widget")]
    assert make_plan(snapshot(unlisted=kinds)).unlisted == frozenset(kinds)


def test_holds_are_found_by_their_scope() -> None:
    plan = make_plan(snapshot([], many(3), sync={"automatic": False}))
    assert [hold.kind for hold in plan.held(HoldScope.ALL)] == ["approval"]
    assert [hold.kind for hold in plan.held(HoldScope.PRUNE)] == ["empty"]


ALL = Hold(HoldScope.ALL, "approval", "…")
PRUNING = Hold(HoldScope.PRUNE, "max-prune", "…")
CONSENT = Hold(HoldScope.CONSENT, "consent", "…")
CREATING = Change(Action.CREATE, A)
DELETING = Change(Action.DELETE, A)
ASKING = Change(Action.RECREATE, A, consent="it takes others with it")
DELETING_ASKING = Change(Action.DELETE, A, consent="it takes others with it")


@pytest.mark.parametrize(
    ("change", "standing", "by"),
    [
        (CREATING, (), None),
        (CREATING, (PRUNING, CONSENT), None),
        (CREATING, (ALL, PRUNING, CONSENT), ALL),
        (DELETING, (CONSENT, PRUNING), PRUNING),
        (DELETING, (CONSENT,), None),
        (DELETING, (PRUNING, ALL), PRUNING),
        (DELETING, (ALL, PRUNING), ALL),
        (ASKING, (PRUNING, CONSENT), CONSENT),
        (ASKING, (PRUNING,), None),
        (ASKING, (ALL,), ALL),
        (DELETING_ASKING, (PRUNING, CONSENT), PRUNING),
        (DELETING_ASKING, (CONSENT,), CONSENT),
        (DELETING_ASKING, (ALL,), ALL),
        (DELETING_ASKING, (), None),
    ],
)
def test_what_holds_a_change_is_the_first_hold_that_concerns_it(
    change: Change, standing: tuple[Hold, ...], by: Hold | None
) -> None:
    plan = Plan("shop", REVISION, PARENT, (change,), standing)
    assert plan.held_by(change) is by
    assert plan.permitted == (() if by else (change,))


def test_planning_twice_gives_the_same_and_changes_nothing_of_what_it_was_given() -> None:
    given = snapshot([wanted(), wanted("Secret", "s")], [live(), GONE])
    before = repr(given)
    assert make_plan(given) == make_plan(given)
    assert repr(given) == before
