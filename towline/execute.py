"""Writes: a Plan into an Outcome.

Stages in order, the objects of a stage in parallel; one object's failure is its Result and does
not stop the others. Pruning comes last, in reverse, and only if nothing failed before it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from towline.core import inventory
from towline.core.errors import LeaseLostError
from towline.core.objects import Object, key_of
from towline.core.ordering import Stage
from towline.core.outcome import Result, ResultKind
from towline.core.plan import Action, Change, Plan
from towline.core.resources import Resource
from towline.ports import PARALLEL, Clock, Cluster, RefusedError

ESTABLISH_SECONDS = 10.0
"""How long a run waits for a definition of its own revision to be served."""

_LINGERS = "the old object is being deleted and not gone yet; it is created again after that"

_DONE = {
    Action.CREATE: ResultKind.CREATED,
    Action.UPDATE: ResultKind.UPDATED,
    Action.RECREATE: ResultKind.RECREATED,
    Action.DELETE: ResultKind.DELETED,
}


@dataclass(frozen=True)
class Executor:
    """Interprets one plan on one cluster; `still_held` says whether it may still write."""

    plan: Plan
    cluster: Cluster
    clock: Clock
    still_held: Callable[[], bool]

    def run(self) -> tuple[Result, ...]:
        """Raises LeaseLostError before the first write that is no longer ours to make."""
        results: list[Result] = []
        for stage in self.plan.applies:
            results += self._each(stage)
            if stage[0].stage[1] is Stage.DEFINITIONS:
                self._await_definitions(result.kind for result in results)
        failed = sum(result.kind is ResultKind.FAILED for result in results)
        for stage in self.plan.prunes:
            if failed:
                reason = f"not in Git; kept, for {failed} of the other objects failed"
                results += [_result(ResultKind.SKIPPED, change, reason) for change in stage]
            else:
                results += self._each(stage)
        return tuple(results)

    def _each(self, changes: Iterable[Change]) -> list[Result]:
        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(self._one, changes))

    def _one(self, change: Change) -> Result:
        if change.problem:
            return _result(ResultKind.FAILED, change, change.problem)
        if change.action is Action.KEEP:
            return _result(ResultKind.UNCHANGED, change, change.reason)
        if change.action is Action.SKIP:
            return _result(ResultKind.SKIPPED, change, change.reason)
        hold = self.plan.held_by(change)
        if hold:
            return _result(ResultKind.SKIPPED, change, f"{change.action} held: {hold.message}")
        if not self.still_held():
            raise LeaseLostError("another worker may have taken over; the rest is left to it")
        try:
            lingers = not self._write(change)
        except RefusedError as refused:
            return _result(ResultKind.FAILED, change, self._explained(change, refused))
        reason = f"{change.reason}; it is being deleted, and not gone yet"
        result = _result(_DONE[change.action], change, reason if lingers else change.reason)
        return replace(result, lingers=lingers)

    def _write(self, change: Change) -> bool:
        """False if what was deleted is not gone yet."""
        resource = _resource_of(change)
        if change.action is Action.DELETE:
            return self._delete(resource, _live_of(change))
        if change.action is Action.RECREATE and not self._delete(resource, _live_of(change)):
            raise RefusedError(_LINGERS, status=409)
        self.cluster.apply(resource, _body_of(change))
        return True

    def _delete(self, resource: Resource, live: Object) -> bool:
        """Delete what was judged. Where it changed since (a controller wrote its status, say), what
        it has become is judged anew, once."""
        try:
            return self.cluster.delete(resource, live)
        except RefusedError as refused:
            if refused.status != 409:
                raise
        key = key_of(live)
        now = self.cluster.get(resource, key.namespace, key.name)
        if now is None or now["metadata"]["uid"] != live["metadata"]["uid"]:
            return True
        against = inventory.why_not_ours(now, self.plan.parent) or inventory.why_kept(now)
        if against:
            raise RefusedError(f"not deleted, for it has changed: {against}", status=409)
        return self.cluster.delete(resource, now)

    def _explained(self, change: Change, refused: RefusedError) -> str:
        namespace = change.key.namespace
        if refused.status == 404 and f'namespaces "{namespace}"' in refused.message:
            return (
                f"the namespace {namespace} does not exist: create it, "
                "or add its manifest to the application"
            )
        return refused.message

    def _await_definitions(self, results: Iterable[ResultKind]) -> None:
        """The one wait of a run: until the API serves the kinds that the stage has defined.

        A definition that was updated may have brought a new version of its kind.
        """
        if not {ResultKind.CREATED, ResultKind.UPDATED} & set(results):
            return
        wanted = {c.resource for c in self.plan.permitted if c.resource and c.live is None}
        deadline = self.clock.monotonic() + ESTABLISH_SECONDS
        while self.clock.monotonic() < deadline:
            served = self.cluster.resources(fresh=True)
            if all(served.find(r.api_version, r.kind) for r in wanted):
                return
            self.clock.sleep(0.1)


def _result(kind: ResultKind, change: Change, message: str) -> Result:
    return Result(kind, change.key, message, change.place, change.previous_owners)


def _resource_of(change: Change) -> Resource:
    if change.resource is None:
        raise ValueError(f"{change.key} has no resource")
    return change.resource


def _live_of(change: Change) -> Object:
    if change.live is None:
        raise ValueError(f"{change.key} is not live")
    return change.live


def _body_of(change: Change) -> Object:
    """What to apply. Taking an object over is bound to the very state that was judged."""
    if change.manifest is None:
        raise ValueError(f"{change.key} has no manifest")
    if not change.handed_over_from:
        return change.manifest.body
    body = copy.copy(change.manifest.body)
    version = _live_of(change)["metadata"]["resourceVersion"]
    body["metadata"] = {**body["metadata"], "resourceVersion": version}
    return body
