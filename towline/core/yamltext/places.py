"""Where in a text the node at a path is; slow, for the line of an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import yaml

from towline.core.yamltext import jsontext, scalars
from towline.core.yamltext.composer import events
from towline.core.yamltext.source import Source


def in_json(source: Source, start: int, path: Sequence[str | int]) -> int:
    """The index of the node at `path`, or of its nearest ancestor."""
    best, depth = start, 0
    for found, index in jsontext.nodes(source, start):
        if len(found) > depth and found == tuple(path[: len(found)]):
            best, depth = index, len(found)
    return best


def in_yaml(source: Source, start: int, path: Sequence[str | int]) -> int:
    """The index of the node at `path`, or of its nearest ancestor; the text is known to be good."""
    read: Callable[[], Any] = events(source).get_event
    read()
    read()
    event, found = read(), start
    for step in path:
        event = _child(read, event, step)
        if event is None:
            break
        found = event.start_mark.index
    return found


def _child(read: Callable[[], Any], parent: Any, step: str | int) -> Any:
    """The first event of the member `step`; None where there is none."""
    is_mapping = isinstance(parent, yaml.MappingStartEvent)
    if not (is_mapping or isinstance(parent, yaml.SequenceStartEvent)):
        return None
    position = 0
    while not isinstance(event := read(), yaml.CollectionEndEvent):
        here: str | int | None = position
        if is_mapping:
            here = _key(event)
            event = read()
        if here == step:
            return event
        _skip(read, event)
        position += 1
    return None


def _key(event: Any) -> str | None:
    if not isinstance(event, yaml.ScalarEvent):
        return None
    if event.tag is not None:
        return scalars.key_text(scalars.tagged(event.tag, event.value))
    return event.value if event.style else scalars.key_text(scalars.plain(event.value))


def _skip(read: Callable[[], Any], event: Any) -> None:
    depth = 0
    while True:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth == 0:
            return
        event = read()
