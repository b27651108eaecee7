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

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._documents = Documents()
        self._fingerprint: Fingerprint | None = None
        self._looked = 0.0
        self.error = ""

    def __call__(self) -> Documents:
        with self._lock:
            if time.monotonic() - self._looked >= _LOOK_SECONDS or self._fingerprint is None:
                self._look()
            return self._documents

    def _look(self) -> None:
        self._looked = time.monotonic()
        try:
            fingerprint = self._fingerprint_now()
            if fingerprint == self._fingerprint:
                return
            self._documents = parse_documents(_contents(self._path))
            self.error = ""
        except (DocumentError, OSError) as error:
            self.error = str(error)
            fingerprint = self._fingerprint_now(missing_ok=True)
        self._fingerprint = fingerprint

    def _fingerprint_now(self, *, missing_ok: bool = False) -> Fingerprint:
        """Follows links, for a mounted ConfigMap changes by swapping one."""
        found = []
        for file in _files(self._path):
            try:
                stat = file.stat()
            except OSError:
                if missing_ok:
                    continue
                raise
            found.append((str(file), stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)


def read_documents(paths: list[Path]) -> Documents:
    """Read once, for the command line; raises DocumentError."""
    contents: dict[str, bytes] = {}
    for path in paths:
        if not path.exists():
            raise DocumentError(f"{path}: there is no such file or folder")
        contents |= _contents(path)
    return parse_documents(contents)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(
        Path(folder, name)
        for folder, subfolders, names in os.walk(path)
        if not _drop_hidden(subfolders)
        for name in names
        if Path(name).suffix in _SUFFIXES and not name.startswith(".")
    )


def _drop_hidden(subfolders: list[str]) -> bool:
    """Prune the walk in place: a mounted ConfigMap keeps its versions in hidden folders."""
    subfolders[:] = [name for name in subfolders if not name.startswith(".")]
    return False


def _contents(path: Path) -> dict[str, bytes]:
    if not path.exists():
        raise DocumentError(f"{path}: there is no such file or folder (TOWLINE_APPLICATIONS)")
    root = path if path.is_dir() else path.parent
    return {str(file.relative_to(root)): file.read_bytes() for file in _files(path)}
