"""GitHub: HMAC-SHA256 of the raw body in `X-Hub-Signature-256`, also for a form."""

from __future__ import annotations

from webhook.providers.base import (
    Event,
    Headers,
    Ignored,
    Ping,
    form_payload,
    object_field,
    parse_json,
    push_of,
    signature_fits,
)


class GitHub:
    name = "github"

    def delivery(self, headers: Headers) -> str:
        return headers.get("X-GitHub-Delivery", "")

    def verify(self, headers: Headers, body: bytes, secret: bytes) -> bool:
        scheme, _, signature = headers.get("X-Hub-Signature-256", "").partition("=")
        return signature_fits(body, secret, signature if scheme == "sha256" else "")

    def parse(self, headers: Headers, body: bytes) -> Event:
        event = headers.get("X-GitHub-Event", "")
        if event == "ping":
            return Ping()
        if event != "push":
            return Ignored(f"the event {event[:50]!r} moves no ref; only pushes are needed")
        payload = parse_json(form_payload(headers, body))
        repository = object_field(payload, "repository")
        names = ("clone_url", "ssh_url", "html_url", "git_url", "url")
        return push_of(payload, [repository.get(name) for name in names])
