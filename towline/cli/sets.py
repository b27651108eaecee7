"""`towline inventory`: the sets on the clusters, what is wrong with them, and mending it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

from towline import audit
from towline.audit import HeldSet
from towline.cli import show
from towline.core.application import Documents
from towline.core.audit import Finding, Sighting, findings
from towline.core.errors import PermanentError, TowlineError
from towline.ports import Services

Record = dict[str, Any]


@dataclass
class Report:
    """What was found, cluster by cluster; `errors` are of clusters that could not be looked at."""

    sets: list[Record] = field(default_factory=list)
    findings: list[Record] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[Record]:
        return [finding for finding in self.findings if not finding["note"]]

    @property
    def is_empty(self) -> bool:
        return not (self.sets or self.findings or self.errors)

    def record(self, *, checked: bool) -> Record:
        record: Record = {"sets": self.sets, "errors": self.errors}
        if checked:
            record |= {"findings": self.findings, "repaired": self.repaired}
        return record


def clusters_of(documents: Documents, services: Services, only: str | None) -> Iterator[str]:
    """The destinations to look at, each cluster under one of its names.

    Those of all documents, or that of one application, if it has a document.
    """
    described = documents.applications.get(only or "")
    applications = [described] if described else documents.applications.values()
    seen: set[str] = set()
    for name in sorted({application.destination.cluster for application in applications}):
        identity = _identity(name, services)
        if not identity or identity not in seen:
            yield name
        seen.add(identity)


def _identity(name: str, services: Services) -> str:
    try:
        return services.cluster(name).identity()
    except TowlineError:
        return ""  # looking at it will say why


def listed(clusters: Iterable[str], services: Services, only: str | None) -> Report:
    report = Report()
    for cluster in clusters:
        with_error(report, cluster, lambda name: _list(report, name, services, only))
    return report


def checked(
    clusters: Iterable[str], services: Services, only: str | None, *, repair: bool
) -> Report:
    """Go over the sets; with `repair`, mend the parents first and say what is left."""
    report = Report()
    for cluster in clusters:
        with_error(report, cluster, lambda name: _check(report, name, services, only, repair))
    return report


def with_error(report: Report, cluster: str, act: Callable[[str], None]) -> None:
    """One cluster that does not answer keeps nobody from the others."""
    try:
        act(cluster)
    except TowlineError as error:
        report.errors.append(f"{cluster}: {error}")


def _list(report: Report, cluster: str, services: Services, only: str | None) -> None:
    report.sets += [_set_record(held) for held in audit.sets(cluster, services, only=only)]


def _set_record(held: HeldSet) -> Record:
    return {
        "application": held.parent.application,
        "cluster": held.cluster,
        "state": held.state,
        "why": held.abandoned,
        "revision": held.parent.revision,
        "members": {str(kind): number for kind, number in held.members.items()},
        "unseen": sorted(map(str, held.unseen)),
        "namespaces": sorted(held.parent.namespaces),
        "suspended": held.parent.suspended,
    }


def _check(
    report: Report, cluster: str, services: Services, only: str | None, repair: bool
) -> None:
    seen = audit.sightings(cluster, services, only=only)
    if repair and _repair(report, cluster, services, seen):
        seen = audit.sightings(cluster, services, only=only)
    _list(report, cluster, services, only)
    for one in seen:
        report.findings += [_finding_record(one, cluster, finding) for finding in findings(one)]


def _repair(
    report: Report, cluster: str, services: Services, seen: Iterable[Sighting]
) -> list[str]:
    """What was written. What may not be repaired stays a finding."""
    done: list[str] = []
    for one in seen:
        try:
            done.append(audit.repair(one, cluster, services))
        except PermanentError as error:
            report.errors.append(f"{cluster}: {error}")
    done = [f"{cluster}: {text}" for text in done if text]
    report.repaired += done
    return done


def _finding_record(seen: Sighting, cluster: str, finding: Finding) -> Record:
    return {
        "application": seen.application,
        "cluster": cluster,
        "object": finding.object,
        "problem": finding.problem,
        "advice": finding.advice,
        "note": finding.is_note,
    }


# In a terminal -------------------------------------------------------------------------------


def print_sets(console: Console, report: Report) -> None:
    columns = ("APPLICATION", "CLUSTER", "STATE", "COMMIT", "MEMBERS")
    rows = [_row(one) for one in report.sets]
    show.table(console, columns, rows)


def _row(one: Record) -> tuple[show.Cell, ...]:
    counts = [f"{number} {kind}" for kind, number in one["members"].items()]
    counts += [f"{kind} may not be listed" for kind in one["unseen"]]
    commit = str(one["revision"] or "").rpartition("@")[2][:8] or "-"
    state = Text(one["state"], style="" if one["state"] == "in use" else "yellow")
    return (one["application"], one["cluster"], state, commit, ", ".join(counts) or "none")


def print_findings(console: Console, report: Report) -> None:
    for text in report.repaired:
        console.print(Text(f"repaired {text}", style="green"), soft_wrap=True)
    for finding in report.findings:
        where = f"{finding['application']} on {finding['cluster']}: "
        kind = "note: " if finding["note"] else ""
        head = Text.assemble((where, "dim"), (kind, "dim"), (finding["object"], "bold"))
        line = f": {finding['problem']}. {finding['advice']}."
        console.print(head.append(line, "dim" if finding["note"] else ""), soft_wrap=True)
    sets, faults = len(report.sets), len(report.faults)
    checked = f"{sets} {'set' if sets == 1 else 'sets'} checked"
    found = f"{faults} {'finding' if faults == 1 else 'findings'}" if faults else "nothing found"
    console.print(Text(f"{checked}, {found}", style="dim"))
