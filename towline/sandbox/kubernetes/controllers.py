"""Plays the controllers of a cluster: workloads become available.

A cluster without any shows every workload as progressing for ever. Nothing is really started: a
status goes through the same steps as a real one, a step in each round. Tests that write statuses
themselves run without it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from towline.sandbox.kubernetes.kinds import BUILT_IN, Kind
from towline.sandbox.kubernetes.status import StatusError
from towline.sandbox.kubernetes.store import Store
from towline.sandbox.kubernetes.targets import Options, Target
from towline.sandbox.kubernetes.writing import Writer

SECONDS = 0.4
"""Between two rounds; a rollout takes two."""

Body = dict[str, Any]


class Controllers:
    """Goes round by itself from `start` until `stop`."""

    def __init__(self, store: Store, writer: Writer) -> None:
        self._store = store
        self._writer = writer
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="controllers", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopped.wait(SECONDS):
            self.round()

    def round(self) -> None:
        """Bring each status one step on."""
        for kind in _KINDS:
            for (namespace, name), held in self._store.items(kind):
                status = _STATUS[kind.kind](held.body)
                earlier = held.body.get("status") or {}
                if any(earlier.get(field) != value for field, value in status.items()):
                    self._write(Target(kind, namespace, name, "status"), status)

    def _write(self, target: Target, status: Body) -> None:
        options = Options(manager="kube-controller-manager")

        def changed(body: Body) -> Body:
            return {**body, "status": {**(body.get("status") or {}), **status}}

        try:
            self._writer.change(target, changed, options)
        except StatusError:
            return  # it went meanwhile, or changed: the next round sees


def _replicated(body: Body) -> Body:
    """First the new generation is seen, with its pods made; then they are available."""
    wanted = body["spec"].get("replicas", 1)
    generation = body["metadata"].get("generation", 1)
    is_seen = (body.get("status") or {}).get("observedGeneration") == generation
    ready = wanted if is_seen else 0
    return {
        "observedGeneration": generation,
        "replicas": wanted,
        "updatedReplicas": wanted,
        "readyReplicas": ready,
        "availableReplicas": ready,
    }


def _on_each_node(body: Body) -> Body:
    """Of which there is one."""
    generation = body["metadata"].get("generation", 1)
    is_seen = (body.get("status") or {}).get("observedGeneration") == generation
    return {
        "observedGeneration": generation,
        "desiredNumberScheduled": 1,
        "currentNumberScheduled": 1,
        "updatedNumberScheduled": 1,
        "numberMisscheduled": 0,
        "numberReady": int(is_seen),
        "numberAvailable": int(is_seen),
    }


_STATUS: dict[str, Callable[[Body], Body]] = {
    "Deployment": _replicated,
    "StatefulSet": _replicated,
    "DaemonSet": _on_each_node,
}
_KINDS: tuple[Kind, ...] = tuple(
    kind for kind in BUILT_IN if kind.group == "apps" and kind.kind in _STATUS
)
