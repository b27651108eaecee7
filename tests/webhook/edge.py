"""The receiver with documents of its own, what forges send to it, and what it sent on."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from towline.settings import Settings, load
from webhook.app import create_app

SECRET = "It's a Secret to Everybody"
VAULT_SECRET = "only-for-the-vault"
OPERATOR = "a-token-of-an-operator"
VIEWER = "a-token-of-a-viewer"
OLD = "1" * 40
NEW = "2" * 40
GONE = "0" * 40
DEPLOY = "git.example.com/shop/deploy"

DOCUMENTS = """
apiVersion: towline.dev/v1alpha1
kind: Repository
metadata: {name: vault}
spec:
  url: https://git.example.com/vault/
  webhookSecretFile: FOLDER/vault-secret
---
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  source: {repository: "https://git.example.com/shop/deploy.git", branch: main}
  destination: {cluster: sandbox}
---
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {name: released}
spec:
  source: {repository: "https://git.example.com/shop/releases.git", tag: stable}
  destination: {cluster: sandbox}
---
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {name: ranged}
spec:
  source: {repository: "https://git.example.com/shop/ranged.git", semver: ">=1.0.0"}
  destination: {cluster: sandbox}
---
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {name: keys}
spec:
  source: {repository: "https://git.example.com/vault/keys.git", branch: main}
  destination: {cluster: sandbox}
"""


def settings_in(folder: Path, redis_url: str, **environment: str) -> Settings:
    """Settings as a process gets them, with GitHub's, GitLab's and Gitea's secret set."""
    tokens = ((OPERATOR, "ann:operator"), (VIEWER, "val:viewer"))
    lines = [f"{who}:{hashlib.sha256(token.encode()).hexdigest()}" for token, who in tokens]
    return load(
        {
            "TOWLINE_APPLICATIONS": str(folder / "documents.yaml"),
            "TOWLINE_REDIS_URL": redis_url,
            "TOWLINE_DATA_DIR": str(folder / "data"),
            "TOWLINE_GITHUB_SECRET": SECRET,
            "TOWLINE_GITLAB_SECRET": SECRET,
            "TOWLINE_GITEA_SECRET": SECRET,
            "TOWLINE_API_TOKENS": "\n".join(lines),
            **environment,
        }
    )


@dataclass
class Edge:
    """`sent` has every task that was published, with its arguments."""

    settings: Settings
    sent: list[tuple[str, list[Any]]] = field(default_factory=list)
    broken: Exception | None = None
    """What publishing raises, if anything."""

    def __post_init__(self) -> None:
        self.app = create_app(self.settings, send=self._send)

    def _send(self, task: str, arguments: Any, *, seconds: float | None = None) -> None:  # noqa: ARG002
        if self.broken:
            raise self.broken
        self.sent.append((task, list(arguments)))

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    @property
    def office(self) -> Any:
        return self.app.extensions["towline"]

    def post(self, forge: str, body: bytes, headers: dict[str, str]) -> TestResponse:
        kind = {"Content-Type": "application/json", **headers}
        return self.client.post(f"/hooks/{forge}", data=body, headers=kind)

    def deliver(
        self,
        forge: str,
        payload: Any,
        *,
        secret: str = SECRET,
        event: str = "",
        delivery: str = "delivery-1",
        form: bool = False,
    ) -> TestResponse:
        """A delivery as the forge signs it; a payload of bytes is sent as it is."""
        text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        body = urlencode({"payload": text}).encode() if form else text
        headers = HEADERS[forge](body, text, secret, event, delivery)
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self.post(forge, body, headers)

    def api(self, method: str, path: str, *, token: str = OPERATOR, **given: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {token}"}
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **given)

    def deliveries(self) -> list[Any]:
        return list(self.office.inbox.deliveries())


def mac(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _github(body: bytes, _: bytes, secret: str, event: str, delivery: str) -> dict[str, str]:
    return {
        "X-Hub-Signature-256": f"sha256={mac(body, secret)}",
        "X-GitHub-Event": event or "push",
        "X-GitHub-Delivery": delivery,
    }


def _gitea(_: bytes, text: bytes, secret: str, event: str, delivery: str) -> dict[str, str]:
    return {
        "X-Gitea-Signature": mac(text, secret),
        "X-Gitea-Event": event or "push",
        "X-Gitea-Delivery": delivery,
        "X-GitHub-Event": "ping",
        "X-GitHub-Delivery": "another-id",
    }


def _gitlab(_: bytes, __: bytes, secret: str, event: str, delivery: str) -> dict[str, str]:
    return {
        "X-Gitlab-Token": secret,
        "X-Gitlab-Event": event or "Push Hook",
        "Idempotency-Key": delivery,
    }


HEADERS = {"github": _github, "gitea": _gitea, "gitlab": _gitlab}
FORGES = tuple(HEADERS)


def push(
    forge: str, path: str = DEPLOY, ref: str = "refs/heads/main", after: str = NEW
) -> dict[str, Any]:
    """What a forge says of a push; `path` is the host and the repository."""
    host, _, name = path.partition("/")
    web, ssh = f"https://{path}", f"git@{host}:{name}.git"
    moved = {"ref": ref, "before": OLD, "after": after, "commits": []}
    if forge == "gitlab":
        project = {"git_http_url": f"{web}.git", "git_ssh_url": ssh, "web_url": web}
        return {**moved, "object_kind": "push", "event_name": "push", "project": project}
    repository = {"clone_url": f"{web}.git", "ssh_url": ssh, "html_url": web, "full_name": name}
    return {**moved, "repository": repository, "deleted": after == GONE}
