"""From a push to the change on the server, through the real processes of the Procfile.

The forge, the web process, Valkey and the worker are all there; the time runs from when the
forge has accepted the push, just before it sends the webhook, until a GET shows the new value.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.manifests import Objects, change
from benchmarks.peers.tools import Tools
from benchmarks.resync import Findings, Sizes
from benchmarks.server import Server, api_server
from benchmarks.table import Row
from towline.cli.remote import Remote
from towline.sandbox.installation import Installation, WorkingCopy

Push = tuple[float, dict[str, Any]]
"""Seconds from accepted to changed, and the record of the run."""

_LINES = ("web", "worker", "beat")


@dataclass
class Beside(Installation):
    """An installation that may stand beside another one on the same server."""

    inventory: str = "towline-demo"
    """The namespace where it keeps the inventory: each has its own."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "TOWLINE_NAMESPACE": self.inventory}

    def _refuse_existing(self) -> None:
        """All that it makes has names that nobody else has."""

    def _make_namespace(self, name: str) -> None:  # noqa: ARG002
        super()._make_namespace(self.inventory)


@dataclass(frozen=True)
class Application:
    """One that somebody pushes to: its installation, its repository, its objects."""

    place: Installation
    name: str
    copy: WorkingCopy
    folder: Path
    objects: Objects

    def push(self, value: int) -> Push:
        """Seconds from accepted to changed, and the run that did it."""
        commit, accepted = self._push(value)
        self.place.wait("the change on the server", lambda: self.is_changed(value), pause=0.002)
        seconds = time.time() - accepted
        return seconds, {**self.run_of(commit), "accepted": accepted}

    def push_unwatched(self, value: int) -> None:
        """The same, for counting requests: nobody asks the server meanwhile."""
        self.run_of(self._push(value)[0])

    def _push(self, value: int) -> tuple[str, float]:
        change(self.folder, value)
        commit = self.copy.commit(f"Say {value}")
        return commit, self.copy.push()

    def is_changed(self, value: int) -> bool:
        return shown(self.place, self.objects) == str(value)

    def run_of(self, commit: str) -> dict[str, Any]:
        remote = Remote(self.place.url, self.place.api_token)

        def ended() -> Any:
            runs = remote.get("applications", self.name, "runs")["items"]
            return next((run for run in runs if run["commit"] == commit), None)

        run: dict[str, Any] = self.place.wait("the run's record", ended, pause=0.05)
        assert run["counts"] == {"updated": 1, "unchanged": self.objects.all - 1}, run["message"]
        return run


def shown(place: Installation, objects: Objects) -> str:
    live = place.live(("v1", "ConfigMap", objects.place(0), "x00000"))
    return str(live["data"]["number"]) if live else ""


def document(place: Installation, name: str, repository: str, path: str = "") -> str:
    return f"""
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec:
  source: {{repository: "{place.forge_url}/{repository}.git", branch: main, path: "{path}"}}
  destination: {{cluster: {place.context}}}
  sync: {{interval: 24h}}
"""


@contextmanager
def installation(server: Server, *applications: tuple[str, str, str]) -> Iterator[Installation]:
    """The real processes are not started yet; applications are names, repositories and paths."""

    def documents(place: Installation) -> str:
        repository = f"""
apiVersion: towline.dev/v1alpha1
kind: Repository
metadata: {{name: forge}}
spec:
  url: "{place.forge_url}"
  username: towline
  tokenFile: {place.folder / "git-token"}
  interval: 24h
"""
        return "\n---\n".join([repository, *(document(place, *one) for one in applications)])

    inventory = f"{server.prefix}-of-{applications[0][0]}"
    with Beside(server.kubeconfig, None, "30s", documents, inventory=inventory) as place:
        yield place


def start(place: Installation) -> None:
    """Until every application is as Git has it."""
    place.start_towline(*_LINES)
    remote = Remote(place.url, place.api_token)

    def is_ready() -> bool:
        return all(item["status"] == "synced" for item in remote.get("applications")["items"])

    place.wait("the first apply", is_ready, seconds=300, pause=0.5)


# One file of a thousand ----------------------------------------------------------------------


@dataclass(frozen=True)
class Clone:
    """What a person has who pulls and applies: a clone, and kubectl."""

    place: Installation
    copy: WorkingCopy
    folder: Path
    tools: Tools
    objects: Objects
    options: tuple[str, ...]
    times: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join(["git pull && kubectl apply", *self.options])

    @classmethod
    def of(
        cls, name: str, place: Installation, server: Server, sizes: Sizes, *options: str
    ) -> Clone:
        copy = place.repository(name, webhook=False)
        objects = Objects(f"{server.prefix}-{name}", sizes.objects, sizes.namespaces)
        objects.write(copy.folder)
        copy.commit("All objects")
        copy.push()
        token = (place.folder / "git-token").read_text(encoding="ascii")
        url = place.forge_url.replace("://", f"://towline:{token}@")
        folder = server.folder / f"clone-{name}"
        clone = cls(place, copy, folder, server.tools(), objects, options)
        clone.tools.git("clone", "--quiet", f"{url}/{name}.git", str(folder))
        clone.apply()
        return clone

    def apply(self) -> float:
        return self.tools.kubectl("apply", *self.options, "-f", str(self.folder), "-R")

    def push(self, value: int) -> None:
        """Take the time of `git pull && kubectl apply`, begun as soon as the push is accepted."""
        change(self.copy.folder, value)
        self.copy.commit(f"Say {value}")
        self.copy.push()
        seconds = self.tools.git("-C", str(self.folder), "pull", "--quiet") + self.apply()
        assert shown(self.place, self.objects) == str(value)
        self.times.append(seconds)


def one_file(sizes: Sizes, findings: Findings) -> list[Row]:
    """One file of a large repository is pushed."""
    with api_server() as server, installation(server, ("shop", "shop", "")) as place:
        findings.server = server.description
        copy = place.repository("shop")
        objects = Objects(f"{server.prefix}-shop", sizes.objects, sizes.namespaces)
        objects.write(copy.folder)
        copy.commit("All objects")
        copy.push()
        start(place)
        shop = Application(place, "shop", copy, copy.folder, objects)
        clones = [
            Clone.of("server", place, server, sizes, "--server-side"),
            Clone.of("client", place, server, sizes),
        ]
        server.wait_until_calm()
        shop.push(1)
        return _one_file(server, shop, clones, sizes, findings)


def _one_file(
    server: Server, shop: Application, clones: list[Clone], sizes: Sizes, findings: Findings
) -> list[Row]:
    """The slower way of kubectl takes a minute, and is measured less often."""
    pushes: list[Push] = []
    for number in range(sizes.pushes):
        pushes.append(shop.push(10 + number))
        for clone in clones:
            if clone.options or number % 3 == 0:
                clone.push(10 + number)
    _, ours = server.counted(partial(shop.push_unwatched, 2))
    faster = min(clones, key=lambda clone: median(clone.times))
    _, theirs = server.counted(faster.apply)
    slower = next(clone for clone in clones if clone is not faster)
    _note_pushes(f"A push to {sizes.objects:,} files", pushes, findings)
    findings.notes += [f"`{clone}`: {median(clone.times):.1f} s." for clone in clones]
    return [
        Row(
            f"one file of {sizes.objects:,} pushed: accepted → changed on the server",
            f"`{faster}`",
            10,
            [seconds for seconds, _ in pushes],
            faster.times,
            our_requests=ours,
            their_requests=theirs,
        ),
        Row(
            "the same",
            f"`{slower}`",
            10,
            [seconds for seconds, _ in pushes],
            slower.times,
            our_requests=ours,
        ),
    ]


# One application of a hundred ----------------------------------------------------------------


def one_of_many(sizes: Sizes, findings: Findings) -> list[Row]:
    """Two installations beside each other; in one, many applications follow the repository."""
    names = [f"many-{number:03}" for number in range(sizes.applications)]
    with ExitStack() as stack:
        server = stack.enter_context(api_server())
        findings.server = server.description
        places = [
            stack.enter_context(installation(server, *((name, "many", name) for name in names))),
            stack.enter_context(installation(server, ("alone", "alone", "alone"))),
        ]
        many = _applications(server, places[0], "many", names)
        alone = _applications(server, places[1], "alone", ["alone"])
        for place in places:
            start(place)
        server.wait_until_calm()
        many.push(1)
        alone.push(1)
        return _one_of_many(server, many, alone, sizes, findings)


def _applications(
    server: Server, place: Installation, repository: str, names: list[str]
) -> Application:
    """Ten objects each, a folder for each application; the one that is pushed to is the last."""
    copy = place.repository(repository)
    for name in names:
        objects = Objects(f"{server.prefix}-{name}", 9, 1)
        objects.write(copy.folder / name)
    copy.commit("All applications")
    copy.push()
    return Application(place, names[-1], copy, copy.folder / names[-1], objects)


def _one_of_many(
    server: Server, many: Application, alone: Application, sizes: Sizes, findings: Findings
) -> list[Row]:
    ours, theirs = [], []
    for value in range(10, 10 + 2 * sizes.pushes):
        ours.append(many.push(value))
        theirs.append(alone.push(value))
    requests = [server.counted(partial(one.push_unwatched, 2))[1] for one in (many, alone)]
    _note_pushes(f"A push to one of {sizes.applications} applications", ours, findings)
    _note_pushes("A push to an application alone", theirs, findings)
    return [
        Row(
            f"one of {sizes.applications} applications of ten objects in one repository pushed to",
            "such an application alone in its repository and installation",
            1.5,
            [seconds for seconds, _ in ours],
            [seconds for seconds, _ in theirs],
            at_most=True,
            our_requests=requests[0],
            their_requests=requests[1],
        )
    ]


def _note_pushes(what: str, pushes: list[Push], findings: Findings) -> None:
    runs = [run for _, run in pushes]
    waits = median(run["started"] - run["accepted"] for run in runs)
    lasted = median(run["ended"] - run["started"] for run in runs)
    phases = {name: median(run["phases"][name] for run in runs) for name in runs[-1]["phases"]}
    shown = ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in phases.items())
    findings.notes.append(
        f"{what}: {1000 * waits:.0f} ms from the webhook to the begin of the run, "
        f"{1000 * lasted:.0f} ms for the run ({shown})."
    )
