"""What a kustomization reads, found out before Kustomize runs.

Two reasons: the render depends on exactly these folders, and what Kustomize would fetch from
elsewhere (a remote base, a URL, a chart) is refused before anything runs.
"""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Callable, Iterable
from typing import Any

from towline.core import yamltext
from towline.core.errors import Place, RenderError

KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")

# Fields whose entries may be folders; everything else that names a file must lie below the
# kustomization itself (Kustomize's load restriction), and so is read with it.
_FOLDERS = ("resources", "bases", "components", "generators", "transformers", "validators")
_REFUSED = {
    "helmCharts": "charts are not inflated by Kustomize here",
    "helmChartInflationGenerator": "charts are not inflated by Kustomize here",
}
_REMOTE = ("git@", "git::", "github.com/")
_FILES = frozenset(
    {
        "path",
        "files",
        "envs",
        "env",
        "crds",
        "configurations",
        "openapi",
        "patchesStrategicMerge",
        *_FOLDERS,
    }
)
_NAMES_NO_FILE = ("metadata", "labels", "commonLabels", "commonAnnotations")
_MAX_FOLDERS = 1000

ReadFile = Callable[[str], bytes | None]
IsFolder = Callable[[str], bool]
Where = Callable[[], Place]
"""To find a place takes another parse, so that it is asked for in an error only."""


def folders_read(root: str, *, read: ReadFile, is_folder: IsFolder) -> frozenset[str]:
    """All folders that rendering `root` reads, each with everything below it.

    `read` gives a file of the repository, or None. Raises RenderError, with the place, for a
    reference that leaves the repository or is not in it.
    """
    found: set[str] = set()
    waiting: list[tuple[str, Where]] = [(root, lambda: Place(root or "."))]
    while waiting:
        folder, where = waiting.pop()
        if folder in found:
            continue
        if len(found) >= _MAX_FOLDERS:
            raise RenderError(
                f"more than {_MAX_FOLDERS} kustomizations are involved", place=where()
            )
        found.add(folder)
        waiting += _references(folder, where, read, is_folder)
    return _outermost(found)


def _references(
    folder: str, asked: Where, read: ReadFile, is_folder: IsFolder
) -> Iterable[tuple[str, Where]]:
    file, data = _kustomization(folder, asked, read)
    for number, document in enumerate(yamltext.documents(data, file)):
        if not isinstance(document.value, dict):
            raise RenderError("a kustomization is a mapping", place=document.place)
        for path, text in _strings(document.value):
            where = functools.partial(yamltext.place_of, data, file, number, path)
            _refuse_remote(path, text, where)
            if path[0] in _FOLDERS and len(path) == 2 and "\n" not in text:
                target = _resolve(folder, text, where)
                if is_folder(target):
                    yield target, where
                elif read(target) is None:
                    raise RenderError(
                        f"{text} is not in the repository; remote bases are not fetched",
                        place=where(),
                    )


def _kustomization(folder: str, where: Where, read: ReadFile) -> tuple[str, bytes]:
    for name in KUSTOMIZATION_FILES:
        file = posixpath.join(folder, name)
        data = read(file)
        if data is not None:
            return file, data
    raise RenderError(f"the folder {folder or '.'} has no kustomization.yaml", place=where())


def _strings(value: dict[str, Any]) -> Iterable[tuple[tuple[str | int, ...], str]]:
    """Every string of the fields that name files, with its path in the document."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [
        ((name,), child) for name, child in value.items() if name not in _NAMES_NO_FILE
    ]
    while waiting:
        path, node = waiting.pop()
        if path[0] in _REFUSED:
            yield path, ""
        elif isinstance(node, dict):
            waiting += [((*path, name), child) for name, child in node.items()]
        elif isinstance(node, list):
            waiting += [((*path, index), child) for index, child in enumerate(node)]
        elif isinstance(node, str) and not _FILES.isdisjoint(path):
            yield path, node


def _refuse_remote(path: tuple[str | int, ...], text: str, where: Where) -> None:
    reason = _REFUSED.get(str(path[0]))
    if reason:
        raise RenderError(f"{path[0]}: {reason}", place=where())
    if "\n" in text:
        return  # an inline patch or generator, not a name
    names = (text, text.partition("=")[2])  # configMapGenerator's `key=file`
    if any("://" in name or name.startswith(_REMOTE) for name in names):
        raise RenderError(f"{text} is remote: copy it into the repository", place=where())
    if any(name.startswith("/") for name in names):
        raise RenderError(f"{text} is an absolute path: name it relative to here", place=where())


def _resolve(folder: str, text: str, where: Where) -> str:
    target = posixpath.normpath(posixpath.join(folder, text))
    if target == ".." or target.startswith("../"):
        raise RenderError(f"{text} leaves the repository", place=where())
    return "" if target == "." else target


def _outermost(folders: set[str]) -> frozenset[str]:
    """Leave out the folders that lie below another one."""
    return frozenset(
        folder
        for folder in folders
        if not any(folder != other and _below(folder, other) for other in folders)
    )


def _below(folder: str, other: str) -> bool:
    return not other or folder.startswith(f"{other}/")
