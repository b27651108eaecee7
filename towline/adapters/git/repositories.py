"""All repositories that applications follow, as mirrors of this host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from towline.adapters.git.command import Credentials, Limits, credentials_of
from towline.adapters.git.mirror import Mirror
from towline.core import urls
from towline.core.application import Documents, Source
from towline.core.errors import SourceGoneError, SourceRefusedError
from towline.ports import Looks, Tree


class NoLooks:
    """For a process on its own, without Redis: every tree is fetched anew."""

    def begin(self, repository: str) -> str:
        return f"{repository}:0"

    def end(self, repository: str, look: str, seen: str = "") -> str:  # noqa: ARG002
        return look

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
        with mirror.locked():
            self._fetch(mirror)

    def tree(self, source: Source) -> Tree:
        mirror = self._mirror(source.repository)
        newest = self.looks.newest(source.repository_id)
        with mirror.locked():
            fresh = mirror.is_at(newest, self._followers(source))
            if not fresh:
                self._fetch(mirror, source)
            try:
                return mirror.tree(source)
            except SourceGoneError:
                if not fresh:
                    raise
            # It may be this mirror that lost it: only the server can say that it is gone.
            self._fetch(mirror, source)
            return mirror.tree(source)

    def knows(self, url: str, commit: str) -> bool:
        return self._mirror(url).knows(commit)

    def _fetch(self, mirror: Mirror, *also: Source) -> None:
        """Every fetch is a look, so that what it shows is never followed by something older."""
        look = self.looks.begin(_id(mirror.url))
        sources = self._followers(*also, url=mirror.url)
        seen = mirror.fetch(sources, self._credentials(mirror.url))
        mirror.note(self.looks.end(_id(mirror.url), look, seen), sources)

    def _credentials(self, url: str) -> Credentials:
        """A token that is meant for https is not sent in the clear over http."""
        repository = self.documents().repository_for(url)
        if repository and urls.parse(f"{repository.spec.url}/x").scheme != urls.parse(url).scheme:
            return Credentials()
        return credentials_of(repository, self.root)

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
