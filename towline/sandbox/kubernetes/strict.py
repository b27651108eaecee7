"""Fields that do not exist, and values of the wrong type: found by shape, before decoding."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from towline.sandbox.kubernetes.fields import Path, display, segment_of
from towline.sandbox.kubernetes.quantities import canonical
from towline.sandbox.kubernetes.shape import DEDUCED, Shape

_JSON_TYPES: dict[type, str] = {
    bool: "bool",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_GO_TYPES = {"string": "string", "boolean": "bool", "integer": "int32", "number": "float64"}


def json_type(value: Any) -> str:
    """As Go's decoder calls the type of a value."""
    return _JSON_TYPES.get(type(value), "null")


def unknown_fields(value: Any, shape: Shape, path: str = "") -> list[str]:
    """Dotted paths of the fields that the shape does not know, in the order they are written."""
    found: list[str] = []
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += unknown_fields(item, shape.item(), f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            here = f"{path}.{name}" if path else name
            if shape.known is not None and name not in shape.known:
                found.append(here)
            else:
                found += unknown_fields(inner, shape.child(name), here)
    return found


def without_unknown(value: Any, shape: Shape) -> Any:
    """The value as a decoder leaves it that drops unknown fields."""
    if isinstance(value, list):
        return [without_unknown(item, shape.item()) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: without_unknown(inner, shape.child(name))
        for name, inner in value.items()
        if shape.known is None or name in shape.known
    }


def _type_of(shape: Shape) -> str:
    """What the value must be, also where the shape says it only by what is in it."""
    if shape.type or shape is DEDUCED:
        return shape.type
    if shape.keys or shape.unique:
        return "array"
    is_map = shape.atomic or shape.mapping or shape.known is not None or bool(shape.fields)
    return "object" if is_map else ""


def _fits(value: Any, wanted: str) -> bool:
    match wanted:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer" | "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
    return True


def misfit(value: Any, shape: Shape, path: str = "", owner: str = "") -> str:
    """Why a built-in object cannot be decoded, worded as Go's decoder does; empty if it can.

    `owner` is the type that has the field of this path.
    """
    wanted = _type_of(shape)
    if value is None:
        return ""
    if wanted == "quantity":
        return _no_quantity(value)
    number = f" {value}" if wanted == "integer" and isinstance(value, float) else ""
    if not _fits(value, wanted) or (number and not value.is_integer()):
        what = f"{json_type(value)}{number} into Go struct field {owner}{path}"
        return f"json: cannot unmarshal {what} of type {_go_type(shape)}"
    owner = shape.name or owner
    inner: Iterable[tuple[Any, Shape, str]] = ()
    if isinstance(value, dict) and shape.mapping:
        inner = ((item, shape.item(), path) for item in value.values())
    elif isinstance(value, dict):
        inner = ((item, shape.child(name), f"{path}.{name}") for name, item in value.items())
    elif isinstance(value, list):
        inner = ((item, shape.item(), path) for item in value)
    return next(filter(None, (misfit(item, at, here, owner) for item, at, here in inner)), "")


def _go_type(shape: Shape) -> str:
    wanted = _type_of(shape)
    if wanted == "array":
        return "[]" + _go_type(shape.item())
    if wanted == "object":
        return "map[string]" + _go_type(shape.item()) if shape.mapping else f"v1.{shape.name}"
    return _GO_TYPES.get(wanted, "interface {}")


def _no_quantity(value: Any) -> str:
    try:
        canonical(value)
    except ValueError as error:
        return str(error)
    return ""


def typing_error(value: Any, shape: Shape) -> str:
    """The first reason why an applied object does not fit its schema, or nothing."""
    return next(_typing_errors(value, shape, ()), "")


def _typing_errors(value: Any, shape: Shape, path: Path) -> Iterator[str]:
    wanted = _type_of(shape)
    if value is None or wanted == "quantity":
        return
    if not _fits(value, wanted):
        yield f"{display(path)}: {_expectation(value, wanted)}"
    elif isinstance(value, dict):
        for name, inner in sorted(value.items()):
            here = (*path, f"f:{name}")
            if shape.known is not None and name not in shape.known:
                yield f"{display(here)}: field not declared in schema"
            else:
                yield from _typing_errors(inner, shape.child(name), here)
    elif isinstance(value, list):
        yield from _list_errors(value, shape, path)


def _expectation(value: Any, wanted: str) -> str:
    """Worded as structured merge words it."""
    match wanted:
        case "object":
            return f"expected map, got &{{{_in_go(value)}}}"
        case "array":
            return f"expected list, got &{{{_in_go(value)}}}"
        case "string":
            shown = json.dumps(value) if isinstance(value, str) else _in_go(value)
            return f"expected string, got &value.valueUnstructured{{Value:{shown}}}"
        case "boolean":
            return f"expected boolean, got &{{{_in_go(value)}}}"
    return f"expected numeric (int or float), got {json_type(value)}"


def _in_go(value: Any) -> str:
    """As Go prints a value."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{_in_go(value[name])}" for name in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_in_go, value)) + "]"
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _list_errors(value: list[Any], shape: Shape, path: Path) -> Iterator[str]:
    if not (shape.keys or shape.unique):
        for index, item in enumerate(value):
            yield from _typing_errors(item, shape.item(), (*path, f"i:{index}"))
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        try:
            segment = segment_of(item, shape)
        except ValueError as error:
            yield f"{display(path)}: element {index}: {error}"
            continue
        if segment in seen:
            yield f"{display(path)}: duplicate entries for key {display((segment,))}"
        seen.add(segment)
        yield from _typing_errors(item, shape.item(), (*path, segment))
