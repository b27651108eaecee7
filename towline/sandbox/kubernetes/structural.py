"""Custom resources against their schema: defaults, types, required fields, enumerations.

Left out: CEL rules, formats, `oneOf` and its like, and the limits on sizes other than
`minLength`, `maxLength`, `minimum`, `maximum` and `pattern`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from towline.sandbox.kubernetes.causes import invalid_value, required, too_long, unsupported
from towline.sandbox.kubernetes.merge import clone
from towline.sandbox.kubernetes.status import Cause

Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def add_defaults(value: Any, schema: Schema) -> None:
    """Fill in what the schema has defaults for; changes the value."""
    if isinstance(value, list):
        for item in value:
            add_defaults(item, schema.get("items") or {})
    elif isinstance(value, dict):
        for name, inner in (schema.get("properties") or {}).items():
            if "default" in inner and (
                name not in value or (value[name] is None and not inner.get("nullable"))
            ):
                value[name] = clone(inner["default"])
            if name in value:
                add_defaults(value[name], inner)
        values = schema.get("additionalProperties")
        if isinstance(values, Mapping):
            for item in value.values():
                add_defaults(item, values)


def schema_problems(value: Any, schema: Schema, path: str = "") -> Iterator[Cause]:
    if value is None and schema.get("nullable"):
        return
    kind = schema.get("type", "")
    if kind and not _is_of(value, kind):
        yield _wrong_type(value, kind, path)
        return
    yield from _limits(value, schema, path)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from schema_problems(item, schema.get("items") or {}, f"{path}[{index}]")
    elif isinstance(value, dict):
        yield from _object_problems(value, schema, path)


def _object_problems(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Cause]:
    for name in schema.get("required") or ():
        if name not in value:
            yield required(_join(path, name))
    properties = schema.get("properties") or {}
    values = schema.get("additionalProperties")
    for name, inner in value.items():
        if not path and name in {"metadata", "apiVersion", "kind"}:
            continue
        if name in properties:
            yield from schema_problems(inner, properties[name], _join(path, name))
        elif isinstance(values, Mapping):
            yield from schema_problems(inner, values, _join(path, name))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, float) and kind == "integer":
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, (object,)))


def _wrong_type(value: Any, kind: str, path: str) -> Cause:
    given = next((name for name in _TYPES if _is_of(value, name)), "null")
    message = f'Invalid value: "{given}": {path} in body must be of type {kind}: "{given}"'
    return Cause("FieldValueTypeInvalid", message, path)


def _limits(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    options = schema.get("enum")
    if options and value not in options:
        known = [str(option) for option in options]
        yield unsupported(path, value, known, is_sorted=False)
    if isinstance(value, str):
        yield from _text_limits(value, schema, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            why = f"{path} in body should be greater than or equal to {schema['minimum']}"
            yield invalid_value(path, value, why)
        if value > schema.get("maximum", value):
            why = f"{path} in body should be less than or equal to {schema['maximum']}"
            yield invalid_value(path, value, why)


def _text_limits(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    if len(value) < schema.get("minLength", 0):
        why = f"{path} in body should be at least {schema['minLength']} chars long"
        yield invalid_value(path, value, why)
    if len(value) > schema.get("maxLength", len(value)):
        yield too_long(path, schema["maxLength"])
    pattern = schema.get("pattern")
    if pattern and not re.search(pattern, value):
        yield invalid_value(path, value, f"{path} in body should match {json.dumps(pattern)}")
