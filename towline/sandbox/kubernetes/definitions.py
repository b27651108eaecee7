"""From a CustomResourceDefinition to the kinds that it adds.

All served versions share their objects, and only the apiVersion is rewritten: conversion by
webhook is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from towline.sandbox.kubernetes.builtin_shapes import METADATA
from towline.sandbox.kubernetes.kinds import Kind
from towline.sandbox.kubernetes.shape import DEDUCED, Shape

Schema = Mapping[str, Any]


def kinds_of(definition: dict[str, Any]) -> list[Kind]:
    """One kind for each served version."""
    spec = definition["spec"]
    names = spec["names"]
    return [
        Kind(
            group=spec["group"],
            version=version["name"],
            kind=names["kind"],
            plural=names["plural"],
            shape=_root_shape(schema := _schema_of(version)),
            singular=names.get("singular", ""),
            list_kind=names.get("listKind", f"{names['kind']}List"),
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            namespaced=spec["scope"] == "Namespaced",
            has_status="status" in (version.get("subresources") or {}),
            has_generation=True,
            custom=True,
            schema=schema,
        )
        for version in spec["versions"]
        if version.get("served")
    ]


def established(definition: dict[str, Any], now: str, old: dict[str, Any] | None) -> dict[str, Any]:
    """The status of a definition whose names are accepted and whose kinds are served."""
    spec = definition["spec"]
    stored = list((old or {}).get("storedVersions") or [])
    current = next(version["name"] for version in spec["versions"] if version.get("storage"))
    if current not in stored:
        stored.append(current)
    conditions = (old or {}).get("conditions") or [
        {
            "type": "NamesAccepted",
            "status": "True",
            "lastTransitionTime": now,
            "reason": "NoConflicts",
            "message": "no conflicts found",
        },
        {
            "type": "Established",
            "status": "True",
            "lastTransitionTime": now,
            "reason": "InitialNamesAccepted",
            "message": "the initial names have been accepted",
        },
    ]
    return {"conditions": conditions, "acceptedNames": spec["names"], "storedVersions": stored}


def _schema_of(version: dict[str, Any]) -> Schema:
    schema: Schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return schema


def _root_shape(schema: Schema) -> Shape:
    shape = shape_of_schema({"type": "object", **schema})
    known = None
    if shape.known is not None:
        known = shape.known | {"apiVersion", "kind", "metadata"}
    return Shape({**shape.fields, "metadata": METADATA}, known=known, element=shape.element)


def shape_of_schema(schema: Schema) -> Shape:
    """How a value of this schema merges, and which fields it has."""
    if "items" in schema:
        return _shape_of_list(schema)
    if schema.get("type") != "object" and "properties" not in schema:
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return DEDUCED
        return Shape(type=schema.get("type", ""))
    return _shape_of_object(schema)


def _shape_of_list(schema: Schema) -> Shape:
    list_type = schema.get("x-kubernetes-list-type")
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ()) if list_type == "map" else ()
    fields = _properties(schema["items"])
    return Shape(
        type="array",
        element=shape_of_schema(schema["items"]),
        keys=keys,
        key_defaults={key: fields[key]["default"] for key in keys if "default" in fields[key]},
        unique=list_type == "set",
    )


def _shape_of_object(schema: Schema) -> Shape:
    atomic = schema.get("x-kubernetes-map-type") == "atomic"
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        return Shape(mapping=True, atomic=atomic, element=shape_of_schema(values))
    fields = {name: shape_of_schema(inner) for name, inner in _properties(schema).items()}
    if schema.get("x-kubernetes-embedded-resource"):
        fields["metadata"] = METADATA
    if values or schema.get("x-kubernetes-preserve-unknown-fields"):
        # Everything goes: what the schema does not say is deduced from the value.
        return Shape(fields, atomic=atomic, element=DEDUCED, mapping=not fields)
    return Shape(fields, atomic=atomic, known=frozenset(fields))


def _properties(schema: Schema) -> Mapping[str, Schema]:
    return schema.get("properties") or {}
