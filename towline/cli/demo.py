"""`towline demo`: the main job as a story, told by real processes."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from towline.cli import show
from towline.cli.remote import Remote
from towline.core.errors import TowlineError
from towline.core.objects import Object
from towline.sandbox.installation import Installation, Where, WorkingCopy, stop_on_signals

PUSHES = 6
_SITE = "environments/demo/site.yaml"
_OVERLAY = "lighthouse/overlays/staging/kustomization.yaml"
_APPLICATIONS = ("harbour", "lighthouse")

Test = Callable[[Object | None], bool]


@dataclass
class Facts:
    """What came true; the last line of `--json`."""

    converged: bool = False
    healed: bool = False
    refused: bool = False
    push_to_applied: list[float] = field(default_factory=list)
    drift_to_healed: float | None = None
    objects: int = 0
    runs: int = 0

    @property
    def complete(self) -> bool:
        return self.converged and self.healed and self.refused

    def as_json(self) -> dict[str, Any]:
        median = statistics.median(self.push_to_applied) if self.push_to_applied else None
        healed = self.drift_to_healed
        return {
            "converged": self.converged,
            "healed": self.healed,
            "bad_commit_refused": self.refused,
            "push_to_applied_seconds": round(median, 3) if median is not None else None,
            "drift_to_healed_seconds": round(healed, 3) if healed is not None else None,
            "pushes": [round(seconds, 3) for seconds in self.push_to_applied],
            "objects": self.objects,
            "runs": self.runs,
        }


class Story:
    """Tells each chapter and notes what came true."""

    def __init__(self, *, kubeconfig: Path | None, redis_url: str | None, quiet: bool) -> None:
        self._kubeconfig = kubeconfig
        self._redis_url = redis_url
        # With --json the story goes to standard error, and only the summary to standard output.
        stream = sys.stderr if quiet else sys.stdout
        width = None if stream.isatty() else 160
        self._console = Console(highlight=False, file=stream, width=width)
        self._facts = Facts()

    def tell(self, *, once: bool, as_json: bool) -> int:
        """The exit status: 0 if everything came true."""
        stop_on_signals()
        try:
            with Installation(kubeconfig=self._kubeconfig, redis_url=self._redis_url) as place:
                try:
                    self._tell_chapters(place)
                    if not once:
                        self._stay(place)
                finally:
                    if self._kubeconfig is not None:
                        self._clean(place)
        except KeyboardInterrupt:
            self._console.print("\nStopped; nothing is left running.")
        except TowlineError as error:
            self._console.print(Text(f"\nThe demo failed: {error}", style="bold red"))
        if as_json:
            sys.stdout.write(json.dumps(self._facts.as_json()) + "\n")
        return 0 if self._facts.complete else 1

    def _tell_chapters(self, place: Installation) -> None:
        self._say("Towline, on this machine and on loopback only.", "bold")
        copy = place.example_repository()
        with self._progress("starting web, worker, beat and flower"):
            place.start_towline()
        self._remote = Remote(place.url, place.api_token)
        self._print_addresses(place)
        self._first_convergence(place, copy)
        self._pushes(place, copy)
        self._drift(place)
        self._bad_commit(place, copy)
        self._summary()

    def _clean(self, place: Installation) -> None:
        """Leave a cluster that stays as it was found."""
        with self._progress("removing the demo's namespaces from the cluster"):
            place.clean_cluster()

    # Chapters --------------------------------------------------------------------------------

    def _first_convergence(self, place: Installation, copy: WorkingCopy) -> None:
        self._chapter("1. A first push: everything is created")
        commit = copy.commit("Set up the harbour and its lighthouse")
        copy.push()
        for name in _APPLICATIONS:
            with self._progress(f"{name}: waiting until it is synced"):
                self._await_synced(place, name, commit)
        items = self._remote.get("applications")["items"]
        show.applications(self._console, items, "")
        self._facts.objects = sum(item["last_run"]["objects"] for item in items)
        self._facts.converged = True

    def _pushes(self, place: Installation, copy: WorkingCopy) -> None:
        self._chapter("2. Pushes: webhook, fetch, render, plan, server-side apply")
        for number in range(PUSHES):
            if number % 2 == 0:
                name, file, old, new = "harbour", _SITE, f"1.29.{number}", f"1.29.{number + 2}"
                where = ("apps/v1", "Deployment", "towline-demo-harbour", "site")
                changed = _image_is(f"nginx:{new}")
            else:
                name, file, old, new = "lighthouse", _OVERLAY, _count(number), _count(number + 2)
                where = ("apps/v1", "Deployment", "towline-demo-lighthouse", "lamp")
                changed = _replicas_are(int(new.rpartition(" ")[2]))
            copy.replace(file, old, new)
            commit = copy.commit(f"{name}: {old} -> {new}")
            accepted = copy.push()
            with self._progress(f"{name}: {old} → {new}"):
                self._await_live(place, where, changed)
            seconds = time.time() - accepted
            self._facts.push_to_applied.append(seconds)
            run = self._await_synced(place, name, commit)
            if number < 2:
                show.plan(self._console, run["plan"])
            self._say(f"  {name}: {old} → {new}, accepted → applied in {seconds:.3f} s", "green")
        median = statistics.median(self._facts.push_to_applied)
        self._say(f"  median of {PUSHES} pushes: {median:.3f} s", "bold")

    def _drift(self, place: Installation) -> None:
        self._chapter("3. Drift: somebody changes the cluster by hand")
        where = ("apps/v1", "Deployment", "towline-demo-harbour", "api")
        before = place.live(where)
        replicas = before["spec"]["replicas"] if before else 0
        since = time.time()
        place.change_by_hand(where, {"spec": {"replicas": 0}}, manager="night-shift")
        self._say("  night-shift scales Deployment/harbour/api to 0 …")
        with self._progress("waiting for the resync"):
            self._await_live(place, where, _replicas_are(replicas))
        self._facts.drift_to_healed = time.time() - since
        run = place.wait("the run that healed", lambda: self._run_that_wrote("harbour", since))
        show.results(self._console, run)
        healed = self._facts.drift_to_healed
        self._say(f"  healed in {healed:.1f} s; a resync comes every 5 s", "green")
        self._facts.healed = True

    def _bad_commit(self, place: Installation, copy: WorkingCopy) -> None:
        self._chapter("4. A bad commit: nothing is touched")
        before = self._members(place)
        bad = copy.folder / "environments/demo/buoys.yaml"
        bad.write_text("apiVersion: v1\nmetadata:\n  name: buoys\n", encoding="utf-8")
        copy.replace(_SITE, "replicas: 2", "replicas: 9")
        copy.commit("Add the buoys, in haste")
        since = copy.push()
        with self._progress("waiting for the run"):
            run = place.wait("the failed run", lambda: self._failed_run("harbour", since))
        self._say(f"  {run['message']}", "red")
        untouched = self._members(place) == before
        self._say("  no object was written" if untouched else "  AN OBJECT WAS WRITTEN", "green")
        copy.git("revert", "--no-edit", "HEAD")
        copy.push()
        with self._progress("waiting for the revert"):
            self._await_synced(place, "harbour", copy.git("rev-parse", "HEAD"))
        self._say("  reverted, and synced again", "green")
        self._facts.refused = untouched

    def _summary(self) -> None:
        runs = [
            self._remote.get("applications", name, "runs", limit="100") for name in _APPLICATIONS
        ]
        self._facts.runs = sum(len(answer["items"]) for answer in runs)
        self._chapter("History of harbour")
        show.history(self._console, runs[0]["items"][:8])

    def _stay(self, place: Installation) -> None:
        self._chapter("It stays up until Ctrl-C. Try it from another terminal")
        beside = Path(sys.executable).parent
        kubectl = f"{beside / 'kubectl'} --context {place.context}"
        lines = (
            f"export TOWLINE_URL={place.url} TOWLINE_TOKEN_FILE={place.folder / 'api-token'}",
            f"{beside / 'towline'} status harbour",
            f"cd {place.folder / 'work/deploy'}   # edit, commit, git push origin HEAD:main",
            f"export KUBECONFIG={place.kubeconfig_file}",
            f"{kubectl} --namespace towline-demo-harbour get all",
        )
        for line in lines:
            self._console.print(Text(f"  {line}"), soft_wrap=True)
        while True:
            place.processes.check()
            time.sleep(1)

    # Helpers ---------------------------------------------------------------------------------

    def _print_addresses(self, place: Installation) -> None:
        flower = f"http://127.0.0.1:{place.flower_port}"
        rows = {
            "API": f"{place.url}/api/v1  (the token is in {place.folder / 'api-token'})",
            "Flower": f"{flower}  (user towline, password in {place.folder / 'flower-password'})",
            "cluster": f"{place.context}, {place.kubeconfig_file}",
            "logs": str(place.folder / "logs"),
        }
        for name, text in rows.items():
            self._console.print(Text.assemble((f"  {name:8} ", "dim"), text), soft_wrap=True)

    def _await_synced(self, place: Installation, name: str, commit: str) -> Any:
        """The first run that ended well at this commit."""

        def synced() -> Any:
            runs = self._remote.get("applications", name, "runs", limit="20")["items"]
            good = [r for r in runs if r["commit"] == commit and r["status"] == "synced"]
            return good[-1] if good else None

        return place.wait(f"{name} synced at {commit[:8]}", synced, pause=0.05)

    def _await_live(self, place: Installation, where: Where, holds: Test) -> None:
        place.wait("/".join(where[1:]), lambda: holds(place.live(where)), pause=0.004)

    def _run_that_wrote(self, name: str, since: float) -> Any:
        runs = self._remote.get("applications", name, "runs", limit="5")["items"]
        return next((r for r in runs if r["ended"] >= since and r["wrote"]), None)

    def _failed_run(self, name: str, since: float) -> Any:
        runs = self._remote.get("applications", name, "runs", limit="5")["items"]
        return next((r for r in runs if r["ended"] >= since and r["status"] == "failed"), None)

    def _members(self, place: Installation) -> Mapping[str, Object]:
        """What the demo's applications own."""
        return place.members(_APPLICATIONS)

    def _chapter(self, title: str) -> None:
        self._console.print()
        self._say(title, "bold")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)

    def _progress(self, message: str) -> Any:
        return self._console.status(message) if self._console.is_terminal else nullcontext()


def _count(number: int) -> str:
    return f"count: {number + 1}"


def _image_is(image: str) -> Test:
    def test(live: Object | None) -> bool:
        containers = live["spec"]["template"]["spec"]["containers"] if live else []
        return any(container["image"] == image for container in containers)

    return test


def _replicas_are(number: int) -> Test:
    return lambda live: live is not None and live["spec"].get("replicas") == number
