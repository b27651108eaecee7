"""When something is due without a webhook."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.core.schedule import slot_of

names = st.text(min_size=1, max_size=20)
intervals = st.integers(1, 7 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))
times = st.integers(0, 4_000_000_000).map(float)

TEN_MINUTES = timedelta(minutes=10)


@given(names, intervals, times)
def test_a_name_is_due_exactly_once_in_each_interval(
    name: str, interval: timedelta, now: float
) -> None:
    later = slot_of(name, interval, now + interval.total_seconds())
    assert later == slot_of(name, interval, now) + 1


@given(names, intervals, times, st.floats(0, 1, exclude_max=True))
def test_slots_never_go_back_and_never_skip(
    name: str, interval: timedelta, now: float, part: float
) -> None:
    between = slot_of(name, interval, now + part * interval.total_seconds())
    assert between - slot_of(name, interval, now) in {0, 1}


@given(names, intervals, times)
def test_every_beat_that_looks_gets_the_same_answer(
    name: str, interval: timedelta, now: float
) -> None:
    assert slot_of(name, interval, now) == slot_of(name, interval, now)


@pytest.mark.parametrize("tick", [1, 30, 59])
def test_a_beat_that_looks_often_sees_each_slot_once(tick: int) -> None:
    seen = [slot_of("shop", TEN_MINUTES, float(now)) for now in range(0, 6000, tick)]
    begun = [slot for slot, before in zip(seen[1:], seen, strict=False) if slot != before]
    assert len(begun) == len(set(begun))
    assert len(set(seen)) in {10, 11}


def test_a_thousand_applications_do_not_come_due_together() -> None:
    due: Counter[int] = Counter()
    for number in range(1000):
        name = f"app-{number}"
        first = slot_of(name, TEN_MINUTES, 0.0)
        minute = next(m for m in range(1, 11) if slot_of(name, TEN_MINUTES, m * 60.0) != first)
        due[minute] += 1
    assert sum(due.values()) == 1000
    assert all(60 <= due[minute] <= 145 for minute in range(1, 11)), due


def test_the_first_slot_is_not_before_the_beginning_of_time() -> None:
    assert slot_of("shop", TEN_MINUTES, 0.0) in {0, 1}
