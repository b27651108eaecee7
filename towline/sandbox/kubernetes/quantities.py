"""Quantities in the form in which the server gives them back: `1000m` is `1`, `0.5` is `500m`."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil
from typing import Any

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE]))?")


def canonical(value: Any) -> str:
    """The canonical form of a quantity given as text or number; ValueError if it is none."""
    text = str(value)
    match = _FORM.fullmatch(text)
    if not match or isinstance(value, bool):
        raise ValueError(
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, exponent, suffix = match.groups()
    amount = Fraction(number)
    if exponent:
        return _exponential(amount * Fraction(10) ** int(exponent[1:]))
    if suffix in _BINARY:
        amount *= 1024 ** _BINARY[suffix]
        # Below 1024 the server falls back to the decimal form.
        return _binary(amount) if abs(amount) >= 1024 else _decimal(amount)
    return _decimal(amount * Fraction(10) ** _DECIMAL[suffix or ""])


def _binary(amount: Fraction) -> str:
    whole, power = ceil(amount), 0
    while whole and whole % 1024 == 0 and power < 6:
        whole, power = whole // 1024, power + 1
    return f"{whole}{_BINARY_SUFFIX.get(power, '')}"


def _decimal(amount: Fraction) -> str:
    whole, power = _reduced(amount)
    return f"{whole}{_DECIMAL_SUFFIX[power]}"


def _exponential(amount: Fraction) -> str:
    whole, power = _reduced(amount)
    return f"{whole}e{power}" if power else str(whole)


def _reduced(amount: Fraction) -> tuple[int, int]:
    """An integer and the power of ten that it is multiplied by; below a nano it is rounded up."""
    whole, power = ceil(amount * 10**9), -9
    while whole and whole % 1000 == 0 and power < 18:
        whole, power = whole // 1000, power + 3
    return (whole, power) if whole else (0, 0)
