"""Which tag is the newest in a range, compared with what npm's `semver` 7 answers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semver import Version

from towline.core.versions import newest, parse_range

_RELEASES = """
    0.0.1 0.0.2 0.1.0 0.1.5 0.2.0
    1.0.0 1.2.0 1.2.2 1.2.3 1.2.4 1.3.0 1.9.9
    2.0.0 2.1.0 3.0.0 10.0.0
"""
RELEASES = _RELEASES.split()

# A range, and the releases above that npm's `semver.satisfies` finds in it.
AS_NPM: list[tuple[str, str]] = [
    ("1", "1.0.0..1.9.9"),
    ("*", "0.0.1..10.0.0"),
    ("x", "0.0.1..10.0.0"),
    ("X", "0.0.1..10.0.0"),
    ("1.x", "1.0.0..1.9.9"),
    ("1.X", "1.0.0..1.9.9"),
    ("1.*", "1.0.0..1.9.9"),
    ("1.x.x", "1.0.0..1.9.9"),
    ("1.2", "1.2.0..1.2.4"),
    ("1.2.x", "1.2.0..1.2.4"),
    ("1.2.*", "1.2.0..1.2.4"),
    ("1.2.3", "1.2.3"),
    ("=1.2.3", "1.2.3"),
    ("v1.2.3", "1.2.3"),
    ("= 1.2.3", "1.2.3"),
    ("=1.2", "1.2.0..1.2.4"),
    ("^1", "1.0.0..1.9.9"),
    ("^1.2", "1.2.0..1.9.9"),
    ("^1.2.3", "1.2.3..1.9.9"),
    ("^1.2.x", "1.2.0..1.9.9"),
    ("^0", "0.0.1..0.2.0"),
    ("^0.0", "0.0.1..0.0.2"),
    ("^0.1", "0.1.0..0.1.5"),
    ("^0.0.1", "0.0.1"),
    ("^0.0.x", "0.0.1..0.0.2"),
    ("^0.1.0", "0.1.0..0.1.5"),
    ("~1", "1.0.0..1.9.9"),
    ("~1.2", "1.2.0..1.2.4"),
    ("~1.2.3", "1.2.3..1.2.4"),
    ("~0", "0.0.1..0.2.0"),
    ("~0.1", "0.1.0..0.1.5"),
    ("~ 1.2.3", "1.2.3..1.2.4"),
    ("^ 1.2", "1.2.0..1.9.9"),
    ("^v1.2", "1.2.0..1.9.9"),
    (">1", "2.0.0..10.0.0"),
    (">1.2", "1.3.0..10.0.0"),
    (">1.2.3", "1.2.4..10.0.0"),
    (">1.2.x", "1.3.0..10.0.0"),
    (">1.2.X", "1.3.0..10.0.0"),
    (">1.2.*", "1.3.0..10.0.0"),
    (">1.x", "2.0.0..10.0.0"),
    (">=1", "1.0.0..10.0.0"),
    (">=1.2", "1.2.0..10.0.0"),
    (">=1.2.3", "1.2.3..10.0.0"),
    (">= 1.2.3", "1.2.3..10.0.0"),
    ("<1", "0.0.1..0.2.0"),
    ("<1.2", "0.0.1..1.0.0"),
    ("<1.2.3", "0.0.1..1.2.2"),
    ("<1.2.x", "0.0.1..1.0.0"),
    ("<=1", "0.0.1..1.9.9"),
    ("<=1.2", "0.0.1..1.2.4"),
    ("<=1.2.3", "0.0.1..1.2.3"),
    ("<=1.x", "0.0.1..1.9.9"),
    (">=1.4 <2", "1.9.9"),
    (">=1.2 <1.3", "1.2.0..1.2.4"),
    (">1.2 <=2", "1.3.0..2.1.0"),
    ("1.0 - 1.2", "1.0.0..1.2.4"),
    ("1.0.0 - 1.2.3", "1.0.0..1.2.3"),
    ("1.2.3 - 2", "1.2.3..2.1.0"),
    ("0.1 - 1", "0.1.0..1.9.9"),
    ("1.2 || 2.1", "1.2.0..1.2.4 2.1.0"),
    ("^0.1 || ~1.2", "0.1.0..0.1.5 1.2.0..1.2.4"),
    ("1.2.3 || >=2", "1.2.3 2.0.0..10.0.0"),
    ("<1 || >=3", "0.0.1..0.2.0 3.0.0..10.0.0"),
    (">=1.2.3-beta <1.2.4", "1.2.3"),
    ("^1.2.3-beta", "1.2.3..1.9.9"),
    ("~1.2.3-beta", "1.2.3..1.2.4"),
    ("=1.2.3-beta", ""),
    ("1.2.3-beta", ""),
    ("<=1.2.3-beta", "0.0.1..1.2.2"),
    ("<1.2.3-beta.2", "0.0.1..1.2.2"),
    (">1.2.3-beta", "1.2.3..10.0.0"),
    (">=1.2.3-beta", "1.2.3..10.0.0"),
    ("1.2.3-beta - 1.2.3", "1.2.3"),
    ("1.2.3+build", "1.2.3"),
    ("^1.2.3+build", "1.2.3..1.9.9"),
    (">=*", "0.0.1..10.0.0"),
    ("<=*", "0.0.1..10.0.0"),
    ("^*", "0.0.1..10.0.0"),
    ("~*", "0.0.1..10.0.0"),
    ("^x", "0.0.1..10.0.0"),
    ("<=1.2.x", "0.0.1..1.2.4"),
    ("^0.0.0", ""),
    ("~0.0.1", "0.0.1..0.0.2"),
    ("1.2.3-beta || 2", "2.0.0..2.1.0"),
    (">=1.0.0-alpha", "1.0.0..10.0.0"),
]


def releases(text: str) -> list[str]:
    """`1.2.0..1.3.0 3.0.0` in full."""
    found: list[str] = []
    for part in text.split():
        first, _, last = part.partition("..")
        found += RELEASES[RELEASES.index(first) : RELEASES.index(last or first) + 1]
    return found


def admits(wanted: str, version: str) -> bool:
    return parse_range(wanted)(Version.parse(version))


@pytest.mark.parametrize(("wanted", "expected"), AS_NPM)
def test_a_range_admits_the_releases_that_npm_finds_in_it(wanted: str, expected: str) -> None:
    assert [version for version in RELEASES if admits(wanted, version)] == releases(expected)


@pytest.mark.parametrize(("wanted", "expected"), AS_NPM)
def test_the_newest_is_the_last_of_them(wanted: str, expected: str) -> None:
    tags = [f"v{version}" for version in reversed(RELEASES)]
    admitted = releases(expected)
    assert newest(tags, wanted) == (f"v{admitted[-1]}" if admitted else None)


# The range, the version, whether it is admitted here, and by npm. npm admits a prerelease only
# beside a comparator of the same three numbers; here naming a prerelease admits all in between.
PRERELEASES: list[tuple[str, str, bool, bool]] = [
    ("*", "1.2.3-beta", False, False),
    ("^1", "1.2.3-beta", False, False),
    (">=1.2.2", "1.2.3-beta", False, False),
    ("1.2.x", "1.2.3-beta", False, False),
    ("<2", "2.0.0-rc.1", False, False),
    ("<=1.2.3", "1.2.3-beta", False, False),
    ("^1.2.3-beta", "1.2.3-beta", True, True),
    ("^1.2.3-beta", "1.2.3-beta.2", True, True),
    ("^1.2.3-beta", "1.2.3-alpha", False, False),
    ("^1.2.3-beta", "1.2.3", True, True),
    ("^1.2.3-beta", "2.0.0-rc.1", False, False),
    ("^1.2.3-beta", "2.0.0", False, False),
    ("^1.2.3-beta", "1.3.0-rc.1", True, False),
    ("~1.2.3-beta", "1.2.3-beta.2", True, True),
    ("~1.2.3-beta", "1.2.4-0", True, False),
    ("~1.2.3-beta", "1.3.0-rc.1", False, False),
    ("1.2.3-beta", "1.2.3-beta", True, True),
    ("1.2.3-beta", "1.2.3", False, False),
    ("=1.2.3-beta", "1.2.3-beta.2", False, False),
    (">=1.2.3-beta", "1.2.3-beta", True, True),
    (">1.2.3-beta", "1.2.3-beta", False, False),
    (">1.2.3-beta", "1.2.3-beta.2", True, True),
    (">1.2 <2.0.0-rc.1", "1.3.0-0", True, False),
    (">1.2 <2.0.0-rc.1", "1.2.5-rc.1", False, False),
    ("<1.2.3-beta.2", "1.2.3-beta", True, True),
    ("<1.2.3-beta", "1.2.3-beta", False, False),
    ("<=1.2.3-beta", "1.2.3-beta", True, True),
    ("<=1.2.3-beta", "1.2.3-beta.2", False, False),
    ("<=1.2.3-beta", "1.2.3", False, False),
    ("<=1.2.3-beta", "1.0.0-alpha", True, False),
    ("1.2.3-beta - 1.2.3", "1.2.3-beta.2", True, True),
    ("1.2.3-beta - 1.2.3", "1.2.4-0", False, False),
    ("1.2.3-beta || 2", "2.0.0-rc.1", False, False),
    ("1.2.3-beta || 2", "1.2.3-beta", True, True),
    ("^0.0.3-beta", "0.0.3-pr.2", True, True),
    ("^0.0.3-beta", "0.0.4-0", False, False),
]


@pytest.mark.parametrize(("wanted", "version", "here", "npm"), PRERELEASES)
def test_a_prerelease_is_admitted_only_where_the_range_names_one(
    wanted: str, version: str, here: bool, npm: bool
) -> None:
    assert admits(wanted, version) is here
    assert here or not npm, "what npm admits is admitted here"


@pytest.mark.parametrize(
    "order",
    [
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 "
        "1.0.0-rc.1 1.0.0",
        "1.0.0-1 1.0.0-2 1.0.0-10 1.0.0-a",
        "1.9.0 1.10.0 1.11.0 2.0.0",
        "0.0.9 0.0.10 0.9.0 0.10.0",
    ],
)
def test_versions_are_ordered_as_semver_has_it(order: str) -> None:
    versions = order.split()
    for count in range(1, len(versions) + 1):
        assert newest(reversed(versions[:count]), ">=0.0.0-0") == versions[count - 1]


MALFORMED = [
    "",
    " ",
    "latest",
    "main",
    "^",
    ">",
    ">=",
    "1.2.3.4",
    "1.2.3-",
    "1.2.3-.",
    "1.2.3-a..b",
    "1.2.3-01",
    "1..2",
    ".1",
    "a.b.c",
    "1.2 ||",
    "|| 1.2",
    "1 || || 2",
    "1.0 - ",
    "1.0 -1.2",
    "1.0- 1.2",
    "==1.2",
    "^^1",
    "><1",
    "!=1.2",
    ">*",
    "<x",
    "-1",
    "1 and 2",
    "v",
]


@pytest.mark.parametrize("wanted", MALFORMED)
def test_a_malformed_range_is_refused(wanted: str) -> None:
    with pytest.raises(ValueError, match=r"version|prerelease"):
        parse_range(wanted)
    with pytest.raises(ValueError, match=r"version|prerelease"):
        newest(["v1.0.0"], wanted)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("1.2.3-01", "'1.2.3-01' has a malformed prerelease"),
        (">=1.2.3-a..b", "'>=1.2.3-a..b' has a malformed prerelease"),
        ("1 latest", "'latest' is not a range of versions such as ^1.2 or >=1.4 <2"),
        ("1 || >*", "'>*' admits no version"),
    ],
)
def test_the_part_of_a_range_that_is_wrong_is_named(wanted: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_range(wanted)


def test_the_empty_range_is_no_any() -> None:
    with pytest.raises(ValueError, match=r"^the range is empty; write \* for any version$"):
        parse_range("")


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "v",
        "main",
        "1",
        "1.2",
        "v1.2",
        "1.2.3.4",
        "V1.2.3",
        "vv1.2.3",
        "release-1.2.3",
        "1.2.3 ",
        "01.2.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3\n",
        "chart/1.2.3",
    ],
)
def test_a_tag_that_is_no_version_is_passed_over(tag: str) -> None:
    assert newest([tag], "*") is None
    assert newest([tag, "0.1.0"], "*") == "0.1.0"


def test_a_leading_v_is_left_out_and_given_back() -> None:
    assert newest(["v1.2.3", "1.2.4"], "1") == "1.2.4"
    assert newest(["1.2.3", "v1.2.4"], "v1") == "v1.2.4"


def test_no_tags_have_no_newest() -> None:
    assert newest([], "*") is None


def test_no_tag_in_the_range_is_no_newest() -> None:
    assert newest(["v1.0.0", "v3.0.0"], "2.x") is None


@pytest.mark.parametrize("tags", [["1.2.3", "v1.2.3"], ["v1.2.3", "1.2.3"], ["1.2.3+a", "1.2.3+b"]])
def test_of_two_tags_of_one_version_the_first_is_taken(tags: list[str]) -> None:
    assert newest(["1.0.0", *tags, "1.1.0"], "*") == tags[0]


def test_build_metadata_does_not_count() -> None:
    assert newest(["1.2.3+b2", "1.2.2+b9"], "^1") == "1.2.3+b2"
    assert admits("1.2.3+x", "1.2.3+y")


def test_commas_join_as_spaces_do() -> None:
    assert [v for v in RELEASES if admits(">=1.2, <1.3", v)] == releases("1.2.0..1.2.4")


numbers = st.integers(0, 12)
versions = st.builds("{}.{}.{}".format, numbers, numbers, numbers)


@given(versions, versions)
def test_comparators_agree_with_the_order_of_versions(one: str, two: str) -> None:
    left, right = Version.parse(one), Version.parse(two)
    assert admits(f">{two}", one) is (left > right)
    assert admits(f">={two}", one) is (left >= right)
    assert admits(f"<{two}", one) is (left < right)
    assert admits(f"<={two}", one) is (left <= right)
    assert admits(f"={two}", one) is (left == right)
    assert admits(f"{two} || {one}", one)


@given(versions)
def test_every_version_is_in_its_own_ranges(version: str) -> None:
    major, minor, _ = version.split(".")
    for wanted in (version, f"^{version}", f"~{version}", f"{major}.{minor}", f"{major}.x", "*"):
        assert admits(wanted, version), wanted
    assert not admits(f"~{version}", f"{major}.{int(minor) + 1}.0")
    assert not admits(f"^{version}", f"{int(major) + 1}.0.0")


@given(st.lists(versions, max_size=8), st.sampled_from(["*", "^1", "~2.3", ">=1 <4", "1 || 3"]))
def test_the_newest_is_one_of_the_admitted_and_none_is_above_it(
    tags: list[str], wanted: str
) -> None:
    admitted = [Version.parse(tag) for tag in tags if admits(wanted, tag)]
    found = newest(tags, wanted)
    assert (Version.parse(found) if found else None) == max(admitted, default=None)
