"""The port `Marks`: counters of what is wanted and served, and the lease of who is at it.

Each operation is one script, so that it happens whole or not at all. A message in a queue only
says that there is a mark; it may come twice, late or never.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from towline.adapters.redis.connection import key
from towline.core.outcome import Trigger, TriggerKind
from towline.ports import Scope

LEASE_SECONDS = 60.0
_RENEW_SECONDS = 15.0
_MARGIN_SECONDS = 15.0
"""A write is begun only while so much of the lease is left: more than a request's time limit."""

QUEUED_SECONDS = 60
"""After so long a message that never came counts as lost, and the tick queues another."""

# KEYS: wanted, trigger, queued. The first trigger that is not served is kept, for it tells how
# long the push has waited; but a person's word weighs more than any other.
WANT = """
local function want(keys, name, trigger, person, queued_seconds)
  redis.call('HINCRBY', keys[1], name, 1)
  if person == '1' or redis.call('HEXISTS', keys[2], name) == 0 then
    redis.call('HSET', keys[2], name, trigger)
  end
  if redis.call('SET', keys[3], '1', 'NX', 'EX', queued_seconds) then return 1 end
  return 0
end
"""

_WANT = WANT + "return want(KEYS, ARGV[1], ARGV[2], ARGV[3], ARGV[4])"

# KEYS: wanted, trigger, queued, served, lease, retry, attempts. The queued mark goes before
# anything else: whoever wants more from now on must queue again.
_TAKE = """
redis.call('DEL', KEYS[3])
local wanted = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
local served = tonumber(redis.call('HGET', KEYS[4], ARGV[1]) or '0')
if wanted <= served then return false end
if not redis.call('SET', KEYS[5], ARGV[2], 'NX', 'PX', ARGV[3]) then return false end
local trigger = redis.call('HGET', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[6], ARGV[1])
return {wanted, trigger or '', redis.call('HINCRBY', KEYS[7], ARGV[1], 1)}
"""

# KEYS: as for take. Gives the lease back and says in one step whether more is wanted.
_RELEASE = """
if redis.call('GET', KEYS[5]) ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[5])
redis.call('HDEL', KEYS[7], ARGV[1])
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[4], ARGV[1], ARGV[3])
else
  redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[5])
  redis.call('HSET', KEYS[6], ARGV[1], ARGV[6])
  return 0
end
local wanted = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if wanted > tonumber(ARGV[3]) and redis.call('SET', KEYS[3], '1', 'NX', 'EX', ARGV[7]) then
  return 1
end
return 0
"""

_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
"""

# KEYS: wanted, served, retry. ARGV: now, seconds, then the prefixes of queued and lease.
_UNSERVED = """
local names = {}
local marks = redis.call('HGETALL', KEYS[1])
for i = 1, #marks, 2 do
  local name = marks[i]
  local served = tonumber(redis.call('HGET', KEYS[2], name) or '0')
  local retry = tonumber(redis.call('HGET', KEYS[3], name) or '0')
  if tonumber(marks[i + 1]) > served and retry <= tonumber(ARGV[1])
      and redis.call('EXISTS', ARGV[4] .. name) == 0
      and redis.call('SET', ARGV[3] .. name, '1', 'NX', 'EX', ARGV[2]) then
    names[#names + 1] = name
  end
end
return names
"""

# KEYS: slots. ARGV: name, slot, name, slot ... Gives the names that enter a new slot.
_ENTER = """
local names = {}
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    names[#names + 1] = ARGV[i]
  end
end
return names
"""

_HASHES = ("wanted", "trigger", "served", "retry", "slot", "attempts")


def want_keys(scope: Scope, name: str) -> list[str]:
    return [key(scope, "wanted"), key(scope, "trigger"), key(scope, "queued", name)]


def want_arguments(name: str, trigger: Trigger) -> list[str]:
    person = "1" if trigger.kind is TriggerKind.SYNC else "0"
    return [name, json.dumps(asdict(trigger)), person, str(QUEUED_SECONDS)]


def _all_keys(scope: Scope, name: str) -> list[str]:
    rest = [key(scope, "served"), key(scope, "lease", name), key(scope, "retry")]
    return [*want_keys(scope, name), *rest, key(scope, "attempts")]


class RedisMarks:
    def __init__(self, redis: Redis, *, now: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._now = now
        self._want = redis.register_script(_WANT)
        self._take = redis.register_script(_TAKE)
        self._unserved = redis.register_script(_UNSERVED)
        self._enter = redis.register_script(_ENTER)

    def want(self, scope: Scope, name: str, trigger: Trigger) -> bool:
        return bool(self._want(keys=want_keys(scope, name), args=want_arguments(name, trigger)))

    def take(self, scope: Scope, name: str) -> RedisLease | None:
        token = secrets.token_hex(16)
        began = time.monotonic()
        arguments = [name, token, str(int(LEASE_SECONDS * 1000))]
        answer = self._take(keys=_all_keys(scope, name), args=arguments)
        if not answer:
            return None
        seen, trigger, attempts = answer
        ticket = Ticket(scope, name, token, int(seen), _trigger(trigger), int(attempts))
        return RedisLease(self._redis, ticket, began)

    def unserved(self, scope: Scope) -> Sequence[str]:
        keys = [key(scope, "wanted"), key(scope, "served"), key(scope, "retry")]
        prefixes = [f"{key(scope, 'queued')}:", f"{key(scope, 'lease')}:"]
        arguments = [str(self._now()), str(QUEUED_SECONDS), *prefixes]
        names: list[str] = self._unserved(keys=keys, args=arguments)
        return names

    def entered(self, scope: Scope, slots: Mapping[str, int]) -> Sequence[str]:
        """The names that have come into a new slot; each slot is told once."""
        if not slots:
            return []
        arguments = [str(part) for item in slots.items() for part in item]
        names: list[str] = self._enter(keys=[key(scope, "slot")], args=arguments)
        return names

    def first(self, name: str, seconds: float) -> bool:
        """Whether nobody else has said this name within so many seconds."""
        milliseconds = max(1, int(seconds * 1000))
        return bool(self._redis.set(key("slot", name), "1", nx=True, px=milliseconds))

    def retain(self, scope: Scope, names: Iterable[str]) -> None:
        """Forget every name but these."""
        kept = set(names)
        for kind in _HASHES:
            fields: list[str] = self._redis.hkeys(key(scope, kind))  # type: ignore[assignment]
            gone = [name for name in fields if name not in kept]
            if gone:
                self._redis.hdel(key(scope, kind), *gone)


def _trigger(text: str) -> Trigger:
    """A message may have been written by any version, or by anyone."""
    try:
        fields: dict[str, Any] = json.loads(text)
        return Trigger(
            TriggerKind(fields["kind"]), str(fields["detail"])[:200], float(fields["at"])
        )
    except (ValueError, KeyError, TypeError):
        return Trigger(TriggerKind.RESYNC)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a lease was given for; `seen` is how much was wanted then."""

    scope: Scope
    name: str
    token: str
    seen: int
    trigger: Trigger
    attempts: int


class RedisLease:
    """Renewed by a thread of its own until it is released or lost."""

    def __init__(self, redis: Redis, ticket: Ticket, began: float) -> None:
        self.trigger = ticket.trigger
        self.attempts = ticket.attempts
        self._redis = redis
        self._ticket = ticket
        self._keys = _all_keys(ticket.scope, ticket.name)
        self._until = began + LEASE_SECONDS
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def held(self) -> bool:
        """Judged by this host's clock, which runs on while the process is stopped."""
        return not self._ended.is_set() and time.monotonic() < self._until - _MARGIN_SECONDS

    def _keep(self) -> None:
        renew = self._redis.register_script(_RENEW)
        lease, milliseconds = self._keys[4], str(int(LEASE_SECONDS * 1000))
        while not self._ended.wait(_RENEW_SECONDS):
            began = time.monotonic()
            try:
                renewed = renew(keys=[lease], args=[self._ticket.token, milliseconds])
            except RedisError:
                continue  # what is left of the lease decides
            if not renewed:
                self._until = 0.0
                return
            self._until = began + LEASE_SECONDS

    def _trigger_left(self) -> Trigger:
        """What the next run of an application is told, if this one did not serve the mark."""
        if self._ticket.scope is Scope.REPOSITORY or self.trigger.kind is TriggerKind.SYNC:
            return self.trigger
        return replace(self.trigger, kind=TriggerKind.RETRY)

    def release(self, *, served: bool, retry_after: float = 0.0) -> bool:
        """Only the first call counts: a lease that is not ours any more changes nothing."""
        self._ended.set()
        self._thread.join(timeout=1)
        arguments = [
            self._ticket.name,
            self._ticket.token,
            str(self._ticket.seen),
            "1" if served else "0",
            json.dumps(asdict(self._trigger_left())),
            str(time.time() + retry_after),
            str(QUEUED_SECONDS),
        ]
        script = self._redis.register_script(_RELEASE)
        return bool(script(keys=self._keys, args=arguments))
