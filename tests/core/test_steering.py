"""What a person says of an application is signed, and only then believed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.core.errors import PermanentError
from towline.core.steering import VALID_SECONDS, Steer, Verb, verified

KEY = b"k" * 32
NOW = 1_800_000_000.0
SAID = Steer("shop", Verb.APPROVE, "ada", NOW, "d" * 64)


def message(said: Steer = SAID, key: bytes = KEY) -> dict[str, Any]:
    """As it comes out of the broker."""
    sent: dict[str, Any] = json.loads(json.dumps(said.signed(key)))
    return sent


@pytest.mark.parametrize("verb", list(Verb))
def test_what_was_signed_is_believed(verb: Verb) -> None:
    said = Steer("shop", verb, "ada", NOW, "x" if verb is Verb.APPROVE else "")
    found = verified(message(said), KEY, now=NOW)
    assert found == said
    assert found.verb is verb


@pytest.mark.parametrize("key", [b"", b"x", b"k" * 31, b"k" * 33])
def test_another_key_is_not_believed(key: bytes) -> None:
    with pytest.raises(PermanentError, match="no valid signature"):
        verified(message(key=key), KEY, now=NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("application", "other"),
        ("verb", "resume"),
        ("verb", "suspend"),
        ("actor", "eve"),
        ("at", NOW + 1),
        ("at", str(NOW)),
        ("value", "e" * 64),
        ("value", ""),
        ("value", None),
        ("cluster", "other"),
        ("cluster", None),
        ("signature", ""),
        ("signature", None),
        ("signature", "0" * 64),
        ("signature", 0),
        ("signature", ["x"]),
        ("signature", "é" * 64),
    ],
)
def test_one_word_changed_and_nothing_is_believed(field: str, value: Any) -> None:
    with pytest.raises(PermanentError, match="no valid signature"):
        verified({**message(), field: value}, KEY, now=NOW)


def test_a_message_that_is_not_believed_is_said_to_be_ignored() -> None:
    with pytest.raises(PermanentError) as caught:
        verified({}, KEY, now=NOW)
    assert str(caught.value) == (
        "a message to steer an application has no valid signature: ignored"
    )


@pytest.mark.parametrize("field", [*sorted(asdict(SAID)), "signature"])
def test_one_word_missing_and_nothing_is_believed(field: str) -> None:
    with pytest.raises(PermanentError, match="no valid signature"):
        verified({n: v for n, v in message().items() if n != field}, KEY, now=NOW)


def test_one_word_more_and_nothing_is_believed() -> None:
    with pytest.raises(PermanentError, match="no valid signature"):
        verified({**message(), "force": True}, KEY, now=NOW)


@pytest.mark.parametrize("sent", [{}, {"signature": ""}, asdict(SAID)])
def test_an_unsigned_message_is_not_believed(sent: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match="no valid signature"):
        verified(sent, KEY, now=NOW)


@pytest.mark.parametrize("age", [0.0, 1.0, -1.0, VALID_SECONDS, -VALID_SECONDS])
def test_a_message_is_good_for_a_while_also_from_a_clock_that_is_ahead(age: float) -> None:
    assert verified(message(), KEY, now=NOW + age) == SAID


@pytest.mark.parametrize("age", [VALID_SECONDS + 1, -VALID_SECONDS - 1, 10 * VALID_SECONDS, 1e9])
def test_a_late_message_is_ignored_and_says_what_it_was(age: float) -> None:
    with pytest.raises(PermanentError, match="a message to approve shop is too old: ignored"):
        verified(message(), KEY, now=NOW + age)


def test_the_key_is_not_in_the_message() -> None:
    assert KEY.decode() not in json.dumps(message())


def test_the_order_of_the_words_does_not_matter() -> None:
    sent = dict(reversed(message().items()))
    assert verified(sent, KEY, now=NOW) == SAID


def test_the_same_words_are_signed_alike_and_others_differently() -> None:
    signatures = {
        Steer(app, verb, actor, NOW, value, cluster).signed(KEY)["signature"]
        for app in ("a", "ab")
        for verb in Verb
        for actor in ("b", "bc")
        for value in ("", "c")
        for cluster in ("", "d")
    }
    assert len(signatures) == 2 * len(Verb) * 2 * 2 * 2
    assert SAID.signed(KEY) == SAID.signed(KEY)


@given(st.text(), st.sampled_from(list(Verb)), st.text(), st.text())
def test_whatever_names_people_have_their_word_survives_the_broker(
    application: str, verb: Verb, actor: str, value: str
) -> None:
    said = Steer(application, verb, actor, NOW, value)
    assert verified(message(said), KEY, now=NOW) == said
