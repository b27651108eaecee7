"""What a dry run said is remembered while neither side changes; a plan for people asks more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from redis import Redis

from tests.engine import test_stages as stages
from tests.engine.world import World, config_map
from towline.adapters.redis import RedisVerdicts, verdicts

DOUBTFUL = """
apiVersion: v1
kind: Pod
metadata: {name: probe, labels: {app: probe}}
spec:
  containers:
  - name: probe
    image: probe:1
    env:
    - {name: WHERE, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
"""
"""`fieldRef` is atomic, and the server fills in its apiVersion: what is there cannot be proved."""

POD = "/api/v1/namespaces/shop/pods/probe"
KEPT = "towline:1:verdicts:app"


@pytest.fixture
def doubtful(world: World, redis: Redis) -> World:
    memory = RedisVerdicts(redis, lambda: b"a key")
    world.services = replace(world.services, verdicts=memory)
    world.applications(world.application("app"))
    world.commit({"pod.yaml": DOUBTFUL, "a.yaml": config_map("a")})
    world.run("app")
    return world


def dry_runs(world: World, *, requested: bool = False) -> int:
    """How many a run needs."""
    before = len(world.api.requests)
    assert world.run("app", requested=requested).counts.get("failed") is None
    return sum("dryRun" in request.query for request in list(world.api.requests)[before:])


def test_a_verdict_is_asked_for_once(doubtful: World) -> None:
    assert [dry_runs(doubtful) for _ in range(3)] == [1, 0, 0]


def test_a_person_gets_a_fresh_one(doubtful: World) -> None:
    dry_runs(doubtful)
    assert (dry_runs(doubtful, requested=True), dry_runs(doubtful)) == (1, 0)


def test_a_status_changes_no_verdict_and_a_field_does(doubtful: World) -> None:
    dry_runs(doubtful)
    reason = {"status": {"reason": "Unschedulable"}}
    doubtful.by_hand("PATCH", f"{POD}/status", reason, manager="kube-scheduler")
    assert dry_runs(doubtful) == 0
    drift = {"metadata": {"labels": {"app": "drifted"}}}
    doubtful.by_hand("PATCH", POD, drift)
    with doubtful.writes() as writes:
        assert dry_runs(doubtful) == 1
    assert len(writes) == 3
    doubtful.by_hand("PATCH", POD, {"metadata": {"labels": {"theirs": "x"}}})
    assert dry_runs(doubtful) == 1


def test_a_new_manifest_is_asked_about(doubtful: World) -> None:
    dry_runs(doubtful)
    doubtful.commit({"pod.yaml": DOUBTFUL.replace("app: probe", "app: probe, more: x")})
    assert dry_runs(doubtful) == 1
    assert dry_runs(doubtful) == 1
    assert dry_runs(doubtful) == 0


def test_what_redis_holds_says_nothing_without_the_key(doubtful: World, redis: Redis) -> None:
    dry_runs(doubtful)
    other = RedisVerdicts(redis, lambda: b"another key")
    doubtful.services = replace(doubtful.services, verdicts=other)
    assert dry_runs(doubtful) == 1


def test_verdicts_do_not_last(doubtful: World, redis: Redis) -> None:
    dry_runs(doubtful)
    assert 0 < int(redis.ttl(KEPT)) <= 3600
    redis.flushall()
    assert dry_runs(doubtful) == 1


def test_only_what_is_new_is_remembered(doubtful: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was known may be forgotten meanwhile, and must not be taken for new."""
    told: list[int] = []

    def remember(_: object, digests: Iterable[str]) -> None:
        told.append(len(list(digests)))

    dry_runs(doubtful)
    monkeypatch.setattr(doubtful.services.verdicts, "remember", remember)
    doubtful.commit({"more.yaml": DOUBTFUL.replace("name: probe,", "name: more,")})
    assert [dry_runs(doubtful) for _ in range(2)] == [0, 1]
    assert told == [1]


def test_a_new_verdict_lengthens_the_life_of_none(doubtful: World, redis: Redis) -> None:
    """An object that changes all the time would keep the others from ever being asked about."""
    dry_runs(doubtful)
    redis.expire(KEPT, 100)
    doubtful.commit({"more.yaml": DOUBTFUL.replace("name: probe,", "name: more,")})
    assert [dry_runs(doubtful) for _ in range(3)] == [0, 1, 0]
    assert redis.scard(KEPT) == 2
    assert 0 < int(redis.ttl(KEPT)) <= 100


def test_what_is_remembered_is_bounded(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "_MOST", 3)
    memory = RedisVerdicts(redis, lambda: b"a key")
    for digests in (["a", "b"], [], ["c", "d", "e"]):
        memory.remember("app", digests)
    assert redis.scard(KEPT) == len(memory.known("app", "abcde")) == 3


TIDE = f"{stages.TIDE}spec: {{a: x}}\n"


def tides(default: str) -> str:
    """A definition with a default inside an atomic map, so that no object can be proved."""
    fields = f"{{a: {{type: string}}, b: {{type: string, default: {default}}}}}"
    spec = f"{{type: object, x-kubernetes-map-type: atomic, properties: {fields}}}"
    schema = f"{{type: object, properties: {{spec: {spec}}}}}"
    return stages.DEFINITION.replace(
        "openAPIV3Schema: {type: object}", f"openAPIV3Schema: {schema}"
    )


@stages.SANDBOX
def test_a_definition_that_changes_changes_verdicts(doubtful: World) -> None:
    """Nothing of it is in the custom resource."""
    doubtful.applications(doubtful.application("app", "app"), doubtful.application("crds", "crds"))
    doubtful.commit({"crds/crd.yaml": tides("q"), "app/tide.yaml": TIDE})
    doubtful.run("crds")
    for _ in range(3):
        doubtful.run("app")
    assert doubtful.by_hand("GET", stages.EBB)["spec"] == {"a": "x", "b": "q"}
    doubtful.commit({"crds/crd.yaml": tides("r")})
    doubtful.run("crds")
    assert doubtful.run("app").counts == {"updated": 1}
    assert doubtful.by_hand("GET", stages.EBB)["spec"] == {"a": "x", "b": "r"}


# A plan for people ---------------------------------------------------------------------------


def test_a_plan_shows_what_would_be_created_as_the_server_would_have_it(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"pod.yaml": DOUBTFUL})
    (change,) = world.plan("app").changes
    assert change.action == "create"
    fields = {field.path: field.after for field in change.fields()}
    assert fields["spec.restartPolicy"] == "Always"
    assert world.live("Pod", "probe") is None


def test_a_plan_tells_what_the_server_would_refuse(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"pod.yaml": DOUBTFUL.replace("image: probe:1", "image: ''")})
    (change,) = world.plan("app").changes
    assert change.action == "create"
    assert change.reason.startswith("the server would refuse it now: ")


def test_what_needs_a_namespace_of_the_same_revision_is_not_tried(world: World) -> None:
    world.applications(world.application("app"))
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: pier}\n"
    world.commit({"n.yaml": space, "a.yaml": config_map("a", namespace="pier")})
    plan = world.plan("app")
    assert [(str(c.key), c.action, c.reason) for c in plan.changes] == [
        ("Namespace/pier", "create", ""),
        ("ConfigMap/pier/a", "create", ""),
    ]


def test_an_automatic_run_asks_nothing_of_what_it_creates(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a")})
    assert dry_runs(world) == 0


def test_what_waits_for_approval_is_shown_as_the_server_would_have_it(world: World) -> None:
    world.applications(world.application("app", sync="automatic: false"))
    world.commit({"pod.yaml": DOUBTFUL})
    plan = world.run("app").plan
    assert plan is not None
    (change,) = plan.changes
    assert "spec.restartPolicy" in {field.path for field in change.fields()}
    assert plan.digest == world.plan("app").digest
