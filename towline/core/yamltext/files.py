"""Files as kubectl takes them apart, and the documents in them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from towline.core.errors import ManifestError, Place
from towline.core.yamltext import jsontext, places
from towline.core.yamltext.composer import Expansion, compose
from towline.core.yamltext.source import Source

_SEPARATOR = re.compile(r"^---(.*)\n?", re.MULTILINE)
_REST_OF_LINE = re.compile(r"[^\S\n]*\n?")


@dataclass(frozen=True, slots=True)
class Document:
    """A document: JSON-like (mappings have string keys), shared with nothing else."""

    value: Any
    place: Place


@dataclass(frozen=True, slots=True)
class _Read:
    """A document where it was found: an index into JSON or YAML text, and the line of it."""

    value: Any
    source: Source
    index: int
    line: int
    is_json: bool


def documents(data: bytes, file: str) -> list[Document]:
    """The documents of a file, without the empty ones; raises `ManifestError`.

    `file` is the name for errors, relative to the root; one that ends in `.json` must be JSON.
    """
    return [Document(each.value, Place(file, each.line)) for each in _read(data, file)]


def place_of(data: bytes, file: str, index: int, path: Sequence[str | int]) -> Place:
    """Where the node at `path` in the document `index` was written; slow, meant for messages.

    Where the path does not lead to a node, the place of its nearest ancestor that is there. What
    came through an alias or `<<` is at the place of the alias, or of the mapping with the `<<`.
    """
    read = list(_read(data, file))[index]
    find = places.in_json if read.is_json else places.in_yaml
    return read.source.place(find(read.source, read.index, path))


def _read(data: bytes, file: str) -> Iterator[_Read]:
    source = Source(file, _decode(data, file))
    # kubectl tells JSON from YAML by the first character. An explicit name is a stronger wish.
    strict = file.lower().endswith(".json")
    rest: Source | None = source
    if strict or source.text.lstrip()[:1] == "{":
        stream = jsontext.stream(source)
        yield from _read_json(source, stream)
        rest = _after_json(source, stream, strict=strict)
    if rest is not None:
        yield from _read_yaml(rest)


def _read_json(source: Source, stream: jsontext.Stream) -> Iterator[_Read]:
    line, counted = source.line, 0
    for value, index in stream.values:
        # Lines are counted from one value to the next: from the start it would be quadratic.
        line, counted = line + source.text.count("\n", counted, index), index
        if value is not None:
            yield _Read(value, source, index, line, True)


def _after_json(source: Source, stream: jsontext.Stream, *, strict: bool) -> Source | None:
    """What follows the JSON and is to be read as YAML: kubectl does that after at most one."""
    if stream.problem is None:
        return None
    if strict or len(stream.values) > 1:
        raise stream.problem
    before = source.text[: stream.end]
    if "\n" in before[len(before.rstrip()) :]:
        return source.rest(stream.end)  # the line of the JSON is over already
    rest = _REST_OF_LINE.match(source.text, stream.end)
    return source.rest(rest.end() if rest else stream.end)


def _read_yaml(source: Source) -> Iterator[_Read]:
    expansion = Expansion()
    for piece in _pieces(source):
        composed = compose(piece, expansion)
        if composed is not None and composed[0] is not None:
            value, index = composed
            yield _Read(value, piece, index, piece.line_at(index), False)


def _pieces(source: Source) -> Iterator[Source]:
    """As kubectl's `YAMLReader`: split at every line that begins with `---`, whatever it is in."""
    text = source.text.replace("\r\n", "\n")
    # kubectl also completes the last line, which shows where a block scalar ends the file.
    text = text if text.endswith("\n") else text + "\n"
    start, line = 0, source.line
    for end, after in _separators(source, text):
        # The first separator, and one right after another, stays with the document it opens.
        if end > start:
            yield Source(source.file, text[start:end], line)
            line += text.count("\n", start, after)
            start = after
    yield Source(source.file, text[start:], line)


def _separators(source: Source, text: str) -> Iterator[tuple[int, int]]:
    """Where each separating line begins and where the next line does."""
    for match in _SEPARATOR.finditer(text):
        rest = match[1].strip()
        if rest and rest[0] != "#":
            raise Source(source.file, text, source.line).error(
                "a line that begins with `---` ends a document, and only a comment may follow in "
                "it: move the rest to the next line, or indent it",
                match.start(),
            )
        yield match.span()


def _decode(data: bytes, file: str) -> str:
    # kubectl reads UTF-16 where a byte order mark announces it.
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if wide else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = None if wide else data.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"this is not valid {encoding.upper()}: save the file as UTF-8", place=Place(file, line)
        ) from None
    return text.removeprefix("\ufeff")
