"""Liveness, readiness, Redis away, and that no secret is shown or logged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.webhook.edge import (
    FORGES,
    OPERATOR,
    SECRET,
    VAULT_SECRET,
    VIEWER,
    Edge,
    mac,
    push,
    settings_in,
)

NOBODY_LISTENS = "redis://:a-redis-password@127.0.0.1:1/0"


@pytest.fixture
def lonely(folder: Path) -> Edge:
    """An edge whose Redis is away."""
    return Edge(settings_in(folder, NOBODY_LISTENS))


def test_a_healthy_process_is_live_and_ready(edge: Edge) -> None:
    assert edge.client.get("/healthz").status_code == 200
    answer = edge.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {"ready": True, "checks": {"redis": "ok", "documents": "ok"}}


def test_bad_documents_are_named_and_the_process_is_live_but_not_ready(
    folder: Path, redis_url: str
) -> None:
    (folder / "documents.yaml").write_text("kind: Nothing\n", encoding="utf-8")
    edge = Edge(settings_in(folder, redis_url))
    assert edge.client.get("/healthz").status_code == 200
    answer = edge.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["checks"]["documents"] == "in error"
    assert answer.get_json()["checks"]["redis"] == "ok"
    error = edge.api("GET", "/applications").get_json()["documents_error"]
    assert error.startswith("documents.yaml:1: ")
    assert edge.deliver("github", push("github")).get_json()["matched"] is False


def test_missing_documents_make_it_unready(folder: Path, redis_url: str) -> None:
    (folder / "documents.yaml").unlink()
    assert Edge(settings_in(folder, redis_url)).client.get("/readyz").status_code == 503


def test_without_redis_the_process_is_live_but_not_ready(lonely: Edge) -> None:
    assert lonely.client.get("/healthz").status_code == 200
    answer = lonely.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["checks"] == {"redis": "does not answer", "documents": "ok"}


@pytest.mark.parametrize("forge", FORGES)
def test_without_redis_a_delivery_is_never_acknowledged(lonely: Edge, forge: str) -> None:
    answer = lonely.deliver(forge, push(forge))
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert answer.headers["Retry-After"] == "5"
    assert lonely.deliver(forge, push(forge), secret="wrong").status_code == 401
    assert lonely.deliver(forge, b"x").status_code == 400
    assert lonely.sent == []


def test_without_redis_the_api_says_so(lonely: Edge) -> None:
    for method, path in [
        ("GET", "/applications"),
        ("GET", "/applications/shop/runs"),
        ("GET", "/deliveries"),
        ("POST", "/applications/shop/sync"),
    ]:
        answer = lonely.api(method, path)
        assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert lonely.sent == []


def test_no_secret_is_shown_or_logged(
    edge: Edge, lonely: Edge, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is asked, well or badly, with Redis there and away."""
    caplog.set_level(logging.DEBUG)
    answers = []
    for each, forges in ((edge, FORGES), (lonely, FORGES[:1])):
        for forge in forges:
            answers += [
                each.deliver(forge, push(forge)),
                each.deliver(forge, push(forge), secret="wrong"),
                each.deliver(forge, push(forge), secret=VAULT_SECRET),
                each.deliver(forge, b"garbage"),
                each.deliver(forge, push(forge, "git.example.com/vault/keys"), secret=VAULT_SECRET),
            ]
        answers += [
            each.api(method, path, token=token)
            for token in (OPERATOR, "wrong")
            for method, path in [
                ("GET", "/applications"),
                ("GET", "/deliveries"),
                ("GET", "/nothing"),
                ("POST", "/applications/shop/sync"),
                ("POST", "/applications/shop/suspend"),
            ]
        ]
        answers += [each.client.get(path) for path in ("/healthz", "/readyz", "/")]
    edge.broken = RuntimeError("a bug")
    answers.append(edge.api("POST", "/applications/shop/resume"))
    (folder / "vault-secret").write_bytes(b"\xff")
    answers.append(edge.deliver("github", push("github")))
    said = "\n".join(f"{a.headers}\n{a.get_data(as_text=True)}" for a in answers) + caplog.text
    assert "cannot be read" in caplog.text
    secrets = [SECRET, VAULT_SECRET, OPERATOR, VIEWER, "a-redis-password"]
    secrets += [token.sha256 for token in edge.settings.api_tokens]
    secrets += [edge.settings.signing_key.decode(), mac(b"garbage", SECRET)]
    assert [secret for secret in secrets if secret in said] == []


def test_settings_keep_their_secrets_to_themselves(edge: Edge) -> None:
    shown = repr(edge.settings) + repr(edge.office)
    for secret in (SECRET, OPERATOR, edge.settings.signing_key.decode()):
        assert secret not in shown
