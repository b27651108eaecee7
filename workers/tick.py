"""The tick of beat: what is due, and what was marked and never served.

Every beat may tick as often as it likes: each slot and each lost mark is told once.
"""

from __future__ import annotations

from towline.core.outcome import Trigger, TriggerKind
from towline.core.schedule import slot_of
from towline.ports import Scope
from towline.settings import RESYNC_QUEUE
from workers import surveying
from workers.room import Room


def tick(room: Room) -> None:
    if room.is_furnished:
        _forget_removed(room)
    _mark_due(room)
    _queue_unserved(room)
    surveying.queue_due(room)


def _forget_removed(room: Room) -> None:
    room.marks.retain(Scope.REPOSITORY, room.documents.repository_urls)
    room.marks.retain(Scope.APPLICATION, room.documents.applications)


def _mark_due(room: Room) -> None:
    now = room.services.clock.now()
    documents = room.documents
    trigger = Trigger(TriggerKind.RESYNC, at=now)
    repositories = {
        name: slot_of(name, documents.interval_of(url), now)
        for name, url in documents.repository_urls.items()
    }
    for name in room.marks.entered(Scope.REPOSITORY, repositories):
        room.want_refresh(name, trigger)
    applications = {
        name: slot_of(name, application.sync.interval, now)
        for name, application in documents.applications.items()
    }
    for name in room.marks.entered(Scope.APPLICATION, applications):
        room.want_reconcile(documents.applications[name], trigger)


def _queue_unserved(room: Room) -> None:
    """A publish that failed, a message that was lost, a worker that died with its lease."""
    for name in room.marks.unserved(Scope.REPOSITORY):
        room.queue.refresh(name, queue=RESYNC_QUEUE)
    for name in room.marks.unserved(Scope.APPLICATION):
        application = room.documents.applications.get(name)
        if application is not None:
            room.queue.reconcile(application, queue=RESYNC_QUEUE)
