"""Errors as a Kubernetes API server words them: `Status` objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from towline.sandbox.kubernetes.kinds import Kind


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong, and the field in which it is."""

    reason: str
    message: str
    field: str

    def as_json(self) -> dict[str, Any]:
        return {"reason": self.reason, "message": self.message, "field": self.field}


class StatusError(Exception):
    """A request that fails; `code` is the HTTP status."""

    def __init__(  # noqa: PLR0913 - these are the parts of a Status
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        retry_after: int | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after = retry_after
        self.metadata = metadata or {}

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def success(kind: Kind, name: str, uid: str) -> dict[str, Any]:
    """What a finished DELETE answers."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**_details(kind, name), "uid": uid},
    }


def _details(kind: Kind, name: str, causes: list[Cause] | None = None) -> dict[str, Any]:
    # The server puts the resource's plural in `kind`, except in Invalid, where it is the kind.
    details: dict[str, Any] = {"name": name} if name else {}
    if kind.group:
        details["group"] = kind.group
    details["kind"] = kind.plural
    if causes:
        details["causes"] = [cause.as_json() for cause in causes]
    return details


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def forbidden(kind: Kind, name: str, why: str, causes: list[Cause] | None = None) -> StatusError:
    message = f'{kind.resource} "{name}" is forbidden: {why}'
    return StatusError(403, "Forbidden", message, _details(kind, name, causes))


def not_found(kind: Kind, name: str) -> StatusError:
    message = f'{kind.resource} "{name}" not found'
    return StatusError(404, "NotFound", message, _details(kind, name))


def no_such_path() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


class NoSuchPathError(Exception):
    """A path below no group that is served: answered with a 404 in plain text."""


def method_not_allowed() -> StatusError:
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, {})


def already_exists(kind: Kind, name: str) -> StatusError:
    message = f'{kind.resource} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, _details(kind, name))


OUTDATED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(kind: Kind, name: str, why: str = OUTDATED) -> StatusError:
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(kind, name))


def precondition_failed(kind: Kind, name: str, why: str) -> StatusError:
    """Unlike the others, a 409 about the preconditions of a DELETE names the kind."""
    full = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    message = f'Operation cannot be fulfilled on {full} "{name}": {why}'
    details = {**_details(kind, name), "kind": kind.kind}
    return StatusError(409, "Conflict", message, details)


def apply_conflict(message: str, causes: list[Cause]) -> StatusError:
    return StatusError(409, "Conflict", message, {"causes": [cause.as_json() for cause in causes]})


def expired(message: str, metadata: dict[str, Any] | None = None) -> StatusError:
    return StatusError(410, "Expired", message, metadata=metadata)


def too_large(message: str) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", message)


def unsupported_media_type(*accepted: str) -> StatusError:
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(accepted)}"
    )
    return StatusError(415, "UnsupportedMediaType", message)


def invalid(kind: Kind, name: str, causes: list[Cause]) -> StatusError:
    """One or more causes, joined as the server joins them."""
    lines = [f"{cause.field}: {cause.message}" for cause in causes]
    text = lines[0] if len(lines) == 1 else "[" + ", ".join(lines) + "]"
    details = _details(kind, name, causes)
    details["kind"] = kind.kind
    full = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return StatusError(422, "Invalid", f'{full} "{name}" is invalid: {text}', details)


def internal(message: str) -> StatusError:
    """A 500 without a reason, as the server sends for errors that it did not foresee."""
    return StatusError(500, "", message)
