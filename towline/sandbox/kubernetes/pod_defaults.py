"""The defaults of pods and pod templates, and quantities in their canonical form.

All functions change the object that they are given.
"""

from __future__ import annotations

from typing import Any

from towline.sandbox.kubernetes.quantities import canonical

Body = dict[str, Any]

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def fill(target: Body, **values: Any) -> None:
    """Set what is absent."""
    for name, value in values.items():
        if name not in target:
            target[name] = value


def canonical_fields(holder: Body, *names: str) -> None:
    for name in names:
        if name in holder:
            holder[name] = _canonical(holder[name])


def canonical_values(holder: Body, *names: str) -> None:
    """Canonical quantities in these maps; what is no quantity is left for validation."""
    for name in names:
        quantities = holder.get(name)
        if isinstance(quantities, dict):
            holder[name] = {key: _canonical(value) for key, value in quantities.items()}


def _canonical(value: Any) -> Any:
    try:
        return canonical(value)
    except ValueError:
        return value


def default_resources(holder: Body) -> None:
    resources = holder.setdefault("resources", {})
    if isinstance(resources, dict):
        canonical_values(resources, "limits", "requests")


def default_claim(spec: Body) -> None:
    """What a claim asks for; the old way to name its source goes along with the new one."""
    fill(spec, volumeMode="Filesystem")
    default_resources(spec)
    if source := spec.get("dataSource"):
        spec["dataSource"] = {"apiGroup": None, **source}
        fill(spec, dataSourceRef=dict(spec["dataSource"]))
    if source := spec.get("dataSourceRef"):
        spec["dataSourceRef"] = {"apiGroup": None, **source}


def default_template(spec: Body, *, restart: str = "Always") -> None:
    """The `template` of a workload's spec."""
    template = spec.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        default_pod(template.setdefault("spec", {}), restart=restart)


def default_pod(pod: Body, *, restart: str = "Always") -> None:
    """A pod's spec; `restart` is empty where the server has no default for it."""
    fill(
        pod,
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        terminationGracePeriodSeconds=30,
        securityContext={},
    )
    if restart:
        fill(pod, restartPolicy=restart)
    if name := pod.get("serviceAccountName") or pod.get("serviceAccount"):
        # The deprecated name of the field mirrors the new one.
        pod["serviceAccountName"] = pod["serviceAccount"] = name
    canonical_values(pod, "overhead")
    for group in ("containers", "initContainers", "ephemeralContainers"):
        for container in _dicts(pod.get(group)):
            _default_container(container, host_network=bool(pod.get("hostNetwork")))
    for volume in _dicts(pod.get("volumes")):
        _default_volume(volume)


def _dicts(values: Any) -> list[Body]:
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def _default_container(container: Body, *, host_network: bool) -> None:
    fill(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy=_pull_policy(str(container.get("image", ""))),
    )
    default_resources(container)
    for port in _dicts(container.get("ports")):
        fill(port, protocol="TCP")
        if host_network and "containerPort" in port:
            fill(port, hostPort=port["containerPort"])
    for variable in _dicts(container.get("env")):
        source = variable.get("valueFrom")
        if isinstance(source, dict) and isinstance(source.get("fieldRef"), dict):
            source["fieldRef"] = {"apiVersion": "v1", **source["fieldRef"]}
        if isinstance(source, dict) and isinstance(source.get("resourceFieldRef"), dict):
            source["resourceFieldRef"] = {"divisor": "0", **source["resourceFieldRef"]}
    for name in _PROBES:
        if isinstance(probe := container.get(name), dict):
            _default_probe(probe)
    for handler in (container.get("lifecycle") or {}).values():
        _default_http_get(handler)


def _pull_policy(image: str) -> str:
    name = image.partition("@")[0].rpartition("/")[2]
    tag = name.partition(":")[2]
    floating = tag == "latest" or (not tag and "@" not in image)
    return "Always" if floating else "IfNotPresent"


def _default_probe(probe: Body) -> None:
    fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    _default_http_get(probe)
    if isinstance(probe.get("grpc"), dict):
        fill(probe["grpc"], service="")


def _default_http_get(handler: Any) -> None:
    if isinstance(handler, dict) and isinstance(handler.get("httpGet"), dict):
        fill(handler["httpGet"], path="/", scheme="HTTP")


def _default_volume(volume: Body) -> None:
    if len(volume) == 1:
        volume["emptyDir"] = {}
    default_source(volume)
    own = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if isinstance(own, dict):
        own.setdefault("metadata", {})
        default_claim(own.setdefault("spec", {}))


def _default_items(source: Any) -> None:
    for item in _dicts(source.get("items") if isinstance(source, dict) else None):
        if isinstance(item.get("fieldRef"), dict):
            item["fieldRef"] = {"apiVersion": "v1", **item["fieldRef"]}
        if isinstance(item.get("resourceFieldRef"), dict):
            item["resourceFieldRef"] = {"divisor": "0", **item["resourceFieldRef"]}


def default_source(volume: Body) -> None:
    """What a volume is made of."""
    _default_items(volume.get("downwardAPI"))
    for source in ("configMap", "secret", "downwardAPI", "projected"):
        if isinstance(volume.get(source), dict):
            fill(volume[source], defaultMode=420)
    if isinstance(volume.get("hostPath"), dict):
        fill(volume["hostPath"], type="")
    empty = volume.get("emptyDir")
    if isinstance(empty, dict) and "sizeLimit" in empty:
        empty["sizeLimit"] = _canonical(empty["sizeLimit"])
    projected = volume.get("projected")
    for source_of in _dicts(projected.get("sources") if isinstance(projected, dict) else None):
        _default_items(source_of.get("downwardAPI"))
        if isinstance(source_of.get("serviceAccountToken"), dict):
            fill(source_of["serviceAccountToken"], expirationSeconds=3600)
