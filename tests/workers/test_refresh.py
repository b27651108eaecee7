"""A refresh: one fetch, marks for what moved, and patience with a forge that is slow."""

from __future__ import annotations

import logging
from itertools import pairwise

import pytest

from tests.workers.place import PUSH, REPOSITORY, RESYNC, URL, Place, application, documents
from towline.core.application import Application, Source
from towline.core.errors import (
    ManifestError,
    SourceError,
    SourceGoneError,
    SourceRefusedError,
    TemporaryError,
)
from towline.core.outcome import Trigger, TriggerKind
from towline.ports import Scope, Tree
from workers import reconciling, refresh

REPO, APP = Scope.REPOSITORY, Scope.APPLICATION
NEW = "b" * 40


def refreshed(place: Place, trigger: Trigger = PUSH) -> list[str]:
    """Want a look, take it, and tell what was queued."""
    place.marks.want(REPO, REPOSITORY, trigger)
    refresh.refresh(REPOSITORY, place.room)
    return place.queue.emptied()


def settle(place: Place) -> None:
    """Every application has run well."""
    refreshed(place)
    for name in ("shop", "site"):
        reconciling.reconcile(name, place.room)
    place.queue.emptied()


def test_a_repository_without_a_mark_is_not_fetched(place: Place) -> None:
    refresh.refresh(REPOSITORY, place.room)
    assert place.forge.fetched == []


def test_one_fetch_serves_every_application_of_the_repository(place: Place) -> None:
    assert refreshed(place) == ["reconcile shop on push", "reconcile site on push"]
    assert place.forge.fetched == [URL]
    assert not place.is_wanted(REPO, REPOSITORY)


def test_only_the_applications_whose_render_moved_are_marked(place: Place) -> None:
    settle(place)
    assert refreshed(place) == []
    place.press.versions["site"] = "2"
    assert refreshed(place) == ["reconcile site on push"]
    assert not place.is_wanted(APP, "shop")


def test_an_application_that_failed_is_tried_again_with_each_look(place: Place) -> None:
    settle(place)
    place.api.refuses = "a quota"
    place.press.versions["shop"] = "2"
    refreshed(place)
    reconciling.reconcile("shop", place.room)
    assert refreshed(place) == ["reconcile shop on push"]


def test_an_application_whose_source_is_gone_is_left_for_its_run_to_tell(place: Place) -> None:
    settle(place)
    place.forge.gone = SourceGoneError("there is no branch main")
    assert refreshed(place) == ["reconcile shop on push", "reconcile site on push"]
    assert place.ledger.source_error(REPOSITORY) == ""


def trees_of(place: Place, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each tree that is opened from now on follows."""
    opened: list[str] = []
    tree = place.forge.tree

    def counted(source: Source) -> Tree:
        opened.append(source.describes)
        return tree(source)

    monkeypatch.setattr(place.forge, "tree", counted)
    return opened


def test_one_tree_is_opened_for_all_applications_of_a_ref(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"shop-{number}" for number in range(100)]
    place.documents = documents(*map(application, names))
    refreshed(place)
    for name in names:
        reconciling.reconcile(name, place.room)
    place.queue.emptied()
    opened = trees_of(place, monkeypatch)
    place.press.versions["shop-7"] = "2"
    assert refreshed(place) == ["reconcile shop-7 on push"]
    assert opened == ["branch main"]


def test_a_tree_is_opened_for_each_ref(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    next_one = application("next").replace("branch: main", "branch: next")
    place.documents = documents(application("shop"), next_one, application("site"))
    opened = trees_of(place, monkeypatch)
    assert len(refreshed(place)) == 3
    assert opened == ["branch main", "branch next"]


def test_an_application_of_which_nothing_can_be_told_is_marked_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run says what is wrong; the others are judged by themselves."""
    place.documents = documents(*map(application, ("shop", "site", "pier")))
    refreshed(place)
    for name in ("shop", "site", "pier"):
        reconciling.reconcile(name, place.room)
    place.queue.emptied()
    digest = place.press.digest

    def torn(application: Application, tree: Tree) -> str:
        if application.name == "shop":
            raise ManifestError("a file is torn")
        return digest(application, tree)

    monkeypatch.setattr(place.press, "digest", torn)
    place.press.versions["pier"] = "2"
    opened = trees_of(place, monkeypatch)
    assert refreshed(place) == ["reconcile shop on push", "reconcile pier on push"]
    assert opened == ["branch main"]


@pytest.mark.parametrize(
    ("trigger", "told"),
    [
        (PUSH, TriggerKind.WEBHOOK),
        (RESYNC, TriggerKind.CHANGE),
        (Trigger(TriggerKind.CHANGE, "worker start"), TriggerKind.CHANGE),
    ],
)
def test_what_moved_is_told_why_it_was_looked_at(
    place: Place, trigger: Trigger, told: TriggerKind
) -> None:
    """What a resync finds is a change that no webhook told of: it goes in front."""
    assert "reconcile shop on push" in refreshed(place, trigger)
    lease = place.marks.take(APP, "shop")
    assert lease is not None
    assert (lease.trigger.kind, lease.trigger.detail) == (told, trigger.detail)


def test_a_commit_that_the_forge_does_not_show_is_awaited_with_growing_pauses(
    place: Place,
) -> None:
    place.pushed(NEW)
    began, pauses = place.clock.now(), []
    for _ in range(100):
        try:
            refresh.refresh(REPOSITORY, place.room)
        except TemporaryError as error:
            pauses.append(error.delay)
            place.clock.seconds += error.delay
        else:
            break
    assert 0.2 <= pauses[0] <= 1
    assert all(later >= earlier * 0.99 for earlier, later in pairwise(pauses))
    assert max(pauses) == 10
    assert 60 < place.clock.now() - began <= 75
    assert len(pauses) < 25
    assert not place.is_wanted(REPO, REPOSITORY)
    assert place.expectations.expected(REPOSITORY) == {}
    assert len(place.forge.fetched) == len(pauses) + 1


def test_an_awaited_commit_that_comes_ends_the_waiting(place: Place) -> None:
    place.pushed(NEW)
    with pytest.raises(TemporaryError):
        refresh.refresh(REPOSITORY, place.room)
    assert place.is_wanted(REPO, REPOSITORY)
    place.queue.emptied()
    place.forge.head = NEW
    refresh.refresh(REPOSITORY, place.room)
    assert not place.is_wanted(REPO, REPOSITORY)
    assert place.expectations.expected(REPOSITORY) == {}


def test_while_one_commit_is_awaited_what_moved_already_is_marked(place: Place) -> None:
    place.pushed(NEW)
    with pytest.raises(TemporaryError):
        refresh.refresh(REPOSITORY, place.room)
    assert place.queue.emptied() == ["reconcile shop on push", "reconcile site on push"]


def test_a_commit_that_is_known_already_is_not_awaited(place: Place) -> None:
    """A redelivery, or somebody pushed over it."""
    place.forge.known.add(NEW)
    place.pushed(NEW)
    refresh.refresh(REPOSITORY, place.room)
    assert not place.is_wanted(REPO, REPOSITORY)


def test_many_pushes_while_one_is_awaited_do_not_pile_up_retries(place: Place) -> None:
    retries = 0
    for number in range(20):
        place.pushed(NEW, number=number)
        try:
            refresh.refresh(REPOSITORY, place.room)
        except TemporaryError:
            retries += 1
    assert retries == 1


def test_a_fetch_that_fails_is_noted_and_the_mark_stays(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.forge.error = SourceError("git.example.com does not answer", delay=7.0)
    with pytest.raises(SourceError) as raised:
        refreshed(place)
    assert raised.value.delay == 7.0
    assert place.ledger.source_error(REPOSITORY) == "git.example.com does not answer"
    assert place.is_wanted(REPO, REPOSITORY)
    assert not place.is_leased(REPO, REPOSITORY)
    assert place.queue.emptied() == []
    assert "does not answer" in caplog.text
    place.forge.error = None
    refresh.refresh(REPOSITORY, place.room)
    assert place.ledger.source_error(REPOSITORY) == ""
    assert not place.is_wanted(REPO, REPOSITORY)


def test_a_repository_that_is_refused_is_noted_and_not_tried_again(place: Place) -> None:
    place.forge.error = SourceRefusedError("larger than the limit")
    assert refreshed(place) == []
    assert place.ledger.source_error(REPOSITORY) == "larger than the limit"
    assert not place.is_wanted(REPO, REPOSITORY)


@pytest.mark.parametrize("error", [None, SourceRefusedError("x"), SourceError("x")])
def test_a_push_during_the_fetch_is_looked_at_at_once(
    place: Place, error: Exception | None
) -> None:
    """Its message came while the lease was taken, and ended."""

    def push() -> None:
        place.forge.meanwhile = lambda: None
        assert place.marks.want(REPO, REPOSITORY, PUSH)
        refresh.refresh(REPOSITORY, place.room)

    place.forge.meanwhile, place.forge.error = push, error
    assert f"refresh {REPOSITORY} on push" in refreshed(place, RESYNC)
    assert len(place.forge.fetched) == 1
    place.forge.error = None
    refresh.refresh(REPOSITORY, place.room)
    assert not place.is_wanted(REPO, REPOSITORY)


def test_a_repository_that_nobody_follows_ends(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.marks.want(REPO, "git.example.com/nobody/here", PUSH)
    refresh.refresh("git.example.com/nobody/here", place.room)
    assert place.forge.fetched == []
    assert not place.is_wanted(REPO, "git.example.com/nobody/here")
    assert "no application follows it" in caplog.text


def test_a_repository_that_ends_its_workers_is_set_aside(place: Place) -> None:
    place.marks.want(REPO, REPOSITORY, PUSH)
    for _ in range(refresh.MOST_ATTEMPTS):
        place.marks.take(REPO, REPOSITORY)
        place.lose_lease(REPO, REPOSITORY)
    refresh.refresh(REPOSITORY, place.room)
    assert place.forge.fetched == []
    assert not place.is_wanted(REPO, REPOSITORY)


@pytest.mark.parametrize("error", [ValueError("a bug"), MemoryError(), SystemExit(1)])
def test_a_fault_of_our_own_gives_the_lease_back(place: Place, error: BaseException) -> None:
    """It would be renewed for as long as the process lives, and nobody would look again."""
    place.forge.error = error
    with pytest.raises(type(error)):
        refreshed(place)
    assert not place.is_leased(REPO, REPOSITORY)
    assert place.is_wanted(REPO, REPOSITORY)
    place.lose_messages()
    assert place.marks.unserved(REPO) == []
    place.clock.seconds += refresh.RETRY_SECONDS
    assert place.marks.unserved(REPO) == [REPOSITORY]


def test_a_publish_that_fails_gives_the_lease_back(place: Place) -> None:
    place.queue.error = OSError("the broker is away")
    with pytest.raises(OSError, match="broker"):
        refreshed(place)
    assert not place.is_leased(REPO, REPOSITORY)
    assert place.is_wanted(APP, "shop")


def test_at_the_start_every_repository_is_looked_at(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refresh.mark_all(place.room, Trigger(TriggerKind.CHANGE, "worker start"))
    refresh.mark_all(place.room, Trigger(TriggerKind.CHANGE, "worker start"))
    assert sorted(place.queue.emptied()) == [
        "refresh git.example.com/else/where on push",
        f"refresh {REPOSITORY} on push",
    ]
