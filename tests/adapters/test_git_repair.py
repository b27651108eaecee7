"""Servers that hang, lie or never stop, and mirrors that a crash left behind."""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.adapters.git_world import (
    CountingForge,
    MemoryLooks,
    World,
    eventually,
    head,
    line_to,
    repository,
    running,
)
from towline.adapters.git import command
from towline.adapters.git.command import Limits
from towline.core.application import Source
from towline.core.errors import SourceError, SourceGoneError, SourceRefusedError

_MANY = {f"{n}.bin": os.urandom(15_000) for n in range(100)}
"""One and a half megabytes that do not compress."""

# Refreshes in a process of its own, which can be killed.
_REFRESH = """
import sys
from pathlib import Path
from towline.adapters.git.mirror import Mirror
from towline.adapters.git.command import Credentials, Limits
from towline.core import urls
from towline.core.application import Source
root, url, askpass, token = sys.argv[1:]
source = Source(repository=url, branch="main")
mirror = Mirror.below(
    Path(root), url, urls.parse(url).identity, protocols="http", limits=Limits(seconds=60)
)
secret = {"TOWLINE_GIT_USERNAME": "towline", "TOWLINE_GIT_PASSWORD": token}
with mirror.locked():
    mirror.fetch([source], Credentials({"GIT_ASKPASS": askpass, **secret}, token))
"""


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def through(world: World, port: int) -> Source:
    """The same repository and token by way of another port."""
    (known,) = world.documents.repositories
    url = f"http://127.0.0.1:{port}"
    world.follow(repositories=(repository(url, tokenFile=known.spec.token_file),))
    return world.source(repository=f"{url}/deploy.git")


def none_left(*words: str) -> bool:
    return eventually(lambda: not running("git", *words), seconds=5)


@contextmanager
def endless_answer(*, messages: bool = False) -> Iterator[int]:
    """The port of a server whose answer to a fetch, a pack or only messages, does not end."""
    advertised = _pkt(b"# service=git-upload-pack\n") + b"0000"
    advertised += _pkt(b"1" * 40 + b" refs/heads/main\0side-band-64k\n") + b"0000"
    header = b"PACK" + (2).to_bytes(4, "big") + (1_000_000).to_bytes(4, "big")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._begin("advertisement")
            self.wfile.write(advertised)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._begin("result")
            self.wfile.write(_pkt(b"NAK\n") + _pkt(b"\1" + header))
            with suppress(OSError):
                while messages:
                    self.wfile.write(_pkt(b"\2" + b"wait " * 6_000 + b"\n"))
                while True:
                    # A blob of 30,000 random bytes, as a pack holds it.
                    size = bytes([0x30 | 0x80 | (30_000 & 15), 0x80 | (30_000 >> 4 & 127), 14])
                    blob = size + zlib.compress(os.urandom(30_000))
                    self.wfile.write(_pkt(b"\1" + blob))

        def _begin(self, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"application/x-git-upload-pack-{kind}")
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def _pkt(data: bytes) -> bytes:
    return f"{len(data) + 4:04x}".encode() + data


# Servers -------------------------------------------------------------------------------------


def test_a_server_that_hangs_is_left_at_the_limit_of_time(world: World, silent: int) -> None:
    source = world.source(repository=f"http://127.0.0.1:{silent}/deploy.git")
    with pytest.raises(SourceError, match="did not finish within 1 s") as raised:
        head(world.repositories(limits=Limits(seconds=1)), source)
    assert raised.value.delay >= 30
    assert none_left(f"127.0.0.1:{silent}")


def test_a_server_that_sends_half_an_answer_and_hangs_is_left_too(
    web: World, forge: CountingForge
) -> None:
    web.push(_MANY)
    with line_to(forge.server_address[1]) as line:
        line.passes = 200_000
        source = through(web, line.port)
        with pytest.raises(SourceError, match="did not finish"):
            head(web.repositories(limits=Limits(seconds=1)), source)
        assert none_left(f"127.0.0.1:{line.port}")


@pytest.mark.parametrize("passes", [0, 1_500, 200_000])
def test_an_answer_that_breaks_off_is_a_temporary_failure(
    web: World, forge: CountingForge, passes: int
) -> None:
    pushed = web.push(_MANY)
    with line_to(forge.server_address[1]) as line:
        line.passes, line.then_closes = passes, True
        source = through(web, line.port)
        with pytest.raises(SourceError, match="cannot be fetched"):
            head(web.repositories(), source)
        line.passes = None
        assert head(web.repositories(), source) == pushed


def test_a_repository_over_the_limit_of_bytes_is_refused(world: World) -> None:
    world.push(_MANY)
    repositories = world.repositories(limits=Limits(seconds=30, bytes=1024**2))
    for _ in range(2):
        with pytest.raises(SourceRefusedError, match="larger than the limit of 1 MiB"):
            head(repositories, world.source())
    assert none_left(str(world.folder / "data"))


def test_a_repository_that_never_ends_is_stopped_at_the_limit_of_bytes(world: World) -> None:
    """It sends a pack of endless objects, slowly enough to be seen while it comes."""
    with endless_answer() as port:
        source = world.source(repository=f"http://127.0.0.1:{port}/deploy.git")
        repositories = world.repositories(limits=Limits(seconds=20, bytes=2 * 1024**2))
        with pytest.raises(SourceRefusedError, match="larger than the limit of 2 MiB"):
            head(repositories, source)
        assert none_left(f"127.0.0.1:{port}")
    assert sum(path.stat().st_size for path in world.mirror.rglob("*")) < 64 * 1024**2


def test_a_server_that_never_stops_talking_is_stopped_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says is shown in errors, and would be collected without end until then."""
    monkeypatch.setattr(command, "_MAX_OUTPUT", 1_000_000)
    with endless_answer(messages=True) as port:
        source = world.source(repository=f"http://127.0.0.1:{port}/deploy.git")
        with pytest.raises(SourceRefusedError, match="more than 1000000 bytes of messages"):
            head(world.repositories(limits=Limits(seconds=20)), source)
        assert none_left(f"127.0.0.1:{port}")


def test_a_mirror_that_outgrew_the_limit_is_fetched_anew(world: World) -> None:
    """History that was pushed over stays in a mirror for weeks; the head may well be small."""
    world.push(_MANY)
    head(world.repositories(), world.source())
    world.upstream.git("checkout", "--quiet", "--orphan", "small")
    world.upstream.git("rm", "--quiet", "-r", "--force", ".")
    pushed = world.push({"a.yaml": "1"})
    limited = world.repositories(limits=Limits(seconds=30, bytes=1024**2))
    assert head(limited, world.source()) == pushed


# Mirrors -------------------------------------------------------------------------------------


def _delete_head(mirror: Path) -> None:
    (mirror / "HEAD").unlink()


def _empty_head(mirror: Path) -> None:
    (mirror / "HEAD").write_bytes(b"")


def _delete_objects(mirror: Path) -> None:
    shutil.rmtree(mirror / "objects")


def _truncate_packs(mirror: Path) -> None:
    for pack in (mirror / "objects" / "pack").glob("*.pack"):
        pack.chmod(0o600)
        os.truncate(pack, 40)


def _empty_objects(mirror: Path) -> None:
    """What a power cut leaves of files that were not flushed."""
    for path in (mirror / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            os.truncate(path, 0)


def _spoil_configuration(mirror: Path) -> None:
    (mirror / "config").write_text("[core\nnonsense", encoding="utf-8")


def _lose_refs(mirror: Path) -> None:
    shutil.rmtree(mirror / "refs" / "heads")
    (mirror / "refs" / "heads").mkdir()
    (mirror / "packed-refs").unlink(missing_ok=True)


def _delete_branch(bare: Path, name: str) -> None:
    (bare / "refs" / "heads" / name).unlink()


def _spoil_notes(mirror: Path) -> None:
    (mirror / "towline.json").write_text("[1, 2", encoding="utf-8")


def _replace_by_file(mirror: Path) -> None:
    shutil.rmtree(mirror)
    mirror.mkdir()
    (mirror / "refs").write_bytes(b"")


DAMAGES = [
    _delete_head,
    _empty_head,
    _delete_objects,
    _truncate_packs,
    _empty_objects,
    _spoil_configuration,
    _lose_refs,
    _spoil_notes,
    _replace_by_file,
]


@pytest.mark.parametrize("refresh_first", [True, False], ids=["refresh", "reconcile"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_corrupt_mirror_is_rebuilt_by_itself(
    world: World, damage: Callable[[Path], None], refresh_first: bool
) -> None:
    pushed = world.push(_MANY if damage is _truncate_packs else {"a.yaml": "1"})
    world.follow(world.source())
    repositories = world.repositories()
    repositories.refresh(world.url)
    damage(world.mirror)
    if refresh_first:
        repositories.refresh(world.url)
    with repositories.tree(world.source()) as tree:
        assert tree.commit == pushed
        assert tree.read(tree.files(""))


def loose_object(world: World, path: str) -> Path:
    """The mirror's object of a file, taken out of its pack."""
    for pack in (world.mirror / "objects" / "pack").glob("*.pack"):
        aside = pack.rename(world.folder / pack.name)
        pack.with_suffix(".idx").unlink()
        with aside.open("rb") as data:
            unpack = ["git", "-C", str(world.mirror), "unpack-objects", "-q"]
            subprocess.run(unpack, stdin=data, check=True)
    oid = world.upstream.git("rev-parse", f"HEAD:{path}")
    return world.mirror / "objects" / oid[:2] / oid[2:]


@pytest.mark.parametrize("size", [20, 200_000])
def test_a_damaged_file_is_an_error_and_never_an_empty_one(world: World, size: int) -> None:
    """An empty manifest names nothing, and what Git does not name is pruned."""
    world.push({"a.yaml": os.urandom(size)})
    world.follow(world.source())
    repositories = world.repositories()
    repositories.refresh(world.url)
    loose = loose_object(world, "a.yaml")
    damaged = bytearray(loose.read_bytes())
    damaged[-1 - len(damaged) // 4] ^= 0xFF
    loose.chmod(0o600)
    loose.write_bytes(damaged)
    with (
        repositories.tree(world.source()) as tree,
        pytest.raises(SourceError, match="will be fetched anew"),
    ):
        tree.read(tree.files(""))
    with repositories.tree(world.source()) as tree:
        assert len(tree.read(tree.files(""))["a.yaml"]) == size


def test_a_file_that_is_missing_is_fetched_again(world: World) -> None:
    world.push({"a.yaml": "1"})
    world.follow(world.source())
    repositories = world.repositories()
    repositories.refresh(world.url)
    loose_object(world, "a.yaml").unlink()
    with (
        repositories.tree(world.source()) as tree,
        pytest.raises(SourceError, match="will be fetched anew"),
    ):
        tree.read(tree.files(""))
    with repositories.tree(world.source()) as tree:
        assert tree.read(tree.files("")) == {"a.yaml": b"1"}


def test_a_damaged_mirror_whose_server_is_away_gives_a_temporary_failure(world: World) -> None:
    world.push({"a.yaml": "1"})
    world.follow(world.source())
    repositories = world.repositories()
    repositories.refresh(world.url)
    _empty_objects(world.mirror)
    world.upstream.bare.rename(world.folder / "away")
    with pytest.raises(SourceError, match="cannot be fetched"):
        head(repositories, world.source())


def test_a_good_mirror_outlives_a_server_that_is_away(world: World) -> None:
    pushed = world.push({"a.yaml": "1"})
    world.follow(world.source())
    world.looks = MemoryLooks()
    repositories = world.repositories()
    repositories.refresh(world.url)
    world.upstream.bare.rename(world.folder / "away")
    with pytest.raises(SourceError):
        repositories.refresh(world.url)
    assert head(repositories, world.source()) == pushed


def test_locks_and_packs_of_a_process_that_died_are_in_nobodys_way(world: World) -> None:
    world.push({"a.yaml": "1"})
    repositories = world.repositories()
    head(repositories, world.source())
    left = ["HEAD.lock", "packed-refs.lock", "config.lock", "refs/heads/main.lock", "shallow.lock"]
    left += ["objects/pack/tmp_pack_x1", "objects/ab/tmp_obj_x1"]
    for name in left:
        path = world.mirror / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    pushed = world.push({"a.yaml": "2"})
    assert head(repositories, world.source()) == pushed
    assert [name for name in left if (world.mirror / name).exists()] == []


def test_a_fetch_that_was_killed_is_simply_done_again(
    web: World, forge: CountingForge, tmp_path: Path
) -> None:
    pushed = web.push(_MANY)
    askpass = tmp_path / "askpass"
    askpass.write_text(
        '#!/bin/sh\ncase "$1" in Username*) echo "$TOWLINE_GIT_USERNAME" ;; '
        '*) echo "$TOWLINE_GIT_PASSWORD" ;; esac\n',
        encoding="ascii",
    )
    askpass.chmod(0o700)
    token = (tmp_path / "token").read_text(encoding="ascii").strip()
    with line_to(forge.server_address[1]) as line:
        line.passes = 700_000
        source = through(web, line.port)
        arguments = [str(tmp_path / "data"), source.repository, str(askpass), token]
        with subprocess.Popen([sys.executable, "-c", _REFRESH, *arguments]) as worker:
            assert eventually(lambda: line.passed > 700_000)
            worker.send_signal(signal.SIGKILL)
        line.passes = None
        assert head(web.repositories(), source) == pushed
    assert none_left(source.repository)


def test_a_source_that_is_gone_is_so_only_by_the_servers_word(world: World) -> None:
    world.push({"a.yaml": "1"})
    world.follow(world.source())
    repositories = world.repositories()
    repositories.refresh(world.url)
    world.upstream.bare.rename(world.folder / "away")
    _lose_refs(world.mirror)
    with pytest.raises(SourceError):
        head(repositories, world.source())
    (world.folder / "away").rename(world.upstream.bare)
    _delete_branch(world.upstream.bare, "main")
    with pytest.raises(SourceGoneError):
        head(repositories, world.source())
