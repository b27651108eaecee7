"""When a mirror is new enough: as new as the newest look, for everything that is followed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.adapters.git_world import CountingForge, MemoryLooks, World, head
from towline.adapters.git import NoLooks
from towline.core.errors import SourceError

# `web` fetches over HTTP, where the forge counts.


def test_a_mirror_as_new_as_the_newest_look_does_not_fetch(
    web: World, forge: CountingForge
) -> None:
    pushed = web.push()
    web.follow(web.source())
    repositories = web.repositories()
    repositories.refresh(web.url)
    assert forge.fetches == 1
    for _ in range(3):
        assert head(repositories, web.source()) == pushed
    assert forge.fetches == 1


def test_one_fetch_serves_all_who_follow_a_repository(web: World, forge: CountingForge) -> None:
    main, side = web.push(), web.push({"a": "1"}, to="side")
    tagged = web.tag("v1.0.0")
    sources = [web.source(), web.source(branch="side"), web.source(semver="1.x")]
    web.follow(*sources)
    repositories = web.repositories()
    repositories.refresh(web.url)
    assert [head(repositories, source) for source in sources] == [main, side, tagged]
    assert forge.fetches == 1


def test_a_mirror_that_is_older_than_a_look_of_another_host_fetches(
    web: World, forge: CountingForge
) -> None:
    web.push()
    web.follow(web.source())
    here, there = web.repositories(), web.repositories(root=web.folder / "other-host")
    here.refresh(web.url)
    pushed = web.push({"a": "1"})
    there.refresh(web.url)
    assert head(here, web.source()) == pushed
    assert forge.fetches == 3
    assert head(here, web.source()) == pushed
    assert forge.fetches == 3


def test_a_mirror_that_is_newer_than_the_newest_look_does_not_fetch(
    web: World, forge: CountingForge
) -> None:
    """The look of a worker that died after its fetch was never noted as ended."""
    web.push()
    web.follow(web.source())
    repositories = web.repositories()
    repositories.refresh(web.url)
    noted = _looks(web).newest(web.source().repository_id)
    repositories.refresh(web.url)
    _looks(web).end(web.source().repository_id, str(noted))
    head(repositories, web.source())
    assert forge.fetches == 2


def test_numbers_of_an_emptied_redis_are_not_compared_with_those_before(
    web: World, forge: CountingForge
) -> None:
    web.push()
    web.follow(web.source())
    here, there = web.repositories(), web.repositories(root=web.folder / "other-host")
    for _ in range(3):
        here.refresh(web.url)
    _looks(web).flush()
    pushed = web.push({"a": "1"})
    there.refresh(web.url)
    assert head(here, web.source()) == pushed
    assert forge.fetches == 5


def test_a_fetch_of_another_host_that_showed_more_makes_a_mirror_old(
    web: World, forge: CountingForge
) -> None:
    """Else this host would follow something newer with something older."""
    web.push()
    web.follow(web.source())
    here, there = web.repositories(), web.repositories(root=web.folder / "other-host")
    here.refresh(web.url)
    pushed = web.push({"a": "1"})
    assert head(there, web.source()) == pushed
    assert head(here, web.source()) == pushed
    assert forge.fetches == 3


def test_a_fetch_of_another_host_that_showed_the_same_makes_no_mirror_old(
    web: World, forge: CountingForge
) -> None:
    web.push()
    web.follow(web.source())
    here, there = web.repositories(), web.repositories(root=web.folder / "other-host")
    here.refresh(web.url)
    for _ in range(3):
        head(there, web.source())
        head(here, web.source())
    assert forge.fetches == 2


def test_without_looks_every_tree_is_fetched(web: World, forge: CountingForge) -> None:
    repositories = replace(web.repositories(), looks=NoLooks())
    for number in range(2):
        pushed = web.push({"a": str(number)})
        assert head(repositories, web.source()) == pushed
    assert forge.fetches == 2


def test_a_new_follower_is_fetched_for_and_then_no_more(web: World, forge: CountingForge) -> None:
    web.push()
    side = web.push({"a": "1"}, to="side")
    web.follow(web.source())
    repositories = web.repositories()
    repositories.refresh(web.url)
    web.follow(web.source(), web.source(branch="side"))
    for _ in range(2):
        assert head(repositories, web.source(branch="side")) == side
    assert forge.fetches == 2


def test_two_spellings_of_one_repository_share_their_looks(
    web: World, forge: CountingForge
) -> None:
    web.push()
    other = web.source(repository=web.url.removesuffix(".git"))
    (web.folder / "forge" / "deploy").symlink_to("deploy.git")
    web.follow(web.source(), other)
    repositories = web.repositories()
    head(repositories, other)
    pushed = web.push({"a": "1"})
    repositories.refresh(web.url)
    assert head(repositories, other) == pushed
    assert forge.fetches == 3


def test_a_look_that_failed_is_not_noted(web: World, forge: CountingForge) -> None:
    web.push()
    web.follow(web.source())
    repositories = web.repositories()
    repositories.refresh(web.url)
    forge.authorization = "Basic changed"
    for _ in range(2):
        with pytest.raises(SourceError):
            repositories.refresh(web.url)
    assert _looks(web).newest(web.source().repository_id) == "epoch1:1"


def _looks(world: World) -> MemoryLooks:
    assert world.looks is not None
    return world.looks
