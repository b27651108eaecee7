"""The order of a run: what others need comes first, what could stop others comes last."""

from __future__ import annotations

from enum import IntEnum

from towline.core.objects import ObjectKey


class Stage(IntEnum):
    """Applied from the first to the last, pruned from the last to the first."""

    DEFINITIONS = 0
    NAMESPACES = 1
    CLUSTER_ROLES = 2
    CLASSES = 3
    REST = 4
    ADMISSION = 5

    @property
    def title(self) -> str:
        return self.name.lower().replace("_", " ")


_STAGES = {
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Stage.DEFINITIONS,
    ("", "Namespace"): Stage.NAMESPACES,
    ("rbac.authorization.k8s.io", "ClusterRole"): Stage.CLUSTER_ROLES,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): Stage.CLUSTER_ROLES,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): Stage.ADMISSION,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): Stage.ADMISSION,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): Stage.ADMISSION,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): Stage.ADMISSION,
}


def stage_of(key: ObjectKey) -> Stage:
    stage = _STAGES.get((key.group, key.kind))
    if stage is None:
        stage = Stage.CLASSES if key.kind.endswith("Class") else Stage.REST
    return stage


# Within the last great stage: what a workload reads at its start is there before it.
_KIND_ORDER = {
    kind: index
    for index, kind in enumerate(
        (
            "ResourceQuota",
            "LimitRange",
            "ServiceAccount",
            "Role",
            "RoleBinding",
            "Secret",
            "ConfigMap",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Service",
        )
    )
}


def rank_of(key: ObjectKey) -> tuple[int, int, ObjectKey]:
    """Sorts objects into the order in which they are shown and started."""
    return (stage_of(key), _KIND_ORDER.get(key.kind, len(_KIND_ORDER)), key)
