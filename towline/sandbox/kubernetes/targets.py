"""What a write is about, and how it is to be done."""

from __future__ import annotations

from dataclasses import dataclass, field

from towline.sandbox.kubernetes.kinds import Kind
from towline.sandbox.kubernetes.store import Key


@dataclass(frozen=True, slots=True)
class Options:
    """The parameters of a write."""

    manager: str
    dry_run: bool = False
    force: bool = False
    validation: str = "Warn"
    duplicates: tuple[str, ...] = ()
    """What to say about fields that the body names twice."""
    warnings: list[str] = field(default_factory=list)
    """What the answer's Warning headers will say; added to on the way."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about; `name` is empty for a collection."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        return (self.namespace, self.name)
