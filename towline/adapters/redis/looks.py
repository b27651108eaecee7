"""The port `Looks`: numbers the looks at repositories over all hosts.

A mirror that was fetched for look 7 is older than one fetched for look 8. The epoch tells the
numbers of a Redis that was emptied from those before. All of it is one hash, so that it is lost
whole or not at all: an old number under a new epoch, or the reverse, would pass for fresh.
"""

from __future__ import annotations

import secrets

from redis import Redis

from towline.adapters.redis.connection import key

# KEYS: looks. ARGV: an epoch if there is none, the field of the number that began last.
_BEGIN = """
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[1])
return {redis.call('HGET', KEYS[1], 'epoch'), redis.call('HINCRBY', KEYS[1], ARGV[2], 1)}
"""

# KEYS: looks. ARGV: epoch, the field of the number that ended last, the field of what it saw, the
# number that has ended, what it saw. A look that saw what the newest did is as new as that one, and
# makes no other mirror old; one that ended late counts for nothing.
_END = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return ARGV[4] end
local newest = redis.call('HGET', KEYS[1], ARGV[2])
if newest and ARGV[5] ~= '' and redis.call('HGET', KEYS[1], ARGV[3]) == ARGV[5] then
  return newest
end
if tonumber(ARGV[4]) > tonumber(newest or '0') then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[4], ARGV[3], ARGV[5])
end
return ARGV[4]
"""

_LOOKS = key("looks")


class RedisLooks:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._begin = redis.register_script(_BEGIN)
        self._end = redis.register_script(_END)

    def begin(self, repository: str) -> str:
        arguments = [secrets.token_hex(8), f"begun:{repository}"]
        epoch, number = self._begin(keys=[_LOOKS], args=arguments)
        return f"{epoch}:{number}"

    def end(self, repository: str, look: str, seen: str = "") -> str:
        epoch, number = look.split(":")
        fields = [f"ended:{repository}", f"seen:{repository}"]
        newest = self._end(keys=[_LOOKS], args=[epoch, *fields, number, seen])
        return f"{epoch}:{newest}"

    def newest(self, repository: str) -> str | None:
        fields: list[str | None]
        fields = self._redis.hmget(_LOOKS, ["epoch", f"ended:{repository}"])  # type: ignore[assignment]
        epoch, number = fields
        return f"{epoch}:{number}" if epoch and number else None
