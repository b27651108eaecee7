"""Errors that end something larger than one object.

An object's failure is a value in the outcome, never an exception. What is raised here ends a
document, a revision or a whole run; `workers.tasks` alone turns it into retries.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written: a file relative to its root, and a line counted from 1."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class TowlineError(Exception):
    """Any error that Towline raises on purpose; its text is meant for the user."""

    def __init__(self, message: str, *, place: Place | None = None) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.place = place


class PermanentError(TowlineError):
    """Trying again cannot help until somebody changes something."""


class TemporaryError(TowlineError):
    """Trying again may help, after `delay` seconds."""

    def __init__(self, message: str, *, delay: float = 5.0, place: Place | None = None) -> None:
        super().__init__(message, place=place)
        self.delay = delay


class DocumentError(PermanentError):
    """An application, a repository or a setting that cannot be understood."""


class ManifestError(PermanentError):
    """A manifest that can be seen to be bad without asking a server."""


class RenderError(PermanentError):
    """A tree that does not render."""


class SourceError(TemporaryError):
    """The repository could not be reached or read just now."""


class SourceGoneError(PermanentError):
    """The branch, tag, commit or path that an application follows is not there."""


class SourceRefusedError(PermanentError):
    """A repository that is not contacted or read: scheme, limit, symbolic link and the like."""


class ClusterError(TemporaryError):
    """The cluster did not answer, or not in a way that the run could go on with."""


class LeaseLostError(TemporaryError):
    """Another worker may hold the application now: nothing more is written."""
