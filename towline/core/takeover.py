"""Fields that kubectl clients applied become Towline's, so that what Git drops goes.

Who applied an object with kubectl and now keeps it in Git means the same fields. A forced apply
does not say so: kubectl stays an owner beside us, and what one owner drops the other keeps. So
`metadata.managedFields` is rewritten before the apply, as kubectl itself does it on the way from
client-side to server-side apply (client-go, `util/csaupgrade`). What is taken over:

- all that `kubectl apply --server-side` applied;
- of what `kubectl apply` wrote the fields that its annotation with the last manifest names, and
  the annotation: it is stale from then on, and may hold secrets. The rest of that entry is what
  the server filled in, and becomes nobody's. Without the annotation all of it was meant;
- of both not the number of replicas, unless Git names it: it stays as it is, for an autoscaler may
  count on it without having written it yet;
- of what other kubectl commands wrote (create, edit, label, rollout restart, …) the fields that
  the manifest in Git names. The others stay theirs.

Never touched are subresources (scale, status), managers that are not kubectl, and what was written
in another version of the API than the manifest's, for a field set can't be converted here. While
our own entry is of another version nothing is taken over: the apply writes it in the manifest's.

Nothing here raises for malformed `managedFields` or annotations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from towline.core.fieldset import Path, Paths, apply_entry, entries, paths, readable, trie
from towline.core.fieldvalues import named
from towline.core.objects import Object, annotations_of, group_of

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which `kubectl apply` keeps the manifest that it applied last."""

_ANNOTATION: Final[Path] = ("f:metadata", "f:annotations", f"f:{LAST_APPLIED}")
_CLIENT_SIDE: Final = "kubectl-client-side-apply"
_REPLICAS: Final[Path] = ("f:spec", "f:replicas")
_BEFORE_FIRST_APPLY: Final = "before-first-apply"
# `kubectl-last-applied` keeps the annotation up after a change to server-side apply.
_APPLIERS: Final = frozenset({"kubectl", "kubectl-last-applied"})
_WRITERS: Final = frozenset({"kubectl", _BEFORE_FIRST_APPLY})
_IDENTITY: Final = ("manager", "operation", "apiVersion", "subresource")


@dataclass(frozen=True, slots=True)
class Takeover:
    """What is taken over from whom, and what has to be written for it before the apply."""

    managed_fields: tuple[Object, ...]
    """What `metadata.managedFields` must become."""
    managers: tuple[str, ...]
    """From whom, in alphabetical order."""
    gone: Paths
    """What is ours then and the manifest does not name: the apply gives it up."""
    kept: Paths
    """What the manifest names, or somebody else owns."""
    losses: Mapping[str, tuple[str, ...]]
    """The fields that go, as readable paths, by the manager who had them."""
    is_whole: bool = True
    """Whether fields that the manifest does not name are taken over too."""

    @property
    def steps(self) -> list[Object]:
        """The JSON patch (RFC 6902) that writes it down; `add` replaces what is there."""
        owners = list(self.managed_fields)
        return [{"op": "add", "path": "/metadata/managedFields", "value": owners}]

    def again(self, live: Object, after: Object, manager: str) -> Takeover | None:
        """The same for an object that somebody wrote to meanwhile; None if nothing is left."""
        return _takeover(live, after, manager, is_whole=self.is_whole)


def concerns(live: Object) -> bool:
    """Whether a kubectl client owns any of an object: a quick look, for of most it owns none."""
    return any(map(_is_kubectl, entries(live)))


def take_over(live: Object, after: Object, manager: str) -> Takeover | None:
    """What is taken over of a live object; None where nothing is.

    `after` is what an apply by `manager` makes of it: a dry run's answer, or `live` itself where
    that was proved. Our entry there holds the fields that the manifest names, and what kubectl
    loses to the apply by force needs no taking over.
    """
    return _takeover(live, after, manager, is_whole=True)


def take_over_named(live: Object, after: Object, manager: str) -> Takeover | None:
    """No more than the fields that the manifest names: their co-ownership ends."""
    return _takeover(live, after, manager, is_whole=False)


def _takeover(live: Object, after: Object, manager: str, *, is_whole: bool) -> Takeover | None:
    ours = apply_entry(after, manager)
    if ours is None or not concerns(live) or not _is_rewritable(live, ours):
        return None
    before, wanted = apply_entry(live, manager), _fields_of(ours)
    said = _last_applied(live) if is_whole else None
    judge = _Judge(ours["apiVersion"], _fields_of(before) | wanted, said, is_whole)
    losers = [entry for entry in entries(live) if judge.takes_from(entry, after)]
    if not losers:
        return None
    taken = _taken(losers, judge)
    now_ours = _fields_of(before).union(*taken.values())
    others = [
        judge.shrunk(entry) if entry in losers else entry
        for entry in entries(live)
        if entry is not before
    ]
    kept = wanted.union(*map(_fields_of, others))
    own = {**(before or _made(ours, losers)), "fieldsV1": trie(now_ours)}
    return Takeover(
        managed_fields=tuple(entry for entry in (own, *others) if entry["fieldsV1"]),
        managers=tuple(sorted(taken)),
        gone=now_ours - wanted,
        kept=kept,
        losses=_losses(taken, now_ours, kept),
        is_whole=is_whole,
    )


def _is_kubectl(entry: Object) -> bool:
    manager, operation = entry.get("manager"), entry.get("operation")
    if not isinstance(manager, str) or entry.get("subresource"):
        return False
    if operation == "Apply":
        return manager in _APPLIERS
    return operation == "Update" and (manager in _WRITERS or manager.startswith("kubectl-"))


def _is_rewritable(live: Object, ours: Object) -> bool:
    """Whether each entry has the form of one, and ours is of the manifest's version, if there is
    one. Of an entry that it cannot read a server does not complain: it forgets all of them.
    """
    listed = entries(live)
    versions = [
        entry.get("apiVersion")
        for entry in listed
        if entry.get("manager") == ours["manager"]
        and entry.get("operation") == "Apply"
        and not entry.get("subresource")
    ]
    return (
        isinstance(ours.get("apiVersion"), str)
        and len(listed) == len(live["metadata"]["managedFields"])
        and all(map(_is_readable, listed))
        and versions in ([], [ours["apiVersion"]])
    )


def _is_readable(entry: Object) -> bool:
    return entry.get("fieldsType") == "FieldsV1" and isinstance(entry.get("fieldsV1"), dict)


def _fields_of(entry: Object | None) -> Paths:
    fields = entry.get("fieldsV1") if entry else None
    return paths(fields) if isinstance(fields, dict) else frozenset()


def _last_applied(live: Object) -> Object | None:
    """The manifest in the annotation, if it is JSON of this very object."""
    try:
        said = json.loads(annotations_of(live).get(LAST_APPLIED, ""))
        metadata = said["metadata"]
        is_this = (
            group_of(said["apiVersion"]) == group_of(live["apiVersion"])
            and said["kind"] == live["kind"]
            and metadata["name"] == live["metadata"]["name"]
            and metadata.get("namespace") in (None, live["metadata"].get("namespace"))
        )
        return _as_stored(said) if is_this else None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _as_stored(said: Object) -> Object:
    """A Secret's `stringData` is written into `data`, and is never read."""
    plain, data = said.get("stringData"), said.get("data") or {}
    if said["kind"] != "Secret" or not isinstance(plain, dict) or not isinstance(data, dict):
        return said
    return {**said, "data": {**data, **plain}}


@dataclass(frozen=True, slots=True)
class _Judge:
    """What of an entry is taken over."""

    api_version: str
    mine: Paths
    """What is ours already, or will be by the apply."""
    said: Object | None
    """What kubectl applied last from a client, if that is known."""
    is_whole: bool

    def takes_from(self, entry: Object, after: Object) -> bool:
        """Whether there is something to take, and the apply alone would leave it there."""
        if not _is_kubectl(entry) or entry.get("apiVersion") != self.api_version:
            return False
        same = (other for other in entries(after) if _is_same_owner(entry, other))
        left = frozenset[Path]().union(*map(_fields_of, same))
        return all(self.split(entry, owned)[1] != owned for owned in (_fields_of(entry), left))

    def shrunk(self, entry: Object) -> Object:
        return {**entry, "fieldsV1": trie(self.split(entry, _fields_of(entry))[1])}

    def split(self, entry: Object, owned: Paths) -> tuple[Paths, Paths]:
        """What becomes ours of the fields that an entry owns, and what stays its own."""
        covered = owned & self.mine
        if not self.is_whole:
            return covered, owned - covered
        if entry["operation"] == "Apply":
            return covered | (owned - {_REPLICAS}), frozenset()
        if self._is_of_client_side_apply(entry):
            meant = owned if self.said is None else self._meant(owned)
            return covered | (meant - {_REPLICAS}), frozenset()
        if _ANNOTATION in owned:
            # By `kubectl create --save-config`, or by an apply of kubectl before 1.19.
            covered |= self._meant(owned) - {_REPLICAS}
        return covered, owned - covered

    def _is_of_client_side_apply(self, entry: Object) -> bool:
        """Of the fields that were there before the first apply ever, only the annotation can tell:
        without it they may be an autoscaler's as well.
        """
        manager = entry["manager"]
        return manager == _CLIENT_SIDE or (manager == _BEFORE_FIRST_APPLY and self.said is not None)

    def _meant(self, owned: Paths) -> Paths:
        """What the manifest that was applied last names, and the annotation that holds it."""
        return (
            frozenset() if self.said is None else named(owned, self.said) | (owned & {_ANNOTATION})
        )


def _is_same_owner(entry: Object, other: Object) -> bool:
    return all(entry.get(name) == other.get(name) for name in _IDENTITY)


def _taken(losers: Iterable[Object], judge: _Judge) -> dict[str, Paths]:
    """What each manager loses; some have more than one entry."""
    taken: dict[str, Paths] = {}
    for entry in losers:
        manager = str(entry["manager"])
        fields = judge.split(entry, _fields_of(entry))[0]
        taken[manager] = taken.get(manager, frozenset()) | fields
    return taken


def _made(ours: Object, losers: Iterable[Object]) -> Object:
    """An entry for us where there is none, as old as what is taken over."""
    made = {name: ours[name] for name in ("manager", "operation", "apiVersion")}
    made["fieldsType"] = "FieldsV1"
    times = [entry["time"] for entry in losers if "time" in entry]
    return {**made, "time": times[0]} if times else made


def _losses(taken: Mapping[str, Paths], now_ours: Paths, kept: Paths) -> dict[str, tuple[str, ...]]:
    """What goes, without the maps and items around it."""
    inner = {path[:length] for path in now_ours | kept for length in range(1, len(path))}
    losses = {
        manager: tuple(sorted(map(readable, fields - kept - inner)))
        for manager, fields in sorted(taken.items())
    }
    return {manager: fields for manager, fields in losses.items() if fields}
