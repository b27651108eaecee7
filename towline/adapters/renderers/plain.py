"""Plain YAML and JSON, read straight from the tree."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from towline.adapters.git.tree import check_sizes
from towline.adapters.renderers.kept import Part
from towline.core.application import Source
from towline.core.errors import Place, RenderError
from towline.core.kustomization import KUSTOMIZATION_FILES
from towline.core.manifest import Manifest, parse_manifests
from towline.ports import File, Tree


def render(source: Source, tree: Tree, before: Iterable[Part] = ()) -> list[Part]:
    """All manifests below the source's path, in the order of their files.

    Blobs that are in `before`, an earlier render, are neither read nor parsed again.

    Folders and files that begin with a dot are left out, and so are kustomizations, which are
    no objects. A submodule, and a link to a manifest or a folder, is an error: what it stands for
    is not read, and what Git seems not to name any more would be pruned.
    """
    candidates = [file for file in tree.files(source.path) if _is_wanted(file, source)]
    _refuse_links_to_folders([file for file in candidates if file.is_link], tree)
    files = [file for file in candidates if file.is_submodule or _is_manifest(file, source)]
    for file in files:
        _refuse_absent(file)
    check_sizes(files)  # of all, so that no tree renders only where much of it is known already
    known = _known(files, before)
    contents = tree.read(file for file in files if file.path not in known)
    return [known.get(file.path) or _parsed(file, contents[file.path]) for file in files]


def _known(files: Iterable[File], before: Iterable[Part]) -> dict[str, Part]:
    """The parts that an earlier render has, by path; a file may have another name since.

    Each part is used for one file only, so that no two objects share what they consist of.
    """
    parts: dict[tuple[str, str], list[Part]] = defaultdict(list)
    for part in before:
        parts[_content(part.oid, part.file)].append(part)
    known = {}
    for file in files:
        if same := parts.get(_content(file.oid, file.path)):
            known[file.path] = _placed(same.pop(), file.path)
    return known


def _content(oid: str, path: str) -> tuple[str, str]:
    """What a file says: JSON is read more strictly where the name tells that it is JSON."""
    return oid, posixpath.splitext(path)[1]


def _placed(part: Part, path: str) -> Part:
    if part.file == path:
        return part
    moved = [Manifest(m.body, Place(path, m.place.line)) for m in part.manifests]
    return Part(path, part.oid, moved)


def _parsed(file: File, data: bytes) -> Part:
    return Part(file.path, file.oid, parse_manifests(data, file.path))


def _is_wanted(file: File, source: Source) -> bool:
    below = _below(file, source)
    is_hidden = any(part.startswith(".") for part in below.split("/"))
    return not is_hidden and not _matches(below, source.exclude)


def _is_manifest(file: File, source: Source) -> bool:
    below = _below(file, source)
    return posixpath.basename(below) not in KUSTOMIZATION_FILES and _matches(below, source.include)


def _below(file: File, source: Source) -> str:
    return file.path.removeprefix(f"{source.path}/") if source.path else file.path


def _matches(below: str, patterns: Iterable[str]) -> bool:
    """A pattern with a slash is matched against the path below the source's, else the name."""
    name = posixpath.basename(below)
    return any(fnmatchcase(below if "/" in pattern else name, pattern) for pattern in patterns)


def _refuse_links_to_folders(links: Sequence[File], tree: Tree) -> None:
    for path, target in tree.read(links).items():
        text = target.decode(errors="replace")
        folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
        if tree.is_folder("" if folder == "." else folder):
            raise RenderError(
                f"a symbolic link to the folder {text}, which Towline does not follow: "
                "put the files here, or exclude it",
                place=Place(path),
            )


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
