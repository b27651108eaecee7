"""A cluster to talk to: a state in memory, served with tokens, faults and a record."""

from __future__ import annotations

from typing import Any

from towline.sandbox.kubernetes.controllers import Controllers
from towline.sandbox.kubernetes.front import Front
from towline.sandbox.kubernetes.kinds import NAMESPACE, Kinds
from towline.sandbox.kubernetes.routes import Routes
from towline.sandbox.kubernetes.store import Store
from towline.sandbox.kubernetes.targets import Options, Target
from towline.sandbox.kubernetes.writing import Writer

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class SandboxCluster(Front):
    """A Kubernetes API on loopback, with four namespaces and nothing else in it.

    `token` is what clients must bear; without one the server is open. With `controllers` workloads
    become available. A stopped cluster cannot be started again.
    """

    def __init__(
        self, *, token: str | None = None, port: int = 0, controllers: bool = False
    ) -> None:
        self._store = Store()
        kinds = Kinds()
        routes = Routes(self._store, kinds)
        super().__init__(routes.answer, token=token, port=port)
        writer = Writer(self._store, kinds)
        for name in _NAMESPACES:
            body: dict[str, Any] = {"metadata": {"name": name}}
            writer.create(Target(NAMESPACE), body, Options(manager="kube-apiserver"))
        self._controllers = Controllers(self._store, writer) if controllers else None

    def start(self) -> None:
        super().start()
        if self._controllers:
            self._controllers.start()

    def stop(self) -> None:
        """End all watches and connections; the state is gone."""
        if self._controllers:
            self._controllers.stop()
        self._store.close()
        super().stop()

    def forget_events(self) -> None:
        """From now on watches and lists that go on from before are answered with 410."""
        self._store.forget_events()
