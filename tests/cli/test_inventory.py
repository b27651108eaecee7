"""`towline inventory`: lists, checks, repairs, and says by its status what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.engine.world import World, config_map
from towline.cli.app import app, main
from towline.core.inventory import GROUP_KINDS, PART_OF

PARENT = "/api/v1/namespaces/towline-system/configmaps/towline-app"
run = CliRunner()


@pytest.fixture
def made(world: World) -> World:
    world.commit({"a.yaml": config_map("a"), "b.yaml": config_map("b")})
    world.run("app")
    return world


def edit(world: World, kinds: str) -> None:
    world.by_hand("PATCH", PARENT, {"metadata": {"annotations": {GROUP_KINDS: kinds}}})


def document(world: World, text: str) -> None:
    (world.folder / "applications.yaml").write_text(text, encoding="utf-8")


def test_sets_are_listed(made: World) -> None:
    result = run.invoke(app, ["inventory"])
    assert result.exit_code == 0
    commit = made.git("rev-parse", "HEAD")[:8]
    head, line = result.stdout.splitlines()
    assert head.split() == ["APPLICATION", "CLUSTER", "STATE", "COMMIT", "MEMBERS"]
    assert line.split() == ["app", "sandbox", "in", "use", commit, "2", "ConfigMap"]


def test_sets_as_json(made: World) -> None:
    assert made.data("a")
    (one,) = json.loads(run.invoke(app, ["inventory", "app", "-o", "json"]).stdout)["sets"]
    assert (one["application"], one["state"], one["members"]) == (
        "app",
        "in use",
        {"ConfigMap": 2},
    )


def test_a_set_without_a_document_is_named_by_its_application(made: World) -> None:
    other = made.application("other", "other")
    document(made, other)
    assert "app          sandbox  abandoned" in run.invoke(app, ["inventory"]).stdout
    assert "abandoned" in run.invoke(app, ["inventory", "app"]).stdout
    document(made, "")
    assert run.invoke(app, ["inventory", "--cluster", "sandbox"]).stdout.count("abandoned") == 1


def test_check_says_by_its_status_whether_it_found_something(made: World) -> None:
    good = run.invoke(app, ["inventory", "--check"])
    assert (good.exit_code, good.stdout) == (0, "1 set checked, nothing found\n")
    edit(made, "Secret")
    bad = run.invoke(app, ["inventory", "app", "--check"])
    assert bad.exit_code == 1
    lines = bad.stdout.splitlines()
    assert lines[-1] == "1 set checked, 3 findings"
    assert lines[1] == (
        "app on sandbox: ConfigMap/towline-system/towline-app: "
        "applyset.kubernetes.io/contains-group-kinds leaves out ConfigMap, though "
        "ConfigMap/shop/a is a member. `towline inventory app --repair` corrects it."
    )
    findings = json.loads(run.invoke(app, ["inventory", "--check", "-o", "json"]).stdout)
    assert [one["note"] for one in findings["findings"]] == [False] * 3


def test_repair_says_what_it_did_and_what_is_left(made: World) -> None:
    edit(made, "Secret")
    result = run.invoke(app, ["inventory", "--repair"])
    assert result.exit_code == 1
    first, second, _ = result.stdout.splitlines()
    assert first == (
        "repaired sandbox: ConfigMap/towline-system/towline-app: "
        "rewritten, with kinds ConfigMap added"
    )
    assert "names Secret, of which there is no member" in second
    made.run("app")
    assert run.invoke(app, ["inventory", "--repair"]).exit_code == 0


def test_copies_are_reported_and_left(made: World) -> None:
    live = made.live("ConfigMap", "a")
    assert live is not None
    labels = {PART_OF: live["metadata"]["labels"][PART_OF]}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": labels}}
    made.by_hand("POST", "/api/v1/namespaces/shop/configmaps", body)
    assert run.invoke(app, ["inventory", "--repair"]).exit_code == 1
    assert made.data("c") == {}


def test_a_cluster_that_does_not_answer_keeps_nobody_from_the_others(made: World) -> None:
    away = made.application("away").replace("cluster: sandbox", "cluster: nowhere")
    document(made, f"{made.application('app')}---\n{away}")
    for arguments in ([], ["--check"]):
        result = run.invoke(app, ["inventory", *arguments])
        assert result.exit_code == 2
        assert "towline: nowhere: the destination nowhere cannot be reached" in result.stderr
        assert "app" in result.stdout or "nothing found" in result.stdout
    assert run.invoke(app, ["inventory", "app"]).exit_code == 0


def test_another_tools_parent_is_a_finding_and_no_end(made: World) -> None:
    annotations = {"applyset.kubernetes.io/tooling": "kubectl/v1.37"}
    made.by_hand("PATCH", PARENT, {"metadata": {"annotations": annotations}})
    result = run.invoke(app, ["inventory", "--check"])
    assert result.exit_code == 1
    assert "its tooling is kubectl" in result.stdout
    assert run.invoke(app, ["inventory", "--repair"]).exit_code == 2


def test_an_unknown_name_is_an_error(
    made: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Path(made.folder).exists()
    monkeypatch.setattr("sys.argv", ["towline", "inventory", "nope"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "there is no set of application 'nope'" in capsys.readouterr().err
