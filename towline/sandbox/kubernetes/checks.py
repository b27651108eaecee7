"""What is looked at before a write: is the body about the URL, does it fit, is it up to date?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from towline.sandbox.kubernetes import strict
from towline.sandbox.kubernetes.causes import invalid_value
from towline.sandbox.kubernetes.kinds import Kind
from towline.sandbox.kubernetes.status import Cause, StatusError, bad_request, conflict, invalid
from towline.sandbox.kubernetes.store import Stored
from towline.sandbox.kubernetes.targets import Options, Target

Body = dict[str, Any]


def checked_metadata(target: Target, body: Body) -> Body:
    """The body's metadata; refuses a body that is about something else than the URL."""
    metadata = body.get("metadata")
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict):
        kind = target.kind.kind
        raise bad_request(
            f'{kind} in version "{target.kind.version}" cannot be handled as a {kind}: json: '
            f"cannot unmarshal array into Go struct field {kind}.metadata of type v1.ObjectMeta"
        )
    _check_identity(target, metadata)
    return {**metadata, "name": target.name or metadata.get("name", "")}


def check_type(kind: Kind, body: Body) -> None:
    """Refuse a sent object that is of another kind; built-in ones need not say theirs."""
    version, name = body.get("apiVersion") or "", body.get("kind") or ""
    if kind.custom:
        _check_custom_type(kind, body)
    elif version not in {"", kind.api_version}:
        raise bad_request(
            f'{name} in version "{version}" cannot be handled as a {kind.kind}: no kind "{name}" '
            f'is registered for version "{version}" in scheme'
        )
    elif name not in {"", kind.kind}:
        raise bad_request(
            f'{name} in version "{kind.version}" cannot be handled as a {kind.kind}: converting '
            f"({kind.version}.{name}) to (core.{kind.kind}): unknown conversion"
        )


def _check_custom_type(kind: Kind, body: Body) -> None:
    version, name = body.get("apiVersion") or "", body.get("kind") or ""
    if not name:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {kind.kind}): Object 'Kind' is "
            f"missing in '{json.dumps(body)}'"
        )
    if version != kind.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({kind.api_version})"
        )
    check_type_kept(kind, body)


def check_type_kept(kind: Kind, body: Body) -> None:
    """Refuse a patch that makes something else of an object."""
    metadata = body.get("metadata")
    own = metadata.get("name", "") if isinstance(metadata, dict) else ""
    for field, wanted in (("kind", kind.kind), ("apiVersion", kind.api_version)):
        if body.get(field) == wanted:
            continue
        if not kind.custom:
            # The real server shows the whole object here, and names neither kind nor object.
            value = json.dumps(body)
            cause = Cause("FieldValueInvalid", f"Invalid value: {json.dumps(value)}", "patch")
            message = f' "" is invalid: patch: {cause.message}'
            raise StatusError(422, "Invalid", message, {"causes": [cause.as_json()]})
        cause = invalid_value(field, body.get(field), f"must be {wanted}")
        raise invalid(kind, own, [cause])


def _check_identity(target: Target, metadata: Body) -> None:
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if target.name and name and name != target.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        )
    if namespace and namespace != target.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def check_version(target: Target, metadata: Mapping[str, Any], old: Stored) -> None:
    version = metadata.get("resourceVersion")
    if version and str(version) != old.version:
        raise conflict(target.kind, target.name)


def check_uid(target: Target, metadata: Mapping[str, Any], old: Stored) -> None:
    """A PUT for another object of that name is a conflict."""
    uid = metadata.get("uid")
    if uid and uid != old.uid:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old.uid}"
        raise conflict(target.kind, target.name, why)


def check_uid_kept(target: Target, metadata: Mapping[str, Any], old: Stored) -> None:
    """A patch with another UID, be it an apply, is an attempt to change it."""
    uid = metadata.get("uid")
    if uid and uid != old.uid:
        cause = invalid_value("metadata.uid", uid, "field is immutable")
        raise invalid(target.kind, target.name, [cause])


def screened(kind: Kind, body: Body, options: Options) -> Body:
    """Without unknown fields; refused or warned of, as `fieldValidation` wants it."""
    unknown = strict.unknown_fields(body, kind.shape)
    complaints = [*options.duplicates, *(f'unknown field "{path}"' for path in unknown)]
    if not complaints:
        return body
    if options.validation == "Strict":
        detail = ", ".join(complaints)
        what = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
        raise bad_request(f"{what}strict decoding error: {detail}")
    if options.validation == "Warn":
        options.warnings.extend(complaints)
    screened: Body = strict.without_unknown(body, kind.shape)
    return screened


def typing_message(kind: Kind, config: Body, error: str) -> str:
    return f"failed to create typed patch object ({_described(kind, config)}): {error}"


def conversion_message(kind: Kind, config: Body, error: str) -> str:
    version = f"{kind.group}/{kind.version}, Kind={kind.kind}"
    return (
        f"failed to convert new object ({_described(kind, config)}) to proper version: unable to "
        f"convert unstructured object to {version}: {error}"
    )


def _described(kind: Kind, config: Body) -> str:
    """The object as the body names it, be it in line with the URL or not."""
    metadata = config.get("metadata") or {}
    name = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
    return f"{name}; {kind.group}/{kind.version}, Kind={kind.kind}"
