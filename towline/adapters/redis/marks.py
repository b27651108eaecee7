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
from towline.ports import Released, Scope

LEASE_SECONDS = 60.0
_RENEW_SECONDS = 15.0
_MARGIN_SECONDS = 15.0
"""A write is begun only while so much of the lease is left: more than a request's time limit."""

QUEUED_SECONDS = 60
"""After so long a message that never came counts as lost, and the tick queues another."""

# KEYS: wanted, trigger, queued. The first trigger that is not served is kept, for it tells how
# long the push has waited; but a person's word weighs more than any other, and a resync or a retry
# less. Of two persons' words one is left: a sync if either was one, and what the other said to
# steer by. The queued mark says whether the message waits behind all resyncs (0), where nothing
# urgent may wait.
WANT = """
local function is_kind(trigger, kind)
  return string.find(trigger, '"kind": "' .. kind .. '"', 1, true) ~= nil
end
local function is_resync(trigger) return is_kind(trigger, 'resync') end
local function heard(earlier, later)
  local synced = is_kind(earlier, 'sync')
  if is_kind(later, 'sync') and is_kind(earlier, 'steer') then
    later, synced = earlier, true
  end
  if not is_kind(later, 'sync') and not is_kind(later, 'steer') then return earlier end
  if not synced then return later end
  return (string.gsub(later, '"kind": "steer"', '"kind": "sync"', 1))
end
local function queue(queued_key, urgent, seconds)
  local queued = redis.call('GET', queued_key)
  if queued == '1' or (queued and urgent == '0') then return false end
  redis.call('SET', queued_key, urgent, 'EX', seconds)
  return true
end
local function want(keys, name, trigger, person, urgent, seconds)
  redis.call('HINCRBY', keys[1], name, 1)
  local earlier = redis.call('HGET', keys[2], name) or ''
  local is_weak = earlier == '' or is_resync(earlier) or is_kind(earlier, 'retry')
  if person == '1' then
    redis.call('HSET', keys[2], name, heard(earlier, trigger))
  elseif earlier == '' or (urgent == '1' and is_weak) then
    redis.call('HSET', keys[2], name, trigger)
  end
  return queue(keys[3], urgent, seconds) and 1 or 0
end
"""

_WANT = WANT + "return want(KEYS, ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])"

# KEYS: wanted, trigger, queued, served, lease, retry, attempts. The queued mark goes before
# anything else: whoever wants more from now on must queue again. The counters are compared for
# being equal, not for which is larger: where one of them was lost, there is one run too many.
_TAKE = """
redis.call('DEL', KEYS[3])
local wanted = redis.call('HGET', KEYS[1], ARGV[1]) or '0'
local served = redis.call('HGET', KEYS[4], ARGV[1]) or '0'
if wanted == served then return false end
if not redis.call('SET', KEYS[5], ARGV[2], 'NX', 'PX', ARGV[3]) then return false end
local trigger = redis.call('HGET', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return {wanted, trigger or '', redis.call('HINCRBY', KEYS[7], ARGV[1], 1)}
"""

# KEYS: as for take. ARGV: name, token, seen, served, the trigger left, whether it is a person's,
# now, the time of the retry, queued seconds. Gives the lease back and says in one step whether
# more is wanted, and whether the caller is the one who comes back: every message that fails would
# come again for itself otherwise, and they would pile up.
_RELEASE = (
    WANT
    + """
if redis.call('GET', KEYS[5]) ~= ARGV[2] then return {0, '', 0} end
redis.call('DEL', KEYS[5])
redis.call('HDEL', KEYS[7], ARGV[1])
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[4], ARGV[1], ARGV[3])
  redis.call('HDEL', KEYS[6], ARGV[1])
else
  local later = redis.call('HGET', KEYS[2], ARGV[1]) or ''
  if ARGV[6] == '1' then later = heard(ARGV[5], later) end
  redis.call('HSET', KEYS[2], ARGV[1], later == '' and ARGV[5] or later)
end
if (redis.call('HGET', KEYS[1], ARGV[1]) or '0') ~= ARGV[3] then
  redis.call('HDEL', KEYS[6], ARGV[1])
  local trigger = redis.call('HGET', KEYS[2], ARGV[1]) or ''
  local urgent = is_resync(trigger) and '0' or '1'
  return {queue(KEYS[3], urgent, ARGV[9]) and 1 or 0, trigger, 0}
end
if ARGV[4] == '1' then return {0, '', 0} end
local pending = tonumber(redis.call('HGET', KEYS[6], ARGV[1]) or '0') or 0
if pending > tonumber(ARGV[7]) and pending <= tonumber(ARGV[8]) then return {0, '', 0} end
redis.call('HSET', KEYS[6], ARGV[1], ARGV[8])
return {0, '', 1}
"""
)

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
  local served = redis.call('HGET', KEYS[2], name) or '0'
  local retry = tonumber(redis.call('HGET', KEYS[3], name) or '0') or 0
  if marks[i + 1] ~= served and retry <= tonumber(ARGV[1])
      and redis.call('EXISTS', ARGV[4] .. name) == 0
      and redis.call('SET', ARGV[3] .. name, '0', 'NX', 'EX', ARGV[2]) then
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

# KEYS: all hashes. ARGV: the prefix of leases, then the names to forget. A name that somebody is
# at is left to a later tick: its release would count what it served against a mark begun anew.
_FORGET = """
for i = 2, #ARGV do
  if redis.call('EXISTS', ARGV[1] .. ARGV[i]) == 0 then
    for _, hash in ipairs(KEYS) do redis.call('HDEL', hash, ARGV[i]) end
  end
end
"""

_HASHES = ("wanted", "trigger", "served", "retry", "slot", "attempts")


def want_keys(scope: Scope, name: str) -> list[str]:
    return [key(scope, "wanted"), key(scope, "trigger"), key(scope, "queued", name)]


def want_arguments(name: str, trigger: Trigger) -> list[str]:
    person = "1" if trigger.is_persons else "0"
    urgent = "0" if trigger.kind is TriggerKind.RESYNC else "1"
    return [name, json.dumps(asdict(trigger)), person, urgent, str(QUEUED_SECONDS)]


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
        self._forget = redis.register_script(_FORGET)

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
        ticket = Ticket(scope, name, token, str(seen), _trigger(trigger), int(attempts))
        return RedisLease(self._redis, ticket, began, self._now)

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
        """Forget every name but these, and those that somebody is at."""
        kept = set(names)
        hashes = [key(scope, kind) for kind in _HASHES]
        known = {str(name) for hash_key in hashes for name in self._redis.hkeys(hash_key)}
        gone = sorted(known - kept)
        if gone:
            self._forget(keys=hashes, args=[f"{key(scope, 'lease')}:", *gone])


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
    seen: str
    trigger: Trigger
    attempts: int


class RedisLease:
    """Renewed by a thread of its own until it is released or lost."""

    def __init__(
        self, redis: Redis, ticket: Ticket, began: float, now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
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

    def _trigger_left(self, *, heeded: bool) -> Trigger:
        """What the next run of an application is told, if this one did not serve the mark."""
        is_kept = self.trigger.is_persons and not heeded
        if self._ticket.scope is Scope.REPOSITORY or is_kept:
            return self.trigger
        return replace(self.trigger, kind=TriggerKind.RETRY)

    def release(self, *, served: bool, retry_after: float = 0.0, heeded: bool = False) -> Released:
        """Only the first call counts: a lease that is not ours any more changes nothing."""
        self._ended.set()
        self._thread.join(timeout=1)
        left, now = self._trigger_left(heeded=heeded), self._now()
        arguments = [
            self._ticket.name,
            self._ticket.token,
            self._ticket.seen,
            "1" if served else "0",
            json.dumps(asdict(left)),
            "1" if left.is_persons else "0",
            str(now),
            str(now + retry_after),
            str(QUEUED_SECONDS),
        ]
        script = self._redis.register_script(_RELEASE)
        queue, trigger, retry = script(keys=self._keys, args=arguments)
        return Released(_trigger(trigger) if queue else None, bool(retry))
