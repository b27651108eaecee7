"""Since when a revision is on its way, and which Jobs it has run."""

from __future__ import annotations

from typing import Any

import pytest

from towline.core.errors import Place
from towline.core.inventory import Parent, read_parent
from towline.core.manifest import Manifest
from towline.core.rollout import Rollout, format_jobs, job_digest, moved, parse_jobs

HERE = Place("job.yaml", 1)


def job(spec: Any, *, api_version: str = "batch/v1", kind: str = "Job") -> Manifest:
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "j", "namespace": "n"}}
    return Manifest({**body, "spec": spec}, HERE)


def test_the_same_revision_keeps_when_it_began() -> None:
    first = moved(None, "one", 10.0)
    assert first == Rollout("one", 10.0, 10.0)
    assert moved(first, "one", 20.0) == Rollout("one", 10.0, 20.0)
    assert moved(first, "two", 20.0) == Rollout("two", 20.0, 20.0)


def test_a_rollout_is_read_as_it_was_written() -> None:
    rollout = Rollout("abc", 1795370118.597354, 1795370119.25)
    assert Rollout.parse(str(rollout)) == rollout


@pytest.mark.parametrize(
    "text",
    [None, "", "x", "x 1", "x 1 y", "x 1 2 3", "x nan 1", "x 1 nan", "x inf 1", "x 1e999 1"],
)
def test_what_somebody_else_wrote_is_no_rollout(text: str | None) -> None:
    assert Rollout.parse(text) is None


def test_a_job_with_a_time_to_live_is_remembered_by_its_manifest() -> None:
    spec = {"ttlSecondsAfterFinished": 0, "backoffLimit": 1}
    digest = job_digest(job(spec))
    assert digest is not None
    assert len(digest) == 32
    assert job_digest(job(dict(reversed(spec.items())))) == digest
    assert job_digest(job({**spec, "backoffLimit": 2})) != digest


@pytest.mark.parametrize(
    "manifest",
    [
        job({"backoffLimit": 1}),
        job({"ttlSecondsAfterFinished": None}),
        job(None),
        job("text"),
        job({"ttlSecondsAfterFinished": 1}, kind="CronJob"),
        job({"ttlSecondsAfterFinished": 1}, api_version="example.com/v1"),
    ],
)
def test_nothing_else_goes_by_itself(manifest: Manifest) -> None:
    assert job_digest(manifest) is None


@pytest.mark.parametrize(
    ("text", "jobs"),
    [
        (None, {}),
        ("", {}),
        ("{", {}),
        ("[]", {}),
        ("[" * 100_000, {}),
        ('{"n/j":"d","n/k":1}', {"n/j": "d"}),
    ],
)
def test_jobs_are_read_whatever_is_written(text: str | None, jobs: dict[str, str]) -> None:
    assert parse_jobs(text) == jobs


def test_jobs_are_written_in_one_order() -> None:
    assert format_jobs({"b": "2", "a": "1"}) == '{"a":"1","b":"2"}'
    assert format_jobs({}) is None


def test_both_outlive_redis_on_the_parent() -> None:
    parent = Parent(
        "shop", "towline-system", rollout=Rollout("abc", 1.5, 2.5), jobs={"n/j": "digest"}
    )
    read = read_parent(parent.body(), "shop", "towline-system")
    assert (read.rollout, read.jobs) == (parent.rollout, parent.jobs)
    assert parent.claimed([], run="r").rollout == parent.rollout
    later = Rollout("def", 3.0, 3.0)
    assert parent.claimed([], run="r", rollout=later).rollout == later


def test_labels_make_no_other_job() -> None:
    """Those of the set change when the application is renamed."""
    spec = {"ttlSecondsAfterFinished": 0}
    one = job(spec)
    labelled = Manifest(
        {**one.body, "metadata": {**one.body["metadata"], "labels": {"a": "b"}}}, HERE
    )
    assert job_digest(one) == job_digest(labelled)
