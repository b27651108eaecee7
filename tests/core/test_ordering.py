"""What others need comes first, what could stop others comes last."""

from __future__ import annotations

import itertools

import pytest

from towline.core.objects import ObjectKey
from towline.core.ordering import Stage, rank_of, stage_of

STAGES: list[tuple[str, str, Stage]] = [
    ("apiextensions.k8s.io", "CustomResourceDefinition", Stage.DEFINITIONS),
    ("", "Namespace", Stage.NAMESPACES),
    ("rbac.authorization.k8s.io", "ClusterRole", Stage.CLUSTER_ROLES),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", Stage.CLUSTER_ROLES),
    ("storage.k8s.io", "StorageClass", Stage.CLASSES),
    ("networking.k8s.io", "IngressClass", Stage.CLASSES),
    ("scheduling.k8s.io", "PriorityClass", Stage.CLASSES),
    ("node.k8s.io", "RuntimeClass", Stage.CLASSES),
    ("gateway.networking.k8s.io", "GatewayClass", Stage.CLASSES),
    ("", "ConfigMap", Stage.REST),
    ("", "Secret", Stage.REST),
    ("apps", "Deployment", Stage.REST),
    ("batch", "Job", Stage.REST),
    ("rbac.authorization.k8s.io", "Role", Stage.REST),
    ("example.com", "Widget", Stage.REST),
    ("example.com", "Namespace", Stage.REST),
    ("example.com", "CustomResourceDefinition", Stage.REST),
    ("example.com", "ClusterRole", Stage.REST),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", Stage.ADMISSION),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", Stage.ADMISSION),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", Stage.ADMISSION),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding", Stage.ADMISSION),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", Stage.REST),
]


@pytest.mark.parametrize(("group", "kind", "stage"), STAGES)
def test_each_kind_has_its_stage(group: str, kind: str, stage: Stage) -> None:
    assert stage_of(ObjectKey(group, kind, "", "a")) is stage


def test_stages_come_in_the_order_of_what_needs_what() -> None:
    assert [stage.title for stage in sorted(Stage)] == [
        "definitions",
        "namespaces",
        "cluster roles",
        "classes",
        "rest",
        "admission",
    ]


IN_ORDER = [
    ObjectKey("apiextensions.k8s.io", "CustomResourceDefinition", "", "z"),
    ObjectKey("", "Namespace", "", "z"),
    ObjectKey("rbac.authorization.k8s.io", "ClusterRole", "", "z"),
    ObjectKey("storage.k8s.io", "StorageClass", "", "z"),
    ObjectKey("", "ResourceQuota", "z", "z"),
    ObjectKey("", "LimitRange", "z", "z"),
    ObjectKey("", "ServiceAccount", "z", "z"),
    ObjectKey("rbac.authorization.k8s.io", "Role", "z", "z"),
    ObjectKey("rbac.authorization.k8s.io", "RoleBinding", "z", "z"),
    ObjectKey("", "Secret", "z", "z"),
    ObjectKey("", "ConfigMap", "a", "b"),
    ObjectKey("", "ConfigMap", "b", "a"),
    ObjectKey("", "ConfigMap", "b", "b"),
    ObjectKey("", "PersistentVolume", "", "z"),
    ObjectKey("", "PersistentVolumeClaim", "z", "z"),
    ObjectKey("", "Service", "z", "z"),
    ObjectKey("", "Pod", "a", "a"),
    ObjectKey("apps", "Deployment", "a", "a"),
    ObjectKey("batch", "Job", "a", "a"),
    ObjectKey("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "", "a"),
]


@pytest.mark.parametrize(("first", "second"), list(itertools.pairwise(IN_ORDER)))
def test_what_a_workload_reads_is_there_before_it(first: ObjectKey, second: ObjectKey) -> None:
    assert rank_of(first) < rank_of(second)


def test_ranks_are_a_total_order() -> None:
    assert sorted(set(IN_ORDER), key=rank_of) == IN_ORDER
    assert len({rank_of(key) for key in IN_ORDER}) == len(IN_ORDER)
