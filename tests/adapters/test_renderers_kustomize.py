"""Kustomize: the real program, confined, with everything it must not reach refused."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.adapters.git_world import World, config_map, eventually, own_children, running
from towline.adapters.renderers import kustomize
from towline.adapters.renderers.kustomize import Limits
from towline.core.errors import ManifestError, Place, RenderError
from towline.core.manifest import Manifest
from towline.ports import File, Tree

PROGRAM = kustomize.find_program()

needs_kustomize = pytest.mark.skipif(PROGRAM is None, reason="needs kubectl or kustomize")


def build(
    world: World,
    path: str = "app",
    program: Sequence[str] | None = None,
    limits: Limits | None = None,
) -> Sequence[Manifest]:
    with world.tree() as tree:
        return kustomize.render(path, tree, program or PROGRAM or [], limits)


def shown(manifests: Sequence[Manifest]) -> str:
    return "\n".join(str(manifest) for manifest in manifests)


def program(folder: Path, script: str) -> list[str]:
    """A program of our own in Kustomize's place."""
    file = folder / "fake-kustomize"
    body = textwrap.dedent(script).strip()
    file.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\n{body}\n", encoding="utf-8")
    file.chmod(0o700)
    return [str(file), "build"]


@pytest.fixture
def app(world: World) -> World:
    """The smallest kustomization."""
    world.push({"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": config_map("a")})
    return world


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where trees are laid out; nothing may stay there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


# What is built -------------------------------------------------------------------------------


@needs_kustomize
def test_an_overlay_with_a_base_outside_its_path(world: World) -> None:
    world.push(
        {
            "base/kustomization.yaml": "resources: [all.yaml]\n",
            "base/all.yaml": f"# two objects\n{config_map('one')}---\n{config_map('two')}",
            "env/prod/kustomization.yaml": (
                "resources: [../../base, own.yaml]\n"
                "namePrefix: prod-\n"
                "components: [../../parts/extra]\n"
                "patches:\n"
                "- target: {kind: ConfigMap, name: two}\n"
                "  patch: |-\n"
                "    - {op: add, path: /data, value: {patched: 'yes'}}\n"
            ),
            "env/prod/own.yaml": config_map("own"),
            "parts/extra/kustomization.yaml": (
                "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
                "resources: [more.yaml]\ncommonAnnotations: {part: extra}\n"
            ),
            "parts/extra/more.yaml": config_map("more"),
        }
    )
    manifests = sorted(build(world, "env/prod"), key=lambda manifest: manifest.key.name)
    assert shown(manifests) == (
        "ConfigMap/prod-more (parts/extra/more.yaml:1)\n"
        "ConfigMap/prod-one (base/all.yaml:2)\n"
        "ConfigMap/prod-own (env/prod/own.yaml:1)\n"
        "ConfigMap/prod-two (base/all.yaml:7)"
    )
    assert manifests[3].body["data"] == {"patched": "yes"}
    assert manifests[0].body["metadata"]["annotations"] == {"part": "extra"}


@needs_kustomize
def test_generators_are_placed_in_their_kustomization(world: World) -> None:
    world.push(
        {
            "app/kustomization.yaml": (
                "generatorOptions: {disableNameSuffixHash: true}\n"
                "configMapGenerator:\n- name: settings\n  files: [key=settings.ini]\n"
                "secretGenerator:\n- name: secret\n  literals: [a=b]\n"
            ),
            "app/settings.ini": "[section]\nkey = 1\n",
        }
    )
    settings, secret = build(world)
    assert str(settings) == "ConfigMap/settings (app/kustomization.yaml)"
    assert settings.body["data"] == {"key": "[section]\nkey = 1\n"}
    assert secret.body["data"] == {"a": "Yg=="}


@needs_kustomize
def test_an_object_is_placed_at_the_longest_name_that_is_part_of_its_own(world: World) -> None:
    several = [config_map(name) for name in ("one", "someone", "some")]
    world.push(
        {
            "app/kustomization.yaml": "resources: [a.yaml]\nnameSuffix: -x\n",
            "app/a.yaml": "---\n".join(several),
        }
    )
    places = {manifest.key.name: str(manifest.place) for manifest in build(world)}
    assert places == {
        "one-x": "app/a.yaml:1",
        "someone-x": "app/a.yaml:6",
        "some-x": "app/a.yaml:11",
    }


@needs_kustomize
def test_finding_the_places_takes_time_in_proportion_to_the_objects(world: World) -> None:
    """A file was once parsed again for each object that came from it."""
    many = "---\n".join(config_map(f"a{n}") for n in range(400))
    world.push({"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": many})
    started = time.process_time()
    manifests = build(world)
    assert time.process_time() - started < 5
    assert {manifest.place.line for manifest in manifests} == {1 + 5 * n for n in range(400)}


@needs_kustomize
def test_the_annotation_that_tells_the_place_is_not_applied(app: World) -> None:
    (manifest,) = build(app)
    assert manifest.body["metadata"] == {"name": "a"}


@needs_kustomize
@pytest.mark.parametrize(
    "path", ["", "with space", "comma, and # more", "[brackets]", "{braces}: x", "-dash", "ünï"]
)
def test_a_path_of_any_spelling_is_one_path(world: World, path: str) -> None:
    prefix = f"{path}/" if path else ""
    files = {"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": config_map("a")}
    world.push({f"{prefix}{name}": content for name, content in files.items()})
    assert shown(build(world, path)) == f"ConfigMap/a ({prefix}a.yaml:1)"


@needs_kustomize
def test_a_path_cannot_name_a_second_folder(world: World, tmp_path: Path) -> None:
    """The path is written into a file of ours; it must not become syntax there."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "kustomization.yaml").write_text("resources: [a.yaml]\n", encoding="ascii")
    (other / "a.yaml").write_text(config_map("of-the-machine"), encoding="ascii")
    path = f"x, {other}"
    world.push(
        {
            f"{path}/kustomization.yaml": "resources: [a.yaml]\n",
            f"{path}/a.yaml": config_map("a"),
            "x/kustomization.yaml": "resources: [a.yaml]\n",
            "x/a.yaml": config_map("x"),
        }
    )
    assert [manifest.key.name for manifest in build(world, path)] == ["a"]


# What is refused -----------------------------------------------------------------------------

_BASE = "https://github.com/example/repository//base?ref=v1"


@pytest.mark.parametrize(
    ("kustomization", "said"),
    [
        (f"resources: ['{_BASE}']", "is remote"),
        ("resources: ['https://example.com/a.yaml']", "is remote"),
        ("resources: ['git@github.com:example/repository']", "is remote"),
        ("resources: ['github.com/example/repository']", "is remote"),
        ("resources: ['example.com/org/repository?ref=v1']", "remote bases are not fetched"),
        ("resources: ['host.example:org/repository']", "remote bases are not fetched"),
        (f"components: ['{_BASE}']", "is remote"),
        (f"bases: ['{_BASE}']", "is remote"),
        ("patches: [{path: 'https://example.com/patch.yaml'}]", "is remote"),
        ("configMapGenerator: [{name: a, files: ['k=https://example.com/x']}]", "is remote"),
        ("transformers: ['https://example.com/t.yaml']", "is remote"),
        ("resources: [/etc]", "is an absolute path"),
        ("configMapGenerator: [{name: a, files: [/etc/passwd]}]", "is an absolute path"),
        ("configMapGenerator: [{name: a, envs: [/proc/self/environ]}]", "is an absolute path"),
        ("resources: [../../outside]", "leaves the repository"),
        ("resources: [../..]", "leaves the repository"),
        ("helmCharts: [{name: c, repo: 'https://charts.example.com'}]", "charts are not inflated"),
        ("resources: [nowhere.yaml]", "is not in the repository"),
        ("resources: [link.yaml]", "is not in the repository"),
        ("resources: [linked-folder]", "is not in the repository"),
        ("resources: [../bare]", "has no kustomization.yaml"),
    ],
)
def test_what_is_not_in_the_repository_is_refused_before_anything_runs(
    world: World, tmp_path: Path, kustomization: str, said: str
) -> None:
    marker = tmp_path / "marker"
    (world.upstream.folder / "app").mkdir()
    (world.upstream.folder / "app" / "link.yaml").symlink_to("/etc/passwd")
    (world.upstream.folder / "app" / "linked-folder").symlink_to("/etc")
    world.push({"app/kustomization.yaml": f"# why\n{kustomization}\n", "bare/README": ""})
    touch = program(tmp_path, f"open({str(marker)!r}, 'w').close()")
    with pytest.raises(RenderError, match=said) as raised:
        build(world, program=touch)
    assert str(raised.value.place) == "app/kustomization.yaml:2"
    assert not marker.exists()


@needs_kustomize
@pytest.mark.parametrize(
    "files",
    [
        {"app/kustomization.yaml": "configMapGenerator: [{name: a, files: [../secret]}]"},
        {
            "app/kustomization.yaml": "generators: [generator.yaml]",
            "app/generator.yaml": (
                "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: a}\n"
                "files: [/etc/passwd]\n"
            ),
        },
        {
            "app/kustomization.yaml": "generators: [generator.yaml]",
            "app/generator.yaml": (
                "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: a}\n"
                "files: ['https://example.com/']\n"
            ),
        },
        {
            "app/kustomization.yaml": "generators: [generator.yaml]",
            "app/generator.yaml": (
                "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: a}\n"
                "name: minecraft\nrepo: https://charts.example.com\nreleaseName: x\n"
            ),
        },
    ],
    ids=["file above", "absolute path", "URL", "chart"],
)
def test_what_only_kustomize_can_see_is_refused_by_it(
    world: World, files: Mapping[str, str]
) -> None:
    world.push({**files, "secret": "secret"})
    with pytest.raises(RenderError, match="Kustomize failed"):
        build(world)


@needs_kustomize
@pytest.mark.parametrize(
    "annotation",
    [
        "config.kubernetes.io/function: |\n      exec: {path: ./plugin.sh}",
        "config.kubernetes.io/function: |\n      container: {image: example.com/function}",
    ],
)
@pytest.mark.parametrize("field", ["generators", "transformers", "validators"])
def test_plugins_are_not_run(world: World, tmp_path: Path, annotation: str, field: str) -> None:
    marker = tmp_path / "marker"
    plugin = f"#!/bin/sh\ntouch {marker}\n"
    world.push(
        {
            "app/kustomization.yaml": f"resources: [a.yaml]\n{field}: [plugin.yaml]\n",
            "app/a.yaml": config_map("a"),
            "app/plugin.yaml": (
                "apiVersion: example.com/v1\nkind: Plugin\nmetadata:\n  name: p\n"
                f"  annotations:\n    {annotation}\n"
            ),
            "app/plugin.sh": plugin,
        }
    )
    with pytest.raises(RenderError, match="Kustomize failed"):
        build(world)
    assert not marker.exists()


@needs_kustomize
@pytest.mark.parametrize(
    "files",
    [
        {"app/kustomization.yaml": "resources: [a.yaml]\npatches: [{path: missing.yaml}]\n"},
        {"app/kustomization.yaml": "resources: [a.yaml]\nnoSuchField: 1\n"},
        {"app/kustomization.yaml": "resources: [a.yaml, a.yaml]\n"},
        {"app/a.yaml": "apiVersion: v1\nkind: ConfigMap\n"},
        {"app/kustomization.yaml": "resources: [../base]\n", "base/kustomization.yaml": "x: y\n"},
        {"app/kustomization.yaml": "resources: [../base]\n", "base/kustomization.yaml": "[]\n"},
        {"app/a.yaml": "a: [1,\n"},
    ],
)
def test_errors_speak_of_the_repository_and_of_no_temporary_folder(
    world: World, temporary: Path, files: Mapping[str, str]
) -> None:
    good = {"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": config_map("a")}
    world.push({**good, **files})
    with pytest.raises((RenderError, ManifestError)) as raised:
        build(world)
    said = str(raised.value)
    assert said.startswith(("app", "base"))
    for word in (str(temporary), "towline-render", "tree/", "/top"):
        assert word not in said


@needs_kustomize
def test_a_kustomization_of_itself_ends(world: World) -> None:
    world.push(
        {
            "app/kustomization.yaml": "resources: [../base]\n",
            "base/kustomization.yaml": "resources: [../app]\n",
        }
    )
    with pytest.raises(RenderError, match="cycle"):
        build(world)


class FakeTree:
    """A tree as no Git would hand it out, for what must hold even then."""

    commit = "0" * 40

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def __enter__(self) -> FakeTree:
        return self

    def __exit__(self, *details: object) -> None: ...

    def oid(self, path: str) -> str | None:
        return "1" if path in self._files else None

    def is_folder(self, path: str) -> bool:
        return any(name.startswith(f"{path}/") for name in self._files)

    def files(self, path: str) -> Sequence[File]:  # noqa: ARG002
        return [File(n, "1", len(d), "100644") for n, d in self._files.items()]

    def read(self, files: object) -> Mapping[str, bytes]:  # noqa: ARG002
        return self._files


@pytest.mark.parametrize(
    "name", ["app/../../escaped", "app/..", "app/./x", "app//x", "app/" + "x" * 300, "app/b/c"]
)
def test_no_file_is_written_outside_the_folder_that_is_laid_out(tmp_path: Path, name: str) -> None:
    files = {
        "app/kustomization.yaml": b"resources: [a.yaml]",
        "app/a.yaml": b"",
        "app/b": b"",
        name: b"x",
    }
    tree: Tree = FakeTree(files)
    with pytest.raises(RenderError, match="file") as raised:
        kustomize.render("app", tree, program(tmp_path, ""))
    assert raised.value.place == Place(name)
    assert not list(tmp_path.rglob("escaped"))


# How it is confined --------------------------------------------------------------------------


def test_the_child_sees_nothing_of_this_process(
    app: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWLINE_REDIS_URL", "redis://:planted-secret@example")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
    monkeypatch.setenv("KUBECONFIG", "/planted-secret")
    dump = program(
        tmp_path,
        """
        shown = dict(os.environ)
        opened = sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else []
        here = os.path.abspath(os.getcwd())
        about = {"environment": repr(shown), "opened": " ".join(opened), "here": here}
        about["stdin"] = sys.stdin.read()
        about["laid-out"] = " ".join(sorted(os.listdir(os.path.join(here, "tree", "app"))))
        about["mode"] = oct(os.stat(here).st_mode & 0o777)
        print("apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: a}\\ndata:")
        for name, text in about.items():
            print("  " + name + ": '" + text.replace("'", "''") + "'")
        """,
    )
    with tempfile.TemporaryFile() as secret:
        os.set_inheritable(secret.fileno(), True)
        (manifest,) = build(app, program=dump)
    data = manifest.body["data"]
    assert "planted-secret" not in data["environment"]
    assert "'HTTPS_PROXY': 'http://127.0.0.1:9'" in data["environment"]
    assert "'PATH': ''" in data["environment"]
    assert f"'HOME': {data['here']!r}" in data["environment"]
    assert set(data["opened"].split()) <= {"0", "1", "2", "3"}  # the listing itself is one
    assert data["stdin"] == ""
    assert data["laid-out"] == "a.yaml kustomization.yaml"
    assert data["mode"] == "0o700"


def test_the_child_has_no_network_where_the_kernel_permits_it(app: World, tmp_path: Path) -> None:
    permitted = subprocess.run(
        [
            sys.executable,
            "-IS",
            "-c",
            "import ctypes; print(ctypes.CDLL(None).unshare(0x50000000))",
        ],
        capture_output=True,
        check=False,
    )
    if permitted.stdout.strip() != b"0":
        pytest.skip("this kernel permits no network namespace to an ordinary program")
    look = program(
        tmp_path,
        """
        with open("/proc/self/net/dev") as devices:
            names = [line.partition(":")[0].strip() for line in devices if ":" in line]
        print("apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: a}")
        print("data: {devices: '" + " ".join(names) + "'}")
        """,
    )
    (manifest,) = build(app, program=look)
    assert manifest.body["data"] == {"devices": "lo"}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("time.sleep(60)", "did not end within 1 s"),
        ("while True: sys.stdout.write('#\\n'); sys.stdout.flush(); time.sleep(0.01)", "did not"),
        ("while True: sys.stdout.write('#' * 65536)", "wrote more than 1 MiB"),
        ("while True: pass", "did not end within 1 s|Kustomize failed"),
        ("x = bytearray(1 << 30)", "Kustomize failed.*MemoryError"),
        ("sys.stderr.write('x' * (4 << 20)); sys.exit(1)", "Kustomize failed"),
        ("os.fork() or time.sleep(60); time.sleep(60)", "did not end within 1 s"),
        ("os.close(1); os.close(2); time.sleep(60)", "closed its output and did not end"),
        ("os.kill(os.getpid(), 9)", "Kustomize failed"),
        ("sys.exit('error: words')", "Kustomize failed: words"),
    ],
)
def test_a_child_without_measure_is_ended_and_none_is_left(
    app: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setattr(kustomize, "_PATIENCE", 0.5)
    limits = Limits(seconds=1, memory_bytes=1 << 29, output_bytes=1 << 20)
    command = program(tmp_path, script)
    with pytest.raises(RenderError, match=said) as raised:
        build(app, program=command, limits=limits)
    assert str(raised.value).startswith("app: ")
    assert own_children() == []
    assert eventually(lambda: not running(command[0]))


def test_output_that_is_no_object_is_an_error_in_the_kustomization(
    app: World, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError, match=r"^app/kustomization\.yaml"):
        build(app, program=program(tmp_path, "print('- a list')"))


def test_links_of_the_repository_are_not_laid_out(world: World, tmp_path: Path) -> None:
    """Written into the temporary folder, they would lead Kustomize, or us, out of it."""
    (world.upstream.folder / "app").mkdir()
    (world.upstream.folder / "app" / "evil").symlink_to("/etc")
    world.push({"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": config_map("a")})
    listing = program(
        tmp_path,
        """
        names = " ".join(sorted(os.listdir("tree/app")))
        print("apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: a}")
        print("data: {names: " + names + "}")
        """,
    )
    (manifest,) = build(world, program=listing)
    assert manifest.body["data"] == {"names": "a.yaml kustomization.yaml"}


def test_the_program_beside_this_python_is_found_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kubectl", "kustomize"):
        (tmp_path / name).write_text("#!/bin/sh\n", encoding="ascii")
        (tmp_path / name).chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert kustomize.find_program() == [str(tmp_path / "kubectl"), "kustomize"]
    (tmp_path / "kubectl").unlink()
    assert kustomize.find_program() == [str(tmp_path / "kustomize"), "build"]
    (tmp_path / "kustomize").unlink()
    assert kustomize.find_program() is None
