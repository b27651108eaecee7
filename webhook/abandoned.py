"""Abandoned sets as the API shows them: what the workers' last surveys found, and documents have
not taken up since."""

from __future__ import annotations

from typing import Any

from flask import abort

from towline.core import abandoned
from towline.core.abandoned import Record
from towline.core.application import is_name
from webhook.office import Office


def sets(office: Office, name: str | None = None) -> list[Record]:
    """All of them, or those of one name: by name, then by cluster."""
    found = abandoned.standing(office.ledger.surveys(), office.documents())
    return [one for one in found if name in (None, one["application"])]


def view(one: Record, office: Office) -> dict[str, Any]:
    """As an application, without what only a document says; the last run is that of the set where
    no document has its name."""
    name = one["application"]
    is_described = name in office.documents().applications
    return {
        **dict.fromkeys(("repository", "follows", "path", "namespace", "automatic")),
        "name": name,
        "cluster": one["cluster"],
        "status": abandoned.STATUS,
        "message": abandoned.message_of(one),
        "objects": one["objects"],
        "revision": one["revision"],
        "kinds": one["kinds"],
        "namespaces": one["namespaces"],
        "suspended": one["suspended"],
        "source_error": "",
        "last_run": None if is_described else office.ledger.status(name),
    }


def last_plan(office: Office, name: str, cluster: str | None) -> Record:
    """The newest plan of pruning that was asked for, of one cluster or of any."""
    clusters = [cluster] if cluster else [one["cluster"] for one in sets(office, name)]
    plans = (office.ledger.plan(abandoned.plan_name(name, found)) for found in clusters)
    newest = max(filter(None, plans), key=lambda plan: float(plan["at"]), default=None)
    if newest is None:
        abort(404, f"no plan to prune {name[:80]!r} was asked for: POST …/prune with {{}} asks")
    return newest


def meant_cluster(office: Office, name: str, given: Any) -> str:
    """Where the set is that is to be pruned; refuses what a document deploys to.

    One that no survey has found may be named all the same: a worker looks whether it is there.
    """
    document = office.documents().applications.get(name)
    found = [one["cluster"] for one in sets(office, name)]
    if document and (given == document.destination.cluster or (given is None and not found)):
        abort(409, _described(name, document.destination.cluster))
    if given is None:
        return _only(name, found)
    if not isinstance(given, str) or not given.isprintable() or not 0 < len(given) <= 253:
        abort(400, '"cluster" is the name of a destination')
    if not is_name(name):
        abort(404, f"there is no application {name[:80]!r}")
    return given


def _described(name: str, cluster: str) -> str:
    return (
        f"application {name} has a document that deploys to {cluster}: "
        f"remove its document first, or use `towline sync {name}`"
    )


def _only(name: str, clusters: list[str]) -> str:
    if not clusters:
        abort(404, f"there is no application {name[:80]!r}, and no abandoned set of that name")
    if len(clusters) > 1:
        abort(400, f"{name} left sets on {', '.join(clusters)}: say which, with --cluster")
    return clusters[0]
