"""Causes of a 422, worded as the server words them."""

from __future__ import annotations

import json
from typing import Any

from towline.sandbox.kubernetes.status import Cause


def show(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def invalid_value(field: str, value: Any, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {show(value)}: {why}", field)


def required(field: str, why: str = "") -> Cause:
    return Cause("FieldValueRequired", "Required value" + (f": {why}" if why else ""), field)


def forbidden_field(field: str, why: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {why}", field)


def unsupported(field: str, value: Any, known: list[str], *, is_sorted: bool = True) -> Cause:
    options = ", ".join(show(item) for item in (sorted(known) if is_sorted else known))
    message = f"Unsupported value: {show(value)}: supported values: {options}"
    return Cause("FieldValueNotSupported", message, field)


def not_present(field: str, value: Any) -> Cause:
    return Cause("FieldValueNotFound", f"Not found: {show(value)}", field)


def duplicate(field: str, value: Any) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {show(value)}", field)


def too_long(field: str, limit: int) -> Cause:
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", field)
