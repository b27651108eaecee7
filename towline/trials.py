"""What would an apply do? Asked of the server by dry runs, which write nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from towline.core import takeover
from towline.core.desired import Desired
from towline.core.fieldvalues import without
from towline.core.inventory import MANAGER
from towline.core.objects import BUILT_IN_GROUPS, Object, ObjectKey, group_of
from towline.core.plan import Refusal
from towline.core.resources import Resource
from towline.core.takeover import Takeover
from towline.core.verdicts import digest_of, same
from towline.ports import PARALLEL, Cluster, RefusedError, Verdicts

_LOOKS = 3
"""So often an object is looked at again that others write to while it is compared."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What becomes of one live object by what Git says of it."""

    live: Object
    """As it was when the dry run was tried on it."""
    answer: Object | Refusal
    """`live` itself where nothing changes, as was proved."""
    takeover: Takeover | None = None
    left: str = ""
    """Why fields that kubectl applied stay kubectl's."""

    @property
    def changes_nothing(self) -> bool:
        if self.takeover is not None or isinstance(self.answer, Refusal):
            return False
        return self.answer is self.live or same(self.live, self.answer)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A live object of which it is to be found out what becomes of it."""

    item: Desired
    live: Object
    is_proven: bool
    """An apply would change nothing: only what kubectl owns has to be looked at."""

    @property
    def digest(self) -> str:
        """What a verdict on it is remembered by; empty if it can't be, for it depends on what the
        digest does not cover: what kubectl owns, or a schema, which may change."""
        if self.item.key.group not in BUILT_IN_GROUPS or takeover.concerns(self.live):
            return ""
        return digest_of(self.item.manifest.body, self.live)


@dataclass(frozen=True)
class Trials:
    """Dry runs on one cluster for one application."""

    cluster: Cluster
    application: str
    verdicts: Verdicts

    def foresee(self, doubts: Sequence[Doubt]) -> dict[ObjectKey, Foreseen]:
        """What a dry run said before, while neither side has changed, is taken for an answer."""
        digests = {doubt.digest: doubt for doubt in doubts} if doubts else {}
        known = self.verdicts.known(self.application, filter(None, digests))
        remembered = {
            digests[digest].item.key: Foreseen(digests[digest].live, digests[digest].live)
            for digest in known
        }
        asked = [doubt for doubt in doubts if doubt.item.key not in remembered]
        with ThreadPoolExecutor(PARALLEL) as pool:
            tried = dict(
                zip((d.item.key for d in asked), pool.map(self._foresee, asked), strict=True)
            )
        new = [
            Doubt(doubt.item, tried[doubt.item.key].live, is_proven=False).digest
            for doubt in asked
            if tried[doubt.item.key].changes_nothing
        ]
        if any(new):
            self.verdicts.remember(self.application, filter(None, new))
        return remembered | tried

    def create(self, items: Sequence[Desired]) -> dict[ObjectKey, Object | Refusal]:
        """What would be made of objects that are not there; nothing is said where that cannot be
        tried, for the namespace is yet to come."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            answers = zip(items, pool.map(self._create, items), strict=True)
            return {item.key: answer for item, answer in answers if answer is not None}

    def _create(self, item: Desired) -> Object | Refusal | None:
        try:
            return self.cluster.apply(_resource_of(item), item.manifest.body, dry_run=True)
        except RefusedError as refused:
            return None if refused.status == 404 else refused.refusal

    def _foresee(self, doubt: Doubt) -> Foreseen:
        item, live, resource = doubt.item, doubt.live, _resource_of(doubt.item)
        seen = Foreseen(live, live) if doubt.is_proven else self._apply(item, resource, live)
        for _ in range(_LOOKS):
            if isinstance(seen.answer, Refusal):
                return seen
            try:
                return self._with_takeover(resource, seen.live, seen.answer)
            except _MovedError:
                seen = self._apply(item, resource, seen.live)
        if isinstance(seen.answer, Refusal):
            return seen
        return _of_named(seen.live, seen.answer, "others write to the object all the time")

    def _apply(self, item: Desired, resource: Resource, live: Object) -> Foreseen:
        """Both of one moment: a dry run answers with the version of what it was tried on.

        Else what a controller wrote after the listing would look like a change of ours.
        """
        try:
            answer = self.cluster.apply(resource, item.manifest.body, dry_run=True)
            for _ in range(_LOOKS):
                if _version(live) == _version(answer):
                    break
                live = self.cluster.get(resource, item.key.namespace, item.key.name) or live
                if _version(live) != _version(answer):
                    answer = self.cluster.apply(resource, item.manifest.body, dry_run=True)
        except RefusedError as refused:
            return Foreseen(live, refused.refusal)
        return Foreseen(live, answer)

    def _with_takeover(self, resource: Resource, live: Object, answer: Object) -> Foreseen:
        """Where fields are taken over, the plain apply does not show that they go."""
        taken = takeover.take_over(live, answer, MANAGER)
        if taken is None:
            return Foreseen(live, answer)
        wanted = without(answer, taken.gone, taken.kept)
        if wanted == answer:
            return Foreseen(live, answer, taken)
        if group_of(str(answer["apiVersion"])) not in BUILT_IN_GROUPS and _has_null(wanted):
            # After an apply it is refused where the schema has a type; in a patch it is dropped.
            return _of_named(live, answer, "the server would leave null of what is empty now")
        try:
            final = self.cluster.patch(resource, live, towards(live, wanted), dry_run=True)
        except RefusedError as refused:
            if refused.status == 409:
                raise _MovedError from None
            return _of_named(live, answer, refused.message)
        # Who owns what is told by the apply: the patch was but a way to ask for defaults.
        metadata = {**final["metadata"], "managedFields": answer["metadata"]["managedFields"]}
        return Foreseen(live, {**final, "metadata": metadata}, taken)


def _resource_of(item: Desired) -> Resource:
    if item.resource is None:
        raise ValueError(f"{item.key} has no resource")
    return item.resource


class _MovedError(Exception):
    """Somebody wrote to the object between two dry runs."""


def _of_named(live: Object, answer: Object, why: str) -> Foreseen:
    """Without what cannot be taken over. Applied it is all the same."""
    whole = takeover.take_over(live, answer, MANAGER)
    whose = ", ".join(whole.losses if whole else ())
    left = f"fields of {whose} that Git does not name stay: {why}"
    return Foreseen(live, answer, takeover.take_over_named(live, answer, MANAGER), left)


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    return value is None or (isinstance(value, list) and any(map(_has_null, value)))


def towards(live: Object, wanted: Object) -> list[Object]:
    """A JSON patch (RFC 6902) from one state of an object to another; who owns what stays."""
    steps = list(_steps("", live, wanted, _names(live, wanted) - {"metadata"}))
    now, then = live["metadata"], wanted["metadata"]
    return steps + list(_steps("/metadata", now, then, _names(now, then) - _OF_THE_SERVER))


_OF_THE_SERVER = {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"}


def _names(left: Object, right: Object) -> set[str]:
    return {*left, *right}


def _steps(where: str, left: Object, right: Object, names: Iterable[str]) -> Iterable[Object]:
    for name in sorted(names):
        path = f"{where}/{name.replace('~', '~0').replace('/', '~1')}"
        if name not in right:
            yield {"op": "remove", "path": path}
        elif name not in left or left[name] != right[name]:
            yield {"op": "add", "path": path, "value": right[name]}


def _version(body: Object) -> str:
    return str(body["metadata"].get("resourceVersion", ""))
