"""The tree of one commit, read from a bare mirror with one `git cat-file --batch`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from git import Git
from git.exc import GitCommandError

from towline.core.errors import SourceError, SourceGoneError, SourceRefusedError
from towline.ports import File

MAX_FILES = 50_000
MAX_FILE_BYTES = 16 * 1024**2
MAX_BYTES = 256 * 1024**2


class GitTree:
    """Paths are relative to the repository's root and written with `/`.

    Git's batch process is started at the first question and ends with the `with`.
    """

    def __init__(self, folder: Path, commit: str, environment: Mapping[str, str]) -> None:
        self._commit = commit
        self._git = Git(folder)
        self._git.update_environment(**environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._git.clear_cache()

    @property
    def commit(self) -> str:
        return self._commit

    def oid(self, path: str) -> str | None:
        return self._look_up(path)[0]

    def is_folder(self, path: str) -> bool:
        return self._look_up(path)[1] == "tree"

    def _look_up(self, path: str) -> tuple[str | None, str]:
        if "\n" in path or "\0" in path:
            return None, ""  # a question to the batch process is one line
        try:
            oid, kind, _ = self._git.get_object_header(f"{self._commit}:{path}")
        except ValueError:
            return None, ""
        return _text(oid), _text(kind)

    def files(self, path: str) -> Sequence[File]:
        if not self.is_folder(path):
            raise SourceGoneError(f"the folder {path} is not in commit {self._commit[:12]}")
        listing = ("ls-tree", "-r", "-z", "-l", "--full-tree", f"{self._commit}:{path}", "--")
        try:
            listed = str(self._git.execute(["git", *listing]))
        except GitCommandError as error:
            raise SourceError(f"the mirror cannot be read: {error.stderr.strip()[:300]}") from None
        found = [_file(line, path) for line in listed.split("\0") if line]
        if len(found) > MAX_FILES:
            raise SourceRefusedError(f"{path or '.'} holds more than {MAX_FILES} files")
        return found

    def read(self, files: Iterable[File]) -> Mapping[str, bytes]:
        files = list(files)
        for file in files:
            if file.size > MAX_FILE_BYTES:
                raise SourceRefusedError(
                    f"{file.path} has {file.size} bytes; a manifest has {MAX_FILE_BYTES} at most"
                )
        if sum(file.size for file in files) > MAX_BYTES:
            raise SourceRefusedError(f"the files to read have more than {MAX_BYTES} bytes together")
        try:
            return {file.path: self._git.get_object_data(file.oid)[3] for file in files}
        except ValueError as error:
            raise SourceError(f"the mirror cannot be read: {error}") from None


def _text(answer: str | bytes) -> str:
    """GitPython says str and answers bytes."""
    return answer.decode() if isinstance(answer, bytes) else answer


def _file(line: str, path: str) -> File:
    facts, _, name = line.partition("\t")
    mode, _, oid, size = facts.split()
    full = f"{path}/{name}" if path else name
    return File(full, oid, 0 if size == "-" else int(size), mode)
