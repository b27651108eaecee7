"""URLs of Git repositories: what is accepted, and when two of them mean the same repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from towline.core.errors import SourceRefusedError

_SCP_LIKE = re.compile(r"(?:(?P<user>[A-Za-z0-9_.-]+)@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^:].*)")
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")
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
    except ValueError as error:
        raise SourceRefusedError(f"not a URL of a Git repository: {error}") from None
    if parts.password is not None:
        raise SourceRefusedError(
            "the URL carries a password: put it in the tokenFile of a Repository document"
        )
    if parts.scheme != "file" and (not _HOST.fullmatch(host) or host.startswith("-") or port == 0):
        raise SourceRefusedError(f"the URL's host is missing or malformed: {text}")
    if parts.query or parts.fragment or not parts.path.strip("/"):
        raise SourceRefusedError(f"the URL names no repository: {text}")
    return GitUrl(text, parts.scheme.lower(), host, parts.path)


def _parse_scp_like(text: str) -> GitUrl:
    found = _SCP_LIKE.fullmatch(text)
    if not found or found["host"].startswith("-") or found["path"].startswith("-"):
        raise SourceRefusedError(
            f"{text!r} is not the URL of a Git repository: use https://…, ssh://… or user@host:path"
        )
    return GitUrl(text, "ssh", found["host"], found["path"])


def covers(prefix: str, url: str) -> bool:
    """Whether a Repository document's `url` is `url` itself, or a folder above it."""
    above, below = parse(prefix).identity if _names_path(prefix) else _host_of(prefix), parse(url)
    return below.identity == above or below.identity.startswith(f"{above.rstrip('/')}/")


def _names_path(prefix: str) -> bool:
    return "://" not in prefix or bool(urlsplit(prefix).path.strip("/"))


def _host_of(prefix: str) -> str:
    return (urlsplit(prefix).hostname or "").lower()
