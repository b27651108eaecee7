"""From the name of a destination to its API server: the service account, or the kubeconfig."""

from __future__ import annotations

import os
import threading
from functools import partial

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.config.config_exception import ConfigException

from towline.adapters.kubernetes.cluster import KubernetesCluster
from towline.adapters.kubernetes.connection import Connection
from towline.core.errors import PermanentError

IN_CLUSTER = "in-cluster"
_POOL = 16
"""Connections kept to one cluster; the client's default follows the node's cores."""


class Clusters:
    """Connections by destination, opened when first asked for: after a fork, never before."""

    def __init__(self) -> None:
        self._open: dict[str, KubernetesCluster] = {}
        self._lock = threading.Lock()

    def __call__(self, name: str) -> KubernetesCluster:
        with self._lock:
            if name not in self._open:
                self._open[name] = KubernetesCluster(Connection(partial(_client, name), name))
            return self._open[name]

    def close(self) -> None:
        with self._lock:
            for cluster in self._open.values():
                cluster.close()
            self._open.clear()


def _client(name: str) -> ApiClient:
    settings = Configuration()
    try:
        if name == IN_CLUSTER:
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(
                config_file=os.environ.get("KUBECONFIG"),
                context=name,
                client_configuration=settings,
            )
    except ConfigException as error:
        where = os.environ.get("KUBECONFIG") or "~/.kube/config"
        source = "the pod's service account" if name == IN_CLUSTER else f"KUBECONFIG ({where})"
        raise PermanentError(
            f"the destination {name} cannot be reached with {source}: {error}"
        ) from None
    settings.connection_pool_maxsize = _POOL
    settings.retries = False
    return ApiClient(settings)
