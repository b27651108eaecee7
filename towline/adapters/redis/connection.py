"""One way to connect, and the names of all keys."""

from __future__ import annotations

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

PREFIX = "towline:1"
"""The version of the layout: keys of another version are never read."""

DAY = 24 * 3600


def connect(url: str) -> Redis:
    """A client that gives up in seconds: who waits for Redis, waits for nothing."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=5,
        socket_connect_timeout=2,
        socket_keepalive=True,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2),
    )


def key(*parts: str) -> str:
    return ":".join((PREFIX, *parts))
