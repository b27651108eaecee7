"""Refresh a repository: one fetch, then a mark for each application that it moved."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from towline.core.application import Application
from towline.core.errors import SourceError, TemporaryError, TowlineError
from towline.core.outcome import Status, Trigger, TriggerKind
from towline.ports import Lease, Scope, Tree
from workers.room import Room, give_back, given_back

log = logging.getLogger(__name__)

EXPECT_SECONDS = 60.0
RETRY_SECONDS = 60.0
"""After so long a look that ended in an error of our own is taken again."""

MOST_ATTEMPTS = 5


def refresh(repository: str, room: Room) -> None:
    """Serve the repository's mark; raises TemporaryError if it must be looked at again."""
    lease = room.marks.take(Scope.REPOSITORY, repository)
    if lease is not None:
        with given_back(lease, retry_after=RETRY_SECONDS):
            _refresh(repository, lease, room)


def _refresh(repository: str, lease: Lease, room: Room) -> None:
    requeue = partial(_requeue, repository, room)
    url = room.documents.repository_urls.get(repository)
    if url is None or lease.attempts > MOST_ATTEMPTS:
        log.warning("repository %s: no application follows it, or it ends its workers", repository)
        give_back(lease, requeue, served=room.is_furnished, retry_after=RETRY_SECONDS)
        return
    try:
        room.services.repositories.refresh(url)
        awaited = _awaited(repository, url, room)
        _mark_moved(repository, lease, room)
    except TowlineError as error:
        log.warning("repository %s: %s", repository, error)
        room.ledger.record_source(repository, error=str(error))
        if not isinstance(error, TemporaryError):
            give_back(lease, requeue, served=True)
        elif give_back(lease, requeue, served=False, retry_after=error.delay):
            raise
        return
    room.ledger.record_source(repository, error="")
    if awaited is None:
        give_back(lease, requeue, served=True)
    elif give_back(lease, requeue, served=False, retry_after=awaited):
        raise SourceError(f"{repository} does not show the pushed commit yet", delay=awaited)


def _requeue(repository: str, room: Room, queue: str) -> None:
    room.queue.refresh(repository, queue=queue)


def _awaited(repository: str, url: str, room: Room) -> float | None:
    """Seconds until the next look for a commit that a webhook announced, or None.

    A webhook can come before the forge serves the ref. The pauses grow with the wait, and after
    a minute the commit counts as gone (somebody pushed over it).
    """
    now = room.services.clock.now()
    pauses = []
    for ref, (commit, since) in room.expectations.expected(repository).items():
        waited = now - since
        if waited > EXPECT_SECONDS or room.services.repositories.knows(url, commit):
            room.expectations.met(repository, ref)
        else:
            pauses.append(min(10.0, max(0.25, waited / 2)))
    return min(pauses, default=None)


def _mark_moved(repository: str, lease: Lease, room: Room) -> None:
    trigger = lease.trigger
    if trigger.kind is TriggerKind.RESYNC:
        trigger = replace(trigger, kind=TriggerKind.CHANGE)
    following = room.documents.following(repository)
    statuses = room.ledger.statuses([application.name for application in following])
    heads: dict[tuple[str, str], list[Application]] = {}
    for application in following:
        source = application.source
        heads.setdefault((source.repository, source.describes), []).append(application)
    for applications in heads.values():
        for application in _moved(applications, statuses, room):
            room.want_reconcile(application, trigger)


def _moved(
    applications: Sequence[Application], statuses: Mapping[str, Any], room: Room
) -> Iterable[Application]:
    """Those that follow one ref and whose render differs from their last good run's.

    The tree is opened once, however many they are.
    """
    try:
        with room.services.repositories.tree(applications[0].source) as tree:
            return [a for a in applications if _has_moved(a, statuses[a.name], tree, room)]
    except TowlineError:
        return applications  # the runs will say what is wrong


def _has_moved(application: Application, status: Any, tree: Tree, room: Room) -> bool:
    if status is None or status.get("status") == Status.FAILED:
        return True
    try:
        return bool(status.get("digest") != room.services.renderer.digest(application, tree))
    except TowlineError:
        return True  # the run will say what is wrong


def mark_all(room: Room, trigger: Trigger) -> None:
    """Have every repository looked at: when a worker starts."""
    for repository in room.documents.repository_urls:
        room.want_refresh(repository, trigger)
