"""All repositories that applications follow, as mirrors of this host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from towline.adapters.git.command import Limits, credentials_of
from towline.adapters.git.mirror import Mirror
from towline.core import urls
from towline.core.application import Documents, Source
from towline.core.errors import SourceGoneError, SourceRefusedError
from towline.ports import Looks, Tree


class NoLooks:
    """For a process on its own, without Redis: every tree is fetched anew."""

    def begin(self, repository: str) -> str:
        return f"{repository}:0"

    def end(self, repository: str, look: str) -> None: ...

    def newest(self, repository: str) -> str | None:  # noqa: ARG002
        return None


@dataclass(frozen=True)
class GitRepositories:
    """The port `Repositories` over bare mirrors below `root`."""

    root: Path
    documents: Callable[[], Documents]
    looks: Looks
    protocols: str = "https:ssh"
    limits: Limits = field(default_factory=Limits)

    def refresh(self, url: str) -> None:
        mirror = self._mirror(url)
        look = self.looks.begin(_id(url))
        with mirror.locked():
            self._fetch(mirror, look)
        self.looks.end(_id(url), look)

    def tree(self, source: Source) -> Tree:
        mirror = self._mirror(source.repository)
        newest = self.looks.newest(source.repository_id)
        with mirror.locked():
            fresh = mirror.is_at(newest, self._followers(source))
            if not fresh:
                self._fetch(mirror, newest or "none:0", source)
            try:
                return mirror.tree(source)
            except SourceGoneError:
                if not fresh:
                    raise
            # It may be this mirror that lost it: only the server can say that it is gone.
            self._fetch(mirror, newest or "none:0", source)
            return mirror.tree(source)

    def knows(self, url: str, commit: str) -> bool:
        return self._mirror(url).knows(commit)

    def _fetch(self, mirror: Mirror, look: str, *also: Source) -> None:
        credentials = credentials_of(self.documents().repository_for(mirror.url), self.root)
        mirror.fetch(self._followers(*also, url=mirror.url), look, credentials)

    def _followers(self, *also: Source, url: str = "") -> list[Source]:
        """Every source of the repository: one fetch serves them all."""
        repository_id = _id(url or also[0].repository)
        followers = [a.source for a in self.documents().following(repository_id)]
        return [*followers, *(source for source in also if source not in followers)]

    def _mirror(self, url: str) -> Mirror:
        scheme = urls.parse(url).scheme
        if scheme not in self.protocols.split(":"):
            raise SourceRefusedError(
                f"the scheme of {url} is not allowed: TOWLINE_GIT_PROTOCOLS is {self.protocols}"
            )
        return Mirror.below(self.root, url, _id(url), protocols=self.protocols, limits=self.limits)


def _id(url: str) -> str:
    return urls.parse(url).identity
