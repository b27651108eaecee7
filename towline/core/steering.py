"""What a person may say of an application: suspend, resume, approve, prune.

These words change what Towline may do, so they are signed: whoever can write to the broker
cannot speak them. The key is shared by the web process and the workers, and is not in Redis.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from towline.core.errors import PermanentError

VALID_SECONDS = 600.0


class Verb(StrEnum):
    SUSPEND = "suspend"
    RESUME = "resume"
    APPROVE = "approve"
    PRUNE = "prune"
    """Of an abandoned set: show the plan, or carry out exactly the one that is named."""


@dataclass(frozen=True, slots=True)
class Steer:
    """`value` is the digest of the plan that is approved or pruned by, `at` is in seconds since the
    epoch, and `cluster` says which set is meant, where a document does not."""

    application: str
    verb: Verb
    actor: str
    at: float
    value: str = ""
    cluster: str = ""

    def signed(self, key: bytes) -> dict[str, Any]:
        """As a message."""
        return {**asdict(self), "signature": _signature(asdict(self), key)}


def verified(message: dict[str, Any], key: bytes, *, now: float) -> Steer:
    """Raises PermanentError for a message that was not signed here, or long ago."""
    fields = {name: value for name, value in message.items() if name != "signature"}
    signature = str(message.get("signature", ""))
    if not hmac.compare_digest(signature.encode(), _signature(fields, key).encode()):
        raise PermanentError("a message to steer an application has no valid signature: ignored")
    steer = Steer(**{**fields, "verb": Verb(fields["verb"])})
    if abs(now - steer.at) > VALID_SECONDS:
        raise PermanentError(f"a message to {steer.verb} {steer.application} is too old: ignored")
    return steer


def _signature(fields: dict[str, Any], key: bytes) -> str:
    text = json.dumps(fields, sort_keys=True).encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()
