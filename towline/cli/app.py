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
from towline.cli import show
from towline.cli.remote import Remote, remote_from_environment
from towline.core import diff as diffs
from towline.core.application import Application
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


def _alone(name: str) -> tuple[Application, Services]:
    settings = settings_module.load()
    documents = read_documents([settings.applications], protocols=settings.git_protocols)
    application = documents.applications.get(name)
    if application is None:
        known = ", ".join(documents.applications) or "none"
        raise PermanentError(f"there is no application {name!r}; there are: {known}")
    return application, build_services(settings, lambda: documents, NoLooks())


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
    if not re.fullmatch(r"[0-9a-f]{64}", plan):
        raise PermanentError("PLAN is the whole digest of the plan: 64 hex digits, as shown")
    _steer(name, "approve", output, {"plan": plan})


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
