"""The documents of an installation are read again when they change, and never half."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from towline.adapters import documents as module
from towline.adapters.documents import DocumentFiles, read_documents
from towline.core.errors import DocumentError


def app(name: str, branch: str = "main") -> str:
    return (
        "apiVersion: towline.dev/v1alpha1\nkind: Application\n"
        f"metadata: {{name: {name}}}\nspec:\n"
        f"  source: {{repository: https://git.example.com/{name}.git, branch: {branch}}}\n"
        "  destination: {cluster: here}\n"
    )


def names(files: DocumentFiles) -> str:
    return " ".join(files().applications)


@pytest.fixture(autouse=True)
def _look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)


def write(path: Path, text: str) -> None:
    """Write as an editor does: a new file in place of the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "applications.yaml"
    write(file, app("one"))
    files = DocumentFiles(file)
    assert names(files) == "one"
    write(file, f"{app('one')}---\n{app('two')}")
    assert names(files) == "one two"
    file.write_text(app("three"), encoding="utf-8")
    assert names(files) == "three"


def test_what_did_not_change_is_not_parsed_again(tmp_path: Path) -> None:
    file = tmp_path / "applications.yaml"
    write(file, app("one"))
    files = DocumentFiles(file)
    assert files() is files()


def test_it_is_looked_at_once_in_a_while_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "applications.yaml"
    write(file, app("one"))
    files = DocumentFiles(file)
    assert names(files) == "one"
    monkeypatch.setattr(module, "_LOOK_SECONDS", 3600.0)
    write(file, app("two"))
    assert names(files) == "one"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (app("two").replace("branch", "brunch"), "applications.yaml:5: spec.source.brunch"),
        (f"{app('two')}---\n{app('two')}", "Application two is already defined at"),
        ("a: [1", "applications.yaml"),
        ("kind: Application\n", "applications.yaml:1: apiVersion must be"),
    ],
)
def test_an_invalid_change_keeps_the_last_good_state_and_says_so(
    tmp_path: Path, bad: str, said: str
) -> None:
    file = tmp_path / "applications.yaml"
    write(file, app("one"))
    files = DocumentFiles(file)
    assert (names(files), files.error) == ("one", "")
    write(file, bad)
    for _ in range(2):
        assert names(files) == "one"
        assert said in files.error
    write(file, app("two"))
    assert (names(files), files.error) == ("two", "")


def test_an_invalid_start_has_no_documents_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "applications.yaml"
    write(file, "a: [1")
    files = DocumentFiles(file)
    assert names(files) == ""
    assert "applications.yaml" in files.error


def test_a_file_that_vanishes_keeps_the_last_good_state_until_it_is_back(tmp_path: Path) -> None:
    file = tmp_path / "applications.yaml"
    write(file, app("one"))
    files = DocumentFiles(file)
    assert names(files) == "one"
    aside = file.rename(tmp_path / "aside")
    assert names(files) == "one"
    assert files.error == f"{file}: there is no such file or folder"
    aside.rename(file)
    assert (names(files), files.error) == ("one", "")


def test_a_file_that_is_written_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor that writes in place shows half a file for a moment."""
    file = tmp_path / "applications.yaml"
    whole = app("one")
    file.write_text(whole[:70], encoding="utf-8")
    files = DocumentFiles(file)
    read = module._contents

    def finish_after_reading(path: Path) -> dict[str, bytes]:
        half = read(path)
        file.write_text(whole, encoding="utf-8")
        return half

    monkeypatch.setattr(module, "_contents", finish_after_reading)
    assert names(files) == ""
    assert files.error
    monkeypatch.undo()
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    assert (names(files), files.error) == ("one", "")


def test_a_folder_of_files(tmp_path: Path) -> None:
    write(tmp_path / "one.yaml", app("one"))
    write(tmp_path / "team" / "two.yml", app("two"))
    write(
        tmp_path / "three.json",
        '{"apiVersion": "towline.dev/v1alpha1", "kind": "Repository",'
        ' "metadata": {"name": "r"}, "spec": {"url": "https://git.example.com/"}}',
    )
    write(tmp_path / "README.md", "not: [a document")
    write(tmp_path / ".hidden.yaml", "not: [a document")
    write(tmp_path / ".git" / "four.yaml", "not: [a document")
    files = DocumentFiles(tmp_path)
    assert (names(files), files.error) == ("one two", "")
    assert [repository.name for repository in files().repositories] == ["r"]
    write(tmp_path / "team" / "four.yaml", app("four"))
    assert names(files) == "one four two"
    (tmp_path / "team" / "two.yml").unlink()
    assert names(files) == "one four"
    write(tmp_path / "team" / "four.yaml", "kind: Nonsense\n")
    assert names(files) == "one four"
    assert files.error.startswith("team/four.yaml:1: ")


def test_an_empty_folder_is_an_installation_without_applications(tmp_path: Path) -> None:
    files = DocumentFiles(tmp_path)
    assert (names(files), files.error) == ("", "")


def test_a_mounted_config_map_changes_by_the_swap_of_a_link(tmp_path: Path) -> None:
    def publish(version: str, text: str) -> None:
        write(tmp_path / f"..{version}" / "applications.yaml", text)
        (tmp_path / "..data_tmp").symlink_to(f"..{version}")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    publish("2026_1", app("one"))
    (tmp_path / "applications.yaml").symlink_to("..data/applications.yaml")
    folder, file = DocumentFiles(tmp_path), DocumentFiles(tmp_path / "applications.yaml")
    assert (names(folder), names(file)) == ("one", "one")
    publish("2026_2", app("two"))
    assert (names(folder), names(file)) == ("two", "two")
    assert (folder.error, file.error) == ("", "")


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "one.yaml", app("one"))
    files = DocumentFiles(tmp_path)
    assert names(files) == "one"
    (tmp_path / "two.yaml").symlink_to("nowhere")
    assert names(files) == "one"
    assert files.error == f"{tmp_path / 'two.yaml'}: No such file or directory"
    (tmp_path / "two.yaml").unlink()
    assert (names(files), files.error) == ("one", "")


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "team" / "one.yaml", app("one"))
    files = DocumentFiles(tmp_path)
    assert names(files) == "one"
    scan = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("team"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert names(files) == "one"
    assert files.error == f"{tmp_path / 'team'}: Permission denied"
    monkeypatch.setattr(os, "scandir", scan)
    assert (names(files), files.error) == ("one", "")


def test_files_of_one_name_in_two_folders_are_both_read(tmp_path: Path) -> None:
    paths = [tmp_path / name / "applications.yaml" for name in ("one", "two")]
    for path in paths:
        write(path, app(path.parent.name))
    assert set(read_documents(paths).applications) == {"one", "two"}
    assert set(read_documents([tmp_path]).applications) == {"one", "two"}
    write(paths[0], "kind: Nonsense\n")
    with pytest.raises(DocumentError) as raised:
        read_documents(paths)
    assert str(raised.value).startswith(f"{paths[0]}:1: ")


def test_a_file_that_is_named_and_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="there is no such file or folder"):
        read_documents([tmp_path / "nowhere.yaml"])


def test_that_nothing_could_be_read_yet_is_not_that_there_is_nothing(tmp_path: Path) -> None:
    assert not DocumentFiles(tmp_path / "missing.yaml")().read
    assert DocumentFiles(tmp_path)().read
