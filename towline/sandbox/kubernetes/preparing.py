"""From what a client sent to what is stored: decoding, defaults, validation, generation."""

from __future__ import annotations

import time
import uuid
from typing import Any

from towline.sandbox.kubernetes import defaults
from towline.sandbox.kubernetes.causes import forbidden_field
from towline.sandbox.kubernetes.decoding import decoded, decoded_metadata
from towline.sandbox.kubernetes.defaults import JOB_LABELS
from towline.sandbox.kubernetes.definitions import established
from towline.sandbox.kubernetes.fields import Path, segment_of
from towline.sandbox.kubernetes.kinds import DEFINITION, Kind
from towline.sandbox.kubernetes.merge import clone
from towline.sandbox.kubernetes.status import Cause, StatusError, bad_request, invalid
from towline.sandbox.kubernetes.store import Stored, encode
from towline.sandbox.kubernetes.structural import add_defaults, schema_problems
from towline.sandbox.kubernetes.validation import problems, undecodable

Body = dict[str, Any]

OBJECT_LIMIT = 1_572_864
"""Bytes of an object: etcd's own limit on a request."""

_SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
)
# What the server allocates after it has noted who wrote which field.
_ASSIGNED = {
    "Service": ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"),
    "Namespace": ("finalizers",),
    "Job": ("selector",),
    "Pod": ("priority", "preemptionPolicy", "tolerations"),
    "PersistentVolumeClaim": ("dataSourceRef",),
    "Node": ("taints",),
}
# For these an empty list, which is not stored, differs from none: each write of it is a change.
_STRICTLY_COMPARED = {
    "MutatingWebhookConfiguration",
    "NetworkPolicy",
    "ValidatingWebhookConfiguration",
}
_ACCOUNTS = ("serviceAccount", "serviceAccountName")
_PROTECTED = {"PersistentVolume", "PersistentVolumeClaim"}


def now() -> str:
    """The current time as the API writes it, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def assigned_paths(kind: Kind, body: Body) -> tuple[Path, ...]:
    """Fields that the server will fill in, and that so belong to no manager."""
    if kind.custom:
        return ()
    spec = body.get("spec") or {}
    names = (name for name in _ASSIGNED.get(kind.kind, ()) if name not in spec)
    found: list[Path] = [("f:spec", f"f:{name}") for name in names]
    metadata = body.get("metadata") or {}
    if kind.kind in _PROTECTED and not metadata.get("finalizers"):
        found.append(("f:metadata", "f:finalizers"))
    if kind.kind == "ClusterRole" and "rules" not in body:
        found.append(("f:rules",))
    if kind.kind == "Pod" and not any(spec.get(name) for name in _ACCOUNTS):
        found += [("f:spec", f"f:{name}") for name in _ACCOUNTS]
    if kind.kind == "Job" and not metadata.get("labels"):
        found.append(("f:metadata", "f:labels"))
    if kind.kind == "Job" and not spec.get("manualSelector"):
        labels = ("f:spec", "f:template", "f:metadata", "f:labels")
        given = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
        found += [(*labels, f"f:{name}") for name in JOB_LABELS] if given else [labels]
    if kind.kind == "Service":
        ports = spec.get("ports") or []
        shape = kind.shape.child("spec").child("ports")
        found += [
            ("f:spec", "f:ports", segment_of(port, shape), "f:nodePort")
            for port in ports
            if not port.get("nodePort")
        ]
    return tuple(found)


def prepared(kind: Kind, body: Body, old: Stored | None, subresource: str = "") -> Body:
    """The object to store. Neither argument is changed.

    Raises what the server answers to an object that it cannot decode or that is invalid.
    """
    body = _scoped_to(kind, body, old, subresource)
    rest = {name: value for name, value in body.items() if name not in {"kind", "apiVersion"}}
    body = {"kind": kind.kind, "apiVersion": kind.api_version, **rest}
    if why := undecodable(kind, body):
        message = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
        raise bad_request(message + why)
    has_empty = kind.kind in _STRICTLY_COMPARED and _has_empty_list(body)
    body = clone(body) if kind.custom else decoded(body, kind.shape)
    body["metadata"] = _metadata(kind, body.get("metadata") or {}, old)
    before = old.body if old else None
    causes = _completed(kind, body, before)
    causes += _finalizer_problems(body, before)
    if causes:
        raise invalid(kind, body["metadata"].get("name", ""), causes)
    if kind is DEFINITION and subresource != "status":
        status = (before or {}).get("status")
        body["status"] = established(body, now(), status)
    _count_generation(kind, body, before, has_empty=has_empty)
    return body


def _has_empty_list(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_empty_list, value.values()))
    return isinstance(value, list) and (not value or any(map(_has_empty_list, value)))


def check_size(body: Body) -> None:
    if len(encode(body)) > OBJECT_LIMIT:
        raise StatusError(500, "", "etcdserver: request is too large")


def _completed(kind: Kind, body: Body, before: Body | None) -> list[Cause]:
    """Add the defaults, and say what is wrong with the result."""
    if kind.custom:
        schema = kind.schema or {}
        add_defaults(body, schema)
        return [*schema_problems(body, schema), *problems(kind, body, before)]
    try:
        status = decoded({}, kind.shape.child("status")) if kind.has_status else None
        defaults.complete(body, before, status=status)
        return problems(kind, body, before)
    except (AttributeError, TypeError, KeyError) as error:
        # A list where a map belongs, or the like: the real server fails while decoding.
        message = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
        raise bad_request(f"{message}json: cannot unmarshal: {error}") from error


def _scoped_to(kind: Kind, body: Body, old: Stored | None, subresource: str) -> Body:
    """Without the parts that a request to this (sub)resource cannot write."""
    if subresource == "status" and old:
        rest = {name: value for name, value in old.body.items() if name != "status"}
        status = body.get("status")
        return rest if status is None else {**rest, "status": status}
    if not kind.has_status:
        return body
    rest = {name: value for name, value in body.items() if name != "status"}
    if old and "status" in old.body:
        rest["status"] = old.body["status"]
    return rest


def _metadata(kind: Kind, given: Body, old: Stored | None) -> Body:
    metadata = decoded_metadata(given)
    for name in ("managedFields", "resourceVersion", *_SERVER_OWNED):
        metadata.pop(name, None)
    if old:
        for name in _SERVER_OWNED:
            if name in old.metadata:
                metadata[name] = old.metadata[name]
        metadata["resourceVersion"] = old.version
    else:
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now()
        if kind.has_generation:
            metadata["generation"] = 1
    return dict(sorted(metadata.items()))


def _count_generation(kind: Kind, body: Body, before: Body | None, *, has_empty: bool) -> None:
    if before is None or not kind.has_generation:
        return
    ignored = {"metadata", "status"} if kind.has_status else {"metadata"}
    ignored |= {"kind", "apiVersion"}
    changed = any(
        body.get(name) != before.get(name) for name in {*body, *before} if name not in ignored
    )
    if changed or has_empty:
        body["metadata"]["generation"] = before["metadata"].get("generation", 0) + 1


def _finalizer_problems(body: Body, before: Body | None) -> list[Cause]:
    if before is None or "deletionTimestamp" not in before["metadata"]:
        return []
    known = before["metadata"].get("finalizers") or []
    added = [name for name in body["metadata"].get("finalizers") or [] if name not in known]
    if not added:
        return []
    names = ", ".join(f'"{name}"' for name in added)
    why = (
        "no new finalizers can be added if the object is being deleted, found new finalizers "
        f"[]string{{{names}}}"
    )
    return [forbidden_field("metadata.finalizers", why)]
