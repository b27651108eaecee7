"""What a set says of itself, held against what is there."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.core.plans import HOME, NAME, OTHER, PARENT, key, live, resource_of, with_metadata
from towline.core.audit import Finding, Sighting, findings, mended
from towline.core.errors import PermanentError
from towline.core.inventory import GROUP_KINDS, ID_LABEL, NAMESPACES, PART_OF, TOOLING, Parent
from towline.core.objects import GroupKind, Object, ObjectKey, key_of
from towline.core.resources import Resources

MAP, SERVICE = GroupKind("", "ConfigMap"), GroupKind("", "Service")
WHOLE = replace(PARENT, group_kinds=frozenset({MAP}), namespaces=frozenset({"shop"}))
KINDS = ("ConfigMap", "Service", "Deployment", "Namespace", "Widget")


def stored(parent: Parent, by: str = "towline") -> Object:
    """The parent as a server has it after `by` applied it."""
    body = copy.deepcopy(parent.body())
    owned: Object = {f"f:{name}": {} for name in body["metadata"]["annotations"]}
    body["metadata"]["managedFields"] = [
        {
            "manager": by,
            "operation": "Apply",
            "apiVersion": "v1",
            "fieldsV1": {"f:metadata": {"f:annotations": owned}},
        }
    ]
    return body


def seen(
    *labelled: Object,
    body: Object | None = None,
    parent: Parent = WHOLE,
    missing: bool = False,
    failed: Iterable[str] = (),
    **fields: Any,
) -> Sighting:
    by_kind = {resource_of(kind).group_kind: (resource_of(kind),) for kind in KINDS}
    return Sighting(
        application=NAME,
        namespace=HOME,
        body=None if missing else body or stored(parent),
        labelled={key_of(one): one for one in labelled},
        resources=Resources(by_kind, frozenset(failed)),
        **fields,
    )


def said(sighting: Sighting) -> list[str]:
    return [f"{f.object}: {f.problem}" for f in findings(sighting) if not f.is_note]


def notes(sighting: Sighting) -> list[str]:
    return [f"{f.object}: {f.problem}" for f in findings(sighting) if f.is_note]


A = live("ConfigMap", "a")
PLACE = f"ConfigMap/{HOME}/towline-{NAME}"


def test_a_set_in_order_has_no_findings() -> None:
    assert findings(seen(A)) == []
    assert mended(seen(A)) is None


def test_a_finding_reads_as_what_is_wrong_and_what_to_do() -> None:
    assert str(Finding("ConfigMap/shop/a", "it is gone", "Look")) == (
        "ConfigMap/shop/a: it is gone. Look"
    )


# The parent ----------------------------------------------------------------------------------


def test_a_missing_parent_is_written_anew_if_there_are_members() -> None:
    there = seen(A, live("Service", "s"), missing=True)
    assert said(there)[0] == f"{PLACE}: it is missing, and 2 objects are of the set there"
    wider = mended(there)
    assert wider is not None
    assert wider.group_kinds == {MAP, SERVICE}
    assert wider.namespaces == {"shop"}
    assert wider.resource_version is None
    assert findings(seen(missing=True)) == []
    assert mended(seen(missing=True)) is None


def test_another_tools_parent_is_told_and_left_alone() -> None:
    body = stored(WHOLE)
    body["metadata"]["annotations"][TOOLING] = "kubectl/v1.37.0"
    (finding,) = findings(seen(A, body=body))
    assert (finding.object, finding.problem) == (
        PLACE,
        "is not Towline's: its tooling is kubectl",
    )
    assert finding.advice.startswith("Rename the application")
    with pytest.raises(PermanentError, match="its tooling is kubectl"):
        mended(seen(A, body=body))


@pytest.mark.parametrize("label", [None, "applyset-of-another-v1"])
def test_a_wrong_id_is_told_and_written_as_it_should_be(label: str | None) -> None:
    body = stored(WHOLE)
    body["metadata"]["labels"] = {} if label is None else {ID_LABEL: label}
    (text,) = said(seen(A, body=body))
    assert text == (
        f"{PLACE}: its label {ID_LABEL} is {label or 'missing'}, and should be {WHOLE.id}"
    )
    wider = mended(seen(A, body=body))
    assert wider is not None
    assert wider.body()["metadata"]["labels"] == {ID_LABEL: WHOLE.id}


def test_kinds_that_somebody_else_wrote_are_told() -> None:
    body = stored(WHOLE, by="kubectl")
    (text,) = said(seen(A, body=body))
    assert text.startswith(f"{PLACE}: its annotation {GROUP_KINDS} was removed, or written by")
    assert mended(seen(A, body=body)) is not None


def test_a_parent_that_cannot_be_believed_is_not_repaired_while_members_may_hide() -> None:
    body = stored(WHOLE, by="kubectl")
    with pytest.raises(PermanentError, match=r"API groups metrics\.k8s\.io do not answer"):
        mended(seen(A, body=body, failed=["metrics.k8s.io"]))
    assert mended(seen(A, failed=["metrics.k8s.io"])) is None


def test_a_member_of_a_kind_or_namespace_that_is_left_out() -> None:
    service = with_metadata(live("Service", "s"), namespace="web")
    service["metadata"]["annotations"]["towline.dev/id"] = f"{NAME}:/Service:web/s"
    assert said(seen(A, service)) == [
        f"{PLACE}: {GROUP_KINDS} leaves out Service, though Service/web/s is a member",
        f"{PLACE}: {NAMESPACES} leaves out web, though Service/web/s is a member",
    ]
    wider = mended(seen(A, service))
    assert wider is not None
    assert wider.group_kinds == {MAP, SERVICE}
    assert wider.namespaces == {"shop", "web"}
    assert (wider.resource_version, wider.uid) == (PARENT.resource_version, PARENT.uid)


def test_a_kind_or_namespace_without_members_is_told_and_stays() -> None:
    wide = replace(
        WHOLE, group_kinds=frozenset({MAP, SERVICE}), namespaces=frozenset({"shop", "web"})
    )
    assert said(seen(A, parent=wide)) == [
        f"{PLACE}: {GROUP_KINDS} names Service, of which there is no member",
        f"{PLACE}: {NAMESPACES} names web, in which there is no member",
    ]
    assert mended(seen(A, parent=wide)) is None, "a run may have claimed it just now"
    wanted = frozenset({ObjectKey("", "Service", "web", "s")})
    assert said(seen(A, parent=wide, wanted=wanted)) == [], "Git names it"


def test_a_kind_that_the_cluster_does_not_serve() -> None:
    wide = replace(WHOLE, group_kinds=WHOLE.group_kinds | {GroupKind("gone.io", "Thing")})
    assert said(seen(A, parent=wide)) == [
        f"{PLACE}: {GROUP_KINDS} names Thing.gone.io, which the cluster does not serve"
    ]
    assert said(seen(A, parent=wide, failed=["gone.io"])) == [], "nothing is known of it now"


def test_a_kind_that_may_not_be_listed() -> None:
    (finding,) = findings(seen(unseen=frozenset({MAP}), abandoned="its document is gone"))
    assert finding.problem == "ConfigMap may not be listed by this user"
    assert said(seen(A, unseen=frozenset({SERVICE}))) == [], "the set does not need it"


def test_who_corrects_what_needs_no_repair() -> None:
    wide = replace(WHOLE, group_kinds=frozenset({MAP, SERVICE}))
    advice = [f.advice for f in findings(seen(A, parent=wide))]
    assert advice == ["The next run that ends well (`towline sync shop`) corrects it"]
    left = seen(A, parent=wide, abandoned="its document is gone")
    assert [f.advice for f in findings(left)] == ["`towline prune shop` goes over it"]


def test_while_git_is_not_known_nothing_is_said_to_be_too_much() -> None:
    wide = replace(WHOLE, group_kinds=frozenset({MAP, SERVICE}), namespaces=frozenset({"x"}))
    there = seen(A, parent=replace(wide, namespaces=frozenset({"shop", "x"})), git_error="no forge")
    assert said(there) == ["application shop: what Git names is not known: no forge"]


# The objects ---------------------------------------------------------------------------------


def test_a_label_that_was_copied_is_told_and_makes_no_member() -> None:
    copied = with_metadata(live("Service", "s"), annotations={})
    other = live("Service", "o", of=OTHER)
    other["metadata"]["labels"] = {PART_OF: PARENT.id}
    moved = with_metadata(live("Service", "n"), annotations={"towline.dev/id": "shop:/Service:x/n"})
    assert said(seen(A, copied, other, moved)) == [
        "Service/shop/n: the label was copied: its annotation towline.dev/id is shop:/Service:x/n",
        "Service/shop/o: it carries the label, and its annotation towline.dev/id names other",
        "Service/shop/s: the label was copied: its annotation towline.dev/id is missing",
    ]
    assert mended(seen(A, copied)) is None


CONTROLLER = [{"kind": "Service", "name": "s", "controller": True}]


def test_the_copies_that_controllers_make_are_only_noted() -> None:
    service = live("Service", "s")
    parent = replace(WHOLE, group_kinds=frozenset({MAP, SERVICE}))
    slice_ = with_metadata(live("Widget", "s-1"), annotations={}, ownerReferences=CONTROLLER)
    mirror = {**with_metadata(service, annotations={}), "kind": "Endpoints"}
    there = seen(A, service, slice_, mirror, parent=parent)
    assert said(there) == []
    assert notes(there) == [
        "Endpoints/shop/s: its label was copied by the controller of endpoints",
        "Widget/shop/s-1: its label was copied by Service/s",
    ]


def test_members_that_may_not_be_deleted() -> None:
    owned = with_metadata(A, ownerReferences=CONTROLLER)
    strange = live("ConfigMap", "b", by="kubectl")
    assert said(seen(owned, strange)) == [
        "ConfigMap/shop/a: it carries the label, but Service/s controls it",
        "ConfigMap/shop/b: it carries the label, but Towline never applied it",
    ]


@pytest.mark.parametrize(
    ("finalizers", "waits"), [(["x/y", "z"], "x/y, z"), ([], "its dependents")]
)
def test_what_is_being_deleted_names_its_finalizers(finalizers: list[str], waits: str) -> None:
    ending = with_metadata(A, deletionTimestamp="2026-01-01T00:00:00Z", finalizers=finalizers)
    assert said(seen(ending)) == [
        f"ConfigMap/shop/a: being deleted since 2026-01-01T00:00:00Z, waits for {waits}"
    ]


def test_what_git_names_and_lost_its_label() -> None:
    lost = live("ConfigMap", "b", of=None)
    theirs = live("ConfigMap", "c", of=OTHER)
    foreign = with_metadata(lost, name="d", labels={PART_OF: "applyset-x-v1"})
    there = seen(A, unlabelled=(lost, theirs, foreign), wanted=frozenset({key("ConfigMap", "b")}))
    assert said(there) == [
        "ConfigMap/shop/b: Git names it, and it does not carry the label of the set: "
        "it is not pruned",
        "ConfigMap/shop/c: Git names it, and it belongs to other",
        "ConfigMap/shop/d: Git names it, and it belongs to another set (applyset-x-v1)",
    ]
