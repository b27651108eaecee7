"""What is ours on a cluster, how it is written down, and what may be deleted."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.plans import OTHER, PARENT, PRUNE, RECONCILE, live, with_metadata
from towline import __version__
from towline.core.errors import PermanentError
from towline.core.inventory import (
    GROUP_KINDS,
    ID_LABEL,
    MEMBER_ID,
    NAMESPACES,
    PART_OF,
    TOOLING,
    Parent,
    application_of,
    applyset_id,
    consent_needed,
    is_inventory,
    member_id,
    owner_named_by,
    parent_key,
    parent_of,
    read_parent,
    why_kept,
    why_not_ours,
)
from towline.core.objects import GroupKind, Object, ObjectKey

HOME = "towline-system"
CONFIG_MAP = ObjectKey("", "ConfigMap", "shop", "a")
DEPLOYMENT = ObjectKey("apps", "Deployment", "web", "a")
NODE = ObjectKey("", "Node", "", "n")


# Identities ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        (
            ObjectKey("", "Secret", "test", "my-set"),
            "applyset-0eFHV8ySqp7XoShsGvyWFQD3s96yqwHmzc4e0HR1dsY-v1",
        ),
        (
            ObjectKey("company.com", "ApplySet", "", "my-set"),
            "applyset-rhp1a-HVAVT_dFgyEygyA1BEB82HPp2o10UiFTpqtAs-v1",
        ),
    ],
)
def test_the_id_of_a_set_is_the_one_that_kubectl_computes(parent: ObjectKey, expected: str) -> None:
    assert applyset_id(parent) == expected


def test_the_parent_is_a_config_map_named_after_the_application() -> None:
    assert parent_key("shop", HOME) == ObjectKey("", "ConfigMap", HOME, "towline-shop")
    assert Parent("shop", HOME).id == applyset_id(parent_key("shop", HOME))


def test_sets_differ_by_application_and_namespace() -> None:
    parents = [Parent("a", "x"), Parent("b", "x"), Parent("a", "y")]
    assert len({parent.id for parent in parents}) == 3


@given(st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?\Z"))
def test_an_id_is_always_a_valid_label_value(name: str) -> None:
    value = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
    assert re.fullmatch(value, Parent(name, HOME).id)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (CONFIG_MAP, "shop:/ConfigMap:shop/a"),
        (DEPLOYMENT, "shop:apps/Deployment:web/a"),
        (NODE, "shop:/Node:/n"),
    ],
)
def test_a_member_names_its_application_and_itself(key: ObjectKey, expected: str) -> None:
    assert member_id("shop", key) == expected


NAMED: list[tuple[str, str | None, str | None]] = [
    ("itself", "shop:/ConfigMap:shop/a", "shop"),
    ("of another application", "other:/ConfigMap:shop/a", "other"),
    ("another name", "shop:/ConfigMap:shop/b", None),
    ("another namespace", "shop:/ConfigMap:web/a", None),
    ("another kind", "shop:/Secret:shop/a", None),
    ("another group", "shop:x.io/ConfigMap:shop/a", None),
    ("no application", ":/ConfigMap:shop/a", None),
    ("only an application", "shop", None),
    ("empty", "", None),
    ("more", "shop:/ConfigMap:shop/a:x", None),
    ("missing", None, None),
]


@pytest.mark.parametrize(("what", "text", "owner"), NAMED, ids=[case[0] for case in NAMED])
def test_only_an_annotation_of_this_very_object_names_an_owner(
    what: str, text: str | None, owner: str | None
) -> None:
    annotations = {MEMBER_ID: text} if text is not None else None
    assert owner_named_by(with_metadata(live(), annotations=annotations)) == owner, what


# The parent, written and read ----------------------------------------------------------------

FULL = Parent(
    "shop",
    HOME,
    resource_version="7",
    uid="u",
    complete=True,
    group_kinds=frozenset({GroupKind("", "ConfigMap"), GroupKind("apps", "Deployment")}),
    namespaces=frozenset({"shop", "web"}),
    suspended="ada",
    approved="a" * 64,
    revision="branch main@" + "c" * 40,
    applied="render-2",
    run="run-1",
    steered=1767225600.25,
)


def stored(parent: Parent, by: str = "towline") -> Object:
    """The parent as a server has it after it was applied."""
    body = copy.deepcopy(parent.body())
    annotations = body["metadata"]["annotations"]
    body["metadata"]["managedFields"] = [
        {
            "manager": by,
            "operation": "Apply",
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:annotations": {f"f:{name}": {} for name in annotations}}
            },
        }
    ]
    return body


def edited(parent: Parent, **annotations: str | None) -> Object:
    """As if somebody had changed annotations by hand: they are then no longer ours."""
    body = stored(parent)
    owned = body["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:annotations"]
    for name, text in annotations.items():
        full = {"kinds": GROUP_KINDS, "namespaces": NAMESPACES, "tooling": TOOLING}.get(
            name, f"towline.dev/{name}"
        )
        owned.pop(f"f:{full}", None)
        body["metadata"]["annotations"].pop(full, None)
        if text is not None:
            body["metadata"]["annotations"][full] = text
    return body


def test_the_parent_says_what_the_applyset_specification_asks_for() -> None:
    assert FULL.body() == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "towline-shop",
            "namespace": HOME,
            "uid": "u",
            "resourceVersion": "7",
            "labels": {ID_LABEL: FULL.id},
            "annotations": {
                TOOLING: f"towline/v{__version__}",
                GROUP_KINDS: "ConfigMap,Deployment.apps",
                NAMESPACES: "shop,web",
                "towline.dev/application": "shop",
                "towline.dev/suspended": "ada",
                "towline.dev/approved": "a" * 64,
                "towline.dev/revision": "branch main@" + "c" * 40,
                "towline.dev/applied": "render-2",
                "towline.dev/run": "run-1",
                "towline.dev/steered": "1767225600.25",
            },
        },
    }


def test_a_new_parent_says_nothing_that_is_not_known() -> None:
    metadata = Parent("shop", HOME).body()["metadata"]
    assert "resourceVersion" not in metadata
    assert "uid" not in metadata
    assert metadata["annotations"] == {
        TOOLING: f"towline/v{__version__}",
        GROUP_KINDS: "",
        NAMESPACES: "",
        "towline.dev/application": "shop",
    }


PARENTS = [
    FULL,
    Parent("shop", HOME, complete=True),
    replace(FULL, suspended=None, approved=None, run=None),
    replace(FULL, steered=0.0),
    replace(FULL, suspended=""),
    replace(FULL, group_kinds=frozenset(), namespaces=frozenset()),
    replace(FULL, namespaces=frozenset({"only"})),
]


@pytest.mark.parametrize("parent", PARENTS)
def test_what_was_written_is_read_again(parent: Parent) -> None:
    assert read_parent(stored(parent), "shop", HOME) == parent


group_kinds = st.builds(
    GroupKind, st.sampled_from(["", "apps", "a.b.io"]), st.from_regex(r"\A[A-Z][a-z]{1,8}\Z")
)


@given(
    kinds=st.frozensets(group_kinds),
    namespaces=st.frozensets(st.from_regex(r"\A[a-z]{1,8}\Z")),
    texts=st.lists(st.none() | st.text(max_size=8), min_size=5, max_size=5),
)
def test_every_parent_survives_the_round_trip(
    kinds: frozenset[GroupKind], namespaces: frozenset[str], texts: list[str | None]
) -> None:
    suspended, approved, revision, applied, run = texts
    parent = Parent(
        "shop",
        HOME,
        resource_version="1",
        uid="u",
        complete=True,
        group_kinds=kinds,
        namespaces=namespaces,
        suspended=suspended,
        approved=approved,
        revision=revision,
        applied=applied,
        run=run,
    )
    assert read_parent(stored(parent), "shop", HOME) == parent


def test_a_wider_parent_covers_more_and_nothing_less() -> None:
    wider = FULL.widened([NODE, ObjectKey("", "Secret", HOME, "s"), ObjectKey("", "Pod", "x", "p")])
    kinds = {GroupKind("", "Node"), GroupKind("", "Secret"), GroupKind("", "Pod")}
    assert wider.group_kinds == FULL.group_kinds | kinds
    assert wider.namespaces == FULL.namespaces | {"x"}
    assert replace(wider, group_kinds=FULL.group_kinds, namespaces=FULL.namespaces) == FULL


def renamed(body: Object, **fields: Any) -> Object:
    return {**body, "metadata": {**body["metadata"], **fields}}


def test_a_listed_parent_is_read_if_it_is_ours() -> None:
    assert parent_of(stored(FULL), HOME) == FULL
    assert application_of(stored(FULL), HOME) == "shop"


@pytest.mark.parametrize(
    "body",
    [
        edited(FULL, tooling="kubectl/v1.37.0"),
        edited(FULL, tooling=None, application=None),
        renamed(stored(FULL), labels={}),
        renamed(stored(FULL), labels={ID_LABEL: "applyset-x-v1"}),
        renamed(stored(FULL), name="towline-other"),
        renamed(stored(FULL), name="shop"),
        renamed(stored(FULL), namespace="other"),
    ],
)
def test_a_listed_parent_of_others_is_none(body: Object) -> None:
    """The id is computed anew (KEP-3659): a copy of a parent is no parent."""
    assert parent_of(body, HOME) is None


def test_what_does_not_bear_such_a_name_is_no_applications() -> None:
    for fields in ({"name": "shop"}, {"namespace": "other"}):
        assert application_of(renamed(stored(FULL), **fields), HOME) is None
    assert application_of({**stored(FULL), "kind": "Secret"}, HOME) is None


def test_a_missing_parent_is_an_empty_one_that_cannot_be_believed() -> None:
    parent = read_parent(None, "shop", HOME)
    assert parent == Parent("shop", HOME)
    assert not parent.complete


@pytest.mark.parametrize(
    ("tooling", "application"),
    [
        ("kubectl/v1.37.0", "shop"),
        ("kubectl/v1.37.0", None),
        ("towline-fork/v1", "shop"),
        ("example.com/towline/v1", "shop"),
        ("Towline/v1", "shop"),
        (None, None),
        (None, "other"),
        ("", None),
        ("towline", None),
    ],
)
def test_another_tools_parent_is_not_touched(tooling: str | None, application: str | None) -> None:
    with pytest.raises(PermanentError) as caught:
        read_parent(edited(FULL, tooling=tooling, application=application), "shop", HOME)
    assert str(caught.value).startswith("ConfigMap/towline-system/towline-shop is not Towline's")


def test_the_error_names_the_tool_and_the_way_out() -> None:
    with pytest.raises(PermanentError) as caught:
        read_parent(edited(FULL, tooling="kubectl/v1.37.0"), "shop", HOME)
    assert str(caught.value) == (
        "ConfigMap/towline-system/towline-shop is not Towline's: its tooling is kubectl. "
        "Rename the application, or remove that ConfigMap if nothing uses it"
    )


def test_a_parent_that_names_no_tool_is_said_to_name_none() -> None:
    with pytest.raises(PermanentError, match="its tooling is not named\\. Rename"):
        read_parent(edited(FULL, tooling=None, application="other"), "shop", HOME)


@pytest.mark.parametrize("text", [None, "", "yesterday", "1e", "nan", "inf", "-inf", "1e999"])
def test_a_time_that_is_none_counts_as_never(text: str | None) -> None:
    assert read_parent(edited(FULL, steered=text), "shop", HOME).steered is None


def test_a_parent_without_namespaces_names_none() -> None:
    assert read_parent(edited(FULL, namespaces=None), "shop", HOME).namespaces == frozenset()


@pytest.mark.parametrize("tooling", ["towline/v0.0.1", "towline/v99", "towline/"])
def test_another_version_of_towline_is_towline(tooling: str) -> None:
    assert read_parent(edited(FULL, tooling=tooling), "shop", HOME).group_kinds


def test_a_parent_without_tooling_that_names_the_application_is_ours() -> None:
    assert read_parent(edited(FULL, tooling=None), "shop", HOME).suspended == "ada"


HAND_EDITED: list[tuple[str, Callable[[Object], Object]]] = [
    ("kinds written by another", lambda _: edited(FULL, kinds="ConfigMap")),
    ("kinds emptied by another", lambda _: edited(FULL, kinds="")),
    ("kinds removed", lambda _: edited(FULL, kinds=None)),
    ("applied by another", lambda _: stored(FULL, by="kubectl")),
    ("no managed fields", lambda b: with_metadata(b, managedFields=[])),
    ("no id", lambda b: with_metadata(b, labels={})),
    ("labels gone", lambda b: with_metadata(b, labels=None)),
    ("another id", lambda b: with_metadata(b, labels={ID_LABEL: OTHER.id})),
    (
        "no annotations but the application",
        lambda b: with_metadata(
            b, annotations={"towline.dev/application": "shop"}, managedFields=[]
        ),
    ),
]


@pytest.mark.parametrize(("what", "edit"), HAND_EDITED, ids=[case[0] for case in HAND_EDITED])
def test_a_parent_edited_by_hand_does_not_say_where_to_look(
    what: str, edit: Callable[[Object], Object]
) -> None:
    parent = read_parent(edit(stored(FULL)), "shop", HOME)
    assert not parent.complete, what
    assert parent.resource_version == "7"
    assert parent.uid == "u"


def test_what_people_say_counts_in_a_parent_edited_by_hand() -> None:
    parent = read_parent(edited(FULL, suspended="bob", approved="b", kinds=""), "shop", HOME)
    assert (parent.suspended, parent.approved) == ("bob", "b")


@pytest.mark.parametrize("text", [",", ",,ConfigMap,", "ConfigMap,ConfigMap"])
def test_untidy_kinds_are_read_as_they_are_meant(text: str) -> None:
    body = stored(FULL)
    body["metadata"]["annotations"][GROUP_KINDS] = text
    expected = frozenset({GroupKind("", "ConfigMap")} if "C" in text else ())
    assert read_parent(body, "shop", HOME).group_kinds == expected


# Claiming and settling -----------------------------------------------------------------------


def test_claiming_joins_old_and_new() -> None:
    claimed = FULL.claimed([ObjectKey("batch", "Job", "jobs", "j"), NODE], run="run-2")
    assert claimed.group_kinds == FULL.group_kinds | {
        GroupKind("batch", "Job"),
        GroupKind("", "Node"),
    }
    assert claimed.namespaces == {"shop", "web", "jobs"}


def test_claiming_names_the_run_so_that_of_two_only_one_gets_through() -> None:
    assert FULL.claimed([], run="run-2") == replace(FULL, run="run-2")
    assert FULL.claimed([], run="run-2").body() != FULL.claimed([], run="run-3").body()


def test_claiming_keeps_what_people_said() -> None:
    claimed = FULL.claimed([NODE], run="run-2")
    assert (claimed.suspended, claimed.approved) == (FULL.suspended, FULL.approved)
    assert (claimed.revision, claimed.applied) == (FULL.revision, FULL.applied)


def test_settling_leaves_just_what_is_left() -> None:
    settled = FULL.settled([CONFIG_MAP, NODE], revision="r", applied="d")
    assert settled.group_kinds == {GroupKind("", "ConfigMap"), GroupKind("", "Node")}
    assert settled.namespaces == {"shop"}
    assert (settled.revision, settled.applied) == ("r", "d")


def test_settling_uses_up_the_approval_and_keeps_the_suspension() -> None:
    settled = FULL.settled([], revision="r", applied="d")
    assert settled.approved is None
    assert settled.suspended == "ada"


def test_an_empty_set_is_written_as_one() -> None:
    annotations = FULL.settled([], revision="r", applied="d").body()["metadata"]["annotations"]
    assert annotations[GROUP_KINDS] == ""
    assert annotations[NAMESPACES] == ""


def test_the_parents_own_namespace_goes_without_saying() -> None:
    own = ObjectKey("", "ConfigMap", HOME, "a")
    settled = Parent("shop", HOME, complete=True).settled([own, NODE], revision="r", applied="d")
    assert settled.body()["metadata"]["annotations"][NAMESPACES] == ""
    assert read_parent(stored(settled), "shop", HOME) == settled


keys = st.builds(
    ObjectKey,
    st.sampled_from(["", "apps"]),
    st.sampled_from(["ConfigMap", "Deployment"]),
    st.sampled_from(["", "shop", HOME]),
    st.sampled_from(["a", "b"]),
)


@given(st.lists(keys), st.lists(keys))
def test_a_claim_covers_whatever_it_is_settled_to(
    before: list[ObjectKey], new: list[ObjectKey]
) -> None:
    old = Parent("shop", HOME).settled(before, revision="r", applied="d")
    claimed = old.claimed(new, run="x")
    for left in (before, new, before + new, []):
        settled = claimed.settled(left, revision="r", applied="d")
        assert settled.group_kinds <= claimed.group_kinds
        assert settled.namespaces <= claimed.namespaces


# What is taken for an inventory --------------------------------------------------------------

OWN = Parent("shop", HOME).body()
APPLICATION = "towline.dev/application"

INVENTORIES: list[tuple[str, Object, bool]] = [
    ("the parent itself", OWN, True),
    ("the parent without what marks it", with_metadata(OWN, annotations=None, labels=None), True),
    ("that of another application", OTHER.body(), True),
    ("that of another namespace", Parent("shop", "elsewhere").body(), True),
    ("by its tooling", with_metadata(live(), annotations={TOOLING: "towline/v1"}), True),
    ("by its application", with_metadata(live(), annotations={APPLICATION: "x"}), True),
    ("by both", with_metadata(live(), annotations={TOOLING: "towline/", APPLICATION: ""}), True),
    ("a parent of kubectl's", with_metadata(live(), annotations={TOOLING: "kubectl/v1"}), False),
    ("of a tool called alike", with_metadata(live(), annotations={TOOLING: "towline/x/1"}), False),
    ("without a version", with_metadata(live(), annotations={TOOLING: "towline"}), False),
    ("a member", live(), False),
    ("without annotations", with_metadata(live(), annotations=None), False),
    ("another kind", with_metadata(live("Secret"), annotations={TOOLING: "towline/v1"}), False),
    ("another kind of the name", {**OWN, "kind": "Secret"}, False),
    ("another group", {**OTHER.body(), "apiVersion": "example.com/v1"}, False),
]


@pytest.mark.parametrize(
    ("what", "body", "taken"), INVENTORIES, ids=[case[0] for case in INVENTORIES]
)
def test_what_would_be_read_as_a_parent_is_taken_for_an_inventory(
    what: str, body: Object, taken: bool
) -> None:
    assert is_inventory(body, Parent("shop", HOME)) is taken, what


# What may be deleted -------------------------------------------------------------------------


def test_what_we_applied_is_ours() -> None:
    assert why_not_ours(live(), PARENT) is None


NOT_OURS: list[tuple[str, Object, str]] = [
    ("no labels", with_metadata(live(), labels=None), "it does not carry the label"),
    ("no such label", with_metadata(live(), labels={"a": "b"}), "it does not carry the label"),
    ("another set", live(of=OTHER), "it does not carry the label"),
    (
        "our application elsewhere",
        live(of=Parent("shop", "elsewhere")),
        "it does not carry the label",
    ),
    ("no annotation", with_metadata(live(), annotations=None), "the label was copied"),
    (
        "annotation of another object",
        with_metadata(live(), annotations={MEMBER_ID: "shop:/ConfigMap:shop/b"}),
        "the label was copied",
    ),
    (
        "annotation of another application",
        with_metadata(live(), annotations={MEMBER_ID: "other:/ConfigMap:shop/a"}),
        "the label was copied",
    ),
    ("another manager", live(by="kubectl"), "Towline never applied it"),
    ("no managed fields", with_metadata(live(), managedFields=None), "Towline never applied it"),
    (
        "only updated",
        with_metadata(
            live(),
            managedFields=[{**live()["metadata"]["managedFields"][0], "operation": "Update"}],
        ),
        "Towline never applied it",
    ),
    (
        "only its status",
        with_metadata(
            live(),
            managedFields=[{**live()["metadata"]["managedFields"][0], "subresource": "status"}],
        ),
        "Towline never applied it",
    ),
    (
        "written by hand twice",
        with_metadata(live(), managedFields=live()["metadata"]["managedFields"] * 2),
        "Towline never applied it",
    ),
    (
        "a controller's",
        with_metadata(live(), ownerReferences=[{"kind": "A"}, {"kind": "B", "controller": True}]),
        "B/None controls it",
    ),
]


@pytest.mark.parametrize(("what", "there", "reason"), NOT_OURS, ids=[case[0] for case in NOT_OURS])
def test_one_missing_proof_is_enough_not_to_be_ours(what: str, there: Object, reason: str) -> None:
    found = why_not_ours(there, PARENT)
    assert found is not None, what
    assert reason in found


@pytest.mark.parametrize(
    "owners", [None, [], [{"kind": "A"}], [{"kind": "A", "controller": False}]]
)
def test_an_owner_that_is_no_controller_does_not_matter(owners: Any) -> None:
    assert why_not_ours(with_metadata(live(), ownerReferences=owners), PARENT) is None


KEPT: list[tuple[Object, str | None]] = [
    (live(), None),
    (live(prune="enabled"), None),
    (live(prune="disabled"), f"{PRUNE} is disabled"),
    (live(reconcile="disabled"), f"{RECONCILE} is disabled"),
    (live(reconcile="disabled", prune="enabled"), f"{RECONCILE} is disabled"),
    (live(recreate="enabled"), None),
    (live("Deployment"), None),
    (live("Namespace", "n"), None),
    (live("Namespace", "n", prune="disabled"), f"{PRUNE} is disabled"),
]


@pytest.mark.parametrize(("there", "reason"), KEPT)
def test_an_object_may_say_that_it_is_to_be_kept(there: Object, reason: str | None) -> None:
    assert why_kept(there) == reason


TAKERS = ["Namespace", "PersistentVolumeClaim", "CustomResourceDefinition"]


@pytest.mark.parametrize("kind", TAKERS)
def test_what_takes_others_with_it_needs_consent(kind: str) -> None:
    assert consent_needed(live(kind, "n")).startswith(f"a {kind} takes others with it")
    assert consent_needed(live(kind, "n", prune="enabled")) == ""
    assert consent_needed(live("Deployment")) == ""


@pytest.mark.parametrize("kind", TAKERS)
@pytest.mark.parametrize("manager", ["kubectl", "towline-by-hand"])
def test_consent_counts_only_where_towline_applied_it(kind: str, manager: str) -> None:
    assert consent_needed(live(kind, "n", prune="enabled", by=manager)) != ""


@pytest.mark.parametrize("prune", ["Enabled", "true", ""])
def test_another_word_is_no_consent(prune: str) -> None:
    assert consent_needed(live("Namespace", "n", prune=prune)) != ""


def test_the_label_of_membership_is_the_applysets() -> None:
    assert PART_OF == "applyset.kubernetes.io/part-of"
    assert live()["metadata"]["labels"] == {PART_OF: PARENT.id}
