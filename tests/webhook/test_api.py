"""The API: who may ask, what is asked of workers, and that every error is a problem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from tests.webhook.edge import OPERATOR, VIEWER, Edge, push, settings_in
from towline.core.outcome import TriggerKind
from towline.core.steering import Steer, Verb, verified
from towline.ports import Scope

DIGEST = "0123456789abcdef" * 4

GETS = [
    "/applications",
    "/applications/shop",
    "/applications/shop/runs",
    "/applications/shop/diff",
    "/runs/none",
    "/deliveries",
    "/schema.json",
]
POSTS = ["sync", "suspend", "resume", "approve", "diff"]


def run(number: int, application: str = "shop", **fields: Any) -> dict[str, Any]:
    return {
        "id": f"run-{number}",
        "application": application,
        "status": "synced",
        "message": "",
        "started": float(number),
        "ended": float(number),
        "plan": {"digest": DIGEST},
        "results": [{"object": "v1/ConfigMap"}],
        **fields,
    }


def test_every_route_of_the_api_needs_a_token(edge: Edge) -> None:
    rules = [r for r in edge.app.url_map.iter_rules() if r.rule.startswith("/api/")]
    rules = [r for r in rules if r.endpoint != "api.schema"]  # the same for all, for editors
    assert edge.client.get("/api/v1/schema.json").status_code == 200
    assert len(rules) >= 11
    for rule in rules:
        path = rule.rule.replace("<name>", "shop").replace("<run_id>", "x")
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            answer = edge.client.open(path, method=method)
            assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert edge.sent == []


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {OPERATOR}x",
        f"Basic {OPERATOR}",
        OPERATOR,
        f"Bearer {OPERATOR[:-1]}",
        "Bearer é",
        "Bearer " + "x" * 5000,
    ],
)
def test_what_is_no_token_gets_401(edge: Edge, given: str) -> None:
    answer = edge.client.get("/api/v1/applications", headers={"Authorization": given})
    assert answer.status_code == 401


def test_the_hash_of_a_token_is_no_token(edge: Edge) -> None:
    for token in edge.settings.api_tokens:
        assert edge.api("GET", "/applications", token=token.sha256).status_code == 401


def test_the_scheme_is_read_in_any_case(edge: Edge) -> None:
    for scheme in ("bearer", "BEARER"):
        headers = {"Authorization": f"{scheme}  {VIEWER} "}
        assert edge.client.get("/api/v1/applications", headers=headers).status_code == 200


def test_without_any_token_configured_nobody_is_let_in(folder: Path, redis_url: str) -> None:
    edge = Edge(settings_in(folder, redis_url, TOWLINE_API_TOKENS=""))
    for token in ("", OPERATOR, "x"):
        assert edge.api("GET", "/applications", token=token).status_code == 401


def test_a_viewer_reads_and_does_not_act(edge: Edge) -> None:
    for path in GETS:
        assert edge.api("GET", path, token=VIEWER).status_code in (200, 404)
        assert edge.api("HEAD", path, token=VIEWER).status_code in (200, 404)
    for action in POSTS:
        answer = edge.api("POST", f"/applications/shop/{action}", token=VIEWER)
        assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    assert edge.sent == []


@pytest.mark.parametrize(
    "name", ["nobody", "SHOP", "shop ", "..", "%2e%2e", "a" * 3000, "%00", "é"]
)
def test_an_unknown_application_is_not_found(edge: Edge, name: str) -> None:
    paths = [("GET", ""), ("GET", "/runs"), ("GET", "/diff"), *(("POST", f"/{a}") for a in POSTS)]
    for method, rest in paths:
        body = {"plan": DIGEST} if rest == "/approve" else None
        answer = edge.api(method, f"/applications/{name}{rest}", json=body)
        assert answer.status_code in (404, 405), (method, rest)
        assert answer.content_type == "application/problem+json"
        assert len(answer.data) < 1000
    assert edge.sent == []


def test_unknown_paths_and_methods_are_problems(edge: Edge) -> None:
    for method, path, status in [
        ("GET", "/nothing", 404),
        ("GET", "/applications/shop/nothing", 404),
        ("DELETE", "/applications/shop", 405),
        ("POST", "/deliveries", 405),
    ]:
        answer = edge.api(method, path)
        problem = json.loads(answer.data)
        assert (answer.status_code, problem["status"]) == (status, status)
        assert answer.content_type == "application/problem+json"
        assert {"type", "title", "status"} <= problem.keys()


def test_applications_are_listed_with_how_the_last_run_left_them(edge: Edge) -> None:
    edge.office.ledger.record_run(run(1, message="all well"))
    edge.office.ledger.record_source("git.example.com/shop/deploy", error="cannot be reached")
    answer = edge.api("GET", "/applications").get_json()
    shown = {item["name"]: item for item in answer["items"]}
    assert sorted(shown) == ["keys", "ranged", "released", "shop"]
    assert (shown["shop"]["status"], shown["shop"]["message"]) == ("synced", "all well")
    assert shown["shop"]["source_error"] == "cannot be reached"
    assert (shown["shop"]["follows"], shown["keys"]["status"]) == ("branch main", "unknown")
    assert "results" not in shown["shop"]["last_run"]
    assert edge.api("GET", "/applications/shop").get_json() == shown["shop"]


def test_runs_come_latest_first_and_as_many_as_asked_for(edge: Edge) -> None:
    for number in range(120):
        edge.office.ledger.record_run(run(number))
    for given, shown in [
        ("", 20),
        ("?limit=3", 3),
        ("?limit=1000", 100),
        ("?limit=0", 20),
        ("?limit=-5", 1),
        ("?limit=abc", 20),
        ("?limit=" + "9" * 5000, 20),
        ("?limit=1e3", 20),
        ("?limit=%F0%9F%A6%80", 20),
        ("?limit=", 20),
    ]:
        items = edge.api("GET", f"/applications/shop/runs{given}").get_json()["items"]
        assert [item["id"] for item in items] == [f"run-{119 - n}" for n in range(shown)], given
    assert edge.api("GET", "/runs/run-119").get_json()["results"]


@pytest.mark.parametrize("run_id", ["none", "%00", "*", "a:b", "x" * 3000, "..%2f", "%ff"])
def test_a_run_that_is_not_kept_is_not_found(edge: Edge, run_id: str) -> None:
    assert edge.api("GET", f"/runs/{run_id}").status_code == 404


def test_the_diff_is_the_newer_of_the_last_run_and_the_plan_asked_for(edge: Edge) -> None:
    path = "/applications/shop/diff"
    assert edge.api("GET", path).status_code == 404
    edge.office.ledger.record_run(run(1, plan=None))
    assert edge.api("GET", path).status_code == 404
    edge.office.ledger.record_run(run(2))
    assert edge.api("GET", path).get_json() == {"digest": DIGEST, "at": 2.0}
    edge.office.ledger.record_plan("shop", {"digest": "asked", "at": 1.0})
    assert edge.api("GET", path).get_json()["digest"] == DIGEST
    edge.office.ledger.record_plan("shop", {"digest": "asked", "at": 3.0})
    assert edge.api("GET", path).get_json()["digest"] == "asked"


def test_a_fresh_diff_is_asked_of_a_worker(edge: Edge) -> None:
    answer = edge.api("POST", "/applications/shop/diff")
    assert (answer.status_code, answer.get_json()["application"]) == (202, "shop")
    assert edge.sent == [("towline.plan", ["shop"])]


def test_sync_marks_makes_every_mirror_old_and_queues_once(edge: Edge) -> None:
    repository = "git.example.com/shop/deploy"
    for _ in range(3):
        assert edge.api("POST", "/applications/shop/sync").status_code == 202
    assert edge.sent == [("towline.reconcile", ["shop"])]
    assert edge.office.looks.newest(repository).endswith(":3")
    lease = edge.office.marks.take(Scope.APPLICATION, "shop")
    assert (lease.trigger.kind, lease.trigger.detail) == (TriggerKind.SYNC, "ann")
    assert not lease.release(served=True).more


@pytest.mark.parametrize("verb", [Verb.SUSPEND, Verb.RESUME])
def test_a_persons_word_is_sent_signed(edge: Edge, verb: Verb) -> None:
    answer = edge.api("POST", f"/applications/shop/{verb}")
    assert (answer.status_code, answer.get_json()["verb"]) == (202, verb)
    ((task, (message,)),) = edge.sent
    message = json.loads(json.dumps(message))
    said = verified(message, edge.settings.signing_key, now=answer.get_json()["at"])
    assert (task, said) == ("towline.steer", Steer("shop", verb, "ann", said.at))


def test_an_approval_names_the_whole_digest(edge: Edge) -> None:
    assert edge.api("POST", "/applications/shop/approve", json={"plan": DIGEST}).status_code == 202
    ((_, (message,)),) = edge.sent
    said = verified(message, edge.settings.signing_key, now=message["at"])
    assert (said.verb, said.value) == (Verb.APPROVE, DIGEST)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'"x"',
        b"null",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 5000,
        json.dumps({"plan": None}).encode(),
        json.dumps({"plan": 7}).encode(),
        json.dumps({"plan": [DIGEST]}).encode(),
        json.dumps({"plan": DIGEST[:12]}).encode(),
        json.dumps({"plan": DIGEST + "0"}).encode(),
        json.dumps({"plan": "G" * 64}).encode(),
        json.dumps({"plan": "\ud800" * 64}).encode(),
        json.dumps({"plan": f"{DIGEST[:-1]}\n"}).encode(),
        json.dumps({"digest": DIGEST}).encode(),
    ],
)
def test_an_approval_of_anything_else_is_refused(edge: Edge, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {OPERATOR}"}
    path = "/api/v1/applications/shop/approve"
    answer = edge.client.post(path, data=body, headers=headers)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert edge.sent == []


@pytest.mark.parametrize("action", POSTS)
def test_when_the_broker_is_away_whoever_acts_is_told_so(edge: Edge, action: str) -> None:
    edge.broken = OperationalError("connection refused")
    answer = edge.api("POST", f"/applications/shop/{action}", json={"plan": DIGEST})
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert "Retry-After" in answer.headers


def test_deliveries_are_listed_the_latest_first(edge: Edge) -> None:
    for number in range(5):
        edge.deliver("github", push("github"), delivery=f"d-{number}")
    items = edge.api("GET", "/deliveries?limit=3", token=VIEWER).get_json()["items"]
    assert [item["id"] for item in items] == ["d-4", "d-3", "d-2"]
    assert len(edge.api("GET", "/deliveries").get_json()["items"]) == 5


def test_the_schema_of_the_documents_is_served(edge: Edge) -> None:
    schema = edge.api("GET", "/schema.json", token=VIEWER).get_json()
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "webhookSecretFile" in json.dumps(schema)


def test_a_fault_of_our_own_says_nothing_of_itself(edge: Edge) -> None:
    edge.broken = ValueError("a detail that nobody outside should read")
    answer = edge.api("POST", "/applications/shop/suspend")
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert b"detail that nobody" not in answer.data
