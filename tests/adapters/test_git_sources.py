"""What is followed: branches, tags, ranges of versions and commits, as people move them."""

from __future__ import annotations

import pytest

from tests.adapters.git_world import World, head
from towline.core.errors import SourceError, SourceGoneError, SourceRefusedError

NOWHERE = "0123456789" * 4


def test_the_head_of_a_branch_is_seen_after_each_push(world: World) -> None:
    source = world.source()
    repositories = world.repositories()
    for number in range(3):
        pushed = world.push({"a.yaml": f"number: {number}"})
        assert head(repositories, source) == pushed


def test_a_branch_and_a_tag_of_one_name_are_not_confused(world: World) -> None:
    tagged = world.push()
    world.tag("v1")
    pushed = world.push(to="v1")
    repositories = world.repositories()
    world.follow(world.source(branch="v1"), world.source(tag="v1"))
    assert head(repositories, world.source(branch="v1")) == pushed
    assert head(repositories, world.source(tag="v1")) == tagged


def test_a_tag_that_was_moved_is_followed(world: World) -> None:
    first = world.push()
    world.tag("stable")
    repositories = world.repositories()
    assert head(repositories, world.source(tag="stable")) == first
    second = world.push({"a": "2"})
    assert head(repositories, world.source(tag="stable")) == first
    world.tag("stable")
    assert head(repositories, world.source(tag="stable")) == second


def test_an_annotated_tag_gives_its_commit(world: World) -> None:
    pushed = world.push()
    world.tag("v1.0.0", "--annotate", "--message=a release")
    assert head(world.repositories(), world.source(tag="v1.0.0")) == pushed


def test_a_range_follows_its_newest_tag(world: World) -> None:
    repositories = world.repositories()
    source = world.source(semver="^1.2")
    expected = {}
    for tag in ("v1.2.0", "v1.10.0", "v1.9.0", "v2.0.0", "v1.11.0-rc.1", "not-a-version"):
        world.push({"a": tag})
        expected[tag] = world.tag(tag)
    assert head(repositories, source) == expected["v1.10.0"]
    world.delete("refs/tags/v1.10.0")
    assert head(repositories, source) == expected["v1.9.0"]


def test_a_range_without_a_tag_says_so(world: World) -> None:
    world.push()
    world.tag("v1.0.0")
    with pytest.raises(SourceGoneError, match=r"no tag of .* is in the range \^3"):
        head(world.repositories(), world.source(semver="^3"))


def test_a_commit_is_pinned_though_no_branch_has_it_any_more(world: World) -> None:
    pinned = world.push({"a": "1"})
    world.upstream.git("reset", "--quiet", "--hard", pinned)
    world.upstream.git("commit", "--quiet", "--amend", "--allow-empty", "--message=rewritten")
    world.push()
    assert head(world.repositories(), world.source(commit=pinned)) == pinned


def test_a_commit_that_is_nowhere_fails_those_who_follow_it_and_no_one_else(world: World) -> None:
    pushed = world.push()
    repositories = world.repositories()
    world.follow(world.source(), world.source(commit=NOWHERE))
    repositories.refresh(world.url)
    assert head(repositories, world.source()) == pushed
    with pytest.raises(SourceGoneError, match=f"commit {NOWHERE} is not in"):
        head(repositories, world.source(commit=NOWHERE))


def test_a_force_push_and_rewritten_history_give_the_new_head(world: World) -> None:
    world.push({"a": "1"})
    repositories = world.repositories()
    head(repositories, world.source())
    world.upstream.git("checkout", "--quiet", "--orphan", "new-history")
    rewritten = world.push({"a": "2"})
    assert head(repositories, world.source()) == rewritten
    with world.tree() as tree:
        assert tree.read(tree.files("")) == {"a": b"2"}


def test_a_branch_that_was_deleted_is_gone_and_others_are_unaffected(world: World) -> None:
    main = world.push()
    side = world.push({"a": "side"}, to="side")
    repositories = world.repositories()
    world.follow(world.source(), world.source(branch="side"))
    repositories.refresh(world.url)
    assert head(repositories, world.source(branch="side")) == side
    world.delete("refs/heads/side")
    repositories.refresh(world.url)
    assert head(repositories, world.source()) == main
    with pytest.raises(SourceGoneError, match=r"branch side is not in .*nothing is pruned"):
        head(repositories, world.source(branch="side"))


def test_a_branch_that_vanishes_between_a_look_and_the_reading_of_its_tree(world: World) -> None:
    world.push({"a": "1"}, to="short-lived")
    with world.tree(branch="short-lived") as tree:
        world.delete("refs/heads/short-lived")
        with pytest.raises(SourceGoneError):
            head(world.repositories(), world.source(branch="short-lived"))
        assert tree.read(tree.files("")) == {"a": b"1"}


def test_a_branch_may_become_a_folder_of_branches_and_back(world: World) -> None:
    repositories = world.repositories()
    world.follow(world.source(branch="a"), world.source(branch="a/b"))
    first = world.push(to="a")
    assert head(repositories, world.source(branch="a")) == first
    world.delete("refs/heads/a")
    second = world.push(to="a/b")
    assert head(repositories, world.source(branch="a/b")) == second
    world.delete("refs/heads/a/b")
    third = world.push(to="a")
    assert head(repositories, world.source(branch="a")) == third


def test_a_branch_is_not_taken_for_another_that_begins_like_it(world: World) -> None:
    world.push(to="main-2")
    with pytest.raises(SourceGoneError):
        head(world.repositories(), world.source(branch="main"))


def test_a_repository_that_is_gone_delays_and_comes_back(world: World) -> None:
    pushed = world.push()
    repositories = world.repositories()
    world.follow(world.source())
    repositories.refresh(world.url)
    away = world.upstream.bare.rename(world.folder / "away")
    with pytest.raises(SourceError, match="cannot be fetched: it is not there"):
        repositories.refresh(world.url)
    away.rename(world.upstream.bare)
    repositories.refresh(world.url)
    assert head(repositories, world.source()) == pushed


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% {marker}",
        "ext::sh%20-c%20touch%20{marker}",
        "--upload-pack=touch {marker}",
        "--upload-pack={marker}",
        "/srv/git/deploy.git",
        "../deploy.git",
        "fd::3",
        "https://user:password@git.example.com/shop.git",
        "ssh://-oProxyCommand=touch%20{marker}/shop",
        "-oProxyCommand=touch:shop",
    ],
)
def test_what_is_no_url_is_refused_and_nothing_runs(world: World, url: str) -> None:
    marker = world.folder / "marker"
    with pytest.raises(SourceRefusedError):
        world.repositories().refresh(url.format(marker=marker))
    with pytest.raises(ValueError, match="repository"):
        world.source(repository=url.format(marker=marker))
    assert not marker.exists()


def test_a_user_that_looks_like_an_option_does_not_become_one(world: World) -> None:
    marker = world.folder / "marker"
    url = f"ssh://-oProxyCommand=touch%20{marker}@127.0.0.1:1/shop"
    with pytest.raises((SourceError, SourceRefusedError)):
        world.repositories().refresh(url)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("protocols", "url"),
    [
        ("https:ssh", "http://127.0.0.1:1/deploy.git"),
        ("https:ssh", "file:///srv/deploy.git"),
        ("https", "ssh://git@127.0.0.1:1/deploy.git"),
        ("https", "git@127.0.0.1:deploy.git"),
        ("https:ssh", "git://127.0.0.1/deploy.git"),
    ],
)
def test_only_the_transports_that_are_allowed_are_used(
    world: World, protocols: str, url: str
) -> None:
    with pytest.raises(SourceRefusedError, match="TOWLINE_GIT_PROTOCOLS"):
        world.repositories(protocols=protocols).refresh(url)
    assert not (world.folder / "data").exists()


@pytest.mark.parametrize(
    "commit", ["--batch-all-objects", "HEAD", "", "main", "g" * 40, "-" * 40, NOWHERE]
)
def test_a_commit_that_a_stranger_names_is_not_known(world: World, commit: str) -> None:
    pushed = world.push()
    repositories = world.repositories()
    assert not repositories.knows(world.url, pushed), "nothing was fetched yet"
    head(repositories, world.source())
    assert repositories.knows(world.url, pushed)
    assert not repositories.knows(world.url, commit)


def test_a_repository_around_the_data_is_neither_read_nor_written(world: World) -> None:
    """Git looks for a repository in the folders above; a broken mirror must not lead it there."""
    pushed = world.push()
    around = world.folder / "around"
    world.upstream.git("init", "--quiet", str(around))
    world.upstream.git("-C", str(around), "commit", "--quiet", "--allow-empty", "--message=own")
    own = world.upstream.git("-C", str(around), "rev-parse", "HEAD")
    world.upstream.git("-C", str(around), "branch", "mine", own)
    before = world.upstream.git("-C", str(around), "for-each-ref")
    repositories = world.repositories(root=around / "data")
    assert not repositories.knows(world.url, own)
    head(repositories, world.source())
    (mirror,) = (around / "data" / "mirrors").glob("*.git")
    (mirror / "HEAD").write_text("nonsense")
    assert not repositories.knows(world.url, own)
    assert head(repositories, world.source()) == pushed
    assert world.upstream.git("-C", str(around), "for-each-ref") == before
