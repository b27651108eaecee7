"""Reads: what carries the label of a set, kind by kind.

It judges nothing: labels get copied, so that not all of it belongs to the set
(`towline.core.inventory.why_not_ours`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from towline.core.inventory import PART_OF, Parent
from towline.core.manifest import Manifest
from towline.core.objects import GroupKind, Object, ObjectKey, key_of
from towline.core.resources import NAMESPACES, Resource, Resources
from towline.ports import PARALLEL, Cluster, RefusedError

Listing = Mapping[Resource, Iterable[Object]]


def resources_for(
    cluster: Cluster, parent: Parent, manifests: Iterable[Manifest] = ()
) -> Resources:
    """Discovery, asked again once if it does not know what is wanted or was applied.

    The version counts: a kind may have got it after the last discovery, and what seems not to be
    served is applied without a look at the live object.
    """
    resources = cluster.resources()
    wanted = {(m.api_version, str(m.body["kind"])) for m in manifests}
    known = all(resources.find(*version) for version in wanted)
    if not known or not parent.group_kinds <= resources.by_kind.keys():
        resources = cluster.resources(fresh=True)
    return resources


@dataclass(frozen=True)
class Members:
    """The members of one set; `namespace` is one to look in besides those that the parent names."""

    cluster: Cluster
    parent: Parent
    resources: Resources
    namespace: str | None = None

    def list(
        self, wanted: Iterable[Resource] = (), early: Listing | None = None
    ) -> Mapping[tuple[Resource, ObjectKey], Object]:
        """One LIST by the label for each kind in each version that is wanted or was applied; not
        of those that were listed `early`.

        Where the parent cannot be believed, all kinds are searched. Raises RefusedError if a kind
        that the set contains may not be listed, and ClusterError.
        """
        kinds = self._kinds(set(wanted))
        known = {kind: bodies for kind, bodies in (early or {}).items() if kind in kinds}
        listed = {**known, **self._list(kinds - known.keys())}
        return {
            (resource, key_of(body)): body for resource, bodies in listed.items() for body in bodies
        }

    def list_early(self) -> Listing:
        """What was applied, before it is known what is wanted: that takes its time as well."""
        if not self.parent.complete:
            return {}
        return self._list(self._kinds(set()))

    def _list(self, kinds: Iterable[Resource]) -> Listing:
        ordered = sorted(kinds, key=lambda r: (r.group, r.kind, r.version))
        with ThreadPoolExecutor(PARALLEL) as pool:
            return dict(zip(ordered, pool.map(self._list_kind, ordered), strict=True))

    def unlisted(self) -> frozenset[GroupKind]:
        """Kinds of the set whose API group does not answer: of their objects nothing is known."""
        return frozenset(k for k in self.parent.group_kinds if k.group in self.resources.failed)

    def _kinds(self, kinds: set[Resource]) -> set[Resource]:
        named = {resource.group_kind for resource in kinds}
        applied = (self.resources.preferred(kind) for kind in self.parent.group_kinds - named)
        kinds = kinds | {resource for resource in applied if resource is not None}
        if self.parent.complete:
            return kinds
        return kinds | {r for r in self.resources.listable() if r.group_kind not in named}

    def _list_kind(self, resource: Resource) -> Iterable[Object]:
        selector = f"{PART_OF}={self.parent.id}"
        try:
            return self.cluster.list(resource, selector=selector)
        except RefusedError as refusal:
            if refusal.status == 404 and self._is_gone(resource):
                return []
            if refusal.status != 403 or not resource.namespaced:
                return self._unless_only_searching(resource, refusal)
        found: list[Object] = []
        for namespace in self._namespaces():
            try:
                found += self.cluster.list(resource, namespace=namespace, selector=selector)
            except RefusedError as refusal:
                if refusal.status != 403 or not self._holds_nothing(namespace):
                    found += self._unless_only_searching(resource, refusal)
        return found

    def _holds_nothing(self, namespace: str) -> bool:
        """Whether a namespace that may not be listed has no members all the same.

        The inventory's own namespace goes without saying in the parent, and rights to every kind
        in it are not to be expected. Rights to one that is gone are gone with it.
        """
        if namespace == self.parent.namespace:
            return True
        try:
            return self.cluster.get(NAMESPACES, "", namespace) is None
        except RefusedError:
            return False

    def _is_gone(self, resource: Resource) -> bool:
        """Whether a kind went after the last discovery; with its definition go its objects."""
        resources = self.cluster.resources(fresh=True)
        served = resources.find(resource.api_version, resource.kind)
        return served is None and resource.group not in resources.failed

    def _unless_only_searching(self, resource: Resource, refusal: RefusedError) -> Iterable[Object]:
        """A kind that the set is not known to contain may be out of reach; others may not."""
        if refusal.status in (403, 404, 405) and resource.group_kind not in self._needed():
            return []
        raise refusal

    def _needed(self) -> frozenset[GroupKind]:
        return self.parent.group_kinds if self.parent.complete else frozenset()

    def _namespaces(self) -> Iterable[str]:
        """Where to look with rights that are limited to namespaces."""
        own = {self.namespace} if self.namespace else set()
        return sorted({*self.parent.namespaces, self.parent.namespace} | own)
