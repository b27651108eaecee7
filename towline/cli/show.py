"""How things look in a terminal. In a pipe there are no colours and no live lines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

Record = Mapping[str, Any]

_STYLES = {
    "synced": "green",
    "healthy": "green",
    "waiting": "blue",
    "progressing": "blue",
    "missing": "yellow",
    "degraded": "bold red",
    "failed": "bold red",
    "drifted": "yellow",
    "held": "yellow",
    "suspended": "cyan",
    "abandoned": "yellow",
    "unknown": "dim",
}
_MARKS = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "recreate": ("±", "yellow"),
    "delete": ("-", "red"),
    "skip": (" ", "dim"),
}


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def status_text(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, ""))


def age(seconds: float | None, now: float | None = None) -> str:
    """How long ago, in the largest unit that fits."""
    if not seconds:
        return "-"
    elapsed = max(0, int((now or time.time()) - seconds))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if elapsed >= length:
            return f"{elapsed // length}{unit}"
    return f"{elapsed}s"


Cell = str | Text
_NARROW = 100
_MESSAGE = "MESSAGE"


def table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Only the last column, the message, is folded: the others are never cut."""
    grid = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        if column == _MESSAGE:
            grid.add_column(column, overflow="fold", min_width=20)
            continue
        width = max(len(cell) for cell in (column, *(row[number] for row in rows)))
        grid.add_column(column, no_wrap=True, min_width=width)
    for row in rows:
        grid.add_row(*row)
    with console.capture() as capture:
        console.print(grid)
    # Cells are padded to their column: in a pipe that would be blanks at the end of each line.
    text = "\n".join(line.rstrip() for line in capture.get().splitlines())
    console.out(text, highlight=False)


def applications(console: Console, items: Iterable[Record], error: str) -> None:
    columns = ("APPLICATION", "STATUS", "HEALTH", "COMMIT", "OBJECTS", "LAST RUN", _MESSAGE)
    rows = [_application_row(item) for item in items]
    table(console, columns, rows)
    if not rows:
        console.print("[dim]There is no application: write one, and set TOWLINE_APPLICATIONS.[/]")
    if error:
        console.print(f"[bold red]The newest documents are in error:[/]\n{escape(error)}")


def _application_row(item: Record) -> Sequence[Cell]:
    run = item["last_run"] or {}
    message = item["source_error"] or item["message"] or ""
    return (
        item["name"],
        status_text(item["status"]),
        status_text("-" if item["status"] == "abandoned" else run.get("health") or "-"),
        (run.get("commit") or _applied_commit(item) or "-")[:8],
        str(item.get("objects", run.get("objects")) or "-"),
        age(run.get("ended")),
        Text(message.partition("\n")[0]),
    )


def _applied_commit(item: Record) -> str:
    """Of an abandoned set, which notes the branch and the commit."""
    return str(item.get("revision") or "").rpartition("@")[2]


def abandoned(console: Console, item: Record) -> None:
    """What an application without a document left behind."""
    console.print(Text.assemble((item["name"], "bold"), "  ", status_text(item["status"])))
    rows = {
        "destination": item["cluster"],
        "applied": item["revision"],
        "kinds": ", ".join(item["kinds"]),
        "namespaces": ", ".join(item["namespaces"]),
        "suspended": item["suspended"],
        "message": item["message"],
    }
    _print_rows(console, rows)


def application(console: Console, item: Record) -> None:
    """One application, with what its last run did to each object."""
    if item["status"] == "abandoned":
        abandoned(console, item)
        return
    run = item["last_run"] or {}
    console.print(Text.assemble((item["name"], "bold"), "  ", status_text(item["status"])))
    rows = {
        "health": _health(run),
        "source": f"{item['repository']} {item['follows']} /{item['path']}",
        "destination": f"{item['cluster']} {item['namespace'] or ''}",
        "commit": run.get("commit") or "-",
        "applied": _applied(run),
        "last run": f"{run.get('id', '-')} {age(run.get('ended'))} ago" if run else "none yet",
        "message": item["source_error"] or item["message"],
    }
    _print_rows(console, rows)


def _print_rows(console: Console, rows: Mapping[str, Any]) -> None:
    for name, text in rows.items():
        if text:
            console.print(Text.assemble((f"  {name:12}", "dim"), str(text)))


def _health(run: Record) -> str:
    """Of the objects, and how far the revision has come, with the time that it took."""
    rollout = run.get("rollout") or {}
    text = f"{run['health']}" if run.get("health") else ""
    if not rollout or "began" not in rollout:
        return text
    if "healthy" in rollout:
        return f"{text}, {rollout['healthy'] - rollout['began']:.1f} s after the revision began"
    return f"{text}; the revision is {rollout['state']}, began {age(rollout['began'])} ago"


def _applied(run: Record) -> str:
    """The last commit that was applied whole, where that is not the one looked at."""
    applied = run.get("applied_commit")
    return "" if not applied or applied == run.get("commit") else str(applied)


def results(console: Console, run: Record) -> None:
    """What became of each object; of the unchanged ones those that are not healthy."""
    shown = [r for r in run["results"] if r["result"] != "unchanged" or _ails(r)]
    rows = [
        (
            Text(result["result"], style="red" if result["result"] == "failed" else ""),
            status_text(result.get("health", "-")),
            result["object"],
            place(result),
            Text(_message(result)),
        )
        for result in shown
    ]
    if rows:
        table(console, ("RESULT", "HEALTH", "OBJECT", "FILE", _MESSAGE), rows)
    rest = sum(r["result"] == "unchanged" and not _ails(r) for r in run["results"])
    if rest:
        console.print(f"[dim]{rest} unchanged[/]")


def _ails(result: Record) -> bool:
    return result.get("health", "healthy") not in ("healthy", "suspended")


def _message(result: Record) -> str:
    owners = result.get("previous_owners") or {}
    taken = "; ".join(f"{', '.join(paths)} was {owner}'s" for owner, paths in owners.items())
    health = result.get("health_message", "") if _ails(result) else ""
    return "; ".join(filter(None, (result.get("message", ""), health, taken)))


def place(record: Record) -> str:
    file, line = record.get("file"), record.get("line")
    return f"{file}:{line}" if file and line else file or ""


def history(console: Console, runs: Iterable[Record]) -> None:
    columns = ["RUN", "STATUS", "COMMIT", "TRIGGER", "AGE", "SECONDS", _MESSAGE]
    rows = [list(_run_row(run)) for run in runs]
    if console.width < _NARROW:
        columns.remove("SECONDS")
        for row in rows:
            del row[-2]
    table(console, columns, rows)


def _run_row(run: Record) -> Sequence[Cell]:
    counts = ", ".join(f"{n} {kind}" for kind, n in run["counts"].items() if kind != "unchanged")
    return (
        run["id"],
        status_text(run["status"]),
        (run["commit"] or "-")[:8],
        run["trigger"]["kind"],
        age(run["ended"]),
        f"{run['ended'] - run['started']:.2f}",
        Text(run["message"].partition("\n")[0] or counts or "no change"),
    )


def plan(console: Console, record: Record) -> None:
    """Each change with its difference, then what stands in the way."""
    for change in record["changes"]:
        mark, style = _MARKS[change["action"]]
        problem = change["problem"]
        head = Text.assemble((f"{mark} {change['object']}", "bold red" if problem else style))
        head.append(f"  {place(change)}", style="dim")
        note = problem or change["reason"]
        if note:
            head.append(f"  {note}", style="red" if problem else "dim")
        console.print(head, soft_wrap=True)
        for line in change["diff"].splitlines()[2:]:
            console.print(Text(f"    {line}", style=_line_style(line)), soft_wrap=True)
        for owner, paths in change["previous_owners"].items():
            console.print(Text(f"    taken from {owner}: {', '.join(paths)}", style="yellow"))
    counts = {k: n for k, n in record["counts"].items() if k != "keep"}
    summary = ", ".join(f"{n} to {action}" for action, n in counts.items()) or "no change"
    console.print(Text(f"{summary}; {record['counts'].get('keep', 0)} unchanged", style="dim"))
    for hold in record["holds"]:
        console.print(Text(f"held ({hold['scope']}): {hold['message']}", style="yellow"))


def pruning(console: Console, record: Record, options: str) -> None:
    """What pruning a set would delete and keep, and the command that does just that."""
    for change in record["changes"]:
        mark, style = _MARKS[change["action"]]
        note = f"  {change['reason']}"
        if change["action"] == "delete":
            note = f"  {change['waits']}" if change.get("waits") else ""
        line = Text.assemble((f"{mark} {change['object']}", style), (note, "dim"))
        console.print(line, soft_wrap=True)
    for hold in record["holds"]:
        console.print(Text(hold["message"], style="yellow"), soft_wrap=True)
    deletes = record["counts"].get("delete", 0)
    kept = len(record["changes"]) - deletes
    console.print(Text(f"on {record['cluster']}: {deletes} to delete, {kept} to keep", style="dim"))
    command = f"towline prune {record['application']} {record['digest']}{options}"
    if deletes:
        console.print(Text(f"To delete exactly that: {command}"), soft_wrap=True)
    elif not kept:
        console.print(Text(f"To remove what is noted of it: {command}"), soft_wrap=True)


def _line_style(line: str) -> str:
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
