"""What objects of each built-in kind need: one function for a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from towline.sandbox.kubernetes.causes import (
    duplicate,
    invalid_value,
    required,
    show,
    too_long,
    unsupported,
)
from towline.sandbox.kubernetes.names import DATA_KEY, DNS_LABEL, LABEL_RULE
from towline.sandbox.kubernetes.status import Cause

Body = dict[str, Any]

_DATA_LIMIT = 1024 * 1024


def _config_map(body: Body) -> Iterator[Cause]:
    yield from _data_keys(body)
    both = set(body.get("data") or {}) & set(body.get("binaryData") or {})
    for name in sorted(both):
        yield invalid_value(f"data[{name}]", name, "duplicate of key present in binaryData")


def _data_keys(body: Body) -> Iterator[Cause]:
    size = 0
    for group in ("data", "binaryData"):
        for name, value in (body.get(group) or {}).items():
            if not DATA_KEY.fullmatch(name) or len(name) > 253:
                why = (
                    "a valid config key must consist of alphanumeric characters, '-', '_' or "
                    "'.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for "
                    "validation is '[-._a-zA-Z0-9]+')"
                )
                yield invalid_value(f"{group}[{name}]", name, why)
            size += len(str(value).encode())
    if size > _DATA_LIMIT:
        yield too_long("[]", _DATA_LIMIT)


def _selected_template(body: Body) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    selector = spec.get("selector")
    if spec.get("replicas", 0) < 0:
        why = "must be greater than or equal to 0"
        yield invalid_value("spec.replicas", spec["replicas"], why)
    if not isinstance(selector, dict) or not selector:
        yield required("spec.selector")
    template = spec.get("template")
    if not isinstance(template, dict) or not template:
        yield required("spec.template")
        return
    labels = (template.get("metadata") or {}).get("labels") or {}
    if isinstance(selector, dict) and selector and not _matches(selector, labels):
        why = "`selector` does not match template `labels`"
        yield invalid_value("spec.template.metadata.labels", labels, why)
    yield from _pod_problems(template.get("spec") or {}, "spec.template.spec")


def _matches(selector: Body, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        _matches_expression(expression, labels) for expression in expressions
    )


def _matches_expression(expression: Body, labels: dict[str, str]) -> bool:
    name, values = expression.get("key", ""), expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return labels.get(name) in values
        case "NotIn":
            return labels.get(name) not in values
        case "Exists":
            return name in labels
        case "DoesNotExist":
            return name not in labels
    return False


def _pod_problems(pod: Body, path: str) -> Iterator[Cause]:
    if not pod.get("containers"):
        yield required(f"{path}.containers")
    for group in ("initContainers", "containers"):
        names: set[str] = set()
        for index, container in enumerate(pod.get(group) or []):
            here = f"{path}.{group}[{index}]"
            yield from _container_problems(container, here, names, pod)


def _container_problems(container: Body, path: str, names: set[str], pod: Body) -> Iterator[Cause]:
    name = container.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    elif not DNS_LABEL.fullmatch(name) or len(name) > 63:
        yield invalid_value(f"{path}.name", name, LABEL_RULE)
    elif name in names:
        yield duplicate(f"{path}.name", name)
    names.add(name)
    if not container.get("image"):
        yield required(f"{path}.image")
    volumes = {volume.get("name") for volume in pod.get("volumes") or []}
    for index, mount in enumerate(container.get("volumeMounts") or []):
        if mount.get("name") not in volumes:
            message = f"Not found: {show(mount.get('name'))}"
            yield Cause("FieldValueNotFound", message, f"{path}.volumeMounts[{index}].name")
    for index, port in enumerate(container.get("ports") or []):
        yield from _port_problems(port.get("containerPort"), f"{path}.ports[{index}].containerPort")


def _port_problems(port: Any, path: str) -> Iterator[Cause]:
    if port is None:
        yield required(path)
    elif not isinstance(port, int) or not 0 < port < 65536:
        yield invalid_value(path, port, "must be between 1 and 65535, inclusive")


def _stateful_set(body: Body) -> Iterator[Cause]:
    for cause in _selected_template(body):
        claims = {
            show((claim.get("metadata") or {}).get("name"))
            for claim in (body.get("spec") or {}).get("volumeClaimTemplates") or []
        }
        if cause.message.removeprefix("Not found: ") not in claims:
            yield cause


def _pod(body: Body) -> Iterator[Cause]:
    yield from _pod_problems(body.get("spec") or {}, "spec")


def _cron_job(body: Body) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    if not spec.get("schedule"):
        yield required("spec.schedule")
    inner = (spec.get("jobTemplate") or {}).get("spec") or {}
    yield from _job_spec(inner, "spec.jobTemplate.spec")


def _job(body: Body) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    selector = spec.get("selector")
    if not isinstance(selector, dict):
        yield required("spec.selector")
    else:
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
        if not _matches(selector, labels or {}):
            why = "`selector` does not match template `labels`"
            yield invalid_value("spec.template.metadata.labels", labels, why)
    yield from _job_spec(spec, "spec")


def _job_spec(spec: Body, path: str) -> Iterator[Cause]:
    pod = (spec.get("template") or {}).get("spec") or {}
    policy = pod.get("restartPolicy")
    if policy not in {"OnFailure", "Never"}:
        here = f"{path}.template.spec.restartPolicy"
        if not policy:
            yield required(here, 'valid values: "OnFailure", "Never"')
        else:
            yield unsupported(here, policy, ["OnFailure", "Never"])
    yield from _pod_problems(pod, f"{path}.template.spec")


_SERVICE_TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]


def _service(body: Body) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    ports = spec.get("ports") or []
    if spec.get("type") not in _SERVICE_TYPES:
        yield unsupported("spec.type", spec.get("type"), _SERVICE_TYPES)
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        yield required("spec.ports")
    if spec.get("type") == "ExternalName" and not spec.get("externalName"):
        yield required("spec.externalName")
    for index, port in enumerate(ports):
        yield from _port_problems(port.get("port"), f"spec.ports[{index}].port")
        if len(ports) > 1 and not port.get("name"):
            yield required(f"spec.ports[{index}].name")


def _secret(body: Body) -> Iterator[Cause]:
    yield from _data_keys(body)
    wanted = {
        "kubernetes.io/tls": ("tls.crt", "tls.key"),
        "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    }
    for name in wanted.get(body.get("type", ""), ()):
        if name not in (body.get("data") or {}):
            yield required(f"data[{name}]")


def _claim(body: Body) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    if not spec.get("accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    if not ((spec.get("resources") or {}).get("requests") or {}).get("storage"):
        yield required("spec.resources[storage]")


def _binding(body: Body) -> Iterator[Cause]:
    role = body.get("roleRef") or {}
    if role.get("kind") not in {"Role", "ClusterRole"}:
        yield unsupported("roleRef.kind", role.get("kind", ""), ["ClusterRole", "Role"])
    if not role.get("name"):
        yield required("roleRef.name")
    for index, subject in enumerate(body.get("subjects") or []):
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            yield required(f"subjects[{index}].namespace")


def _ingress(body: Body) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        why = "either `defaultBackend` or `rules` must be specified"
        yield invalid_value("spec", spec.get("rules") or [], why)
    for i, rule in enumerate(spec.get("rules") or []):
        for j, path in enumerate((rule.get("http") or {}).get("paths") or []):
            if not path.get("pathType"):
                yield required(
                    f"spec.rules[{i}].http.paths[{j}].pathType", "pathType must be specified"
                )


def _autoscaler(body: Body) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    if not isinstance(spec.get("maxReplicas"), int) or spec["maxReplicas"] < 1:
        why = "must be greater than 0"
        yield invalid_value("spec.maxReplicas", spec.get("maxReplicas", 0), why)
    if not (spec.get("scaleTargetRef") or {}).get("name"):
        yield required("spec.scaleTargetRef.name")


def _storage_class(body: Body) -> Iterator[Cause]:
    if not body.get("provisioner"):
        yield required("provisioner")


def _definition(body: Body) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    names = spec.get("names") or {}
    for name in ("plural", "kind"):
        if not names.get(name):
            yield required(f"spec.names.{name}")
    if not spec.get("group"):
        yield required("spec.group")
    expected = f"{names.get('plural')}.{spec.get('group')}"
    if body["metadata"]["name"] != expected:
        why = 'must be spec.names.plural+"."+spec.group'
        yield invalid_value("metadata.name", body["metadata"]["name"], why)
    if spec.get("scope") not in {"Namespaced", "Cluster"}:
        yield unsupported("spec.scope", spec.get("scope", ""), ["Cluster", "Namespaced"])
    versions = [version for version in spec.get("versions") or [] if isinstance(version, dict)]
    if sum(bool(version.get("storage")) for version in versions) != 1:
        why = "must have exactly one version marked as storage version"
        yield invalid_value("spec.versions", [v.get("name") for v in versions], why)
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            why = "schemas are required"
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema", why)


def _webhooks(body: Body) -> Iterator[Cause]:
    for index, webhook in enumerate(body.get("webhooks") or []):
        path = f"webhooks[{index}]"
        if not webhook.get("sideEffects"):
            yield required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
        if not webhook.get("admissionReviewVersions"):
            yield required(f"{path}.admissionReviewVersions")


RULES: dict[str, tuple[Callable[[Body], Iterator[Cause]], ...]] = {
    "ConfigMap": (_config_map,),
    "Secret": (_secret,),
    "Service": (_service,),
    "Pod": (_pod,),
    "PersistentVolumeClaim": (_claim,),
    "Deployment": (_selected_template,),
    "ReplicaSet": (_selected_template,),
    "DaemonSet": (_selected_template,),
    "StatefulSet": (_stateful_set,),
    "Job": (_job,),
    "CronJob": (_cron_job,),
    "Ingress": (_ingress,),
    "RoleBinding": (_binding,),
    "ClusterRoleBinding": (_binding,),
    "HorizontalPodAutoscaler": (_autoscaler,),
    "StorageClass": (_storage_class,),
    "CustomResourceDefinition": (_definition,),
    "ValidatingWebhookConfiguration": (_webhooks,),
    "MutatingWebhookConfiguration": (_webhooks,),
}
