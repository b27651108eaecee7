"""What happens to a built-in object when the server decodes it into its types.

Nulls, empty lists, empty maps of strings and zero values that its types omit are dropped, so
that the live object lacks some of what was sent. Custom resources keep what they are given.
"""

from __future__ import annotations

from typing import Any

from towline.sandbox.kubernetes.shape import Shape

# Fields of plain Go types with `omitempty`: their zero value is never given back.
_OMITTED_WHEN_ZERO = frozenset(
    [
        "deprecated",
        "unschedulable",
        "preserveUnknownFields",
        "value",
        "subPath",
        "subPathExpr",
        "readOnly",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "paused",
        "minReadySeconds",
        "stdin",
        "stdinOnce",
        "tty",
        "initialDelaySeconds",
        "publishNotReadyAddresses",
        "nodePort",
        "hostPort",
        "hostIP",
        "medium",
        "globalDefault",
        "description",
        "workingDir",
        "serviceName",
        "nodeName",
        "hostname",
        "subdomain",
        "priorityClassName",
        "serviceAccountName",
    ]
)
# What is kept as it was written, whatever is in it.
_RAW = frozenset({"openAPIV3Schema", "managedFields"})
# Left out when zero, though what is published says otherwise.
_NOT_SHOWN = frozenset({"minReadySeconds"})
_SET_LATER = frozenset({"metadata", "status"})
_OMITTED_WHEN_EMPTY = frozenset({"value", "matchLabels"})


def decoded(value: Any, shape: Shape) -> Any:
    """The value as the server's types would hold it; the argument is not changed."""
    if isinstance(value, list):
        inner = shape.item()
        return [decoded(item, inner) for item in value]
    if not isinstance(value, dict):
        return value
    if shape.mapping:
        return {
            name: decoded(inner, shape.item()) for name, inner in value.items() if inner is not None
        }
    result: dict[str, Any] = {}
    for name, inner in value.items():
        inner_shape = shape.child(name)
        kept: Any
        if name == "metadata" and isinstance(inner, dict):
            kept = decoded_metadata(inner)
        else:
            kept = inner if name in _RAW else decoded(inner, inner_shape)
        if name in shape.zero and kept is None:
            continue
        if name in shape.zero or not _omitted(name, kept, inner_shape):
            result[name] = kept
    return {**result, **_zeros(result, shape)}


def _zeros(value: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """What the type is written with although nobody named it."""
    found: dict[str, Any] = {}
    for name, zero in shape.zero.items():
        if name in value or name in _NOT_SHOWN or zero == []:
            continue
        if zero == {} and name in _SET_LATER:
            continue
        found[name] = decoded({}, shape.child(name)) if zero == {} else zero
    return found


def decoded_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata without its empty parts, for custom resources too."""
    kept: dict[str, Any] = {}
    for name, value in metadata.items():
        if name in {"labels", "annotations"} and isinstance(value, dict):
            value = {key: text for key, text in value.items() if text is not None}  # noqa: PLW2901
        if value not in (None, {}, [], ""):
            kept[name] = value
    return kept


def _omitted(name: str, value: Any, shape: Shape) -> bool:
    if value is None:
        return True
    if value == []:
        return True
    if value in ("", {}) and name in _OMITTED_WHEN_EMPTY:
        return True
    if value == {}:
        return shape.mapping
    return name in _OMITTED_WHEN_ZERO and (value == "" or value is False or value == 0)
