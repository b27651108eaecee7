"""A control plane of our own on loopback: etcd, kube-apiserver, kube-controller-manager.

There are no nodes and no scheduler: Pods stay pending. Everything else is Kubernetes: admission,
conversion, defaults, garbage collection, namespaces that end. The folders that envtest makes have
no controller manager: then there are no controllers, and namespaces that are deleted stay.
"""

from __future__ import annotations

import json
import os
import secrets
import ssl
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from towline.core.errors import PermanentError
from towline.sandbox.processes import Processes, free_port

_START_SECONDS = 120.0


def compact(etcd: str) -> None:
    """Have etcd forget all past revisions, as an API server has it do every five minutes."""
    status = _ask(f"{etcd}/v3/maintenance/status", {})
    _ask(f"{etcd}/v3/kv/compaction", {"revision": status["header"]["revision"]})


def _ask(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


class ControlPlane:
    """Runs the programs of a folder; their state is below `home`, and of no use afterwards."""

    def __init__(self, programs: Path, home: Path) -> None:
        self._programs = programs
        self._home = home
        self._token = secrets.token_urlsafe(32)
        self._processes = Processes(home / "logs")
        self.etcd = f"http://127.0.0.1:{free_port()}"
        self.url = f"https://127.0.0.1:{free_port()}"
        self.kubeconfig = home / "kubeconfig"
        self.has_controllers = (programs / "kube-controller-manager").is_file()

    def __enter__(self) -> Self:
        self._processes.__enter__()
        try:
            self._start()
        except BaseException:
            self._processes.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._processes.stop()

    def _start(self) -> None:
        self._write_secrets()
        self._run("etcd", self._etcd_options())
        self._run("kube-apiserver", self._api_server_options())
        self._wait("kube-apiserver", self._is_ready)
        self._write_kubeconfig()
        if self.has_controllers:
            self._run("kube-controller-manager", self._controller_options())
            self._wait("kube-controller-manager", self._has_service_account)

    def _write_secrets(self) -> None:
        key = self._home / "service-accounts.key"
        subprocess.run(
            ["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True
        )
        (self._home / "tokens.csv").write_text(f"{self._token},admin,admin,system:masters\n")

    def _write_kubeconfig(self) -> None:
        name = "control-plane"
        authority = str(self._home / "certificates" / "apiserver.crt")
        cluster = {"server": self.url, "certificate-authority": authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": {"token": self._token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
        self.kubeconfig.write_text(json.dumps(config))

    def _etcd_options(self) -> dict[str, str]:
        peers = f"http://127.0.0.1:{free_port()}"
        return {
            "data-dir": str(self._home / "etcd"),
            "listen-client-urls": self.etcd,
            "advertise-client-urls": self.etcd,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
            # The state dies with the tests: nothing needs to reach the disk.
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        }

    def _api_server_options(self) -> dict[str, str]:
        key = str(self._home / "service-accounts.key")
        # Nobody makes the service accounts that this plugin asks for.
        disabled = {} if self.has_controllers else {"disable-admission-plugins": "ServiceAccount"}
        return {
            **disabled,
            "etcd-servers": self.etcd,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": self.url.rpartition(":")[2],
            "cert-dir": str(self._home / "certificates"),
            "token-auth-file": str(self._home / "tokens.csv"),
            "authorization-mode": "RBAC",
            "service-cluster-ip-range": "10.96.0.0/16",
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": key,
            "service-account-signing-key-file": key,
            "endpoint-reconciler-type": "none",
            "allow-privileged": "true",
        }

    def _controller_options(self) -> dict[str, str]:
        return {
            "kubeconfig": str(self.kubeconfig),
            "service-account-private-key-file": str(self._home / "service-accounts.key"),
            "root-ca-file": str(self._home / "certificates" / "apiserver.crt"),
            "leader-elect": "false",
            "secure-port": "0",
            # Tests make and end namespaces faster than people do.
            "concurrent-namespace-syncs": "20",
            "kube-api-qps": "1000",
            "kube-api-burst": "2000",
        }

    def _run(self, name: str, options: dict[str, str]) -> None:
        command = [str(self._programs / name)]
        command += [f"--{option}={value}" for option, value in options.items()]
        home = {"HOME": str(self._home), "PATH": os.environ.get("PATH", "")}
        self._processes.start(name, command, home)

    def _wait(self, name: str, is_ready: Any) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self._processes.check()
            with suppress(OSError):
                if is_ready():
                    return
            time.sleep(0.1)
        raise PermanentError(f"{name} is not ready:\n{self._processes.tail(name)}")

    def _is_ready(self) -> bool:
        # `/readyz` tells about it before the certificate that clients check is written whole.
        return self._get("/readyz") == b"ok"

    def _has_service_account(self) -> bool:
        return b'"uid"' in self._get("/api/v1/namespaces/default/serviceaccounts/default")

    def _get(self, path: str) -> bytes:
        context = ssl.create_default_context(
            cafile=str(self._home / "certificates" / "apiserver.crt")
        )
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {self._token}"}
        )
        with urllib.request.urlopen(request, timeout=10, context=context) as response:
            body: bytes = response.read()
        return body
