"""How well a live object does, read from the object alone.

Each kind that has a rule has one function, in the module of its subject; the table in `rules.py`
names them all, and any other kind is read by the convention of kstatus. A new rule is one function
and one line.

Nothing here asks a cluster, reads a clock or remembers what was before, and nothing raises: a field
of an unexpected shape counts as missing. A rule that can then not tell says so; it never takes an
object for healthy because its status could not be read.
"""

from towline.core.health.assessment import Assessment, Health, worst
from towline.core.health.rules import assess

__all__ = ["Assessment", "Health", "assess", "worst"]
