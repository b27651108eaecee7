"""What was approved is made without a second word, once, and nothing else is."""

from __future__ import annotations

import pytest

from tests.core.plans import PARENT, changed, key, live, snapshot, wanted
from towline.core.approval import Grant, token
from towline.core.inventory import Parent, read_parent
from towline.core.objects import Object
from towline.core.plan import Action, Plan, Refusal
from towline.core.planning import make_plan

MANUAL = {"automatic": False}


def granted(*tokens: str, revision: str = "render-2") -> Parent:
    return Parent(
        PARENT.application,
        PARENT.namespace,
        "7",
        "parent",
        complete=True,
        granted=Grant.of(revision, tokens),
    )


def plan(*want: Object, there: tuple[Object, ...] = (), parent: Parent = PARENT) -> Plan:
    return make_plan(snapshot(want, there, sync=MANUAL, parent=parent))


def tokens(made: Plan) -> list[str]:
    return [grant for change in made.writes for grant in change.grants]


A, B = wanted("ConfigMap", "a"), wanted("ConfigMap", "b")


def test_what_is_left_of_an_approved_plan_is_approved() -> None:
    parent = granted(*tokens(plan(A, B)))
    assert plan(A, B, parent=parent).holds == ()
    assert plan(A, B, there=(live("ConfigMap", "a"),), parent=parent).holds == ()


def test_what_comes_to_it_is_not() -> None:
    parent = granted(*tokens(plan(A)))
    assert [hold.kind for hold in plan(A, B, parent=parent).holds] == ["approval"]


def test_of_another_revision_nothing_was_approved() -> None:
    parent = granted(*tokens(plan(A)), revision="render-1")
    assert [hold.kind for hold in plan(A, parent=parent).holds] == ["approval"]


def test_another_object_of_the_name_was_not_meant() -> None:
    old, new = live("ConfigMap", "a"), live("ConfigMap", "a")
    new["metadata"]["uid"] = "another"

    def update(there: Object, parent: Parent = PARENT) -> Plan:
        after = changed(there, data={"k": "v"})
        given = snapshot([A], [there], predicted={key(): after}, sync=MANUAL, parent=parent)
        return make_plan(given)

    parent = granted(*tokens(update(old)))
    assert update(old, parent).holds == ()
    assert [hold.kind for hold in update(new, parent).holds] == ["approval"]


def test_who_has_an_object_replaced_wants_it_made_again() -> None:
    again = wanted("ConfigMap", "a", recreate="enabled")
    there = live("ConfigMap", "a", recreate="enabled")
    refusal = {key(): Refusal("field is immutable", immutable=True)}
    given = snapshot([again], [there], predicted=refusal, sync=MANUAL)
    made = make_plan(given)
    assert [change.action for change in made.writes] == [Action.RECREATE]
    assert plan(again, parent=granted(*tokens(made))).holds == ()


def test_what_is_done_is_struck() -> None:
    grant = Grant.of("r", ["one", "two"])
    assert grant is not None
    left = grant.without(["one"])
    assert left == Grant("r", frozenset({"two"}))
    assert left is not None
    assert left.without(["two"]) is None


def test_it_is_read_as_it_was_written_on_the_parent() -> None:
    parent = Parent("shop", "towline-system", granted=Grant.of("r", ["one", "two"]))
    assert read_parent(parent.body(), "shop", "towline-system").granted == parent.granted


@pytest.mark.parametrize("text", [None, "", " ", "r"])
def test_nothing_is_approved_by_nothing(text: str | None) -> None:
    assert Grant.parse(text) is None


def test_more_than_an_annotation_holds_is_not_kept() -> None:
    assert Grant.of("r", (str(number) for number in range(6001))) is None


def test_writes_are_told_apart_by_action_object_and_uid() -> None:
    names = {
        token(action, key("ConfigMap", name), uid)
        for action in ("create", "delete")
        for name in "ab"
        for uid in ("", "u")
    }
    assert len(names) == 8
