"""What the routes work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from towline.core.application import Documents
from towline.ports import Inbox, Ledger, Looks, Marks
from towline.settings import Settings


class Sender(Protocol):
    def __call__(
        self, task: str, arguments: Sequence[Any], *, seconds: float | None = None
    ) -> None:
        """Publish a task by name, with its time; raises what the broker's client raises."""


class DocumentSource(Protocol):
    error: str
    """What is wrong with the newest documents; the last good ones are in force."""

    def __call__(self) -> Documents: ...


@dataclass(frozen=True)
class Office:
    settings: Settings
    documents: DocumentSource
    inbox: Inbox
    ledger: Ledger
    marks: Marks
    looks: Looks
    send: Sender
    now: Callable[[], float]
    redis_answers: Callable[[], bool]
