"""One bare mirror: fetched under a lock of the host, rebuilt when it is broken."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from towline.adapters.git.command import AbsentError, Credentials, GitRunner, Limits
from towline.adapters.git.tree import BROKEN, GitTree
from towline.core.application import Source
from towline.core.errors import SourceGoneError, SourceRefusedError, TowlineError
from towline.core.versions import newest

_COMMITS = "refs/towline/commits"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


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


@dataclass
class Mirror:
    """The mirror of one repository below a folder that only Towline writes to."""

    url: str
    folder: Path
    home: Path
    protocols: str
    limits: Limits
    _lock: tuple[int, ...] = ()

    @classmethod
    def below(
        cls, root: Path, url: str, repository_id: str, *, protocols: str, limits: Limits
    ) -> Mirror:
        root = root.absolute()  # Git runs in the mirror, not where this process does
        name = hashlib.sha256(f"{repository_id}\n{url}".encode()).hexdigest()[:32]
        folder = root / "mirrors" / f"{name}.git"
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(url, folder, root, protocols, limits)

    @property
    def _runner(self) -> GitRunner:
        return GitRunner(self.folder, self.home, self.protocols, self.limits, self._lock)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One writer on this host; the kernel lets go of the lock once nobody has it open.

        Git's children have it open too: one that outlives us cannot put an older head after a
        newer one.
        """
        with self.folder.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._lock = (lock.fileno(),)
            try:
                yield
            finally:
                self._lock = ()

    def fetch(self, sources: Sequence[Source], credentials: Credentials) -> str:
        """Make the mirror equal to the server for what is followed; call it locked.

        The answer names what was seen: equal for equal heads.
        """
        try:
            self._fetch(sources, credentials)
        except SourceRefusedError:
            raise
        except TowlineError:
            if self._is_sound():
                raise
            shutil.rmtree(self.folder, ignore_errors=True)
            self._fetch(sources, credentials)
        return self._seen(sources)

    def _seen(self, sources: Sequence[Source]) -> str:
        patterns = [spec.partition(":")[2] for spec in refspecs(sources)]
        heads = self._run("for-each-ref", "--format=%(objectname) %(refname)", "--", *patterns)
        named = "\n".join([heads if patterns else "", *patterns, *commits(sources)])
        return hashlib.sha256(named.encode(errors="surrogateescape")).hexdigest()

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
                # One that is not there is told to those who follow it, and to no one else.
                with suppress(AbsentError):
                    self._run(*common, "--", self.url, spec, credentials=credentials)
        self._runner.check_size()

    def _prepare(self) -> None:
        """A new mirror if there is no good one; what a killed process left is no one's."""
        if not self._is_usable():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True, mode=0o700)
            # An empty template: no hook of this machine comes along.
            self._run("init", "--quiet", "--bare", "--template=", "--", ".")
        for stale in self.folder.rglob("*.lock"):
            stale.unlink(missing_ok=True)
        for partial in (self.folder / "objects").glob("*/tmp_*"):
            partial.unlink(missing_ok=True)

    def _is_usable(self) -> bool:
        """Whether a fetch can build on what is here. What has grown over the limit with all the
        history that was pushed over is fetched anew."""
        is_there = (self.folder / "HEAD").exists() and not (self.folder / BROKEN).exists()
        return is_there and not self._runner.is_too_large()

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
        if not _COMMIT.fullmatch(commit):
            return False
        try:
            self._run("cat-file", "-e", f"{commit}^{{commit}}")
        except TowlineError:
            return False
        return True

    def tree(self, source: Source) -> GitTree:
        """The head of what a source follows; raises SourceGoneError."""
        try:
            return GitTree(self.folder, self._ref(source), self._runner.environment())
        except KeyError:
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

    # How new it is ---------------------------------------------------------------------------

    def is_at(self, look: str | None, sources: Sequence[Source]) -> bool:
        """Whether the last fetch here was for this look (or a later one), and for all that is
        followed now."""
        if look is None or (self.folder / BROKEN).exists():
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

    def note(self, look: str, sources: Sequence[Source]) -> None:
        """Remember for which look, and for whom, this mirror was fetched."""
        followed = [*refspecs(sources), *commits(sources)]
        fresh = self._notes.with_suffix(".new")
        fresh.write_text(json.dumps({"look": look, "followed": followed}), encoding="utf-8")
        fresh.replace(self._notes)

    @property
    def _notes(self) -> Path:
        return self.folder / "towline.json"
