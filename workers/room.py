"""What the tasks work with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from towline.core.application import Application, Documents
from towline.core.outcome import Trigger, TriggerKind
from towline.ports import Expectations, Lease, Ledger, Marks, Scope, Services
from towline.settings import PUSH_QUEUE, RESYNC_QUEUE


class Queue(Protocol):
    def refresh(self, repository: str, *, queue: str) -> None: ...

    def reconcile(self, application: Application, *, queue: str) -> None: ...

    def survey(self, cluster: str, *, queue: str) -> None: ...


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

    @property
    def is_furnished(self) -> bool:
        """Whether documents were ever read here: a process that began while they were in error
        knows no application, and must not take that for an answer."""
        return self.documents.read

    def want_refresh(self, repository: str, trigger: Trigger) -> None:
        if self.marks.want(Scope.REPOSITORY, repository, trigger):
            self.queue.refresh(repository, queue=queue_for(trigger))

    def want_reconcile(self, application: Application, trigger: Trigger) -> None:
        if self.marks.want(Scope.APPLICATION, application.name, trigger):
            self.queue.reconcile(application, queue=queue_for(trigger))


def give_back(
    lease: Lease,
    requeue: Callable[[str], None],
    *,
    served: bool,
    retry_after: float = 0.0,
    heeded: bool = False,
) -> bool:
    """Release a lease (see `Lease.release`), and queue a task if more was wanted meanwhile.

    True if the caller is the one who comes back for what was not served.
    """
    left = lease.release(served=served, retry_after=retry_after, heeded=heeded)
    if left.more is not None:
        requeue(queue_for(left.more))
    return left.retry


@contextmanager
def given_back(lease: Lease, *, retry_after: float) -> Iterator[None]:
    """Whatever ends the block ends the lease too: it would be renewed for as long as the process
    lives, and keep everyone else away. A lease that was released before is left as it is."""
    try:
        yield
    except BaseException:
        lease.release(served=False, retry_after=retry_after)
        raise


def queue_for(trigger: Trigger) -> str:
    """What somebody waits for goes before what is only looked at."""
    return RESYNC_QUEUE if trigger.kind is TriggerKind.RESYNC else PUSH_QUEUE
