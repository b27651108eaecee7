"""What may not change in an object once it is there: one function for a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from towline.sandbox.kubernetes.causes import forbidden_field, invalid_value
from towline.sandbox.kubernetes.status import Cause

Body = dict[str, Any]

_IMMUTABLE = "field is immutable"


def _frozen(path: str) -> Callable[[Body, Body], Iterator[Cause]]:
    """A rule that this dotted path stays as it is."""

    def rule(body: Body, old: Body) -> Iterator[Cause]:
        now, before = _at(body, path), _at(old, path)
        if now != before:
            yield invalid_value(path, now, _IMMUTABLE)

    return rule


def _at(body: Body, path: str) -> Any:
    value: Any = body
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _immutable_data(body: Body, old: Body) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    if not body.get("immutable"):
        yield forbidden_field("immutable", "field is immutable when `immutable` is set")
    for name in ("data", "binaryData"):
        if (body.get(name) or {}) != (old.get(name) or {}):
            yield forbidden_field(name, "field is immutable when `immutable` is set")


def _cluster_ip(body: Body, old: Body) -> Iterator[Cause]:
    before, now = _at(old, "spec.clusterIP"), _at(body, "spec.clusterIP")
    changing_type = "ExternalName" in {_at(old, "spec.type"), _at(body, "spec.type")}
    if before and before != now and not changing_type:
        yield invalid_value("spec.clusterIPs[0]", [now], "may not change once set")


def _claim_change(body: Body, old: Body) -> Iterator[Cause]:
    mutable = {"resources", "volumeName", "volumeAttributesClassName"}
    now, before = body["spec"], old["spec"]
    if any(now.get(name) != before.get(name) for name in {*now, *before} - mutable):
        why = (
            "spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims"
        )
        yield forbidden_field("spec", why)


def _pod_change(body: Body, old: Body) -> Iterator[Cause]:
    def fixed(pod: Body) -> Body:
        spec = {k: v for k, v in pod["spec"].items() if k not in mutable}
        for group in ("containers", "initContainers"):
            spec[group] = [{**c, "image": ""} for c in spec.get(group) or []]
        return spec

    mutable = {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName"}
    if fixed(body) != fixed(old):
        why = (
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
            "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to "
            "be set to 1 if it was previously negative)"
        )
        yield forbidden_field("spec", why)


def _job_completions(body: Body, old: Body) -> Iterator[Cause]:
    """An indexed Job may grow."""
    if body["spec"].get("completionMode") != "Indexed":
        yield from _frozen("spec.completions")(body, old)


def _priority(body: Body, old: Body) -> Iterator[Cause]:
    if body.get("value") != old.get("value"):
        yield forbidden_field("value", "may not be changed in an update.")


def _job_template(body: Body, old: Body) -> Iterator[Cause]:
    """What may change while a Job is suspended is not modelled, but the field that is named."""
    now, before = body["spec"]["template"], old["spec"]["template"]
    if now == before:
        return
    if old["spec"].get("suspend"):
        if now["spec"] != before["spec"]:
            yield invalid_value("spec.template.spec", now["spec"], _IMMUTABLE)
        return
    yield invalid_value("spec.template", now, _IMMUTABLE)


CHANGES: dict[str, tuple[Callable[[Body, Body], Iterator[Cause]], ...]] = {
    "ConfigMap": (_immutable_data,),
    "Secret": (_immutable_data, _frozen("type")),
    "Service": (_cluster_ip,),
    "Pod": (_pod_change,),
    "PersistentVolumeClaim": (_claim_change,),
    "Deployment": (_frozen("spec.selector"),),
    "ReplicaSet": (_frozen("spec.selector"),),
    "DaemonSet": (_frozen("spec.selector"),),
    "StatefulSet": (
        _frozen("spec.selector"),
        _frozen("spec.serviceName"),
        _frozen("spec.podManagementPolicy"),
        _frozen("spec.volumeClaimTemplates"),
    ),
    "Job": (
        _frozen("spec.selector"),
        _job_template,
        _frozen("spec.completionMode"),
        _job_completions,
    ),
    "RoleBinding": (_frozen("roleRef"),),
    "ClusterRoleBinding": (_frozen("roleRef"),),
    "IngressClass": (_frozen("spec.controller"),),
    "StorageClass": (
        _frozen("parameters"),
        _frozen("provisioner"),
        _frozen("reclaimPolicy"),
        _frozen("volumeBindingMode"),
    ),
    "PriorityClass": (_priority, _frozen("preemptionPolicy")),
    "CustomResourceDefinition": (
        _frozen("spec.scope"),
        _frozen("spec.names.kind"),
        _frozen("spec.names.plural"),
    ),
}
