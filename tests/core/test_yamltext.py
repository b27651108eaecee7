"""Files of YAML and JSON: what is read, what is refused, and in which line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from towline.core.errors import ManifestError, Place
from towline.core.yamltext import documents, place_of


def values(text: str | bytes, file: str = "file.yaml") -> list[Any]:
    data = text.encode() if isinstance(text, str) else text
    return [document.value for document in documents(data, file)]


def value(text: str) -> Any:
    [only] = values(text)
    return only


def lines(text: str, file: str = "file.yaml") -> list[int | None]:
    return [document.place.line for document in documents(text.encode(), file)]


def refusal(text: str | bytes, file: str = "file.yaml") -> str:
    """The whole error, place included."""
    with pytest.raises(ManifestError) as caught:
        values(text, file)
    return str(caught.value)


def collections(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from collections(each)


class TestDocuments:
    def test_empty_documents_are_skipped(self) -> None:
        """Nothing, comments, `null` and separators alone are no documents."""
        assert values("") == []
        assert values("---\n---\n# comment\n---\nnull\n--- # more\n~\n---\n") == []
        assert values("a: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]

    def test_lines_are_those_of_the_first_node(self) -> None:
        """Comments before a document, separators and the other documents all count."""
        assert lines("# one\n\na: 1\n---\n# five\nb: 2\n--- # seven\n\n\nc: 3\n") == [3, 6, 10]
        assert lines("a: 1\r\n---\r\nb: 2\r\n") == [1, 3]
        assert lines('\n{"a": 1}\n\n{"a": 2} {"a": 3}\n') == [2, 4, 4]
        assert lines('{"a": 1}\n---\n\na: 2\n') == [1, 4]

    def test_unicode_line_ends_do_not_shift_lines(self) -> None:
        """Editors do not count them as lines, whatever libyaml does."""
        assert lines("a: 'x\u2028y\u0085z'\n---\nb: 1\n") == [1, 3]

    def test_what_is_no_mapping_is_left_to_the_caller(self) -> None:
        assert values("text\n---\n- 1\n---\n2\n") == ["text", [1], 2]

    def test_the_file_is_named(self) -> None:
        [document] = documents(b"a: 1", "folder/name.yaml")
        assert document.place == Place("folder/name.yaml", 1)

    def test_separators_count_wherever_they_are(self) -> None:
        """kubectl splits before it parses, so a block scalar at the margin cannot hold one."""
        assert values("|\n  a\n---\nb\n") == ["a\n", "b"]
        assert refusal("a: 1\n--- {b: 2}\n").startswith(
            "file.yaml:2: a line that begins with `---`"
        )
        assert "file.yaml:2:" in refusal("a: |\n-----BEGIN KEY\n")

    def test_the_rest_after_a_document_is_not_dropped(self) -> None:
        """kubectl reads one document of each piece and no further: half of a file would vanish."""
        assert "document ended before this line" in refusal("  a: 1\nb: 2\n")
        assert "document ended before this line" in refusal("a: 1\n...\nb: 2\n")
        assert values("a: 1\n...\n# comment\n") == [{"a": 1}]


class TestEncoding:
    def test_byte_order_marks(self) -> None:
        """UTF-8 may have one; UTF-16 must, and then is read as kubectl does."""
        assert values(b"\xef\xbb\xbfa: 1") == [{"a": 1}]
        assert values("a: \u00e9".encode("utf-16")) == [{"a": "é"}]

    def test_invalid_utf8_is_refused(self) -> None:
        assert refusal(b"a: 1\nb: \xff\n") == (
            "file.yaml:2: this is not valid UTF-8: save the file as UTF-8"
        )

    @pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x80", "\ufffe"])
    def test_control_characters_are_refused(self, character: str) -> None:
        assert refusal(f"a: 1\nb: x{character}y\n").startswith("file.yaml:2: there is a control")

    def test_characters_beyond_the_first_plane(self) -> None:
        assert value("😀: 𝄞") == {"😀": "𝄞"}


class TestScalars:
    """The table against kubectl is in `test_yamltext_kubectl.py`; here is what must not need it."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("yes", True),
            ("Off", False),
            ("y", True),
            ("~", None),
            ("", None),
            ("0777", 511),
            ("0o17", 15),
            ("0x1F", 31),
            ("0b11", 3),
            ("1_000", 1000),
            ("08", 8),
            ("1e3", 1000),
            ("1.0", 1),
            (".5", 0.5),
            ("1e400", "1e400"),
            ("9223372036854775807", 2**63 - 1),
            ("18446744073709551615", float(2**64)),
            ("12:30:45", "12:30:45"),
            ("2001-01-01", "2001-01-01"),
            ("=", "="),
            ("<<", "<<"),
            ("1.2.3", "1.2.3"),
            ("! 12", "12"),
            ("!!str 12", "12"),
            ("!!float 1", 1),
            ("!!binary aGVsbG8=", "hello"),
            ("'yes'", "yes"),
            ("!!bool 'yes'", True),
        ],
    )
    def test_meaning(self, text: str, expected: Any) -> None:
        found = value(f"a: {text}")["a"]
        assert (type(found), found) == (type(expected), expected)

    def test_keys_become_strings(self) -> None:
        assert value("{1: a, yes: b, 1.5: c, 0x10: d, 1e6: e, 2001-01-01: f}") == {
            "1": "a",
            "true": "b",
            "1.5": "c",
            "16": "d",
            "1e+06": "e",
            "2001-01-01": "f",
        }

    @pytest.mark.parametrize("key", ["~", "[a]", "{a: b}", "18446744073709551615"])
    def test_keys_that_cannot_be_strings(self, key: str) -> None:
        assert refusal(f"x: 1\n? {key}\n: 1\n").startswith("file.yaml:2: a ")

    @pytest.mark.parametrize("text", [".inf", "-.inf", ".nan"])
    def test_json_has_no_such_number(self, text: str) -> None:
        assert "JSON has no infinity and no NaN" in refusal(f"a: {text}")

    @pytest.mark.parametrize(
        "text",
        [
            "!!python/object/apply:os.system [id]",
            "!!python/name:os.system ''",
            "!!python/tuple [1]",
            "!custom secret",
            "!<tag:example.com,2000:x> {a: 1}",
            "!!set {a}",
            "!!timestamp 2001-01-01",
            "!!int secret",
            "!!binary secret!",
        ],
    )
    def test_other_tags_are_refused(self, text: str) -> None:
        """Nothing is constructed, and the value is not shown."""
        message = refusal(f"x: 1\na: {text}")
        assert message.startswith("file.yaml:2: ")
        assert "secret" not in message

    @pytest.mark.parametrize("text", ["[a?b]", "[!!str , a]", "[!!str a?b]", "{a:}"])
    def test_what_kubectl_reads_otherwise_is_refused(self, text: str) -> None:
        assert refusal(f"x: 1\na: {text}").startswith("file.yaml:2: ")


class TestDuplicates:
    def test_both_lines_are_named(self) -> None:
        assert refusal("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n") == (
            "file.yaml:5: the key 'c' is here twice: first in line 3, again in line 5; "
            "remove one of them"
        )

    def test_keys_that_become_equal(self) -> None:
        assert "the key '1' is here twice" in refusal("1: a\n'1': b\n")

    def test_lines_in_a_later_document(self) -> None:
        assert "first in line 3, again in line 4" in refusal("a: 1\n---\nb: 1\nb: 2\n")

    def test_in_json(self) -> None:
        text = '{"a": 1,\n "b": {"c": [{}],\n  "d": 1,\n  "c": 2}}'
        assert "file.json:4: the key 'c' is here twice: first in line 2" in refusal(
            text, "file.json"
        )
        assert "file.yaml:4: the key 'c' is here twice: first in line 2" in refusal(text)

    def test_merged_keys_are_no_duplicates(self) -> None:
        assert value("{m: &m {a: 1}, b: {<<: *m, a: 2}}")["b"] == {"a": 2}
        assert "the key 'a' is here twice" in refusal("{m: &m {a: 1}, b: {a: 3, <<: *m, a: 2}}")


class TestAliases:
    def test_nothing_is_shared(self) -> None:
        """Callers edit objects: an edit must not show elsewhere."""
        text = "a: &a {x: [1, {y: 2}]}\nb: *a\nc: {<<: *a}\nd: {<<: [*a, {z: *a}]}\ne: [*a, *a]\n"
        found = list(collections(value(text)))
        assert len({id(each) for each in found}) == len(found)

    def test_the_later_of_two_wins_in_a_merge(self) -> None:
        """As in go-yaml v2, and unlike YAML 1.1: a merge after a key replaces it."""
        assert value("{m: &m {a: 1}, b: {<<: *m, a: 2}}")["b"] == {"a": 2}
        assert value("{m: &m {a: 1}, b: {a: 2, <<: *m}}")["b"] == {"a": 1}

    def test_an_anchor_may_be_used_again(self) -> None:
        assert value("[&x 1, *x, &x 2, *x]") == [1, 1, 2, 2]
        assert value("[&x [&x 1], *x]") == [[1], 1]

    @pytest.mark.parametrize(
        "text", ["&x [*x]", "&x {a: {b: *x}}", "&x {<<: *x}", "[&x 1, &x [*x]]"]
    )
    def test_recursion_is_refused(self, text: str) -> None:
        assert "the alias *x is inside what it stands for" in refusal(f"a: {text}")

    def test_an_anchor_belongs_to_its_document(self) -> None:
        assert "file.yaml:3: the alias *x has no anchor" in refusal("a: &x 1\n---\nb: *x\n")

    def test_bombs_are_refused(self) -> None:
        """324 bytes that would become 387 million leaves, in a moment and little memory."""
        bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
        )
        assert "the aliases in this file expand to too much" in refusal(bomb)

    def test_bombs_of_text_are_refused(self) -> None:
        bomb = f"a: &a {'x' * 100_000}\nb: [{'*a, ' * 1000}]\n"
        assert "expand to too much" in refusal(bomb)

    def test_bombs_in_many_documents_are_refused(self) -> None:
        """The limit holds for the file: small bombs do not add up."""
        text = f"[&a [{'x, ' * 100}], {'*a, ' * 50}]\n---\n" * 30
        assert "expand to too much" in refusal(text)

    def test_ordinary_use_is_far_from_the_limit(self) -> None:
        text = "a: &a {cpu: 1, memory: 2}\nb:\n" + "- *a\n" * 2000
        assert len(value(text)["b"]) == 2000


DEEP = {
    "flow lists": "[" * 50_000,
    "flow mappings": "{a: " * 50_000,
    "block lists": "- " * 50_000,
    "complex keys": "? " * 50_000,
    "lists over lines": "[\n" * 50_000,
    "indentation": "".join(" " * depth + "a:\n" for depth in range(600)),
    "aliases": "a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 300)),
    "JSON": '{"a":' + "[" * 50_000,
    "whole JSON": '{"a":' + "[" * 5_000 + "]" * 5_000 + "}",
}


class TestDepth:
    @pytest.mark.parametrize("shape", DEEP)
    def test_depth_ends_in_an_error(self, shape: str) -> None:
        """In a child: what used to happen was a segmentation fault of the interpreter."""
        program = (
            "import sys\n"
            "from towline.core.errors import ManifestError\n"
            "from towline.core.yamltext import documents\n"
            "for file in sys.argv[1:]:\n"
            "    try: documents(data, file)\n"
            "    except ManifestError: print('refused')\n"
        ).replace("for file", "data = sys.stdin.buffer.read()\nfor file")
        child = subprocess.run(
            [sys.executable, "-c", program, "a.yaml", "a.json"],
            input=DEEP[shape].encode(),
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert (child.returncode, child.stdout.split()) == (0, [b"refused"] * 2), child.stderr

    def test_the_limit(self) -> None:
        """A hundred levels are read, in YAML and in JSON; one more is refused in its line."""
        for opening, closing in [("[", "]"), ('{"a":', "}")]:
            deep = opening * 99 + "1" + closing * 99
            assert len(list(collections(value(f"a:\n {deep}")))) == 100
            assert len(list(collections(value(f'{{"a":\n{deep}}}')))) == 100
            assert "file.yaml:2: this is nested" in refusal(f"a:\n {opening}{deep}{closing}")
            assert "file.yaml:2: this is nested" in refusal(f'{{"a":\n{opening}{deep}{closing}}}')

    def test_brackets_in_text_do_not_count(self) -> None:
        brackets = "[{" * 20_000
        text = f"a: '{brackets}'\nb: |\n  {brackets}\n# {brackets}\nc: \"{brackets}\"\n"
        assert value(text) == {"a": brackets, "b": f"{brackets}\n", "c": brackets}
        assert value(json.dumps({"a": brackets})) == {"a": brackets}


class TestJson:
    def test_strictness_by_name(self) -> None:
        """In a file named `.json` YAML is an error; elsewhere braces may hold either."""
        assert values("{a: 1}") == [{"a": 1}]
        assert values("[1, 2]", "file.json") == [[1, 2]]
        assert refusal('{"a": 1,\n b: 2}', "file.json").startswith("file.json:2: this is not valid")
        assert refusal("a: 1", "file.json").startswith("file.json:1: this is not valid JSON")

    def test_several_in_one_file(self) -> None:
        assert values('{"a": 1}{"a": 2}\n{"a": 3}', "file.json") == [{"a": 1}, {"a": 2}, {"a": 3}]
        assert values('{"a": 1}\n---\na: 2\n---\n{a: 3}') == [{"a": 1}, {"a": 2}, {"a": 3}]
        assert refusal('{"a": 1}\n{"a": 2}\n---\na: 3').startswith("file.yaml:3: this is not valid")

    @pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
    def test_words_that_are_no_json(self, word: str) -> None:
        message = refusal(f'{{"x": "NaN",\n"a": {word}}}', "file.json")
        assert message.startswith(f"file.json:2: this is not valid JSON: it has no {word}")

    def test_numbers(self) -> None:
        """Numbers of any length are read as Go reads them, without Python's limit."""
        [found] = values('{"a": 1.0, "b": 99999999999999999999, "c": -0, "d": 1e3, "e": 0.5}')
        assert json.dumps(found) == '{"a": 1, "b": 1e+20, "c": 0, "d": 1000, "e": 0.5}'
        for number in ("1e400", "1" * 5000):
            message = refusal(f'{{"a":\n {number}}}', "file.json")
            assert message == "file.json:2: this number is too large: write it as a string"

    def test_half_characters_are_refused(self) -> None:
        assert values('{"a": "\\ud83d\\ude00"}') == [{"a": "😀"}]
        assert "half of a surrogate pair" in refusal('{"a": "\\ud83d"}')

    def test_nothing_at_all(self) -> None:
        assert values(" \n", "file.json") == []
        assert values("null", "file.json") == []


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "start"),
        [
            ("a: 1\n\tb: 2\n", "file.yaml:2: a tab is where only spaces may be"),
            ("a:\n\tb: 2\n", "file.yaml:2: a tab is where only spaces may be"),
            ("a: 1\nb: [1, 2\nc: 3\n", "file.yaml:3: this is not valid YAML"),
            ("a: 1\n---\nb: 'x\n", "file.yaml:4: this is not valid YAML"),
            ("a: 1\nb: c: d\n", "file.yaml:2: this is not valid YAML"),
            ("a: 1\nb: @c\n", "file.yaml:2: this is not valid YAML"),
            ("%YAML 1.1\n---\na: 1\n", "file.yaml:"),
        ],
    )
    def test_place_and_reason(self, text: str, start: str) -> None:
        assert refusal(text).startswith(start)

    @pytest.mark.parametrize(
        "text",
        ["a: hunter2: x", "a: [hunter2", 'a: "hunter2', "a: !!int hunter2", "? [hunter2]\n: 1"],
    )
    def test_values_are_never_shown(self, text: str) -> None:
        assert "hunter2" not in refusal(text)

    def test_values_in_json_are_never_shown(self) -> None:
        for text in ('{"a": "hunter2" 1}', '{"a": hunter2}', '{"a": "hunter2'):
            assert "hunter2" not in refusal(text, "file.json")


SHOP = b"""\
# comment
apiVersion: v1
metadata: &m
  name: shop
---
---
spec:
  items:
  - {a: 1,
     b: [x,
         y]}
  - &y
    1: one
    yes: two
  - *y
merged:
  <<: &z
    inside: 1
"""


class TestPlaceOf:
    @pytest.mark.parametrize(
        ("index", "path", "line"),
        [
            (0, [], 2),
            (0, ["metadata", "name"], 4),
            (0, ["metadata", "absent", "x"], 3),
            (0, ["apiVersion", "x"], 2),
            (1, ["spec", "items", 0, "b", 1], 11),
            (1, ["spec", "items", 0, "b", 5], 10),
            (1, ["spec", "items", 1, "1"], 13),
            (1, ["spec", "items", 1, "true"], 14),
            (1, ["spec", "items", 2, "true"], 15),
            (1, ["merged", "inside"], 17),
            (1, ["absent"], 7),
        ],
    )
    def test_yaml(self, index: int, path: list[str | int], line: int) -> None:
        assert place_of(SHOP, "shop.yaml", index, path) == Place("shop.yaml", line)

    @pytest.mark.parametrize(
        ("index", "path", "line"),
        [
            (0, ["a", 1, "c"], 4),
            (0, ["a", 0], 2),
            (0, ["a", 7], 1),
            (1, ["b", "c"], 7),
            (2, ["d"], 9),
        ],
    )
    def test_json(self, index: int, path: list[str | int], line: int) -> None:
        text = b'{"a": [\n1,\n{"b": "[{\\"",\n"c": 2}]}\n\n{"b":\n{"c": null}}\n\n{"d": 1}'
        assert place_of(text, "a.json", index, path) == Place("a.json", line)
