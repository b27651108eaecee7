"""Watching a kind: events from a version on, bookmarks, and 410 for what is too old.

A bookmark is sent when the watch has been quiet for a second while the cluster's version moved
on, and before a watch ends by its own time limit; a real server sends them once a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from towline.sandbox.kubernetes.kinds import Kind
from towline.sandbox.kubernetes.selectors import Test
from towline.sandbox.kubernetes.status import StatusError, expired
from towline.sandbox.kubernetes.store import Event, Store, Stored, encode

QUIET = 1.0
"""Seconds without an event after which a bookmark may go out."""

Render = Callable[[Stored], bytes]
"""How the client wants to see an object."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What one request watches."""

    kind: Kind
    namespace: str
    selected: Test
    render: Render
    version: int | None
    """Events after this version; None starts with the objects that there are."""
    bookmarks: bool = False
    initial_events_end: bool = False
    """Whether to say when the initial objects are complete (`sendInitialEvents`)."""
    seconds: float | None = None

    def lines(self, store: Store) -> Iterator[bytes]:
        """One JSON document for each event; ends with the store, the time or the log."""
        deadline = None if self.seconds is None else time.monotonic() + self.seconds
        version = yield from self._initial(store)
        told, told_at = version, time.monotonic()
        while not store.closed:
            with store.lock:
                events = store.events_after(version)
                if not events and not store.closed:
                    store.changed.wait(_pause(deadline))
                    events = store.events_after(version)
                now = store.version
            if events is None:
                yield _error(expired(f"too old resource version: {version} ({now})"))
                return
            lines = [line for event in events for line in self._line(event)]
            over = deadline is not None and time.monotonic() >= deadline
            version = events[-1].version if events else version
            quiet = told < version and time.monotonic() - told_at >= QUIET
            if self.bookmarks and not lines and (quiet or over):
                lines.append(self._bookmark(version))
            if lines:
                told, told_at = version, time.monotonic()
                yield b"".join(lines)
            elif not events:
                # Nothing happened for a while: let the server see whether the client is there.
                yield b""
            if over:
                return

    def _initial(self, store: Store) -> Generator[bytes, None, int]:
        if self.version is not None:
            return self.version
        with store.lock:
            version = store.version
            held = [item for _, item in store.items(self.kind, self.namespace)]
        lines = [
            b'{"type":"ADDED","object":%b}\n' % self.render(item)
            for item in held
            if self.selected(item.body)
        ]
        if self.initial_events_end:
            lines.append(self._bookmark(version, initial=True))
        if lines:
            yield b"".join(lines)
        return version

    def _line(self, event: Event) -> Iterator[bytes]:
        if event.bucket != self.kind.bucket or self.namespace not in {"", event.key[0]}:
            return
        before = event.old is not None and self.selected(event.old.body)
        after = event.type != "DELETED" and self.selected(event.new.body)
        # An object that stops matching the selector is gone for this client.
        name = {(True, True): "MODIFIED", (False, True): "ADDED", (True, False): "DELETED"}.get(
            (before, after)
        )
        if name:
            yield b'{"type":"%b","object":%b}\n' % (name.encode(), self.render(event.new))

    def _bookmark(self, version: int, *, initial: bool = False) -> bytes:
        metadata: dict[str, Any] = {"resourceVersion": str(version), "creationTimestamp": None}
        if initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        body = {
            "kind": self.kind.kind,
            "apiVersion": self.kind.api_version,
            "metadata": metadata,
        }
        return encode({"type": "BOOKMARK", "object": body}) + b"\n"


def _pause(deadline: float | None) -> float:
    return QUIET if deadline is None else max(0.0, min(QUIET, deadline - time.monotonic()))


def _error(error: StatusError) -> bytes:
    return encode({"type": "ERROR", "object": error.as_json()}) + b"\n"
