"""Reading `metadata.managedFields`: who owns which field of a live object.

Server-side apply records each manager's fields as a trie, `fieldsV1`. Its parts are `f:<name>`
for a field, `k:<JSON object>` for an item of an associative list, `v:<JSON value>` for a member
of a set and `i:<index>` for a position; `.` says that the node itself is owned besides its
children, and an empty node is owned as it stands. The form is that of structured-merge-diff,
`fieldpath/serialize.go`.

Everything here takes whatever a server may send: what is malformed counts as not owned, and
nothing raises for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from towline.core.objects import Object

FieldSet = Mapping[str, Any]
"""A `fieldsV1` trie, as it stands in the JSON of the object."""

Path = tuple[str, ...]
"""The raw parts from the root of a trie to a node, without the `.`."""

Paths = frozenset[Path]
"""A field set as the set of its members: union and difference are those of sets."""


def entries(live: Object) -> list[Object]:
    """The `managedFields` entries that have the form of one, in the server's order."""
    metadata = live.get("metadata")
    listed = metadata.get("managedFields") if isinstance(metadata, dict) else None
    if not isinstance(listed, list):
        return []
    return [entry for entry in listed if isinstance(entry, dict)]


def apply_entry(live: Object, manager: str) -> Object | None:
    """The entry that `manager` has through server-side apply of the object itself.

    A server keeps exactly one such entry for a manager, whatever the version. Where there are
    more, somebody wrote them by hand, and none of them is taken for the manager's.
    """
    found = [entry for entry in entries(live) if _is_applied_by(entry, manager)]
    return found[0] if len(found) == 1 else None


def owns(live: Object, manager: str, path: Sequence[str]) -> bool:
    """Whether `manager` applied exactly the field at `path`: names without their `f:`.

    A field counts as owned when it is a member of the set; that only something below it is
    owned does not suffice.
    """
    node: Any = _fields(apply_entry(live, manager))
    if not path:
        return False
    for name in path:
        node = node.get(f"f:{name}")
        if not isinstance(node, dict):
            return False
    return is_member(node)


def is_member(node: FieldSet) -> bool:
    """Whether a node of a trie, not the root, is a member of the set itself."""
    return not node or "." in node


def paths(fields: FieldSet) -> frozenset[Path]:
    """All members of a field set: its leaves, and the inner nodes that hold a `.`.

    `{"f:a": {".": {}, "f:b": {}}}` has the members `("f:a",)` and `("f:a", "f:b")`.
    """
    return frozenset(_members(fields))


def trie(members: Iterable[Path]) -> dict[str, Any]:
    """The field set with these members: what `paths` takes apart."""
    root: dict[str, Any] = {}
    # Sorted, a path comes before those below it: an empty node on the way is a member itself.
    for path in sorted(members):
        node = root
        for part in path[:-1]:
            inner = node.get(part)
            if inner is None:
                inner = node[part] = {}
            elif not inner:
                inner["."] = {}
            node = inner
        node[path[-1]] = {}
    return root


def lost(before: Object, after: Object, *, to: str) -> dict[str, tuple[str, ...]]:
    """What other managers lost to the manager `to`, by the name of the one who lost it.

    `before` is the live object, `after` what an apply by `to` (a dry run will do) made of it.
    An entry is the same one when manager, operation and subresource are. A field that simply
    went away, or that went to somebody else, is not counted. The paths are readable ones, in
    alphabetical order.
    """
    taken = paths(_fields(apply_entry(after, to)))
    kept = _members_by_entry(after)
    losses: dict[str, set[str]] = {}
    for identity, members in _members_by_entry(before).items():
        manager, operation, subresource = identity
        if (manager, operation, subresource) == (to, "Apply", ""):
            continue
        gone = {
            path for path in members - kept.get(identity, frozenset()) if _is_within(path, taken)
        }
        if gone:
            losses.setdefault(manager, set()).update(map(readable, gone))
    return {manager: tuple(sorted(losses[manager])) for manager in sorted(losses)}


def readable(path: Sequence[str]) -> str:
    """`spec.template.spec.containers[name=web].image` for the raw parts of a path.

    Names with a dot or another sign in them are quoted: `metadata.labels["example.com/team"]`.
    """
    return "".join(map(_readable_part, path)).removeprefix(".")


def readable_name(name: str) -> str:
    """One field name as a step of a readable path, with its leading dot or its brackets."""
    plain = name.replace("-", "").replace("_", "")
    if plain.isalnum():
        return f".{name}"
    return f"[{json.dumps(name, ensure_ascii=False)}]"


def readable_item(keys: Mapping[str, Any]) -> str:
    """The item of a list that has these keys as a step of a readable path: `[name=web]`."""
    return "[" + ",".join(f"{name}={_readable_value(keys[name])}" for name in keys) + "]"


def _is_applied_by(entry: Object, manager: str) -> bool:
    return (
        entry.get("manager") == manager
        and entry.get("operation") == "Apply"
        and not entry.get("subresource")
    )


def _fields(entry: Object | None) -> dict[str, Any]:
    fields = entry.get("fieldsV1") if entry else None
    return fields if isinstance(fields, dict) else {}


def _members(fields: FieldSet) -> Iterator[Path]:
    # A loop instead of recursion: no depth of nesting in the answer of a server can end it.
    waiting: list[tuple[Path, Any]] = [((), fields)]
    while waiting:
        path, node = waiting.pop()
        if not isinstance(node, dict):
            continue
        if path and is_member(node):
            yield path
        waiting.extend(((*path, part), child) for part, child in node.items() if part != ".")


def _members_by_entry(body: Object) -> dict[tuple[str, str, str], frozenset[Path]]:
    found: dict[tuple[str, str, str], frozenset[Path]] = {}
    for entry in entries(body):
        identity = (
            str(entry.get("manager") or ""),
            str(entry.get("operation") or ""),
            str(entry.get("subresource") or ""),
        )
        # Updates through several versions of the API have an entry each.
        found[identity] = found.get(identity, frozenset()) | paths(_fields(entry))
    return found


def _is_within(path: Path, owned: frozenset[Path]) -> bool:
    """Whether `owned` has the path, or owns something around it as a whole."""
    inner = {other[:length] for other in owned for length in range(1, len(other))}
    around = (path[:length] for length in range(1, len(path)))
    return path in owned or any(outer in owned and outer not in inner for outer in around)


def _readable_part(part: str) -> str:
    form, name = part[:2], part[2:]
    if part == ".":
        return ""
    if form == "f:":
        return readable_name(name)
    if form == "i:":
        return f"[{name}]"
    if form in {"k:", "v:"}:
        return _readable_member(form, name)
    return readable_name(part)


def _readable_member(form: str, text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return f"[{text}]"
    if form == "k:" and isinstance(value, dict):
        return readable_item(value)
    return f"[={_readable_value(value)}]"


def _readable_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
