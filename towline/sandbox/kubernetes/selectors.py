"""Label and field selectors, as queries spell them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from towline.sandbox.kubernetes.kinds import Kind
from towline.sandbox.kubernetes.status import bad_request

Test = Callable[[dict[str, Any]], bool]
"""Whether an object is selected."""

_LabelTest = Callable[[dict[str, str]], bool]

_SELECTABLE = ("metadata.name", "metadata.namespace")
_MORE_SELECTABLE = {
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase"),
    "secrets": ("type",),
    "events": ("involvedObject.kind", "involvedObject.name", "involvedObject.namespace", "reason"),
    "services": ("spec.clusterIP", "spec.type"),
}

_SET = re.compile(r"([\w./-]+)\s+(in|notin)\s*\(([^()]*)\)")
_EQUAL = re.compile(r"([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)")
_EXISTS = re.compile(r"(!?)\s*([\w./-]+)")
_COMMA = re.compile(r",(?![^()]*\))")


def everything(_: dict[str, Any]) -> bool:
    return True


def parse(kind: Kind, labels: str, fields: str) -> Test:
    """Both selectors together; an empty one selects everything."""
    label_tests = [_label_test(part.strip()) for part in _COMMA.split(labels) if part.strip()]
    field_tests = [_field_test(kind, part.strip()) for part in fields.split(",") if part.strip()]
    if not label_tests and not field_tests:
        return everything

    def test(body: dict[str, Any]) -> bool:
        given = body["metadata"].get("labels") or {}
        return all(t(given) for t in label_tests) and all(t(body) for t in field_tests)

    return test


def _label_test(text: str) -> _LabelTest:
    if match := _SET.fullmatch(text):
        return _set_test(*match.groups())
    if match := _EQUAL.fullmatch(text):
        name, operator, wanted = match.groups()
        if operator == "!=":
            return lambda labels: labels.get(name) != wanted
        return lambda labels: labels.get(name) == wanted
    if match := _EXISTS.fullmatch(text):
        absent, name = bool(match[1]), match[2]
        return lambda labels: (name in labels) is not absent
    raise bad_request(f"unable to parse requirement: found '{text}'")


def _set_test(name: str, operator: str, values: str) -> _LabelTest:
    wanted = {value.strip() for value in values.split(",")}
    if operator == "in":
        return lambda labels: name in labels and labels[name] in wanted
    return lambda labels: labels.get(name) not in wanted


def _field_test(kind: Kind, text: str) -> Test:
    match = _EQUAL.fullmatch(text)
    if not match:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{text}'")
    path, operator, wanted = match.groups()
    known = (*_SELECTABLE, *_MORE_SELECTABLE.get(kind.resource, ()))
    if path not in known:
        names = ", ".join(f'"{name}"' for name in known)
        raise bad_request(f'"{path}" is not a known field selector: only {names}')
    equal = operator != "!="

    def test(body: dict[str, Any]) -> bool:
        value: Any = body
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return (("" if value is None else str(value)) == wanted) is equal

    return test
