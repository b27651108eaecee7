"""One bare mirror: fetched under a lock of the host, rebuilt when it is broken."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from towline.adapters.git.command import Credentials, GitRunner, Limits
from towline.adapters.git.tree import GitTree
from towline.core.application import Source
from towline.core.errors import SourceError, SourceGoneError, TowlineError
from towline.core.versions import newest

_COMMITS = "refs/towline/commits"


def refspecs(sources: Iterable[Source]) -> tuple[str, ...]:
    """What to fetch for those who follow a repository, one pattern each.

    A pattern that matches nothing is no error, and with `--prune` what vanished on the server
    vanishes here; a plain name that is gone would fail the fetch for everyone else.
    """
    specs = set()
    for source in sources:
        if source.branch is not None:
            specs.add(f"+refs/heads/{source.branch}*:refs/heads/{source.branch}*")
        elif source.tag is not None:
            specs.add(f"+refs/tags/{source.tag}*:refs/tags/{source.tag}*")
        elif source.semver is not None:
            specs.add("+refs/tags/*:refs/tags/*")
    return tuple(sorted(specs))


def commits(sources: Iterable[Source]) -> tuple[str, ...]:
    return tuple(sorted({source.commit for source in sources if source.commit}))


@dataclass(frozen=True)
class Mirror:
    """The mirror of one repository below a folder that only Towline writes to."""

    url: str
    folder: Path
    home: Path
    protocols: str
    limits: Limits

    @classmethod
    def below(
        cls, root: Path, url: str, repository_id: str, *, protocols: str, limits: Limits
    ) -> Mirror:
        name = hashlib.sha256(f"{repository_id}\n{url}".encode()).hexdigest()[:32]
        folder = root / "mirrors" / f"{name}.git"
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(url, folder, root, protocols, limits)

    @property
    def _runner(self) -> GitRunner:
        return GitRunner(self.folder, self.home, self.protocols, self.limits)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One writer on this host; the kernel lets go of the lock of a process that died."""
        with self.folder.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def fetch(self, sources: Sequence[Source], look: str, credentials: Credentials) -> None:
        """Make the mirror equal to the server for what is followed; call it locked."""
        try:
            self._fetch(sources, credentials)
        except TowlineError:
            if self._is_sound():
                raise
            shutil.rmtree(self.folder, ignore_errors=True)
            self._fetch(sources, credentials)
        self._note(look, sources)

    def _fetch(self, sources: Sequence[Source], credentials: Credentials) -> None:
        self._prepare()
        common = (
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
        )
        specs = refspecs(sources)
        if specs:
            self._run(*common, "--prune", "--", self.url, *specs, credentials=credentials)
        for commit in commits(sources):
            if not self.knows(commit):
                spec = f"+{commit}:{_COMMITS}/{commit}"
                self._run(*common, "--", self.url, spec, credentials=credentials)

    def _prepare(self) -> None:
        """A new mirror if there is none; locks that a killed process left are no one's."""
        if not (self.folder / "HEAD").exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True, mode=0o700)
            # An empty template: no hook of this machine comes along.
            self._run("init", "--quiet", "--bare", "--template=", "--", ".")
        for stale in self.folder.rglob("*.lock"):
            stale.unlink(missing_ok=True)
        for partial in (self.folder / "objects" / "pack").glob("tmp_*"):
            partial.unlink(missing_ok=True)

    def _run(self, *arguments: str, credentials: Credentials | None = None) -> str:
        return self._runner.run(*arguments, credentials=credentials)

    def _is_sound(self) -> bool:
        """Whether a failure came from the server and not from what is on the disk here."""
        try:
            self._run("rev-parse", "--is-bare-repository")
            self._run("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
        except TowlineError:
            return False
        return True

    # What is here ----------------------------------------------------------------------------

    def knows(self, commit: str) -> bool:
        try:
            self._run("cat-file", "-e", f"{commit}^{{commit}}")
        except TowlineError:
            return False
        return True

    def resolve(self, source: Source) -> str:
        """The commit of what a source follows; raises SourceGoneError."""
        name = self._ref(source)
        try:
            return self._run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
        except SourceError:
            raise SourceGoneError(
                f"{source.describes} is not in {source.repository}; nothing is pruned for that"
            ) from None

    def _ref(self, source: Source) -> str:
        if source.branch is not None:
            return f"refs/heads/{source.branch}"
        if source.tag is not None:
            return f"refs/tags/{source.tag}"
        if source.commit is not None:
            return source.commit
        listed = self._run("for-each-ref", "--format=%(refname:lstrip=2)", "refs/tags/")
        tag = newest(listed.split("\n"), source.semver or "")
        if tag is None:
            raise SourceGoneError(f"no tag of {source.repository} is in the range {source.semver}")
        return f"refs/tags/{tag}"

    def tree(self, commit: str) -> GitTree:
        return GitTree(self.folder, commit, self._runner.environment())

    # How new it is ---------------------------------------------------------------------------

    def is_at(self, look: str | None, sources: Sequence[Source]) -> bool:
        """Whether the last fetch here was for this look (or a later one), and for all that is
        followed now."""
        if look is None:
            return False
        try:
            noted = json.loads(self._notes.read_text(encoding="utf-8"))
            epoch, number = look.split(":")
            noted_epoch, noted_number = str(noted["look"]).split(":")
            followed = set(noted["followed"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        wanted = {*refspecs(sources), *commits(sources)}
        return epoch == noted_epoch and int(noted_number) >= int(number) and wanted <= followed

    def _note(self, look: str, sources: Sequence[Source]) -> None:
        followed = [*refspecs(sources), *commits(sources)]
        fresh = self._notes.with_suffix(".new")
        fresh.write_text(json.dumps({"look": look, "followed": followed}), encoding="utf-8")
        fresh.replace(self._notes)

    @property
    def _notes(self) -> Path:
        return self.folder / "towline.json"
