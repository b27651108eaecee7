"""The port `Verdicts`: what dry runs said, as keyed digests.

Whoever can write to Redis can't make an object pass for unchanged: the key is not there.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from contextlib import suppress

from redis import Redis
from redis.exceptions import RedisError

from towline.adapters.redis.connection import key

_SECONDS = 3600
"""Admission may change without a trace in the object: so long after the first verdict that is
remembered, whatever came after it, all are forgotten and the server is asked anew."""

_MOST = 20_000
"""For one application, some 100 bytes each. Some objects change all the time."""


class RedisVerdicts:
    """A convenience: without Redis the server is asked each time."""

    def __init__(self, redis: Redis, signing_key: Callable[[], bytes]) -> None:
        self._redis = redis
        self._signing_key = signing_key

    def known(self, application: str, digests: Iterable[str]) -> frozenset[str]:
        asked = {self._keyed(digest): digest for digest in digests}
        if not asked:
            return frozenset()
        try:
            kept: set[str] = self._redis.smembers(key("verdicts", application))  # type: ignore[assignment]
        except RedisError:
            return frozenset()
        return frozenset(digest for keyed, digest in asked.items() if keyed in kept)

    def remember(self, application: str, digests: Iterable[str]) -> None:
        name = key("verdicts", application)
        keyed = [self._keyed(digest) for digest in digests]
        if not keyed:
            return
        with suppress(RedisError):
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.sadd(name, *keyed)
            pipeline.expire(name, _SECONDS, nx=True)
            pipeline.scard(name)
            *_, count = pipeline.execute()
            if count > _MOST:
                self._redis.spop(name, count - _MOST)

    def _keyed(self, digest: str) -> str:
        text = f"verdict {digest}".encode()
        return hmac.new(self._signing_key(), text, hashlib.sha256).hexdigest()
