"""The commands that need no API: validate, render, diff."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.engine.world import World, config_map
from towline.cli.app import app, main

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: %s}\n"

run = CliRunner()


def test_validate_accepts_good_documents(world: World) -> None:
    result = run.invoke(app, ["validate", str(world.folder / "applications.yaml")])
    assert (result.exit_code, result.stdout) == (0, "Application: 1, Repository: 0\n")


def test_validate_names_every_error_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(
        "apiVersion: towline.dev/v1alpha1\nkind: Application\nmetadata: {name: A}\nspec:\n"
        "  source: {repository: 'ext::sh', branch: main, brunch: x}\n"
        "  destination: {cluster: c}\n  sync: {interval: soon}\n",
        encoding="utf-8",
    )
    result = run.invoke(app, ["validate", str(file)])
    lines = result.stderr.splitlines()
    assert result.exit_code == 1
    assert [line.split(": ")[0] for line in lines] == [f"{file}:{n}" for n in (3, 5, 5, 7)]


def test_validate_checks_the_settings_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWLINE_GITHUB_SECRET", "")
    result = run.invoke(app, ["validate", str(world.folder / "applications.yaml")])
    assert result.exit_code == 1
    assert "TOWLINE_GITHUB_SECRET is set and empty" in result.stderr


def test_render_prints_what_would_be_applied_with_secrets_masked(world: World) -> None:
    world.commit({"a.yaml": config_map("a"), "s.yaml": SECRET % "hunter2"})
    result = run.invoke(app, ["render", "app"])
    assert result.exit_code == 0
    assert "# a.yaml:2" in result.stdout
    assert "hunter2" not in result.stdout
    assert "aHVudGVyMg==" not in result.stdout
    assert "aHVudGVyMg==" in run.invoke(app, ["render", "app", "--show-secrets"]).stdout
    items = json.loads(run.invoke(app, ["render", "app", "-o", "json"]).stdout)["items"]
    assert [item["kind"] for item in items] == ["ConfigMap", "Secret"]


def test_diff_says_by_its_status_whether_there_is_one(world: World) -> None:
    world.commit({"a.yaml": config_map("a"), "s.yaml": SECRET % "hunter2"})
    first = run.invoke(app, ["diff", "app"])
    assert first.exit_code == 1
    assert "+ ConfigMap/shop/a  a.yaml:2" in first.stdout
    world.run("app")
    assert run.invoke(app, ["diff", "app"]).exit_code == 0
    world.commit({"a.yaml": config_map("a", "2"), "s.yaml": SECRET % "hunter3"})
    changed = run.invoke(app, ["diff", "app", "-o", "json"])
    assert changed.exit_code == 1
    assert json.loads(changed.stdout)["counts"] == {"update": 2}
    assert "aHVudGVy" not in changed.stdout


def test_an_error_is_a_sentence_and_status_2(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.commit({"bad.yaml": "apiVersion: v1\nmetadata: {name: x}\n"})
    monkeypatch.setattr("sys.argv", ["towline", "diff", "app"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "towline: bad.yaml:1: `kind` is missing: every object names its own\n"
    )


def test_an_unknown_application_is_named_with_those_there_are(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.documents.applications
    monkeypatch.setattr("sys.argv", ["towline", "render", "nope"])
    with pytest.raises(SystemExit):
        main()
    assert "there is no application 'nope'; there are: app" in capsys.readouterr().err
