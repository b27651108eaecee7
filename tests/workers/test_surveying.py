"""The survey: when it is due, what is kept of it, and what a cluster that is away costs."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from tests.workers.place import Place, application, documents
from towline.core.application import Documents
from towline.core.errors import ClusterError, PermanentError
from towline.core.inventory import Parent
from workers import surveying, tick


def kept(place: Place) -> dict[str, Any]:
    return {
        cluster: [one["application"] for one in survey["sets"]]
        for cluster, survey in place.ledger.surveys().items()
    }


def due(place: Place) -> list[str]:
    surveying.queue_due(place.room)
    return place.queue.emptied()


@pytest.fixture
def left(place: Place) -> Place:
    """A set on the cluster that no document names."""
    place.parents.write(replace(Parent("gone", "towline-system"), revision="branch main@c"))
    place.parents.write(Parent("shop", "towline-system"))
    return place


def test_what_is_abandoned_is_kept_with_what_there_is_to_know(left: Place) -> None:
    surveying.survey("sandbox", left.room)
    survey = left.ledger.surveys()["sandbox"]
    assert (survey["identity"], survey["at"]) == ("this one", left.clock.now())
    (one,) = survey["sets"]
    assert (one["application"], one["cluster"]) == ("gone", "sandbox")
    assert (one["revision"], one["objects"]) == ("branch main@c", 0)
    assert one["why"] == "its document is gone"


def test_a_survey_is_due_in_each_interval_and_at_the_start(place: Place) -> None:
    assert due(place) == ["survey sandbox on resync"]
    assert due(place) == []
    place.clock.seconds += 600
    assert due(place) == ["survey sandbox on resync"]
    surveying.queue_all(place.room)
    assert place.queue.emptied() == ["survey sandbox on resync"]


def test_a_survey_is_due_when_applications_come_and_go(place: Place) -> None:
    due(place)
    place.documents = documents(application("shop"))
    assert due(place) == ["survey sandbox on resync"]
    place.documents = documents(application("shop", sync="interval: 1h"))
    assert due(place) == []


def test_a_cluster_that_the_last_document_named_is_looked_at_until_nothing_is_left(
    left: Place,
) -> None:
    surveying.survey("sandbox", left.room)
    left.documents = documents()
    tick.tick(left.room)
    assert left.queue.emptied() == ["survey sandbox on resync"]
    surveying.survey("sandbox", left.room)
    assert kept(left) == {"sandbox": ["gone", "shop"]}
    left.parents.sets.clear()
    surveying.survey("sandbox", left.room)
    assert kept(left) == {}
    assert due(left) == []


def test_a_cluster_that_never_answers_again_is_forgotten_after_a_month(left: Place) -> None:
    surveying.survey("sandbox", left.room)
    left.documents = documents()
    left.clock.seconds += 31 * 24 * 3600
    assert (due(left), kept(left)) == ([], {})


@pytest.mark.parametrize("error", [ClusterError("away"), PermanentError("no such context")])
def test_a_cluster_that_does_not_answer_keeps_what_was_found_last(
    left: Place, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    surveying.survey("sandbox", left.room)
    left.parents.error = error
    left.parents.sets.clear()
    with caplog.at_level(logging.WARNING):
        surveying.survey("sandbox", left.room)
    assert kept(left) == {"sandbox": ["gone"]}
    assert "found of abandoned sets last stands" in caplog.text


def test_where_no_document_could_be_read_nothing_is_called_abandoned(left: Place) -> None:
    left.documents = Documents(read=False)
    surveying.survey("sandbox", left.room)
    assert kept(left) == {}


def test_a_flushed_redis_is_filled_again(left: Place) -> None:
    due(left)
    surveying.survey("sandbox", left.room)
    left.redis.flushall()
    assert due(left) == ["survey sandbox on resync"]
    surveying.survey("sandbox", left.room)
    assert kept(left) == {"sandbox": ["gone"]}
