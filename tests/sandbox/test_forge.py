"""The sandbox's forge: private repositories over HTTP, and webhooks as a real forge signs them."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import pytest
import urllib3

from towline.sandbox import forge
from towline.sandbox.forge import Forge, Webhook
from towline.sandbox.installation import WorkingCopy
from towline.sandbox.processes import Processes, free_port, wait_for_port
from webhook.providers.base import Push
from webhook.providers.github import GitHub

SECRET = b"a-secret-of-the-tests"
TOKEN = "t0ken"
ZERO = "0" * 40


@dataclass
class Receiver:
    """What a webhook's receiver got, and the status it answers."""

    url: str
    status: int = 202
    received: list[tuple[Message, bytes]] = field(default_factory=list)

    @property
    def pushes(self) -> list[Push]:
        """What was received, verified with the secret and read as GitHub's."""
        github = GitHub()
        found = []
        for headers, body in self.received:
            assert github.verify(headers, body, SECRET)
            assert not github.verify(headers, body, b"another secret")
            assert not github.verify(headers, body + b" ", SECRET)
            event = github.parse(headers, body)
            assert isinstance(event, Push)
            found.append(event)
        return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.received.append((self.headers, body))
            self.send_response(told.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        told = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hooks/github")
        with _running(server):
            yield told


@contextmanager
def _running(server: http.server.HTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture
def copy(tmp_path: Path, receiver: Receiver) -> WorkingCopy:
    """Somebody's clone of a repository whose pushes are told to the receiver."""
    secret = tmp_path / "webhook-secret"
    secret.write_bytes(SECRET + b"\n")
    hook = Webhook(receiver.url, secret)
    bare = forge.create(tmp_path / "forge", "deploy", base_url="http://f.example", webhook=hook)
    return WorkingCopy.of(bare, tmp_path / "work")


@pytest.fixture
def served(copy: WorkingCopy) -> Iterator[Forge]:
    with Forge(copy.bare.parent, token=TOKEN) as server, _running(server):
        yield server


def committed(copy: WorkingCopy, text: str) -> str:
    (copy.folder / "file.txt").write_text(text, encoding="ascii")
    return copy.commit(text)


# Webhooks ------------------------------------------------------------------------------------


def test_a_push_is_told_as_github_would_tell_it(copy: WorkingCopy, receiver: Receiver) -> None:
    first = committed(copy, "1")
    copy.push()
    second = committed(copy, "2")
    copy.push()
    spellings = ("http://f.example/deploy.git", "http://f.example/deploy")
    assert receiver.pushes == [
        Push(spellings, "refs/heads/main", ZERO, first),
        Push(spellings, "refs/heads/main", first, second),
    ]
    deliveries = {GitHub().delivery(headers) for headers, _ in receiver.received}
    assert len(deliveries) == 2
    assert "" not in deliveries


def test_each_ref_of_a_push_is_told(copy: WorkingCopy, receiver: Receiver) -> None:
    commit = committed(copy, "1")
    copy.git("push", "--quiet", "origin", "HEAD:refs/heads/a/b", "HEAD:refs/tags/v1", "HEAD:main")
    told = {push.ref: push.after for push in receiver.pushes}
    refs = ("refs/heads/a/b", "refs/tags/v1", "refs/heads/main")
    assert told == dict.fromkeys(refs, commit)


def test_a_branch_that_was_deleted_is_told_as_such(copy: WorkingCopy, receiver: Receiver) -> None:
    commit = committed(copy, "1")
    copy.git("push", "--quiet", "origin", "HEAD:side")
    copy.git("push", "--quiet", "origin", ":side")
    deletion = receiver.pushes[1]
    assert (deletion.before, deletion.after, deletion.deleted) == (commit, ZERO, True)


def test_the_hook_notes_when_the_push_was_accepted(copy: WorkingCopy, receiver: Receiver) -> None:
    before = time.time()
    commit = committed(copy, "1")
    accepted = copy.push()
    assert before <= accepted <= time.time()
    assert (copy.bare / "pushed" / commit).read_text(encoding="ascii") == repr(accepted)
    assert receiver.pushes[0].after == commit


@pytest.mark.parametrize("status", [401, 503, None])
def test_a_webhook_that_fails_does_not_fail_the_push(
    copy: WorkingCopy, receiver: Receiver, status: int | None
) -> None:
    receiver.status = status or 0
    if status is None:
        nowhere = Webhook(
            f"http://127.0.0.1:{free_port()}/", copy.bare.parent.parent / "webhook-secret"
        )
        forge.install_hook(copy.bare, "http://f.example/deploy", nowhere)
    commit = committed(copy, "1")
    copy.push()
    assert copy.git("ls-remote", "origin", "refs/heads/main").startswith(commit)


def test_a_repository_without_a_webhook_tells_no_one(
    tmp_path: Path, copy: WorkingCopy, receiver: Receiver
) -> None:
    bare = forge.create(tmp_path / "forge", "quiet", base_url="http://f.example")
    quiet = WorkingCopy.of(bare, tmp_path / "quiet")
    committed(quiet, "1")
    quiet.push()
    assert receiver.received == []
    assert copy.bare != bare


# Serving -------------------------------------------------------------------------------------


def clone(url: str, token: str, into: Path) -> subprocess.CompletedProcess[str]:
    askpass = into.with_name("askpass")
    askpass.write_text(
        f'#!/bin/sh\ncase "$1" in Username*) echo towline ;; *) echo {token} ;; esac\n',
        encoding="ascii",
    )
    askpass.chmod(0o700)
    environment = {"PATH": "/usr/bin:/bin", "GIT_ASKPASS": str(askpass), "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["git", "clone", "--quiet", url, str(into)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_who_has_the_token_can_clone(copy: WorkingCopy, served: Forge, tmp_path: Path) -> None:
    committed(copy, "served")
    copy.push()
    done = clone(f"{served.url}/deploy.git", TOKEN, tmp_path / "clone")
    assert done.stderr == ""
    assert (tmp_path / "clone" / "file.txt").read_text(encoding="ascii") == "served"


def test_who_has_another_token_cannot(served: Forge, tmp_path: Path) -> None:
    done = clone(f"{served.url}/deploy.git", "wrong", tmp_path / "clone")
    assert "Authentication failed" in done.stderr


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/deploy.git/info/refs?service=git-upload-pack", 200),
        ("GET", "/deploy.git/info/refs?service=git-receive-pack", 403),
        ("GET", "/nowhere.git/info/refs?service=git-upload-pack", 404),
        ("GET", "/deploy.git/../../webhook-secret/info/refs", 404),
        ("GET", "/deploy.git/%2e%2e/%2e%2e/webhook-secret/info/refs", 404),
        ("GET", "/deploy.git/HEAD", 404),
        ("GET", "/webhook-secret", 404),
        ("GET", "/", 404),
        ("POST", "/deploy.git/git-receive-pack", 404),
        ("PUT", "/deploy.git/info/refs", 501),
    ],
)
def test_only_fetching_is_served(served: Forge, method: str, path: str, status: int) -> None:
    headers = {"Authorization": served.authorization}
    with urllib3.HTTPConnectionPool("127.0.0.1", served.server_address[1], retries=False) as pool:
        answer = pool.request(method, path, headers=headers, redirect=False)
        refused = pool.request("GET", "/deploy.git/info/refs?service=git-upload-pack")
    assert answer.status == status or (status == 404 and answer.status >= 400)
    assert b"a-secret" not in answer.data
    assert refused.status == 401


def test_a_body_over_the_limit_is_refused_before_it_is_read(served: Forge) -> None:
    headers = {"Authorization": served.authorization, "Content-Length": str(1 << 40)}
    with urllib3.HTTPConnectionPool("127.0.0.1", served.server_address[1], retries=False) as pool:
        answer = pool.request("POST", "/deploy.git/git-upload-pack", headers=headers)
    assert answer.status == 413


def test_it_runs_as_a_program_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN, encoding="ascii")
    copy = WorkingCopy.of(
        forge.create(tmp_path / "forge", "deploy", base_url="http://f.example"), tmp_path / "work"
    )
    committed(copy, "served")
    copy.push()
    port = free_port()
    command = [sys.executable, "-m", "towline.sandbox.forge", "--root", str(tmp_path / "forge")]
    command += ["--port", str(port), "--token-file", str(tmp_path / "token")]
    with Processes(tmp_path / "logs") as processes:
        processes.start("forge", command, {"PYTHONPATH": str(Path(forge.__file__).parents[2])})
        wait_for_port(port, processes)
        assert clone(f"http://127.0.0.1:{port}/deploy.git", TOKEN, tmp_path / "c").returncode == 0
        started = time.monotonic()
        processes.stop()
        assert time.monotonic() - started < 10
