"""What a scalar means to kubectl: go-yaml v2's resolution, then the way through JSON.

The rules follow `resolve.go` of go.yaml.in/yaml/v2 and `strconv` of Go, and the conversion of keys
follows `yaml.go` of sigs.k8s.io/yaml. Timestamps and base 60 are strings there.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from decimal import Decimal
from typing import Final

Raw = str | int | float | bool | None
"""What go-yaml resolves, before JSON makes an integer of `1.0`."""

_INT64: Final = range(-(2**63), 2**63)
_UINT64: Final = range(2**64)
_YAML_TAG: Final = "tag:yaml.org,2002:"

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE: Final = {
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_NUMBER_STARTS: Final = frozenset("0123456789+-.")

_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_OCTAL = re.compile(r"([-+]?)0[oO]?([0-7]+)")
_HEXADECIMAL = re.compile(r"([-+]?)0[xX]([0-9a-fA-F]+)")
_BINARY = re.compile(r"([-+]?)0[bB]([01]+)")
# go-yaml tries binary once more by itself, and there lets a sign follow the prefix.
_BINARY_SIGNED_INSIDE = re.compile(r"0b([-+])([01]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# Only here underscores count, one at a time between digits; elsewhere go-yaml drops them all first.
_DOT_FLOAT = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_BASES: Final = ((_HEXADECIMAL, 16), (_OCTAL, 8), (_BINARY, 2), (_BINARY_SIGNED_INSIDE, 2))
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


class ScalarError(ValueError):
    """A scalar that kubectl refuses; the text says why and shows no value."""


def plain(text: str) -> Raw:
    """The meaning of a scalar without quotes and without a tag."""
    if text[:1] in _NUMBER_STARTS:
        return _number_or_text(text)
    return _WORDS.get(text, text)


def tagged(tag: str, text: str) -> Raw:
    """The meaning of a scalar with a tag, quoted or not; raises `ScalarError`."""
    if tag == "!":
        return text
    name = tag.removeprefix(_YAML_TAG)
    if name == "str" and name != tag:
        return text
    if name == "binary" and name != tag:
        return _binary(text)
    if name == tag or name not in ("int", "float", "bool", "null"):
        raise ScalarError(
            "this tag (a word after `!`) has no meaning in a manifest: remove it, or put the text "
            "in quotes"
        )
    return _as_tag_wants(name, plain(text))


def _as_tag_wants(name: str, value: Raw) -> Raw:
    match name, value:
        case ("bool", bool()) | ("null", None) | ("float", float()):
            return value
        case ("int", int()) if not isinstance(value, bool):
            return value
        case ("float", int()) if not isinstance(value, bool) and value in _INT64:
            return float(value)
    raise ScalarError(f"the value is no {name}, which its tag says it is: correct one of them")


def _binary(text: str) -> str:
    packed = text.replace("\r", "").replace("\n", "")
    try:
        if not _BASE64.fullmatch(packed):
            raise ScalarError("what is tagged `!!binary` is not base64: correct it")
        return base64.b64decode(packed, validate=True).decode()
    except binascii.Error:
        raise ScalarError("what is tagged `!!binary` is not base64: correct it") from None
    except UnicodeDecodeError:
        raise ScalarError(
            "`!!binary` with bytes that are no text cannot become JSON: leave the tag out and keep "
            "the base64, as `data` of a Secret or `binaryData` of a ConfigMap expect it"
        ) from None


def _number_or_text(text: str) -> str | int | float:
    if text in _NOT_FINITE:
        return _NOT_FINITE[text]
    if text[0] == ".":
        value = _finite(text) if _DOT_FLOAT.fullmatch(text) else None
        return text if value is None else value
    digits = text.replace("_", "")
    integer = _integer(digits)
    if integer is not None:
        return integer
    value = _finite(digits) if _FLOAT.fullmatch(digits) else None
    return text if value is None else value


def _integer(digits: str) -> int | None:
    """As `ParseInt` and then `ParseUint` of Go, both with base 0; None where neither takes it."""
    if _DECIMAL.fullmatch(digits):
        # Twenty digits are the longest that fit; Python refuses to read some thousands.
        return _fitting(int(digits), digits[0]) if len(digits) <= 21 else None
    for pattern, base in _BASES:
        if match := pattern.fullmatch(digits):
            return _fitting(int(match[1] + match[2], base), match[1])
    return None


def _fitting(value: int, sign: str) -> int | None:
    unsigned = sign not in ("+", "-")
    return value if value in _INT64 or (unsigned and value in _UINT64) else None


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def json_value(value: Raw) -> Raw:
    """The value after Go has written it as JSON and read it again."""
    if isinstance(value, float):
        return json_float(value)
    if isinstance(value, int) and not isinstance(value, bool) and value not in _INT64:
        return float(value)
    return value


def json_float(value: float) -> int | float:
    """Go writes 1.0 as `1`, which then is an integer; raises `ScalarError` without a finite one."""
    if not math.isfinite(value):
        raise ScalarError("JSON has no infinity and no NaN: write a number, or put it in quotes")
    if not value.is_integer() or abs(value) >= 2**63:
        return value
    # Go writes the fewest digits that identify the number and fills up with zeros, so that large
    # ones change: the integer is the one that is written, not the one that is stored.
    integer = int(Decimal(repr(value)))
    return integer if integer in _INT64 else value


def key_text(value: Raw) -> str:
    """The key of a JSON object; raises `ScalarError` where kubectl refuses the key."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() if value in _INT64:
            return str(value)
        case float():
            return _float_key(value)
    raise ScalarError("a key is empty, null or too large a number: put it in quotes")


def _float_key(value: float) -> str:
    """As `FormatFloat(value, 'g', -1, 32)`: the fewest digits that a 32-bit float needs."""
    if math.isnan(value):
        return ".nan"
    rounded = _float32(value)
    if math.isinf(rounded):
        return ".inf" if rounded > 0 else "-.inf"
    mantissa, _, exponent = _shortest(rounded).partition("e")
    if -4 <= int(exponent) < 6:
        return format(Decimal(f"{mantissa}e{exponent}"), "f")
    return f"{mantissa}e{exponent}"


def _float32(value: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _shortest(value: float) -> str:
    for digits in range(9):
        text = f"{value:.{digits}e}"
        if _float32(float(text)) == value:
            break
    return text
