"""Discovery in two requests: the aggregated form that API servers have had since 1.27."""

from __future__ import annotations

from collections.abc import Iterable

from towline.adapters.kubernetes.connection import Connection
from towline.core.objects import GroupKind, Object
from towline.core.resources import Resource, Resources

_AGGREGATED = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}


def discover(connection: Connection) -> Resources:
    """Everything that the server serves; versions of a kind in the server's order of preference.

    Groups whose own server does not answer are `failed`: what they serve is not known now.
    """
    by_kind: dict[GroupKind, tuple[Resource, ...]] = {}
    failed: set[str] = set()
    for path in ("/api", "/apis"):
        answer = connection.request("GET", path, headers=_AGGREGATED)
        for item in answer.get("items") or ():
            group = (item.get("metadata") or {}).get("name") or ""
            for version in item.get("versions") or ():
                if version.get("freshness") == "Stale":
                    failed.add(group)
                    continue  # what it lists is remembered: requests would not be answered
                for resource in _resources(group, version):
                    known = by_kind.get(resource.group_kind, ())
                    by_kind[resource.group_kind] = (*known, resource)
    return Resources(by_kind, frozenset(failed))


def _resources(group: str, version: Object) -> Iterable[Resource]:
    for found in version.get("resources") or ():
        kind = found.get("responseKind") or {}
        yield Resource(
            group=kind.get("group") or group,
            version=kind.get("version") or version["version"],
            kind=kind.get("kind") or "",
            plural=found["resource"],
            namespaced=found.get("scope") == "Namespaced",
            verbs=frozenset(found.get("verbs") or ()),
        )
