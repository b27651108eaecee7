"""`towline prune` and abandoned sets in `towline status`, with an API of the test's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.core.plans import live, snapshot
from towline.cli import app as commands
from towline.cli.app import app, main
from towline.cli.remote import NotFoundError, Remote
from towline.core.errors import PermanentError, TowlineError
from towline.core.planning import make_plan
from towline.core.record import plan_record

DIGEST = "0123456789abcdef" * 4
run = CliRunner()


@dataclass
class Api(Remote):
    """Answers as the API does, and notes what it was asked."""

    url: str = ""
    token: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    posted: list[Any] = field(default_factory=list)

    def get(self, *path: str, **query: str) -> Any:
        name = "/".join(path) + "".join(f"?{key}={text}" for key, text in query.items())
        found = self.answers.get(name, NotFoundError(f"no {name} (404)"))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, Exception):
            raise found
        return found

    def post(self, *path: str, body: Any = None) -> Any:
        self.posted.append(("/".join(path), body))
        if isinstance(self.answers.get("post"), TowlineError):
            raise self.answers["post"]
        return {"application": path[1], "cluster": "sandbox", "at": 5.0}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api()
    monkeypatch.setattr(commands, "remote_from_environment", lambda: api)
    monkeypatch.setattr("towline.cli.remote._LOOK_SECONDS", 0.0)
    return api


def shown(**fields: Any) -> dict[str, Any]:
    kept = live("Service", "s", prune="disabled")
    made = make_plan(snapshot(there=[live("ConfigMap", "a"), kept], sync={"allowEmpty": True}))
    return {**plan_record(made), "cluster": "sandbox", "asked": 5.0, "at": 6.0, **fields}


def ended(**fields: Any) -> dict[str, Any]:
    return {
        "id": "run-1",
        "status": "synced",
        "message": "",
        "commit": "c" * 40,
        "trigger": {"kind": "steer", "detail": "prune ann", "at": 5.0},
        "started": 6.0,
        "ended": 7.0,
        "counts": {"deleted": 1},
        "results": [{"result": "deleted", "object": "ConfigMap/shop/a", "message": "not in Git"}],
        **fields,
    }


DIFF = "applications/shop/diff?cluster=sandbox"
RUNS = "applications/shop/runs?limit=10"


def test_without_a_plan_it_shows_one_and_the_command(api: Api) -> None:
    earlier = shown(asked=4.0)
    api.answers[DIFF] = [NotFoundError("none (404)"), earlier, shown()]
    result = run.invoke(app, ["prune", "shop"])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "- ConfigMap/shop/a",
        "  Service/shop/s  not in Git; kept, for towline.dev/prune is disabled",
        "on sandbox: 1 to delete, 1 to keep",
        f"To delete exactly that: towline prune shop {shown()['digest']}",
    ]
    assert api.posted == [("applications/shop/prune", {})]


def test_the_command_names_the_cluster_that_was_named(api: Api) -> None:
    api.answers[DIFF] = shown()
    result = run.invoke(app, ["prune", "shop", "--cluster", "sandbox"])
    assert result.stdout.splitlines()[-1].endswith(f"{shown()['digest']} --cluster sandbox")
    assert api.posted == [("applications/shop/prune", {"cluster": "sandbox"})]


def test_an_empty_set_is_told_as_one(api: Api) -> None:
    api.answers[DIFF] = {**shown(), "changes": [], "counts": {}}
    result = run.invoke(app, ["prune", "shop"])
    assert "0 to delete, 0 to keep" in result.stdout
    assert "To remove what is noted of it: towline prune shop" in result.stdout


def test_the_plan_as_json(api: Api) -> None:
    api.answers[DIFF] = shown()
    result = run.invoke(app, ["prune", "shop", "-o", "json"])
    assert json.loads(result.stdout)["counts"] == {"delete": 1, "skip": 1}


def test_with_a_plan_it_waits_for_the_run_and_shows_it(api: Api) -> None:
    api.answers[RUNS] = [NotFoundError("none (404)"), {"items": []}, {"items": [ended()]}]
    result = run.invoke(app, ["prune", "shop", DIGEST])
    assert result.exit_code == 0, result.output
    assert "ConfigMap/shop/a" in result.stdout
    assert api.posted == [("applications/shop/prune", {"plan": DIGEST})]


def test_a_run_that_did_not_end_well_is_status_1(api: Api) -> None:
    api.answers[RUNS] = {"items": [ended(status="failed", message="plan d is not", results=[])]}
    result = run.invoke(app, ["prune", "shop", DIGEST])
    assert result.exit_code == 1
    assert "plan d is not" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["shop", DIGEST[:12]], "PLAN is the whole digest of the plan"),
        (["shop", DIGEST], "shop has a document (409)"),
        (["shop"], "shop has a document (409)"),
    ],
)
def test_an_error_is_a_sentence_and_status_2(
    api: Api,
    arguments: list[str],
    error: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api.answers["post"] = PermanentError("shop has a document (409)")
    _fails(["prune", *arguments], error, monkeypatch, capsys)


def test_what_the_worker_says_against_a_plan_is_an_error(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers[DIFF] = {"error": "there is no set", "asked": 5.0}
    _fails(["prune", "shop"], "there is no set", monkeypatch, capsys)


def _fails(
    arguments: list[str],
    error: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["towline", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert error in capsys.readouterr().err


ABANDONED = {
    "name": "old",
    "cluster": "sandbox",
    "status": "abandoned",
    "message": "its document is gone: `towline prune old` shows",
    "objects": 3,
    "revision": f"branch main@{'c' * 40}",
    "kinds": ["ConfigMap"],
    "namespaces": ["shop"],
    "suspended": None,
    "source_error": "",
    "last_run": None,
}


def test_status_shows_what_is_abandoned(api: Api) -> None:
    api.answers["applications"] = {"items": [ABANDONED], "documents_error": ""}
    line = run.invoke(app, ["status"]).stdout.splitlines()[1]
    assert line.split()[:6] == ["old", "abandoned", "-", "cccccccc", "3", "-"]
    assert "towline prune old" in line


def test_status_of_one_says_what_was_applied_last(api: Api) -> None:
    api.answers["applications/old"] = ABANDONED
    text = run.invoke(app, ["status", "old"]).stdout
    assert text.startswith("old  abandoned\n")
    assert f"branch main@{'c' * 40}" in text
    assert "ConfigMap" in text
