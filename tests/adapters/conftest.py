from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.git_world import (
    TOKEN,
    CountingForge,
    MemoryLooks,
    World,
    make_blank,
    repository,
    serving,
)


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_blank(tmp_path_factory.mktemp("blank"))


@pytest.fixture
def world(tmp_path: Path, blank: Path) -> World:
    """A repository behind the `file` transport, which only tests allow."""
    return World.at(tmp_path, blank)


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[CountingForge]:
    with serving(tmp_path / "forge") as running:
        yield running


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n", encoding="ascii")
    return file


@pytest.fixture
def web(tmp_path: Path, blank: Path, forge: CountingForge, token_file: Path) -> World:
    """The same repository behind HTTP and a token."""
    world = World.at(tmp_path, blank, f"{forge.url}/deploy.git", MemoryLooks())
    world.follow(repositories=(repository(forge.url, tokenFile=token_file),))
    return world
