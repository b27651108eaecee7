"""Requests and responses, and how bodies are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml

from towline.sandbox.kubernetes import protobuf
from towline.sandbox.kubernetes.status import (
    StatusError,
    bad_request,
    unsupported_media_type,
)
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
    """Reads dates as text, as the server does, and notes keys that a map has twice."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.duplicates: list[str] = []

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value]
        for index, (key, _) in enumerate(node.value):
            if key.value in names[:index]:
                self.duplicates.append(_set_in_map(key.start_mark.line + 1, key.value))
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A body, and the fields that it names twice, worded as the server complains of them."""

    value: Any
    duplicates: tuple[str, ...] = ()


_READABLE = {"", "application/json", "application/yaml", "application/apply-patch+yaml"}


def parsed(request: Request) -> Parsed:
    """The body, from JSON or YAML; a 400 or 415 if it is neither."""
    media = request.media_type
    if media == protobuf.MEDIA_TYPE:
        return Parsed(protobuf.decode(request.body))
    if not media.endswith("json") and media not in _READABLE:
        raise unsupported_media_type("application/json", "application/yaml", protobuf.MEDIA_TYPE)
    if not media.endswith("yaml"):
        return _from_json(request.body)
    with suppress(StatusError):
        if request.body[:1] == b"{":
            return _from_json(request.body, as_yaml=True)
    return _from_yaml(request.body)


def _from_json(body: bytes, *, as_yaml: bool = False) -> Parsed:
    twice: dict[int, list[str]] = {}

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(found)
        if len(result) < len(found):
            names = [name for name, _ in found]
            again = [name for index, name in enumerate(names) if name in names[:index]]
            twice[id(result)] = again
            kept.append(result)
        return result

    # An object that a later one of the same name replaces must live on, for its id to stay its own.
    kept: list[Any] = []
    try:
        value = json.loads(body, object_pairs_hook=pairs)
    except ValueError as error:
        why = f"couldn't get version/kind; json parse error: {error}"
        raise bad_request(f"the object provided is unrecognized: {why}") from error
    if not twice:
        return Parsed(value)
    if as_yaml:
        names = [name for again in twice.values() for name in again]
        return Parsed(value, tuple(_set_in_map(1, name) for name in names))
    paths = _paths_of(value, "", twice)
    return Parsed(value, tuple(f'duplicate field "{path}"' for path in paths))


def _paths_of(value: Any, path: str, twice: dict[int, list[str]]) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _paths_of(inner, f"{path}.{name}" if path else name, twice)
        for name in twice.get(id(value), ()):
            yield f"{path}.{name}" if path else name
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths_of(inner, f"{path}[{index}]", twice)


def _from_yaml(body: bytes) -> Parsed:
    loader = _Loader(body)
    try:
        value = loader.get_single_data()
        return Parsed(value, tuple(loader.duplicates))
    except (yaml.YAMLError, ValueError) as error:
        why = f"error decoding patch: error converting YAML to JSON: {error}"
        raise bad_request(why) from error
    finally:
        loader.dispose()


def _set_in_map(line: int, name: str) -> str:
    return f'yaml: unmarshal errors:\n  line {line}: key "{name}" already set in map'


def parsed_object(request: Request) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body, which must be an object, and what it names twice."""
    body = parsed(request)
    if not isinstance(body.value, dict):
        raise bad_request(
            "the object provided is unrecognized: couldn't get version/kind; json parse error: "
            "json: cannot unmarshal into Go value of type struct"
        )
    return body.value, body.duplicates
