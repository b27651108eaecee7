"""The benchmark of the engine: `make bench` measures and writes docs/benchmarks.md,
`make bench-quick` (`--quick`) does the same with small numbers and writes nothing.

Only what breaks has an exit status: a tool that fails, or a run that does something else than it
should. How fast it was has none.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from string import Template

import psutil

from benchmarks import pushes, resync
from benchmarks.peers import build
from benchmarks.peers.tools import kubectl_version
from benchmarks.resync import Findings, Sizes
from benchmarks.table import Row, markdown, plain, samples

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
TEXT = ROOT / "benchmarks" / "page.md"
QUICK = Sizes(
    objects=40, namespaces=2, many=400, applications=5, runs=5, times=2, pushes=2, builds=False
)
STORIES: dict[str, Callable[[Sizes, Findings], list[Row]]] = {
    "resync": resync.resync,
    "first-apply": resync.first_apply,
    "one-file": pushes.one_file,
    "scale": resync.scale,
    "one-of-many": pushes.one_of_many,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Ratios, measured side by side in one run.")
    parser.add_argument("--quick", action="store_true", help="small numbers; writes no page")
    parser.add_argument("--only", choices=STORIES, action="append", help="writes no page either")
    arguments = parser.parse_args()
    rows, findings = measure(QUICK if arguments.quick else Sizes(), arguments.only or [*STORIES])
    print(f"\nOn {findings.server}:\n")
    print(plain(rows))
    print("\n" + "\n".join(findings.notes))
    if not arguments.quick and not arguments.only:
        PAGE.write_text(page(rows, findings), encoding="utf-8")
        print(f"\nWritten to {PAGE.relative_to(ROOT)}")
    return 0


def measure(sizes: Sizes, names: list[str]) -> tuple[list[Row], Findings]:
    findings = Findings(load=os.getloadavg()[0])
    rows: list[Row] = []
    for name in names:
        started = time.monotonic()
        print(f"{name} …", end=" ", flush=True)
        rows += STORIES[name](sizes, findings)
        print(f"{time.monotonic() - started:.0f} s", flush=True)
    return rows, findings


def page(rows: list[Row], findings: Findings) -> str:
    """docs/benchmarks.md."""
    return Template(TEXT.read_text(encoding="utf-8")).substitute(
        machine=f"{_machine()}, load average {findings.load:.1f} when it began",
        server=findings.server,
        versions=_versions(),
        table=markdown(rows),
        notes="\n".join(f"- {note}" for note in findings.notes),
        samples=samples(rows),
    )


def _machine() -> str:
    gigabytes = psutil.virtual_memory().total / 10**9
    today = datetime.datetime.now(datetime.UTC).date()
    cores = os.cpu_count() or 1
    return f"{today.isoformat()}, {platform.machine()}, {cores} cores, {gigabytes:.0f} GB"


def _versions() -> str:
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    python = platform.python_version()
    kapp = build.version() if build.program().is_file() else "not built"
    return f"Python {python}, kubectl {kubectl_version()}, kapp {kapp}, {git.stdout.strip()}"


if __name__ == "__main__":
    sys.exit(main())
