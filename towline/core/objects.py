"""Names of Kubernetes objects, and small readers of their raw JSON form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

Object = dict[str, Any]
"""A Kubernetes object as the API server sends it: parsed JSON."""


BUILT_IN_GROUPS: Final = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)
"""The groups of kinds that every API server has, without those of definitions."""


@dataclass(frozen=True, slots=True, order=True)
class GroupKind:
    """A kind without its version; the core group is the empty string."""

    group: str
    kind: str

    def __str__(self) -> str:
        """As kubectl writes it: `Deployment.apps`, `ConfigMap`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @classmethod
    def parse(cls, text: str) -> GroupKind:
        kind, _, group = text.partition(".")
        return cls(group, kind)


class ObjectKey(NamedTuple):
    """What identifies an object on a cluster; `namespace` is empty for cluster-scoped kinds."""

    group: str
    kind: str
    namespace: str
    name: str

    @property
    def group_kind(self) -> GroupKind:
        return GroupKind(self.group, self.kind)

    def __str__(self) -> str:
        """`Kind/namespace/name`, or `Kind/name` where there is no namespace."""
        return "/".join(filter(None, (self.kind, self.namespace, self.name)))


def group_of(api_version: str) -> str:
    """`apps/v1` → `apps`; `v1` → the empty string."""
    return api_version.rpartition("/")[0]


def key_of(body: Object) -> ObjectKey:
    metadata = body.get("metadata") or {}
    return ObjectKey(
        group_of(body["apiVersion"]),
        body["kind"],
        metadata.get("namespace") or "",
        metadata.get("name") or "",
    )


def labels_of(body: Object) -> dict[str, str]:
    return (body.get("metadata") or {}).get("labels") or {}


def annotations_of(body: Object) -> dict[str, str]:
    return (body.get("metadata") or {}).get("annotations") or {}
