"""Writes: a Plan into Results.

Stages in order, the objects of a stage in parallel; one object's failure is its Result and does
not stop the others. A stage whose predecessors are not healthy is left to a later run. Pruning
comes last, in reverse, and only if nothing failed or waits before it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

from towline.core import inventory
from towline.core.errors import LeaseLostError
from towline.core.health import Health, assess
from towline.core.inventory import MANAGER
from towline.core.objects import Object, key_of
from towline.core.ordering import Stage
from towline.core.outcome import Result, ResultKind
from towline.core.plan import Action, Change, Plan
from towline.core.resources import Resource, defined_by
from towline.core.staging import Blocker, blocker, is_custom, waits_for, why_held_back
from towline.core.takeover import Takeover
from towline.ports import PARALLEL, Clock, Cluster, RefusedError
from towline.storage import Claims

ESTABLISH_SECONDS = 10.0
"""How long a run waits for a definition of its own revision to be served."""

_LOOKS = 3
"""So often an object is judged anew that others write to while it is taken over."""

_NEXT = "the next run looks at it again"
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

    @cached_property
    def claims(self) -> Claims:
        return Claims(self.cluster)

    def run(self) -> tuple[Result, ...]:
        """Raises LeaseLostError before the first write that is no longer ours to make."""
        applied = self._apply()
        return (*applied, *self._prune(applied))

    def _apply(self) -> list[Result]:
        results: list[Result] = []
        blockers: list[Blocker] = []
        for stage in self.plan.applies:
            why = "" if self.plan.heals else why_held_back(stage[0].stage, blockers)
            done = self._each(stage, why)
            if stage[0].stage[1] is Stage.DEFINITIONS:
                done = self._await_definitions(stage, done)
            blockers += _blockers(stage, done)
            results += done
        return results

    def _prune(self, applied: Sequence[Result]) -> list[Result]:
        failed = sum(result.kind is ResultKind.FAILED for result in applied)
        if failed:
            reason = f"not in Git; kept, for {failed} of the other objects failed"
            deletes = (change for stage in self.plan.prunes for change in stage)
            return [_result(ResultKind.SKIPPED, change, reason) for change in deletes]
        results: list[Result] = []
        why = next((result.message for result in applied if result.waits), "")
        for stage in self.plan.prunes:
            done = self._each(stage, why)
            results += done
            leaving = [r.key for r in done if r.lingers and is_custom(r.key)]
            leaving = leaving if self.plan.prunes_operators else []
            why = why or waits_for(f"{key} to be gone" for key in leaving)
        return results

    def _each(self, changes: Sequence[Change], why: str) -> list[Result]:
        """`why` is what writes wait for. Only they are worth threads."""
        writes = [change for change in changes if change.action.writes]
        with ThreadPoolExecutor(PARALLEL) as pool:
            written = pool.map(lambda change: self._one(change, why), writes)
            done = dict(zip((change.key for change in writes), written, strict=True))
        return [done.get(change.key) or _unwritten(change) for change in changes]

    def _one(self, change: Change, why: str) -> Result:
        if change.problem:
            return _result(ResultKind.FAILED, change, change.problem)
        hold = self.plan.held_by(change)
        if hold:
            return _result(ResultKind.SKIPPED, change, f"{change.action} held: {hold.message}")
        why = why or self.plan.waiting.get(change.key, "")
        if why:
            return replace(_result(ResultKind.SKIPPED, change, why), waits=True)
        self._check_lease()
        try:
            return self._write(change)
        except RefusedError as refused:
            return _result(ResultKind.FAILED, change, self._explained(change, refused))

    def _check_lease(self) -> None:
        if not self.still_held():
            raise LeaseLostError("another worker may have taken over; the rest is left to it")

    def _write(self, change: Change) -> Result:
        resource = _resource_of(change)
        result = _result(_DONE[change.action], change, change.reason)
        if change.action is Action.DELETE:
            if self._delete(resource, _live_of(change)):
                return result
            reason = f"{change.reason}; it is being deleted, and not gone yet"
            return replace(result, message=reason, lingers=True)
        if change.action is Action.RECREATE and not self._delete(resource, _live_of(change)):
            raise RefusedError(_LINGERS, status=409)
        change = self._take_over(resource, change)
        answer = self.cluster.apply(resource, _body_of(change))
        return replace(result, health=self.claims.assess(answer))

    def _take_over(self, resource: Resource, change: Change) -> Change:
        """Write down who owns what before the apply, which then removes what it does not name.

        A run that ends in between leaves fields to us that Git does not name: the next apply
        removes them all the same.
        """
        for _ in range(_LOOKS):
            if change.takeover is None:
                break
            try:
                live = self.cluster.patch(resource, _live_of(change), change.takeover.steps)
            except RefusedError as refused:
                if refused.status != 409 or change.handed_over_from:
                    raise
                change = self._judged_anew(resource, change, change.takeover)
            else:
                change = replace(change, live=live, takeover=None)
                self._check_lease()
        if change.takeover is not None:
            raise RefusedError(f"others write to it all the time; {_NEXT}", status=409)
        return change

    def _judged_anew(self, resource: Resource, change: Change, planned: Takeover) -> Change:
        """Where somebody wrote to the object since (a controller its status, say)."""
        live, key = _live_of(change), change.key
        now = self.cluster.get(resource, key.namespace, key.name)
        if now is None or now["metadata"]["uid"] != live["metadata"]["uid"]:
            raise RefusedError(f"it was deleted meanwhile; {_NEXT}", status=409)
        again = planned.again(now, change.predicted or live, MANAGER)
        if again is not None and again.gone != planned.gone:
            raise RefusedError(f"it was applied with kubectl meanwhile; {_NEXT}", status=409)
        return replace(change, live=now, takeover=again)

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

    def _await_definitions(self, stage: Sequence[Change], results: list[Result]) -> list[Result]:
        """The one wait of a run: until the API serves the kinds that the stage has defined.

        A definition that was updated may have brought a new version of its kind.
        """
        defined = {
            group_kind
            for change, result in zip(stage, results, strict=True)
            if result.kind in _COMING and change.manifest
            for group_kind in defined_by(change.manifest)
        }
        if not defined:
            return results
        permitted = (change.resource for change in self.plan.permitted)
        wanted = {r for r in permitted if r is not None and r.group_kind in defined}
        deadline = self.clock.monotonic() + ESTABLISH_SECONDS
        while True:
            results = [self._looked_at(*pair) for pair in zip(stage, results, strict=True)]
            served = self.cluster.resources(fresh=True)
            is_served = all(served.find(r.api_version, r.kind) for r in wanted)
            if (is_served and not any(map(_is_coming, results))) or (
                self.clock.monotonic() >= deadline
            ):
                return results
            self.clock.sleep(0.1)

    def _looked_at(self, change: Change, result: Result) -> Result:
        if not _is_coming(result):
            return result
        live = self.cluster.get(_resource_of(change), change.key.namespace, change.key.name)
        return replace(result, health=assess(live))


_COMING = (ResultKind.CREATED, ResultKind.UPDATED, ResultKind.RECREATED)


def _is_coming(result: Result) -> bool:
    """Whether an object was written just now, and is on its way."""
    is_written = result.kind in _COMING
    return is_written and result.health is not None and (result.health.health is Health.PROGRESSING)


def _blockers(stage: Sequence[Change], results: Iterable[Result]) -> Iterable[Blocker]:
    wave = stage[0].stage[0]
    for result in results:
        failed = result.kind is ResultKind.FAILED
        found = blocker(result.key, wave, result.health, failed=failed)
        if found:
            yield found


def _unwritten(change: Change) -> Result:
    if change.problem:
        return _result(ResultKind.FAILED, change, change.problem)
    if change.action is Action.KEEP:
        return _result(ResultKind.UNCHANGED, change, change.reason)
    result = _result(ResultKind.SKIPPED, change, change.reason)
    return replace(result, lingers=change.is_leaving)


def _result(kind: ResultKind, change: Change, message: str) -> Result:
    return Result(
        kind, change.key, message, change.place, change.previous_owners, health=change.health
    )


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
