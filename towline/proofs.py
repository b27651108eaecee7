"""What was proved unchanged before, in this process: a version of an object proves nothing new.

An object that has the version at which it was proved, against the same render, needs no second
look at its fields. It only saves work: a process that begins proves everything anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from towline.core.objects import Object, ObjectKey

_MOST_OBJECTS = 100_000
"""Remembered in one process, some 200 bytes each; the applications looked at last are kept."""

Version = tuple[object, object]
"""UID and resourceVersion: together they name one state of one object."""


def version_of(live: Object) -> Version:
    metadata = live["metadata"]
    return metadata.get("uid"), metadata.get("resourceVersion")


class Proofs:
    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, Mapping[ObjectKey, Version]]] = OrderedDict()

    def known(self, application: str, digest: str) -> Mapping[ObjectKey, Version]:
        """The versions that hold what the render of that digest wants."""
        kept, versions = self._kept.get(application, ("", {}))
        return versions if kept == digest else {}

    def keep(self, application: str, digest: str, versions: Mapping[ObjectKey, Version]) -> None:
        self._kept[application] = (digest, versions)
        self._kept.move_to_end(application)
        while len(self._kept) > 1 and self._size() > _MOST_OBJECTS:
            self._kept.popitem(last=False)

    def _size(self) -> int:
        return sum(len(versions) for _, versions in self._kept.values())
