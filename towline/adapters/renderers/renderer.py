"""The port `Renderer`: chooses how a tree is rendered, and remembers what was rendered."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from towline import __version__
from towline.adapters.renderers import kustomize, plain
from towline.core.application import Application, Renderer
from towline.core.errors import Place, RenderError, SourceGoneError
from towline.core.kustomization import KUSTOMIZATION_FILES
from towline.core.manifest import Manifest
from towline.ports import Tree

_KEPT = 512
"""Renders kept on this host; the oldest go first."""


@dataclass(frozen=True)
class TreeRenderer:
    """Renders below `folder` are keyed by digest and readable by this user only.

    They may hold secrets, so they never leave the host.
    """

    folder: Path

    def digest(self, application: Application, tree: Tree) -> str:
        source = application.source
        if tree.oid(source.path) is None:
            raise SourceGoneError(
                f"the path {source.path} is not in {source.describes} of {source.repository}; "
                "nothing is pruned for that"
            )
        parts = [__version__, application.spec.model_dump_json()]
        if self._kind(application, tree) is Renderer.KUSTOMIZE:
            read = kustomize.folders(source.path, tree)
            parts += [f"{folder}={tree.oid(folder)}" for folder in sorted(read)]
        else:
            parts.append(f"{source.path}={tree.oid(source.path)}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def render(self, application: Application, tree: Tree) -> Sequence[Manifest]:
        digest = self.digest(application, tree)
        kept = self._kept(digest)
        if kept is not None:
            return kept
        if self._kind(application, tree) is Renderer.KUSTOMIZE:
            rendered = kustomize.render(application.source.path, tree, self._program())
        else:
            rendered = plain.render(application.source, tree)
        self._keep(digest, rendered)
        return rendered

    def _kind(self, application: Application, tree: Tree) -> Renderer:
        source = application.source
        if source.renderer is not Renderer.AUTO:
            return source.renderer
        prefix = f"{source.path}/" if source.path else ""
        here = any(tree.oid(f"{prefix}{name}") for name in KUSTOMIZATION_FILES)
        return Renderer.KUSTOMIZE if here else Renderer.PLAIN

    def _program(self) -> list[str]:
        program = kustomize.find_program()
        if program is None:
            raise RenderError(
                "neither kubectl nor kustomize is installed on this host: "
                "install one, or set renderer: plain"
            )
        return program

    # What was rendered before ----------------------------------------------------------------

    def _kept(self, digest: str) -> Sequence[Manifest] | None:
        try:
            items = json.loads(self._file(digest).read_bytes())
            return [Manifest(body, Place(file, line)) for body, file, line in items]
        except (OSError, ValueError, TypeError):
            return None

    def _keep(self, digest: str, manifests: Sequence[Manifest]) -> None:
        """Keeping is a convenience: a full disk must not fail the run."""
        items = [[m.body, m.place.file, m.place.line] for m in manifests]
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as fresh:
                json.dump(items, fresh)
            os.replace(fresh.name, self._file(digest))  # noqa: PTH105
            self._forget_oldest()
        except OSError:
            return

    def _forget_oldest(self) -> None:
        kept = sorted(self.folder.iterdir(), key=lambda file: file.stat().st_mtime)
        for file in kept[:-_KEPT]:
            file.unlink(missing_ok=True)

    def _file(self, digest: str) -> Path:
        return self.folder / f"{digest}.json"
