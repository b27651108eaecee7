"""Kubernetes quantities: `500m`, `1Gi`, `1e3`.

The grammar and the canonical form are those of `k8s.io/apimachinery/pkg/api/resource`. All
arithmetic is exact. What is no quantity, or is so long or has such an exponent that nobody can
mean it, is refused instead of computed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

_MAX_LENGTH: Final = 100
_MAX_EXPONENT: Final = 200
_MAX_INT64: Final = 2**63 - 1
_NANO: Final = -9

_NUMBER: Final = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?"
    r"(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?",
    re.ASCII,
)
_SMALL: Final = {"n": -9, "u": -6, "m": -3}
_LARGE: Final = {"k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL: Final = {**_SMALL, "": 0, **_LARGE}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX: Final = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX: Final = {0: "", **{exponent: suffix for suffix, exponent in _BINARY.items()}}


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A quantity taken apart: the digits, and what its suffix says about them."""

    text: str
    whole: str
    part: str
    negative: bool
    suffix: str

    @property
    def exponent(self) -> int:
        """The power of ten, or of two for a binary suffix, that the digits are multiplied by."""
        if self.suffix in _BINARY:
            return _BINARY[self.suffix]
        if self.suffix in _DECIMAL:
            return _DECIMAL[self.suffix]
        return int(self.suffix[1:])

    @property
    def value(self) -> Fraction:
        digits = Fraction(int((self.whole + self.part) or "0"), 10 ** len(self.part))
        factor = Fraction(2 if self.suffix in _BINARY else 10) ** self.exponent
        return -digits * factor if self.negative else digits * factor


def canonical(text: str | int | float) -> Fraction:
    """The exact value of a quantity; raises ValueError for what is none.

    A number counts as its shortest decimal writing: JSON's 0.1 is one tenth.
    """
    return _parse(text).value


def equal(a: object, b: object) -> bool:
    """Whether both stand for the same amount; what is no quantity equals only what it is."""
    if type(a) is type(b) and a == b:
        return True
    try:
        return _parse(a).value == _parse(b).value
    except ValueError:
        return False


def written(text: object) -> str | None:
    """How an API server writes this quantity back; None where that cannot be told.

    Equal amounts are not always written alike: `1Gi` stays `1Gi`, and `1073741824` stays that.
    To apply the one where the other is stored is a change of the object, and only `1024Mi` is
    none. The server also keeps some texts that are not canonical, such as `1.500` or `+1`, for
    it tests with a few cheap looks whether a text is canonical (`ParseQuantity`).
    """
    return _written(text) if isinstance(text, (str, int, float)) else None


# The same few amounts stand in thousands of manifests, and fractions are slow.
@lru_cache(maxsize=1024, typed=True)
def _written(text: str | int | float) -> str | None:
    try:
        parsed = _parse(text)
    except ValueError:
        return None
    if _is_kept(parsed):
        return parsed.text
    value = parsed.value
    if value == 0:
        return "0"
    nanos = value * 10**9
    if abs(value) > _MAX_INT64 or nanos.denominator != 1:
        return None
    if parsed.suffix in _BINARY and abs(value) >= 1024 and value.denominator == 1:
        return _binary(int(value))
    return _decimal(int(nanos), exponential=parsed.suffix not in _DECIMAL.keys() | _BINARY.keys())


def _parse(quantity: object) -> _Parsed:
    if isinstance(quantity, bool) or not isinstance(quantity, (str, int, float)):
        raise ValueError("not a quantity")
    text = _as_text(quantity)
    match = _NUMBER.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None or not (match["whole"] or match["part"]):
        raise ValueError("not a quantity")
    parsed = _Parsed(
        text=text,
        whole=match["whole"].lstrip("0"),
        part=match["part"] or "",
        negative=match["sign"] == "-",
        suffix=match["suffix"] or "",
    )
    if abs(parsed.exponent) > _MAX_EXPONENT:
        raise ValueError("a quantity with an exponent that large is not computed")
    return parsed


def _as_text(quantity: str | int | float) -> str:
    # Python refuses to write integers of thousands of digits, with a ValueError as well.
    return quantity if isinstance(quantity, str) else repr(quantity)


def _is_kept(parsed: _Parsed) -> bool:
    """Whether the server takes the text for canonical, and so gives it back as it is."""
    digits = (parsed.whole or "0") + parsed.part
    if parsed.suffix in _BINARY:
        return _is_kept_binary(parsed)
    scale = parsed.exponent - len(parsed.part)
    return (
        len(digits) <= 18
        and scale >= _NANO
        and scale % 3 == 0
        and not digits.endswith("000")
        and not digits.startswith("0")
    )


def _is_kept_binary(parsed: _Parsed) -> bool:
    digits = parsed.whole or "0"
    precision = 15 - len(digits) - parsed.exponent * 3 // 10 - 1
    if parsed.part or precision < 0:
        return False
    return int(digits) << parsed.exponent <= _MAX_INT64 and int(digits) & 0x07 != 0


def _binary(value: int) -> str:
    exponent = 0
    while value % 1024 == 0:
        value, exponent = value // 1024, exponent + 10
    return f"{value}{_BINARY_SUFFIX[exponent]}"


def _decimal(nanos: int, *, exponential: bool) -> str:
    exponent = _NANO
    while nanos % 1000 == 0 and exponent < 18:
        nanos, exponent = nanos // 1000, exponent + 3
    if exponential:
        return f"{nanos}e{exponent}" if exponent else str(nanos)
    return f"{nanos}{_DECIMAL_SUFFIX[exponent]}"
