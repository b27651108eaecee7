"""The tree of one commit, read from a bare mirror with one `git cat-file --batch`."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from git import Git

from towline.core.errors import SourceError, SourceGoneError, SourceRefusedError
from towline.ports import File

MAX_FILES = 50_000
MAX_FILE_BYTES = 16 * 1024**2
MAX_BYTES = 256 * 1024**2
_MAX_LISTING = 32 * 1024**2

BROKEN = "towline.broken"
"""A file in a mirror in which something could not be read: it is not built upon any more."""


class GitTree:
    """Paths are relative to the repository's root and written with `/`.

    Git's batch process is started at once and ends with the `with`. What was looked up or listed
    is remembered, for a commit never changes.
    """

    def __init__(self, folder: Path, revision: str, environment: Mapping[str, str]) -> None:
        """Raises KeyError if the revision (a full ref or a commit) is not there."""
        self._folder = folder
        self._git = Git(folder)
        self._git.update_environment(**environment)
        self._found: dict[str, tuple[str, str]] = {}
        self._listed: dict[str, Sequence[File]] = {}
        commit, kind = self._header(f"{revision}^{{commit}}")
        if kind != "commit":
            self._git.clear_cache()
            raise KeyError(revision)
        self._commit = commit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._git.clear_cache()

    @property
    def commit(self) -> str:
        return self._commit

    def oid(self, path: str) -> str | None:
        return self._look_up(path)[0] or None

    def is_folder(self, path: str) -> bool:
        return self._look_up(path)[1] == "tree"

    def _look_up(self, path: str) -> tuple[str, str]:
        if path.startswith(("./", "../")):
            return "", ""  # Git would take it for relative to a work tree, and end
        if path not in self._found:
            self._found[path] = self._header(f"{self._commit}:{path}")
        return self._found[path]

    def _header(self, name: str) -> tuple[str, str]:
        """Id and type of an object; empty if it is not there."""
        if "\n" in name or "\0" in name:
            return "", ""  # a question to the batch process is one line
        try:
            oid, kind, _ = self._git.get_object_header(name)
        except (ValueError, BrokenPipeError):
            return "", ""
        return _text(oid), _text(kind)

    def files(self, path: str) -> Sequence[File]:
        if not self.is_folder(path):
            raise SourceGoneError(f"the folder {path} is not in commit {self._commit[:12]}")
        if path not in self._listed:
            self._listed[path] = [_file(line, path) for line in self._list(path)]
        return self._listed[path]

    def _list(self, path: str) -> Sequence[bytes]:
        """A listing can be endless, for a few small trees can contain each other a million times:
        it is read up to a limit."""
        listing = ("ls-tree", "-r", "-z", "-l", "--full-tree", f"{self._commit}:{path}", "--")
        process = self._git.execute(["git", *listing], as_process=True)
        child: subprocess.Popen[bytes] = process.proc  # type: ignore[assignment]
        if child.stdout is None or child.stderr is None:
            raise ValueError("the child has no output to read")
        with child, child.stdout, child.stderr:
            listed = child.stdout.read(_MAX_LISTING + 1)
            if len(listed) > _MAX_LISTING:
                child.kill()
            errors = child.stderr.read(300).decode(errors="replace").strip()
        lines = listed.split(b"\0")[:-1]
        if len(lines) > MAX_FILES or len(listed) > _MAX_LISTING:
            raise SourceRefusedError(f"{path or '.'} holds more than {MAX_FILES} files")
        if child.returncode != 0:
            raise self._unreadable(errors)
        return lines

    def read(self, files: Iterable[File]) -> Mapping[str, bytes]:
        files = list(files)
        check_sizes(files)
        return {file.path: self._content(file) for file in files}

    def _content(self, file: File) -> bytes:
        """All of a blob, or an error: Git announces the size before it finds a blob damaged, and
        a file that came out short would be taken for one that names nothing."""
        try:
            data = self._git.get_object_data(file.oid)[3]
        except (ValueError, BrokenPipeError) as error:
            raise self._unreadable(str(error)) from None
        if len(data) != file.size:
            raise self._unreadable(f"{file.path} is damaged")
        return data

    def _unreadable(self, reason: str) -> SourceError:
        with contextlib.suppress(OSError):
            (self._folder / BROKEN).touch()
        return SourceError(f"the mirror cannot be read and will be fetched anew: {reason}")


def check_sizes(files: Sequence[File]) -> None:
    """Raises SourceRefusedError for a file that is too large, or too much together."""
    for file in files:
        if file.size > MAX_FILE_BYTES:
            raise SourceRefusedError(
                f"{file.path} has {file.size} bytes; a manifest has {MAX_FILE_BYTES} at most"
            )
    if sum(file.size for file in files) > MAX_BYTES:
        raise SourceRefusedError(f"the files to read have more than {MAX_BYTES} bytes together")


def _text(answer: str | bytes) -> str:
    """GitPython says str and answers bytes."""
    return answer.decode() if isinstance(answer, bytes) else answer


def _file(line: bytes, path: str) -> File:
    facts, _, name = line.partition(b"\t")
    mode, _, oid, size = facts.decode().split()
    # A name that is not UTF-8 is shown escaped: contents are read by their id, not by name.
    text = name.decode(errors="backslashreplace")
    full = f"{path}/{text}" if path else text
    # A submodule has no size, and neither has a blob that is missing: reading that one says so.
    return File(full, oid, int(size) if size.isdigit() else 0, mode)
