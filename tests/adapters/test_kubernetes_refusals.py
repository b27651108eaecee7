"""For which refusals an object may be deleted: those that its validation calls immutable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from towline.adapters.kubernetes import connection

IS_IMMUTABLE = 'Invalid value: "2": field is immutable'
INVALID = 'Widget.example.com "immutable" is invalid: spec.a: '


def status(message: str, *causes: Any, **details: Any) -> dict[str, Any]:
    return {"message": message, "details": {"causes": list(causes), **details}}


def cause(message: str, reason: str = "FieldValueInvalid") -> dict[str, Any]:
    return {"reason": reason, "message": message, "field": "spec.a"}


def is_immutable(answer: Any, code: int = 422) -> bool:
    return connection._refusal(code, json.dumps(answer).encode()).immutable


@pytest.mark.parametrize(
    "words",
    [
        IS_IMMUTABLE,
        # Of a rule in a definition, as a real server sends them.
        'Invalid value: "2": Value is immutable',
        'Invalid value: "object": spec.name is immutable.',
        'Invalid value: "object": the class is immutable once set',
        'Invalid value: "object": the class cannot be changed',
        # Of older servers.
        "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
    ],
)
@pytest.mark.parametrize("reason", ["FieldValueInvalid", "FieldValueForbidden"])
def test_what_never_changes(words: str, reason: str) -> None:
    assert is_immutable(status(INVALID + words, cause(words, reason)))
    twice = status(INVALID + words, cause(words, reason), cause(IS_IMMUTABLE))
    assert is_immutable(twice)
    assert not is_immutable(twice, 409)


@pytest.mark.parametrize(
    "words",
    [
        "",
        'Invalid value: "2": use immutable digests, not tags',
        'Invalid value: "is immutable": no',
        'Invalid value: "\\": is immutable": no',
        'Invalid value: {"a":"b: field is immutable","c":"may not change"}: no',
        "Invalid value: 70000: must be between 1 and 65535, inclusive",
        "Forbidden: no\n-  Name: field is immutable",
    ],
)
def test_what_is_wrong(words: str) -> None:
    assert not is_immutable(status(INVALID + words, cause(words)))
    assert not is_immutable(status(INVALID + words, cause(words), cause(IS_IMMUTABLE)))


def test_only_a_value_that_is_invalid_or_forbidden_never_changes() -> None:
    for reason in ("FieldValueRequired", "FieldValueNotSupported", "", None, 7):
        answer = status(INVALID, {"reason": reason, "message": IS_IMMUTABLE})
        assert not is_immutable(answer)


POLICY = (
    "ValidatingAdmissionPolicy 'tags' with binding 'tags' denied request: data: field is immutable"
)
WEBHOOK = 'admission webhook "tags.example.com" denied the request: data: field is immutable'


@pytest.mark.parametrize(
    "answer",
    [
        # As a real server sends them.
        status(f'configmaps "c" is forbidden: {POLICY}', {"message": POLICY}),
        status(WEBHOOK),
        # A webhook may answer with causes of its own.
        status(WEBHOOK, cause(IS_IMMUTABLE)),
        status(INVALID, cause(WEBHOOK)),
        status(INVALID, cause(POLICY)),
    ],
)
def test_what_admission_denies(answer: Any) -> None:
    assert not is_immutable(answer)


@pytest.mark.parametrize(
    "answer",
    [
        {"message": f"{INVALID}{IS_IMMUTABLE}"},
        {"message": IS_IMMUTABLE, "details": None},
        {"message": IS_IMMUTABLE, "details": []},
        {"message": IS_IMMUTABLE, "details": {"causes": None}},
        {"message": IS_IMMUTABLE, "details": {"causes": {"message": IS_IMMUTABLE}}},
        status(IS_IMMUTABLE),
        status(IS_IMMUTABLE, None),
        status(IS_IMMUTABLE, IS_IMMUTABLE),
        status(IS_IMMUTABLE, {"reason": "FieldValueInvalid"}),
        status(IS_IMMUTABLE, cause(IS_IMMUTABLE), {}),
        [IS_IMMUTABLE],
    ],
)
def test_without_causes_that_say_so_it_is_not_believed(answer: Any) -> None:
    assert not is_immutable(answer)
