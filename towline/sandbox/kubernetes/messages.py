"""Requests and responses, and how bodies are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from towline.sandbox.kubernetes import protobuf
from towline.sandbox.kubernetes.status import bad_request, unsupported_media_type
from towline.sandbox.kubernetes.store import encode

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in {"1", "true", "t"}


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back: either a body, or a stream that lasts."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    stream: Iterator[bytes] | None = None

    @classmethod
    def of(cls, value: Any, status: int = 200) -> Response:
        return cls(status, encode(value))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads dates as text, as the server does."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parsed(request: Request) -> Any:
    """The body, from JSON or YAML; a 400 or 415 if it is neither."""
    media = request.media_type
    if media == protobuf.MEDIA_TYPE:
        return protobuf.decode(request.body)
    if "cbor" in media:
        raise unsupported_media_type(media)
    if media.endswith("json") or request.body[:1] == b"{":
        try:
            return json.loads(request.body)
        except ValueError as error:
            if media.endswith("json"):
                raise bad_request(f"error decoding JSON: {error}") from error
    try:
        return yaml.load(request.body, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError) as error:
        raise bad_request(f"error decoding YAML: {error}") from error


def parsed_object(request: Request) -> dict[str, Any]:
    value = parsed(request)
    if not isinstance(value, dict):
        raise bad_request("the body of the request must be an object")
    return value
