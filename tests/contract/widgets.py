"""A definition for tests: it lives in a group of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cluster.fixtures import eventually

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

SPEC = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1},
        "colour": {"type": "string", "default": "red", "enum": ["red", "blue"]},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
            },
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "plain": {"type": "array", "items": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "limits": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


class Widgets:
    """A definition of the test's own group, and what is made of it."""

    def __init__(self, call: Call, group: str) -> None:
        self._call = call
        self.group = group
        self.name = f"widgets.{group}"
        self.definition = f"{DEFINITIONS}/{self.name}"
        self.path = f"/apis/{group}/v1/namespaces/default/widgets"

    def defining(self, scope: str = "Namespaced", *, status: bool = True) -> dict[str, Any]:
        schema = {
            "type": "object",
            "properties": {
                "spec": SPEC,
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
        version = {"served": True, "schema": {"openAPIV3Schema": schema}}
        if status:
            version["subresources"] = {"status": {}}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.name},
            "spec": {
                "group": self.group,
                "scope": scope,
                "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
                "versions": [
                    {"name": "v1", "storage": True, **version},
                    {"name": "v1beta1", "storage": False, **version},
                ],
            },
        }

    def define(self, **more: Any) -> dict[str, Any]:
        """Make the definition and wait until its objects are served."""
        status, created = self._call("POST", DEFINITIONS, self.defining(**more))
        assert status == 201, created
        scoped = more.get("scope") == "Cluster"
        served = self.path.replace("/namespaces/default", "") if scoped else self.path
        eventually(lambda: self._call("GET", served)[0] == 200, f"{served} is served")
        return created

    def body(self, name: str = "w", **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": f"{self.group}/v1",
            "kind": "Widget",
            "metadata": {"name": name},
            "spec": {"size": 1, **spec},
        }

    def create(self, **spec: Any) -> Answer:
        return self._call("POST", self.path, self.body(**spec))
