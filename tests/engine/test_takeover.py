"""Objects that were made with kubectl, before Git had a say: whose their fields are then."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.kubectl import BINARY, Kubectl
from tests.engine.world import World
from towline.core.objects import Object, annotations_of
from towline.core.outcome import Result
from towline.core.takeover import LAST_APPLIED

pytestmark = pytest.mark.skipif(BINARY is None, reason="kubectl is not installed")

CLIENT_SIDE = "kubectl-client-side-apply"
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}]
            },
        },
    },
}
SERVICE: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}
CLAIM: Object = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "disk"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
MAP: Object = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a"},
    "data": {"key": "1"},
}


@pytest.fixture
def kubectl(world: World) -> Kubectl:
    world.applications(world.application("app"))
    return Kubectl(world.folder / "kubeconfig", world.folder, "shop")


@pytest.fixture
def commit(world: World) -> Callable[..., None]:
    """`commit(*objects)`: Git names these and no others."""

    def write(*objects: Object) -> None:
        world.commit({"all.yaml": "\n---\n".join(map(json.dumps, objects))})

    return write


Commit = Callable[..., None]


def varied(body: Object, **fields: Any) -> Object:
    """The same object with other fields in its spec, or in the template's only container."""
    body = copy.deepcopy(body)
    container = fields.pop("container", {})
    body["spec"] |= fields
    if container:
        body["spec"]["template"]["spec"]["containers"][0] |= container
    return body


def test_what_only_kubectl_named_goes_and_defaults_stay(
    world: World, kubectl: Kubectl, commit: Commit
) -> None:
    old = varied(
        DEPLOYMENT, revisionHistoryLimit=3, container={"env": [{"name": "A", "value": "1"}]}
    )
    kubectl("apply", "-f", "-", given=old)
    before = deployment(world)
    commit(DEPLOYMENT)
    result = run_as_planned(world)
    assert result.message == f"adopted: it existed already; fields taken over from {CLIENT_SIDE}"
    lost = result.previous_owners[CLIENT_SIDE]
    assert "spec.revisionHistoryLimit" in lost
    assert f'metadata.annotations["{LAST_APPLIED}"]' in lost
    after = deployment(world)
    assert after["spec"]["revisionHistoryLimit"] == 10
    assert "env" not in container_of(after)
    assert container_of(after)["imagePullPolicy"] == container_of(before)["imagePullPolicy"]
    assert LAST_APPLIED not in annotations_of(after)
    assert managers(after) == {("towline", "Apply", "")}
    assert_quiet(world)


def test_what_git_drops_later_goes(world: World, kubectl: Kubectl, commit: Commit) -> None:
    full = varied(DEPLOYMENT, replicas=3, container={"args": ["x"], "imagePullPolicy": "Never"})
    kubectl("apply", "-f", "-", given=full)
    commit(full)
    run_as_planned(world)
    assert deployment(world)["spec"]["replicas"] == 3
    commit(DEPLOYMENT)
    run_as_planned(world)
    after = deployment(world)
    assert after["spec"]["replicas"] == 1
    assert "args" not in container_of(after)
    assert container_of(after)["imagePullPolicy"] == "IfNotPresent"
    assert_quiet(world)


@pytest.mark.parametrize("verb", ["apply", "create"])
@pytest.mark.parametrize("save", [False, True], ids=["", "saved"])
def test_objects_of_any_kind_are_adopted_as_they_are(
    world: World, kubectl: Kubectl, commit: Commit, verb: str, save: bool
) -> None:
    """Nothing of it is refused, and nothing but the owners and the annotation changes."""
    if verb == "apply" and save:
        pytest.skip("kubectl apply always saves")
    manifests = (DEPLOYMENT, SERVICE, CLAIM, MAP)
    for body in manifests:
        kubectl(verb, "-f", "-", *(["--save-config"] if save else []), given=body)
    before = [live(world, body) for body in manifests]
    commit(*manifests)
    outcome = world.run("app")
    assert [(r.kind, r.key.kind) for r in outcome.results if r.kind != "updated"] == []
    for then, body in zip(before, manifests, strict=True):
        now = live(world, body)
        assert now.get("spec") == then.get("spec")
        assert now.get("data") == then.get("data")
        assert LAST_APPLIED not in annotations_of(now)
    assert_quiet(world)
    commit(varied(DEPLOYMENT, container={"ports": []}), SERVICE, CLAIM, {**MAP, "data": {}})
    run_as_planned(world)
    assert "ports" not in container_of(deployment(world))
    assert "data" not in live(world, MAP)
    assert_quiet(world)


def test_what_may_not_be_removed_stays_and_the_run_says_why(
    world: World, kubectl: Kubectl, commit: Commit
) -> None:
    kubectl("apply", "-f", "-", given=varied(CLAIM, storageClassName="fast"))
    commit(CLAIM)
    result = run_as_planned(world)
    assert result.message.startswith(
        f"adopted: it existed already; fields taken over from {CLIENT_SIDE}; "
        f"fields of {CLIENT_SIDE} that Git does not name stay: "
    )
    assert "immutable after creation" in result.message
    assert live(world, CLAIM)["spec"]["storageClassName"] == "fast"
    assert_quiet(world)
    (again,) = world.run("app").results
    assert again.kind == "unchanged"
    assert "immutable after creation" in again.message
    grown = {**CLAIM["spec"], "resources": {"requests": {"storage": "1Gi"}}}
    commit({**CLAIM, "spec": {**grown, "storageClassName": "fast"}})
    run_as_planned(world)
    assert managers(live(world, CLAIM)) == {("towline", "Apply", "")}
    assert_quiet(world)


def test_replicas_that_were_scaled_are_left_alone(
    world: World, kubectl: Kubectl, commit: Commit
) -> None:
    """As an autoscaler does it, through the subresource."""
    kubectl("apply", "-f", "-", given=varied(DEPLOYMENT, replicas=2))
    scale = {"spec": {"replicas": 5}}
    world.by_hand("PATCH", f"{WEB}/scale", scale, manager="kube-controller-manager-x")
    commit(DEPLOYMENT)
    run_as_planned(world)
    assert deployment(world)["spec"]["replicas"] == 5
    kubectl("scale", "deployment/web", "--replicas=4")
    assert_quiet(world)
    commit(varied(DEPLOYMENT, container={"image": "web:2"}))
    run_as_planned(world)
    assert deployment(world)["spec"]["replicas"] == 4
    assert {of for of in managers(deployment(world)) if not of[2]} == {("towline", "Apply", "")}


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["", "server"])
def test_replicas_that_kubectl_applied_stay_until_git_has_named_them(
    world: World, kubectl: Kubectl, commit: Commit, how: tuple[str, ...]
) -> None:
    """An autoscaler that found them right has not written them, and is no owner of theirs."""
    kubectl("apply", *how, "-f", "-", given=varied(DEPLOYMENT, replicas=3))
    commit(DEPLOYMENT)
    run_as_planned(world)
    assert deployment(world)["spec"]["replicas"] == 3
    assert_quiet(world)
    commit(varied(DEPLOYMENT, replicas=3))
    run_as_planned(world)
    commit(DEPLOYMENT)
    run_as_planned(world)
    assert deployment(world)["spec"]["replicas"] == 1


def test_a_restart_by_hand_stays(world: World, kubectl: Kubectl, commit: Commit) -> None:
    restarted = "kubectl.kubernetes.io/restartedAt"
    kubectl("apply", "-f", "-", given=DEPLOYMENT)
    restart(world)
    commit(DEPLOYMENT)
    run_as_planned(world)
    assert restarted in deployment(world)["spec"]["template"]["metadata"]["annotations"]
    restart(world)
    assert_quiet(world)
    commit(varied(DEPLOYMENT, container={"image": "web:2"}))
    run_as_planned(world)
    assert restarted in deployment(world)["spec"]["template"]["metadata"]["annotations"]


def restart(world: World) -> None:
    """`kubectl rollout restart`, whose answers in protobuf no gateway can rename."""
    at = {"kubectl.kubernetes.io/restartedAt": "2026-01-02T03:04:05Z"}
    patch = {"spec": {"template": {"metadata": {"annotations": at}}}}
    world.by_hand("PATCH", WEB, patch, manager="kubectl-rollout")


def test_what_was_edited_by_hand_stays_unless_git_names_it(
    world: World, kubectl: Kubectl, commit: Commit
) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=MAP)
    kubectl("patch", "configmap/a", "-p", '{"data": {"key": "2", "note": "x"}}')
    kubectl("label", "configmap/a", "tier=front")
    commit({**MAP, "data": {"key": "2"}})
    run_as_planned(world)
    assert live(world, MAP)["data"] == {"key": "2", "note": "x"}
    assert_quiet(world)
    commit({**MAP, "data": {"other": "3"}})
    run_as_planned(world)
    assert live(world, MAP)["data"] == {"other": "3", "note": "x"}
    assert live(world, MAP)["metadata"]["labels"]["tier"] == "front"


def test_what_kubectl_applied_on_the_server_is_taken_over(
    world: World, kubectl: Kubectl, commit: Commit
) -> None:
    old = varied(DEPLOYMENT, revisionHistoryLimit=3, container={"args": ["x"]})
    kubectl("apply", "-f", "-", given=old)
    kubectl("apply", "--server-side", "-f", "-", given=old)
    commit(DEPLOYMENT)
    result = run_as_planned(world)
    # Where a controller writes at the same moment kubectl leaves its older entry as it was.
    assert "; fields taken over from kubectl, kubectl-" in result.message
    after = deployment(world)
    assert after["spec"]["revisionHistoryLimit"] == 10
    assert "args" not in container_of(after)
    assert managers(after) == {("towline", "Apply", "")}
    assert_quiet(world)


@pytest.mark.parametrize("how", [(), ("--server-side", "--force-conflicts")], ids=["", "server"])
def test_an_apply_of_the_same_afterwards_is_taken_over_once(
    world: World, kubectl: Kubectl, commit: Commit, how: tuple[str, ...]
) -> None:
    kubectl("apply", "-f", "-", given=DEPLOYMENT)
    commit(DEPLOYMENT)
    run_as_planned(world)
    adopted = deployment(world)
    kubectl("apply", *how, "-f", "-", given=DEPLOYMENT)
    run_as_planned(world)
    after = deployment(world)
    assert LAST_APPLIED not in annotations_of(after)
    assert managers(after) == managers(adopted)
    assert after["spec"] == adopted["spec"]
    assert_quiet(world)


def test_the_owners_alone_are_a_change_that_can_wait(
    world: World, kubectl: Kubectl, commit: Commit
) -> None:
    commit(MAP)
    world.run("app")
    kubectl("apply", "--server-side", "-f", "-", given=MAP)
    world.applications(world.application("app", sync="automatic: false"))
    (change,) = world.plan("app").changes
    assert (change.action, change.fields(), change.reason) == (
        "update",
        (),
        "fields taken over from kubectl",
    )
    assert_quiet(world)
    world.applications(world.application("app"))
    run_as_planned(world)
    assert managers(live(world, MAP)) == {("towline", "Apply", "")}
    assert_quiet(world)


def interrupted(world: World, kind: str) -> None:
    """A run that gets no further than the first of its two writes."""
    if kind == "lease":
        answers = iter([True, False])
        world.run("app", held=lambda: next(answers))
        return
    apply = world.cluster.apply

    def failing(resource: Any, body: Object, *, dry_run: bool = False) -> Object:
        if body["kind"] == "Deployment" and not dry_run:
            raise RuntimeError("the worker was killed")
        return apply(resource, body, dry_run=dry_run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.cluster, "apply", failing)
        with pytest.raises(RuntimeError):
            world.run("app")


@pytest.mark.parametrize("kind", ["lease", "killed"])
def test_a_run_that_ends_between_the_two_writes_is_made_up_for(
    world: World, kubectl: Kubectl, commit: Commit, kind: str
) -> None:
    kubectl("apply", "-f", "-", given=varied(DEPLOYMENT, revisionHistoryLimit=3))
    commit(DEPLOYMENT)
    with world.writes() as writes:
        interrupted(world, kind)
    assert writes[-1].startswith(f"PATCH {WEB}")
    between = deployment(world)
    assert between["spec"]["revisionHistoryLimit"] == 3
    assert managers(between) == {("towline", "Apply", "")}
    run_as_planned(world)
    assert deployment(world)["spec"]["revisionHistoryLimit"] == 10
    assert LAST_APPLIED not in annotations_of(deployment(world))
    assert_quiet(world)


def test_an_answer_that_is_lost_does_not_matter(
    world: World, kubectl: Kubectl, commit: Commit
) -> None:
    """The request is sent again, and meets what it has written itself."""
    kubectl("apply", "-f", "-", given={**MAP, "data": {"key": "1", "more": "2"}})
    commit(MAP)
    world.plan("app")
    for _ in range(3):
        world.api.fail(method="PATCH", path_contains="configmaps/a", after=True)
    assert world.run("app").failures == ()
    assert live(world, MAP)["data"] == {"key": "1"}
    assert_quiet(world)


class Meanwhile:
    """What others do just before a patch, once each: one that is tried, or one that is written."""

    def __init__(self, patch: Callable[..., Object]) -> None:
        self._patch = patch
        self.trying: list[Callable[[], Any]] = []
        self.writing: list[Callable[[], Any]] = []

    def __call__(self, resource: Any, body: Object, steps: Any, *, dry_run: bool = False) -> Object:
        waiting = self.trying if dry_run else self.writing
        if waiting:
            waiting.pop()()
        return self._patch(resource, body, steps, dry_run=dry_run)


@pytest.fixture
def meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Meanwhile]:
    found = Meanwhile(world.cluster.patch)
    monkeypatch.setattr(world.cluster, "patch", found)
    yield found
    assert found.trying + found.writing == []


MAP_PATH = "/api/v1/namespaces/shop/configmaps/a"


def noting(world: World) -> Callable[[], Any]:
    """A controller that writes another field of the ConfigMap, each time another value."""
    numbers = itertools.count()

    def note() -> None:
        body = {"data": {"note": str(next(numbers))}}
        world.by_hand("PATCH", MAP_PATH, body, manager="controller")

    return note


def test_who_writes_something_else_meanwhile_is_no_obstacle(
    world: World, kubectl: Kubectl, commit: Commit, meanwhile: Meanwhile
) -> None:
    kubectl("apply", "-f", "-", given={**MAP, "data": {"key": "1", "more": "2"}})
    commit(MAP)
    note = noting(world)
    meanwhile.trying += [note, note]
    meanwhile.writing += [note, note]
    (result,) = world.run("app").results
    assert result.kind == "updated"
    assert live(world, MAP)["data"] == {"key": "1", "note": "3"}
    assert_quiet(world)


def test_who_writes_all_the_time_puts_it_off(
    world: World, kubectl: Kubectl, commit: Commit, meanwhile: Meanwhile
) -> None:
    kubectl("apply", "-f", "-", given={**MAP, "data": {"key": "1", "more": "2"}})
    commit(MAP)
    note = noting(world)
    meanwhile.writing += [note, note, note]
    (result,) = world.run("app").results
    assert (result.kind, result.message) == (
        "failed",
        "others write to it all the time; the next run looks at it again",
    )
    meanwhile.trying += [note, note, note]
    (result,) = world.run("app").results
    assert result.kind == "updated"
    assert result.message.endswith(
        f"fields of {CLIENT_SIDE} that Git does not name stay: "
        "others write to the object all the time"
    )
    assert live(world, MAP)["data"] == {"key": "1", "more": "2", "note": "5"}
    run_as_planned(world)
    assert live(world, MAP)["data"] == {"key": "1", "note": "5"}


def test_what_is_deleted_meanwhile_is_left_to_the_next_run(
    world: World, kubectl: Kubectl, commit: Commit, meanwhile: Meanwhile
) -> None:
    kubectl("apply", "-f", "-", given={**MAP, "data": {"key": "1", "more": "2"}})
    commit(MAP)

    def made_anew() -> None:
        """Else the patch would be answered with 404."""
        world.by_hand("DELETE", MAP_PATH)
        world.by_hand("POST", MAP_PATH.removesuffix("/a"), {**MAP, "data": {}})

    meanwhile.writing.append(made_anew)
    (result,) = world.run("app").results
    assert (result.kind, result.message) == (
        "failed",
        "it was deleted meanwhile; the next run looks at it again",
    )
    world.run("app")
    assert live(world, MAP)["data"] == {"key": "1"}


def test_what_is_applied_meanwhile_is_left_to_the_next_run(
    world: World, kubectl: Kubectl, commit: Commit, meanwhile: Meanwhile
) -> None:
    """It was not in the plan, so it may not go by it."""
    kubectl("apply", "-f", "-", given={**MAP, "data": {"key": "1", "more": "2"}})
    commit(MAP)
    late = {**MAP, "data": {"key": "1", "late": "3"}}
    meanwhile.writing.append(lambda: kubectl("apply", "-f", "-", given=late))
    (result,) = world.run("app").results
    assert (result.kind, result.message) == (
        "failed",
        "it was applied with kubectl meanwhile; the next run looks at it again",
    )
    assert live(world, MAP)["data"] == {"key": "1", "late": "3"}
    run_as_planned(world)
    assert live(world, MAP)["data"] == {"key": "1"}


def test_no_other_right_than_to_patch_is_asked_for(
    world: World, kubectl: Kubectl, commit: Commit
) -> None:
    kubectl("apply", "-f", "-", given=varied(DEPLOYMENT, revisionHistoryLimit=3))
    commit(DEPLOYMENT)
    before = len(world.api.requests)
    world.run("app")
    requests = [r for r in list(world.api.requests)[before:] if r.path == WEB]
    assert {request.method for request in requests} == {"GET", "PATCH"}


# What is asserted again and again


def run_as_planned(world: World) -> Result:
    """One run of one object's change, which becomes what the plan has shown."""
    changes = {change.key: change for change in world.plan("app").writes}
    outcome = world.run("app")
    assert outcome.failures == ()
    for key, change in changes.items():
        after = world.live(key.kind, key.name, api_version=str(change.live["apiVersion"]))  # type: ignore[index]
        assert shown(after) == shown(change.predicted)
    return next(result for result in outcome.results if result.key in changes)


def shown(body: Object | None) -> Object:
    """What a plan says of an object; controllers have their say besides."""
    assert body is not None
    counted = ("managedFields", "resourceVersion", "generation")
    metadata = {k: v for k, v in body["metadata"].items() if k not in counted}
    notes = {k: v for k, v in annotations_of(body).items() if "deployment.kubernetes.io" not in k}
    return {
        **{name: value for name, value in body.items() if name != "status"},
        "metadata": {**metadata, "annotations": notes},
    }


def assert_quiet(world: World) -> None:
    with world.writes() as writes:
        assert world.run("app").failures == ()
    assert writes == []


def live(world: World, body: Object) -> Object:
    name = body["metadata"]["name"]
    found = world.live(body["kind"], name, api_version=body["apiVersion"])
    assert found is not None
    return found


def deployment(world: World) -> Object:
    return live(world, DEPLOYMENT)


def container_of(body: Object) -> Object:
    container: Object = body["spec"]["template"]["spec"]["containers"][0]
    return container


def managers(body: Object) -> set[tuple[str, str, str]]:
    """All that own something, but for the controllers."""
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", ""))
        for entry in body["metadata"]["managedFields"]
        if entry["manager"] != "kube-controller-manager"
    }
