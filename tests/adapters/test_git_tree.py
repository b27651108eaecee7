"""Reading a commit from the mirror: every name is data, and nothing is followed or run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.adapters.git_world import World, head, own_children
from towline.adapters.git import tree as git_tree
from towline.adapters.git.command import GitRunner
from towline.adapters.git.tree import GitTree
from towline.core.errors import SourceError, SourceGoneError, SourceRefusedError

ODD_NAMES = [
    "with spaces.yaml",
    "quote's \" and \\ backslash.yaml",
    "new\nline.yaml",
    "tab\there.yaml",
    "--upload-pack=x",
    "-rf",
    "$(touch marker).yaml",
    "ünïcode/日本語.yaml",
    "HEAD",
    "a:b",
    ":(glob)*",
    "@{-1}",
    " leading and trailing ",
    "star*.yaml",
]


def test_all_files_below_a_folder_are_read_by_their_full_paths(world: World) -> None:
    world.push({"a/b/c.yaml": "1", "a/d.yaml": "2", "ab/e.yaml": "3"})
    with world.tree() as tree:
        assert {file.path for file in tree.files("a")} == {"a/b/c.yaml", "a/d.yaml"}
        assert tree.read(tree.files("a/b")) == {"a/b/c.yaml": b"1"}
        assert len(tree.files("")) == 3


@pytest.mark.parametrize("folder", ["", "--upload-pack=x", "new\nline", "sp ace"])
def test_odd_names_stay_data(world: World, folder: str) -> None:
    files = {f"{folder}/{name}" if folder else name: f"content of {name}" for name in ODD_NAMES}
    world.push({**files})
    with world.tree() as tree:
        below = "" if "\n" in folder else folder
        assert {k: v.decode() for k, v in tree.read(tree.files(below)).items()} == files
        for name in files:
            assert (tree.oid(name) is None) == ("\n" in name)
    assert not (world.folder / "marker").exists()


def test_a_name_that_is_not_utf_8_can_be_shown_in_a_message(world: World) -> None:
    path = os.fsencode(world.upstream.folder) + b"/caf\xe9.yaml"
    Path(os.fsdecode(path)).write_bytes(b"1")
    world.push()
    with world.tree() as tree:
        assert tree.read(tree.files("")) == {"caf\\xe9.yaml": b"1"}


def test_questions_about_what_is_not_there(world: World) -> None:
    world.push({"folder/file.yaml": "1"})
    with world.tree() as tree:
        assert tree.is_folder("")
        assert tree.is_folder("folder")
        assert not tree.is_folder("folder/file.yaml")
        absent = [
            "nowhere",
            "folder/file.yaml/below",
            "../up",
            "./folder",
            "/etc",
            "a\0b",
            "x" * 999,
        ]
        assert [tree.oid(path) for path in absent] == [None] * len(absent)
        assert tree.oid("folder/file.yaml"), "an odd question spoils no later one"
        for path in ("nowhere", "folder/file.yaml"):
            with pytest.raises(SourceGoneError, match=f"the folder {path} is not in commit"):
                tree.files(path)


def test_links_and_submodules_are_named_as_such_and_never_followed(world: World) -> None:
    secret = world.folder / "secret"
    secret.write_text("of the machine", encoding="ascii")
    (world.upstream.folder / "link.yaml").symlink_to(secret)
    commit = world.push()
    entry = f"160000,{commit},submodule"
    world.upstream.git("update-index", "--add", "--cacheinfo", entry)
    world.upstream.git("commit", "--quiet", "--message=a submodule")
    world.upstream.git("push", "--quiet", "origin", "HEAD:main")
    with world.tree() as tree:
        link, submodule = tree.files("")
        assert (link.is_link, link.is_submodule) == (True, False)
        assert (submodule.is_link, submodule.is_submodule) == (False, True)
        assert tree.read([link]) == {"link.yaml": str(secret).encode()}


def test_attributes_of_the_repository_hide_and_change_nothing(world: World) -> None:
    marker = world.folder / "marker"
    world.upstream.git("config", "core.autocrlf", "false")
    attributes = (
        "secret.yaml export-ignore\n*.yaml text eol=crlf filter=evil ident\n"
        "*.yaml working-tree-encoding=UTF-16 export-subst\n"
    )
    files = {"secret.yaml": "a: 1\n", "shown.yaml": "$Id$ $Format:%H$\n"}
    world.write(files)
    world.upstream.git("add", "--all")
    world.upstream.git("config", "filter.evil.smudge", f"touch {marker}")
    world.write({".gitattributes": attributes})
    world.upstream.git("add", ".gitattributes")
    world.upstream.git("commit", "--quiet", "--message=attributes")
    world.upstream.git("push", "--quiet", "origin", "HEAD:main")
    with world.tree() as tree:
        read = tree.read(tree.files(""))
    assert {name: read[name].decode() for name in files} == files
    assert not marker.exists()


def test_hooks_of_the_machine_do_not_run(world: World) -> None:
    marker = world.folder / "marker"
    world.push()
    repositories = world.repositories()
    head(repositories, world.source())
    hooks = world.mirror / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-fetch", "post-checkout", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {marker}\n", encoding="utf-8")
        (hooks / name).chmod(0o700)
    pushed = world.push({"a": "1"})
    assert head(repositories, world.source()) == pushed
    assert not marker.exists()


def test_replaced_objects_do_not_stand_in_for_others(world: World) -> None:
    world.push({"a.yaml": "good"})
    repositories = world.repositories()
    head(repositories, world.source())
    bare = ["git", "--git-dir", str(world.mirror)]
    made = subprocess.run(
        [*bare, "hash-object", "-w", "--stdin"], input=b"bad", capture_output=True, check=True
    )
    good = world.upstream.git("rev-parse", "HEAD:a.yaml")
    subprocess.run([*bare, "replace", good, made.stdout.decode().strip()], check=True)
    with world.tree() as tree:
        assert tree.read(tree.files("")) == {"a.yaml": b"good"}


def test_a_file_that_is_too_large_is_refused_by_its_size_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_tree, "MAX_FILE_BYTES", 1000)
    monkeypatch.setattr(git_tree, "MAX_BYTES", 1500)
    world.push({"a.yaml": "a" * 1001, "b.yaml": "b" * 999, "c.yaml": "c" * 999})
    with world.tree() as tree:
        a, b, c = tree.files("")
        with pytest.raises(SourceRefusedError, match=r"a\.yaml has 1001 bytes"):
            tree.read([b, a])
        with pytest.raises(SourceRefusedError, match="more than 1500 bytes together"):
            tree.read([b, c])
        assert len(tree.read([c])["c.yaml"]) == 999


def test_too_many_files_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_tree, "MAX_FILES", 3)
    world.push({f"few/{n}": "" for n in range(3)} | {"one-more": ""})
    with world.tree() as tree:
        assert len(tree.files("few")) == 3
        with pytest.raises(SourceRefusedError, match=r"\. holds more than 3 files"):
            tree.files("")


def bomb(world: World, depth: int) -> None:
    """Push a commit whose tree holds 10 ** depth files in a dozen objects."""
    git = world.upstream.git
    blob = git("hash-object", "-w", "-t", "blob", "/dev/null")
    tree = _make_tree(world, [f"100644 blob {blob}\t{n}.yaml" for n in range(10)])
    for _ in range(depth - 1):
        tree = _make_tree(world, [f"040000 tree {tree}\t{n}" for n in range(10)])
    commit = git("commit-tree", "-m", "a bomb", tree)
    git("push", "--quiet", "origin", f"{commit}:refs/heads/main")


def _make_tree(world: World, entries: list[str]) -> str:
    made = subprocess.run(
        ["git", "mktree"],
        cwd=world.upstream.folder,
        input="\n".join(entries) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def test_a_tree_that_contains_itself_a_million_times_is_not_listed_to_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_tree, "_MAX_LISTING", 1_000_000)
    bomb(world, depth=12)
    with world.tree() as tree:
        with pytest.raises(SourceRefusedError, match="holds more than"):
            tree.files("")
        assert len(tree.files("0/0/0/0/0/0/0/0/0/0/0")) == 10
    assert own_children() == []


@pytest.mark.parametrize("name", ["..", ".git"])
def test_names_that_lead_out_of_a_folder_are_refused_when_they_are_fetched(
    world: World, name: str
) -> None:
    blob = world.upstream.git("hash-object", "-w", "-t", "blob", "/dev/null")
    inner = _make_tree(world, [f"100644 blob {blob}\tpasswd"])
    tree = _make_tree(world, [f"040000 tree {inner}\t{name}"])
    commit = world.upstream.git("commit-tree", "-m", "leads out", tree)
    world.upstream.git("push", "--quiet", "origin", f"{commit}:refs/heads/main")
    with pytest.raises(SourceError, match="cannot be fetched"):
        head(world.repositories(), world.source())


def test_no_process_is_left_when_a_tree_is_done_with(world: World) -> None:
    world.push({"a/b.yaml": "1"})
    repositories = world.repositories()
    for _ in range(3):
        with repositories.tree(world.source()) as tree:
            tree.read(tree.files("a"))
            assert own_children()
        assert own_children() == []
    with pytest.raises(SourceGoneError):
        repositories.tree(world.source(branch="gone"))
    assert own_children() == []


def test_what_was_looked_up_or_listed_is_remembered(world: World) -> None:
    """A kustomization asks for the same folders again and again; each listing is a process."""
    world.push({"a/b.yaml": "1"})
    head(world.repositories(), world.source())
    commit = world.upstream.git("rev-parse", "HEAD")
    runner = GitRunner(world.mirror, world.folder, "file")
    with GitTree(world.mirror, commit, runner.environment()) as tree:
        first = (tree.files("a"), tree.oid("a/b.yaml"))
        world.mirror.rename(world.folder / "aside")
        assert (tree.files("a"), tree.oid("a/b.yaml")) == first
