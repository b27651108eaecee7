"""An object's values at the paths of a field set.

The parts of paths are those of `towline.core.fieldset`. What is malformed speaks of no value, and
nothing raises for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from towline.core.fieldset import FieldSet, Path, Paths, is_member, trie
from towline.core.objects import Object

_GONE: Final = object()
"""Stands for a value that goes, and for a text that is no JSON."""


def named(members: Iterable[Path], body: Object) -> Paths:
    """The members for which an object has a value: what is left of a field set where only that
    counts which the object names.

    An item of a list may lack keys, for a server adds those that have a default.
    """
    return frozenset(path for path in members if _value_at(body, path) is not None)


def without(body: Object, gone: Paths, kept: Paths) -> Object:
    """The object without the fields `gone`, as an apply leaves it that names them no more.

    `kept` is what somebody owns then. A field goes with all that is in it unless something of
    that is kept: the defaults beside it are nobody's, and come back. An item of a list goes
    unless it is kept itself. The rules are those of structured-merge-diff, `merge/update.go`
    (`prune`); without the schema, the value of an arbitrary name counts as a field.
    """
    identified = kept | {("f:metadata", "f:name")}
    left = _without(body, trie(gone), trie(identified))
    return left if isinstance(left, dict) else {}


def _value_at(body: Object, path: Path) -> Any:
    node: Any = body
    for part in path:
        node = _step(node, part)
        if node is None:
            return None
    return node


def _step(node: Any, part: str) -> Any:
    """The child of a value that a part speaks of; None if there is none."""
    form, text = part[:2], part[2:]
    if isinstance(node, dict):
        return node.get(text) if form == "f:" else None
    if not isinstance(node, list):
        return None
    place = _place_of(node, form, text)
    return None if place is None else node[place]


def _place_of(items: list[Any], form: str, text: str) -> int | None:
    """Where the item of a list stands that a part speaks of."""
    wanted = _decoded(text)
    if form == "k:" and isinstance(wanted, dict):
        fits = [_fit(item, wanted) for item in items]
        best = max(fits, default=0)
        return fits.index(best) if best else None
    if form == "v:":
        return next((i for i, item in enumerate(items) if _is_same(item, wanted)), None)
    if form == "i:" and type(wanted) is int and 0 <= wanted < len(items):
        return wanted
    return None


def _fit(item: Any, keys: Mapping[str, Any]) -> int:
    """How many of the keys an item has; 0 if one of them has another value."""
    if not isinstance(item, dict):
        return 0
    shared = [name for name in keys if name in item]
    return len(shared) if all(_is_same(item[name], keys[name]) for name in shared) else 0


def _is_same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


@lru_cache(maxsize=4096)
def _decoded(text: str) -> Any:
    """The JSON of a key or a member, not to be changed; `_GONE` where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _GONE


def _without(value: Any, gone: FieldSet, kept: FieldSet) -> Any:
    """What is left of a value: null of what is emptied, as the server leaves it."""
    if isinstance(value, dict):
        left = {
            name: _without_child(inner, f"f:{name}", gone, kept) for name, inner in value.items()
        }
        left = {name: inner for name, inner in left.items() if inner is not _GONE}
        return left if left or not value else None
    if isinstance(value, list):
        parts = {_place_of(value, part[:2], part[2:]): part for part in gone if part != "."}
        items = [
            _without_child(item, parts.get(place, ""), gone, kept)
            for place, item in enumerate(value)
        ]
        items = [item for item in items if item is not _GONE]
        return items if items or not value else None
    return value


def _without_child(value: Any, part: str, gone: FieldSet, kept: FieldSet) -> Any:
    node, owned = gone.get(part), kept.get(part)
    if node is None:
        return value
    if part.startswith("f:"):
        return _GONE if owned is None else _without(value, node, owned)
    if is_member(node) and (owned is None or not is_member(owned)):
        return _GONE
    return _without(value, node, owned or {})
