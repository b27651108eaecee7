"""Sets of fields, as `managedFields` records them.

A path is a tuple of segments spelled as in fieldsV1: `f:name` for a field, `k:{…}` for the item
of an associative list, `v:…` for the member of a set. A field set is a set of paths.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from towline.sandbox.kubernetes.shape import Shape

Path = tuple[str, ...]
Fields = frozenset[Path]

NONE: Fields = frozenset()

_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode


class ListKeyError(ValueError):
    """An item of an associative list lacks its keys, or is no map."""


def is_leaf(value: Any, shape: Shape) -> bool:
    """Whether a value is owned as a whole."""
    if isinstance(value, dict):
        return shape.atomic or not value
    if isinstance(value, list):
        return not (shape.keys or shape.unique)
    return True


def segment_of(item: Any, shape: Shape) -> str:
    """What names this item within its list."""
    if shape.unique:
        return "v:" + _encode(item)
    if not isinstance(item, dict):
        raise ListKeyError("associative list with keys may not have non-map elements")
    keys = {}
    for key in shape.keys:
        value = item.get(key, shape.key_defaults.get(key))
        if value is not None:
            keys[key] = value
    if not keys:
        names = ", ".join(json.dumps(key) for key in shape.keys)
        raise ListKeyError(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return "k:" + _encode(keys)


def children(value: Any, shape: Shape) -> Iterator[tuple[str, Any, Shape]]:
    """The parts of a value that is not a leaf; of items with the same key, the first."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"f:{name}", inner, shape.child(name)
        return
    seen = set()
    for item in value:
        segment = segment_of(item, shape)
        if segment not in seen:
            seen.add(segment)
            yield segment, item, shape.item()


def members(value: Any, shape: Shape) -> Fields:
    """The fields that applying this value would own."""
    found: list[Path] = []
    _collect(value, shape, (), found, everything=False)
    return frozenset(found)


def nodes(value: Any, shape: Shape, path: Path) -> list[Path]:
    """Every field of the value, containers included, and itself."""
    found: list[Path] = [path]
    if not is_leaf(value, shape):
        _collect(value, shape, path, found, everything=True)
    return found


def _collect(value: Any, shape: Shape, path: Path, found: list[Path], *, everything: bool) -> None:
    for segment, inner, inner_shape in children(value, shape):
        here = (*path, segment)
        leaf = is_leaf(inner, inner_shape)
        if everything or leaf or shape.mapping or segment[0] != "f":
            found.append(here)
        if not leaf:
            _collect(inner, inner_shape, here, found, everything=everything)


def with_named(fields: Iterable[Path], root: Shape) -> set[Path]:
    """These fields, and the named fields on the way to them (not map entries, not items)."""
    full: set[Path] = set()
    for path in fields:
        full.add(path)
        shape = root
        for depth in range(1, len(path)):
            segment = path[depth - 1]
            if segment.startswith("f:") and not shape.mapping:
                full.add(path[:depth])
            shape = shape.step(segment)
    return full


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one object differs from another, in fields."""

    added: Fields
    modified: Fields
    removed: Fields


def compare(old: Any, new: Any, shape: Shape) -> Comparison:
    added: list[Path] = []
    modified: list[Path] = []
    removed: list[Path] = []

    def walk(before: Any, after: Any, at: Shape, path: Path) -> None:
        if before == after:
            return
        if type(before) is not type(after) or is_leaf(before, at) or is_leaf(after, at):
            _compare_leaves(before, after, at, path)
            return
        left = {segment: (value, inner) for segment, value, inner in children(before, at)}
        for segment, value, inner in children(after, at):
            here = (*path, segment)
            if segment in left:
                walk(left.pop(segment)[0], value, inner, here)
            else:
                added.extend(nodes(value, inner, here))
        for segment, (value, inner) in left.items():
            removed.extend(nodes(value, inner, (*path, segment)))

    def _compare_leaves(before: Any, after: Any, at: Shape, path: Path) -> None:
        if isinstance(before, dict) and not is_leaf(before, at) and after in ({}, None):
            removed.extend(nodes(before, at, path)[1:])
        elif isinstance(after, dict) and not is_leaf(after, at) and before in ({}, None):
            added.extend(nodes(after, at, path)[1:])
        else:
            modified.append(path)

    walk(old, new, shape, ())
    return Comparison(frozenset(added), frozenset(modified), frozenset(removed))


class _Missing:
    pass


_MISSING = _Missing()


def without(value: Any, fields: Iterable[Path], shape: Shape) -> Any:
    """The object without these fields; of a container that loses all it had null is left."""
    tree: dict[str, Any] = {}
    for path in fields:
        node = tree
        for segment in path:
            node = node.setdefault(segment, {})
        node["."] = {}
    left = _pruned(value, tree, shape) if tree else value
    return {} if left is None else left


def _pruned(value: Any, tree: dict[str, Any], shape: Shape) -> Any:
    if not isinstance(value, (dict, list)) or is_leaf(value, shape):
        return value
    if isinstance(value, dict):
        kept: dict[str, Any] = {}
        for name, inner in value.items():
            left = _pruned_child(inner, tree.get(f"f:{name}"), shape.child(name))
            if left is not _MISSING:
                kept[name] = left
        return kept or None
    items = []
    for item in value:
        left = _pruned_child(item, tree.get(segment_of(item, shape)), shape.item())
        if left is not _MISSING and left is not None:
            items.append(left)
    return items or None


def _pruned_child(value: Any, tree: dict[str, Any] | None, shape: Shape) -> Any:
    if tree is None:
        return value
    if "." in tree:
        return _MISSING
    return _pruned(value, tree, shape)


def to_v1(fields: Iterable[Path]) -> dict[str, Any]:
    """As `fieldsV1` spells it."""
    tree: dict[str, Any] = {}
    for path in sorted(fields):
        node = tree
        for depth, segment in enumerate(path):
            inner = node.get(segment)
            if inner is None:
                inner = node[segment] = {}
            elif not inner and depth < len(path) - 1:
                # Sorted, so a path comes before those beneath it: it was a member itself.
                inner["."] = {}
            node = inner
    return tree


def from_v1(tree: dict[str, Any]) -> Fields:
    found: list[Path] = []

    def walk(node: dict[str, Any], path: Path) -> None:
        if not node and path:
            found.append(path)
        for segment, inner in node.items():
            if segment == ".":
                found.append(path)
            else:
                walk(inner, (*path, segment))

    walk(tree, ())
    return frozenset(found)


@lru_cache(maxsize=4096)
def display(path: Path) -> str:
    """As messages name a field: `.spec.template.spec.containers[name="web"].image`."""
    text = ""
    for segment in path:
        if segment.startswith("f:"):
            text += f".{segment[2:]}"
        elif segment.startswith("v:"):
            text += f"[={segment[2:]}]"
        elif segment.startswith("i:"):
            text += f"[{segment[2:]}]"
        else:
            keys = json.loads(segment[2:])
            text += "[" + ",".join(f"{name}={json.dumps(keys[name])}" for name in keys) + "]"
    return text
