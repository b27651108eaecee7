"""Which URLs are accepted, and which of them mean the same repository."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.core.errors import SourceRefusedError
from towline.core.urls import covers, parse, prefix_identity

ACCEPTED: list[tuple[str, str, str]] = [
    ("https://h/x", "https", "h/x"),
    ("https://h/x.git", "https", "h/x"),
    ("https://h/x/", "https", "h/x"),
    ("https://h/x.git/", "https", "h/x"),
    ("https://H.Example.COM/X", "https", "h.example.com/X"),
    ("HTTPS://h/x", "https", "h/x"),
    ("https://h:8443/x", "https", "h/x"),
    ("https://ada@h/x", "https", "h/x"),
    ("https://h/a/b/c.git", "https", "h/a/b/c"),
    ("https://h/x.git.git", "https", "h/x.git"),
    ("https://h/.git", "https", "h/"),
    ("https://h/x/.git", "https", "h/x"),
    ("git@h:x/.git/", "ssh", "h/x"),
    ("https://[::1]/x", "https", "::1/x"),
    ("https://[FE80::1]:8443/x", "https", "fe80::1/x"),
    ("https://192.0.2.1/x", "https", "192.0.2.1/x"),
    ("http://h/x", "http", "h/x"),
    ("ssh://git@h/x", "ssh", "h/x"),
    ("ssh://git@h:2222/x.git", "ssh", "h/x"),
    ("git@h:x.git", "ssh", "h/x"),
    ("git@h:/x", "ssh", "h/x"),
    ("git@h:a/b", "ssh", "h/a/b"),
    ("h:x", "ssh", "h/x"),
    ("first.last@h:x", "ssh", "h/x"),
    ("org-123@h.example.com:a/b.git", "ssh", "h.example.com/a/b"),
    ("file:///srv/git/x.git", "file", "/srv/git/x"),
]


@pytest.mark.parametrize(("text", "scheme", "identity"), ACCEPTED)
def test_a_url_is_taken_apart(text: str, scheme: str, identity: str) -> None:
    url = parse(text)
    assert (url.scheme, url.identity) == (scheme, identity)
    assert url.text == text


REFUSED = [
    "",
    " ",
    "x",
    "/srv/git/x",
    "./x",
    "../x",
    "~/x",
    "-u",
    "--upload-pack=id",
    "-oProxyCommand=id@h:x",
    "-o@h:x",
    "h:-x",
    "git@-h:x",
    "git@h:",
    "git@h::x",
    "ext::sh -c id",
    "ext::sh%20-c%20id",
    "fd::17/x",
    "git::https://h/x",
    "https://",
    "https:///x",
    "https://h",
    "https://h/",
    "https://h//",
    "https://h:0/x",
    "https://h:99999/x",
    "https://h:port/x",
    "https://-h/x",
    "ssh://-oProxyCommand=id/x",
    "ssh://git@-h/x",
    "https://h_h/x",
    "https://h$(id)/x",
    "https://[::1/x",
    "https://[h]/x",
    "https://h/x?ref=main",
    "https://h/x#main",
    "https://h/a b",
    "https://h/a\nb",
    "https://h/a\tb",
    "https://h/\0",
    "https://h/ä",
    "https://h/" + "x" * 2048,
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_url_of_a_repository_is_refused(text: str) -> None:
    with pytest.raises(SourceRefusedError):
        parse(text)


NO_URL = "not a URL of a Git repository: use https://…, ssh://… or user@host:path"
NO_SCP = " is not the URL of a Git repository: use https://…, ssh://… or user@host:path"
NO_HOST = "the URL's host is missing or malformed: "
NO_PATH = "the URL names no repository: "
PASSWORD = "the URL carries a password: put it in the tokenFile of a Repository document"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-u", NO_URL),
        ("", NO_URL),
        ("ext::sh", NO_URL),
        ("https://h:port/x", "the URL's host or port is malformed"),
        ("https://[::1/x", "the URL's host or port is malformed"),
        ("https:///x", NO_HOST + "https:///x"),
        ("https://h:0/x", NO_HOST + "https://h:0/x"),
        ("ssh://-h/x", NO_HOST + "ssh://-h/x"),
        ("https://h/", NO_PATH + "https://h/"),
        ("https://h/x?ref=main", NO_PATH + "https://h/x?ref=main"),
        ("https://ada:pw@h/x", PASSWORD),
        ("ada:pw@h:x", PASSWORD),
        ("https:/h/x", "https:/h/x lacks a slash: write https://…"),
        ("http:/h/x", "http:/h/x lacks a slash: write http://…"),
        ("ftp:/h/x", "ftp:/h/x lacks a slash: write ftp://…"),
        ("ssh:/git@h/x", "ssh:/git@h/x lacks a slash: write ssh://…"),
        ("file:/srv/git", "file:/srv/git lacks a slash: write file://…"),
        ("/srv/git/x", f"'/srv/git/x'{NO_SCP}"),
        ("x", f"'x'{NO_SCP}"),
        ("git@-h:x", f"'git@-h:x'{NO_SCP}"),
        ("h:-x", f"'h:-x'{NO_SCP}"),
    ],
)
def test_what_is_refused_is_told_what_is_wrong_with_it(text: str, message: str) -> None:
    with pytest.raises(SourceRefusedError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_a_host_may_be_named_like_a_scheme() -> None:
    assert parse("https:shop/x").identity == "https/shop/x"
    assert parse("git@h:/srv/x").identity == "h/srv/x"


PASSWORDS = [
    "https://ada:hunter2@h/x",
    "https://:hunter2@h/x",
    "ssh://git:hunter2@h/x",
    "https://ada:hunter2/more@h/x",
    "https://ada:hunter2@h_bad/x",
    "https://ada:hunter2@h/x?y",
    "https://ada:hunter2@h:0/x",
    "ada:hunter2@h:x",
    "https://ada:hunter2 @h/x",
    "ext::https://ada:hunter2@h/x",
]


@pytest.mark.parametrize("text", PASSWORDS)
def test_a_url_with_a_password_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(SourceRefusedError) as caught:
        parse(text)
    assert "hunter2" not in str(caught.value)


def test_a_password_is_pointed_to_where_it_belongs() -> None:
    with pytest.raises(SourceRefusedError, match="put it in the tokenFile of a Repository"):
        parse("https://ada:hunter2@h/x")


COVERS: list[tuple[str, str, bool]] = [
    ("https://h", "https://h/x", True),
    ("https://h/", "https://h/x/y", True),
    ("https://h:8443/", "https://h/x", True),
    ("https://H/", "https://h/x", True),
    ("https://h/", "ssh://git@h/x", True),
    ("https://h/", "git@h:x", True),
    ("https://h/", "https://hh/x", False),
    ("https://h/", "https://h.evil/x", False),
    ("https://h/", "https://sub.h/x", False),
    ("https://h.example.com/", "https://h.example.com.evil/x", False),
    ("https://h/a", "https://h/a", True),
    ("https://h/a/", "https://h/a", True),
    ("https://h/a", "https://h/a.git", True),
    ("https://h/a.git", "https://h/a", True),
    ("https://h/a", "https://h/a/b", True),
    ("https://h/a/", "https://h/a/b/c", True),
    ("https://h/a", "https://h/ab", False),
    ("https://h/a", "https://h/A", False),
    ("https://h/a/b", "https://h/a", False),
    ("https://h/a", "https://other/a", False),
    ("git@h:a", "https://h/a/b", True),
    ("ssh://git@h:2222/", "https://h/x", True),
    ("https://[::1]/", "https://[::1]:8443/x", True),
]


@pytest.mark.parametrize(("prefix", "url", "covered"), COVERS)
def test_a_prefix_covers_itself_and_what_is_below_it(prefix: str, url: str, covered: bool) -> None:
    assert covers(prefix, url) is covered


@pytest.mark.parametrize(
    ("prefix", "identity"),
    [
        ("https://H", "h"),
        ("https://h/", "h"),
        ("ssh://git@h:2222/", "h"),
        ("https://h//", "h"),
        ("https://h/a/", "h/a"),
        ("https://h/a://b", "h/a://b"),
        ("git@h:a", "h/a"),
    ],
)
def test_a_prefix_may_be_a_whole_host(prefix: str, identity: str) -> None:
    assert prefix_identity(prefix) == identity


@pytest.mark.parametrize("prefix", ["", "https://", "https:///", "git@h:", "h", "https://ada:pw@h"])
def test_a_prefix_without_a_host_is_refused(prefix: str) -> None:
    with pytest.raises(SourceRefusedError):
        prefix_identity(prefix)


@given(st.text(max_size=60))
def test_whatever_is_written_is_accepted_or_refused_and_nothing_else(text: str) -> None:
    try:
        url = parse(text)
    except SourceRefusedError:
        return
    assert url.text == text
    assert not text.startswith("-")
    assert covers(text, text)


segments = st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,8}[a-z0-9]\Z").filter(
    lambda text: not text.endswith(".git")
)


@given(segments, st.lists(segments, min_size=1, max_size=4))
def test_all_spellings_of_a_repository_have_one_identity(host: str, path: list[str]) -> None:
    host = host.replace("_", "-")
    below = "/".join(path)
    spellings = [
        f"https://{host}/{below}",
        f"https://{host.upper()}/{below}.git",
        f"https://ada@{host}:8443/{below}/",
        f"ssh://git@{host}/{below}.git",
        f"git@{host}:{below}.git",
    ]
    assert {parse(spelling).identity for spelling in spellings} == {f"{host}/{below}"}
    assert all(covers(f"https://{host}/{path[0]}", spelling) for spelling in spellings)
