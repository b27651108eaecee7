"""Records for people and programs: everything shows, and nothing secret does."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.core.plans import (
    PARENT,
    REVISION,
    changed,
    key,
    live,
    snapshot,
    wanted,
    with_metadata,
)
from towline.core.errors import Place
from towline.core.objects import Object, ObjectKey
from towline.core.outcome import Outcome, Result, ResultKind, Trigger, TriggerKind
from towline.core.plan import Elsewhere, Plan, Refusal, Snapshot
from towline.core.planning import make_plan
from towline.core.record import (
    amended,
    change_record,
    continued,
    key_record,
    place_record,
    plan_record,
    result_record,
    run_record,
)

TRIGGER = Trigger(TriggerKind.WEBHOOK, "delivery-1", 1_800_000_000.0)
S = key("Secret", "s")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_RESULTS = {
    "create": ResultKind.CREATED,
    "update": ResultKind.UPDATED,
    "recreate": ResultKind.RECREATED,
    "delete": ResultKind.DELETED,
    "keep": ResultKind.UNCHANGED,
    "skip": ResultKind.SKIPPED,
}


def outcome(plan: Plan) -> Outcome:
    """As if everything had gone as planned."""
    results = tuple(
        Result(
            ResultKind.FAILED if change.problem else _RESULTS[change.action],
            change.key,
            change.problem or change.reason,
            change.place,
            change.previous_owners,
        )
        for change in plan.changes
    )
    phases = {"fetch": 0.123456, "apply": 1.0}
    return Outcome("shop", plan.revision, plan, results, phases=phases)


def run(given: Outcome) -> dict[str, Any]:
    return run_record(given, run="run-1", trigger=TRIGGER, started=1.0, ended=2.5)


def text(given: Snapshot) -> str:
    return json.dumps(run(outcome(make_plan(given))), ensure_ascii=False)


# No secret in any record ---------------------------------------------------------------------

TOKEN = "hunter2-correct-horse"
OTHER_TOKEN = "tr0ub4dor-and-3"


def b64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


PLANTED: list[tuple[str, dict[str, Any]]] = [
    ("data", {"data": {"password": b64(TOKEN)}}),
    ("several keys", {"data": {"a": b64(TOKEN), "b": b64(OTHER_TOKEN), "c": ""}}),
    ("many lines", {"data": {"pem": b64("\n".join([TOKEN] * 30))}}),
    ("a field that no Secret has", {"dta": {"password": TOKEN}}),
    ("a value in place of a mapping", {"spec": TOKEN}),
]
ANNOTATED: list[tuple[str, dict[str, str]]] = [
    ("kubectl's copy", {LAST_APPLIED: json.dumps({"data": {"p": b64(TOKEN)}, "x": TOKEN})}),
    ("another tool's copy", {"example.com/copy": TOKEN}),
    ("encoded", {"example.com/copy": b64(TOKEN)}),
]


def forms(value: str) -> list[str]:
    return [value, b64(value), b64(value)[:12], value[::-1], value.upper()]


def assert_hidden(shown: str) -> None:
    for secret in (TOKEN, OTHER_TOKEN):
        for form in forms(secret):
            assert form not in shown


def secret(fields: dict[str, Any]) -> Object:
    return changed(wanted("Secret", "s"), **fields)


def stored(fields: dict[str, Any], annotations: dict[str, str] | None = None) -> Object:
    body = changed(live("Secret", "s"), **fields)
    kept = {**body["metadata"]["annotations"], **(annotations or {})}
    return with_metadata(body, annotations=kept)


@pytest.mark.parametrize(("what", "fields"), PLANTED, ids=[case[0] for case in PLANTED])
def test_a_created_secret_shows_no_value(what: str, fields: dict[str, Any]) -> None:
    shown = text(snapshot([secret(fields)]))
    assert_hidden(shown)
    assert '"action": "create"' in shown, what


@pytest.mark.parametrize(("what", "fields"), PLANTED, ids=[case[0] for case in PLANTED])
def test_an_updated_secret_shows_neither_value(what: str, fields: dict[str, Any]) -> None:
    before = stored({"data": {"password": b64(OTHER_TOKEN)}})
    after = changed(stored({}), **fields)
    shown = text(snapshot([secret(fields)], [before], predicted={S: after}))
    assert_hidden(shown)
    assert '"action": "update"' in shown, what


@pytest.mark.parametrize(("what", "fields"), PLANTED, ids=[case[0] for case in PLANTED])
def test_a_deleted_secret_shows_no_value(what: str, fields: dict[str, Any]) -> None:
    shown = text(snapshot([wanted()], [stored(fields)]))
    assert_hidden(shown)
    assert '"action": "delete"' in shown, what


@pytest.mark.parametrize(("what", "fields"), PLANTED, ids=[case[0] for case in PLANTED])
def test_a_recreated_secret_shows_no_value(what: str, fields: dict[str, Any]) -> None:
    body = secret(fields)
    body["metadata"]["annotations"] = {"towline.dev/recreate": "enabled"}
    refusal = Refusal("data: field is immutable", immutable=True)
    shown = text(snapshot([body], [stored(fields)], predicted={S: refusal}))
    assert_hidden(shown)
    assert '"action": "recreate"' in shown, what


@pytest.mark.parametrize(("what", "extra"), ANNOTATED, ids=[case[0] for case in ANNOTATED])
def test_annotations_of_a_secret_show_no_value(what: str, extra: dict[str, str]) -> None:
    body = secret({})
    body["metadata"]["annotations"] = dict(extra)
    created = text(snapshot([body]))
    deleted = text(snapshot([wanted()], [stored({}, extra)]))
    dropped = text(snapshot([secret({})], [stored({}, extra)], predicted={S: stored({})}))
    for shown in (created, deleted, dropped):
        assert_hidden(shown)
    assert "annotations" in dropped, what


def test_kubectls_copy_of_an_object_is_hidden_on_every_kind() -> None:
    copied = {LAST_APPLIED: json.dumps({"data": {"k": TOKEN}})}
    before = live()
    before["metadata"]["annotations"] |= copied
    shown = text(snapshot([wanted()], [before], predicted={key(): live()}))
    assert_hidden(shown)


def test_a_kept_or_skipped_secret_is_not_shown_at_all() -> None:
    fields = {"data": {"password": b64(TOKEN)}}
    body = secret(fields)
    body["metadata"]["annotations"] = {"towline.dev/reconcile": "disabled"}
    assert_hidden(text(snapshot([secret(fields)], [stored(fields)])))
    assert_hidden(text(snapshot([body], [stored(fields)])))
    assert_hidden(text(snapshot([secret(fields)], [stored(fields)], predicted={S: Refusal("x")})))


def test_a_handed_over_secret_shows_no_value() -> None:
    there = stored({"data": {"password": b64(TOKEN)}})
    elsewhere = {S: (Elsewhere("other", wanted=True),)}
    assert_hidden(text(snapshot([wanted()], [there], elsewhere=elsewhere)))


def test_who_lost_a_secrets_field_is_named_without_its_value() -> None:
    before = stored({"data": {"password": b64(OTHER_TOKEN)}})
    mine = before["metadata"]["managedFields"][0]
    theirs = {
        "manager": "kubectl",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsV1": {"f:data": {"f:password": {}}},
    }
    before = with_metadata(before, managedFields=[mine, theirs])
    taken = {**mine, "fieldsV1": {**mine["fieldsV1"], "f:data": {"f:password": {}}}}
    after = changed(with_metadata(before, managedFields=[taken]), data={"password": b64(TOKEN)})
    fields = {"data": {"password": b64(TOKEN)}}
    shown = text(snapshot([secret(fields)], [before], predicted={S: after}))
    assert_hidden(shown)
    assert '"previous_owners": {"kubectl": ["data.password"]}' in shown


def test_the_names_of_a_secrets_keys_are_shown() -> None:
    shown = text(snapshot([secret({"data": {"password": b64(TOKEN)}})]))
    assert "data.password" in shown


def test_equal_and_different_secrets_have_records_of_the_same_length() -> None:
    lengths = {
        len(text(snapshot([secret({"data": {"k": b64(value)}})]))) for value in ("a", TOKEN * 9)
    }
    assert len(lengths) == 1


# What a record says --------------------------------------------------------------------------


def test_a_run_is_recorded_from_trigger_to_outcome() -> None:
    plan = make_plan(snapshot([wanted()]))
    record = run(outcome(plan))
    assert {name: record[name] for name in record if name not in {"plan", "results"}} == {
        "id": "run-1",
        "application": "shop",
        "status": "synced",
        "message": "",
        "health": "healthy",
        "pending": False,
        "rollout": {"digest": "render-2", "state": "healthy", "applied": 2.5, "healthy": 2.5},
        "trigger": {"kind": "webhook", "detail": "delivery-1", "at": 1_800_000_000.0},
        "started": 1.0,
        "ended": 2.5,
        "phases": {"fetch": 0.1235, "apply": 1.0},
        "ref": "branch main",
        "commit": "c" * 40,
        "digest": "render-2",
        "counts": {"created": 1},
        "objects": 1,
        "wrote": True,
        "holds": [],
        "plan_digest": plan.digest,
    }
    assert record["results"] == [
        {**key_record(key()), "file": "app.yaml", "line": 1, "result": "created"}
    ]
    assert record["plan"] == plan_record(plan)


def test_a_run_that_an_error_ended_has_neither_plan_nor_revision() -> None:
    record = run(Outcome("shop", None, error="the branch main is gone"))
    assert record["status"] == "failed"
    assert record["message"] == "the branch main is gone"
    for name in ("ref", "commit", "digest", "objects", "plan", "plan_digest"):
        assert record[name] is None
    assert record["results"] == record["holds"] == []


def test_a_plan_is_recorded_with_its_holds_and_counts() -> None:
    there = [live("ConfigMap", f"m{n}") for n in range(3)]
    plan = make_plan(snapshot([wanted()], there, sync={"automatic": False}))
    record = plan_record(plan)
    held = {"scope": "all", "kind": "approval", "message": plan.holds[0].message}
    assert {name: record[name] for name in record if name != "changes"} == {
        "application": "shop",
        "digest": plan.digest,
        "ref": "branch main",
        "commit": "c" * 40,
        "counts": {"create": 1, "delete": 3},
        "holds": [held],
    }
    assert run(outcome(plan))["holds"] == [held]


def test_what_is_kept_is_counted_and_not_listed() -> None:
    plan = make_plan(snapshot([wanted(), wanted("Secret", "s")], [live()]))
    record = plan_record(plan)
    assert record["counts"] == {"keep": 1, "create": 1}
    assert [change["object"] for change in record["changes"]] == ["Secret/shop/s"]


def test_a_change_is_recorded_with_place_stage_and_fields() -> None:
    there = changed(live(), data={"k": "old"})
    after = changed(there, data={"k": "new"})
    plan = make_plan(snapshot([wanted()], [there], predicted={key(): after}))
    record = change_record(plan.changes[0])
    assert record == {
        "group": "",
        "kind": "ConfigMap",
        "namespace": "shop",
        "name": "a",
        "object": "ConfigMap/shop/a",
        "file": "app.yaml",
        "line": 1,
        "action": "update",
        "stage": "rest",
        "wave": 0,
        "reason": "",
        "problem": "",
        "previous_owners": {},
        "fields": [{"path": "data.k", "before": "old", "after": "new"}],
        "more_fields": 0,
        "diff": record["diff"],
    }
    assert record["diff"].startswith("--- a/ConfigMap/shop/a\n+++ b/ConfigMap/shop/a\n@@ ")
    assert "-  k: old\n" in record["diff"]
    assert "+  k: new\n" in record["diff"]


def test_a_field_that_is_not_there_on_one_side_is_left_out_of_it() -> None:
    there = changed(live(), data={"gone": "x"})
    after = changed(there, data={"new": None})
    plan = make_plan(snapshot([wanted()], [there], predicted={key(): after}))
    fields = change_record(plan.changes[0])["fields"]
    assert fields == [{"path": "data.gone", "before": "x"}, {"path": "data.new", "after": None}]


def test_a_problem_is_recorded_without_a_diff() -> None:
    plan = make_plan(snapshot([wanted()], [live()], predicted={key(): Refusal("quota exceeded")}))
    record = change_record(plan.changes[0])
    assert record["problem"] == "quota exceeded"
    assert record["fields"] == []
    assert record["diff"] == ""


@pytest.mark.parametrize(
    ("object_key", "shown"),
    [
        (ObjectKey("apps", "Deployment", "shop", "web"), "Deployment/shop/web"),
        (ObjectKey("", "Namespace", "", "shop"), "Namespace/shop"),
    ],
)
def test_a_key_is_recorded_in_parts_and_whole(object_key: ObjectKey, shown: str) -> None:
    record = key_record(object_key)
    assert record["object"] == shown
    assert (record["group"], record["kind"]) == (object_key.group, object_key.kind)


@pytest.mark.parametrize(
    ("place", "record"),
    [
        (None, {}),
        (Place("a.yaml", 3), {"file": "a.yaml", "line": 3}),
        (Place("a.yaml"), {"file": "a.yaml", "line": None}),
    ],
)
def test_a_place_is_recorded_if_there_is_one(place: Place | None, record: dict[str, Any]) -> None:
    assert place_record(place) == record


def test_a_result_says_no_more_than_there_is_to_say() -> None:
    assert result_record(Result(ResultKind.UNCHANGED, key())) == {
        **key_record(key()),
        "result": "unchanged",
    }
    full = Result(
        ResultKind.UPDATED, key(), "adopted", Place("a.yaml", 1), {"kubectl": ("data.k",)}
    )
    assert result_record(full) == {
        **key_record(key()),
        "file": "a.yaml",
        "line": 1,
        "result": "updated",
        "message": "adopted",
        "previous_owners": {"kubectl": ["data.k"]},
    }


# Records stay small --------------------------------------------------------------------------


def test_long_values_are_shortened() -> None:
    plan = make_plan(snapshot([changed(wanted(), data={"k": "x" * 1_000_000})]))
    record = change_record(plan.changes[0])
    after = next(f["after"] for f in record["fields"] if f["path"] == "data.k")
    assert after == "x" * 400 + "…"
    assert len(json.dumps(record)) < 30_000


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 400, "x" * 400),
        ("x" * 401, "x" * 400 + "…"),
        ({"x": "y" * 391}, {"x": "y" * 391}),
        ({"x": "y" * 395}, "{'x': '" + "y" * 393 + "…"),
    ],
    ids=["a text", "a longer one", "a map", "a larger one"],
)
def test_a_value_is_shortened_beyond_four_hundred_characters(value: Any, shown: Any) -> None:
    there = changed(live(), data={"k": value})
    after = changed(there, data={"k": None})
    plan = make_plan(snapshot([wanted()], [there], predicted={key(): after}))
    (field,) = change_record(plan.changes[0])["fields"]
    assert field == {"path": "data.k", "before": shown, "after": None}


def test_many_fields_are_counted_and_not_listed() -> None:
    data = {f"k{n:04}": "v" for n in range(1000)}
    plan = make_plan(snapshot([changed(wanted(), data=data)]))
    record = change_record(plan.changes[0])
    assert len(record["fields"]) == 200
    assert record["more_fields"] + 200 >= 1000


def test_long_messages_are_shortened() -> None:
    result = Result(ResultKind.FAILED, key(), "x" * 100_000)
    assert len(result_record(result)["message"]) == 2000
    record = run(Outcome("shop", REVISION, error="x" * 100_000))
    assert len(record["message"]) == 4000


def test_a_record_is_json_and_comes_back_as_it_was() -> None:
    there = [live("ConfigMap", "gone"), live(of=None)]
    after = changed(live(), data={"k": [1, None, {"x": True}], "n": 1.5})
    parent = replace(PARENT, suspended="ada")
    given = snapshot([wanted()], there, predicted={key(): after}, parent=parent)
    record = run(outcome(make_plan(given)))
    assert json.loads(json.dumps(record)) == record


def test_recording_changes_nothing_of_the_plan() -> None:
    plan = make_plan(snapshot([secret({"data": {"k": b64(TOKEN)}})], [live()]))
    before = copy.deepcopy(plan)
    plan_record(plan)
    assert plan == before


# How a run stands later ----------------------------------------------------------------------


def stood(rollout: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return {"rollout": rollout, "plan_digest": "p", "wrote": False, "health": "healthy", **more}


def test_a_rollout_keeps_when_it_first_came_to_where_it_is() -> None:
    earlier = {"digest": "d", "state": "progressing", "began": 1.0, "applied": 2.0}
    later = {"digest": "d", "state": "healthy", "began": 1.0, "applied": 9.0, "healthy": 9.0}
    assert continued(stood(later), stood(earlier))["rollout"] == {**later, "applied": 2.0}
    other = stood({**earlier, "digest": "other"})
    assert continued(stood(later), other)["rollout"] == later


def test_times_that_nobody_saw_are_left_out() -> None:
    later = {"digest": "d", "state": "healthy", "began": 1.0, "applied": 9.0, "healthy": 9.0}
    assert continued(stood(later), {})["rollout"] == {
        "digest": "d",
        "state": "healthy",
        "began": 1.0,
    }
    assert continued(stood(later, wrote=True), {})["rollout"] == later


def test_a_run_that_ended_in_an_error_forgets_no_time() -> None:
    known = {"digest": "d", "state": "healthy", "healthy": 9.0}
    error = stood(None, plan_digest=None)
    assert continued(error, stood(known))["rollout"] == known
    held = stood(None)
    assert continued(held, stood(known))["rollout"] is None


def test_what_was_healthy_and_moves_again_is_on_its_way() -> None:
    """A scaling an hour later is no rollout that took an hour."""
    known = {"digest": "d", "state": "healthy", "healthy": 9.0}
    late = {"digest": "d", "state": "degraded", "began": 1.0}
    moving = continued(stood(late, health="progressing"), stood(known))["rollout"]
    assert moving == {**late, "state": "progressing", "healthy": 9.0}
    broken = continued(stood(late, health="degraded"), stood(known))["rollout"]
    assert broken["state"] == "degraded"
    assert continued(stood(late, health="progressing"), {})["rollout"]["state"] == "degraded"


def test_a_later_look_amends_how_a_run_stands_and_no_result() -> None:
    there = {"group": "", "object": "Service/shop/s", "result": "created", "health": "progressing"}
    kept = {"group": "", "object": "ConfigMap/shop/a", "result": "deleted"}
    run = {"id": "one", "status": "waiting", "message": "waits", "results": [there, kept]}
    look = {
        "id": "two",
        "status": "synced",
        "message": "",
        "health": "healthy",
        "results": [{**there, "result": "unchanged", "health": "healthy", "health_message": ""}],
    }
    assert amended(run, look) == {
        "id": "one",
        "status": "synced",
        "message": "",
        "health": "healthy",
        "results": [{**there, "health": "healthy", "health_message": ""}, kept],
    }
    assert "results" not in amended({"id": "one"}, look)
