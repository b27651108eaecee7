"""What the tasks work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from towline.core.application import Application, Documents
from towline.core.outcome import Trigger, TriggerKind
from towline.ports import Expectations, Ledger, Marks, Scope, Services
from towline.settings import PUSH_QUEUE, RESYNC_QUEUE


class Queue(Protocol):
    def refresh(self, repository: str, *, queue: str) -> None: ...

    def reconcile(self, application: Application, *, queue: str) -> None: ...


@dataclass(frozen=True)
class Room:
    services: Services
    marks: Marks
    ledger: Ledger
    expectations: Expectations
    queue: Queue
    signing_key: Callable[[], bytes]

    @property
    def documents(self) -> Documents:
        return self.services.documents()

    def want_refresh(self, repository: str, trigger: Trigger) -> None:
        if self.marks.want(Scope.REPOSITORY, repository, trigger):
            self.queue.refresh(repository, queue=queue_for(trigger))

    def want_reconcile(self, application: Application, trigger: Trigger) -> None:
        if self.marks.want(Scope.APPLICATION, application.name, trigger):
            self.queue.reconcile(application, queue=queue_for(trigger))


def queue_for(trigger: Trigger) -> str:
    """What somebody waits for goes before what is only looked at."""
    return RESYNC_QUEUE if trigger.kind is TriggerKind.RESYNC else PUSH_QUEUE
