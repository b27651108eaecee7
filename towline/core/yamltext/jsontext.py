"""JSON objects one after the other, as strictly as the YAML beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from towline.core.errors import ManifestError
from towline.core.yamltext import scalars
from towline.core.yamltext.source import DEPTH_LIMIT, TOO_DEEP, Source

_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r'[ \t\r\n]*(?:("(?:[^"\\]|\\.)*+")|([\[\]{},:])|([^\s\[\]{},:"]+))')
_HALF_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

Path = tuple[str | int, ...]


class _Refused(Exception):  # noqa: N818 - it never leaves this module: `_explain` says what is wrong
    """The text is JSON, and is not accepted."""


class _NotJson(Exception):  # noqa: N818 - it never leaves this module
    """A word that Python's reader knows and JSON does not."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The JSON values at the start of a text, each with its index, and where they end."""

    values: list[tuple[Any, int]]
    end: int
    problem: ManifestError | None = None
    """Why there is no JSON at `end`; None where the text is over."""


def stream(source: Source) -> Stream:
    """Every JSON value from the start on; raises `ManifestError` for JSON that is refused."""
    values: list[tuple[Any, int]] = []
    end = _skip(source.text, 0)
    while end < len(source.text):
        start = end
        try:
            value, end = _DECODER.raw_decode(source.text, start)
            _check(value, source.text[start:end])
        except json.JSONDecodeError as error:
            return Stream(values, start, _syntax_error(source, error.msg, error.pos))
        except _NotJson as error:
            problem = f"it has no {error}"
            return Stream(values, start, _syntax_error(source, problem, _find(source, start)))
        except (_Refused, RecursionError):
            raise _explain(source, start) from None
        values.append((value, start))
        end = _skip(source.text, end)
    return Stream(values, end)


def _syntax_error(source: Source, problem: str, index: int) -> ManifestError:
    problem = problem.removesuffix(" at")
    return source.error(
        f"this is not valid JSON: {problem}; check commas, quotes and brackets in and before this "
        "line",
        index,
    )


def _skip(text: str, index: int) -> int:
    match = _SPACE.match(text, index)
    return match.end() if match else index


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Refused
    return result


def _integer(text: str) -> int | float:
    # Python refuses to read integers of thousands of digits; what is no int64 is a float in Go.
    value = int(text) if len(text) <= 20 else _float(text)
    return value if -(2**63) <= value < 2**63 else _float(text)


def _float(text: str) -> int | float:
    try:
        return scalars.json_float(float(text))
    except scalars.ScalarError:
        raise _Refused from None


def _constant(name: str) -> Any:
    raise _NotJson(name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def _check(value: Any, text: str) -> None:
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        if depth > DEPTH_LIMIT:
            raise _Refused
        level = [
            child for each in level for child in (each.values() if isinstance(each, dict) else each)
        ]
    if _HALF_SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise _Refused from None


# The slow way, with places: for errors only.


@dataclass(slots=True)
class _Frame:
    """An object or a list that is open; `step` is the key or the position of the current member."""

    is_object: bool
    step: str | int
    at_key: bool
    keys: dict[str, int] = field(default_factory=dict)


def nodes(source: Source, start: int) -> Iterator[tuple[Path, int]]:
    """Path and index of each value of the JSON at `start`, in the order written."""
    frames: list[_Frame] = []
    for match in _TOKEN.finditer(source.text, start):
        string, mark, other = match.groups()
        index = match.end() - len(string or mark or other)
        top = frames[-1] if frames else None
        if string and top and top.at_key:
            _enter_key(source, top, string, index)
        elif mark == ",":
            _next_member(top)
        elif mark in ("]", "}"):
            frames.pop()
        elif mark != ":":
            yield tuple(frame.step for frame in frames), index
            _check_scalar(source, other, index)
            _open(source, frames, mark, index)
        if not frames:
            return


def _find(source: Source, start: int) -> int:
    """The index of the first NaN or Infinity that is not in a string."""
    tokens = _TOKEN.finditer(source.text, start)
    return next((t.start(3) for t in tokens if (t[3] or "").endswith(("NaN", "Infinity"))), start)


def _enter_key(source: Source, frame: _Frame, token: str, index: int) -> None:
    key = str(json.loads(token))
    if key in frame.keys:
        raise source.duplicate(key, frame.keys[key], index)
    frame.step, frame.at_key = key, False
    frame.keys[key] = index


def _next_member(frame: _Frame | None) -> None:
    if frame and frame.is_object:
        frame.at_key = True
    elif frame:
        frame.step = int(frame.step) + 1


def _open(source: Source, frames: list[_Frame], mark: str | None, index: int) -> None:
    if mark in ("{", "["):
        if len(frames) >= DEPTH_LIMIT:
            raise source.error(TOO_DEEP, index)
        frames.append(_Frame(mark == "{", 0, mark == "{"))


def _check_scalar(source: Source, token: str | None, index: int) -> None:
    if token and token[-1:].isdigit():
        try:
            scalars.json_float(float(token))
        except ValueError:
            raise source.error("this number is too large: write it as a string", index) from None


def _explain(source: Source, start: int) -> ManifestError:
    try:
        for _ in nodes(source, start):
            pass
    except ManifestError as error:
        return error
    return source.error(
        "a string here has half of a surrogate pair, such as \\ud800, which is no character: "
        "remove it",
        start,
    )
