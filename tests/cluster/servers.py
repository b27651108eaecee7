"""The API servers that tests run on: a sandbox, or a real one.

A real one is the first that there is of
- the cluster of `TOWLINE_TEST_KUBECONFIG`, which may be filled and emptied,
- a control plane from the folder `KUBEBUILDER_ASSETS`, as envtest has it,
- a control plane from what `make controlplane` has built.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import load_kube_config

from tests.cluster.control_plane import ControlPlane, compact
from tests.controlplane import build
from towline.sandbox.kubernetes import SandboxCluster

_TIMEOUT = urllib3.Timeout(total=30)


@dataclass(frozen=True)
class ApiServer:
    """One API server, reached as its kubeconfig says."""

    name: str
    """`sandbox` or `real`."""
    kubeconfig: Path
    client: ApiClient
    source: str
    """Where it comes from, for the summary."""
    has_controllers: bool = True
    forget: Callable[[], None] | None = None
    """Makes it forget the past, so that what goes on from there gets 410; None: it cannot."""
    fail: Callable[..., None] | None = None
    """Lets the next requests fail, as `Front.fail` does it; None: it cannot."""
    version: str = field(init=False)

    def __post_init__(self) -> None:
        status, body = self.call("GET", "/version")
        assert status == 200, body
        object.__setattr__(self, "version", body["gitVersion"])

    @property
    def is_real(self) -> bool:
        return self.name == "real"

    def request(
        self,
        method: str,
        target: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> urllib3.BaseHTTPResponse:
        """One plain HTTP request with the credentials of the kubeconfig, never repeated."""
        settings = self.client.configuration
        sent = {"Accept": "application/json", **(headers or {})}
        token = settings.auth_settings().get("BearerToken")
        if token and token["value"] and "Authorization" not in sent:
            sent["Authorization"] = token["value"]
        scheme, _, rest = settings.host.partition("://")
        url = f"{scheme}://{rest.rpartition('@')[2]}{target}"
        pool = self.client.rest_client.pool_manager
        return pool.request(
            method, url, body=body, headers=sent, retries=False, timeout=_TIMEOUT, **options
        )

    def call(self, method: str, target: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """Status and parsed answer to a JSON body."""
        data = None if body is None else json.dumps(body)
        response = self.request(method, target, data, {"Content-Type": "application/json"})
        return response.status, parsed(response.data)


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON of an answer; of a path that is not served at all a server says so in plain text."""
    if not data.startswith(b"{"):
        return {"message": data.decode()}
    answer: dict[str, Any] = json.loads(data)
    return answer


@contextmanager
def connected(kubeconfig: Path, name: str, **more: Any) -> Iterator[ApiServer]:
    settings = Configuration()
    load_kube_config(config_file=str(kubeconfig), client_configuration=settings)
    with ApiClient(settings) as client:
        yield ApiServer(name, kubeconfig, client, **more)
        client.rest_client.pool_manager.clear()


@contextmanager
def sandbox() -> Iterator[ApiServer]:
    with tempfile.TemporaryDirectory() as folder, SandboxCluster(token="of-the-tests") as cluster:
        kubeconfig = Path(folder) / "kubeconfig"
        cluster.write_kubeconfig(kubeconfig)
        with connected(
            kubeconfig,
            "sandbox",
            source="towline.sandbox",
            forget=cluster.forget_events,
            fail=cluster.fail,
        ) as server:
            yield server


def why_none() -> str:
    """In one line, why there is no real API server here and what would make one; else empty."""
    if os.environ.get("TOWLINE_TEST_KUBECONFIG"):
        return ""
    if not os.environ.get("KUBEBUILDER_ASSETS") and not build.is_built():
        return (
            "no real API server: set TOWLINE_TEST_KUBECONFIG or KUBEBUILDER_ASSETS,"
            " or run `make controlplane` (needs Go)"
        )
    if shutil.which("openssl") is None:
        return "no real API server: openssl, which makes a key for it, is missing"
    return ""


@dataclass(frozen=True)
class Running:
    """A real API server that is up, as one process tells another of it."""

    kubeconfig: str
    source: str
    has_controllers: bool = True
    etcd: str = ""
    """Where its etcd listens, if that is ours."""

    @contextmanager
    def connected(self) -> Iterator[ApiServer]:
        forget = partial(compact, self.etcd) if self.etcd else None
        more = {"source": self.source, "has_controllers": self.has_controllers, "forget": forget}
        with connected(Path(self.kubeconfig), "real", **more) as server:
            yield server


@contextmanager
def running() -> Iterator[Running]:
    """The real API server, if there is one; started, where that is for us to do."""
    given = os.environ.get("TOWLINE_TEST_KUBECONFIG", "")
    assets = os.environ.get("KUBEBUILDER_ASSETS", "")
    if given:
        yield Running(given, "TOWLINE_TEST_KUBECONFIG")
        return
    programs = Path(assets) if assets else build.folder()
    source = "KUBEBUILDER_ASSETS" if assets else "make controlplane"
    with (
        tempfile.TemporaryDirectory(prefix="towline-control-plane-") as home,
        ControlPlane(programs, Path(home)) as plane,
    ):
        yield Running(str(plane.kubeconfig), source, plane.has_controllers, plane.etcd)
