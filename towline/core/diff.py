"""Two states of an object side by side, with nothing secret in them.

`changes` gives data, `unified` gives text for people; both mask first, so that no caller can
forget. What the server counts and stamps for itself is left out of both.

What is masked, always whole and whatever its type:

- each value below `data`, `stringData` and `binaryData` of a Secret, and below any field that a
  Secret should not have, such as a misspelt one. The names of the keys stay: they say what
  changed, and are no secret;
- each annotation of a Secret, for tools keep copies of its values there, except the ones below
  `towline.dev/`, which hold none. Labels stay: they are made to be listed and selected by;
- the annotation that `kubectl apply` keeps, on objects of every kind: it repeats the whole
  object as it once was, and says nothing that the rest of the diff does not.

A mask says nothing about its value, neither length nor digest, and it is the same for all. Only
where one place differs between the two sides, the sides are marked.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import Any, Final, NamedTuple

import yaml

from towline.core.fieldset import readable_item, readable_name
from towline.core.objects import Object, group_of
from towline.core.ownership import is_same_json


class Absence(Enum):
    """The type of `ABSENT`, so that it can be told from every JSON value, null included."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return self.name


ABSENT: Final = Absence.ABSENT
"""What stands in place of a field that is not there."""

MASK: Final = "••••••"
MASK_BEFORE: Final = f"{MASK} (before)"
MASK_AFTER: Final = f"{MASK} (after)"

_HARMLESS_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "type", "immutable"})
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_OURS: Final = "towline.dev/"

_IGNORED: Final = ("status",)
_IGNORED_METADATA: Final = (
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
)

# What items of a list are told apart by, the most telling first. These are the keys of the
# associative lists of the built-in kinds; a pair stands where one alone would not do.
_ITEM_KEYS: Final = (
    ("name",),
    ("key",),
    ("containerPort",),
    ("containerPort", "protocol"),
    ("port",),
    ("port", "protocol"),
    ("mountPath",),
    ("type",),
    ("ip",),
    ("uid",),
)

# Texts of several lines that a literal block gives back as they are. The look ahead is written
# so that it takes one pass, however long a line is.
_IN_LINES: Final = re.compile(r"(?=\s*\S[^\n]*\n)[\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff]*")
_NEVER_FOLD: Final = 2**31

_FIRST: Final = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs; `ABSENT` stands for the side that does not have it."""

    path: str
    before: Any
    after: Any


def changes(before: Object | None, after: Object | None) -> tuple[FieldChange, ...]:
    """What differs, field by field, in the alphabetical order of the paths' names.

    None is an object that is not there: each leaf of the other side is then one change. Items
    of a list are matched by a key that all of them have and none shares, else by position.
    Where the same items stand in another order, the change is of `path (order)`, from and to
    the items' keys. There is no change exactly if both are equal as JSON, without what is
    ignored.
    """
    left, right = _prepared(before, after)
    return tuple(_compare("", left, right))


def unified(before: Object | None, after: Object | None, *, name: str, context: int = 3) -> str:
    """A unified diff of both as YAML; empty if nothing differs.

    `name` is what the two headings call the object, `context` the number of lines around each
    change. A side that is not there is `/dev/null`, as Git writes it.
    """
    left, right = _prepared(before, after)
    if is_same_json(left, right):
        return ""
    lines = difflib.unified_diff(
        _lines(left),
        _lines(right),
        "/dev/null" if left is ABSENT else f"a/{name}",
        "/dev/null" if right is ABSENT else f"b/{name}",
        n=context,
        lineterm="",
    )
    return "".join(f"{line}\n" for line in lines)


def masked(body: Object) -> Object:
    """A deep copy without anything secret in it."""
    copy: Object = _copied(body)
    # All are found before the first is masked, for a dictionary is being walked.
    for place in list(_places(copy, secret=_is_secret(copy))):
        place.mask(MASK)
    return copy


def masked_pair(before: Object | None, after: Object | None) -> tuple[Object | None, Object | None]:
    """Deep copies without anything secret in them, that still show which values differ."""
    left, right = _copied(before), _copied(after)
    secret = any(_is_secret(body) for body in (before, after) if body is not None)
    left_places, right_places = (
        {place.path: place for place in _places(body, secret=secret)} if body is not None else {}
        for body in (left, right)
    )
    for path in left_places.keys() | right_places.keys():
        _mask_both(left_places.get(path), right_places.get(path))
    return left, right


# Masking


def _is_secret(body: Object) -> bool:
    return body.get("kind") == "Secret" and not group_of(str(body.get("apiVersion") or ""))


class _Place(NamedTuple):
    """A value to be masked: what it is called in any body, and where it stands in this one."""

    path: tuple[str, ...]
    holder: dict[str, Any]

    @property
    def value(self) -> Any:
        return self.holder[self.path[-1]]

    def mask(self, text: str) -> None:
        self.holder[self.path[-1]] = text


def _places(body: Object, *, secret: bool) -> Iterator[_Place]:
    def is_masked_annotation(name: str) -> bool:
        return name == _LAST_APPLIED or (secret and not name.startswith(_OURS))

    yield from _places_below(body, ("metadata", "annotations"), is_masked_annotation)
    if secret:
        for field in body.keys() - _HARMLESS_FIELDS:
            yield from _places_below(body, (field,), lambda _: True)


def _places_below(
    body: Object, path: tuple[str, ...], is_masked: Callable[[str], bool]
) -> Iterator[_Place]:
    """The members of the map at `path` that are to be masked; whole, whatever is no map."""
    holder: Any = body
    for length, name in enumerate(path, start=1):
        value = holder.get(name)
        if not isinstance(value, dict):
            if value is not None:
                yield _Place(path[:length], holder)
            return
        holder = value
    yield from (_Place((*path, name), holder) for name in holder if is_masked(name))


def _mask_both(left: _Place | None, right: _Place | None) -> None:
    differ = left and right and not is_same_json(left.value, right.value)
    if left:
        left.mask(MASK_BEFORE if differ else MASK)
    if right:
        right.mask(MASK_AFTER if differ else MASK)


def _copied(value: Any) -> Any:
    """A deep copy in which nothing is shared, also where YAML anchors made the original so."""
    if isinstance(value, dict):
        return {name: _copied(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


# Comparing


def _prepared(before: Object | None, after: Object | None) -> tuple[Any, Any]:
    left, right = masked_pair(before, after)
    return _without_ignored(left), _without_ignored(right)


def _without_ignored(body: Object | None) -> Any:
    if body is None:
        return ABSENT
    for name in _IGNORED:
        body.pop(name, None)
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        for name in _IGNORED_METADATA:
            metadata.pop(name, None)
    return body


def _compare(path: str, before: Any, after: Any) -> Iterator[FieldChange]:
    left, right = _like(before, after), _like(after, before)
    if isinstance(left, dict) and isinstance(right, dict) and (left or right):
        yield from _compare_maps(path, left, right)
    elif isinstance(left, list) and isinstance(right, list) and (left or right):
        yield from _compare_lists(path, left, right)
    elif not is_same_json(before, after):
        yield FieldChange(path.removeprefix("."), before, after)


def _like(value: Any, other: Any) -> Any:
    """What is absent counts as empty beside a map or a list with something in it."""
    if value is ABSENT and isinstance(other, (dict, list)) and other:
        return type(other)()
    return value


def _compare_maps(
    path: str, before: dict[str, Any], after: dict[str, Any]
) -> Iterator[FieldChange]:
    for name in sorted(before.keys() | after.keys()):
        step = path + readable_name(name)
        yield from _compare(step, before.get(name, ABSENT), after.get(name, ABSENT))


def _compare_lists(path: str, before: list[Any], after: list[Any]) -> Iterator[FieldChange]:
    left, right = _by_key(before, after)
    for step in chain(right, (step for step in left if step not in right)):
        yield from _compare(path + step, left.get(step, ABSENT), right.get(step, ABSENT))
    shared_before = [step for step in left if step in right]
    shared_after = [step for step in right if step in left]
    if shared_before != shared_after:
        yield FieldChange(f"{path} (order)".removeprefix("."), shared_before, shared_after)


def _by_key(before: list[Any], after: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The items of both lists by the steps of their paths."""
    for keys in _ITEM_KEYS:
        left, right = _keyed(before, keys), _keyed(after, keys)
        if left is not None and right is not None:
            return left, right
    return _indexed(before), _indexed(after)


def _keyed(items: list[Any], keys: tuple[str, ...]) -> dict[str, Any] | None:
    """The items by these keys; None where one lacks a key, or two share them."""
    found: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, dict):
            return None
        values = {key: item.get(key) for key in keys}
        if not all(isinstance(value, (str, int)) for value in values.values()):
            return None
        found[readable_item(values)] = item
    return found if len(found) == len(items) else None


def _indexed(items: list[Any]) -> dict[str, Any]:
    return {f"[{index}]": item for index, item in enumerate(items)}


# Writing


def _lines(body: Any) -> list[str]:
    if body is ABSENT:
        return []
    text = yaml.dump(
        _ordered(body),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=_NEVER_FOLD,
    )
    return text.split("\n")[:-1]


def _ordered(value: Any, first: tuple[str, ...] = _FIRST) -> Any:
    """The same with names in alphabetical order, but for the ones that open every manifest."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (name not in first, name))
        return {name: _ordered(value[name], ()) for name in names}
    if isinstance(value, list):
        return [_ordered(item, ()) for item in value]
    return value


class _Dumper(yaml.SafeDumper):
    """Writes each line of a text as a line, so that the diff of a file shows what changed."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def analyze_scalar(self, scalar: str) -> Any:
        analysis = super().analyze_scalar(scalar)
        if _IN_LINES.fullmatch(scalar):
            # PyYAML quotes texts with tabs or with spaces before a line break, though a
            # literal block holds both.
            analysis.allow_block = True
        return analysis

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if _IN_LINES.fullmatch(text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)
