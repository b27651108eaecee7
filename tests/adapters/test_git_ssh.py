"""Fetching over SSH from a real server: a key of its own, and host keys that are checked."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.adapters.git_world import World, eventually, head, repository
from towline.core.errors import SourceError
from towline.sandbox.processes import free_port

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

pytestmark = pytest.mark.skipif(
    not SSHD or not shutil.which("ssh") or not shutil.which("ssh-keygen"),
    reason="needs an SSH server and client: apt-get install openssh-server",
)


@dataclass(frozen=True)
class Server:
    folder: Path
    port: int

    @property
    def address(self) -> str:
        return f"{pwd.getpwuid(os.getuid()).pw_name}@127.0.0.1:{self.port}"

    @property
    def user_key(self) -> Path:
        return self.folder / "user"

    def known_hosts(self, key: str = "host") -> Path:
        """A file that expects this key of the server."""
        file = self.folder / f"known-{key}"
        kind, public, *_ = (self.folder / f"{key}.pub").read_text(encoding="ascii").split()
        file.write_text(f"[127.0.0.1]:{self.port} {kind} {public}\n", encoding="ascii")
        return file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "other-host", "user", "stranger"):
        command = [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "",
            "-f",
            str(folder / name),
        ]
        subprocess.run(command, check=True)
    server = Server(folder, free_port())
    settings = {
        "Port": server.port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "user.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
    }
    lines = [f"{name} {value}\n" for name, value in settings.items()]
    (folder / "config").write_text("".join(lines), encoding="utf-8")
    if os.getuid() == 0:
        with suppress(OSError):  # as its service does before it starts
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [str(SSHD), "-D", "-e", "-f", folder / "config"], stdout=log, stderr=log
        )
    try:
        if not eventually(lambda: daemon.poll() is not None or _answers(server.port)):
            pytest.skip("sshd does not answer on loopback")
        if daemon.poll() is not None:
            said = (folder / "log").read_text(encoding="utf-8", errors="replace").strip()
            pytest.skip(f"sshd does not run here: {said}")
        yield server
    finally:
        daemon.terminate()
        daemon.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        return line.recv(4) == b"SSH-"
    return False


@pytest.fixture
def shell(world: World, server: Server) -> World:
    """The repository behind SSH, without a Repository document yet."""
    world.url = f"ssh://{server.address}{world.upstream.bare}"
    return world


def refusal(world: World, **spec: Path) -> str:
    world.push()
    if spec:
        world.follow(repositories=(repository(world.url, **spec),))
    with pytest.raises(SourceError) as raised:
        head(world.repositories(), world.source())
    return str(raised.value)


def test_a_repository_is_fetched_with_the_key_and_the_host_key_that_are_configured(
    shell: World, server: Server
) -> None:
    keys = {"sshKeyFile": server.user_key, "knownHostsFile": server.known_hosts()}
    shell.follow(repositories=(repository(shell.url, **keys),))
    for number in range(2):
        pushed = shell.push({"a.yaml": str(number)})
        assert head(shell.repositories(), shell.source()) == pushed


def test_a_changed_host_key_fails_and_says_so(shell: World, server: Server) -> None:
    known = server.known_hosts("other-host")
    said = refusal(shell, sshKeyFile=server.user_key, knownHostsFile=known)
    assert "the server's host key is not the one in knownHostsFile" in said


def test_an_unknown_host_is_not_trusted_at_first_sight(shell: World, server: Server) -> None:
    known = server.folder / "known-none"
    known.touch()
    said = refusal(shell, sshKeyFile=server.user_key, knownHostsFile=known)
    assert "the server's host key is not the one in knownHostsFile" in said
    assert known.read_bytes() == b""


def test_a_key_that_the_server_does_not_know_is_refused(shell: World, server: Server) -> None:
    key = server.folder / "stranger"
    said = refusal(shell, sshKeyFile=key, knownHostsFile=server.known_hosts())
    assert "the SSH key was refused" in said
    assert key.read_text(encoding="ascii") not in said


def test_a_key_file_that_is_not_there_fails_without_a_question(
    shell: World, server: Server
) -> None:
    missing = server.folder / "missing"
    said = refusal(shell, sshKeyFile=missing, knownHostsFile=server.known_hosts())
    assert "the SSH key was refused" in said


def test_without_a_document_no_host_is_trusted(shell: World) -> None:
    assert "host key" in refusal(shell)


def test_the_agent_and_the_settings_of_the_machine_have_no_say(
    shell: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent full of keys would be tried first, and some servers close after a few."""
    monkeypatch.setenv("SSH_AUTH_SOCK", str(server.folder / "no-agent"))
    monkeypatch.setenv("GIT_SSH", "/bin/false")
    keys = {"sshKeyFile": server.user_key, "knownHostsFile": server.known_hosts()}
    shell.follow(repositories=(repository(shell.url, **keys),))
    pushed = shell.push()
    assert head(shell.repositories(), shell.source()) == pushed


def test_a_repository_that_is_not_on_the_server(shell: World, server: Server) -> None:
    keys = {"sshKeyFile": server.user_key, "knownHostsFile": server.known_hosts()}
    shell.follow(repositories=(repository(f"ssh://{server.address}/", **keys),))
    with pytest.raises(SourceError, match="cannot be fetched: it is not there"):
        head(shell.repositories(), shell.source(repository=f"{shell.url}-elsewhere"))
