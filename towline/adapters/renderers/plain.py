"""Plain YAML and JSON, read straight from the tree."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from towline.core.application import Source
from towline.core.errors import Place, RenderError
from towline.core.kustomization import KUSTOMIZATION_FILES
from towline.core.manifest import Manifest, parse_manifests
from towline.ports import File, Tree


def render(source: Source, tree: Tree) -> Sequence[Manifest]:
    """All manifests below the source's path, in the order of their files.

    Folders and files that begin with a dot are left out, and so are kustomizations, which are
    no objects. A link or a submodule among the manifests is an error, for what it stands for is
    not in the tree.
    """
    files = [file for file in tree.files(source.path) if _is_manifest(file, source)]
    for file in files:
        _refuse_absent(file)
    contents = tree.read(files)
    return [
        manifest for file in files for manifest in parse_manifests(contents[file.path], file.path)
    ]


def _is_manifest(file: File, source: Source) -> bool:
    below = posixpath.relpath(file.path, source.path or ".")
    name = posixpath.basename(below)
    if any(part.startswith(".") for part in below.split("/")):
        return False
    if file.is_submodule:
        return True
    included = _matches(below, name, source.include) and name not in KUSTOMIZATION_FILES
    return included and not _matches(below, name, source.exclude)


def _matches(below: str, name: str, patterns: Iterable[str]) -> bool:
    """A pattern with a slash is matched against the path below the source's, else the name."""
    return any(fnmatchcase(below if "/" in pattern else name, pattern) for pattern in patterns)


def _refuse_absent(file: File) -> None:
    if file.is_link:
        raise RenderError(
            "a symbolic link, which Towline does not follow: put the file here, or exclude it",
            place=Place(file.path),
        )
    if file.is_submodule:
        raise RenderError(
            "a submodule, whose content is not in this repository: follow that repository itself",
            place=Place(file.path),
        )
