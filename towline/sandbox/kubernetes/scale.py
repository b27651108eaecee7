"""The scale subresource: replicas, seen as an object of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from towline.sandbox.kubernetes.causes import invalid_value
from towline.sandbox.kubernetes.kinds import Kind
from towline.sandbox.kubernetes.shape import PLAIN
from towline.sandbox.kubernetes.status import bad_request, invalid

_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(body: dict[str, Any]) -> dict[str, Any]:
    """The autoscaling/v1 Scale of a workload."""
    metadata = body["metadata"]
    spec, status = body.get("spec") or {}, body.get("status") or {}
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in _SHOWN if name in metadata},
        "spec": {"replicas": spec.get("replicas", 0)},
        "status": {
            "replicas": status.get("replicas", 0),
            "selector": ",".join(f"{name}={value}" for name, value in sorted(labels.items())),
        },
    }


def scaling(wanted: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The change that a written Scale makes to its workload."""
    replicas = (wanted.get("spec") or {}).get("replicas", 0)
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise bad_request("json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas")
    if replicas < 0:
        cause = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
        scale = Kind("autoscaling", "v1", "Scale", "scales", PLAIN)
        raise invalid(scale, (wanted.get("metadata") or {}).get("name", ""), [cause])
    version = (wanted.get("metadata") or {}).get("resourceVersion")

    def change(live: dict[str, Any]) -> dict[str, Any]:
        metadata = {**live["metadata"], **({"resourceVersion": version} if version else {})}
        return {**live, "metadata": metadata, "spec": {**live["spec"], "replicas": replicas}}

    return change
