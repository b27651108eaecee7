"""The shapes of the built-in kinds, from the types that a real server publishes.

`builtin_types.json` is written by `python -m tests.contract.schema`. A list that it says nothing
about is atomic and a map is granular, as in `Shape`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from typing import Any

from towline.sandbox.kubernetes.shape import Shape

_FILE = resources.files("towline.sandbox.kubernetes") / "builtin_types.json"
_SCALARS = frozenset({"string", "integer", "number", "boolean", "quantity", "object"})


class _Types:
    """Builds each shape once; types may hold themselves, as JSON schemas do."""

    def __init__(self, published: dict[str, Any]) -> None:
        self.kinds: dict[str, str] = published["kinds"]
        self._types: dict[str, Any] = published["types"]
        self._built: dict[str, Shape] = {}

    def shape(self, name: str) -> Shape:
        if name not in self._built:
            type_ = self._types[name]
            fields: dict[str, Shape] = {}
            self._built[name] = Shape(
                fields,
                type="object",
                name=name.rpartition(".")[2],
                atomic=type_.get("atomic", False),
                known=frozenset(type_["fields"]),
                zero=type_.get("zero", {}),
            )
            for field, form in type_["fields"].items():
                fields[field] = self._form(form)
        return self._built[name]

    def _form(self, form: Any) -> Shape:
        if isinstance(form, str):
            if form in self._types:
                return self.shape(form)
            # An object without fields is one whose content the server does not know.
            return Shape(type=form if form in _SCALARS else "", atomic=form == "object")
        if "type" in form:
            return replace(self.shape(form["type"]), atomic=form["atomic"])
        if "map" in form:
            element = self._form(form["map"])
            return Shape(
                type="object", mapping=True, element=element, atomic=form.get("atomic", False)
            )
        keys: dict[str, Any] = form.get("keys", {})
        return Shape(
            type="array",
            element=self._form(form["list"]),
            keys=tuple(keys),
            key_defaults={key: value for key, value in keys.items() if value is not None},
            unique=form.get("set", False),
            merge_key=form.get("merge"),
        )


_TYPES = _Types(json.loads(_FILE.read_text(encoding="utf-8")))

METADATA = _TYPES.shape("meta.v1.ObjectMeta")


def shape_of(api_version: str, kind: str) -> Shape:
    """The shape of a built-in kind."""
    return _TYPES.shape(_TYPES.kinds[f"{api_version} {kind}"])
