"""What a cluster serves: from a kind to the resource that requests name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from towline.core.manifest import Manifest
from towline.core.objects import GroupKind, Object, group_of


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind in one version, as requests name it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    @property
    def group_kind(self) -> GroupKind:
        return GroupKind(self.group, self.kind)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The URL's path; without a namespace it spans all of them."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        return "/" + "/".join(parts)


NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)


@dataclass(frozen=True)
class Resources:
    """Discovery's answer. Of `failed` groups nothing is known: they are not there for now."""

    by_kind: Mapping[GroupKind, tuple[Resource, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    failed: frozenset[str] = frozenset()

    def find(self, api_version: str, kind: str) -> Resource | None:
        """The resource of exactly this version."""
        return self._by_version.get((api_version, kind))

    @cached_property
    def _by_version(self) -> Mapping[tuple[str, str], Resource]:
        every = (resource for versions in self.by_kind.values() for resource in versions)
        return {(resource.api_version, resource.kind): resource for resource in every}

    def preferred(self, group_kind: GroupKind) -> Resource | None:
        found = self.by_kind.get(group_kind, ())
        return found[0] if found else None

    def listable(self) -> Iterable[Resource]:
        """The preferred version of every kind that can be listed and deleted."""
        for versions in self.by_kind.values():
            if {"list", "delete"} <= versions[0].verbs:
                yield versions[0]

    def with_definitions(self, manifests: Iterable[Manifest]) -> Resources:
        """Add the kinds that definitions among the manifests will bring."""
        by_kind = dict(self.by_kind)
        for manifest in manifests:
            for resource in _defined(manifest.body):
                known = by_kind.get(resource.group_kind, ())
                if all(r.version != resource.version for r in known):
                    by_kind[resource.group_kind] = (*known, resource)
        return replace(self, by_kind=by_kind)


def defined_by(manifest: Manifest) -> frozenset[GroupKind]:
    """The kinds that a definition defines; none for any other object."""
    return frozenset(resource.group_kind for resource in _defined(manifest.body))


def _defined(body: Object) -> Iterable[Resource]:
    if body["kind"] != "CustomResourceDefinition" or group_of(body["apiVersion"]) != (
        "apiextensions.k8s.io"
    ):
        return
    spec = _mapping(body.get("spec"))
    names = _mapping(spec.get("names"))
    versions = spec.get("versions")
    for version in versions if isinstance(versions, list) else ():
        if _mapping(version).get("served"):
            yield Resource(
                group=str(spec.get("group")),
                version=str(version.get("name")),
                kind=str(names.get("kind")),
                plural=str(names.get("plural")),
                namespaced=spec.get("scope") == "Namespaced",
            )


def _mapping(value: object) -> Object:
    return value if isinstance(value, dict) else {}
