"""When something is due without a webhook: slots of an interval, spread by the name."""

from __future__ import annotations

import hashlib
from datetime import timedelta


def slot_of(name: str, interval: timedelta, now: float) -> int:
    """The number of the interval that `now` (seconds since the epoch) lies in, for this name.

    A name is due once in each slot. Its slots begin at a point that depends on the name, so that
    a thousand applications do not come due together.
    """
    seconds = interval.total_seconds()
    digest = hashlib.sha256(name.encode()).digest()
    offset = int.from_bytes(digest[:8], "big") / 2**64 * seconds
    return int((now + offset) // seconds)
