"""As much OpenAPI as kubectl wants to see before it sends a write: no schemas.

kubectl asks whether PATCH takes `fieldValidation`, and validates nothing itself if so.
`kubectl explain` finds nothing here.
"""

from __future__ import annotations

from typing import Any

from towline.sandbox.kubernetes.kinds import Kind, Kinds

_PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation", "force")
]
_INFO = {"title": "Kubernetes", "version": "sandbox"}


def index(kinds: Kinds) -> dict[str, Any]:
    """`/openapi/v3`."""
    paths = ["api/v1"]
    for name, versions in kinds.group_versions().items():
        paths += [f"apis/{name}/{version}" for version in versions]
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in paths}}


def document(kinds: Kinds, group: str, version: str) -> dict[str, Any] | None:
    """`/openapi/v3/apis/GROUP/VERSION`."""
    served = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    if not served:
        return None
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": {_path(kind): {"patch": _patch(kind)} for kind in served},
        "components": {"schemas": {}},
    }


def _path(kind: Kind) -> str:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    scope = "/namespaces/{namespace}" if kind.namespaced else ""
    return f"{root}{scope}/{kind.plural}/{{name}}"


def _patch(kind: Kind) -> dict[str, Any]:
    return {
        "operationId": f"patch{kind.group.title()}{kind.version.title()}{kind.kind}",
        "parameters": _PARAMETERS,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {
            "group": kind.group,
            "version": kind.version,
            "kind": kind.kind,
        },
    }
