"""Gitea: bare hex HMAC-SHA256 in `X-Gitea-Signature`; of the JSON, also where a form carries it.

It sends `X-GitHub-…` headers as well; those are not looked at here.
"""

from __future__ import annotations

from contextlib import suppress

from webhook.providers.base import (
    BadPayloadError,
    Event,
    Headers,
    Ignored,
    form_payload,
    object_field,
    parse_json,
    push_of,
    signature_fits,
)


class Gitea:
    name = "gitea"

    def delivery(self, headers: Headers) -> str:
        return headers.get("X-Gitea-Delivery", "")

    def verify(self, headers: Headers, body: bytes, secret: bytes) -> bool:
        signed = body
        with suppress(BadPayloadError):
            signed = form_payload(headers, body)
        return signature_fits(signed, secret, headers.get("X-Gitea-Signature", ""))

    def parse(self, headers: Headers, body: bytes) -> Event:
        event = headers.get("X-Gitea-Event", "")
        if event not in ("push", "create", "delete"):
            return Ignored(f"the event {event[:50]!r} moves no ref; only pushes are needed")
        if event != "push":
            return Ignored("a push says the same of this ref")
        payload = parse_json(form_payload(headers, body))
        repository = object_field(payload, "repository")
        names = ("clone_url", "ssh_url", "html_url")
        return push_of(payload, [repository.get(name) for name in names])
