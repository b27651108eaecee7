"""Runs of a worker, compared with what other tools need for the same objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

from benchmarks.manifests import Objects
from benchmarks.peers import build
from benchmarks.server import api_server
from benchmarks.table import Row
from benchmarks.worker import Worker
from benchmarks.workplace import Workplace, workplace


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    objects: int = 1000
    namespaces: int = 10
    many: int = 10_000
    applications: int = 100
    runs: int = 15
    """Of what takes a moment."""
    pushes: int = 5
    """Of one file."""
    times: int = 5
    """Of what takes seconds."""
    builds: bool = True
    """Whether a tool that is missing may be built."""


@dataclass
class Findings:
    """What the run has found out besides its rows."""

    server: str = ""
    load: float = 0.0
    notes: list[str] = field(default_factory=list)


@contextmanager
def working(findings: Findings) -> Iterator[Workplace]:
    """A server of its own for one comparison, with nothing on it."""
    with api_server() as server, workplace(server) as place:
        findings.server = server.description
        yield place


def first_apply(sizes: Sizes, findings: Findings) -> list[Row]:
    """Objects that are not there yet, in namespaces that are not there yet."""
    ours, theirs, requests, peers = [], [], 0, None
    with working(findings) as place:
        server, tools = place.server, place.server.tools()
        names = [f"first-{number}" for number in range(sizes.times)]
        sets = {name: place.application(name, sizes.objects, sizes.namespaces) for name in names}
        tools.kubectl("apply", "--server-side", "--filename", str(_one(place)))
        with place.worker() as worker:
            for name in names:
                server.wait_until_calm()
                run = created(worker, name, sets[name])
                ours.append(run["seconds"])
                requests = run["requests"]
                other = f"{name}-kubectl"
                place.objects(other, sizes.objects, sizes.namespaces)
                server.wait_until_calm()
                command = ("apply", "--server-side", "-f", str(place.manifests(other)), "-R")
                seconds, peers = server.counted(partial(tools.kubectl, *command))
                theirs.append(seconds)
            findings.notes.append(f"The last first apply: {_phases([run])}.")
    work = f"first apply of {sizes.objects:,} objects"
    peer = "`kubectl apply --server-side`"
    return [Row(work, peer, 2.5, ours, theirs, our_requests=requests, their_requests=peers)]


def _one(place: Workplace) -> Any:
    """A namespace to apply, so that kubectl knows the server before it is measured."""
    Objects(f"{place.server.prefix}-warm", 0, 1).write(place.manifests("warm"))
    return place.manifests("warm") / "0-namespace-0.yaml"


def resync(sizes: Sizes, findings: Findings) -> list[Row]:
    """Nothing has changed: against the LISTs alone, kubectl diff, and kapp."""
    with working(findings) as place:
        objects = place.application("shop", sizes.objects, sizes.namespaces)
        with place.worker() as worker:
            created(worker, "shop", objects)
            place.server.wait_until_calm()
            unchanged(worker, "shop", objects)
            rows = [
                _against_kubectl(place, worker, objects, sizes),
                _against_lists(worker, objects, sizes, findings),
            ]
            return [*rows, _against_kapp(place, worker, objects, sizes)]


def _against_lists(worker: Worker, objects: Objects, sizes: Sizes, findings: Findings) -> Row:
    runs, lists = [], []
    for _ in range(sizes.runs):
        runs.append(unchanged(worker, "shop", objects))
        lists.append(worker.lists())
        assert lists[-1]["objects"] == objects.all, lists[-1]
    findings.notes.append(f"A resync without changes: {_phases(runs)}.")
    return Row(
        "the same",
        "the bare LISTs that it needs",
        2,
        _seconds(runs),
        _seconds(lists),
        at_most=True,
        our_requests=runs[-1]["requests"],
        their_requests=lists[-1]["kinds"],
    )


def _against_kubectl(place: Workplace, worker: Worker, objects: Objects, sizes: Sizes) -> Row:
    tools, runs, theirs, requests = place.server.tools(), [], [], None
    command = ("diff", "--server-side", "-f", str(place.manifests("shop")), "-R")
    tools.kubectl(*command)
    for _ in range(sizes.times):
        runs.append(unchanged(worker, "shop", objects))
        seconds, requests = place.server.counted(partial(tools.kubectl, *command))
        theirs.append(seconds)
    return Row(
        f"resync of {sizes.objects:,} objects, nothing changed",
        "`kubectl diff --server-side`",
        20,
        _seconds(runs),
        theirs,
        our_requests=runs[-1]["requests"],
        their_requests=requests,
    )


def _against_kapp(place: Workplace, worker: Worker, objects: Objects, sizes: Sizes) -> Row:
    """kapp has as many objects of its own beside ours, for it marks its objects too."""
    work, peer = "the same", f"`kapp deploy`, kapp {build.version()}"
    missing = "" if build.program().is_file() else _missing_kapp(sizes)
    if missing:
        return Row(work, peer, 10, missing=missing)
    tools, runs, theirs, requests = place.server.tools(), [], [], None
    place.objects("kapp", sizes.objects, sizes.namespaces)
    name, folder = f"{place.server.prefix}-kapp", place.manifests("kapp")
    tools.kapp(name, folder)
    place.server.wait_until_calm()
    tools.kapp(name, folder)
    for _ in range(sizes.times):
        runs.append(unchanged(worker, "shop", objects))
        seconds, requests = place.server.counted(partial(tools.kapp, name, folder))
        theirs.append(seconds)
    return Row(
        work,
        peer,
        10,
        _seconds(runs),
        theirs,
        our_requests=runs[-1]["requests"],
        their_requests=requests,
    )


def _missing_kapp(sizes: Sizes) -> str:
    return build.why_not_built() if sizes.builds else "`make bench` builds kapp"


def scale(sizes: Sizes, findings: Findings) -> list[Row]:
    """Ten times the objects, on a server of their own, in a process of their own."""
    with ExitStack() as stack:
        few, many = (stack.enter_context(working(findings)) for _ in range(2))
        small = few.application("small", sizes.objects, sizes.namespaces)
        large = many.application("large", sizes.many, sizes.namespaces)
        workers = [stack.enter_context(place.worker()) for place in (few, many)]
        created(workers[0], "small", small)
        first = created(workers[1], "large", large)
        _note_memory(workers[1], f"after the first apply of {sizes.many:,} objects", findings)
        few.server.wait_until_calm()
        many.server.wait_until_calm()
        fresh = stack.enter_context(many.worker())
        unchanged(workers[0], "small", small)
        unchanged(fresh, "large", large)
        runs: dict[str, list[dict[str, Any]]] = {"small": [], "large": []}
        for _ in range(sizes.times):
            runs["large"].append(unchanged(fresh, "large", large))
            runs["small"].append(unchanged(workers[0], "small", small))
        _note_memory(fresh, f"of a new process after resyncs of {sizes.many:,} objects", findings)
    findings.notes += [
        f"The first apply of {sizes.many:,} objects: {_phases([first])}.",
        f"A resync of {sizes.many:,} objects: {_phases(runs['large'])}.",
    ]
    return [
        Row(
            f"resync of {sizes.many:,} objects, nothing changed",
            f"of {sizes.objects:,}",
            11,
            _seconds(runs["large"]),
            _seconds(runs["small"]),
            at_most=True,
            our_requests=runs["large"][-1]["requests"],
            their_requests=runs["small"][-1]["requests"],
        )
    ]


def _note_memory(worker: Worker, when: str, findings: Findings) -> None:
    memory = worker.memory()
    findings.notes.append(
        f"Resident memory {when}: {memory['now']} MB, {memory['most']} MB at the most."
    )


# What is checked -----------------------------------------------------------------------------


def created(worker: Worker, name: str, objects: Objects) -> dict[str, Any]:
    run = worker.reconcile(name)
    assert run["counts"] == {"created": objects.all}, run
    return run


def unchanged(worker: Worker, name: str, objects: Objects) -> dict[str, Any]:
    """A run that wrote something, or that took an object for changed, is no result at all."""
    run = worker.reconcile(name)
    assert (run["counts"], run["writes"]) == ({"unchanged": objects.all}, 0), run
    return run


def _seconds(runs: list[dict[str, Any]]) -> list[float]:
    return [run["seconds"] for run in runs]


def _phases(runs: list[dict[str, Any]]) -> str:
    """Medians of the phases in milliseconds."""
    names: Mapping[str, float] = runs[-1]["phases"]
    times = {name: median(run["phases"][name] for run in runs) for name in names}
    shown = ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in times.items())
    processor = median(run["cpu"] for run in runs)
    return f"{shown}; {1000 * processor:.0f} ms of processor time of this process"
