"""Plain manifests: which files count, and where an error is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.adapters.git_world import World, config_map
from towline.adapters.renderers import plain
from towline.core.errors import ManifestError, RenderError, SourceGoneError
from towline.core.manifest import Manifest


def render(world: World, path: str = "", **source: Any) -> Sequence[Manifest]:
    with world.tree() as tree:
        parts = plain.render(world.source(path=path, **source), tree)
    return [manifest for part in parts for manifest in part.manifests]


def shown(manifests: Sequence[Manifest]) -> str:
    return "\n".join(str(manifest) for manifest in manifests)


def test_all_documents_of_all_files_with_their_places(world: World) -> None:
    two = f"# a comment\n{config_map('b')}---\n---\n{config_map('c')}"
    items = '{"apiVersion":"v1","kind":"List","items":[%s]}'
    body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s"}}'
    world.push(
        {
            "apps/a.yml": config_map("a"),
            "apps/b.yaml": two,
            "apps/sub/d.json": items % ",".join(body % name for name in "de"),
            "apps/empty.yaml": "# nothing yet\n",
            "other/f.yaml": config_map("f"),
        }
    )
    assert shown(render(world, "apps")) == (
        "ConfigMap/a (apps/a.yml:1)\n"
        "ConfigMap/b (apps/b.yaml:2)\n"
        "ConfigMap/c (apps/b.yaml:8)\n"
        "ConfigMap/d (apps/sub/d.json:1)\n"
        "ConfigMap/e (apps/sub/d.json:1)"
    )


def test_hidden_files_other_files_and_kustomizations_are_left_out(world: World) -> None:
    world.push(
        {
            "a.yaml": config_map("a"),
            ".github/workflow.yaml": "on: push",
            "sub/.hidden.yaml": "hidden: true",
            "README.md": "# not YAML: [",
            "values.txt": "- {",
            "sub/kustomization.yaml": "resources: []",
        }
    )
    assert shown(render(world)) == "ConfigMap/a (a.yaml:1)"


def test_a_path_that_is_itself_hidden_is_read(world: World) -> None:
    world.push({".deploy/a.yaml": config_map("a")})
    assert shown(render(world, ".deploy")) == "ConfigMap/a (.deploy/a.yaml:1)"


@pytest.mark.parametrize(
    ("include", "exclude", "names"),
    [
        (["*.yaml"], [], "a b c"),
        (["*"], ["*.md", "*.json"], "a b c"),
        (["b.yaml", "c.*"], [], "b c"),
        (["sub/*"], ["*.json", "*.md"], "b c"),
        (["*.yaml"], ["sub/deep/*"], "a b"),
        (["*.yaml"], ["[ab].yaml"], "c"),
        (["*.YAML"], [], ""),
    ],
)
def test_patterns_choose_by_name_or_by_path(
    world: World, include: list[str], exclude: list[str], names: str
) -> None:
    world.push(
        {
            "x/a.yaml": config_map("a"),
            "x/sub/b.yaml": config_map("b"),
            "x/sub/deep/c.yaml": config_map("c"),
            "x/sub/d.json": "not JSON",
            "x/README.md": "nor YAML: [",
        }
    )
    found = render(world, "x", include=include, exclude=exclude)
    assert " ".join(sorted(m.key.name for m in found)) == names


@pytest.mark.parametrize("path", ["nowhere", "a.yaml", "a.yaml/below", "sub/nowhere"])
def test_a_path_that_is_not_a_folder_is_gone(world: World, path: str) -> None:
    world.push({"a.yaml": config_map("a"), "sub/b.yaml": config_map("b")})
    with pytest.raises(SourceGoneError, match=f"the folder {path} is not in commit"):
        render(world, path)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (f"{config_map('a')}---\n# two\nkind: ConfigMap\n", "x/bad.yaml:7: `apiVersion` is miss"),
        (f"{config_map('a')}---\nkey: [1,\n", "x/bad.yaml:"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", "x/bad.yaml:1: the ConfigMap has no"),
        ("a: 1\na: 2\n", "x/bad.yaml:2"),
        ("- just\n- a list\n", "x/bad.yaml:1: not a Kubernetes object"),
        ("\tkey: 1\n", "x/bad.yaml:1"),
        ("version https://git-lfs.github.com/spec/v1\n", "x/bad.yaml:1: the file is a Git LFS"),
    ],
)
def test_a_bad_document_stops_all_and_its_place_is_told(
    world: World, content: str, place: str
) -> None:
    world.push({"x/a.yaml": config_map("good"), "x/bad.yaml": content})
    with pytest.raises(ManifestError) as raised:
        render(world, "x")
    assert str(raised.value).startswith(place)


def test_bytes_that_are_not_utf_8_are_an_error_with_a_place(world: World) -> None:
    world.push({"bad.yaml": b"key: caf\xe9\n"})
    with pytest.raises(ManifestError, match=r"^bad\.yaml"):
        render(world)


def link(world: World, name: str, target: str) -> None:
    path = world.upstream.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def test_a_link_among_the_manifests_is_an_error(world: World) -> None:
    link(world, "x/passwords.yaml", "/etc/passwd")
    world.push()
    with pytest.raises(RenderError, match=r"^x/passwords\.yaml: a symbolic link"):
        render(world)


@pytest.mark.parametrize("target", ["../shared", "../shared/", "..", "sub/../../shared"])
def test_a_link_to_a_folder_is_an_error_for_its_manifests_would_seem_gone(
    world: World, target: str
) -> None:
    world.write({"shared/b.yaml": config_map("b"), "x/a.yaml": config_map("a")})
    link(world, "x/base", target)
    world.push()
    with pytest.raises(RenderError, match=r"^x/base: a symbolic link to the folder"):
        render(world, "x")
    assert shown(render(world, "x", exclude=["base"])) == "ConfigMap/a (x/a.yaml:1)"


def test_links_that_stand_for_no_manifest_do_not_matter(world: World) -> None:
    world.write({"a.yaml": config_map("a"), "docs/text.md": "text"})
    for name, target in {
        "README": "docs/text.md",
        "outside": "../../..",
        "machine": "/etc",
        "nowhere": "nowhere",
        ".hidden": "docs",
    }.items():
        link(world, name, target)
    world.push()
    assert shown(render(world)) == "ConfigMap/a (a.yaml:1)"


def test_a_submodule_is_an_error_unless_it_is_excluded(world: World) -> None:
    commit = world.push({"x/a.yaml": config_map("a")})
    for name in ("x/charts", ".tools"):
        entry = f"160000,{commit},{name}"
        world.upstream.git("update-index", "--add", "--cacheinfo", entry)
    world.upstream.git("commit", "--quiet", "--message=submodules")
    world.upstream.git("push", "--quiet", "origin", "HEAD:main")
    with pytest.raises(RenderError, match=r"^x/charts: a submodule"):
        render(world)
    assert shown(render(world, exclude=["x/charts"])) == "ConfigMap/a (x/a.yaml:1)"


def test_an_empty_folder_of_manifests_renders_nothing(world: World) -> None:
    world.push({"x/README.md": "none yet"})
    assert render(world, "x") == []
