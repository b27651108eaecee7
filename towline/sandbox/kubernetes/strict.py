"""Fields that do not exist, and lists whose keys are wrong: found by shape, before decoding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from towline.sandbox.kubernetes.fields import Path, display, segment_of
from towline.sandbox.kubernetes.shape import DEDUCED, Shape


def unknown_fields(value: Any, shape: Shape, path: str = "") -> list[str]:
    """Dotted paths of the fields that the shape does not know, in the order they are written."""
    found: list[str] = []
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += unknown_fields(item, shape.item(), f"{path}[{index}]")
    elif isinstance(value, dict) and not shape.atomic:
        for name, inner in value.items():
            here = f"{path}.{name}" if path else name
            if shape.known is not None and name not in shape.known:
                found.append(here)
            elif not shape.mapping:
                found += unknown_fields(inner, shape.child(name), here)
    return found


def without_unknown(value: Any, shape: Shape) -> Any:
    """The value as a decoder leaves it that drops unknown fields."""
    if isinstance(value, list):
        return [without_unknown(item, shape.item()) for item in value]
    if not isinstance(value, dict) or shape.atomic or shape.mapping:
        return value
    return {
        name: without_unknown(inner, shape.child(name))
        for name, inner in value.items()
        if shape.known is None or name in shape.known
    }


def expectation(value: Any, shape: Shape) -> str:
    """`map` or `list`, where the shape says it must be one and the value is something else."""
    if value is None or shape is DEDUCED:
        return ""
    if (shape.keys or shape.unique) and not isinstance(value, list):
        return "list"
    is_map = shape.atomic or shape.mapping or shape.known is not None or bool(shape.fields)
    return "map" if is_map and not isinstance(value, (dict, list)) else ""


def misfit(value: Any, shape: Shape, path: str = "") -> str:
    """Why a built-in object cannot be decoded, worded as Go's decoder does; empty if it can."""
    if wanted := expectation(value, shape):
        given = "string" if isinstance(value, str) else type(value).__name__
        kind = "slice" if wanted == "list" else "struct"
        return f"json: cannot unmarshal {given} into Go struct field {path} of type {kind}"
    inner: Iterable[tuple[Any, Shape, str]] = ()
    if isinstance(value, dict) and not shape.mapping:
        inner = ((item, shape.child(name), name) for name, item in value.items())
    elif isinstance(value, list):
        if (shape.keys or shape.fields) and not all(isinstance(item, dict) for item in value):
            return f"json: cannot unmarshal into Go struct field {path} of type struct"
        inner = ((item, shape.item(), path) for item in value)
    found = (misfit(item, at, f"{path}.{name}" if path else name) for item, at, name in inner)
    return next(filter(None, found), "")


def typing_errors(value: Any, shape: Shape, path: Path = ()) -> list[str]:
    """Why an applied object does not fit its schema, worded as structured merge words it."""
    errors: list[str] = []
    if wanted := expectation(value, shape):
        errors.append(f"{display(path)}: expected {wanted}, got &{{{value}}}")
    elif isinstance(value, dict) and not shape.atomic:
        for name, inner in value.items():
            here = (*path, f"f:{name}")
            if shape.known is not None and name not in shape.known:
                errors.append(f"{display(here)}: field not declared in schema")
            else:
                errors += typing_errors(inner, shape.child(name), here)
    elif isinstance(value, list) and (shape.keys or shape.unique):
        errors += _list_errors(value, shape, path)
    return errors


def _list_errors(value: list[Any], shape: Shape, path: Path) -> list[str]:
    errors: list[str] = []
    seen: set[str] = set()
    for index, item in enumerate(value):
        try:
            segment = segment_of(item, shape)
        except ValueError as error:
            errors.append(f"{display(path)}: element {index}: {error}")
            continue
        if segment in seen:
            errors.append(f"{display(path)}: duplicate entries for key {display((segment,))}")
        seen.add(segment)
        errors += typing_errors(item, shape.item(), (*path, segment))
    return errors
