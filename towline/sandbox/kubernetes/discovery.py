"""What is served: `/version`, the lists of groups and resources, aggregated discovery."""

from __future__ import annotations

from typing import Any

from towline.sandbox.kubernetes.kinds import NAMESPACE, Kind, Kinds

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

VERSION = {
    "major": "1",
    "minor": "37",
    "gitVersion": "v1.37.0-sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-08-26T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_PART_VERBS = ["get", "patch", "update"]


def _verbs(kind: Kind) -> list[str]:
    """Namespaces are deleted one by one."""
    return [verb for verb in _VERBS if kind is not NAMESPACE or verb != "deletecollection"]


def core_versions(address: str) -> dict[str, Any]:
    """`/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def groups(kinds: Kinds) -> dict[str, Any]:
    """`/apis`."""
    found = [_group(name, versions) for name, versions in kinds.group_versions().items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def group(kinds: Kinds, name: str) -> dict[str, Any] | None:
    """`/apis/GROUP`."""
    versions = kinds.group_versions().get(name)
    if versions is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resources(kinds: Kinds, group_name: str, version: str) -> dict[str, Any] | None:
    """`/api/v1` and `/apis/GROUP/VERSION`."""
    served = [kind for kind in kinds if (kind.group, kind.version) == (group_name, version)]
    if not served:
        return None
    listed = [entry for kind in served for entry in _resource_entries(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": served[0].api_version,
        "resources": listed,
    }


def _resource_entries(kind: Kind) -> list[dict[str, Any]]:
    entry: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _verbs(kind),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    entries = [entry]
    for name, served in _parts(kind):
        part = {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            **served,
            "verbs": _PART_VERBS,
        }
        entries.append(part)
    return entries


def _parts(kind: Kind) -> list[tuple[str, dict[str, str]]]:
    """The subresources and what each of them serves."""
    parts: list[tuple[str, dict[str, str]]] = []
    if kind.has_scale:
        parts.append(("scale", {"group": "autoscaling", "version": "v1", "kind": "Scale"}))
    if kind.has_status:
        parts.append(("status", {"kind": kind.kind}))
    return parts


def aggregated(kinds: Kinds, *, core: bool) -> dict[str, Any]:
    """All of `/api` (core) or `/apis` in one document."""
    names = {"": ["v1"]} if core else kinds.group_versions()
    by_version: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for kind in kinds:
        by_version.setdefault((kind.group, kind.version), []).append(_aggregated_entry(kind))
    items = [
        {
            "metadata": {"name": name} if name else {},
            "versions": [
                {
                    "version": version,
                    "resources": by_version[name, version],
                    "freshness": "Current",
                }
                for version in versions
            ],
        }
        for name, versions in names.items()
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated_entry(kind: Kind) -> dict[str, Any]:
    # Of its own kinds the server tells neither group nor version, which are those around it.
    group, version = (kind.group, kind.version) if kind.custom else ("", "")
    own = {"group": group, "version": version, "kind": kind.kind}
    entry: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": own,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": _verbs(kind),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    parts = [
        {"subresource": name, "responseKind": {**own, **served}, "verbs": _PART_VERBS}
        for name, served in _parts(kind)
    ]
    return {**entry, "subresources": parts} if parts else entry
