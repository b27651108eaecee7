"""The built-in types as a server publishes them, in the form in which the sandbox keeps them.

`python -m tests.contract.schema` asks the real API server and writes the sandbox's file anew:
after that `tests/contract` says what else a new version of Kubernetes changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from tests.cluster import servers
from tests.cluster.servers import ApiServer
from towline.sandbox.kubernetes.kinds import BUILT_IN, Kind

FILE = Path(str(resources.files("towline.sandbox.kubernetes") / "builtin_types.json"))
_REFERENCE = "#/components/schemas/"
# What a type may be called for short: the parts of its full name that tell nothing.
_PREFIXES = ("io.k8s.api.", "io.k8s.apimachinery.pkg.", "io.k8s.", "apis.")

# Times of plain Go types, which are null where nobody set them: nothing published says so.
_TIMES = frozenset(
    [
        "eventTime",
        "firstTimestamp",
        "lastProbeTime",
        "lastTimestamp",
        "lastTransitionTime",
        "lastUpdateTime",
    ]
)

Schema = dict[str, Any]


def published(server: ApiServer, kinds: Iterable[Kind] = BUILT_IN) -> Schema:
    """`version`, `kinds` (the type of each) and `types` (the fields of each)."""
    names: dict[str, str] = {}
    types: dict[str, Any] = {}
    documents: dict[str, Schema] = {}
    for kind in kinds:
        path = f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"
        if path not in documents:
            status, document = server.call("GET", f"/openapi/v3/{path}")
            assert status == 200, document
            documents[path] = document["components"]["schemas"]
        schemas = documents[path]
        name = _type_name(schemas, kind)
        names[f"{kind.api_version} {kind.kind}"] = _short(name)
        _collect(schemas, name, types)
    return {"version": _minor(server.version), "kinds": names, "types": dict(sorted(types.items()))}


def written(schema: Schema) -> str:
    """One line for each type, so that a new version is a readable change."""
    lines = [
        f"  {json.dumps(name)}: {json.dumps(type_)}" for name, type_ in schema["types"].items()
    ]
    types = ",\n".join(lines)
    kinds = json.dumps(schema["kinds"], indent=1)
    version = json.dumps(schema["version"])
    return f'{{"version": {version},\n"kinds": {kinds},\n"types": {{\n{types}\n}}}}\n'


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _type_name(schemas: Schema, kind: Kind) -> str:
    wanted = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    (name,) = [
        name
        for name, schema in schemas.items()
        if wanted in schema.get("x-kubernetes-group-version-kind", [])
    ]
    return name


def _short(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _collect(schemas: Schema, name: str, types: Schema) -> None:
    schema = schemas[name]
    if _short(name) in types or "properties" not in schema:
        return
    fields: Schema = {}
    found: Schema = {"fields": fields}
    types[_short(name)] = found
    if schema.get("x-kubernetes-map-type") == "atomic":
        found["atomic"] = True
    for field, value in schema["properties"].items():
        fields[field] = _form(schemas, value, types)
    if zero := _zero(schema):
        found["zero"] = zero


def _zero(schema: Schema) -> Schema:
    """The fields that Go's zero value of the type is written with: they are there in any case."""
    zero: Schema = {}
    for field, value in schema["properties"].items():
        if value.get("default") in ({}, "", 0, False):
            zero[field] = value["default"]
        elif field in schema.get("required", ()) and "x-kubernetes-list-map-keys" in value:
            zero[field] = []
        elif field in _TIMES:
            zero[field] = None
    return zero


def _form(schemas: Schema, value: Schema, types: Schema) -> Any:
    """A name for scalars and types; a map that says more for all that holds others."""
    if len(value.get("allOf", ())) == 1:
        value = {**value, **value["allOf"][0]}
    if "$ref" in value:
        return _reference_form(schemas, value, types)
    if value.get("type") == "array":
        return _list_form(schemas, value, types)
    values = value.get("additionalProperties")
    if isinstance(values, dict):
        form = {"map": _form(schemas, values, types)}
        return {**form, "atomic": True} if value.get("x-kubernetes-map-type") == "atomic" else form
    options = {option.get("type") for option in value.get("oneOf", ())}
    if options == {"string", "number"}:
        return "quantity"
    scalar: str = value.get("type", "any")
    return scalar


def _reference_form(schemas: Schema, value: Schema, types: Schema) -> Any:
    name = value["$ref"].removeprefix(_REFERENCE)
    if "properties" not in schemas[name]:
        return _form(schemas, schemas[name], types)
    _collect(schemas, name, types)
    how = value.get("x-kubernetes-map-type")
    return {"type": _short(name), "atomic": how == "atomic"} if how else _short(name)


def _list_form(schemas: Schema, value: Schema, types: Schema) -> Schema:
    form: Schema = {"list": _form(schemas, value["items"], types)}
    if value.get("x-kubernetes-list-type") == "set":
        form["set"] = True
    if value.get("x-kubernetes-list-type") == "map":
        item = schemas[_item_name(value)]["properties"]
        form["keys"] = {
            key: item[key].get("default") for key in value["x-kubernetes-list-map-keys"]
        }
    if "merge" in value.get("x-kubernetes-patch-strategy", ""):
        form["merge"] = value.get("x-kubernetes-patch-merge-key", "")
    return form


def _item_name(value: Schema) -> str:
    items = value["items"]
    if "allOf" in items:
        (items,) = items["allOf"]
    name: str = items["$ref"].removeprefix(_REFERENCE)
    return name


if __name__ == "__main__":
    with servers.running() as running, running.connected() as real:
        FILE.write_text(written(published(real)), encoding="utf-8")
