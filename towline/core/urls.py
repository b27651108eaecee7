"""URLs of Git repositories: what is accepted, and when two of them mean the same repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from towline.core.errors import SourceRefusedError

_SCP_LIKE = re.compile(r"(?:(?P<user>[A-Za-z0-9_.-]+)@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^:].*)")
_HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+")  # a name, or an address without its brackets
_SCHEMES = ("http", "https", "ssh", "file", "ftp")
_SCP_CREDENTIALS = re.compile(r"[^/@]*:[^/@]*@")
_CREDENTIALS = "the URL carries a password: put it in the tokenFile of a Repository document"
_TEXT = re.compile(r"[!-~]{1,2048}")  # printable ASCII without spaces


@dataclass(frozen=True, slots=True)
class GitUrl:
    """A repository's URL in parts; `text` is what Git is given."""

    text: str
    scheme: str
    host: str
    path: str

    @property
    def identity(self) -> str:
        """Equal for all spellings of one repository: scheme, user, port, `.git`, case of the host.

        The port is left out because one forge serves HTTPS and SSH on different ports.
        """
        path = self.path.strip("/").removesuffix(".git").rstrip("/")
        return f"{self.host.lower()}/{path}"


def parse(text: str) -> GitUrl:
    """Take a URL apart.

    Raises SourceRefusedError for what Git would read as an option or a remote helper, for a
    password (it belongs in `tokenFile`), and for what is no URL at all.
    """
    if not _TEXT.fullmatch(text) or text.startswith("-") or "::" in text.partition("/")[0]:
        raise SourceRefusedError(
            "not a URL of a Git repository: use https://…, ssh://… or user@host:path"
        )
    if "://" not in text:
        return _parse_scp_like(text)
    return _parse_url(text)


def _parse_url(text: str) -> GitUrl:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        port = parts.port  # reading it checks it
    except ValueError:
        # The error's own text can hold the part of a password before a slash.
        raise SourceRefusedError("the URL's host or port is malformed") from None
    if parts.password is not None:
        raise SourceRefusedError(_CREDENTIALS)
    if parts.scheme != "file" and (not _HOST.fullmatch(host) or host.startswith("-") or port == 0):
        raise SourceRefusedError(f"the URL's host is missing or malformed: {text}")
    if parts.query or parts.fragment or not parts.path.strip("/"):
        raise SourceRefusedError(f"the URL names no repository: {text}")
    return GitUrl(text, parts.scheme.lower(), host, parts.path)


def _parse_scp_like(text: str) -> GitUrl:
    if _SCP_CREDENTIALS.match(text):
        raise SourceRefusedError(_CREDENTIALS)
    found = _SCP_LIKE.fullmatch(text)
    if found and found["host"] in _SCHEMES and found["path"].startswith("/"):
        raise SourceRefusedError(f"{text} lacks a slash: write {found['host']}://…")
    if not found or found["host"].startswith("-") or found["path"].startswith("-"):
        raise SourceRefusedError(
            f"{text!r} is not the URL of a Git repository: use https://…, ssh://… or user@host:path"
        )
    return GitUrl(text, "ssh", found["host"], found["path"])


def covers(prefix: str, url: str) -> bool:
    """Whether a Repository document's `url` is `url` itself, or a folder above it."""
    above, below = prefix_identity(prefix), parse(url).identity
    return below == above or below.startswith(f"{above}/")


def prefix_identity(text: str) -> str:
    """What a Repository document names: a repository, a folder of them, or a whole host.

    The identities of all repositories below begin with it; raises SourceRefusedError.
    """
    if "://" in text and not text.partition("://")[2].partition("/")[2].strip("/"):
        return parse(f"{text}/any").host.lower()
    return parse(text).identity
