"""A stage starts when the one before it is healthy; no run waits for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.engine.world import World, config_map, tally
from towline.core.health import Health
from towline.core.objects import Object
from towline.core.outcome import Outcome, Status
from towline.core.rollout import RolloutState
from towline.execute import ESTABLISH_SECONDS
from towline.ports import Clock

SANDBOX = pytest.mark.parametrize("clusters", ["sandbox"], indirect=True)
"""Where the state of a workload is written by hand: real controllers would write over it."""


def door(name: str = "door", wave: int = 0, port: int = 80) -> str:
    """A Service that is healthy once somebody gives it an address."""
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, annotations: {{towline.dev/wave: "{wave}"}}}}
spec: {{type: LoadBalancer, ports: [{{port: {port}}}]}}
"""


def deployment(image: str = "web:1", wave: int = 0) -> str:
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, annotations: {{towline.dev/wave: "{wave}"}}}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: "{image}"}}]}}
"""


def job(
    image: str = "job:1", annotations: str = "", ttl: str = "ttlSecondsAfterFinished: 0"
) -> str:
    return f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: migrate, annotations: {{{annotations}}}}}
spec:
  {ttl}
  template:
    spec: {{restartPolicy: Never, containers: [{{name: job, image: "{image}"}}]}}
"""


def wave(number: int) -> str:
    return f'towline.dev/wave: "{number}"'


DOOR = "/api/v1/namespaces/shop/services/door"
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
JOB = "/apis/batch/v1/namespaces/shop/jobs/migrate"


def open_door(world: World, *, is_open: bool = True) -> None:
    address = {"ingress": [{"ip": "192.0.2.1"}] if is_open else []}
    world.by_hand("PATCH", f"{DOOR}/status", {"status": {"loadBalancer": address}})


def set_web(world: World, **status: object) -> None:
    live: Object = world.by_hand("GET", WEB)
    seen = {"observedGeneration": live["metadata"]["generation"]}
    world.by_hand("PATCH", f"{WEB}/status", {"status": {**seen, **status}})


AVAILABLE = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
STUCK = {
    "conditions": [
        {
            "type": "Progressing",
            "status": "False",
            "reason": "ProgressDeadlineExceeded",
            "message": "no progress",
        }
    ]
}


@dataclass
class LaterClock:
    """The real clock, moved on by hand."""

    clock: Clock
    later: float = 0.0

    def now(self) -> float:
        return self.clock.now() + self.later

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


@pytest.fixture
def clock(world: World) -> LaterClock:
    clock = LaterClock(world.services.clock)
    world.services = replace(world.services, clock=clock)
    return clock


def stands(outcome: Outcome) -> tuple[Status, Health, RolloutState | None]:
    return outcome.status, outcome.health, outcome.state


WAITING = (Status.WAITING, Health.MISSING, RolloutState.PROGRESSING)
"""What has not been applied yet is missing, which is worse than what is on its way."""
HEALTHY = (Status.SYNCED, Health.HEALTHY, RolloutState.HEALTHY)


def test_a_wave_starts_when_the_one_before_it_is_healthy(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"door.yaml": door(), "a.yaml": config_map("a", annotations=wave(1))})
    outcome = world.run("app")
    assert tally(outcome) == "created Service/shop/door\nskipped ConfigMap/shop/a"
    waits = "waits for Service/shop/door (progressing: "
    assert outcome.message.startswith(f"1 object: {waits}")
    assert outcome.pending
    with world.writes() as writes:
        assert (tally(world.run("app")), writes) == ("skipped ConfigMap/shop/a", [])
    open_door(world)
    outcome = world.run("app")
    assert tally(outcome) == "created ConfigMap/shop/a"
    assert (stands(outcome), outcome.pending) == (HEALTHY, False)
    world.converge("app", rounds=1)


def test_what_waits_says_how_the_application_stands(world: World) -> None:
    """Waiting from the first look on, with nothing to write yet, has a beginning too."""
    world.applications(world.application("app"))
    world.commit({"door.yaml": door()})
    first = world.run("app")
    assert stands(first) == (Status.SYNCED, Health.PROGRESSING, RolloutState.PROGRESSING)
    assert first.pending
    world.commit({"a.yaml": config_map("a", annotations=wave(1))})
    outcome = world.run("app")
    assert (stands(outcome), outcome.pending) == (WAITING, True)
    assert outcome.rollout is not None
    assert outcome.plan is not None
    assert outcome.rollout.digest == outcome.plan.revision.digest
    with world.writes() as writes:
        again = world.run("app")
    assert (again.rollout, writes) == (outcome.rollout, [])


def test_what_does_not_become_healthy_in_time_fails_and_still_goes_on_later(
    world: World, clock: LaterClock
) -> None:
    world.applications(world.application("app", sync="timeout: 2m"))
    world.commit({"door.yaml": door(), "a.yaml": config_map("a", annotations=wave(1))})
    world.run("app")
    clock.later = 119
    assert stands(world.run("app")) == WAITING
    clock.later = 121
    outcome = world.run("app")
    assert outcome.status is Status.FAILED
    assert outcome.state is RolloutState.DEGRADED
    assert "waits for Service/shop/door" in outcome.message
    assert "(not healthy within 120 s)" in outcome.message
    assert world.data("a") is None
    open_door(world)
    assert stands(world.run("app")) == HEALTHY
    assert world.data("a") == {"key": "1"}


def test_each_stage_has_its_own_time(world: World, clock: LaterClock) -> None:
    world.applications(world.application("app", sync="timeout: 2m"))
    second = door("gate", wave=1)
    third = config_map("a", annotations=wave(2))
    world.commit({"door.yaml": door(), "gate.yaml": second, "a.yaml": third})
    world.run("app")
    clock.later = 100
    open_door(world)
    began = world.run("app").rollout
    clock.later = 210
    outcome = world.run("app")
    assert stands(outcome) == WAITING
    assert outcome.rollout == began
    assert outcome.ended - (began.began if began else 0) > 120


def test_healing_waits_for_nothing(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"door.yaml": door(), "a.yaml": config_map("a", annotations=wave(1))})
    world.run("app")
    open_door(world)
    world.run("app")
    open_door(world, is_open=False)
    world.by_hand("DELETE", "/api/v1/namespaces/shop/configmaps/a")
    outcome = world.run("app")
    assert tally(outcome) == "created ConfigMap/shop/a"
    assert (outcome.status, outcome.health) == (Status.SYNCED, Health.PROGRESSING)


def test_nothing_is_pruned_before_all_is_applied(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"old.yaml": config_map("old")})
    world.run("app")
    later = config_map("new", annotations=wave(1))
    world.commit({"old.yaml": None, "door.yaml": door(), "new.yaml": later})
    assert tally(world.run("app")).splitlines() == [
        "created Service/shop/door",
        "skipped ConfigMap/shop/new",
        "skipped ConfigMap/shop/old",
    ]
    with world.writes() as writes:
        world.run("app")
    assert (writes, world.data("old")) == ([], {"key": "1"})
    open_door(world)
    assert tally(world.run("app")).splitlines() == [
        "created ConfigMap/shop/new",
        "deleted ConfigMap/shop/old",
    ]


@SANDBOX
def test_a_degraded_stage_does_not_block_its_own_repair(world: World) -> None:
    world.applications(world.application("app"))
    later = {"a.yaml": config_map("a", annotations=wave(1))}
    world.commit({"web.yaml": deployment("web:broken"), **later})
    world.run("app")
    set_web(world, **STUCK)
    outcome = world.run("app")
    assert stands(outcome) == (Status.WAITING, Health.DEGRADED, RolloutState.DEGRADED)
    assert "Deployment/shop/web (degraded: " in outcome.message
    world.commit({"web.yaml": deployment("web:2")})
    assert "updated Deployment/shop/web" in tally(world.run("app"))
    set_web(world, **AVAILABLE, conditions=[])
    outcome = world.run("app")
    assert (tally(outcome), stands(outcome)) == ("created ConfigMap/shop/a", HEALTHY)


@SANDBOX
def test_what_was_written_must_be_seen_by_its_controller_first(world: World) -> None:
    """Healthy before the update is not healthy after it."""
    world.applications(world.application("app"))
    world.commit({"web.yaml": deployment(), "a.yaml": config_map("a", annotations=wave(1))})
    world.run("app")
    set_web(world, **AVAILABLE)
    world.run("app")
    later = config_map("a", "2", annotations=wave(1))
    world.commit({"web.yaml": deployment("web:2"), "a.yaml": later})
    assert tally(world.run("app")) == "updated Deployment/shop/web\nskipped ConfigMap/shop/a"
    set_web(world, **AVAILABLE)
    assert tally(world.run("app")) == "updated ConfigMap/shop/a"


def test_what_is_refused_holds_back_later_waves_and_not_its_own(world: World) -> None:
    world.applications(world.application("app"))
    refused = config_map("lost", namespace="nowhere")
    world.commit({"lost.yaml": refused, "b.yaml": config_map("b")})
    world.commit({"a.yaml": config_map("a", annotations=wave(1))})
    outcome = world.run("app")
    assert outcome.status is Status.FAILED
    assert outcome.state is RolloutState.DEGRADED
    assert (world.data("b"), world.data("a")) == ({"key": "1"}, None)
    skipped = next(result for result in outcome.results if result.waits)
    assert skipped.message == "waits for ConfigMap/nowhere/lost (it could not be applied)"


def test_admission_webhooks_wait_for_what_serves_them(world: World) -> None:
    hook = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: checks}
webhooks: []
"""
    world.applications(world.application("app"))
    world.commit({"door.yaml": door(), "hook.yaml": hook})
    assert "skipped ValidatingWebhookConfiguration/checks" in tally(world.run("app"))
    open_door(world)
    assert tally(world.run("app")) == "created ValidatingWebhookConfiguration/checks"


def claim(name: str, storage_class: str) -> str:
    return f"""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}}}
spec:
  storageClassName: {storage_class}
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Gi}}}}
"""


def storage_class(name: str, mode: str) -> str:
    return f"""
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: {name}}}
provisioner: example.com/none
volumeBindingMode: {mode}
"""


@pytest.mark.parametrize(
    ("mode", "result"), [("WaitForFirstConsumer", "created"), ("Immediate", "skipped")]
)
def test_a_claim_that_waits_for_its_consumer_blocks_nothing(
    world: World, mode: str, result: str
) -> None:
    world.applications(world.application("app"))
    files = {"class.yaml": storage_class("slow", mode), "claim.yaml": claim("data", "slow")}
    world.commit({**files, "a.yaml": config_map("a", annotations=wave(1))})
    outcome = world.run("app")
    assert f"{result} ConfigMap/shop/a" in tally(outcome)
    again = world.run("app")
    assert again.health is (Health.HEALTHY if result == "created" else Health.MISSING)


# Jobs ----------------------------------------------------------------------------------------


def test_a_job_runs_once_for_a_revision_of_its_manifest(world: World) -> None:
    """Its time to live removes it; the same manifest does not run it again, another one does."""
    world.applications(world.application("app"))
    world.commit({"job.yaml": job()})
    assert tally(world.run("app")) == "created Job/shop/migrate"
    world.by_hand("DELETE", JOB, propagationPolicy="Background")
    with world.writes() as writes:
        outcome = world.run("app")
    assert (tally(outcome), writes) == ("skipped Job/shop/migrate", [])
    assert stands(outcome) == HEALTHY
    world.commit({"a.yaml": config_map("a")})
    assert "Job" not in tally(world.run("app")).replace("skipped Job/shop/migrate", "")
    world.commit({"job.yaml": job("job:2")})
    assert tally(world.run("app")) == "created Job/shop/migrate"


def test_a_job_without_a_time_to_live_is_healed(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"job.yaml": job(ttl="backoffLimit: 1")})
    world.run("app")
    world.by_hand("DELETE", JOB, propagationPolicy="Background")
    assert tally(world.run("app")) == "created Job/shop/migrate"


def test_a_job_is_remembered_though_another_object_fails(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"job.yaml": job(), "lost.yaml": config_map("lost", namespace="nowhere")})
    world.run("app")
    world.by_hand("DELETE", JOB, propagationPolicy="Background")
    assert "created" not in tally(world.run("app"))


def test_a_changed_job_is_replaced_only_where_that_is_asked_for(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"job.yaml": job()})
    world.run("app")
    world.commit({"job.yaml": job("job:2")})
    outcome = world.run("app")
    assert tally(outcome) == "failed Job/shop/migrate"
    assert "set towline.dev/recreate: enabled" in outcome.message
    world.commit({"job.yaml": job("job:2", "towline.dev/recreate: enabled")})
    _until_created(world, lambda: tally(world.run("app")))
    assert (
        world.by_hand("GET", JOB)["spec"]["template"]["spec"]["containers"][0]["image"] == "job:2"
    )


def _until_created(world: World, run: Callable[[], str]) -> None:
    """A real Job goes only once its controller has let go of its pods."""
    for _ in range(50):
        if {"recreated Job/shop/migrate", "created Job/shop/migrate"} & {run()}:
            return
        world.services.clock.sleep(0.2)
    raise AssertionError("the Job was not made again")


@SANDBOX
def test_a_job_that_failed_and_went_has_still_failed(world: World) -> None:
    """Its time to live makes no success of it: later waves wait for another manifest."""
    world.applications(world.application("app"))
    later = config_map("a", annotations=wave(1))
    world.commit({"job.yaml": job(ttl="ttlSecondsAfterFinished: 60"), "a.yaml": later})
    world.run("app")
    failed = {"failed": 1, "conditions": [{"type": "Failed", "status": "True"}]}
    world.by_hand("PATCH", f"{JOB}/status", {"status": failed})
    assert world.run("app").health is Health.DEGRADED
    world.by_hand("DELETE", JOB, propagationPolicy="Background")
    outcome = world.run("app")
    assert stands(outcome) == (Status.WAITING, Health.DEGRADED, RolloutState.DEGRADED)
    assert "it failed, and its time to live removed it" in outcome.message
    world.commit({"job.yaml": job("job:2", ttl="ttlSecondsAfterFinished: 60")})
    assert "created Job/shop/migrate" in tally(world.run("app"))


def test_a_job_is_noted_though_somebody_said_a_word_meanwhile(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"job.yaml": job()})
    inventory = world.services.inventory("sandbox")
    said = iter([True])

    def held() -> bool:
        if next(said, False):
            inventory.write(replace(inventory.read("app"), suspended="ann"))
        return True

    world.run("app", held=held)
    world.by_hand("DELETE", JOB, propagationPolicy="Background")
    inventory.write(replace(inventory.read("app"), suspended=None))
    assert "created" not in tally(world.run("app"))


def test_a_definition_and_its_objects_change_in_one_commit(world: World) -> None:
    """What the old definition says of the new object is no verdict."""
    schema = (
        "{openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: "
        "{a: {type: string}%s}}}}}"
    )
    definition = DEFINITION.replace("{openAPIV3Schema: {type: object}}", schema)
    world.applications(world.application("app"))
    tide = TIDE + "spec: {a: one%s}\n"
    world.commit({"crd.yaml": definition % "", "tide.yaml": tide % ""})
    assert world.run("app").status is Status.SYNCED
    world.commit({"crd.yaml": definition % ", b: {type: string}", "tide.yaml": tide % ", b: two"})
    outcome = world.run("app")
    assert outcome.counts == {"updated": 2}
    assert world.by_hand("GET", EBB)["spec"] == {"a": "one", "b": "two"}


def test_a_run_waits_only_for_the_kinds_that_it_has_defined(world: World) -> None:
    """Another definition is in a later wave: its objects cannot be served yet."""
    second = DEFINITION.replace("tides", "moons").replace("tide", "moon").replace("Tide", "Moon")
    second = second.replace("towline.dev/prune: enabled", wave(1))
    moon = TIDE.replace("Tide", "Moon").replace(
        "name: ebb", f"name: new, annotations: {{{wave(1)}}}"
    )
    world.applications(world.application("app"))
    world.commit({"one.yaml": DEFINITION, "two.yaml": second, "moon.yaml": moon})
    started = world.services.clock.monotonic()
    outcome = world.run("app")
    assert outcome.counts == {"created": 3}
    assert world.services.clock.monotonic() - started < ESTABLISH_SECONDS


@SANDBOX
def test_nothing_is_written_while_a_replacement_waits_for_consent(world: World) -> None:
    world.applications(world.application("app"))
    replaced = claim("data", "slow").replace(
        "name: data", "name: data, annotations: {towline.dev/recreate: enabled}"
    )
    later = config_map("a", annotations=wave(1))
    classes = storage_class("slow", "Immediate") + "---" + storage_class("fast", "Immediate")
    world.commit({"class.yaml": classes, "claim.yaml": replaced, "a.yaml": later})
    world.run("app")
    world.commit({"claim.yaml": replaced.replace("slow", "fast")})
    world.run("app")
    with world.writes() as writes:
        outcome = world.run("app")
    assert writes == []
    assert "a PersistentVolumeClaim takes others with it" in outcome.message


# Pruning -------------------------------------------------------------------------------------

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: tides.example.com, annotations: {towline.dev/prune: enabled}}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Tide, plural: tides, singular: tide}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""
TIDE = "apiVersion: example.com/v1\nkind: Tide\nmetadata: {name: ebb}\n"
EBB = "/apis/example.com/v1/namespaces/shop/tides/ebb"


@SANDBOX
def test_custom_resources_are_gone_before_their_operator_is(world: World) -> None:
    """The operator has to clean up after them; nothing else waits for a stuck deletion."""
    world.applications(world.application("app", sync="allowEmpty: true"))
    world.commit({"crd.yaml": DEFINITION, "tide.yaml": TIDE, "web.yaml": deployment()})
    world.run("app")
    set_web(world, **AVAILABLE)
    world.run("app")
    world.by_hand("PATCH", EBB, {"metadata": {"finalizers": ["example.com/operator"]}})
    world.commit({"crd.yaml": None, "tide.yaml": None, "web.yaml": None, "README.md": ""})
    outcome = world.run("app")
    assert tally(outcome).splitlines() == [
        "deleted Tide/shop/ebb",
        "skipped Deployment/shop/web",
        "skipped CustomResourceDefinition/tides.example.com",
    ]
    assert "waits for Tide/shop/ebb to be gone" in outcome.message
    with world.writes() as writes:
        outcome = world.run("app")
    assert (writes, outcome.status) == ([], Status.WAITING)
    assert "example.com/operator" in outcome.message
    world.by_hand("PATCH", EBB, {"metadata": {"finalizers": None}})
    assert tally(world.run("app")).splitlines() == [
        "deleted Deployment/shop/web",
        "deleted CustomResourceDefinition/tides.example.com",
    ]


def test_a_stuck_deletion_is_reported_and_not_waited_for(world: World) -> None:
    world.applications(world.application("app"))
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b"), "c.yaml": config_map("c")})
    world.run("app")
    path = "/api/v1/namespaces/shop/configmaps/b"
    world.by_hand("PATCH", path, {"metadata": {"finalizers": ["example.com/hold"]}})
    world.commit({"a.yaml": None, "b.yaml": None})
    outcome = world.run("app")
    assert tally(outcome) == "deleted ConfigMap/shop/b\ndeleted ConfigMap/shop/a"
    assert outcome.status is Status.SYNCED
    assert "ConfigMap/shop/b" in outcome.message
    outcome = world.run("app")
    assert outcome.status is Status.SYNCED
    assert "waits for example.com/hold" in outcome.message
    assert world.data("a") is None
    world.by_hand("PATCH", path, {"metadata": {"finalizers": None}})
