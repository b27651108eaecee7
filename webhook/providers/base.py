"""What all providers share: the events, and careful reading of what a stranger wrote."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs

_MAX_DEPTH = 64
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PRINTABLE = re.compile(r"[!-~]{1,128}")
_MAX_REF = 1024
_MAX_URL = 2048
_MAX_FORM = 1024**2
"""Bytes: taking a form apart costs far more than hashing it, and one forge signs what is inside."""


class Headers(Protocol):
    """A request's headers; names in any case."""

    def get(self, name: str, default: str, /) -> str: ...


class BadPayloadError(Exception):
    """A body that is not what its forge sends; the text is safe to answer with."""


@dataclass(frozen=True, slots=True)
class Push:
    """A ref moved. `urls` are all spellings of the repository; `ref` is full."""

    urls: tuple[str, ...]
    ref: str
    before: str
    after: str

    @property
    def deleted(self) -> bool:
        return not self.after.strip("0")


@dataclass(frozen=True, slots=True)
class Ping:
    """The forge tries the webhook."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A genuine delivery that moves no ref."""

    reason: str


Event = Push | Ping | Ignored


class Provider(Protocol):
    name: str

    def delivery(self, headers: Headers) -> str:
        """The forge's own id of the delivery, the same when it is sent again; else empty."""

    def verify(self, headers: Headers, body: bytes, secret: bytes) -> bool:
        """Whether the sender holds the secret; in constant time."""

    def parse(self, headers: Headers, body: bytes) -> Event:
        """Raises BadPayloadError."""


def delivery_id(text: str, body: bytes) -> str:
    """An id that is safe to keep: the forge's, or the body's digest where there is none."""
    return text if _PRINTABLE.fullmatch(text) else hashlib.sha256(body).hexdigest()[:32]


def signature_fits(body: bytes, secret: bytes, signature: str) -> bool:
    """HMAC-SHA256 in hex, compared in constant time."""
    expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))


def form_payload(headers: Headers, body: bytes) -> bytes:
    """The JSON of a delivery, which may come as the field `payload` of a form."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return body
    if len(body) > _MAX_FORM:
        raise BadPayloadError("the form is too large: have the webhook send JSON")
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=20, errors="strict")
        return fields["payload"][0].encode()
    except (ValueError, KeyError, UnicodeError):
        raise BadPayloadError("the form has no field `payload`") from None


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object of bounded depth; raises BadPayloadError for everything else."""
    if _depth(body) > _MAX_DEPTH:
        raise BadPayloadError(f"the JSON is nested deeper than {_MAX_DEPTH} levels")
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadPayloadError("the body is not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise BadPayloadError("the body is not a JSON object")
    return value


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


# Possessive, and a string that does not end reaches to the end: never a step back.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


def _depth(body: bytes) -> int:
    """How deep brackets nest, with strings left out."""
    deepest = depth = 0
    for bracket in re.findall(rb"[\[\]{}]", _STRINGS.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def text_field(value: Mapping[str, Any], name: str) -> str:
    field = value.get(name)
    if not isinstance(field, str):
        raise BadPayloadError(f"`{name}` must be a string")
    return field


def object_field(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    field = value.get(name)
    if not isinstance(field, dict):
        raise BadPayloadError(f"`{name}` must be an object")
    return field


def _is_unicode(text: str) -> bool:
    """JSON can spell halves of characters, which nothing else can write."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def push_of(payload: Mapping[str, Any], urls: list[Any]) -> Push:
    """The fields that GitHub, GitLab and Gitea name alike."""
    ref = text_field(payload, "ref")
    before, after = text_field(payload, "before"), text_field(payload, "after")
    if not (ref.startswith("refs/") and _is_unicode(ref)) or len(ref.encode()) > _MAX_REF:
        raise BadPayloadError("`ref` must be the full name of a ref")
    if not (_COMMIT.fullmatch(before) and _COMMIT.fullmatch(after)):
        raise BadPayloadError("`before` and `after` must be commits")
    texts = (url for url in urls if isinstance(url, str) and 0 < len(url) <= _MAX_URL)
    spellings = tuple(dict.fromkeys(texts))
    if not spellings:
        raise BadPayloadError("the repository has no URL")
    return Push(spellings, ref, before, after)
