"""The forms of names, labels and keys, and what the server says to those that lack them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from towline.sandbox.kubernetes.causes import invalid_value, too_long
from towline.sandbox.kubernetes.kinds import Kind
from towline.sandbox.kubernetes.status import Cause

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_LABEL = re.compile(_LABEL)
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")

SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
    "'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_PATH_NAMES = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
_ANNOTATIONS_LIMIT = 256 * 1024


def metadata_problems(kind: Kind, metadata: dict[str, Any]) -> Iterator[Cause]:
    name = metadata.get("name", "")
    if why := _name_problem(kind, name):
        yield invalid_value("metadata.name", name, why)
    for label, value in (metadata.get("labels") or {}).items():
        yield from _label_problems(label, value)
    size = 0
    for key, value in (metadata.get("annotations") or {}).items():
        if not _qualified(key.lower()):
            yield invalid_value("metadata.annotations", key, "name part is not a qualified name")
        size += len(key) + len(str(value).encode())
    if size > _ANNOTATIONS_LIMIT:
        yield too_long("metadata.annotations", _ANNOTATIONS_LIMIT)


def _name_problem(kind: Kind, name: str) -> str:
    if not kind.custom and kind.kind in _PATH_NAMES:
        return "may not contain '/' or '%'" if "/" in name or "%" in name else ""
    if not kind.custom and kind.kind == "Namespace":
        return "" if DNS_LABEL.fullmatch(name) and len(name) <= 63 else LABEL_RULE
    if not kind.custom and kind.kind == "Service":
        return "" if DNS_LABEL.fullmatch(name) and len(name) <= 63 else LABEL_RULE
    if len(name) > 253:
        return "must be no more than 253 bytes"
    return "" if _SUBDOMAIN.fullmatch(name) else SUBDOMAIN_RULE


def _label_problems(label: str, value: Any) -> Iterator[Cause]:
    if not _qualified(label):
        why = (
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start "
            "and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
            "'123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        )
        yield invalid_value("metadata.labels", label, why)
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        yield invalid_value("metadata.labels", value, _VALUE_RULE)
    elif len(value) > 63:
        yield invalid_value("metadata.labels", value, "must be no more than 63 bytes")


def _qualified(name: str) -> bool:
    prefix, slash, rest = name.rpartition("/")
    if slash and not (_SUBDOMAIN.fullmatch(prefix) and len(prefix) <= 253):
        return False
    return bool(_QUALIFIED.fullmatch(rest)) and len(rest) <= 63
