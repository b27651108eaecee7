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
    names = {"Secret": "data", "ConfigMap": "binaryData"}
    values = body.get(names.get(kind.kind, "")) or {}
    if not all(_is_base64(value) for value in values.values() if value):
        return "illegal base64 data at input byte 0"
    return ""


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
