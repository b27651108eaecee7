"""What a render depends on, and what is remembered of it."""

from __future__ import annotations

import json
import os
import resource
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.git_world import World, application, config_map
from towline.adapters.renderers import TreeRenderer, kept, kustomize
from towline.core.application import Application
from towline.core.errors import ManifestError, Place, RenderError, SourceGoneError
from towline.core.manifest import Manifest
from towline.ports import Tree

KUSTOMIZED = {
    "app/kustomization.yaml": "resources: [../base, a.yaml]\n",
    "app/a.yaml": config_map("a"),
    "base/kustomization.yaml": "resources: [b.yaml]\n",
    "base/b.yaml": config_map("b"),
    "other/c.yaml": config_map("c"),
}
PLAIN = {"app/a.yaml": config_map("a"), "base/b.yaml": config_map("b"), "README.md": "text"}

needs_kustomize = pytest.mark.skipif(
    kustomize.find_program() is None, reason="needs kubectl or kustomize"
)


class Bench:
    """One application, rendered as it is in Git now."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.renderer = TreeRenderer(folder)
        self.application = self.following()

    def following(self, path: str = "app", **source: Any) -> Application:
        return application(self.world.source(path=path, **source))

    def digest(self, app: Application | None = None) -> str:
        app = app or self.application
        with self.world.repositories().tree(app.source) as tree:
            return self.renderer.digest(app, tree)

    def render(self, app: Application | None = None) -> Sequence[Manifest]:
        app = app or self.application
        with self.world.repositories().tree(app.source) as tree:
            return self.renderer.render(app, tree)

    @property
    def kept(self) -> list[Path]:
        return sorted(self.renderer.folder.iterdir())


@pytest.fixture
def bench(world: World, tmp_path: Path) -> Bench:
    return Bench(world, tmp_path / "renders")


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Kustomize that writes a line for each time it runs."""
    runs, program = tmp_path / "runs", tmp_path / "kustomize-that-counts"
    real = " ".join(kustomize.find_program() or [])
    program.write_text(f'#!/bin/sh\necho run >> {runs}\nexec {real} "$2"\n', encoding="ascii")
    program.chmod(0o700)
    monkeypatch.setattr(kustomize, "find_program", lambda: [str(program), "build"])
    return runs


# Digests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "change", "changes"),
    [
        (KUSTOMIZED, "app/a.yaml", True),
        (KUSTOMIZED, "base/b.yaml", True),
        (KUSTOMIZED, "base/deep/settings.ini", True),
        (KUSTOMIZED, "other/c.yaml", False),
        (KUSTOMIZED, "README.md", False),
        (KUSTOMIZED, "app2/a.yaml", False),
        (PLAIN, "app/a.yaml", True),
        (PLAIN, "app/deep/b.yaml", True),
        (PLAIN, "base/b.yaml", False),
    ],
)
def test_the_digest_changes_when_something_that_is_read_changes(
    bench: Bench, files: dict[str, str], change: str, changes: bool
) -> None:
    bench.world.push({**files})
    before = bench.digest()
    assert bench.digest() == before
    bench.world.push({change: config_map("new")})
    assert (bench.digest() != before) == changes


def test_a_commit_that_changes_nothing_changes_no_digest(bench: Bench) -> None:
    bench.world.push({**PLAIN})
    before = bench.digest()
    bench.world.push()
    assert bench.digest() == before


def test_the_same_content_by_another_commit_has_the_same_digest(bench: Bench) -> None:
    bench.world.push({**PLAIN})
    before = bench.digest()
    bench.world.push({"app/a.yaml": "changed: true"})
    bench.world.push({"app/a.yaml": PLAIN["app/a.yaml"]})
    assert bench.digest() == before


def test_the_digest_tells_the_applications_own_settings_apart(bench: Bench) -> None:
    bench.world.push({**KUSTOMIZED})
    settings: list[dict[str, Any]] = [{}, {"renderer": "plain"}, {"exclude": ["a.yaml"]}]
    assert len({bench.digest(bench.following(**one)) for one in settings}) == 3


def test_a_path_that_is_not_there_is_gone(bench: Bench) -> None:
    bench.world.push({**PLAIN})
    for ask in (bench.digest, bench.render):
        with pytest.raises(SourceGoneError, match="the path nowhere is not in branch main of"):
            ask(bench.following("nowhere"))


def test_a_base_that_is_remote_has_no_digest(bench: Bench) -> None:
    bench.world.push({"app/kustomization.yaml": "resources: ['https://example.com/base']\n"})
    with pytest.raises(RenderError, match="is remote"):
        bench.digest()


# The choice of a renderer --------------------------------------------------------------------


@needs_kustomize
@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_a_kustomization_file_makes_it_kustomize(bench: Bench, name: str) -> None:
    bench.world.push({f"app/{name}": "resources: [a.yaml]\nnamePrefix: x-\n", **PLAIN})
    assert [str(manifest.key) for manifest in bench.render()] == ["ConfigMap/x-a"]
    plain = bench.following(renderer="plain")
    assert [str(manifest.key) for manifest in bench.render(plain)] == ["ConfigMap/a"]


def test_kustomize_where_there_is_no_kustomization_is_an_error(bench: Bench) -> None:
    bench.world.push({**PLAIN})
    with pytest.raises(RenderError, match=r"the folder app has no kustomization\.yaml"):
        bench.render(bench.following(renderer="kustomize"))


def test_a_host_without_kustomize_says_what_to_do(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kustomize, "find_program", lambda: None)
    bench.world.push({**KUSTOMIZED})
    with pytest.raises(RenderError, match="neither kubectl nor kustomize is installed"):
        bench.render()


# What is kept --------------------------------------------------------------------------------


@needs_kustomize
def test_a_second_render_of_the_same_starts_no_kustomize(bench: Bench, counted: Path) -> None:
    bench.world.push({**KUSTOMIZED})
    first = bench.render()
    bench.world.push({"other/c.yaml": config_map("changed")})
    assert bench.render() == first
    assert counted.read_text(encoding="ascii") == "run\n"
    bench.world.push({"base/b.yaml": config_map("changed")})
    assert bench.render() != first
    assert counted.read_text(encoding="ascii") == "run\nrun\n"


def test_what_a_kustomization_reads_is_found_out_once_for_a_tree(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = kustomize.folders, []

    def folders(path: str, tree: Tree) -> frozenset[str]:
        asked.append(tree.oid(""))
        return real(path, tree)

    monkeypatch.setattr(kustomize, "folders", folders)
    bench.world.push({**KUSTOMIZED})
    digests = [bench.digest(), bench.digest()]
    bench.world.push({"base/kustomization.yaml": "resources: [b.yaml, ../other]\n"})
    bench.world.push({"other/kustomization.yaml": "resources: [c.yaml]\n"})
    digests += [bench.digest(), bench.digest()]
    bench.world.push({"other/c.yaml": config_map("changed")})
    digests += [bench.digest()]
    assert len(asked) == len(set(asked)) == 3
    assert [digests.index(digest) for digest in digests] == [0, 0, 2, 2, 4]


def test_what_is_kept_equals_what_was_rendered(bench: Bench) -> None:
    document = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
        "data: {ümlaut: 'ß', number: '1', on: 'yes'}\nextra: [1, 2.5, true, null, 1e300, '']\n"
    )
    bench.world.push({"app/a.yaml": document, "app/b.yaml": config_map("b")})
    assert bench.render() == bench.render()
    assert len(bench.kept) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"null", b"5", b'"abc"', b"[1]", b"{}x", b"\xff\xfe", b'["a", "b", []]', b"[[]]"],
)
def test_a_kept_render_that_is_corrupt_is_ignored(bench: Bench, content: bytes) -> None:
    bench.world.push({**PLAIN})
    first = bench.render()
    bench.kept[0].write_bytes(content)
    assert bench.render() == first
    assert json.loads(bench.kept[0].read_bytes())[2][0][0] == "app/a.yaml"


def test_what_is_kept_can_be_read_by_this_user_only(bench: Bench) -> None:
    """Renders may hold secrets."""
    bench.world.push({**PLAIN})
    bench.render()
    paths = [bench.renderer.folder, *bench.kept]
    assert [oct(stat.S_IMODE(path.stat().st_mode)) for path in paths] == ["0o700", "0o600"]


def test_an_error_is_not_kept(bench: Bench) -> None:
    bench.world.push({"app/a.yaml": "no: object"})
    for _ in range(2):
        with pytest.raises(ManifestError):
            bench.render()
    assert not bench.renderer.folder.exists()


def test_an_application_keeps_its_last_render_only(bench: Bench) -> None:
    for number in range(3):
        bench.world.push({"app/a.yaml": config_map(f"a{number}")})
        bench.render()
    bench.render(application(bench.world.source(path="app"), "another"))
    assert [path.name for path in bench.kept] == ["another.json", "app.json"]
    assert [b"a2" in path.read_bytes() for path in bench.kept] == [True, True]


def test_what_nobody_renders_any_more_is_forgotten(bench: Bench) -> None:
    bench.world.push({**PLAIN})
    bench.render(application(bench.world.source(path="app"), "gone"))
    unfinished = bench.renderer.folder / "tmp-of-a-killed-process"
    unfinished.touch()
    for path in bench.kept:
        os.utime(path, (0, time.time() - kept._FORGOTTEN_AFTER - 60))
    bench.render()
    assert [path.name for path in bench.kept] == ["app.json"]


def test_what_another_version_kept_is_not_used(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.world.push({**PLAIN})
    first = bench.render()
    text = bench.kept[0].read_text(encoding="ascii")
    bench.kept[0].write_text(text.replace('"name":"a"', '"name":"x"'), encoding="ascii")
    assert bench.render() != first
    monkeypatch.setattr(kept, "_MADE_BY", "the next version")
    assert bench.render() == first


def test_a_full_disk_fails_no_render(bench: Bench) -> None:
    bench.world.push({**PLAIN})
    bench.renderer.folder.write_text("a file where the folder should be", encoding="ascii")
    assert [manifest.key.name for manifest in bench.render()] == ["a"]


def test_a_disk_that_fills_up_while_it_is_written_leaves_the_old_and_nothing_else(
    bench: Bench,
) -> None:
    shelf = kept.KeptRenders(bench.renderer.folder)
    large = Manifest({"kind": "Large", "data": "x" * 100_000}, Place("a.yaml", 1))
    shelf.store("app", kept.Render("old", []))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        shelf.store("app", kept.Render("new", [kept.Part("a.yaml", "1", [large])]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in bench.kept] == ["app.json"]
    assert shelf.load("app").digest == "old"
