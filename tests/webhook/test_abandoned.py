"""Abandoned sets in the API: shown after the applications, and pruned by a signed word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.webhook.edge import VIEWER, Edge
from towline.core.abandoned import plan_name
from towline.core.steering import Steer, Verb, verified

DIGEST = "0123456789abcdef" * 4


def left(name: str = "old", cluster: str = "sandbox", **fields: Any) -> dict[str, Any]:
    return {
        "application": name,
        "cluster": cluster,
        "uid": f"{name}-{cluster}",
        "why": "its document is gone",
        "objects": 3,
        "revision": "branch main@" + "c" * 40,
        "kinds": ["ConfigMap"],
        "namespaces": ["shop"],
        "suspended": None,
        **fields,
    }


def found(edge: Edge, *sets: dict[str, Any], cluster: str = "sandbox", identity: str = "") -> None:
    survey = {"cluster": cluster, "identity": identity or cluster, "at": 1.0, "sets": list(sets)}
    edge.office.ledger.record_survey(cluster, survey)


def names(edge: Edge) -> list[str]:
    items = edge.api("GET", "/applications", token=VIEWER).get_json()["items"]
    return [f"{item['name']} on {item['cluster']}" for item in items[4:]]


def said(edge: Edge) -> Steer:
    ((task, (message,)),) = edge.sent
    assert task == "towline.prune"
    return verified(json.loads(json.dumps(message)), edge.settings.signing_key, now=message["at"])


def test_abandoned_sets_come_after_the_applications(edge: Edge) -> None:
    found(edge, left("zoo"), left("old", suspended="ann"))
    items = edge.api("GET", "/applications").get_json()["items"]
    assert [item["status"] for item in items] == ["unknown"] * 4 + ["abandoned"] * 2
    shown = items[4]
    assert (shown["name"], shown["cluster"], shown["objects"]) == ("old", "sandbox", 3)
    assert shown["message"] == (
        "its document is gone; its 3 objects are left as they are; it was suspended by ann: "
        "`towline prune old` shows what would be deleted, or write its document again"
    )
    assert edge.api("GET", "/applications/old").get_json() == shown


def test_a_document_takes_its_set_up_at_once(edge: Edge) -> None:
    found(edge, left("shop"), left("old"))
    assert names(edge) == ["old on sandbox"]
    assert edge.api("GET", "/applications/shop").get_json()["status"] == "unknown"


def test_a_set_on_another_cluster_than_the_documents_is_shown(edge: Edge) -> None:
    found(edge, left("shop", "second"), cluster="second")
    assert names(edge) == [], "the document's cluster was not looked at yet"
    found(edge)
    assert names(edge) == ["shop on second"]
    found(edge, identity="second")
    assert names(edge) == [], "these are two names of one cluster"


def test_a_cluster_with_two_names_shows_its_sets_once(edge: Edge) -> None:
    found(edge, left("old", uid="u"))
    found(edge, left("old", "alias", uid="u"), cluster="alias", identity="sandbox")
    assert names(edge) == ["old on alias"]


def test_the_runs_of_what_is_gone_are_shown_while_they_are_kept(edge: Edge) -> None:
    assert edge.api("GET", "/applications/old/runs").status_code == 404
    found(edge, left("old"))
    assert edge.api("GET", "/applications/old/runs").get_json() == {"items": []}
    run = {"id": "1", "application": "old", "status": "synced", "plan": None, "ended": 1.0}
    edge.office.ledger.record_run(run)
    assert edge.api("GET", "/applications/old").get_json()["last_run"]["id"] == "1"
    found(edge)
    assert edge.api("GET", "/applications/old").status_code == 404
    assert edge.api("GET", "/applications/old/runs").get_json()["items"][0]["id"] == "1"


@pytest.mark.parametrize("body", [None, {}, {"plan": ""}])
def test_the_plan_is_asked_of_a_worker(edge: Edge, body: Any) -> None:
    found(edge, left("old"))
    answer = edge.api("POST", "/applications/old/prune", json=body)
    asked = answer.get_json()
    assert (answer.status_code, asked["cluster"], asked["verb"]) == (202, "sandbox", "prune")
    assert said(edge) == Steer("old", Verb.PRUNE, "ann", asked["at"], "", "sandbox")


def test_exactly_the_plan_that_is_named_is_asked_for(edge: Edge) -> None:
    found(edge, left("old"))
    answer = edge.api("POST", "/applications/old/prune", json={"plan": DIGEST})
    assert answer.status_code == 202
    assert (said(edge).value, said(edge).cluster) == (DIGEST, "sandbox")


def test_the_plan_that_was_asked_for_is_the_diff(edge: Edge) -> None:
    path = "/applications/old/diff"
    assert edge.api("GET", path).status_code == 404
    found(edge, left("old"), left("old", "second"))
    assert "no plan to prune" in edge.api("GET", path).get_json()["detail"]
    for number, cluster in enumerate(("sandbox", "second")):
        plan = {"digest": DIGEST, "cluster": cluster, "at": float(number)}
        edge.office.ledger.record_plan(plan_name("old", cluster), plan)
    assert edge.api("GET", path).get_json()["cluster"] == "second"
    assert edge.api("GET", f"{path}?cluster=sandbox").get_json()["cluster"] == "sandbox"
    assert edge.api("GET", f"{path}?cluster=third").status_code == 404


def test_of_several_sets_one_must_be_named(edge: Edge) -> None:
    found(edge, left("old"))
    found(edge, left("old", "second"), cluster="second")
    answer = edge.api("POST", "/applications/old/prune")
    assert answer.status_code == 400
    assert "sets on sandbox, second: say which" in answer.get_json()["detail"]
    edge.api("POST", "/applications/old/prune", json={"cluster": "second"})
    assert said(edge).cluster == "second"


def test_a_set_that_no_survey_found_may_be_named(edge: Edge) -> None:
    answer = edge.api("POST", "/applications/lost/prune", json={"cluster": "sandbox"})
    assert (answer.status_code, said(edge).application) == (202, "lost")


@pytest.mark.parametrize("body", [{}, {"cluster": "sandbox"}, {"plan": DIGEST}])
def test_what_a_document_deploys_to_is_not_pruned(edge: Edge, body: dict[str, str]) -> None:
    answer = edge.api("POST", "/applications/shop/prune", json=body)
    assert (answer.status_code, answer.content_type) == (409, "application/problem+json")
    assert answer.get_json(force=True)["detail"] == (
        "application shop has a document that deploys to sandbox: "
        "remove its document first, or use `towline sync shop`"
    )
    assert edge.sent == []


@pytest.mark.parametrize("name", ["SHOP", "..", "a" * 3000, "%00", "é"])
@pytest.mark.parametrize("body", [{}, {"cluster": "sandbox"}])
def test_no_set_of_no_name_is_not_found(edge: Edge, name: str, body: dict[str, str]) -> None:
    answer = edge.api("POST", f"/applications/{name}/prune", json=body)
    assert answer.status_code in (404, 405)
    assert answer.content_type == "application/problem+json"
    assert len(answer.data) < 1000
    assert edge.sent == []


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'"x"',
        b"\xff",
        json.dumps({"plan": None}).encode(),
        json.dumps({"plan": DIGEST[:12]}).encode(),
        json.dumps({"plan": [DIGEST]}).encode(),
        json.dumps({"cluster": ""}).encode(),
        json.dumps({"cluster": 7}).encode(),
        json.dumps({"cluster": "a\nb"}).encode(),
        json.dumps({"cluster": "x" * 254}).encode(),
    ],
)
def test_anything_else_is_refused(edge: Edge, body: bytes) -> None:
    found(edge, left("old"))
    answer = edge.api("POST", "/applications/old/prune", data=body)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert edge.sent == []


def test_what_no_survey_found_is_not_found_without_a_cluster(edge: Edge) -> None:
    answer = edge.api("POST", "/applications/nobody/prune")
    assert answer.status_code == 404
    assert "no abandoned set of that name" in answer.get_json(force=True)["detail"]


def test_a_viewer_does_not_prune(edge: Edge) -> None:
    found(edge, left("old"))
    for body in ({}, {"plan": DIGEST}):
        answer = edge.api("POST", "/applications/old/prune", token=VIEWER, json=body)
        assert answer.status_code == 403
    assert edge.sent == []
