"""Whatever a verified sender writes: 400 or 202, never 5xx, and nothing queued by a 400."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.webhook.edge import FORGES, SECRET, Edge, mac, push

WRONG: list[Any] = [None, 0, -1, 1.5, 10**30, True, "", "x", " ", [], [[]], {}, {"a": None}, ["x"]]
REQUIRED = {"ref", "before", "after", "repository", "project"}


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a payload, itself included."""
    yield path
    entries = dict(enumerate(value)) if isinstance(value, list) else value
    for name, inner in entries.items() if isinstance(entries, dict) else ():
        yield from _paths(inner, (*path, name))


def _mutations(payload: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The payload with one place removed, or with something else there."""
    for path in _paths(payload):
        if path:
            yield path, _changed(payload, path, removed=True)
        for wrong in WRONG:
            yield path, _changed(payload, path, wrong)


def _changed(
    payload: dict[str, Any], path: tuple[Any, ...], value: Any = None, *, removed: bool = False
) -> Any:
    if not path:
        return value
    whole = copy.deepcopy(payload)
    place: Any = whole
    for name in path[:-1]:
        place = place[name]
    if removed:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return whole


@pytest.mark.parametrize(
    ("forge", "event"), [*((forge, "") for forge in FORGES), ("gitlab", "System Hook")]
)
def test_every_field_missing_null_or_of_another_type(edge: Edge, forge: str, event: str) -> None:
    payload = push(forge)
    payload["commits"] = [{"id": "x", "added": ["a"]}]
    for path, mutated in _mutations(payload):
        edge.sent.clear()
        answer = edge.deliver(forge, mutated, event=event)
        what = f"{path}: {json.dumps(mutated)[:200]}"
        assert answer.status_code in (202, 400), what
        still_a_push = mutated.get("event_name") if isinstance(mutated, dict) else True
        is_needed = not path or (len(path) == 1 and path[0] in REQUIRED)
        if is_needed and (event == "" or still_a_push):
            assert answer.status_code == 400, what
            assert answer.content_type == "application/problem+json"
            assert edge.sent == [], what


@pytest.mark.parametrize("forge", FORGES)
def test_a_repository_without_any_url_is_refused(edge: Edge, forge: str) -> None:
    payload = push(forge)
    nothing: tuple[Any, ...] = (None, 7, "", [], {})
    for wrong in nothing:
        place = payload.get("repository") or payload["project"]
        place.update(dict.fromkeys(place, wrong))
        assert edge.deliver(forge, payload).status_code == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("after", "2" * 39),
        ("after", "2" * 41),
        ("after", "2" * 63),
        ("after", "2" * 39 + "G"),
        ("after", "A" * 40),
        ("after", "2" * 40 + "\n"),
        ("after", "--upload-pack=" + "x" * 26),
        ("before", "é" * 40),
        ("before", "٢" * 40),
        ("ref", "refs"),
        ("ref", "REFS/heads/main"),
        ("ref", " refs/heads/main"),
        ("ref", "heads/main"),
    ],
)
def test_what_is_no_commit_and_no_ref_is_refused(edge: Edge, field: str, value: str) -> None:
    for forge in FORGES:
        assert edge.deliver(forge, {**push(forge), field: value}).status_code == 400
    assert edge.sent == []


def _nested(opening: str, closing: str, depth: int) -> bytes:
    return (opening * depth + closing * depth).encode()


GARBAGE = {
    "empty": b"",
    "spaces": b"   ",
    "text": b"hello",
    "a list": b"[]",
    "a string": b'"x"',
    "a number": b"1",
    "null": b"null",
    "NaN": b'{"ref": NaN}',
    "Infinity": b'{"ref": -Infinity}',
    "a long number": b'{"ref": ' + b"9" * 5000 + b"}",
    "a longer number": b'{"ref": ' + b"9" * 200_000 + b"}",
    "a long exponent": b'{"ref": 1e999999999}',
    "invalid UTF-8": b'{"ref": "\xff\xfe"}',
    "an overlong form": b'{"ref": "\xc0\xaf"}',
    "an encoded surrogate": b'{"ref": "\xed\xa0\x80"}',
    "UTF-16": '{"ref": "x"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"ref": "x"}',
    "a zero byte": b'{"ref": "\x00"}',
    "trailing text": b'{"ref": "x"} x',
    "two objects": b"{}{}",
    "a trailing comma": b'{"ref": "x",}',
    "single quotes": b"{'ref': 'x'}",
    "lists 10,000 deep": _nested("[", "]", 10_000),
    "objects 10,000 deep": _nested('{"a":', "1}", 10_000),
    "lists that never end": b"[" * 100_000,
    "deep inside a field": b'{"a": ' + _nested("[", "]", 10_000) + b"}",
    "a string that never ends": b'{"a": "' + b'\\"' * 100_000,
    "a lone backslash at the end": b'{"a": "\\',
    "brackets in strings, then deep": b'{"a": "]]]]", "b": ' + _nested("[", "]", 5000) + b"}",
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
def test_a_body_that_no_forge_sends_is_refused(edge: Edge, body: bytes) -> None:
    for forge in FORGES:
        answer = edge.deliver(forge, body)
        assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert (edge.sent, edge.deliveries()) == ([], [])


def test_brackets_in_strings_are_not_depth(edge: Edge) -> None:
    payload = {**push("github"), "message": "[" * 1000 + '"' + "{" * 1000 + "\\"}
    assert edge.deliver("github", payload).get_json()["matched"]


def test_duplicate_keys_and_unknown_fields_do_no_harm(edge: Edge) -> None:
    body = json.dumps(push("github")).replace("{", '{"ref": 7, "x": [1], ', 1).encode()
    assert edge.deliver("github", body).get_json()["matched"]


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"payload",
        b"payload=",
        b"payload=%7B",
        b"payload=%FF%FE",
        b"payload=%ED%A0%80",
        b"\xff=\xff",
        b"other=%7B%7D",
        b"&".join(b"a=1" for _ in range(1000)),
        b"payload=%7B%7D&" * 30,
        b"payload=" + b"%5B" * 10_000,
    ],
)
def test_a_form_that_no_forge_sends_is_refused(edge: Edge, form: bytes) -> None:
    kind = "application/x-www-form-urlencoded; charset=utf-16"
    signed = {"X-Hub-Signature-256": f"sha256={mac(form, SECRET)}", "X-GitHub-Event": "push"}
    assert edge.post("github", form, {"Content-Type": kind, **signed}).status_code == 400
    signed = {"X-Gitea-Signature": mac(form, SECRET), "X-Gitea-Event": "push"}
    answer = edge.post("gitea", form, {"Content-Type": kind, **signed})
    assert answer.status_code in (400, 401)
    assert edge.sent == []


def test_nothing_costs_much_more_than_its_length(edge: Edge) -> None:
    """A string that never ends took quadratic time once, and a long one a hundred times its size;
    a form is taken apart before it is verified, and took seconds."""
    began = time.monotonic()
    for body in (b'{"a": "' + b'\\"' * 1_000_000, b'{"a": "' + b"a" * 3_000_000):
        assert edge.deliver("github", body).status_code == 400
    form = {"Content-Type": "application/x-www-form-urlencoded", "X-Gitea-Signature": "0" * 64}
    assert edge.post("gitea", b"payload=" + b"%41" * 5_000_000, form).status_code == 401
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "multipart/form-data", "\x80", "x" * 999]
)
def test_any_other_content_type_is_read_as_json(edge: Edge, content_type: str) -> None:
    body = json.dumps(push("github")).encode()
    headers = {
        "Content-Type": content_type,
        "X-Hub-Signature-256": f"sha256={mac(body, SECRET)}",
        "X-GitHub-Event": "push",
    }
    assert edge.post("github", body, headers).status_code == 202


def test_a_body_over_the_limit_is_refused_before_it_is_read(edge: Edge) -> None:
    declared = {"CONTENT_LENGTH": str(25 * 1024**2 + 1)}
    answer = edge.client.post("/hooks/github", environ_overrides=declared)
    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(edge: Edge, method: str) -> None:
    answer = edge.client.open("/hooks/github", method=method)
    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
    assert "POST" in answer.headers["Allow"]
