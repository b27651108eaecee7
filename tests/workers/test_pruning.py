"""A person's word to prune: the plan is shown, and exactly the one that is named is carried out."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tests.core.plans import live
from tests.workers.place import KEY, PUSH, SYNC, Place, application, documents
from towline.core.abandoned import plan_name
from towline.core.application import Documents
from towline.core.errors import ClusterError, LeaseLostError, TemporaryError
from towline.core.inventory import Parent
from towline.core.objects import GroupKind
from towline.core.steering import Steer, Verb
from towline.ports import Scope
from workers import pruning, reconciling, refresh, steering, surveying

GONE = Parent("gone", "towline-system", group_kinds=frozenset({GroupKind("", "ConfigMap")}))


def message(place: Place, digest: str = "", **fields: Any) -> dict[str, Any]:
    said = {"application": "gone", "cluster": "sandbox", "at": place.clock.now(), **fields}
    verb = said.pop("verb", Verb.PRUNE)
    steer = Steer(verb=verb, actor="ann", value=digest, **said)
    sent: dict[str, Any] = json.loads(json.dumps(steer.signed(KEY)))
    return sent


def plan(place: Place, name: str = "gone") -> dict[str, Any]:
    pruning.prune(message(place, application=name), place.room)
    return dict(place.ledger.plan(plan_name(name, "sandbox")) or {})


def runs(place: Place, name: str = "gone") -> list[str]:
    return [f"{run['status']}: {run['counts']}" for run in place.ledger.runs(name)]


@pytest.fixture
def left(place: Place) -> Place:
    place.parents.write(GONE)
    place.api.members = [live("ConfigMap", name, of=GONE) for name in ("a", "b")]
    surveying.survey("sandbox", place.room)
    return place


def test_the_plan_is_shown_and_nothing_is_written(left: Place) -> None:
    shown = plan(left)
    assert shown["counts"] == {"delete": 2}
    assert (shown["cluster"], shown["asked"]) == ("sandbox", left.clock.now())
    assert len(left.api.members) == 2
    assert left.ledger.plan("gone") is None, "the plans of the application are others"


def test_the_plan_that_is_named_is_carried_out_and_recorded(left: Place) -> None:
    pruning.prune(message(left, plan(left)["digest"]), left.room)
    assert (left.api.members, left.parents.removed) == ([], ["gone"])
    (run,) = left.ledger.runs("gone")
    assert (run["status"], run["counts"]) == ("synced", {"deleted": 3})
    assert run["trigger"] == {"kind": "steer", "detail": "prune ann", "at": left.clock.now()}
    assert (run["cluster"], run["digest"]) == ("sandbox", None)
    assert (left.ledger.status("gone") or {})["id"] == run["id"]
    assert left.ledger.surveys()["sandbox"]["sets"] == []
    assert not left.is_leased(Scope.APPLICATION, "gone")


def test_another_plan_is_refused_in_a_run_that_names_the_new_one(left: Place) -> None:
    pruning.prune(message(left, "d" * 64), left.room)
    (run,) = left.ledger.runs("gone")
    assert run["status"] == "failed"
    assert f"towline prune gone {plan(left)['digest']}" in run["message"]
    assert len(left.api.members) == 2


def test_a_message_that_comes_twice_counts_once(left: Place) -> None:
    said = message(left, plan(left)["digest"])
    pruning.prune(said, left.room)
    pruning.prune(said, left.room)
    assert runs(left) == ["synced: {}", "synced: {'deleted': 3}"]


def test_a_message_that_comes_twice_counts_once_where_something_is_left(left: Place) -> None:
    left.api.members[0]["metadata"]["annotations"]["towline.dev/prune"] = "disabled"
    said = message(left, plan(left)["digest"])
    pruning.prune(said, left.room)
    pruning.prune(said, left.room)
    assert runs(left) == ["synced: {'skipped': 2, 'deleted': 1}"]


def test_a_document_that_deploys_there_is_refused(left: Place) -> None:
    left.documents = documents(application("gone"))
    assert "has a document that deploys to sandbox" in plan(left)["error"]
    pruning.prune(message(left, "d" * 64), left.room)
    assert runs(left) == ["failed: {}"]
    assert left.ledger.status("gone") is None, "it says nothing of the document's application"
    assert len(left.api.members) == 2


def test_the_application_of_that_name_is_looked_at_afterwards(left: Place) -> None:
    """Its mark may have been taken with the lease."""
    left.documents = documents(application("gone"))
    left.marks.want(Scope.APPLICATION, "gone", PUSH)
    pruning.prune(message(left, "d" * 64), left.room)
    assert left.queue.emptied() == ["reconcile gone on push"]
    lease = left.marks.take(Scope.APPLICATION, "gone")
    assert lease is not None
    assert lease.trigger == PUSH


def test_while_a_run_is_under_way_the_word_waits_for_it(left: Place) -> None:
    digest = plan(left)["digest"]
    left.marks.want(Scope.APPLICATION, "gone", SYNC)
    lease = left.marks.take(Scope.APPLICATION, "gone")
    assert lease is not None
    said = message(left, digest)
    with pytest.raises(LeaseLostError):
        pruning.prune(said, left.room)
    assert len(left.api.members) == 2
    lease.release(served=True)
    pruning.prune(said, left.room)
    assert left.api.members == []


def test_a_push_meanwhile_is_not_held_up_by_a_word_that_waits(left: Place) -> None:
    left.documents = documents(application("gone"))
    left.marks.want(Scope.APPLICATION, "gone", SYNC)
    assert left.marks.take(Scope.APPLICATION, "gone")
    with pytest.raises(LeaseLostError):
        pruning.prune(message(left, "d" * 64), left.room)
    assert left.queue.emptied() == ["reconcile gone on push"]


def test_a_cluster_that_is_away_is_told_in_the_run(left: Place) -> None:
    digest = plan(left)["digest"]
    left.api.list = _away  # type: ignore[method-assign]
    pruning.prune(message(left, digest), left.room)
    (run,) = left.ledger.runs("gone")
    assert (run["status"], run["message"]) == ("failed", "away")
    assert plan(left)["error"] == "away"


def _away(*_: object, **__: object) -> Any:
    raise ClusterError("away")


def test_a_fault_of_our_own_is_told_and_raised(left: Place) -> None:
    digest = plan(left)["digest"]
    left.parents.error = ValueError("a detail that nobody outside should read")
    with pytest.raises(ValueError, match="a detail"):
        pruning.prune(message(left, digest), left.room)
    (run,) = left.ledger.runs("gone")
    assert run["message"] == "an unexpected ValueError: the worker's log has it"
    assert not left.is_leased(Scope.APPLICATION, "gone")


def test_without_documents_nobody_knows_what_others_name(left: Place) -> None:
    digest = plan(left)["digest"]
    left.documents = Documents(read=False)
    with pytest.raises(TemporaryError):
        pruning.prune(message(left, digest), left.room)
    assert len(left.api.members) == 2


def test_what_was_not_signed_for_this_is_dropped(
    left: Place, caplog: pytest.LogCaptureFixture
) -> None:
    digest = plan(left)["digest"]
    right = message(left, digest)
    forged: list[Any] = [
        {**right, "signature": "0" * 64},
        {**right, "cluster": "another"},
        {name: value for name, value in right.items() if name != "cluster"},
        message(left, digest, verb=Verb.APPROVE),
        message(left, digest, cluster=""),
        message(left, digest, application="no name"),
        message(left, digest, at=left.clock.now() - 601),
        {},
        None,
    ]
    for wrong in forged:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            pruning.prune(wrong, left.room)
        assert "ignored" in caplog.text, wrong
    assert (len(left.api.members), runs(left)) == (2, [])


def test_a_word_to_prune_is_none_to_note(left: Place, caplog: pytest.LogCaptureFixture) -> None:
    steering.steer(message(left, "d" * 64, application="shop"), left.room)
    assert "shop" not in left.parents.sets
    assert "ignored" in caplog.text


def test_a_document_that_comes_back_has_its_first_run(left: Place) -> None:
    pruning.prune(message(left, plan(left)["digest"]), left.room)
    left.documents = documents(application("gone"))
    left.room.want_refresh("git.example.com/shop/deploy", PUSH)
    left.queue.emptied()
    refresh.refresh("git.example.com/shop/deploy", left.room)
    assert left.queue.emptied() == ["reconcile gone on push"]
    reconciling.reconcile("gone", left.room)
    assert left.api.applied == ["gone"]
