"""The server around the API: tokens, discovery, faults, connections, the command."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from towline.sandbox.kubernetes import SandboxCluster

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

MAPS = "/api/v1/namespaces/default/configmaps"


def config_map(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


@pytest.mark.parametrize("token", ["", "Bearer wrong", "Bearer", "Basic eDp5", "Bearer \xff"])
def test_without_the_token_nothing_is_told(
    cluster: SandboxCluster, pool: urllib3.PoolManager, token: str
) -> None:
    response = pool.request("GET", cluster.url + MAPS, headers={"Authorization": token})
    assert response.status == 401
    body = json.loads(response.data)
    assert (body["kind"], body["reason"], body["code"]) == ("Status", "Unauthorized", 401)


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version"])
def test_health_is_open(cluster: SandboxCluster, pool: urllib3.PoolManager, path: str) -> None:
    assert pool.request("GET", cluster.url + path).status == 200


def test_without_a_token_the_server_is_open(pool: urllib3.PoolManager) -> None:
    with SandboxCluster() as cluster:
        assert pool.request("GET", cluster.url + MAPS).status == 200


def test_the_kubeconfig_is_private(cluster: SandboxCluster, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.touch(mode=0o644)
    cluster.write_kubeconfig(path, context="here")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = yaml.safe_load(path.read_text())
    assert config["current-context"] == "here"
    assert config["users"][0]["user"]["token"] == "a-token-of-the-tests"


def test_the_official_client_reads_the_kubeconfig(cluster: SandboxCluster, tmp_path: Path) -> None:
    kubernetes = pytest.importorskip("kubernetes")
    path = tmp_path / "config"
    cluster.write_kubeconfig(path)
    client = kubernetes.config.new_client_from_config(str(path))
    try:
        # The address without the userinfo, which is there for kubectl alone.
        address = client.configuration.host.rpartition("@")[2]
        assert cluster.url.endswith(address)
        core = kubernetes.client.CoreV1Api(client)
        found = [item.metadata.name for item in core.list_namespace().items]
    finally:
        client.close()
        client.rest_client.pool_manager.clear()
    assert found == ["default", "kube-node-lease", "kube-public", "kube-system"]


def test_discovery_in_steps(call: Call) -> None:
    assert call("GET", "/api")[1]["versions"] == ["v1"]
    groups = {group["name"]: group for group in call("GET", "/apis")[1]["groups"]}
    assert groups["apps"]["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    assert call("GET", "/apis/apps")[1]["kind"] == "APIGroup"
    resources = {r["name"]: r for r in call("GET", "/apis/apps/v1")[1]["resources"]}
    assert resources["deployments"]["kind"] == "Deployment"
    assert resources["deployments"]["shortNames"] == ["deploy"]
    assert resources["deployments/scale"]["kind"] == "Scale"
    assert call("GET", "/apis/apps/v2")[0] == 404


@pytest.mark.parametrize("path", ["/api", "/apis"])
def test_discovery_in_one_document(call: Call, path: str) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    _, body = call("GET", path, accept=accept)
    assert body["kind"] == "APIGroupDiscoveryList"
    assert body["apiVersion"] == "apidiscovery.k8s.io/v2"
    found = {
        resource["responseKind"]["kind"]: resource["scope"]
        for group in body["items"]
        for version in group["versions"]
        for resource in version["resources"]
    }
    if path == "/api":
        assert (found["Namespace"], found["Secret"]) == ("Cluster", "Namespaced")
        assert "Deployment" not in found
    else:
        assert (found["ClusterRole"], found["Ingress"]) == ("Cluster", "Namespaced")


def test_requests_are_recorded(cluster: SandboxCluster, call: Call) -> None:
    call("POST", MAPS, config_map("a"), fieldManager="me")
    call("GET", f"{MAPS}/b")
    first, second = list(cluster.requests)[-2:]
    assert (first.method, first.path, first.status) == ("POST", MAPS, 201)
    assert first.query == {"fieldManager": "me"}
    assert (second.method, second.status) == ("GET", 404)


def test_a_fault_happens_as_often_as_asked(cluster: SandboxCluster, call: Call) -> None:
    cluster.fail(method="POST", path_contains="configmaps", status=500, times=2)
    assert call("GET", MAPS)[0] == 200
    assert [call("POST", MAPS, config_map("a"))[0] for _ in range(3)] == [500, 500, 201]


def test_a_fault_may_say_when_to_come_back(
    cluster: SandboxCluster, pool: urllib3.PoolManager
) -> None:
    cluster.fail(status=429, retry_after=3)
    response = pool.request("GET", cluster.url + MAPS)
    assert (response.status, response.headers["Retry-After"]) == (429, "3")
    assert response.data.startswith(b"Too many requests")


def test_a_reset_after_the_request_was_performed(cluster: SandboxCluster, call: Call) -> None:
    cluster.fail(method="POST", after=True)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        call("POST", MAPS, config_map("a"))
    assert call("GET", f"{MAPS}/a")[0] == 200
    assert [r.status for r in cluster.requests if r.method == "POST"] == [0]


def test_a_reset_instead_of_the_request(cluster: SandboxCluster, call: Call) -> None:
    cluster.fail(method="POST", status=0)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        call("POST", MAPS, config_map("a"))
    assert call("GET", f"{MAPS}/a")[0] == 404


def test_healing_forgets_faults(cluster: SandboxCluster, call: Call) -> None:
    cluster.fail(times=100)
    cluster.heal()
    assert call("GET", MAPS)[0] == 200


def test_connections_are_kept(cluster: SandboxCluster, pool: urllib3.PoolManager) -> None:
    for _ in range(3):
        pool.request("GET", cluster.url + "/healthz")
    host, port = cluster.url.removeprefix("http://").split(":")
    connections = pool.connection_from_host(host, int(port), "http")
    assert (connections.num_connections, connections.num_requests) == (1, 3)


def test_a_body_in_chunks(cluster: SandboxCluster, pool: urllib3.PoolManager) -> None:
    headers = {"Authorization": "Bearer a-token-of-the-tests", "Content-Type": "application/json"}
    body = json.dumps(config_map("a")).encode()
    parts = iter([body[:5], body[5:]])
    response = pool.request("POST", cluster.url + MAPS, body=parts, headers=headers, chunked=True)
    assert response.status == 201


def test_broken_http_breaks_only_its_connection(cluster: SandboxCluster, call: Call) -> None:
    host, port = cluster.url.removeprefix("http://").split(":")
    for nonsense in (b"\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b""):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(nonsense)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1024):
                pass
    assert call("GET", MAPS)[0] == 200


def test_two_clusters_are_two_worlds(pool: urllib3.PoolManager) -> None:
    with SandboxCluster() as one, SandboxCluster() as two:
        body = json.dumps(config_map("a"))
        pool.request("POST", one.url + MAPS, body=body)
        assert pool.request("GET", f"{one.url}{MAPS}/a").status == 200
        assert pool.request("GET", f"{two.url}{MAPS}/a").status == 404


def test_the_command_serves_until_it_is_told_to_stop(
    pool: urllib3.PoolManager, tmp_path: Path
) -> None:
    path = tmp_path / "config"
    command = [sys.executable, "-m", "towline.sandbox.kubernetes", "--kubeconfig", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            config = json.loads(path.read_text())
            token = config["users"][0]["user"]["token"]
            assert token not in line
            address = line.split()[3].rstrip(",")
            headers = {"Authorization": f"Bearer {token}"}
            assert pool.request("GET", f"{address}{MAPS}", headers=headers).status == 200
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def test_stopping_the_cluster_ends_its_watches(pool: urllib3.PoolManager) -> None:
    with SandboxCluster() as cluster:
        address = f"{cluster.url}{MAPS}?watch=true"
        response = pool.request("GET", address, preload_content=False)
    with pytest.raises((urllib3.exceptions.HTTPError, StopIteration)):
        next(response.stream())
    response.close()
