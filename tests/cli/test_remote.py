"""Waiting for a run: the first that tells how what was asked for ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from towline.cli import remote
from towline.cli.remote import Remote
from towline.core.errors import TemporaryError

Runs = list[dict[str, Any]]


@dataclass
class Api(Remote):
    """Each look finds the next list of runs, the latest first."""

    url: str = ""
    token: str = ""
    looks: list[Runs] = field(default_factory=list)

    def get(self, *path: str, **query: str) -> Any:  # noqa: ARG002
        return {"items": self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]}


def a_run(detail: str, status: str = "synced", started: float = 6.0) -> dict[str, Any]:
    return {"status": status, "started": started, "trigger": {"detail": detail, "at": started}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(remote, "_WAIT_SECONDS", 0.05)


def waited(detail: str, *looks: Runs) -> Any:
    return Api(looks=list(looks)).wait("shop", 5.0, lambda: None, detail)


def test_the_first_run_since_then_is_the_one() -> None:
    old, first, second = a_run("x", started=4.0), a_run("y"), a_run("z", started=7.0)
    assert waited("", [old], [second, first, old]) is first


def test_a_run_that_waits_has_not_ended() -> None:
    waits, ended = a_run("ann", "waiting"), a_run("ann", started=7.0)
    assert waited("", [waits], [ended, waits]) is ended


def test_of_a_word_that_steers_only_its_own_run_tells() -> None:
    """One that began before a worker had noted the word knows nothing of it."""
    before, own = a_run("delivery-1"), a_run("resume ann", started=7.0)
    assert waited("resume ", [before], [own, before]) is own
    with pytest.raises(TemporaryError, match="no run of shop has ended"):
        waited("resume ", [before])


def test_what_goes_on_with_such_a_run_tells_how_it_ended() -> None:
    """A push may come while it waits for health."""
    own, pushed = a_run("resume ann", "waiting"), a_run("delivery-1", started=7.0)
    before = a_run("delivery-0", started=5.5)
    assert waited("resume ", [own, before], [pushed, own, before]) is pushed
