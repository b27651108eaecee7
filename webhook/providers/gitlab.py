"""GitLab: the secret itself in `X-Gitlab-Token`."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from webhook.providers.base import (
    Event,
    Headers,
    Ignored,
    object_field,
    parse_json,
    push_of,
    text_field,
)

_PUSHES = {"Push Hook", "Tag Push Hook"}
_SYSTEM_PUSHES = {"push", "tag_push"}


class GitLab:
    name = "gitlab"

    def delivery(self, headers: Headers) -> str:
        """GitLab repeats the key when it sends a delivery again; older ones have only UUIDs."""
        key = headers.get("Idempotency-Key", "")
        if key:
            return key
        ids = (headers.get("X-Gitlab-Event-UUID", ""), headers.get("X-Gitlab-Webhook-UUID", ""))
        return ":".join(filter(None, ids))

    def verify(self, headers: Headers, body: bytes, secret: bytes) -> bool:  # noqa: ARG002
        # WSGI hands a header's bytes over as Latin-1.
        given = headers.get("X-Gitlab-Token", "").encode("latin-1", "replace")
        return hmac.compare_digest(given, secret)

    def parse(self, headers: Headers, body: bytes) -> Event:
        event = headers.get("X-Gitlab-Event", "")
        if event not in _PUSHES and event != "System Hook":
            return Ignored(f"the event {event[:50]!r} moves no ref; only pushes are needed")
        payload = parse_json(body)
        if event == "System Hook" and _system_event(payload) not in _SYSTEM_PUSHES:
            return Ignored("this system event moves no ref")
        project = object_field(payload, "project")
        names = ("git_http_url", "git_ssh_url", "http_url", "ssh_url", "web_url")
        return push_of(payload, [project.get(name) for name in names])


def _system_event(payload: Mapping[str, Any]) -> str:
    """Some system events have no name, and none of those moves a ref."""
    return text_field(payload, "event_name") if "event_name" in payload else ""
