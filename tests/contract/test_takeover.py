"""Who owns what may be rewritten: what kubectl applied becomes another manager's own.

The rewriting is a JSON patch of `managedFields`, as kubectl sends it (client-go, `csaupgrade`),
and an apply after it removes what it does not name. What that removes is foretold by dry runs.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiClient

from tests.cluster.fixtures import eventually
from tests.cluster.kubectl import BINARY, Kubectl
from tests.cluster.servers import ApiServer
from tests.contract import test_ownership as places
from tests.contract.test_apply import MAPS, WEB, config_map, deployment, managers, owned
from tests.contract.test_ownership import MANAGER, MANIFESTS, Place, edited
from towline.adapters.kubernetes.cluster import KubernetesCluster
from towline.adapters.kubernetes.connection import Connection
from towline.core import takeover
from towline.core.desired import Desired
from towline.core.errors import Place as Line
from towline.core.manifest import Manifest
from towline.core.objects import Object, annotations_of
from towline.core.ownership import proves_unchanged
from towline.core.plan import Refusal
from towline.core.takeover import LAST_APPLIED
from towline.core.verdicts import same
from towline.ports import NoVerdicts, RefusedError
from towline.trials import Doubt, Foreseen, Trials

Answer = tuple[int, dict[str, Any]]
Call = Callable[..., Answer]

EXAMPLES = int(os.environ.get("TOWLINE_TEST_EXAMPLES", "100"))
PATH = f"{MAPS}/settings"
CLIENT_SIDE = "kubectl-client-side-apply"

place = places.place


def steps(version: str, owners: list[Object]) -> list[Object]:
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/metadata/managedFields", "value": owners},
    ]


@pytest.fixture
def rewrite(call: Call) -> Call:
    """`rewrite(path, version, owners, **query)`: the JSON patch of managedFields."""

    def perform(path: str, version: str, owners: list[Object], **query: str) -> Answer:
        media = "application/json-patch+json"
        given = {"fieldManager": MANAGER, **query}
        return call("PATCH", path, steps(version, owners), media=media, **given)

    return perform


@pytest.fixture
def written(call: Call) -> Object:
    """A ConfigMap that kubectl made, with two keys."""
    status, body = call("POST", MAPS, config_map(a="1", b="2"), fieldManager=CLIENT_SIDE)
    assert status == 201
    return body


def made_ours(body: Object) -> Object:
    (entry,) = body["metadata"]["managedFields"]
    return {**entry, "manager": MANAGER, "operation": "Apply"}


def test_an_apply_removes_what_was_made_its_own(
    apply: Call, rewrite: Call, written: Object
) -> None:
    version = written["metadata"]["resourceVersion"]
    status, body = rewrite(PATH, version, [made_ours(written)])
    assert (status, body["data"]) == (200, {"a": "1", "b": "2"})
    assert body["metadata"]["resourceVersion"] != version
    assert body["metadata"]["managedFields"] == [made_ours(written)]
    _, body = apply(PATH, config_map(a="1"), force=True)
    assert body["data"] == {"a": "1"}
    assert owned(body, MANAGER) == {"f:data": {"f:a": {}}}
    assert managers(body) == [(MANAGER, "Apply")]


def test_without_that_it_stays(apply: Call, written: Object) -> None:
    """Which is why it is rewritten, though all of it was equal."""
    apply(PATH, {**written, "metadata": {"name": "settings"}}, force=True)
    _, body = apply(PATH, config_map(a="1"), force=True)
    assert body["data"] == {"a": "1", "b": "2"}


def test_an_older_version_is_a_conflict(call: Call, rewrite: Call, written: Object) -> None:
    status, body = rewrite(PATH, "1", [made_ours(written)])
    assert (status, body["reason"]) == (409, "Conflict")
    assert "the object has been modified" in body["message"]
    assert call("GET", PATH)[1] == written


def test_a_rewriting_that_is_sent_twice_is_a_conflict(rewrite: Call, written: Object) -> None:
    version = written["metadata"]["resourceVersion"]
    assert rewrite(PATH, version, [made_ours(written)])[0] == 200
    assert rewrite(PATH, version, [made_ours(written)])[0] == 409


def test_a_rewriting_can_be_tried(call: Call, rewrite: Call, written: Object) -> None:
    version = written["metadata"]["resourceVersion"]
    status, body = rewrite(PATH, version, [made_ours(written)], dryRun="All")
    assert (status, managers(body)) == (200, [(MANAGER, "Apply")])
    assert call("GET", PATH)[1] == written


def test_what_nobody_owns_stays_and_gets_no_owner(rewrite: Call, written: Object) -> None:
    """Also an entry without fields goes, and one without a time may stay."""
    entry = made_ours(written)
    mine = {name: value for name, value in entry.items() if name != "time"}
    owners = [
        {**mine, "fieldsV1": {"f:data": {"f:a": {}}}},
        {**written["metadata"]["managedFields"][0], "fieldsV1": {}},
    ]
    _, body = rewrite(PATH, written["metadata"]["resourceVersion"], owners)
    assert body["data"] == {"a": "1", "b": "2"}
    assert body["metadata"]["managedFields"] == owners[:1]


def test_what_is_not_written_counts_no_generation(apply: Call, call: Call, rewrite: Call) -> None:
    apply(WEB, deployment(), manager="kubectl")

    def rewritten() -> Object | None:
        _, live = call("GET", WEB)
        owners = [
            {**entry, "manager": MANAGER} if entry["manager"] == "kubectl" else entry
            for entry in live["metadata"]["managedFields"]
        ]
        status, body = rewrite(WEB, live["metadata"]["resourceVersion"], owners)
        return body if status == 200 else None

    body = eventually(rewritten, "no controller writes in between")
    assert body["metadata"]["generation"] == 1
    assert managers(body) == [(MANAGER, "Apply")]


# With kubectl itself


@pytest.fixture
def kubectl(server: ApiServer, namespace: str, tmp_path: Path) -> Kubectl:
    if BINARY is None:
        pytest.skip("kubectl is not installed")
    return Kubectl(server.kubeconfig, tmp_path, namespace)


def test_what_kubectl_applied_from_a_client(
    kubectl: Kubectl, call: Call, apply: Call, rewrite: Call
) -> None:
    old = deployment({"name": "web", "image": "web:1", "args": ["x"]}, revisionHistoryLimit=3)
    wanted = deployment()
    kubectl("apply", "-f", "-", given=old)

    def taken_over() -> bool:
        _, live = call("GET", WEB)
        _, after = apply(WEB, wanted, force=True, dryRun="All")
        found = takeover.take_over(live, after, MANAGER)
        assert found is not None
        assert found.managers == (CLIENT_SIDE,)
        version = live["metadata"]["resourceVersion"]
        return rewrite(WEB, version, list(found.managed_fields))[0] == 200

    eventually(taken_over, "no controller writes in between")
    status, body = apply(WEB, wanted, force=True)
    assert status == 200, body["message"]
    assert managers(body) == [(MANAGER, "Apply")]
    assert body["spec"]["revisionHistoryLimit"] == 10
    assert "args" not in body["spec"]["template"]["spec"]["containers"][0]
    assert body["spec"]["progressDeadlineSeconds"] == 600
    assert LAST_APPLIED not in annotations_of(body)
    assert takeover.take_over(body, body, MANAGER) is None


# What is foretold comes true, for objects of several kinds and edits of their manifests


@pytest.fixture(scope="module")
def cluster(place: Place) -> Iterator[KubernetesCluster]:
    server = place.server
    made = KubernetesCluster(Connection(lambda: ApiClient(server.client.configuration), "it"))
    yield made
    made.close()


@settings(derandomize=True, deadline=None, max_examples=EXAMPLES)
@given(st.sampled_from(sorted(MANIFESTS)), st.sampled_from(["client", "server"]), st.integers(0))
def test_what_is_foretold_comes_true(
    place: Place, cluster: KubernetesCluster, plural: str, how: str, seed: int
) -> None:
    chance = Random(seed)  # noqa: S311
    place.delete(plural)
    old = edited(chance, place.wanted(MANIFESTS[plural]))
    if apply_with_kubectl(place, plural, old, how) != 201:
        return
    wanted = edited(chance, edited(chance, old))
    item = desired(cluster, wanted)
    seen = eventually(lambda: reconciled(cluster, item), "no controller writes in between")
    if isinstance(seen.answer, Refusal):
        return
    live = get(cluster, item)
    assert no_empty_lists(without_counts(live)) == no_empty_lists(without_counts(seen.answer))
    assert seen.left or not takeover.concerns(live)
    again = foreseen(cluster, item, live)
    assert again.takeover is None
    if not empties(old, wanted):
        assert not isinstance(again.answer, Refusal)
        assert same(again.live, again.answer)


def no_empty_lists(value: Any) -> Any:
    """Such a list is a field or none, by its type: which is not told by who owns what."""
    if isinstance(value, dict):
        return {name: no_empty_lists(inner) for name, inner in value.items() if inner != []}
    return [no_empty_lists(item) for item in value] if isinstance(value, list) else value


def empties(old: Object, wanted: Object) -> bool:
    """Whether a manifest names something empty that was not.

    A server leaves null there, whoever applies: it takes a second apply to make that empty, or
    the second is refused.
    """
    for path in places.places(wanted):
        try:
            before = places.value_at(old, path)
        except (LookupError, TypeError):
            continue
        if before and places.value_at(wanted, path) in ({}, [], None):
            return True
    return False


def apply_with_kubectl(place: Place, plural: str, body: Object, how: str) -> int:
    path = place.path(plural)
    if how == "server":
        return place.apply(path, body, "kubectl")[0]
    body = copy.deepcopy(body)
    notes = body["metadata"].setdefault("annotations", {}) or {}
    body["metadata"]["annotations"] = {**notes, LAST_APPLIED: json.dumps(place.wanted(body))}
    return place.request("POST", f"{path.removesuffix('/x')}?fieldManager={CLIENT_SIDE}", body)[0]


def desired(cluster: KubernetesCluster, body: Object) -> Desired:
    """As it is marked: an object of ours always has labels and annotations."""
    metadata = body["metadata"]
    for name in ("labels", "annotations"):
        metadata[name] = {**(metadata.get(name) or {}), "towline.dev/mark": "x"}
    resource = cluster.resources().find(body["apiVersion"], body["kind"])
    resource = resource or cluster.resources(fresh=True).find(body["apiVersion"], body["kind"])
    return Desired(Manifest(body, Line("x.yaml", 1)), resource)


def reconciled(cluster: KubernetesCluster, item: Desired) -> Foreseen | None:
    """The two writes of a run; None if somebody was faster."""
    live = get(cluster, item)
    seen = foreseen(cluster, item, live)
    if isinstance(seen.answer, Refusal):
        return seen
    assert item.resource is not None
    if "others write to the object" in seen.left:
        return None
    try:
        if seen.takeover:
            cluster.patch(item.resource, seen.live, seen.takeover.steps)
    except RefusedError as refused:
        if refused.status == 409:
            return None
        raise
    cluster.apply(item.resource, item.manifest.body)
    return seen


def get(cluster: KubernetesCluster, item: Desired) -> Object:
    assert item.resource is not None
    live = cluster.get(item.resource, item.key.namespace, item.key.name)
    assert live is not None
    return live


def foreseen(cluster: KubernetesCluster, item: Desired, live: Object) -> Foreseen:
    doubt = Doubt(item, live, is_proven=proves(item, live))
    return Trials(cluster, "app", NoVerdicts()).foresee([doubt])[item.key]


def proves(item: Desired, live: Object) -> bool:
    return proves_unchanged(item.manifest.body, live, MANAGER)


def without_counts(body: Object) -> Object:
    counted = ("managedFields", "resourceVersion", "generation")
    metadata = {name: value for name, value in body["metadata"].items() if name not in counted}
    notes = {k: v for k, v in annotations_of(body).items() if "deployment.kubernetes.io" not in k}
    rest = {name: value for name, value in body.items() if name != "status"}
    return {**rest, "metadata": {**metadata, "annotations": notes}}
