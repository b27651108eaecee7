"""Where a verified delivery is taken in: recorded, marked and coalesced in one step."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis

from towline.adapters.redis.connection import DAY, key
from towline.adapters.redis.marks import WANT, want_arguments, want_keys
from towline.core.outcome import Trigger, TriggerKind
from towline.ports import Received, Scope

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_KEPT = 1000
_SEEN_SECONDS = DAY
EXPECT_SECONDS = 60

# KEYS: wanted, trigger, queued, seen, deliveries, expected.
# ARGV: those of want, then record, kept, seen seconds, ref, expected, expect seconds.
_RECEIVE = (
    WANT
    + """
local fresh = redis.call('SET', KEYS[4], '1', 'NX', 'EX', ARGV[8])
redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[7], '*',
           'record', ARGV[6], 'duplicate', fresh and '0' or '1')
redis.call('EXPIRE', KEYS[5], 7 * 86400)
if ARGV[1] == '' then return {0, fresh and 0 or 1} end
if ARGV[10] ~= '' then
  redis.call('HSET', KEYS[6], ARGV[9], ARGV[10])
  redis.call('EXPIRE', KEYS[6], ARGV[11])
end
return {want(KEYS, ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]), fresh and 0 or 1}
"""
)


class RedisInbox:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._receive = redis.register_script(_RECEIVE)

    def receive(
        self,
        record: Mapping[str, Any],
        *,
        repository: str | None,
        ref: str = "",
        expected: str = "",
    ) -> Received:
        """Take in a delivery; `repository` is None where nothing follows what it names.

        `record` has `id` and `provider`. Raises RedisError: then nothing was taken in.
        """
        identity = f"{record['provider']}\n{record['id']}"
        seen = hashlib.sha256(identity.encode()).hexdigest()
        name = repository or ""
        trigger = Trigger(TriggerKind.WEBHOOK, str(record["id"]), time.time())
        now_expected = json.dumps([expected, time.time()]) if expected else ""
        queue, duplicate = self._receive(
            keys=[
                *want_keys(Scope.REPOSITORY, name),
                key("seen", seen),
                key("deliveries"),
                key("expected", name),
            ],
            args=[
                *want_arguments(name, trigger),
                json.dumps(record),
                str(_KEPT),
                str(_SEEN_SECONDS),
                ref,
                now_expected,
                str(2 * EXPECT_SECONDS),
            ],
        )
        return Received(bool(queue), bool(duplicate))

    def deliveries(self, *, limit: int = 50) -> Sequence[Mapping[str, Any]]:
        """The latest first."""
        entries: list[Any] = self._redis.xrevrange(key("deliveries"), count=limit)  # type: ignore[assignment]
        return [
            {**json.loads(fields["record"]), "duplicate": fields["duplicate"] == "1"}
            for _, fields in entries
        ]

    def expected(self, repository: str) -> dict[str, tuple[str, float]]:
        """Full ref → the commit that a webhook announced, and when (seconds since the epoch)."""
        fields: dict[str, str] = self._redis.hgetall(key("expected", repository))  # type: ignore[assignment]
        read = {ref: _announced(text) for ref, text in fields.items()}
        return {ref: announced for ref, announced in read.items() if announced}

    def met(self, repository: str, ref: str) -> None:
        """The commit has come, or is waited for no longer."""
        self._redis.hdel(key("expected", repository), ref)


def _announced(text: str) -> tuple[str, float] | None:
    """None for what nobody here wrote."""
    try:
        commit, since = json.loads(text)
        return (commit, float(since)) if _COMMIT.fullmatch(commit) else None
    except (ValueError, TypeError):
        return None
