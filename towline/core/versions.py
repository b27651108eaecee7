"""Semantic versions: which tag is the newest in a range.

Versions are those of https://semver.org (a leading `v` is left out); ranges are written as npm
and Helm know them: `1.x`, `^1.2`, `~1.2.3`, `>=1.4 <2`, `1.0 - 1.4`, `||` between alternatives.
A prerelease is in a range only if the range names a prerelease itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import eq, ge, gt, le, lt

from semver import Version

Test = Callable[[Version], bool]

_PART = re.compile(
    r"(?P<op>\^|~|>=|<=|>|<|=)?\s*v?(?P<major>\d+|[xX*])"
    r"(?:\.(?P<minor>\d+|[xX*]))?(?:\.(?P<patch>\d+|[xX*]))?"
    r"(?P<pre>-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
)
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)")
_COMPARE: dict[str, Callable[[Version, Version], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt}


def newest(tags: Iterable[str], wanted: str) -> str | None:
    """The tag with the highest version in the range; raises ValueError for a malformed range."""
    admits = parse_range(wanted)
    versions = [(version, tag) for tag in tags if (version := _version(tag)) and admits(version)]
    return max(versions, key=lambda found: found[0])[1] if versions else None


def _version(tag: str) -> Version | None:
    text = tag.removeprefix("v")
    return Version.parse(text) if Version.is_valid(text) else None


def parse_range(text: str) -> Test:
    """A test of versions; raises ValueError."""
    alternatives = [_all_of(part.strip()) for part in text.split("||")]
    return lambda version: any(admits(version) for admits in alternatives)


def _all_of(text: str) -> Test:
    between = _HYPHEN.fullmatch(text)
    parts = [f">={between[1]}", f"<={between[2]}"] if between else _split(text)
    tests = [_comparator(part) for part in parts]
    prereleases = any("-" in part for part in parts)

    def admits(version: Version) -> bool:
        if version.prerelease and not prereleases:
            return False
        return all(test(version) for test in tests)

    return admits


def _split(text: str) -> list[str]:
    if not text:
        raise ValueError("the range is empty; write * for any version")
    return re.sub(r"(\^|~|[<>]=?|=)\s+", r"\1", text).replace(",", " ").split()


def _comparator(text: str) -> Test:
    found = _PART.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a range of versions such as ^1.2 or >=1.4 <2")
    low, above = _bounds(found)
    op = found["op"]
    if above is None and op in ("<", ">"):
        raise ValueError(f"{text!r} admits no version")
    if above is None:
        return lambda version: version >= low
    if op == ">" and found["patch"] in (None, "x", "X", "*"):
        return lambda version: version >= above  # >1.2 begins with 1.3.0
    if op == "<=" and above != low:
        return lambda version: version < above
    if op in _COMPARE:
        return lambda version: _COMPARE[op](version, low)
    if above == low:
        return lambda version: eq(version, low)
    return lambda version: low <= version < above


def _bounds(found: re.Match[str]) -> tuple[Version, Version | None]:
    """The lowest version meant, and the first above; None if there is no end."""
    given = [found["major"], found["minor"], found["patch"]]
    numbers = [int(n) if n is not None and n.isdigit() else None for n in given]
    major, minor, patch = (n or 0 for n in numbers)
    low = Version(major, minor, patch, prerelease=(found["pre"] or "-")[1:] or None)
    if not Version.is_valid(str(low)):
        raise ValueError(f"{found[0]!r} has a malformed prerelease")
    if numbers[0] is None:
        return low, None
    if found["op"] == "^":
        return low, _above_caret(low, numbers)
    if numbers[1] is None:
        return low, _floor(low.bump_major())
    if numbers[2] is None or found["op"] == "~":
        return low, _floor(low.bump_minor())
    return low, _floor(low.bump_patch()) if found["op"] == "<=" and not low.prerelease else low


def _above_caret(low: Version, numbers: list[int | None]) -> Version:
    """`^` keeps the leftmost number that is not zero."""
    if low.major or numbers[1] is None:
        return _floor(low.bump_major())
    if low.minor or numbers[2] is None:
        return _floor(low.bump_minor())
    return _floor(low.bump_patch())


def _floor(version: Version) -> Version:
    """The very first version of a number: its prereleases are below it, and not meant."""
    return version.replace(prerelease="0")
