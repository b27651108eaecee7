"""The commands. `render` and `diff` work alone with the environment's settings; the others ask
the API."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from towline import __version__, reconcile
from towline import settings as settings_module
from towline.adapters.documents import read_documents
from towline.adapters.git import NoLooks
from towline.adapters.services import build_services
from towline.cli import demo as demo_command
from towline.cli import sets, show
from towline.cli.remote import Remote, remote_from_environment
from towline.core import diff as diffs
from towline.core.application import Application, Documents
from towline.core.errors import PermanentError, TowlineError
from towline.core.manifest import Manifest
from towline.core.plan import Plan
from towline.core.record import plan_record
from towline.ports import Services

app = typer.Typer(
    help="Towline keeps Kubernetes clusters equal to Git.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(metavar="APP", help="The application's name.")]
Output = Annotated[str, typer.Option("-o", "--output", help="text or json")]

FAILED = 1
ERROR = 2


def main() -> None:
    """The entry point: an error of Towline's is a sentence, not a traceback."""
    try:
        app()
    except TowlineError as error:
        print(f"towline: {error}", file=sys.stderr)
        sys.exit(ERROR)


def _console() -> Console:
    # A pipe has no width: a table is not folded for it.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 240)


def _is_json(output: str) -> bool:
    if output not in ("text", "json"):
        raise typer.BadParameter("text or json", param_hint="--output")
    return output == "json"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"towline {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None: ...


# Alone ---------------------------------------------------------------------------------------


@app.command()
def validate(files: Annotated[list[Path], typer.Argument(metavar="FILE…")]) -> None:
    """Check documents and settings; exit status 1 and every error with its line."""
    problems: list[str] = []
    protocols = ""
    try:
        protocols = settings_module.load().git_protocols
    except TowlineError as error:
        problems += str(error).splitlines()
    try:
        documents = read_documents(files, protocols=protocols)
    except TowlineError as error:
        problems += str(error).splitlines()
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise typer.Exit(FAILED)
    counted = {"Application": documents.applications, "Repository": documents.repositories}
    print(", ".join(f"{kind}: {len(found)}" for kind, found in counted.items()))


@app.command()
def render(
    name: Name,
    output: Output = "text",
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Do not mask the values of Secrets.")
    ] = False,
) -> None:
    """Print what would be applied, as YAML."""
    application, services = _alone(name)
    manifests = _rendered(application, services)
    bodies = [m.body if show_secrets else diffs.masked(m.body) for m in manifests]
    if _is_json(output):
        show.print_json({"apiVersion": "v1", "kind": "List", "items": bodies})
        return
    for manifest, body in zip(manifests, bodies, strict=True):
        print(f"---\n# {manifest.place}")
        print(yaml.safe_dump(body, sort_keys=False, allow_unicode=True), end="")


def _rendered(application: Application, services: Services) -> list[Manifest]:
    with services.repositories.tree(application.source) as tree:
        return list(services.renderer.render(application, tree))


@app.command()
def diff(name: Name, output: Output = "text") -> None:
    """Show what a run would change; exit status 0 for nothing, 1 for something, 2 for an error."""
    as_json = _is_json(output)
    application, services = _alone(name)
    plan = reconcile.plan(application, services)
    if as_json:
        show.print_json(plan_record(plan))
    else:
        show.plan(_console(), plan_record(plan))
    if _differs(plan):
        raise typer.Exit(FAILED)


def _differs(plan: Plan) -> bool:
    return bool(plan.writes) or any(change.problem for change in plan.changes)


@app.command()
def inventory(
    name: Annotated[str | None, typer.Argument(metavar="[APP]")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Go over everything, and say what is wrong.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Check, and write the parents as they should be.")
    ] = False,
    cluster: Annotated[
        str | None, typer.Option("--cluster", help="Look at this destination only.")
    ] = None,
    output: Output = "text",
) -> None:
    """List the sets on the clusters; with --check exit status 0 for nothing found, 1 for
    something, 2 for an error."""
    as_json = _is_json(output)
    documents, services = _services()
    clusters = [cluster] if cluster else sets.clusters_of(documents, services, name)
    checks = check or repair
    if checks:
        report = sets.checked(clusters, services, name, repair=repair)
    else:
        report = sets.listed(clusters, services, name)
    if name and name not in documents.applications and report.is_empty:
        raise PermanentError(f"there is no set of application {name!r}, and no document")
    if as_json:
        show.print_json(report.record(checked=checks))
    else:
        (sets.print_findings if checks else sets.print_sets)(_console(), report)
    for error in report.errors:
        print(f"towline: {error}", file=sys.stderr)
    if report.errors or report.faults:
        raise typer.Exit(ERROR if report.errors else FAILED)


def _alone(name: str) -> tuple[Application, Services]:
    documents, services = _services()
    application = documents.applications.get(name)
    if application is None:
        known = ", ".join(documents.applications) or "none"
        raise PermanentError(f"there is no application {name!r}; there are: {known}")
    return application, services


def _services() -> tuple[Documents, Services]:
    settings = settings_module.load()
    documents = read_documents([settings.applications], protocols=settings.git_protocols)
    return documents, build_services(settings, lambda: documents, NoLooks())


# Through the API -----------------------------------------------------------------------------


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(metavar="[APP]")] = None, output: Output = "text"
) -> None:
    """Show how the applications stand, or one of them with its objects."""
    as_json = _is_json(output)
    remote = remote_from_environment()
    if name is None:
        answer = remote.get("applications")
        if as_json:
            show.print_json(answer)
        else:
            show.applications(_console(), answer["items"], answer["documents_error"])
        return
    item = remote.get("applications", name)
    if as_json:
        show.print_json(item)
        return
    show.application(_console(), item)
    if item["last_run"]:
        show.results(_console(), remote.get("runs", item["last_run"]["id"]))


@app.command()
def history(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    output: Output = "text",
) -> None:
    """List an application's runs, the latest first."""
    as_json = _is_json(output)
    items = remote_from_environment().get("applications", name, "runs", limit=str(limit))["items"]
    if as_json:
        show.print_json(items)
    else:
        show.history(_console(), items)


@app.command()
def sync(
    name: Name,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the run, and show it.")] = False,
    output: Output = "text",
) -> None:
    """Have Git and the cluster looked at now; exit status 1 if the run that was waited for did
    not end synced."""
    as_json = _is_json(output)
    remote = remote_from_environment()
    asked = remote.post("applications", name, "sync")
    if not wait:
        show.print_json(asked) if as_json else print(f"{name}: a run is queued")
        return
    with _waiting(f"{name}: waiting for the run") as on_look:
        run = remote.wait(name, asked["at"], on_look)
    _show_run(run, as_json=as_json)


def _show_run(run: Any, *, as_json: bool) -> None:
    if as_json:
        show.print_json(run)
    else:
        show.history(_console(), [run])
        show.results(_console(), run)
    if run["status"] != "synced":
        raise typer.Exit(FAILED)


@contextmanager
def _waiting(message: str) -> Iterator[Callable[[], None]]:
    """A line that shows that something goes on; nothing in a pipe."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    with console.status(message):
        yield lambda: None


@app.command()
def suspend(name: Name, output: Output = "text") -> None:
    """Stop writing for an application; it is still looked at, and its drift shown."""
    _steer(name, "suspend", output)


@app.command()
def resume(name: Name, output: Output = "text") -> None:
    """Let a suspended application be written again."""
    _steer(name, "resume", output)


@app.command()
def approve(
    name: Name,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The digest of the plan that waits.")],
    output: Output = "text",
) -> None:
    """Let exactly this plan be executed."""
    _check_digest(plan)
    _steer(name, "approve", output, {"plan": plan})


def _check_digest(plan: str | None) -> None:
    if plan is not None and not re.fullmatch(r"[0-9a-f]{64}", plan):
        raise PermanentError("PLAN is the whole digest of the plan: 64 hex digits, as shown")


def _steer(name: str, verb: str, output: str, body: Any = None) -> None:
    as_json = _is_json(output)
    remote: Remote = remote_from_environment()
    asked = remote.post("applications", name, verb, body=body)
    with _waiting(f"{name}: {verb}") as on_look:
        run = remote.wait(name, asked["at"], on_look, detail=f"{verb} ")
    if as_json:
        show.print_json(run)
    else:
        show.history(_console(), [run])


@app.command()
def prune(
    name: Name,
    plan: Annotated[
        str | None, typer.Argument(metavar="[PLAN]", help="The digest of the plan to carry out.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option("--cluster", help="Which set, if there are several.")
    ] = None,
    output: Output = "text",
) -> None:
    """Show what pruning an abandoned set would delete and keep, or carry out just that PLAN;
    exit status 1 if it did not end well."""
    as_json = _is_json(output)
    _check_digest(plan)
    remote = remote_from_environment()
    given = {"cluster": cluster, "plan": plan}
    body = {option: text for option, text in given.items() if text is not None}
    asked = remote.post("applications", name, "prune", body=body)
    if plan is None:
        with _waiting(f"{name}: waiting for the plan") as on_look:
            record = remote.wait_for_plan(name, asked["cluster"], asked["at"], on_look)
        _show_pruning(record, cluster, as_json=as_json)
        return
    with _waiting(f"{name}: prune") as on_look:
        run = remote.wait(name, asked["at"], on_look, detail="prune ")
    _show_run(run, as_json=as_json)


def _show_pruning(record: Any, cluster: str | None, *, as_json: bool) -> None:
    if "error" in record:
        raise PermanentError(record["error"])
    if as_json:
        show.print_json(record)
    else:
        show.pruning(_console(), record, f" --cluster {cluster}" if cluster else "")


# The story -----------------------------------------------------------------------------------


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End by itself.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object as the last line.")
    ] = False,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Run on this cluster's current context instead.")
    ] = None,
    redis: Annotated[str | None, typer.Option(help="Use this Redis (URL) instead.")] = None,
) -> None:
    """Show the main job: a push, the webhook, the diff, the apply, drift and healing."""
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    story = demo_command.Story(kubeconfig=kubeconfig, redis_url=redis, quiet=as_json)
    raise typer.Exit(story.tell(once=once, as_json=as_json))
