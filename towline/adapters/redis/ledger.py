"""The port `Ledger`: runs, plans and statuses as JSON, each with a bounded life."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis

from towline.adapters.redis.connection import DAY, key
from towline.core.record import amended

_RUNS_KEPT = 100
_RUN_SECONDS = 7 * DAY
_STATUS_SECONDS = 30 * DAY

Record = Mapping[str, Any]

# KEYS: run, runs, status. ARGV: the run, its id, the status, runs kept, seconds of both, the
# prefix of runs, whether it is the status. What falls off the list goes with it: a run that fails
# every few seconds would fill Redis within its seven days.
_RECORD = """
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[5])
redis.call('LPUSH', KEYS[2], ARGV[2])
for _, id in ipairs(redis.call('LRANGE', KEYS[2], ARGV[4], -1)) do
  redis.call('DEL', ARGV[7] .. id)
end
redis.call('LTRIM', KEYS[2], 0, ARGV[4] - 1)
redis.call('EXPIRE', KEYS[2], ARGV[5])
if ARGV[8] == '1' then redis.call('SET', KEYS[3], ARGV[3], 'EX', ARGV[6]) end
"""


class RedisLedger:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._record = redis.register_script(_RECORD)

    def record_run(self, run: Record, *, is_status: bool = True) -> None:
        """Keep a run, put it on its application's list, and let it be the status."""
        application = run["application"]
        self._record(
            keys=[key("run", run["id"]), key("runs", application), key("status", application)],
            args=[
                json.dumps(run),
                run["id"],
                json.dumps(_status(run)),
                _RUNS_KEPT,
                _RUN_SECONDS,
                _STATUS_SECONDS,
                f"{key('run')}:",
                "1" if is_status else "0",
            ],
        )

    def amend_run(self, run_id: str, later: Record) -> None:
        """Only the run's own worker writes, under the application's lease."""
        for name in (key("run", run_id), key("status", later["application"])):
            record = self._get(name)
            if record is not None:
                self._redis.set(name, json.dumps(amended(dict(record), dict(later))), keepttl=True)

    def run(self, run_id: str) -> Record | None:
        return self._get(key("run", run_id))

    def runs(self, application: str, *, limit: int = 20) -> Sequence[Record]:
        ids: list[str] = self._redis.lrange(key("runs", application), 0, limit - 1)  # type: ignore[assignment]
        found = self._many([key("run", run_id) for run_id in ids])
        return [run for run in found if run is not None]

    def status(self, application: str) -> Record | None:
        return self._get(key("status", application))

    def statuses(self, applications: Sequence[str]) -> dict[str, Record | None]:
        found = self._many([key("status", name) for name in applications])
        return dict(zip(applications, found, strict=True))

    def record_plan(self, application: str, plan: Record) -> None:
        self._redis.set(key("plan", application), json.dumps(plan), ex=_RUN_SECONDS)

    def plan(self, application: str) -> Record | None:
        return self._get(key("plan", application))

    def record_source(self, repository: str, *, error: str) -> None:
        """How the last look at a repository ended; an empty error is a good end."""
        if error:
            self._redis.set(key("source", repository), error, ex=_STATUS_SECONDS)
        else:
            self._redis.delete(key("source", repository))

    def source_error(self, repository: str) -> str:
        return str(self._redis.get(key("source", repository)) or "")

    def record_survey(self, cluster: str, survey: Record | None) -> None:
        if survey is None:
            self._redis.hdel(key("abandoned"), cluster)
            return
        self._redis.hset(key("abandoned"), cluster, json.dumps(survey))
        self._redis.expire(key("abandoned"), _STATUS_SECONDS)

    def surveys(self) -> dict[str, Record]:
        texts: dict[str, str] = self._redis.hgetall(key("abandoned"))  # type: ignore[assignment]
        parsed = {cluster: _parsed(text) for cluster, text in texts.items()}
        return {cluster: survey for cluster, survey in parsed.items() if survey is not None}

    def _get(self, name: str) -> Record | None:
        return _parsed(self._redis.get(name))

    def _many(self, names: Sequence[str]) -> list[Record | None]:
        if not names:
            return []
        texts: list[Any] = self._redis.mget(names)
        return [_parsed(text) for text in texts]


def _parsed(text: Any) -> Record | None:
    record = json.loads(text) if text else None
    return record if isinstance(record, dict) else None


def _status(run: Record) -> Record:
    """What of a run is the application's status; the objects are in the run itself."""
    return {name: value for name, value in run.items() if name not in ("results", "plan")}
