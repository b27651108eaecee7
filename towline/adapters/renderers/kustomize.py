"""Kustomize, run by kubectl or by itself in a confined child process.

Only the folders that the kustomization reads are laid out for it, as plain files in a temporary
folder. The child has no credentials, no network, an empty PATH and a dead proxy.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from towline.adapters.renderers import confine
from towline.core import yamltext
from towline.core.errors import ManifestError, Place, RenderError
from towline.core.kustomization import KUSTOMIZATION_FILES, folders_read
from towline.core.manifest import Manifest, manifest_of
from towline.core.objects import Object, annotations_of
from towline.ports import File, Tree

_ORIGIN = "config.kubernetes.io/origin"
_ORIGIN_PATH = re.compile(r"^path: (.+)$", re.MULTILINE)
_ORIGIN_SOURCE = re.compile(r"^configuredIn: (.+)$", re.MULTILINE)
# Read above the user's own kustomization: it adds nothing but where each object comes from.
_WRAPPER = "resources: [{path}]\nbuildMetadata: [originAnnotations]\n"
_PATIENCE = 5.0
"""Seconds for a child that has closed its output to end."""


@dataclass(frozen=True)
class Limits:
    seconds: int = 60
    memory_bytes: int = 2 * 1024**3  # kubectl maps 1 GB before it does anything
    output_bytes: int = 64 * 1024**2


def find_program() -> list[str] | None:
    """The command that builds a folder: kubectl or kustomize, beside this Python or in PATH."""
    beside = str(Path(sys.executable).parent)
    search = os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])
    for name, verb in (("kubectl", "kustomize"), ("kustomize", "build")):
        program = shutil.which(name, path=search)
        if program:
            return [program, verb]
    return None


def folders(path: str, tree: Tree) -> frozenset[str]:
    """The folders that the kustomization at `path` reads; raises RenderError for remote ones."""

    def read(name: str) -> bytes | None:
        folder = name.rpartition("/")[0]
        if tree.oid(name) is None or tree.is_folder(name):
            return None
        file = listed(folder)[name]
        return None if file.is_link else tree.read([file])[name]

    @functools.cache
    def listed(folder: str) -> Mapping[str, File]:
        return {file.path: file for file in tree.files(folder)}

    return folders_read(path, read=read, is_folder=tree.is_folder)


def render(
    path: str, tree: Tree, program: Sequence[str], limits: Limits | None = None
) -> Sequence[Manifest]:
    """What `kustomize build` gives, each object with the file and line it comes from."""
    limits = limits or Limits()
    files = [file for folder in sorted(folders(path, tree)) for file in tree.files(folder)]
    contents = tree.read(file for file in files if not (file.is_link or file.is_submodule))
    with tempfile.TemporaryDirectory(prefix="towline-render-") as name:
        work = Path(name).resolve()
        _lay_out(work, contents)
        top = _wrap(work, path)
        output = _build([*program, str(top)], work, limits, path)
    origins = _Origins(path, contents)
    return [
        origins.manifest(document.value, document.place)
        for document in yamltext.documents(output, _kustomization_file(path, contents))
    ]


def _lay_out(work: Path, contents: Mapping[str, bytes]) -> None:
    for name, data in contents.items():
        target = work / "tree" / name
        if {"", ".", ".."} & set(name.split("/")):
            raise RenderError("the name of the file leads out of its folder", place=Place(name))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise RenderError(
                f"Kustomize cannot be given the file: {reason}", place=Place(name)
            ) from None


def _wrap(work: Path, path: str) -> Path:
    top = work / "top"
    top.mkdir()
    relative = os.path.relpath(work / "tree" / path, top)
    (top / "kustomization.yaml").write_text(
        _WRAPPER.format(path=json.dumps(relative)), encoding="utf-8"
    )
    return top


def _build(command: Sequence[str], work: Path, limits: Limits, path: str) -> bytes:
    confined = [
        *(sys.executable, "-I", "-S", confine.__file__),
        *(str(limits.memory_bytes), str(limits.seconds)),
        *command,
    ]
    environment = {
        "HOME": str(work),
        "PATH": "",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "GOMAXPROCS": "2",
    }
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            confined,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        try:
            output = _read_within(child, limits, path)
            status = child.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            message = "Kustomize closed its output and did not end"
            raise RenderError(message, place=Place(path or ".")) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if child.stdout:
                child.stdout.close()
        if status != 0:
            errors.seek(0)
            raise _failure(errors.read(8192).decode(errors="replace"), work, path)
    return output


def _read_within(child: subprocess.Popen[bytes], limits: Limits, path: str) -> bytes:
    """All of the child's output, or RenderError at the limit of time or size."""
    if child.stdout is None:
        raise ValueError("the child has no output to read")
    deadline = time.monotonic() + limits.seconds
    descriptor = child.stdout.fileno()
    os.set_blocking(descriptor, False)
    chunks: list[bytes] = []
    size = 0
    while True:
        try:
            chunk = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            if time.monotonic() > deadline:
                message = f"Kustomize did not end within {limits.seconds} s"
                raise RenderError(message, place=Place(path or ".")) from None
            time.sleep(0.002)
            continue
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
        if size > limits.output_bytes:
            mebibytes = limits.output_bytes // 1024**2
            message = f"Kustomize wrote more than {mebibytes} MiB"
            raise RenderError(message, place=Place(path or "."))


def _failure(text: str, work: Path, path: str) -> RenderError:
    """Kustomize's own words, with paths as they are in the repository."""
    for folder in (str(work / "tree"), str(work)):
        text = text.replace(f"{folder}/", "").replace(folder, ".")
    text = re.sub(r"\s+", " ", text.replace("../tree/", "")).removeprefix("error: ").strip()
    return RenderError(f"Kustomize failed: {text[:2000]}", place=Place(path or "."))


def _kustomization_file(path: str, contents: Mapping[str, bytes]) -> str:
    names = (f"{path}/{name}" if path else name for name in KUSTOMIZATION_FILES)
    return next((name for name in names if name in contents), path or ".")


@dataclass(frozen=True)
class _Origins:
    """Where objects come from, told from the annotation that Kustomize gives each."""

    path: str
    contents: Mapping[str, bytes]
    _parsed: dict[str, Sequence[yamltext.Document]] = field(default_factory=dict)

    def manifest(self, value: object, place: Place) -> Manifest:
        if not isinstance(value, dict):
            raise ManifestError("not a Kubernetes object: expected a mapping", place=place)
        return manifest_of(_without_origin(value), self._place(value))

    def _place(self, value: Object) -> Place:
        """The file that Kustomize names, and the line of the object in it that this one was."""
        file = _origin_file(annotations_of(value).get(_ORIGIN, ""))
        if file not in self.contents:
            return Place(_kustomization_file(self.path, self.contents))
        name = str((value.get("metadata") or {}).get("name"))
        # A prefix or suffix may have been added: the longest name that is part of this one.
        found = [
            (len(written), -number, document.place)
            for number, document in enumerate(self._documents(file))
            if (written := _name_in(document.value, value.get("kind"))) and written in name
        ]
        return max(found)[2] if found else Place(file)

    def _documents(self, file: str) -> Sequence[yamltext.Document]:
        if file not in self._parsed:
            try:
                self._parsed[file] = yamltext.documents(self.contents[file], file)
            except ManifestError:
                self._parsed[file] = ()
        return self._parsed[file]


def _origin_file(origin: str) -> str:
    found = _ORIGIN_PATH.search(origin) or _ORIGIN_SOURCE.search(origin)
    if not found:
        return ""
    text = found[1]
    if text.startswith(("'", '"')):
        text = str(yamltext.documents(text.encode(), _ORIGIN)[0].value)
    return os.path.normpath(text).removeprefix("../tree/")


def _name_in(body: object, kind: object) -> str:
    """The name of a document's object if it is of the kind, else nothing."""
    if not isinstance(body, dict) or body.get("kind") != kind:
        return ""
    metadata = body.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


def _without_origin(value: Object) -> Object:
    annotations = {k: v for k, v in annotations_of(value).items() if k != _ORIGIN}
    metadata = {k: v for k, v in (value.get("metadata") or {}).items() if k != "annotations"}
    if annotations:
        metadata["annotations"] = annotations
    return {**value, "metadata": metadata}
