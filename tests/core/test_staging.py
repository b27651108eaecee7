"""What holds a stage back, as far as the live objects tell it beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.plans import PARENT, changed, key, live, snapshot, wanted, with_metadata
from towline.core.health import Assessment, Health
from towline.core.inventory import Parent
from towline.core.objects import Object, ObjectKey
from towline.core.ordering import Stage
from towline.core.plan import Action, Plan, Refusal
from towline.core.planning import make_plan
from towline.core.staging import Blocker, blocker, is_custom, waits_for, why_held_back

A = key("ConfigMap", "a")
UNAVAILABLE = "waits for Deployment/shop/web (progressing: 0 of 1 replicas are available)"


def web(available: int) -> Object:
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}
    body = changed(
        live("Deployment", "web"),
        spec={"replicas": 1},
        status={**status, "availableReplicas": available},
    )
    return with_metadata(body, generation=1)


def made(*there: Object, want: list[Object], parent: Parent = PARENT, **more: Any) -> Plan:
    return make_plan(snapshot(want, there, parent=parent, **more))


WEB = wanted("Deployment", "web")
LATER = wanted("ConfigMap", "a", wave="1")


def test_a_stage_waits_for_what_was_there_before_and_is_not_healthy() -> None:
    plan = made(web(0), want=[WEB, LATER])
    assert plan.waiting == {A: _said(plan)}
    assert plan.permitted == ()


def _said(plan: Plan) -> str:
    (health,) = [change.health for change in plan.changes if change.key.name == "web"]
    assert health is not None
    return f"waits for Deployment/shop/web ({health.health}: {health.message})"


def test_a_stage_after_a_healthy_one_waits_for_nothing() -> None:
    plan = made(web(1), want=[WEB, LATER])
    assert plan.waiting == {}
    assert [change.key for change in plan.permitted] == [A]


def test_what_is_to_be_written_is_judged_when_it_is_written() -> None:
    """Its health now says nothing about its health then."""
    plan = make_plan(
        snapshot(
            [WEB, LATER],
            [web(0)],
            predicted={key("Deployment", "web"): changed(web(0), spec={"replicas": 2})},
        )
    )
    assert plan.waiting == {}
    assert len(plan.permitted) == 2


def test_the_same_wave_does_not_wait_for_itself() -> None:
    assert made(web(0), want=[WEB, wanted("ConfigMap", "a")]).waiting == {}


def test_what_is_equal_already_waits_for_nothing() -> None:
    plan = made(web(0), live("ConfigMap", "a", wave="1"), want=[WEB, LATER])
    assert plan.waiting == {}


def test_healing_waits_for_nothing() -> None:
    parent = Parent(
        PARENT.application, PARENT.namespace, "7", "parent", complete=True, applied="render-2"
    )
    assert made(web(0), want=[WEB, LATER], parent=parent).waiting == {}


def test_deletions_wait_for_whatever_is_not_applied_yet() -> None:
    plan = made(web(0), live("ConfigMap", "old"), want=[WEB, LATER])
    assert set(plan.waiting) == {A, key("ConfigMap", "old")}
    assert plan.permitted == ()


def test_a_known_failure_holds_back_later_waves_only() -> None:
    same, later = wanted("ValidatingWebhookConfiguration", "v"), wanted("ConfigMap", "b", wave="1")
    refused = {key("Deployment", "web"): Refusal("no")}
    plan = make_plan(snapshot([WEB, same, later], [web(1)], predicted=refused))
    assert plan.waiting == {
        key("ConfigMap", "b"): "waits for Deployment/shop/web (it could not be applied)"
    }


def test_custom_resources_that_are_leaving_hold_back_what_may_be_their_operator() -> None:
    leaving = with_metadata(
        live("Widget", "w"), deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["x/y"]
    )
    plan = made(leaving, live("Deployment", "web"), live("Widget", "v"), want=[])
    assert plan.waiting == {key("Deployment", "web"): "waits for Widget/shop/w to be gone"}
    assert [change.key for change in plan.writes] == [key("Deployment", "web"), key("Widget", "v")]


def test_built_in_objects_that_are_leaving_hold_back_nothing() -> None:
    leaving = with_metadata(live("Service", "s"), deletionTimestamp="2026-01-01T00:00:00Z")
    assert made(leaving, live("Deployment", "web"), want=[]).waiting == {}


def test_custom_resources_are_deleted_first_within_their_stage() -> None:
    plan = made(live("Deployment", "web"), live("Widget", "w"), live("Namespace", "n"), want=[])
    stages = [[change.key.kind for change in stage] for stage in plan.prunes]
    assert stages == [["Widget"], ["Deployment"], ["Namespace"]]


@pytest.mark.parametrize(
    ("health", "blocks"),
    [
        (Health.HEALTHY, False),
        (Health.SUSPENDED, False),
        (Health.PROGRESSING, True),
        (Health.MISSING, True),
        (Health.DEGRADED, True),
        (Health.UNKNOWN, True),
    ],
)
def test_what_is_worse_than_suspended_blocks(health: Health, *, blocks: bool) -> None:
    found = blocker(A, 0, Assessment(health, "so"), failed=False)
    assert found == (Blocker(A, 0, f"{health}: so") if blocks else None)


def test_a_blocker_without_a_message_is_its_health() -> None:
    assert str(blocker(A, 0, Assessment(Health.MISSING), failed=False)) == (
        "ConfigMap/shop/a (missing)"
    )


def test_what_has_no_health_blocks_nothing_unless_it_failed() -> None:
    assert blocker(A, 3, None, failed=False) is None
    assert blocker(A, 3, None, failed=True) == Blocker(A, 3, "it could not be applied", failed=True)


def test_a_failure_holds_back_later_waves_and_health_every_later_stage() -> None:
    failed = [Blocker(A, 0, "no", failed=True)]
    late = [Blocker(A, 0, "so")]
    assert why_held_back((0, Stage.ADMISSION), failed) == ""
    assert why_held_back((1, Stage.DEFINITIONS), failed) == "waits for ConfigMap/shop/a (no)"
    assert why_held_back((0, Stage.ADMISSION), late) == "waits for ConfigMap/shop/a (so)"


def test_three_are_named_and_the_rest_counted() -> None:
    assert waits_for("abc") == "waits for a, b, c"
    assert waits_for("abcde") == "waits for a, b, c and 2 more"
    assert waits_for([]) == ""


@pytest.mark.parametrize(
    ("group", "custom"), [("", False), ("apps", False), ("example.com", True), ("x.k8s.io", True)]
)
def test_kinds_that_were_added_are_told_by_their_group(group: str, *, custom: bool) -> None:
    assert is_custom(ObjectKey(group, "K", "n", "x")) is custom


def test_only_writes_wait() -> None:
    plan = made(web(0), want=[WEB, LATER])
    assert all(c.action is Action.CREATE for c in plan.changes if c.key in plan.waiting)


@pytest.mark.parametrize("health", list(Health))
def test_a_cron_job_holds_back_nothing_for_the_sake_of_a_past_run(health: Health) -> None:
    nightly = ObjectKey("batch", "CronJob", "shop", "nightly")
    assert blocker(nightly, 0, Assessment(health, "so"), failed=False) is None
    assert blocker(nightly, 0, Assessment(health, "so"), failed=True) is not None
    other = ObjectKey("example.com", "CronJob", "shop", "nightly")
    assert blocker(other, 0, Assessment(Health.DEGRADED, "so"), failed=False) is not None
