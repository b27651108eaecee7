"""`POST /hooks/<forge>`: verify, parse, match, take in. Nothing is answered 2xx before Redis holds
it, and nothing is parsed before it is verified."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, jsonify, request

from towline.core import urls
from towline.core.application import Repository
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


@hooks.post("/hooks/<forge>")
def receive(forge: str) -> tuple[Response, int]:
    office: Office = current_app.extensions["towline"]
    provider = _provider(forge)
    secrets = _secrets(provider, office)
    body = request.get_data(cache=False)
    # Every secret is tried, so that the time tells nothing of which one fitted.
    fitting = [s for s in secrets if provider.verify(request.headers, body, s.value)]
    if not fitting:
        abort(401, _UNVERIFIED)
    delivery = delivery_id(provider.delivery(request.headers), body)
    match _parsed(provider, body):
        case Ping():
            return jsonify(delivery=delivery, message="pong"), 200
        case Ignored(reason):
            return _taken_in(office, provider, delivery, None, reason)
        case Push() as push:
            if not _covers(fitting, push, office):
                abort(401, _UNVERIFIED)
            return _taken_in(office, provider, delivery, push, "")


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


def _covers(fitting: Iterable[Secret], push: Push, office: Office) -> bool:
    """A repository with a secret of its own takes no other, and its secret opens no other."""
    owner = _repository_of(push, office)
    limited = owner if owner and owner.spec.webhook_secret_file else None
    return any(secret.repository == limited for secret in fitting)


def _repository_of(push: Push, office: Office) -> Repository | None:
    documents = office.documents()
    for url in push.urls:
        if _identity(url):
            found = documents.repository_for(url)
            if found:
                return found
    return None


def _identity(url: str) -> str | None:
    try:
        return urls.parse(url).identity
    except SourceRefusedError:
        return None


def _taken_in(
    office: Office, provider: Provider, delivery: str, push: Push | None, reason: str
) -> tuple[Response, int]:
    repository, why = _match(push, office) if push else (None, reason)
    record = {
        "id": delivery,
        "provider": provider.name,
        "at": office.now(),
        "matched": repository is not None,
        "repository": repository,
        "reason": why,
        "ref": push.ref if push else None,
        "before": push.before if push else None,
        "after": push.after if push else None,
        "urls": list(push.urls) if push else [],
    }
    received = office.inbox.receive(
        record,
        repository=repository,
        ref=push.ref if push else "",
        expected="" if push is None or push.deleted else push.after,
    )
    if received.queue and repository is not None:
        _queue(office, repository)
    answer = jsonify(
        delivery=delivery,
        matched=repository is not None,
        duplicate=received.duplicate,
        reason=why,
    )
    return answer, 202


def _match(push: Push, office: Office) -> tuple[str | None, str]:
    """The followed repository that a push is for, or why there is none."""
    documents = office.documents()
    identities = {identity for url in push.urls if (identity := _identity(url))}
    known = [name for name in documents.repository_urls if name in identities]
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
