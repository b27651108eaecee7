"""Abandoned sets as they are kept and shown, and the document they are pruned by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.core.plans import HOME, PARENT, REVISION, live, snapshot
from towline.core.abandoned import (
    AbandonedSet,
    deploying_nothing,
    last_revision,
    message_of,
    plan_name,
    standing,
    survey_record,
)
from towline.core.application import Documents, is_name, parse_documents
from towline.core.inventory import Parent
from towline.core.objects import GroupKind
from towline.core.plan import Revision
from towline.core.planning import make_plan

FOUND = AbandonedSet(
    replace(
        PARENT,
        group_kinds=frozenset({GroupKind("apps", "Deployment"), GroupKind("", "ConfigMap")}),
        namespaces=frozenset({"web", "shop"}),
        revision="branch main@" + "c" * 40,
        suspended="ann",
    ),
    "prod",
    "its document is gone",
    members=3,
)


def described(name: str, cluster: str) -> Documents:
    text = f"""
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec:
  source: {{repository: "https://git.example.com/shop.git", branch: main}}
  destination: {{cluster: {cluster}}}
"""
    return parse_documents({"documents.yaml": text.encode()})


def surveys(*found: AbandonedSet, **identities: str) -> dict[str, Any]:
    clusters = {one.cluster for one in found} | set(identities)
    return {
        name: survey_record(
            name, identities.get(name, name), [s for s in found if s.cluster == name], at=1.0
        )
        for name in clusters
    }


def names(known: dict[str, Any], documents: Documents) -> list[str]:
    return [f"{one['application']} on {one['cluster']}" for one in standing(known, documents)]


def test_a_survey_keeps_what_there_is_to_know() -> None:
    assert survey_record("prod", "uid-of-prod", [FOUND], at=7.0) == {
        "cluster": "prod",
        "identity": "uid-of-prod",
        "at": 7.0,
        "sets": [
            {
                "application": "shop",
                "cluster": "prod",
                "uid": "parent",
                "why": "its document is gone",
                "objects": 3,
                "revision": "branch main@" + "c" * 40,
                "kinds": ["ConfigMap", "Deployment.apps"],
                "namespaces": ["shop", "web"],
                "suspended": "ann",
            }
        ],
    }


def test_without_a_document_a_set_is_abandoned() -> None:
    assert names(surveys(FOUND), Documents()) == ["shop on prod"]
    assert names(surveys(FOUND), described("other", "prod")) == ["shop on prod"]
    assert names({}, Documents()) == []


@pytest.mark.parametrize(
    ("cluster", "identities", "shown"),
    [
        ("prod", {}, []),
        ("test", {"prod": "1", "test": "2"}, ["shop on prod"]),
        ("test", {"prod": "1", "test": "1"}, []),
        ("test", {"prod": "1"}, []),
        ("test", {"prod": "", "test": "2"}, []),
        ("test", {"prod": "1", "test": ""}, []),
    ],
)
def test_a_document_of_that_name_takes_it_up_where_it_deploys_or_may(
    cluster: str, identities: dict[str, str], shown: list[str]
) -> None:
    assert names(surveys(FOUND, **identities), described("shop", cluster)) == shown


def test_what_is_found_under_two_names_is_shown_once() -> None:
    twice = surveys(FOUND, replace(FOUND, cluster="alias"), prod="1", alias="1")
    assert names(twice, Documents()) == ["shop on alias"]


def test_sets_come_by_name_and_cluster() -> None:
    def named(name: str, cluster: str) -> AbandonedSet:
        parent = Parent(name, HOME, uid=f"{name} {cluster}")
        return AbandonedSet(parent, cluster, "its document is gone")

    found = [named("b", "two"), named("a", "two"), named("b", "one")]
    assert names(surveys(*found), Documents()) == ["a on two", "b on one", "b on two"]


@pytest.mark.parametrize(
    ("members", "suspended", "text"),
    [
        (
            3,
            None,
            "its document is gone; its 3 objects are left as they are: `towline prune shop` "
            "shows what would be deleted, or write its document again",
        ),
        (
            1,
            "ann",
            "its document is gone; its object is left as it is; it was suspended by ann",
        ),
        (None, None, "its document is gone; its objects are left as they are: "),
        (
            0,
            "ann",
            "its document is gone, and nothing of it is left: `towline prune shop` removes it",
        ),
    ],
)
def test_the_message_says_what_to_do(members: int | None, suspended: str | None, text: str) -> None:
    parent = replace(FOUND.parent, suspended=suspended)
    found = replace(FOUND, members=members, parent=parent).record()
    assert message_of(found).startswith(text)


def test_the_plan_of_a_pruning_has_a_name_that_no_application_can_have() -> None:
    assert plan_name("shop", "prod") == "shop@prod"
    assert not is_name(plan_name("shop", "prod"))


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a\n", "a" * 54, "a.b", "a@b"])
def test_what_no_application_can_be_called(name: str) -> None:
    assert not is_name(name)
    assert is_name("a" * 53)


# Pruning -------------------------------------------------------------------------------------


def test_deploying_nothing_has_no_limits_but_consent() -> None:
    there = [live("ConfigMap", f"c{n}") for n in range(20)]
    nothing = deploying_nothing("shop", "prod")
    assert (nothing.name, nothing.destination.cluster) == ("shop", "prod")
    made = make_plan(snapshot(there=there, app=nothing))
    assert (len(made.writes), made.holds) == (20, ())
    made = make_plan(snapshot(there=[live("Namespace", "n")], app=nothing))
    assert [hold.kind for hold in made.holds] == ["consent"]


@pytest.mark.parametrize(
    ("noted", "applied", "revision"),
    [
        (f"branch main@{'c' * 40}", "render-2", REVISION),
        ("tags >=1 <2@abc", None, Revision("tags >=1 <2", "abc")),
        (None, None, Revision("", "")),
    ],
)
def test_the_last_revision_is_the_one_that_is_noted(
    noted: str | None, applied: str | None, revision: Revision
) -> None:
    assert last_revision(replace(PARENT, revision=noted, applied=applied)) == revision
