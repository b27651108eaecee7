"""The port `Looks`: numbers the looks at repositories over all hosts.

A mirror that was fetched for look 7 is older than one fetched for look 8. The epoch tells the
numbers of a Redis that was emptied from those before.
"""

from __future__ import annotations

import secrets

from redis import Redis

from towline.adapters.redis.connection import key

# KEYS: epoch, begun. ARGV: an epoch if there is none, the repository.
_BEGIN = """
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return {redis.call('GET', KEYS[1]), redis.call('HINCRBY', KEYS[2], ARGV[2], 1)}
"""

# KEYS: epoch, ended. ARGV: epoch, repository, number. A look that ended late counts for nothing.
_END = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local newest = tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or '0')
if tonumber(ARGV[3]) > newest then redis.call('HSET', KEYS[2], ARGV[2], ARGV[3]) end
return 1
"""

_EPOCH = key("looks", "epoch")
_BEGUN = key("looks", "begun")
_ENDED = key("looks", "ended")


class RedisLooks:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._begin = redis.register_script(_BEGIN)
        self._end = redis.register_script(_END)

    def begin(self, repository: str) -> str:
        epoch, number = self._begin(keys=[_EPOCH, _BEGUN], args=[secrets.token_hex(8), repository])
        return f"{epoch}:{number}"

    def end(self, repository: str, look: str) -> None:
        epoch, number = look.split(":")
        self._end(keys=[_EPOCH, _ENDED], args=[epoch, repository, number])

    def newest(self, repository: str) -> str | None:
        epoch, number = self._redis.get(_EPOCH), self._redis.hget(_ENDED, repository)
        return f"{epoch!s}:{number!s}" if epoch and number else None
