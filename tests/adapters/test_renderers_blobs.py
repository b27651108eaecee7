"""A blob is parsed once: what is known of it is used for each later tree, and nothing changes."""

from __future__ import annotations

import json
import os
import pickle
import string
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.git_world import World, application, config_map
from towline.adapters.git import tree as git_tree
from towline.adapters.renderers import TreeRenderer, plain
from towline.adapters.renderers.kept import KeptRenders, Part, Render
from towline.core.desired import locate
from towline.core.errors import ManifestError, SourceRefusedError
from towline.core.manifest import Manifest, parse_manifests
from towline.core.resources import Resources
from towline.ports import File, Tree

CORPUS = Path(os.environ.get("TOWLINE_TEST_CORPUS", "nowhere"))


class WatchedTree:
    """A tree that notes which files are read."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.asked: list[str] = []

    def __enter__(self) -> WatchedTree:
        return self

    def __exit__(self, *details: object) -> None:
        self._tree.__exit__(*details)

    @property
    def commit(self) -> str:
        return self._tree.commit

    def oid(self, path: str) -> str | None:
        return self._tree.oid(path)

    def is_folder(self, path: str) -> bool:
        return self._tree.is_folder(path)

    def files(self, path: str) -> Sequence[File]:
        return self._tree.files(path)

    def read(self, files: Iterable[File]) -> Mapping[str, bytes]:
        contents = self._tree.read(files)
        self.asked += contents
        return contents


class Bench:
    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder

    def render(self, **source: Any) -> tuple[Sequence[Manifest], list[str]]:
        """What is rendered now, and the files that were read for it."""
        app = application(self.world.source(**source))
        with WatchedTree(self.world.repositories().tree(app.source)) as tree:
            return TreeRenderer(self.folder).render(app, tree), tree.asked

    def read(self, **source: Any) -> list[str]:
        return self.render(**source)[1]

    def fresh(self, **source: Any) -> str:
        """What a host that knows nothing renders."""
        with self.world.tree() as tree:
            return exactly(plain.render(self.world.source(**source), tree))


def exactly(parts: Iterable[Part]) -> str:
    """Unlike `==`, a text tells 1 from 1.0 and True, and shows the order of keys."""
    return "\n".join(f"{m.place} {m.body!r}" for part in parts for m in part.manifests)


def shown(manifests: Iterable[Manifest]) -> str:
    return " ".join(str(manifest) for manifest in manifests)


def many(count: int = 30) -> dict[str, str]:
    return {f"f{number}.yaml": config_map(f"c{number}") for number in range(count)}


@pytest.fixture
def bench(world: World, tmp_path: Path) -> Bench:
    return Bench(world, tmp_path / "renders")


# Only what is new is read --------------------------------------------------------------------


def test_one_changed_file_of_many_is_the_only_one_that_is_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []

    def parse(data: bytes, file: str) -> list[Manifest]:
        parsed.append(file)
        return parse_manifests(data, file)

    monkeypatch.setattr(plain, "parse_manifests", parse)
    bench.world.push(many())
    assert len(bench.read()) == len(parsed) == 30
    bench.world.push({"f7.yaml": f"{config_map('new')}---\n{config_map('more')}"})
    manifests, read = bench.render()
    assert read == parsed[30:] == ["f7.yaml"]
    assert len(manifests) == 31
    assert "ConfigMap/new (f7.yaml:1) ConfigMap/more (f7.yaml:6)" in shown(manifests)
    assert exactly([Part("", "", manifests)]) == bench.fresh()
    assert bench.render() == (manifests, [])


def test_files_that_go_move_or_say_nothing_cost_no_parse(bench: Bench) -> None:
    bench.world.push({**many(3), "empty.yaml": "# nothing yet\n"})
    bench.render()
    (bench.world.upstream.folder / "f0.yaml").unlink()
    (bench.world.upstream.folder / "f1.yaml").rename(bench.world.upstream.folder / "moved.yaml")
    bench.world.push()
    assert shown(bench.render()[0]) == "ConfigMap/c2 (f2.yaml:1) ConfigMap/c1 (moved.yaml:1)"
    bench.world.push({"README.md": "text"})
    assert bench.read() == []


def test_another_setting_of_the_application_reads_only_what_it_adds(bench: Bench) -> None:
    bench.world.push(many(3))
    assert bench.read(exclude=["f2.yaml"]) == ["f0.yaml", "f1.yaml"]
    assert bench.read() == ["f2.yaml"]


def test_another_process_knows_what_this_one_parsed(bench: Bench) -> None:
    bench.world.push(many(3))
    bench.render()
    bench.world.push({"f1.yaml": config_map("new")})
    code = "import pickle, sys; i, o = sys.stdin.buffer, sys.stdout.buffer; "
    code += "o.write(pickle.dumps(pickle.load(i).render()))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(bench),
        env=environment,
        capture_output=True,
        check=True,
    )
    manifests, read = pickle.loads(answer.stdout)  # noqa: S301
    assert read == ["f1.yaml"]
    assert bench.render() == (manifests, [])


def test_a_render_that_was_lost_or_damaged_is_made_of_all_files(bench: Bench) -> None:
    bench.world.push(many(3))
    first = bench.render()[0]
    (kept,) = bench.folder.iterdir()
    kept.write_bytes(kept.read_bytes()[:-20])
    assert bench.render() == (first, ["f0.yaml", "f1.yaml", "f2.yaml"])
    kept.unlink()
    assert len(bench.read()) == 3
    assert bench.read() == []


# Errors --------------------------------------------------------------------------------------


def test_a_bad_file_is_an_error_each_time_and_nothing_of_it_is_kept(bench: Bench) -> None:
    bench.world.push(many(3))
    bench.render()
    (kept,) = bench.folder.iterdir()
    before = kept.read_bytes()
    bench.world.push({"f1.yaml": f"{config_map('new-one')}---\nkind: Secret\n"})
    for _ in range(2):
        with pytest.raises(ManifestError, match=r"^f1\.yaml:6: `apiVersion` is missing"):
            bench.render()
    assert [path.read_bytes() for path in bench.folder.iterdir()] == [before]
    bench.world.push({"f1.yaml": config_map("good")})
    assert bench.read() == ["f1.yaml"]


def test_what_was_json_is_read_by_other_rules_under_another_name(bench: Bench) -> None:
    """Known as YAML, the same bytes are no valid JSON; the place names the new file."""
    bench.world.push({"a.yaml": config_map("a")})
    bench.render()
    bench.world.push({"b.json": config_map("a")})
    with pytest.raises(ManifestError, match=r"^b\.json:1: this is not valid JSON"):
        bench.render()


def test_the_same_blob_under_two_paths_has_two_places_and_shares_nothing(bench: Bench) -> None:
    bench.world.push({"a.yaml": config_map("same", x="1")})
    bench.render()
    bench.world.push({"b.yaml": config_map("same", x="1"), "0.yaml": config_map("same", x="1")})
    for _ in range(2):
        manifests, _ = bench.render()
        assert shown(manifests) == " ".join(f"ConfigMap/same ({n}.yaml:1)" for n in "0ab")
        assert len({id(m.body["data"]) for m in manifests}) == 3
        with pytest.raises(ManifestError, match=r"the first time at 0\.yaml:1") as no:
            locate(manifests, Resources(), namespace="x")
        assert str(no.value).startswith("a.yaml:1: ")
        bench.world.push({"README.md": "another digest, the same blobs"})


def test_a_tree_that_is_too_large_is_refused_however_much_of_it_is_known(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.world.push(many(3))
    bench.render()
    monkeypatch.setattr(git_tree, "MAX_BYTES", 200)
    bench.world.push({"f3.yaml": config_map("one-too-many")})
    with pytest.raises(SourceRefusedError, match="more than 200 bytes together"):
        bench.render()


# It equals a fresh parse ---------------------------------------------------------------------

# fmt: off
NUMBERS = (
    "0", "-0", "-0.0", "1.0", "1e3", "1e300", "1e-320", "0.1", "1.10", "123456789012345678",
    "9223372036854775807", "9223372036854775808", "18446744073709551615", "-9223372036854775808",
    "1e22", "4.9e-324", "0x1F", "017", "0o17", "1_000", "+5", ".5", "5.", "12:30:00",
    "2001-01-01", "yes", "No", "~", "null",
)
# fmt: on
texts = st.text(max_size=8) | st.text(string.printable, max_size=8) | st.sampled_from(NUMBERS)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
plain_scalars = st.lists(st.sampled_from(NUMBERS), max_size=5)


def through_the_disk(data: bytes, file: str) -> tuple[str, str]:
    """The manifests of a file as parsed, and as a later process loads them."""
    parts = [Part(file, "1", parse_manifests(data, file))]
    with TemporaryDirectory() as folder:
        KeptRenders(Path(folder)).store("app", Render("digest", parts))
        loaded = KeptRenders(Path(folder)).load("app")
    assert loaded.digest == "digest"
    assert loaded.parts == parts
    return exactly(parts), exactly(loaded.parts)


@settings(deadline=None)
@given(st.lists(st.tuples(values, plain_scalars), min_size=1, max_size=3), st.booleans())
def test_whatever_is_parsed_is_loaded_exactly_as_it_was(
    documents: list[tuple[Any, list[str]]], as_unicode: bool
) -> None:
    heads = [f"{config_map('a')}numbers: [{', '.join(plain)}]\n" for _, plain in documents]
    bodies = [
        yaml.safe_dump({"spec": value}, allow_unicode=as_unicode, sort_keys=False)
        for value, _ in documents
    ]
    text = "---\n".join(map("".join, zip(heads, bodies, strict=True)))
    try:
        parsed, loaded = through_the_disk(text.encode(errors="replace"), "a.yaml")
    except ManifestError:
        return  # a key that is none, an infinite number: not what is tried here
    assert loaded == parsed


@settings(deadline=None)
@given(values)
def test_json_is_loaded_exactly_as_it_was(value: Any) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "spec": value}
    try:
        parsed, loaded = through_the_disk(json.dumps(body).encode(), "a.json")
    except ManifestError:
        return
    assert loaded == parsed


@pytest.mark.parametrize("number", NUMBERS)
def test_each_way_to_write_a_number_is_loaded_as_it_was(number: str) -> None:
    parsed, loaded = through_the_disk(f"{config_map('a')}spec: {number}\n".encode(), "a.yaml")
    assert loaded == parsed


@pytest.mark.skipif(not CORPUS.is_dir(), reason="TOWLINE_TEST_CORPUS does not name a folder")
def test_what_people_keep_in_git_is_loaded_exactly_as_it_was() -> None:
    compared = 0
    for path in sorted(CORPUS.rglob("*.yaml")):
        try:
            parsed, loaded = through_the_disk(path.read_bytes(), path.name)
        except ManifestError:
            continue  # a kustomization, or values of a chart
        assert loaded == parsed
        compared += 1
    assert compared > 0
