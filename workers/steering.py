"""Suspend, resume, approve: a person's word, kept with the inventory on the cluster."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from towline.core.errors import PermanentError
from towline.core.inventory import Parent
from towline.core.outcome import Trigger, TriggerKind
from towline.core.steering import Steer, Verb, verified
from workers.room import Room

log = logging.getLogger(__name__)

_LONGEST_SKEW = 3600.0
"""Seconds. A time further ahead is nobody's word, and would have every later one come too late."""


def steer(message: dict[str, Any], room: Room) -> None:
    """Write it down where it outlives Redis, and have the application looked at.

    A message that was not signed here is logged and dropped.
    """
    now = room.services.clock.now()
    said = heard(message, room, now)
    if said is None:
        return
    application = room.documents.applications.get(said.application)
    if application is None:
        log.warning("application %s: there is no such document", said.application)
        return
    inventory = room.services.inventory(application.destination.cluster)
    parent = inventory.read(application.name)
    if is_late(said, parent):
        return
    steered = _steered(parent, said)
    if steered is None:
        log.warning("application %s: %s is no word to note: ignored", application.name, said.verb)
        return
    inventory.write(replace(steered, steered=said.at))
    log.info("application %s: %s by %s", said.application, said.verb, said.actor)
    room.want_reconcile(application, Trigger(TriggerKind.STEER, f"{said.verb} {said.actor}", now))


def heard(message: dict[str, Any], room: Room, now: float) -> Steer | None:
    """What a message says; None, and a line in the log, if it was not signed here just now."""
    try:
        return verified(message, room.signing_key(), now=now)
    except PermanentError as error:
        log.warning("%s", error)
    except (AttributeError, KeyError, TypeError, ValueError):
        log.warning("a message to steer an application is malformed: ignored")
    return None


def is_late(said: Steer, parent: Parent) -> bool:
    """Whether a later word came before it, or itself; `said` was heard just now."""
    noted = parent.steered
    late = noted is not None and said.at <= noted <= said.at + _LONGEST_SKEW
    if late:
        log.warning("application %s: %s came too late or twice", said.application, said.verb)
    return late


def _steered(parent: Parent, said: Steer) -> Parent | None:
    match said.verb:
        case Verb.SUSPEND:
            return replace(parent, suspended=said.actor)
        case Verb.RESUME:
            return replace(parent, suspended=None)
        case Verb.APPROVE:
            return replace(parent, approved=said.value)
        case Verb.PRUNE:
            return None
