"""Values from libyaml's events, by kubectl's rules and within limits.

libyaml's events come one at a time and without recursion, so nesting is counted before it can hurt;
it is `CLoader`'s own composer that a few kilobytes of `[` make overrun the stack. Building values
straight from events is also faster than nodes and constructors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml._yaml import CParser

from towline.core.errors import ManifestError
from towline.core.yamltext import scalars
from towline.core.yamltext.source import DEPTH_LIMIT, TOO_DEEP, Source

EXPANSION_LIMIT = 100_000
"""Nodes that the aliases of one file may add, 64 characters of a string counting as one more:
some megabytes, and more than the API server takes in one object."""

_NOT_ALLOWED: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_COLLECTION_TAGS: Final = (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(slots=True)
class Expansion:
    """What the aliases of a file have added so far."""

    weight: int = 0


class _Open:
    """Stands for an anchored collection while it is being read."""


def events(source: Source) -> CParser:
    """A parser for its `get_event` alone: the methods that give nodes are the recursive ones."""
    return CParser(source.text)


def compose(source: Source, expansion: Expansion) -> tuple[Any, int] | None:
    """The value of the only document in `source` and the index of its first node, or None."""
    composer = _Composer(source, expansion)
    try:
        return composer.document()
    except yaml.YAMLError as error:
        raise _syntax_error(source, error) from None


def _syntax_error(source: Source, error: yaml.YAMLError) -> ManifestError:
    """An error of libyaml with its place, in words that help."""
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark):
        if source.text[mark.index : mark.index + 1] == "\t":
            message = "a tab is where only spaces may be: indent with spaces"
        elif "document start" in (error.problem or ""):
            message = (
                "the document ended before this line, and kubectl would drop the rest: correct the "
                "indentation or the brackets, or put a line of `---` before it"
            )
        else:
            message = (
                f"this is not valid YAML: {error.problem}; check indentation, quotes and "
                "brackets in and before this line"
            )
        return source.error(message, mark.index)
    return _control_character(source)


def _control_character(source: Source) -> ManifestError:
    match = _NOT_ALLOWED.search(source.text)
    return source.error(
        "there is a control character in this line: remove it, or write it as an escape between "
        'double quotes, such as "\\u0007"',
        match.start() if match else 0,
    )


class _Composer:
    """Reads one document; `_depth` is the number of collections around the current node."""

    __slots__ = ("_anchors", "_depth", "_expansion", "_flow", "_next", "_source")

    def __init__(self, source: Source, expansion: Expansion) -> None:
        self._source = source
        self._expansion = expansion
        self._next = events(source).get_event
        self._anchors: dict[str, Any] = {}
        self._depth = 0
        self._flow = 0

    def document(self) -> tuple[Any, int] | None:
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        first: Any = self._next()
        value = self._value(first)
        self._next()
        after: Any = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._source.error(
                "something follows the end of the document, which kubectl would drop: put a line "
                "of `---` before it, or remove it",
                after.start_mark.index,
            )
        return value, first.start_mark.index

    def _value(self, event: Any) -> Any:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            if event.style and event.tag is None and event.anchor is None:
                return event.value
            return self._json(self._scalar(event), event)
        if kind is yaml.AliasEvent:
            return self._json(self._alias(event), event)
        if event.anchor is None:
            return self._collection(event)
        # Known before it is complete, so that an alias inside it is seen to be recursive; and a
        # node inside it may take the name over.
        opened = self._anchors[event.anchor] = _Open()
        value = self._collection(event)
        if self._anchors[event.anchor] is opened:
            self._anchors[event.anchor] = value
        return value

    # Scalars

    def _json(self, value: Any, event: Any) -> Any:
        try:
            return scalars.json_value(value)
        except scalars.ScalarError as error:
            raise self._error(str(error), event) from None

    def _scalar(self, event: Any) -> scalars.Raw:
        """What the scalar means before JSON; anchors keep that, since keys are made from it."""
        value: scalars.Raw = event.value
        if self._flow and not event.style:
            self._check_flow(event)
        if event.tag is not None:
            value = self._tagged(event)
        elif not event.style:
            value = scalars.plain(event.value)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _tagged(self, event: Any) -> scalars.Raw:
        try:
            return scalars.tagged(event.tag, event.value)
        except scalars.ScalarError as error:
            raise self._error(str(error), event) from None

    def _check_flow(self, event: Any) -> None:
        """Refuses what libyaml and kubectl take apart differently between brackets."""
        if "?" in event.value:
            # libyaml goes on reading text at a question mark, kubectl finds a key or an error.
            raise self._error("a `?` between brackets or braces: put the text in quotes", event)
        if event.tag is not None and not event.value:
            # kubectl takes a comma or bracket after the tag as a part of the tag.
            raise self._error("a tag without a value: write the value, as in `!!str ''`", event)

    # Collections

    def _collection(self, event: Any) -> Any:
        if event.tag not in _COLLECTION_TAGS:
            raise self._error("this tag has no meaning in a manifest: remove it", event)
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise self._error(TOO_DEEP, event)
        flow = 1 if event.flow_style else 0
        self._flow += flow
        is_mapping = type(event) is yaml.MappingStartEvent
        value = self._mapping() if is_mapping else self._sequence()
        self._flow -= flow
        self._depth -= 1
        return value

    def _sequence(self) -> list[Any]:
        values: list[Any] = []
        read, value, append = self._next, self._value, values.append
        while type(event := read()) is not yaml.SequenceEndEvent:
            append(value(event))
        return values

    def _mapping(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        # Those written here, with their events, for the lines; not those that are merged in.
        keys: dict[str, Any] = {}
        read = self._next
        while type(event := read()) is not yaml.MappingEndEvent:
            if _is_merge(event):
                # In go-yaml the later of two wins, whether it is merged or written out.
                values.update(self._merged(read()))
                continue
            key = self._key(event)
            if key in keys:
                raise self._twice(key, keys[key], event)
            keys[key] = event
            values[key] = self._value(read())
        return values

    def _twice(self, key: str, first: Any, second: Any) -> ManifestError:
        return self._source.duplicate(key, first.start_mark.index, second.start_mark.index)

    def _key(self, event: Any) -> str:
        if type(event) is yaml.AliasEvent:
            value = self._alias(event)
        elif type(event) is yaml.ScalarEvent:
            value = self._scalar(event)
        else:
            value = event
        if isinstance(value, dict | list | yaml.Event):
            raise self._error("a list or a mapping cannot be a key: use a string", event)
        try:
            return scalars.key_text(value)
        except scalars.ScalarError as error:
            raise self._error(str(error), event) from None

    # Aliases

    def _alias(self, event: Any) -> Any:
        value = self._anchors.get(event.anchor, self)
        if value is self:
            raise self._error(
                f"the alias *{event.anchor} has no anchor &{event.anchor} before it in this "
                "document: add the anchor, or write the value here",
                event,
            )
        if isinstance(value, _Open):
            raise self._error(
                f"the alias *{event.anchor} is inside what it stands for: write the value here",
                event,
            )
        return self._copy(value, self._depth, event)

    def _copy(self, value: Any, depth: int, event: Any) -> Any:
        """A copy that shares nothing that could be edited, within the limits."""
        self._expansion.weight += 1 + (len(value) // 64 if isinstance(value, str) else 0)
        if self._expansion.weight > EXPANSION_LIMIT:
            raise self._error(
                "the aliases in this file expand to too much: write fewer of them", event
            )
        if not isinstance(value, dict | list):
            return value
        if depth >= DEPTH_LIMIT:
            raise self._error(TOO_DEEP, event)
        if isinstance(value, list):
            return [self._copy(each, depth + 1, event) for each in value]
        return {key: self._copy(each, depth + 1, event) for key, each in value.items()}

    def _merged(self, event: Any) -> dict[str, Any]:
        value = self._value(event)
        is_list = isinstance(value, list) and type(event) is not yaml.AliasEvent
        parts = value if is_list else [value]
        merged: dict[str, Any] = {}
        for part in reversed(parts):
            if not isinstance(part, dict):
                raise self._error("`<<` wants a mapping, or a list of mappings: correct it", event)
            merged.update(part)
        return merged

    def _error(self, message: str, event: Any) -> ManifestError:
        return self._source.error(message, event.start_mark.index)


def _is_merge(event: Any) -> bool:
    if type(event) is not yaml.ScalarEvent or event.value != "<<":
        return False
    # Like any scalar after a lone `!`, go-yaml takes this one as if it were plain.
    return event.tag == "!" or (event.tag is None and not event.style)
