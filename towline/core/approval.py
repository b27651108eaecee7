"""What a person approved: the writes of one plan, until each of them is done.

A plan may take more than one run: a stage waits, an object is deleted before it is made again. What
is left of it needs no second word, and what comes to it needs one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from towline.core.objects import ObjectKey

_MOST_WRITES = 6000
"""An annotation has 256 KiB; the rest of a larger plan has to be approved again."""


def token(action: str, key: ObjectKey, uid: str) -> str:
    """Names one write of one object."""
    text = f"{action} {'/'.join(key)} {uid}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Grant:
    """The writes of an approved plan that are not done yet."""

    revision: str
    """The render's digest: of another revision nothing was approved."""
    writes: frozenset[str] = frozenset()

    @classmethod
    def of(cls, revision: str, writes: Iterable[str]) -> Grant | None:
        tokens = frozenset(writes)
        return cls(revision, tokens) if 0 < len(tokens) <= _MOST_WRITES else None

    def without(self, done: Iterable[str]) -> Grant | None:
        return Grant.of(self.revision, self.writes - frozenset(done))

    def covers(self, revision: str, writes: Iterable[str]) -> bool:
        return revision == self.revision and frozenset(writes) <= self.writes

    def __str__(self) -> str:
        return " ".join([self.revision, *sorted(self.writes)])

    @classmethod
    def parse(cls, text: str | None) -> Grant | None:
        revision, *writes = (text or "").split(" ")
        return cls.of(revision, writes) if revision else None
