"""Who owns which field: server-side apply, and the tracking of all other writes.

The rules are those of the server's structured merge: an applier owns what it names, what it
named before and names no more goes away unless someone else owns it, a differing value that
another manager owns is a conflict, and an equal one is owned together. A field set is never
converted between API versions: all versions of a kind have the same fields here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from towline.sandbox.kubernetes.fields import (
    NONE,
    Comparison,
    Fields,
    Path,
    compare,
    display,
    from_v1,
    members,
    to_v1,
    with_named,
    without,
)
from towline.sandbox.kubernetes.merge import merged
from towline.sandbox.kubernetes.shape import Shape, zero_of
from towline.sandbox.kubernetes.status import Cause, StatusError, apply_conflict

# What identifies an object or belongs to the server is owned by nobody.
_UNOWNED: Fields = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in [
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ]
    }
)


class Manager(NamedTuple):
    """What tells one entry of managedFields from another."""

    name: str
    operation: str
    api_version: str
    """Empty for appliers, which have one entry whatever version they use."""
    subresource: str = ""

    def __str__(self) -> str:
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        if self.operation == "Update":
            text += f" using {self.api_version}"
        return text


@dataclass(frozen=True, slots=True)
class Entry:
    """The fields that a manager owns, since when, and in which version it wrote them."""

    fields: Fields
    time: str
    api_version: str


Managers = dict[Manager, Entry]


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, when, and which fields such a request cannot write."""

    name: str
    api_version: str
    time: str
    subresource: str = ""
    resets: tuple[Path, ...] = ()
    force: bool = False
    """Whether an apply takes fields away from others instead of being refused."""

    def manager(self, operation: str) -> Manager:
        version = self.api_version if operation == "Update" else ""
        return Manager(self.name, operation, version, self.subresource)

    def writable(self, fields: Iterable[Path]) -> Fields:
        resets = self.resets
        return frozenset(
            path
            for path in fields
            if path not in _UNOWNED and not any(path[: len(r)] == r for r in resets)
        )


def read_managers(managed: Iterable[Mapping[str, Any]]) -> Managers:
    """The entries of `metadata.managedFields`."""
    managers: Managers = {}
    for item in managed:
        operation = item.get("operation", "")
        version = item.get("apiVersion", "")
        key = Manager(
            item.get("manager", ""),
            operation,
            version if operation == "Update" else "",
            item.get("subresource", ""),
        )
        managers[key] = Entry(from_v1(item.get("fieldsV1") or {}), item.get("time", ""), version)
    return managers


def write_managers(managers: Managers) -> list[dict[str, Any]]:
    """Sorted as the server sorts them: appliers first, then by time."""

    def order(item: tuple[Manager, Entry]) -> tuple[str, ...]:
        manager, entry = item
        return (
            manager.operation,
            entry.time,
            manager.name,
            entry.api_version,
            manager.subresource,
        )

    return [
        {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": entry.api_version,
            **({"time": entry.time} if entry.time else {}),
            "fieldsType": "FieldsV1",
            "fieldsV1": to_v1(entry.fields),
            **({"subresource": manager.subresource} if manager.subresource else {}),
        }
        for manager, entry in sorted(managers.items(), key=order)
    ]


def server_side_apply(
    live: dict[str, Any],
    config: dict[str, Any],
    *,
    shape: Shape,
    managers: Managers,
    writer: Writer,
) -> tuple[dict[str, Any], Managers]:
    """The object after the apply, not yet defaulted, and who owns what then.

    Neither object has managedFields here. Raises a conflict unless `writer.force`.
    """
    me = writer.manager("Apply")
    before = managers.get(me)
    after = Entry(writer.writable(members(config, shape)), writer.time, writer.api_version)
    result = merged(live, config, shape)
    if before and before.fields == after.fields and result == live:
        return live, managers
    owners = {**managers, me: after}
    if before:
        result = _pruned(result, before.fields, owners, shape)
    owners = _settled(owners, me, compare(live, result, shape), force=writer.force)
    if before and before.fields == after.fields and result == live:
        owners[me] = before
    if not after.fields:
        del owners[me]
    return result, owners


def _pruned(result: dict[str, Any], last: Fields, owners: Managers, shape: Shape) -> dict[str, Any]:
    """Without what the applier owned last and nobody owns now."""
    gone = last.difference(*(entry.fields for entry in owners.values()))
    if not gone:
        return result
    everything = with_named(members(result, shape), shape)
    last_named = with_named(last, shape)
    stripped = without(result, last_named, shape)
    # What identifies the object is there, whoever owns the rest of its metadata.
    kept = with_named(members(stripped, shape), shape) | _UNOWNED
    for entry in owners.values():
        kept |= with_named(entry.fields, shape)
    restored = without(result, everything - kept, shape)
    left = with_named(members(restored, shape), shape)
    # What vanished only along with its parent, and was never ours, stays.
    pruned: dict[str, Any] = without(result, (everything - left) & last_named, shape)
    return pruned


def _settled(owners: Managers, me: Manager, change: Comparison, *, force: bool) -> Managers:
    """Take what changed away from the others; without `force` that is a conflict."""
    written = change.added | change.modified
    conflicts: dict[Manager, Fields] = {}
    settled: Managers = {}
    for manager, entry in owners.items():
        taken = NONE if manager == me else entry.fields & written
        if taken:
            conflicts[manager] = taken
        left = entry.fields if manager == me else entry.fields - taken - change.removed
        if left or manager == me:
            settled[manager] = (
                entry
                if len(left) == len(entry.fields)
                else Entry(left, entry.time, entry.api_version)
            )
    if conflicts and not force:
        raise _conflict(conflicts)
    return settled


def _conflict(conflicts: dict[Manager, Fields]) -> StatusError:
    pairs = sorted((manager, path) for manager, paths in conflicts.items() for path in paths)
    causes = [
        Cause("FieldManagerConflict", f"conflict with {manager}", display(path))
        for manager, path in pairs
    ]
    if len(pairs) == 1:
        manager, path = pairs[0]
        text = f"Apply failed with 1 conflict: conflict with {manager}: {display(path)}"
        return apply_conflict(text, causes)
    grouped: dict[Manager, list[str]] = defaultdict(list)
    for manager, path in pairs:
        grouped[manager].append(f"- {display(path)}")
    lines: list[str] = []
    for manager, paths in grouped.items():
        lines += [f"conflicts with {manager}:", *paths]
    return apply_conflict(f"Apply failed with {len(pairs)} conflicts: " + "\n".join(lines), causes)


def tracked(
    live: dict[str, Any] | None,
    new: dict[str, Any],
    *,
    shape: Shape,
    managers: Managers,
    writer: Writer,
) -> Managers:
    """Who owns what after a write that is not an apply; `live` is None on creation."""
    change = compare(zero_of(shape) if live is None else live, new, shape)
    me = writer.manager("Update")
    change = Comparison(
        writer.writable(change.added),
        writer.writable(change.modified),
        change.removed,
    )
    written = change.added | change.modified
    others = _settled({**managers, me: managers.get(me, _nothing(writer))}, me, change, force=True)
    mine = (others[me].fields - change.removed) | written
    if not mine:
        del others[me]
    elif written or mine != others[me].fields:
        others[me] = Entry(mine, writer.time if written else others[me].time, writer.api_version)
    return others


def _nothing(writer: Writer) -> Entry:
    return Entry(NONE, writer.time, writer.api_version)
