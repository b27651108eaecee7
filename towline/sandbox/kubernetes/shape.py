"""How the parts of an object merge: granular, atomic, by keys or as a set.

The real server reads this from `x-kubernetes-list-type` and `x-kubernetes-map-type` in its
schema. A `Shape` says it for one place in an object; a place that no shape mentions is
granular where it is a map and atomic where it is a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_EMPTY: Mapping[str, Shape] = MappingProxyType({})

KEY_DEFAULTS = {"protocol": "TCP"}
"""Keys of associative lists that an item may leave out."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One place in an object. Whether it is a map or a list, its value tells."""

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
SET = Shape(unique=True)
DEDUCED = Shape(mapping=True)
"""What the server makes of a value that its schema does not describe, at any depth."""
object.__setattr__(DEDUCED, "element", DEDUCED)


def keyed(*keys: str, element: Shape = PLAIN) -> Shape:
    return Shape(keys=keys, element=element)


def mapping_of(element: Shape) -> Shape:
    return Shape(mapping=True, element=element)
