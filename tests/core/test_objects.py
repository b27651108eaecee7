"""What a raw object is called, whatever it lacks."""

from __future__ import annotations

from typing import Any

import pytest

from towline.core.objects import Object, ObjectKey, annotations_of, key_of, labels_of


@pytest.mark.parametrize(
    ("metadata", "namespace", "name"),
    [
        ({}, "", ""),
        ({"metadata": None}, "", ""),
        ({"metadata": {}}, "", ""),
        ({"metadata": {"name": None, "namespace": None}}, "", ""),
        ({"metadata": {"name": "a"}}, "", "a"),
        ({"metadata": {"name": "a", "namespace": "s"}}, "s", "a"),
    ],
)
def test_what_an_object_does_not_say_is_empty_in_its_key(
    metadata: dict[str, Any], namespace: str, name: str
) -> None:
    body: Object = {"apiVersion": "apps/v1", "kind": "Deployment", **metadata}
    assert key_of(body) == ObjectKey("apps", "Deployment", namespace, name)


@pytest.mark.parametrize(
    "body", [{}, {"metadata": None}, {"metadata": {}}, {"metadata": dict.fromkeys(("labels",))}]
)
def test_an_object_without_labels_has_none(body: Object) -> None:
    assert labels_of(body) == annotations_of(body) == {}
