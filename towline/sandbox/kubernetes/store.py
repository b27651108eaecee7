"""Where objects live: buckets of them, one counter of versions, and a log of what happened.

Objects in the store are never changed in place: a write replaces them. Everything else about
writing (merging, defaults, validation) happens before an object comes here.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from towline.sandbox.kubernetes.apply import Managers, write_managers
from towline.sandbox.kubernetes.kinds import Kind

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped kinds) and name."""

EVENTS_KEPT = 20_000
"""How far back a watch can start; what is older is answered with 410."""


def encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Stored:
    """An object with its field managers; `body` has no managedFields."""

    body: dict[str, Any]
    managers: Managers

    @property
    def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = self.body["metadata"]
        return metadata

    @property
    def version(self) -> str:
        version: str = self.metadata["resourceVersion"]
        return version

    @property
    def uid(self) -> str:
        uid: str = self.metadata["uid"]
        return uid

    @cached_property
    def object(self) -> dict[str, Any]:
        """As the API shows it."""
        if not self.managers:
            return self.body
        metadata = {**self.metadata, "managedFields": write_managers(self.managers)}
        return {**self.body, "metadata": metadata}

    @cached_property
    def raw(self) -> bytes:
        """`object` as JSON, starting with its kind and apiVersion in this order."""
        return encode(self.object)

    @cached_property
    def raw_item(self) -> bytes:
        """As an item of a list of built-in objects: without kind and apiVersion."""
        rest = {k: v for k, v in self.object.items() if k not in {"kind", "apiVersion"}}
        return encode(rest)


@dataclass(frozen=True, slots=True)
class Event:
    """One change: ADDED has no `old`; DELETED has the last state with a version of its own."""

    version: int
    type: str
    bucket: tuple[str, str]
    key: Key
    new: Stored
    old: Stored | None


class Store:
    """All objects, behind one lock that writers hold from reading to writing."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.closed = False
        self._version = 1
        self._buckets: dict[tuple[str, str], dict[Key, Stored]] = {}
        self._events: deque[Event] = deque()
        self._forgotten = 0

    @property
    def version(self) -> int:
        return self._version

    def get(self, kind: Kind, key: Key) -> Stored | None:
        return self._buckets.get(kind.bucket, {}).get(key)

    def items(self, kind: Kind, namespace: str = "") -> list[tuple[Key, Stored]]:
        """Sorted by namespace and name, as a real server lists them."""
        with self.lock:
            bucket = self._buckets.get(kind.bucket, {})
            return sorted(
                (
                    (key, held)
                    for key, held in bucket.items()
                    if not namespace or key[0] == namespace
                ),
                key=lambda pair: pair[0],
            )

    def items_at(self, kind: Kind, namespace: str, version: int) -> list[tuple[Key, Stored]] | None:
        """What there was at that version; None if the log does not reach back that far."""
        with self.lock:
            events = self.events_after(version)
            if events is None:
                return None
            then = dict(self.items(kind, namespace))
            for event in reversed(events):
                if event.bucket != kind.bucket or namespace not in {"", event.key[0]}:
                    continue
                if event.old is None:
                    then.pop(event.key, None)
                else:
                    then[event.key] = event.old
            return sorted(then.items(), key=lambda pair: pair[0])

    def in_namespace(self, namespace: str) -> Iterator[tuple[tuple[str, str], Key, Stored]]:
        """Everything in a namespace, with the bucket it is in."""
        for name, bucket in list(self._buckets.items()):
            for key, held in list(bucket.items()):
                if key[0] == namespace:
                    yield name, key, held

    def put(
        self, bucket: tuple[str, str], key: Key, body: dict[str, Any], managers: Managers
    ) -> Stored:
        """Write an object under a new version."""
        with self.lock:
            objects = self._buckets.setdefault(bucket, {})
            old = objects.get(key)
            new = self._versioned(body, managers)
            objects[key] = new
            self._note("MODIFIED" if old else "ADDED", bucket, key, new, old)
            return new

    def remove(self, bucket: tuple[str, str], key: Key) -> Stored | None:
        with self.lock:
            old = self._buckets.get(bucket, {}).pop(key, None)
            if old is None:
                return None
            last = self._versioned(old.body, old.managers)
            self._note("DELETED", bucket, key, last, old)
            return last

    def events_after(self, version: int) -> list[Event] | None:
        """What happened since; None if the log does not reach back that far."""
        with self.lock:
            if version < self._forgotten:
                return None
            newer = []
            for event in reversed(self._events):
                if event.version <= version:
                    break
                newer.append(event)
            newer.reverse()
            return newer

    def forget_events(self) -> None:
        """As etcd's compaction does: no watch can start before now, running ones go on."""
        with self.lock:
            self._events.clear()
            self._forgotten = self._version

    def close(self) -> None:
        """Wake and end all watches."""
        with self.lock:
            self.closed = True
            self.changed.notify_all()

    def _versioned(self, body: dict[str, Any], managers: Managers) -> Stored:
        self._version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self._version)}
        return Stored({**body, "metadata": metadata}, managers)

    def _note(
        self, kind: str, bucket: tuple[str, str], key: Key, new: Stored, old: Stored | None
    ) -> None:
        self._events.append(Event(self._version, kind, bucket, key, new, old))
        if len(self._events) > EVENTS_KEPT:
            self._forgotten = self._events.popleft().version
        self.changed.notify_all()
