"""How the parts of an object merge: granular, atomic, by keys or as a set.

The real server reads this from `x-kubernetes-list-type` and `x-kubernetes-map-type` in its
schema. A `Shape` says it for one place in an object; a place that no shape mentions is
granular where it is a map and atomic where it is a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One place in an object. Where `type` does not say what it is, its value tells."""

    fields: Mapping[str, Shape] = field(default_factory=lambda: _EMPTY)
    atomic: bool = False
    """A map that is one leaf. (Lists are, unless they have `keys` or are `unique`.)"""
    keys: tuple[str, ...] = ()
    """A list whose items are told apart by these fields."""
    unique: bool = False
    """A list of scalars that is a set."""
    mapping: bool = False
    """A map whose keys are data: its entries are members of field sets even if not leaves."""
    element: Shape | None = None
    """The items of a list or the values of a mapping."""
    known: frozenset[str] | None = None
    """The names of the fields there are; None where that is not written down."""
    type: str = ""
    """`object`, `array`, `string`, `integer`, `number`, `boolean`, `quantity`; empty for any."""
    name: str = ""
    """What the server's sources call a built-in type, for messages."""
    zero: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    """The fields that are there whether or not anybody named them, and their empty values."""
    key_defaults: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    """The values of `keys` that an item leaves out."""
    merge_key: str | None = None
    """What strategic merge tells items apart by; empty for scalars, None replaces the list."""

    def child(self, name: str) -> Shape:
        return self.fields.get(name) or self.element or PLAIN

    def item(self) -> Shape:
        return self.element or PLAIN

    def step(self, segment: str) -> Shape:
        """The shape behind one segment of a field path: `f:name`, `k:{…}` or `v:…`."""
        return self.child(segment[2:]) if segment.startswith("f:") else self.item()


PLAIN = Shape()
ATOMIC = Shape(atomic=True)
MAPPING = Shape(mapping=True)
SET = Shape(unique=True, merge_key="")
DEDUCED = Shape(mapping=True)
"""What the server makes of a value that its schema does not describe, at any depth."""
object.__setattr__(DEDUCED, "element", DEDUCED)


def keyed(*keys: str, element: Shape = PLAIN) -> Shape:
    return Shape(keys=keys, element=element, merge_key=keys[0])


def zero_of(shape: Shape) -> dict[str, Any]:
    """What is there before anybody names a field: a new object is compared with it."""
    return {
        name: zero_of(shape.child(name)) if value == {} else value
        for name, value in shape.zero.items()
    }
