"""What an error says, and what it carries for those who handle it."""

from __future__ import annotations

import pytest

from towline.core.errors import ClusterError, ManifestError, Place, SourceError, TowlineError


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (None, "quota exceeded"),
        (Place("a.yaml"), "a.yaml: quota exceeded"),
        (Place("a.yaml", 3), "a.yaml:3: quota exceeded"),
    ],
)
@pytest.mark.parametrize("kind", [TowlineError, ManifestError, ClusterError])
def test_an_error_begins_with_its_place_and_keeps_both_apart(
    kind: type[TowlineError], place: Place | None, text: str
) -> None:
    error = kind("quota exceeded", place=place)
    assert str(error) == text
    assert error.message == "quota exceeded"
    assert error.place == place


def test_what_may_pass_is_tried_again_in_five_seconds_or_when_it_says() -> None:
    assert ClusterError("no answer").delay == 5.0
    assert SourceError("no answer", delay=60.0).delay == 60.0
