"""Merging what is applied into what is live, by shape."""

from __future__ import annotations

from typing import Any

from towline.sandbox.kubernetes.fields import segment_of
from towline.sandbox.kubernetes.shape import Shape


def clone(value: Any) -> Any:
    """A copy of parsed JSON that shares nothing with it."""
    if isinstance(value, dict):
        return {key: clone(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [clone(item) for item in value]
    return value


def merged(live: Any, config: Any, shape: Shape) -> Any:
    """The live value with the applied one laid over it; neither is changed."""
    if isinstance(live, dict) and isinstance(config, dict) and not shape.atomic:
        result = dict(live)
        for name, value in config.items():
            result[name] = merged(live[name], value, shape.child(name)) if name in live else value
        return result
    if isinstance(live, list) and isinstance(config, list) and (shape.keys or shape.unique):
        return _merged_lists(live, config, shape)
    return config


def _merged_lists(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """Applied items keep their order; live ones stay before the item they preceded."""
    theirs = {segment_of(item, shape): item for item in live}
    ours = {segment_of(item, shape): item for item in config}
    result = []
    waiting = list(theirs)
    for segment, item in ours.items():
        if segment in theirs and segment in waiting:
            place = waiting.index(segment)
            result += [theirs[name] for name in waiting[:place] if name not in ours]
            waiting = waiting[place + 1 :]
        known = theirs.get(segment)
        result.append(item if known is None else merged(known, item, shape.item()))
    return result + [theirs[name] for name in waiting if name not in ours]
