"""Where a verified delivery is taken in: recorded, marked and coalesced in one step."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis

from towline.adapters.redis.connection import DAY, key
from towline.adapters.redis.marks import WANT, want_arguments, want_keys
from towline.core.outcome import Trigger, TriggerKind
from towline.ports import Received, Scope

_KEPT = 1000
_SEEN_SECONDS = DAY
EXPECT_SECONDS = 60

# KEYS: wanted, trigger, queued, seen, deliveries, expected.
# ARGV: those of want, then record, kept, seen seconds, ref, expected, expect seconds.
_RECEIVE = (
    WANT
    + """
local fresh = redis.call('SET', KEYS[4], '1', 'NX', 'EX', ARGV[7])
redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[6], '*',
           'record', ARGV[5], 'duplicate', fresh and '0' or '1')
redis.call('EXPIRE', KEYS[5], 7 * 86400)
if ARGV[1] == '' then return {0, fresh and 0 or 1} end
if ARGV[9] ~= '' then
  redis.call('HSET', KEYS[6], ARGV[8], ARGV[9])
  redis.call('EXPIRE', KEYS[6], ARGV[10])
end
return {want(KEYS, ARGV[1], ARGV[2], ARGV[3], ARGV[4]), fresh and 0 or 1}
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
        return {ref: tuple(json.loads(text)) for ref, text in fields.items()}

    def met(self, repository: str, ref: str) -> None:
        """The commit has come, or is waited for no longer."""
        self._redis.hdel(key("expected", repository), ref)
