"""Reads: what goes with an object that is deleted, so that a person knows what is asked.

A namespace takes its content, a definition its custom resources, a claim its volume. Only counted:
what goes is as much as there is when it goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from towline.core.errors import ClusterError
from towline.core.inventory import takes_others
from towline.core.objects import GroupKind, Object, key_of
from towline.core.resources import Resource, Resources
from towline.ports import PARALLEL, Cluster, RefusedError

_VOLUMES = Resource("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False)
_PASSING = {GroupKind("", "Event"), GroupKind("events.k8s.io", "Event")}
"""Nobody would miss them."""
_MOST_NAMED = 3


@dataclass(frozen=True)
class Dependents:
    cluster: Cluster
    resources: Resources

    def of(self, live: Object) -> str:
        """In words, such as `2 ConfigMap, 1 Deployment.apps`, and which kinds could not be counted;
        empty if there are none. Raises nothing: nobody's run ends for what is only told.
        """
        key = key_of(live)
        if not takes_others(key):
            return ""
        if key.kind == "Namespace":
            kinds = (r for r in self.resources.listable() if r.namespaced)
            return self._counted((r for r in kinds if r.group_kind not in _PASSING), key.name)
        if key.kind == "CustomResourceDefinition":
            spec = live["spec"]
            defined = GroupKind(spec["group"], spec["names"]["kind"])
            found = self.resources.preferred(defined)
            return self._counted([found] if found else [], None)
        return self._volume(live)

    def _counted(self, kinds: Iterable[Resource], namespace: str | None) -> str:
        asked = sorted(kinds, key=lambda resource: str(resource.group_kind))
        with ThreadPoolExecutor(PARALLEL) as pool:
            numbers = pool.map(lambda resource: self._count(resource, namespace), asked)
            counted = zip(asked, numbers, strict=True)
            found = [(str(kind.group_kind), number) for kind, number in counted]
        known = ", ".join(f"{number} {kind}" for kind, number in found if number)
        unknown = _uncounted([kind for kind, number in found if number is None])
        return ", and ".join(filter(None, (known, unknown)))

    def _count(self, resource: Resource, namespace: str | None) -> int | None:
        """None for a kind that may not be read, or whose server (an extension's) is away."""
        try:
            return self.cluster.count(resource, namespace=namespace)
        except (RefusedError, ClusterError):
            return None

    def _volume(self, claim: Object) -> str:
        name = (claim.get("spec") or {}).get("volumeName")
        try:
            volume = self.cluster.get(_VOLUMES, "", name) if name else None
        except (RefusedError, ClusterError):
            return _uncounted([str(_VOLUMES.group_kind)])
        deletes = volume and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        return f"PersistentVolume/{name} and its data" if deletes else ""


def _uncounted(kinds: Sequence[str]) -> str:
    if not kinds:
        return ""
    more = len(kinds) - _MOST_NAMED
    others = f" and {more} more kind{'s' if more > 1 else ''}" if more > 0 else ""
    return f"what may not be counted ({', '.join(kinds[:_MOST_NAMED])}{others})"
