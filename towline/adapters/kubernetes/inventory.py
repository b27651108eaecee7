"""The port `Inventory`: the ApplySet's parent as a ConfigMap on the destination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from towline.core.errors import ClusterError, LeaseLostError, PermanentError
from towline.core.inventory import (
    ID_LABEL,
    Parent,
    application_of,
    parent_key,
    parent_of,
    read_parent,
)
from towline.core.objects import Object
from towline.core.resources import Resource
from towline.ports import Cluster, RefusedError

_CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", namespaced=True)


@dataclass(frozen=True)
class ConfigMapInventory:
    cluster: Cluster
    namespace: str

    def read(self, application: str) -> Parent:
        key = parent_key(application, self.namespace)
        live = self.cluster.get(_CONFIG_MAPS, key.namespace, key.name)
        return read_parent(live, application, self.namespace)

    def write(self, parent: Parent) -> Parent:
        """Apply under the resourceVersion that was read; a new parent must not exist yet."""
        body = parent.body()
        if parent.resource_version is None:
            # An apply has no precondition "does not exist yet": the lease makes a race of two
            # first runs improbable, this look makes it harmless.
            self._refuse_existing(parent)
        try:
            live = self.cluster.apply(_CONFIG_MAPS, body)
        except RefusedError as refusal:
            raise self._explained(parent, refusal) from None
        metadata = live["metadata"]
        return replace(
            parent,
            resource_version=metadata["resourceVersion"],
            uid=metadata["uid"],
            complete=True,
        )

    def parents(self) -> Sequence[Parent]:
        """One LIST of what bears an id; other tools keep their sets there as well."""
        listed = self.cluster.list(_CONFIG_MAPS, namespace=self.namespace, selector=ID_LABEL)
        found = (parent_of(live, self.namespace) for live in listed)
        return sorted(filter(None, found), key=lambda parent: parent.application)

    def bodies(self) -> Mapping[str, Object]:
        listed = self.cluster.list(_CONFIG_MAPS, namespace=self.namespace)
        named = ((application_of(live, self.namespace), live) for live in listed)
        return {application: live for application, live in named if application}

    def remove(self, parent: Parent) -> None:
        try:
            self.cluster.delete(_CONFIG_MAPS, parent.body())
        except RefusedError as refusal:
            raise self._explained(parent, refusal) from None

    def _refuse_existing(self, parent: Parent) -> None:
        if self.read(parent.application).resource_version is not None:
            raise LeaseLostError("another run has just begun the inventory")

    def _explained(self, parent: Parent, refusal: RefusedError) -> Exception:
        if refusal.status == 409:
            return LeaseLostError("the inventory was changed by another run meanwhile", delay=1)
        if refusal.status >= 500:
            return ClusterError(f"the inventory {parent.key} cannot be written: {refusal.message}")
        if refusal.status == 404:
            return PermanentError(
                f"the namespace {self.namespace} (TOWLINE_NAMESPACE) does not exist on the "
                "cluster: create it, the inventory is kept there"
            )
        return PermanentError(f"the inventory {parent.key} cannot be written: {refusal.message}")
