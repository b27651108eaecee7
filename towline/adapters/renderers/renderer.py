"""The port `Renderer`: chooses how a tree is rendered, and remembers what was rendered."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from towline import __version__
from towline.adapters.renderers import kustomize, plain
from towline.adapters.renderers.kept import KeptRenders, Part, Render
from towline.core.application import Application, Renderer
from towline.core.errors import RenderError, SourceGoneError
from towline.core.kustomization import KUSTOMIZATION_FILES
from towline.core.manifest import Manifest
from towline.ports import Tree


@dataclass(frozen=True)
class TreeRenderer:
    """Keeps the last render of each application below `folder`."""

    folder: Path
    _folders: dict[str, tuple[tuple[str, str | None], frozenset[str]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def digest(self, application: Application, tree: Tree) -> str:
        source = application.source
        if tree.oid(source.path) is None:
            raise SourceGoneError(
                f"the path {source.path} is not in {source.describes} of {source.repository}; "
                "nothing is pruned for that"
            )
        parts = [__version__, application.spec.model_dump_json()]
        if self._kind(application, tree) is Renderer.KUSTOMIZE:
            read = self._folders_read(application, tree)
            parts += [f"{folder}={tree.oid(folder)}" for folder in sorted(read)]
        else:
            parts.append(f"{source.path}={tree.oid(source.path)}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def render(self, application: Application, tree: Tree) -> Sequence[Manifest]:
        digest = self.digest(application, tree)
        kept = KeptRenders(self.folder)
        render = kept.load(application.name)
        if render.digest != digest:
            render = Render(digest, self._parts(application, tree, render.parts))
            kept.store(application.name, render)
        return render.manifests

    def _parts(self, application: Application, tree: Tree, before: Sequence[Part]) -> list[Part]:
        source = application.source
        if self._kind(application, tree) is not Renderer.KUSTOMIZE:
            return plain.render(source, tree, before)
        manifests = kustomize.render(source.path, tree, self._program())
        return [Part(manifest.place.file, "", [manifest]) for manifest in manifests]

    def _folders_read(self, application: Application, tree: Tree) -> frozenset[str]:
        """Remembered for the repository's tree: each folder takes a listing and a parse."""
        asked = (application.source.path, tree.oid(""))
        known = self._folders.get(application.name)
        if known is None or known[0] != asked:
            known = asked, kustomize.folders(application.source.path, tree)
            self._folders[application.name] = known
        return known[1]

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
