"""From the bytes of a file to Manifests that remember where they were written."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from towline.core import yamltext
from towline.core.errors import ManifestError, Place
from towline.core.objects import Object, ObjectKey, annotations_of, key_of

WAVE = "towline.dev/wave"
PRUNE = "towline.dev/prune"
RECONCILE = "towline.dev/reconcile"
RECREATE = "towline.dev/recreate"

_STEERING = {
    PRUNE: ("enabled", "disabled"),
    RECONCILE: ("disabled",),
    RECREATE: ("enabled",),
}
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_API_VERSION = re.compile(r"([a-z0-9.-]+/)?[a-z0-9]+")
_WAVE = re.compile(r"[+-]?\d{1,6}")
# What the server writes. A manifest that was exported with `kubectl get -o yaml` has them;
# applied, they would be errors or mean nothing, so they are left out.
_SERVER_FIELDS = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class Manifest:
    """A desired object and where it was written; `body` holds what is to be applied."""

    body: Object
    place: Place

    @cached_property
    def key(self) -> ObjectKey:
        return key_of(self.body)

    @property
    def api_version(self) -> str:
        return str(self.body["apiVersion"])

    def steers(self, annotation: str, value: str) -> bool:
        return annotations_of(self.body).get(annotation) == value

    def __str__(self) -> str:
        return f"{self.key} ({self.place})"


def wave_of(body: Object) -> int:
    """The wave that an object asks for; 0 if it says none, or (on a live one) nonsense."""
    text = annotations_of(body).get(WAVE)
    return int(text) if text is not None and _WAVE.fullmatch(text) else 0


def parse_manifests(data: bytes, file: str) -> list[Manifest]:
    """All objects of a file in their order; a `List` gives its items.

    Raises ManifestError with the place of the first bad document.
    """
    if data.startswith(_LFS_POINTER):
        raise ManifestError(
            "the file is a Git LFS pointer, its content is not in the repository: store it in Git",
            place=Place(file, 1),
        )
    return [
        manifest_of(value, document.place)
        for document in yamltext.documents(data, file)
        for value in _flatten(document.value, document.place)
    ]


def _flatten(value: Any, place: Place) -> Iterable[Any]:
    if not isinstance(value, dict) or not _is_list(value):
        yield value
        return
    items = value.get("items")
    if not isinstance(items, list):
        raise ManifestError(f"a {value['kind']} needs `items`, a list of objects", place=place)
    for item in items:
        yield from _flatten(item, place)


def _is_list(value: Object) -> bool:
    """`v1 List`, and typed lists such as `apps/v1 DeploymentList`, which have items and no name."""
    kind = value.get("kind")
    return isinstance(kind, str) and kind.endswith("List") and "items" in value


def manifest_of(value: Any, place: Place) -> Manifest:
    """Check what every object must have, and leave out what only a server writes."""
    if not isinstance(value, dict):
        raise ManifestError("not a Kubernetes object: expected a mapping", place=place)
    _check_identity(value, place)
    metadata = {
        name: field for name, field in value["metadata"].items() if name not in _SERVER_FIELDS
    }
    _check_metadata(metadata, value["kind"], place)
    body = {name: field for name, field in value.items() if name != "status"}
    body["metadata"] = metadata
    if body["apiVersion"] == "v1" and body["kind"] == "Secret":
        body = _with_secret_data(body, place)
    if body["apiVersion"].startswith("rbac.") and body["kind"] == "ClusterRole":
        body = _without_gathered_rules(body)
    return Manifest(body, place)


def _without_gathered_rules(body: Object) -> Object:
    """Of a role that aggregates others a controller writes the rules: they would be fought over.

    People write `rules: []` there, as Kubernetes' own documentation does.
    """
    gathers = bool(body.get("aggregationRule"))
    return {name: field for name, field in body.items() if name != "rules" or not gathers}


def _check_identity(value: Object, place: Place) -> None:
    for field, shape in (("apiVersion", _API_VERSION), ("kind", _KIND)):
        text = value.get(field)
        if not isinstance(text, str) or not text:
            raise ManifestError(f"`{field}` is missing: every object names its own", place=place)
        if not shape.fullmatch(text):
            raise ManifestError(f"`{field}: {text[:80]}` is malformed", place=place)
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(metadata, dict) and metadata.get("generateName") and not name:
        raise ManifestError(
            f"the {value['kind']} has `generateName`: what is kept equal to Git needs a fixed name",
            place=place,
        )
    if not isinstance(metadata, dict) or not isinstance(name, str) or not name:
        raise ManifestError(f"the {value['kind']} has no `metadata.name`", place=place)
    _check_segments(metadata, value["kind"], place)


def _check_segments(metadata: Object, kind: str, place: Place) -> None:
    """Names become parts of a request's path; what could lead elsewhere is no name anywhere."""
    for field in ("name", "namespace"):
        text = metadata.get(field)
        if isinstance(text, str) and (text in (".", "..") or "/" in text or "%" in text):
            raise ManifestError(f"the {kind} has a malformed `metadata.{field}`", place=place)


def _check_metadata(metadata: Object, kind: str, place: Place) -> None:
    what = f"{kind}/{metadata['name']}"
    namespace = metadata.get("namespace")
    if namespace is not None and not isinstance(namespace, str):
        raise ManifestError(f"{what}: `metadata.namespace` must be a string", place=place)
    for field in ("labels", "annotations"):
        entries = metadata.get(field)
        if entries is None:
            metadata.pop(field, None)
        elif not isinstance(entries, dict):
            raise ManifestError(f"{what}: `metadata.{field}` must be a mapping", place=place)
        else:
            _check_strings(entries, f"{what}: `metadata.{field}", place)
    _check_steering(metadata.get("annotations") or {}, what, place)


def _check_strings(entries: Object, what: str, place: Place) -> None:
    for name, text in entries.items():
        if not isinstance(text, str):
            raise ManifestError(f"{what}.{name}` must be a string: quote it", place=place)


def _check_steering(annotations: dict[str, str], what: str, place: Place) -> None:
    for name, allowed in _STEERING.items():
        if name in annotations and annotations[name] not in allowed:
            expected = " or ".join(allowed)
            raise ManifestError(f"{what}: {name} must be {expected}", place=place)
    if WAVE in annotations and not _WAVE.fullmatch(annotations[WAVE]):
        raise ManifestError(f"{what}: {WAVE} must be a whole number", place=place)


def _with_secret_data(body: Object, place: Place) -> Object:
    """Turn `stringData` into `data`, for the server never removes a dropped `stringData` key."""
    what = f"Secret/{body['metadata']['name']}"
    data, plain = (_mapping(body, field, what, place) for field in ("data", "stringData"))
    for name, text in data.items():
        _check_base64(text, f"{what}: `data.{name}`", place)
    encoded = {
        name: _encoded(text, f"{what}: `stringData.{name}`", place) for name, text in plain.items()
    }
    rest = {name: field for name, field in body.items() if name not in ("data", "stringData")}
    return {**rest, "data": {**data, **encoded}} if data or encoded else rest


def _mapping(body: Object, field: str, what: str, place: Place) -> Object:
    value = body.get(field)
    if value is not None and not isinstance(value, dict):
        raise ManifestError(f"{what}: `{field}` must be a mapping", place=place)
    return value or {}


def _check_base64(text: Any, what: str, place: Place) -> None:
    try:
        if text is not None:
            base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError, AttributeError):
        raise ManifestError(
            f"{what} is not base64: encode it, or use `stringData`", place=place
        ) from None


def _encoded(text: Any, what: str, place: Place) -> str:
    if not isinstance(text, str):
        raise ManifestError(f"{what} must be a string: quote it", place=place)
    return base64.b64encode(text.encode()).decode()
