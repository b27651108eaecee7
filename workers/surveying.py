"""Look for abandoned sets on each cluster that documents name, or that was looked at before.

What is found is kept in the ledger, for the API has no access to clusters. A cluster that does
not answer keeps what was found there last.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable
from datetime import timedelta

from towline import abandoned
from towline.core.abandoned import survey_record
from towline.core.application import Documents
from towline.core.errors import TowlineError
from towline.core.schedule import slot_of
from towline.ports import Scope
from towline.settings import RESYNC_QUEUE
from workers.room import Room

log = logging.getLogger(__name__)

INTERVAL = timedelta(minutes=10)
_REMEMBERED_SECONDS = 30 * 24 * 3600.0
"""After so long without an answer a cluster that no document names is looked at no more."""


def queue_due(room: Room) -> None:
    """Once in each interval, and when it has changed which applications deploy to a cluster."""
    now, documents = room.services.clock.now(), room.documents
    due = {name: _slot(name, documents, now) for name in _clusters(room)}
    room.marks.retain(Scope.CLUSTER, due)
    for cluster in room.marks.entered(Scope.CLUSTER, due):
        room.queue.survey(cluster, queue=RESYNC_QUEUE)


def queue_all(room: Room) -> None:
    """When a worker starts: what it finds may have been flushed from Redis."""
    for cluster in _clusters(room):
        room.queue.survey(cluster, queue=RESYNC_QUEUE)


def _clusters(room: Room) -> Iterable[str]:
    """Those of the documents, and those that a document named once: it may have been the last."""
    since = room.services.clock.now() - _REMEMBERED_SECONDS
    surveys = room.ledger.surveys()
    remembered = {cluster for cluster, survey in surveys.items() if survey["at"] >= since}
    for cluster in surveys.keys() - remembered:
        room.ledger.record_survey(cluster, None)
    return sorted(_named(room.documents) | remembered)


def _named(documents: Documents) -> set[str]:
    return {a.destination.cluster for a in documents.applications.values()}


def _slot(cluster: str, documents: Documents, now: float) -> int:
    """The number of the interval, and beside it which applications deploy there."""
    there = (a.name for a in documents.applications.values() if a.destination.cluster == cluster)
    return slot_of(cluster, INTERVAL, now) << 32 | zlib.crc32("\n".join(sorted(there)).encode())


def survey(cluster: str, room: Room) -> None:
    """Look at one cluster. Where no document could be read yet, every set would seem abandoned."""
    if not room.is_furnished:
        return
    try:
        found = abandoned.survey(cluster, room.services)
        identity = room.services.cluster(cluster).identity()
    except TowlineError as error:
        log.warning("cluster %s: what was found of abandoned sets last stands: %s", cluster, error)
        return
    at = room.services.clock.now()
    is_done = not found and cluster not in _named(room.documents)
    record = None if is_done else survey_record(cluster, identity, found, at=at)
    room.ledger.record_survey(cluster, record)
