"""What was rendered last for each application, on this host's disk.

A tree that has not changed is not rendered again, and of one that has, only blobs that are new are
read and parsed. It is a convenience: whatever cannot be read or written is rendered, and no run
fails for it. It may hold secrets, so it never leaves the host.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from towline import __version__
from towline.core.errors import Place
from towline.core.manifest import Manifest

_MADE_BY = f"{__version__} 1"
"""Counted up when files are read by other rules, or kept in another form, within one version."""

_FORGOTTEN_AFTER = 7 * 24 * 3600
"""Seconds after which a render is made anew; those of applications that went just go."""


@dataclass(frozen=True, slots=True)
class Part:
    """The manifests of one file in their order; `oid` is its blob, or empty if Kustomize made
    them of several."""

    file: str
    oid: str
    manifests: Sequence[Manifest]


@dataclass(frozen=True, slots=True)
class Render:
    digest: str = ""
    parts: Sequence[Part] = ()

    @property
    def manifests(self) -> list[Manifest]:
        return [manifest for part in self.parts for manifest in part.manifests]


@dataclass(frozen=True)
class KeptRenders:
    """One file below `folder` for each application, which only this user can read.

    It is written whole and then put in its place: other processes see the old one or the new one.
    """

    folder: Path

    def load(self, application: str) -> Render:
        """The last render, equal to what was stored and shared with no one; empty without one."""
        try:
            made_by, digest, parts = json.loads(self._file(application).read_bytes())
            if made_by != _MADE_BY:
                return Render()
            return Render(digest, [_part(*part) for part in parts])
        except (OSError, ValueError, TypeError):
            return Render()

    def store(self, application: str, render: Render) -> None:
        """A full disk must not fail the run."""
        parts = [
            (part.file, part.oid, [(m.body, m.place.line) for m in part.manifests])
            for part in render.parts
        ]
        text = json.dumps((_MADE_BY, render.digest, parts), separators=(",", ":"))
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write(self._file(application), text)
            self._forget_old()
        except OSError:
            return

    def _write(self, file: Path, text: str) -> None:
        descriptor, fresh = tempfile.mkstemp(dir=self.folder)
        try:
            with open(descriptor, "w", encoding="ascii") as opened:  # noqa: PTH123
                opened.write(text)
            os.replace(fresh, file)  # noqa: PTH105
        except OSError:
            Path(fresh).unlink(missing_ok=True)
            raise

    def _forget_old(self) -> None:
        """Renders of applications that are gone, and what a killed process left unfinished."""
        oldest = time.time() - _FORGOTTEN_AFTER
        for file in self.folder.iterdir():
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)

    def _file(self, application: str) -> Path:
        return self.folder / f"{application}.json"


def _part(file: str, oid: str, documents: Sequence[tuple[dict[str, object], int | None]]) -> Part:
    return Part(file, oid, [Manifest(body, Place(file, line)) for body, line in documents])
