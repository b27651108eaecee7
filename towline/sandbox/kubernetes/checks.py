"""What is looked at before a write: is the body about the URL, does it fit, is it up to date?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from towline.sandbox.kubernetes import strict
from towline.sandbox.kubernetes.kinds import Kind
from towline.sandbox.kubernetes.status import bad_request, conflict
from towline.sandbox.kubernetes.store import Stored
from towline.sandbox.kubernetes.targets import Options, Target

Body = dict[str, Any]


def checked_metadata(target: Target, body: Body) -> Body:
    """The body's metadata; refuses a body that is about something else than the URL."""
    kind = target.kind
    given = (body.get("apiVersion") or "", body.get("kind") or "")
    if given[0] and given[0] != kind.api_version and not _sibling(kind, given[0]):
        raise bad_request(
            f"the API version in the data ({given[0]}) does not match the expected API version "
            f"({kind.api_version})"
        )
    if given[1] and given[1] != kind.kind:
        raise bad_request(
            f"the kind in the data ({given[1]}) does not match the expected kind ({kind.kind})"
        )
    metadata = body.get("metadata")
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict):
        raise bad_request("json: cannot unmarshal metadata into Go struct field of ObjectMeta")
    _check_identity(target, metadata)
    return {**metadata, "name": target.name or metadata.get("name", "")}


def _sibling(kind: Kind, api_version: str) -> bool:
    # A patch of an object that was stored in another version still carries that version.
    return kind.custom and api_version.rpartition("/")[0] == kind.group


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


def check_preconditions(target: Target, metadata: Mapping[str, Any], old: Stored) -> None:
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    if uid and uid != old.uid:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old.uid}"
        raise conflict(target.kind, target.name, why)
    if version and str(version) != old.version:
        raise conflict(target.kind, target.name)


def screened(kind: Kind, body: Body, options: Options) -> Body:
    """Without unknown fields; refused or warned of, as `fieldValidation` wants it."""
    unknown = strict.unknown_fields(body, kind.shape)
    if not unknown:
        return body
    complaints = [f'unknown field "{path}"' for path in unknown]
    if options.validation == "Strict":
        detail = ", ".join(complaints)
        what = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
        raise bad_request(f"{what}strict decoding error: {detail}")
    if options.validation == "Warn":
        options.warnings.extend(complaints)
    screened: Body = strict.without_unknown(body, kind.shape)
    return screened


def typing_message(target: Target, errors: list[str]) -> str:
    kind = target.kind
    what = f"{target.namespace}/{target.name}; {kind.group}/{kind.version}, Kind={kind.kind}"
    text = errors[0] if len(errors) == 1 else "errors:\n  " + "\n  ".join(errors)
    return f"failed to create typed patch object ({what}): {text}"
