"""A stretch of a file's text, and errors that know its place."""

from __future__ import annotations

from dataclasses import dataclass

from towline.core.errors import ManifestError, Place

DEPTH_LIMIT = 100
"""Levels of lists and mappings. Definitions of custom resources, the deepest objects that people
write, stay below 60; the API server itself refuses 10,000."""

TOO_DEEP = f"this is nested more than {DEPTH_LIMIT} levels deep: flatten it"


@dataclass(frozen=True, slots=True)
class Source:
    """Text that begins at the line `line` of `file`; an index into it is a place in the file."""

    file: str
    text: str
    line: int = 1

    def place(self, index: int) -> Place:
        # libyaml counts NEL, LS and PS as ends of lines too, editors do not: so its own line
        # numbers are not used.
        return Place(self.file, self.line_at(index))

    def line_at(self, index: int) -> int:
        return self.line + self.text.count("\n", 0, index)

    def rest(self, index: int) -> Source:
        return Source(self.file, self.text[index:], self.line_at(index))

    def error(self, message: str, index: int) -> ManifestError:
        return ManifestError(message, place=self.place(index))

    def duplicate(self, key: str, first: int, second: int) -> ManifestError:
        return self.error(
            f"the key {key!r} is here twice: first in line {self.line_at(first)}, again in line "
            f"{self.line_at(second)}; remove one of them",
            second,
        )
