"""Who is let in: signatures over the raw bytes, and the same answer for everyone who is not."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.webhook.edge import (
    FORGES,
    SECRET,
    VAULT_SECRET,
    Edge,
    mac,
    push,
    settings_in,
)
from webhook.providers import PROVIDERS
from webhook.providers.base import signature_fits

VAULT = "git.example.com/vault/keys"
REFRESH_DEPLOY = ("towline.refresh", ["git.example.com/shop/deploy"])
REFRESH_VAULT = ("towline.refresh", [VAULT])

VECTORS = [
    (b"Hello, World!", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
    (b"Hello World!", "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"),
]


@pytest.mark.parametrize(("body", "signature"), VECTORS)
def test_the_published_test_vectors_fit(body: bytes, signature: str) -> None:
    github, gitea = PROVIDERS["github"], PROVIDERS["gitea"]
    secret = SECRET.encode()
    assert signature_fits(body, secret, signature)
    assert github.verify({"X-Hub-Signature-256": f"sha256={signature}"}, body, secret)
    assert gitea.verify({"X-Gitea-Signature": signature}, body, secret)


@pytest.mark.parametrize(("body", "signature"), VECTORS)
def test_a_signature_fits_no_other_body_and_no_other_secret(body: bytes, signature: str) -> None:
    assert not signature_fits(body + b"\n", SECRET.encode(), signature)
    assert not signature_fits(body, b"another", signature)
    assert not signature_fits(body, SECRET.encode(), signature[:-1])
    assert not signature_fits(body, SECRET.encode(), "")
    assert not signature_fits(body, SECRET.encode(), "é")


def _unsigned(forge: str, body: bytes) -> list[dict[str, str]]:
    """Headers that prove nothing, for the same body."""
    wrong, sha1 = mac(body, "wrong"), hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    match forge:
        case "github":
            header = "X-Hub-Signature-256"
            right = mac(body, SECRET)
            given = [f"sha256={wrong}", f"sha1={sha1}", f"sha256={sha1}", right, f"sha1={right}"]
            given += ["", "sha256=", "=", f"SHA512={right}", f"sha256={right} ", "sha256=é"]
            return [{}, {"X-Hub-Signature": f"sha1={sha1}"}, *({header: g} for g in given if g)]
        case "gitea":
            header = "X-Gitea-Signature"
            return [{}, {header: wrong}, {header: sha1}, {header: f"sha256={mac(body, SECRET)}"}]
        case _:
            header = "X-Gitlab-Token"
            return [{}, {header: "wrong"}, {header: ""}, {header: SECRET[:-1]}, {header: "é"}]


@pytest.mark.parametrize("forge", FORGES)
def test_whoever_proves_nothing_gets_one_answer_whatever_they_name(edge: Edge, forge: str) -> None:
    """A known repository, an unknown one, one with a secret of its own, and garbage."""
    paths = ("git.example.com/shop/deploy", "elsewhere.example/x/y", VAULT)
    bodies = [json.dumps(push(forge, path)).encode() for path in paths] + [b"garbage", b""]
    answers = [
        edge.post(forge, body, headers) for body in bodies for headers in _unsigned(forge, body)
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.data for answer in answers}) == 1
    assert len({answer.headers["Content-Length"] for answer in answers}) == 1
    assert answers[0].content_type == "application/problem+json"
    assert (edge.sent, edge.deliveries()) == ([], [])


def test_a_space_inside_a_signature_is_not_forgiven(edge: Edge) -> None:
    body = json.dumps(push("github")).encode()
    headers = {"X-Hub-Signature-256": f"sha256= {mac(body, SECRET)}", "X-GitHub-Event": "push"}
    assert edge.post("github", body, headers).status_code == 401


@pytest.mark.parametrize("forge", FORGES)
def test_a_provider_without_a_secret_is_not_served(
    folder: Path, redis_url: str, forge: str
) -> None:
    (folder / "vault-secret").unlink()
    others = {f"TOWLINE_{name.upper()}_SECRET": "x" for name in FORGES if name != forge}
    settings = settings_in(folder, redis_url, **others)
    secrets = {**settings.webhook_secrets, forge.upper(): ()}
    object.__setattr__(settings, "webhook_secrets", secrets)
    edge = Edge(settings)
    for secret in ("", "x", SECRET):
        answer = edge.deliver(forge, push(forge), secret=secret)
        assert answer.status_code == 404
        assert answer.content_type == "application/problem+json"
    assert edge.sent == []


@pytest.mark.parametrize("forge", ["forgejo", "unknown", "GitHub", "%00", "a" * 3000])
def test_an_unknown_provider_is_not_found(edge: Edge, forge: str) -> None:
    answer = edge.post(forge, b"{}", {})
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize("forge", FORGES)
def test_while_a_secret_is_changed_the_old_and_the_new_are_taken(
    folder: Path, redis_url: str, redis: object, forge: str
) -> None:
    assert redis is not None
    name = f"TOWLINE_{forge.upper()}_SECRET"
    edge = Edge(settings_in(folder, redis_url, **{name: "old secret\nnéw\n\n"}))
    for secret in ("old secret", "néw" if forge != "gitlab" else "néw".encode().decode("latin-1")):
        assert edge.deliver(forge, push(forge), secret=secret).status_code == 202
    for secret in ("", "old", "old secret néw", SECRET):
        assert edge.deliver(forge, push(forge), secret=secret).status_code == 401


@pytest.mark.parametrize("forge", FORGES)
def test_a_repository_with_a_secret_of_its_own_opens_to_that_alone(edge: Edge, forge: str) -> None:
    refused = edge.deliver(forge, push(forge, VAULT))
    assert refused.status_code == 401
    assert edge.sent == []
    assert edge.deliver(forge, push(forge, VAULT), secret=VAULT_SECRET).get_json()["matched"]
    assert edge.sent == [REFRESH_VAULT]


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.parametrize("path", ["git.example.com/shop/deploy", "elsewhere.example/x/y"])
def test_the_secret_of_one_repository_opens_no_other(edge: Edge, forge: str, path: str) -> None:
    answer = edge.deliver(forge, push(forge, path), secret=VAULT_SECRET)
    unsigned = edge.deliver(forge, push(forge, path), secret="wrong")
    assert answer.status_code == 401
    assert answer.data == unsigned.data
    assert (edge.sent, edge.deliveries()) == ([], [])


@pytest.mark.parametrize("first", ["git.example.com/vault/keys", "git.example.com/shop/deploy"])
def test_a_payload_that_names_two_repositories_moves_only_what_its_secret_opens(
    edge: Edge, first: str
) -> None:
    """Whoever holds one repository's secret may write any URL into a payload."""
    second = ({VAULT, "git.example.com/shop/deploy"} - {first}).pop()
    urls = {"clone_url": f"https://{first}.git", "ssh_url": f"https://{second}"}
    payload = {**push("github"), "repository": urls}
    assert edge.deliver("github", payload, secret=VAULT_SECRET).status_code == 202
    assert edge.sent == [REFRESH_VAULT]
    edge.sent.clear()
    assert edge.deliver("github", payload, secret=SECRET).status_code == 202
    assert edge.sent == [REFRESH_DEPLOY]


def test_a_secret_of_one_repository_moves_nothing_by_urls_that_are_none(edge: Edge) -> None:
    payload = {**push("github"), "repository": {"clone_url": "not a url"}}
    assert edge.deliver("github", payload, secret=VAULT_SECRET).status_code == 401
    assert edge.deliver("github", payload).get_json()["matched"] is False


def test_a_repository_whose_secret_cannot_be_read_is_closed_not_open(
    edge: Edge, folder: Path
) -> None:
    (folder / "vault-secret").unlink()
    for secret in (VAULT_SECRET, SECRET, ""):
        assert edge.deliver("github", push("github", VAULT), secret=secret).status_code == 401
    (folder / "vault-secret").write_text("\n", encoding="utf-8")
    assert edge.deliver("github", push("github", VAULT), secret="").status_code == 401
    assert edge.sent == []


def test_gitea_signs_the_json_inside_a_form_and_github_the_form(edge: Edge) -> None:
    for forge in ("github", "gitea"):
        assert edge.deliver(forge, push(forge), form=True).get_json()["matched"]
    body = json.dumps(push("github")).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = urlencode({"payload": body}).encode()
    swapped = {"X-Hub-Signature-256": f"sha256={mac(body, SECRET)}", "X-GitHub-Event": "push"}
    assert edge.post("github", sent, {**form, **swapped}).status_code == 401
    outer = {"X-Gitea-Signature": mac(sent, SECRET), "X-Gitea-Event": "push"}
    assert edge.post("gitea", sent, {**form, **outer}).status_code == 401
