"""Sets that nobody describes any more: their document is gone, or deploys to another cluster.

They keep their objects until a person prunes them, or writes a document again. What a survey
found is kept as a record, and read together with the documents that there are by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from towline.core.application import (
    Application,
    ApplicationSpec,
    Destination,
    Documents,
    Metadata,
    Source,
    SyncPolicy,
)
from towline.core.inventory import Parent
from towline.core.plan import Revision

Record = Mapping[str, Any]

STATUS = "abandoned"


@dataclass(frozen=True, slots=True)
class AbandonedSet:
    """`members` is how many objects carry its label; None where they could not be listed."""

    parent: Parent
    cluster: str
    """The name of the destination under which it was found."""
    why: str
    members: int | None = None

    @property
    def application(self) -> str:
        return self.parent.application

    def record(self) -> dict[str, Any]:
        return {
            "application": self.application,
            "cluster": self.cluster,
            "uid": self.parent.uid,
            "why": self.why,
            "objects": self.members,
            "revision": self.parent.revision,
            "kinds": sorted(map(str, self.parent.group_kinds)),
            "namespaces": sorted(self.parent.namespaces),
            "suspended": self.parent.suspended,
        }


def survey_record(
    cluster: str, identity: str, found: Iterable[AbandonedSet], *, at: float
) -> dict[str, Any]:
    """What a look at one cluster found; `identity` is empty where it cannot be told, `at` is in
    seconds since the epoch."""
    sets = [one.record() for one in found]
    return {"cluster": cluster, "identity": identity, "at": at, "sets": sets}


def standing(surveys: Mapping[str, Record], documents: Documents) -> list[Record]:
    """The sets that the surveys found and that no document has taken up since, each once.

    A cluster may have several names as a destination. Where it cannot be told whether a
    document's destination is the set's cluster, the set is not called abandoned.
    """
    found: dict[str, Record] = {}
    for cluster in sorted(surveys):
        for one in surveys[cluster]["sets"]:
            if not _may_be_taken_up(one, surveys, documents):
                found.setdefault(one["uid"], one)
    return sorted(found.values(), key=lambda one: (one["application"], one["cluster"]))


def _may_be_taken_up(one: Record, surveys: Mapping[str, Record], documents: Documents) -> bool:
    document = documents.applications.get(one["application"])
    if document is None:
        return False
    names = (one["cluster"], document.destination.cluster)
    ids = [surveys.get(name, {}).get("identity", "") for name in names]
    return names[0] == names[1] or "" in ids or ids[0] == ids[1]


def message_of(one: Record) -> str:
    """What there is to know of an abandoned set, and what to do."""
    application, number = one["application"], one["objects"]
    if number == 0:
        return f"{one['why']}, and nothing of it is left: `towline prune {application}` removes it"
    suspended = f"; it was suspended by {one['suspended']}" if one["suspended"] else ""
    return (
        f"{one['why']}; {_left(number)}{suspended}: `towline prune {application}` "
        "shows what would be deleted, or write its document again"
    )


def _left(number: int | None) -> str:
    if number == 1:
        return "its object is left as it is"
    return f"its {f'{number} ' if number else ''}objects are left as they are"


def plan_name(application: str, cluster: str) -> str:
    """Under which the plan of a pruning is kept, apart from the plans of the application."""
    return f"{application}@{cluster}"


# Pruning is deploying nothing ----------------------------------------------------------------


def deploying_nothing(application: str, cluster: str) -> Application:
    """The document that a set is pruned by: all limits are off, for a person asks for just that.

    Its source is read by nobody; the name is one that can never be (RFC 2606).
    """
    return Application(
        api_version="towline.dev/v1alpha1",
        kind="Application",
        metadata=Metadata(name=application),
        spec=ApplicationSpec(
            source=Source(repository="https://nothing.invalid/nothing.git", commit="0" * 40),
            destination=Destination(cluster=cluster),
            sync=SyncPolicy(max_prune="100%", allow_empty=True),
        ),
    )


def last_revision(parent: Parent) -> Revision:
    """What was applied last, as the parent notes it; it stays noted while anything is left."""
    ref, _, commit = (parent.revision or "").rpartition("@")
    return Revision(ref, commit, parent.applied or "")
