"""`POST /hooks/<forge>`: verify, parse, match, take in. Nothing is answered 2xx before Redis holds
it, and nothing is parsed before it is verified."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, jsonify, request
from werkzeug.exceptions import HTTPException

from towline.core import urls
from towline.core.application import Documents, Repository
from towline.core.errors import SourceRefusedError
from towline.settings import REFRESH_TASK
from webhook.office import Office
from webhook.providers import PROVIDERS, BadPayloadError, Event, Ignored, Ping, Provider, Push
from webhook.providers.base import delivery_id

log = logging.getLogger(__name__)

MAX_BODY = 25 * 1024**2
"""Bytes; GitHub delivers nothing larger."""

_UNVERIFIED = "the delivery is not signed with a secret known here"
"""The same for a known repository and an unknown one."""

hooks = Blueprint("hooks", __name__)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret, and the one Repository it is limited to, if any."""

    value: bytes
    repository: Repository | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A verified delivery, and the followed repository that it is for, or why there is none."""

    id: str
    provider: str
    repository: str | None = None
    reason: str = ""
    push: Push | None = None


@hooks.post("/hooks/<forge>")
def receive(forge: str) -> tuple[Response, int]:
    office: Office = current_app.extensions["towline"]
    provider = _provider(forge)
    secrets = _secrets(provider, office)
    body = _body()
    # Every secret is tried, so that the time tells nothing of which one fitted.
    fitting = [s for s in secrets if provider.verify(request.headers, body, s.value)]
    if not fitting:
        abort(401, _UNVERIFIED)
    delivery = delivery_id(provider.delivery(request.headers), body)
    match _parsed(provider, body):
        case Ping():
            return jsonify(delivery=delivery, message="pong"), 200
        case Ignored(reason):
            return _taken_in(office, Delivery(delivery, provider.name, reason=reason))
        case Push() as push:
            opened = _opened(fitting, push, office)
            if opened is None:
                abort(401, _UNVERIFIED)
            repository, why = _match(push, opened, office)
            return _taken_in(office, Delivery(delivery, provider.name, repository, why, push))


def _body() -> bytes:
    """The raw bytes; 413 beyond the limit, 408 where they do not come."""
    try:
        body = request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception:  # each server has its own errors for a body that cannot be read
        abort(400, "the body cannot be read")
    declared = request.content_length
    if declared is not None and len(body) < declared:
        abort(408, "the body did not come whole in time")
    # A body without a length is cut at the limit in silence.
    if declared is None and len(body) >= MAX_BODY:
        abort(413)
    return body


def _provider(forge: str) -> Provider:
    if forge not in PROVIDERS:
        abort(404, f"there is no provider {forge[:50]!r}; there are {', '.join(PROVIDERS)}")
    return PROVIDERS[forge]


def _parsed(provider: Provider, body: bytes) -> Event:
    try:
        return provider.parse(request.headers, body)
    except BadPayloadError as error:
        abort(400, str(error))


def _secrets(provider: Provider, office: Office) -> list[Secret]:
    secrets = list(_known_secrets(provider, office))
    if not secrets:
        name = f"TOWLINE_{provider.name.upper()}_SECRET"
        abort(404, f"{provider.name} is not served here: {name} is not set")
    return secrets


def _known_secrets(provider: Provider, office: Office) -> Iterable[Secret]:
    for text in office.settings.webhook_secrets.get(provider.name.upper(), ()):
        yield Secret(text.encode())
    for repository in office.documents().repositories:
        if repository.spec.webhook_secret_file:
            for text in _lines(repository.spec.webhook_secret_file):
                yield Secret(text.encode(), repository)


def _lines(path: str) -> list[str]:
    """An unreadable file is no secret at all: what it should verify is refused."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        log.warning("the webhook secret %s cannot be read: %s", path, error)
        return []
    return [line for line in text.splitlines() if line.strip()]


def _opened(fitting: Iterable[Secret], push: Push, office: Office) -> Sequence[str] | None:
    """Of the repositories that are followed, those that a push names and may name.

    A repository with a secret of its own takes no other, and its secret opens no other. A payload
    has several URLs, and whoever holds a secret may write any: each is judged on its own. None if
    the secret opens nothing that the push names.
    """
    documents = office.documents()
    limits = {secret.repository for secret in fitting}
    urls_by_name = {identity: url for url in push.urls if (identity := _identity(url))}
    known = [name for name in documents.repository_urls if name in urls_by_name]
    judged = known or list(urls_by_name)
    opened = [n for n in judged if _limit(documents, urls_by_name[n]) in limits]
    if not opened and (judged or None not in limits):
        return None
    return [name for name in opened if name in known]


def _limit(documents: Documents, url: str) -> Repository | None:
    """The Repository whose own secret a push to `url` must be signed with."""
    found = documents.repository_for(url)
    return found if found and found.spec.webhook_secret_file else None


def _identity(url: str) -> str | None:
    try:
        return urls.parse(url).identity
    except SourceRefusedError:
        return None


def _taken_in(office: Office, delivery: Delivery) -> tuple[Response, int]:
    push, matched = delivery.push, delivery.repository is not None
    record = {
        "id": delivery.id,
        "provider": delivery.provider,
        "at": office.now(),
        "matched": matched,
        "repository": delivery.repository,
        "reason": delivery.reason,
        "ref": push.ref if push else None,
        "before": push.before if push else None,
        "after": push.after if push else None,
        "urls": list(push.urls) if push else [],
    }
    received = office.inbox.receive(
        record,
        repository=delivery.repository,
        ref=push.ref if push else "",
        expected="" if push is None or push.deleted else push.after,
    )
    if received.queue and delivery.repository is not None:
        _queue(office, delivery.repository)
    answer = jsonify(
        delivery=delivery.id,
        matched=matched,
        duplicate=received.duplicate,
        reason=delivery.reason,
    )
    return answer, 202


def _match(push: Push, known: Sequence[str], office: Office) -> tuple[str | None, str]:
    """The followed repository that a push is for, or why there is none."""
    documents = office.documents()
    if not known:
        return None, "no application follows this repository"
    for name in known:
        if any(a.source.follows(push.ref) for a in documents.following(name)):
            return name, ""
    return None, f"no application follows {push.ref} of this repository"


def _queue(office: Office, repository: str) -> None:
    """The mark stands already: if the broker does not answer now, the tick queues the task."""
    # Each broker's client has errors of its own, and none of them may undo the 202.
    try:
        office.send(REFRESH_TASK, [repository])
    except Exception as error:
        log.warning("the refresh of %s was not queued, the tick will: %s", repository, error)
