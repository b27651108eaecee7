"""A place with two applications of one repository, and one of another."""

from __future__ import annotations

import pytest
from redis import Redis

from tests.workers.place import Place, application


@pytest.fixture
def place(redis: Redis) -> Place:
    elsewhere = application("else", url="https://git.example.com/else/where.git")
    return Place(redis, application("shop"), application("site"), elsewhere)
