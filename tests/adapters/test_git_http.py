"""Fetching over HTTP: the token goes to the server that it is for, and appears nowhere."""

from __future__ import annotations

import base64
import http.server
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.adapters.git_world import TOKEN, World, head, repository
from towline.core.errors import DocumentError, SourceError

SECRETS = (TOKEN, base64.b64encode(f"towline:{TOKEN}".encode()).decode())


def failure(world: World) -> str:
    """What a fetch that cannot succeed says."""
    with pytest.raises(SourceError) as raised:
        head(world.repositories(), world.source())
    return str(raised.value)


@contextmanager
def answering(status: int, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """A server with one answer for everything; its URL, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_private_repository_is_fetched_with_its_token(web: World) -> None:
    pushed = web.push()
    assert head(web.repositories(), web.source()) == pushed


def test_a_rotated_token_is_read_at_the_next_fetch(web: World, token_file: Path) -> None:
    pushed = web.push()
    token_file.write_text("stale", encoding="ascii")
    assert "the credentials were refused" in failure(web)
    token_file.write_text(TOKEN, encoding="ascii")
    assert head(web.repositories(), web.source()) == pushed


def test_a_wrong_token_is_told_without_being_shown(web: World, token_file: Path) -> None:
    web.push()
    token_file.write_text("wr0ng-but-secret", encoding="ascii")
    said = failure(web)
    assert said.startswith("the repository cannot be fetched: the credentials were refused")
    assert "wr0ng-but-secret" not in said


def test_a_private_repository_without_a_document_says_what_is_missing(web: World) -> None:
    web.push()
    web.documents = type(web.documents)()
    assert "it is private or not there, and no Repository document covers it" in failure(web)


def test_a_repository_that_the_forge_does_not_have(web: World) -> None:
    with pytest.raises(SourceError, match="it is not there, or the credentials may not see it"):
        head(web.repositories(), web.source(repository=f"{web.url}-elsewhere"))


def test_a_repository_that_needs_no_token_needs_no_document(world: World) -> None:
    pushed = world.push()
    assert head(world.repositories(), world.source()) == pushed


@pytest.mark.parametrize("content", ["", "two\nlines", None])
def test_a_token_file_that_holds_no_token(
    web: World, token_file: Path, content: str | None
) -> None:
    web.push()
    if content is None:
        token_file.unlink()
    else:
        token_file.write_text(content, encoding="ascii")
    with pytest.raises(DocumentError, match="Repository repository: ") as raised:
        head(web.repositories(), web.source())
    assert str(token_file) in str(raised.value)


def test_the_token_is_in_no_log_no_argument_and_no_file_of_the_mirror(
    web: World, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """GitPython logs each command with its arguments."""
    caplog.set_level(logging.DEBUG)
    web.push()
    head(web.repositories(), web.source())
    assert "fetch" in caplog.text
    assert all(secret not in caplog.text for secret in SECRETS)
    written = [path for path in (web.folder / "data").rglob("*") if path.is_file()]
    assert written
    for path in written:
        assert all(secret.encode() not in path.read_bytes() for secret in SECRETS), path
    config = (web.mirror / "config").read_text(encoding="utf-8")
    assert "url" not in config
    assert token_file.read_text(encoding="ascii").strip() == TOKEN


def test_what_the_machine_has_set_up_for_git_has_no_say(
    web: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = web.folder / "home"
    home.mkdir()
    marker = web.folder / "marker"
    (home / ".gitconfig").write_text(
        f'[core]\n  fsmonitor = touch {marker}\n[credential]\n  helper = "!touch {marker}"\n'
        '[url "http://127.0.0.1:1/"]\n  insteadOf = http://\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    pushed = web.push()
    assert head(web.repositories(), web.source()) == pushed
    assert not marker.exists()


def test_a_redirect_is_not_followed(world: World) -> None:
    """A forge must not be able to send Towline, and the token, to an address of its choice."""
    with (
        answering(200) as (elsewhere, asked),
        answering(302, Location=f"{elsewhere}/latest/meta-data/") as (url, _),
        pytest.raises(SourceError),
    ):
        head(world.repositories(), world.source(repository=f"{url}/deploy.git"))
    assert asked == []


def test_nobody_listening_is_a_temporary_failure(world: World) -> None:
    with answering(200) as (url, _):
        pass
    with pytest.raises(SourceError, match="cannot be fetched") as raised:
        head(world.repositories(), world.source(repository=f"{url}/deploy.git"))
    assert raised.value.delay > 0


def test_a_server_error_is_a_temporary_failure(world: World) -> None:
    with (
        answering(503) as (url, _),
        pytest.raises(SourceError, match="503"),
    ):
        head(world.repositories(), world.source(repository=f"{url}/deploy.git"))


def test_a_token_goes_only_below_the_address_it_is_for(web: World, token_file: Path) -> None:
    elsewhere = repository("http://127.0.0.1/other/", tokenFile=token_file)
    web.push()
    web.follow(repositories=(elsewhere,))
    assert "no Repository document covers it" in failure(web)
