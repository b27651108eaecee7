"""The documents of an installation: a file or a folder, read again when it changes."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from towline.core.application import Documents, parse_documents
from towline.core.errors import DocumentError

_SUFFIXES = {".yaml", ".yml", ".json"}
_LOOK_SECONDS = 1.0

Fingerprint = tuple[tuple[str, int, int, int], ...]


class DocumentFiles:
    """Gives the last good documents; `error` says what is wrong with newer ones."""

    def __init__(self, path: Path, *, protocols: str = "") -> None:
        self._path = path
        self._protocols = protocols
        self._lock = threading.Lock()
        self._documents = Documents(read=False)
        self._fingerprint: Fingerprint | None = None
        self._looked: float | None = None
        self.error = ""

    def __call__(self) -> Documents:
        with self._lock:
            now = time.monotonic()
            if self._looked is None or now - self._looked >= _LOOK_SECONDS:
                self._looked = now
                self._look()
            return self._documents

    def _look(self) -> None:
        known, self._fingerprint = self._fingerprint, None
        try:
            # Taken before the files are read: what is written meanwhile is seen by the next look.
            self._fingerprint = self._fingerprint_now()
            if self._fingerprint != known:
                contents = _contents(self._path)
                self._documents = parse_documents(contents, protocols=self._protocols)
                self.error = ""
        except DocumentError as error:
            self.error = str(error)
        except OSError as error:
            self._fingerprint = None  # it may come back as it was
            self.error = f"{error.filename or self._path}: {error.strerror}"

    def _fingerprint_now(self) -> Fingerprint:
        """Follows links, for a mounted ConfigMap changes by swapping one."""
        _require(self._path)
        stats = [(str(file), file.stat()) for file in _files(self._path)]
        return tuple((name, s.st_mtime_ns, s.st_size, s.st_ino) for name, s in stats)


def read_documents(paths: list[Path], *, protocols: str = "") -> Documents:
    """Read once, for the command line; raises DocumentError."""
    contents: dict[str, bytes] = {}
    for path in paths:
        root = path if path.is_dir() else path.parent
        contents |= {str(root / name): data for name, data in _contents(path).items()}
    return parse_documents(contents, protocols=protocols)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(
        Path(folder, name)
        for folder, subfolders, names in os.walk(path, onerror=_give_up)
        if not _drop_hidden(subfolders)
        for name in names
        if Path(name).suffix in _SUFFIXES and not name.startswith(".")
    )


def _drop_hidden(subfolders: list[str]) -> bool:
    """Prune the walk in place: a mounted ConfigMap keeps its versions in hidden folders."""
    subfolders[:] = [name for name in subfolders if not name.startswith(".")]
    return False


def _give_up(error: OSError) -> None:
    """A folder that cannot be listed is not an empty one: its applications are not gone."""
    raise error


def _require(path: Path) -> None:
    if not path.exists():
        raise DocumentError(f"{path}: there is no such file or folder")


def _contents(path: Path) -> dict[str, bytes]:
    _require(path)
    root = path if path.is_dir() else path.parent
    return {str(file.relative_to(root)): file.read_bytes() for file in _files(path)}
