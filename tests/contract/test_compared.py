"""The sandbox and the real server make the same of the same manifest, for every built-in kind.

The engine proves that nothing changed from the fields that its last apply owns: so these, and
what stands in them, must be on the sandbox what they are on a cluster. All requests are dry runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import servers
from tests.cluster.servers import ApiServer
from tests.contract import schema
from tests.contract.bodies import BODIES, KINDS, manifest, path_of
from tests.contract.differences import MADE_DIFFERENTLY
from towline.sandbox.kubernetes.kinds import Kind

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ApiServer]:
    with servers.sandbox() as server:
        yield server


def answer(server: ApiServer, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    media = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
    query = "dryRun=All&fieldManager=towline&fieldValidation=Strict"
    headers = {"Content-Type": media}
    response = server.request(method, f"{path}?{query}", json.dumps(body), headers)
    return response.status, json.loads(response.data)


def told(body: dict[str, Any]) -> dict[str, Any]:
    """The object without what differs from run to run."""
    text = json.dumps(body).replace(body["metadata"]["uid"], "UID")
    text = re.sub(r'"10\.\d+\.\d+\.\d+"', '"ADDRESS"', text)
    text = re.sub(r'"nodePort": \d+', '"nodePort": 0', text)
    text = re.sub(r'"healthCheckNodePort": \d+', '"healthCheckNodePort": 0', text)
    found: dict[str, Any] = json.loads(text)
    for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
        found["metadata"].pop(name, None)
    return found


def fields(body: dict[str, Any]) -> Any:
    """Who owns what, as `managedFields` says it."""
    return [
        (entry["operation"], entry.get("subresource", ""), entry["fieldsV1"])
        for entry in body["metadata"].get("managedFields", [])
    ]


def paths(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a value: a small difference is told in few words then."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from paths(inner, f"{path}.{name}")
    elif isinstance(value, (list, tuple)) and value:
        for index, inner in enumerate(value):
            yield from paths(inner, f"{path}[{index}]")
    else:
        yield path, json.dumps(value)


@pytest.mark.parametrize("method", ["PATCH", "POST"])
@pytest.mark.parametrize("variant", BODIES)
def test_the_same_is_made_of_a_manifest(
    sandbox: ApiServer, real_server: ApiServer, variant: str, method: str
) -> None:
    kind, body = manifest(variant, "towline-test-x")
    if kind.kind == "Pod" and not real_server.has_controllers:
        pytest.skip("without a controller manager pods get no token")
    name = body["metadata"]["name"] if method == "PATCH" else ""
    ours, theirs = (
        answer(server, method, path_of(kind, name), body) for server in (sandbox, real_server)
    )
    assert theirs[0] == 201, theirs[1]["message"]
    assert ours[0] == 201, ours[1]["message"]
    left = tuple(MADE_DIFFERENTLY.get(variant, {}))
    explained = set()
    for part in (told, fields):
        made, wanted = set(paths(part(ours[1]))), set(paths(part(theirs[1])))
        for path, _ in made ^ wanted:
            reasons = [prefix for prefix in left if path.startswith(prefix)]
            assert reasons, {"sandbox": sorted(made - wanted), "real": sorted(wanted - made)}
            explained.update(reasons)
    # What does not differ any more needs no reason.
    assert explained == set(left)


def test_every_kind_has_a_manifest() -> None:
    assert {variant.partition("-")[0] for variant in BODIES} == KINDS.keys()


def test_the_sandbox_knows_the_types_that_the_server_publishes(real_server: ApiServer) -> None:
    """`python -m tests.contract.schema` brings them up to date."""
    kept = json.loads(schema.FILE.read_text(encoding="utf-8"))
    found = schema.published(real_server)
    if found["version"] != kept["version"]:
        pytest.skip(f"the sandbox has the types of {kept['version']}")
    assert found == kept


def discovered(server: ApiServer) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What aggregated discovery tells of each resource, and of the subresources there are here."""
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    found = {}
    for path in ("/api", "/apis"):
        body = json.loads(server.request("GET", path, headers=accept).data)
        for group in body["items"]:
            for version in group["versions"]:
                assert version["freshness"] == "Current"
                name = (group["metadata"].get("name", ""), version["version"])
                found.update({(*name, r["resource"]): sorted_out(r) for r in version["resources"]})
    return found


def sorted_out(resource: dict[str, Any]) -> dict[str, Any]:
    parts = {
        part["subresource"]: {**part, "verbs": sorted(part["verbs"])}
        for part in resource.get("subresources", ())
        if part["subresource"] in {"status", "scale"}
    }
    return {**resource, "verbs": sorted(resource["verbs"]), "subresources": parts}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_same_is_told_of_a_kind(sandbox: ApiServer, real_server: ApiServer, kind: Kind) -> None:
    name = (kind.group, kind.version, kind.plural)
    ours, theirs = discovered(sandbox)[name], discovered(real_server)[name]
    assert ours == theirs
