"""What the server refuses with 422: a rule for each mistake that people really make.

Far from all of the server's validation: numbers are not range-checked, enumerations and
references between fields mostly not, and custom resources only as `structural` does it.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from towline.sandbox.kubernetes.changes import CHANGES
from towline.sandbox.kubernetes.kinds import Kind
from towline.sandbox.kubernetes.names import metadata_problems
from towline.sandbox.kubernetes.rules import RULES
from towline.sandbox.kubernetes.status import Cause
from towline.sandbox.kubernetes.strict import misfit

Body = dict[str, Any]


def problems(kind: Kind, body: Body, old: Body | None) -> list[Cause]:
    """All that is wrong with an object; `old` is the live one on an update."""
    found = list(metadata_problems(kind, body["metadata"]))
    if not kind.custom:
        for rule in RULES.get(kind.kind, ()):
            found += rule(body)
        if old is not None:
            for change in CHANGES.get(kind.kind, ()):
                found += change(body, old)
    return found


def undecodable(kind: Kind, body: Body) -> str:
    """Why the server cannot even decode a built-in object (400), or nothing."""
    if kind.custom:
        return ""
    if why := misfit(body, kind.shape):
        return why
    if kind.kind in {"Secret", "ConfigMap"}:
        return _undecodable_data(kind, body)
    replicas = (body.get("spec") or {}).get("replicas")
    if replicas is not None and (isinstance(replicas, bool) or not isinstance(replicas, int)):
        return f"json: cannot unmarshal {_go_type(replicas)} into Go struct field of type int32"
    return ""


def _undecodable_data(kind: Kind, body: Body) -> str:
    binary = ("data",) if kind.kind == "Secret" else ("binaryData",)
    for group in ("data", "binaryData", "stringData"):
        values = body.get(group)
        if values is None:
            continue
        if not isinstance(values, dict):
            given = _go_type(values)
            return f"json: cannot unmarshal {given} into Go struct field {kind.kind}.{group}"
        for value in values.values():
            if value is not None and not isinstance(value, str):
                return (
                    f"json: cannot unmarshal {_go_type(value)} into Go struct field "
                    f"{kind.kind}.{group} of type string"
                )
            if group in binary and value and not _is_base64(value):
                return "illegal base64 data at input byte 0"
    return ""


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _go_type(value: Any) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}
    return names.get(type(value), "object")
