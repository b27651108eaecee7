"""Redis: marks and leases, looks, the inbox and the ledger. All of it can be lost."""

from towline.adapters.redis.connection import connect
from towline.adapters.redis.inbox import RedisInbox
from towline.adapters.redis.ledger import RedisLedger
from towline.adapters.redis.looks import RedisLooks
from towline.adapters.redis.marks import RedisMarks
from towline.adapters.redis.verdicts import RedisVerdicts

__all__ = ["RedisInbox", "RedisLedger", "RedisLooks", "RedisMarks", "RedisVerdicts", "connect"]
