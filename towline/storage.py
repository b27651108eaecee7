"""What a claim waits for, which only its storage class tells.

A claim whose class binds it when something uses it stays pending until then: to hold back what
would use it would be waiting for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from towline.core.health import Assessment, Health, assess
from towline.core.objects import GroupKind, Object, key_of
from towline.core.resources import Resource
from towline.ports import Cluster, RefusedError

_CLASSES = Resource("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)
_CLAIM = GroupKind("", "PersistentVolumeClaim")
_PATIENT = Assessment(Health.HEALTHY, "it will be bound when something uses it")


@dataclass(frozen=True)
class Claims:
    """The claims of one cluster; each class is read once."""

    cluster: Cluster
    _bind_late: dict[str, bool] = field(default_factory=dict)

    def assess(self, live: Object) -> Assessment:
        """The health of any live object, whose class is looked at if it is a pending claim.

        Raises ClusterError if the cluster does not answer.
        """
        assessment = assess(live)
        if assessment.health is not Health.PROGRESSING or key_of(live).group_kind != _CLAIM:
            return assessment
        # One without a class waits for a volume that somebody makes.
        name = (live.get("spec") or {}).get("storageClassName")
        is_leaving = live["metadata"].get("deletionTimestamp")
        return _PATIENT if name and not is_leaving and self._binds_late(name) else assessment

    def _binds_late(self, name: str) -> bool:
        """Where the class may not be read, nothing says that the claim will be bound by itself,
        and nobody waits for it."""
        if name not in self._bind_late:
            try:
                found = self.cluster.get(_CLASSES, "", name) or {}
            except RefusedError:
                found = {"volumeBindingMode": "WaitForFirstConsumer"}
            self._bind_late[name] = found.get("volumeBindingMode") == "WaitForFirstConsumer"
        return self._bind_late[name]
