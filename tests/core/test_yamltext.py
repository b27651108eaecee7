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
        message = (
            "a line that begins with `---` ends a document, and only a comment may follow in it: "
            "move the rest to the next line, or indent it"
        )
        assert refusal("a: 1\n--- {b: 2}\n") == f"file.yaml:2: {message}"
        assert refusal('{"a": 1}\n---\nb: 2\n--- {c: 3}\n') == f"file.yaml:4: {message}"
        assert "file.yaml:2:" in refusal("a: |\n-----BEGIN KEY\n")

    def test_the_rest_after_a_document_is_not_dropped(self) -> None:
        """kubectl reads one document of each piece and no further: half of a file would vanish."""
        assert refusal("  a: 1\nb: 2\n") == (
            "file.yaml:2: the document ended before this line, and kubectl would drop the rest: "
            "correct the indentation or the brackets, or put a line of `---` before it"
        )
        assert "document ended before this line" in refusal("a: 1\n...\nb: 2\n")
        assert values("a: 1\n...\n# comment\n") == [{"a": 1}]

    @pytest.mark.parametrize("line_end", ["\r", "\u0085", "\u2028"])
    def test_a_separator_after_a_line_end_that_kubectl_does_not_know_is_none(
        self, line_end: str
    ) -> None:
        """libyaml begins another document there, of which kubectl would read nothing."""
        assert refusal(f"a: 1\nb: 2{line_end}---{line_end}c: 3\nd: 4\n") == (
            "file.yaml:2: something follows the end of the document, which kubectl would drop: "
            "put a line of `---` before it, or remove it"
        )

    def test_line_ends_are_kubectls(self) -> None:
        """It drops one carriage return at the end of each line, and completes the last line."""
        assert value("a: |\n  x\r\n  y\r\n") == {"a": "x\ny\n"}
        assert value("a: |\n  x\r\r\n  y\n") == {"a": "x\ny\n"}
        assert value("a: |\n  x") == {"a": "x\n"}


class TestEncoding:
    def test_byte_order_marks(self) -> None:
        """UTF-8 may have one; UTF-16 must, and then is read as kubectl does."""
        assert values(b"\xef\xbb\xbfa: 1") == [{"a": 1}]
        assert values(b'\xef\xbb\xbf{"a": 1}', "file.json") == [{"a": 1}]
        assert values("a: \u00e9".encode("utf-16")) == [{"a": "é"}]

    def test_invalid_utf8_is_refused(self) -> None:
        for data, line in ((b"\xff\n\n", 1), (b"a: 1\nb: \xff\n", 2), (b"\n\n\xff", 3)):
            assert refusal(data) == (
                f"file.yaml:{line}: this is not valid UTF-8: save the file as UTF-8"
            )
        assert refusal(b"\xff\xfea\0\n\0:") == (
            "file.yaml: this is not valid UTF-16: save the file as UTF-8"
        )

    @pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x80", "\ufffe"])
    def test_control_characters_are_refused(self, character: str) -> None:
        assert refusal(f"a: 1\nb: x{character}y\nc: 1\n") == (
            "file.yaml:2: there is a control character in this line: remove it, or write it as an "
            'escape between double quotes, such as "\\u0007"'
        )

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
            ("!!bool off", False),
            ("!!int 0x10", 16),
            ("!!int '12'", 12),
            ("!!null ~", None),
            ("!!null ''", None),
            ("!!float 1.5", 1.5),
            ("!!float 1.0", 1),
            ('!!binary "aGVs\\r\\nbG8="', "hello"),
            ('!!binary ""', ""),
            ("+18446744073709551615", float(2**64)),
            ("9223372036854774784.0", 9223372036854775000),
            ("9223372036854775808.0", float(2**63)),
            ("1e300", 1e300),
            ("-0b11", -3),
            ("0b-11", -3),
            ("0b+11", 3),
            ("-0b-11", "-0b-11"),
            (".5_0", 0.5),
            (".5_", ".5_"),
            ("._5", "._5"),
            (".5__0", ".5__0"),
            ("1" * 5000, "1" * 5000),
            ("-9007199254740993", -9007199254740993),
            ("0xffffffffffffffff", float(2**64)),
            ("+0xffffffffffffffff", "+0xffffffffffffffff"),
            ("0xfffffffffffffffff", "0xfffffffffffffffff"),
            ("-0x8000000000000000", -(2**63)),
            ("-0x8000000000000001", "-0x8000000000000001"),
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

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("y Y yes Yes YES on On ON true True TRUE", True),
            ("n N no No NO off Off OFF false False FALSE", False),
            ("~ null Null NULL", None),
        ],
    )
    def test_words_that_are_no_text(self, words: str, expected: bool | None) -> None:
        for word in words.split():
            assert value(f"[{word}]")[0] is expected, word
            assert value(f"['{word}']") == [word]

    @pytest.mark.parametrize("word", ["yEs", "oN", "tRUE", "nULL", "~~", "none", "nil", "t", "f"])
    def test_words_that_only_look_like_one(self, word: str) -> None:
        assert value(f"[{word}]") == [word]

    @pytest.mark.parametrize(
        ("words", "key"),
        [
            (".nan .NaN .NAN", ".nan"),
            (".inf .Inf .INF +.inf +.Inf +.INF", ".inf"),
            ("-.inf -.Inf -.INF", "-.inf"),
        ],
    )
    def test_words_for_what_is_no_number_to_json(self, words: str, key: str) -> None:
        for word in words.split():
            assert value(f"{{{word}: a}}") == {key: "a"}, word
            assert "JSON has no infinity and no NaN" in refusal(f"[{word}]")

    @pytest.mark.parametrize(
        ("written", "key"),
        [
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1.25e-7", "1.25e-07"),
            ("100000.0", "100000"),
            ("1000000.0", "1e+06"),
            ("-0.5", "-0.5"),
            ("-0.0", "-0"),
            ("0.1234567891", "0.12345679"),
            ("16777217.0", "1.6777216e+07"),
            (".nan", ".nan"),
            (".inf", ".inf"),
            ("-.inf", "-.inf"),
            ("1e300", ".inf"),
            ("-1e300", "-.inf"),
            ("+18446744073709551615", "1.8446744e+19"),
            ("99999999999999999999", "1e+20"),
            ("no", "false"),
        ],
    )
    def test_a_key_is_written_as_go_writes_it_a_float_with_the_digits_of_a_small_one(
        self, written: str, key: str
    ) -> None:
        assert value(f"{{{written}: a}}") == {key: "a"}

    @pytest.mark.parametrize(
        ("key", "message"),
        [
            ("~", "a key is empty, null or too large a number: put it in quotes"),
            (
                "18446744073709551615",
                "a key is empty, null or too large a number: put it in quotes",
            ),
            ("[a]", "a list or a mapping cannot be a key: use a string"),
            ("{a: b}", "a list or a mapping cannot be a key: use a string"),
            ("*list", "a list or a mapping cannot be a key: use a string"),
        ],
    )
    def test_keys_that_cannot_be_strings(self, key: str, message: str) -> None:
        assert refusal(f"x: &list [a]\n? {key}\n: 1\n") == f"file.yaml:2: {message}"

    @pytest.mark.parametrize("text", [".inf", "-.inf", ".nan"])
    def test_json_has_no_such_number(self, text: str) -> None:
        assert refusal(f"a: {text}") == (
            "file.yaml:1: JSON has no infinity and no NaN: write a number, or put it in quotes"
        )

    NO_MEANING = (
        "this tag (a word after `!`) has no meaning in a manifest: remove it, or put the text in "
        "quotes"
    )
    NO_BASE64 = "what is tagged `!!binary` is not base64: correct it"
    NO_TEXT = (
        "`!!binary` with bytes that are no text cannot become JSON: leave the tag out and keep the "
        "base64, as `data` of a Secret or `binaryData` of a ConfigMap expect it"
    )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("!!timestamp 2001-01-01", NO_MEANING),
            ("!custom x", NO_MEANING),
            ("!<int> 12", NO_MEANING),
            ("!<str> x", NO_MEANING),
            ("!<binary> aGVsbG8=", NO_MEANING),
            *(
                (f"!!{name} {text}", f"the value is no {name}, which its tag says it is: correct "
                 "one of them")
                for name, text in [
                    ("int", "x"), ("int", "yes"), ("int", "1.5"), ("int", "~"),
                    ("float", "yes"), ("float", "x"), ("float", "18446744073709551615"),
                    ("bool", "1"), ("bool", "~"), ("null", "x"), ("null", "0"), ("null", "no"),
                ]
            ),
            ("!!binary secret!", NO_BASE64),
            ("!!binary abc", NO_BASE64),
            ('!!binary "="', NO_BASE64),
            ("!!binary /w==", NO_TEXT),
        ],
    )  # fmt: skip
    def test_a_tag_that_does_not_fit_is_refused_with_the_way_out(
        self, text: str, message: str
    ) -> None:
        for where in ("a: {}", "{}: a"):
            assert refusal("x: 1\n" + where.format(text)) == f"file.yaml:2: {message}"

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

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[a?b]", "a `?` between brackets or braces: put the text in quotes"),
            ("[[x], a?b]", "a `?` between brackets or braces: put the text in quotes"),
            ("{x: {y: z}, a: b?}", "a `?` between brackets or braces: put the text in quotes"),
            ("[!!str , a]", "a tag without a value: write the value, as in `!!str ''`"),
            ("!!set {a}", "this tag has no meaning in a manifest: remove it"),
            ("!list [a]", "this tag has no meaning in a manifest: remove it"),
        ],
    )
    def test_what_is_refused_between_brackets_is_told_the_way_out(
        self, text: str, message: str
    ) -> None:
        assert refusal(f"x: 1\na: {text}\nb: 1\n") == f"file.yaml:2: {message}"

    def test_a_question_mark_outside_of_brackets_is_text(self) -> None:
        assert value("a: [x]\nb: c?d\ne: {f: [g]}\nh: i?\n") == {
            "a": ["x"],
            "b": "c?d",
            "e": {"f": ["g"]},
            "h": "i?",
        }
        assert value("{a: , b: 'c?'}") == {"a": None, "b": "c?"}


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

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("!!map {a: 1}", {"a": 1}),
            ("!!seq [1]", [1]),
            ("! {a: 1}", {"a": 1}),
            ("! [1]", [1]),
        ],
    )
    def test_tags_of_lists_and_mappings_that_say_what_they_are(
        self, text: str, expected: Any
    ) -> None:
        assert value(f"a: {text}") == {"a": expected}

    def test_what_is_written_as_a_text_is_no_merge(self) -> None:
        """Quotes and `!!str` make a text of `<<`; a lone `!` does not."""
        assert value("{b: {'<<': 1}}") == {"b": {"<<": 1}}
        assert value("{b: {!!str <<: 1}}") == {"b": {"<<": 1}}
        assert value("{m: &m {a: 1}, b: {! <<: *m}}")["b"] == {"a": 1}

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

    @pytest.mark.parametrize("text", ["1", "[1]", "[{a: 1}, 2]", "[[]]", "*l"])
    def test_only_mappings_are_merged(self, text: str) -> None:
        """A list of mappings has to be written out: kubectl does not take the alias of one."""
        assert refusal(f"l: &l [{{a: 1}}]\nb:\n  <<: {text}\n") == (
            "file.yaml:3: `<<` wants a mapping, or a list of mappings: correct it"
        )

    def test_an_anchor_may_be_used_again(self) -> None:
        assert value("[&x 1, *x, &x 2, *x]") == [1, 1, 2, 2]
        assert value("[&x [&x 1], *x]") == [[1], 1]

    def test_texts_and_keys_may_be_used_again(self) -> None:
        assert value("{a: &x 'yes', b: *x}") == {"a": "yes", "b": "yes"}
        assert value("{a: &x b, *x : c}") == {"a": "b", "b": "c"}

    def test_what_a_key_may_be_and_a_value_may_not(self) -> None:
        """An anchor keeps what was written: a key of infinity is a text, the value is none."""
        assert refusal("? &x .inf\n: 1\nb: *x\nc: 1\n").startswith("file.yaml:3: JSON has no inf")

    @pytest.mark.parametrize(
        "text", ["&x [*x]", "&x {a: {b: *x}}", "&x {<<: *x}", "[&x 1, &x [*x]]"]
    )
    def test_recursion_is_refused(self, text: str) -> None:
        assert "the alias *x is inside what it stands for" in refusal(f"a: {text}")

    def test_an_anchor_belongs_to_its_document(self) -> None:
        assert refusal("a: &x 1\n---\nb: *x\n") == (
            "file.yaml:3: the alias *x has no anchor &x before it in this document: add the "
            "anchor, or write the value here"
        )

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

    @pytest.mark.parametrize(
        ("item", "count", "aliases"),
        [
            ("1", 999, 100),  # a thousand nodes in a list and its items
            ("x" * 63, 999, 100),
            ("x" * 64, 499, 100),  # each 64 characters count as one more
            ("x" * 127, 499, 100),
        ],
        ids=["numbers", "short texts", "texts", "longer texts"],
    )
    def test_a_hundred_thousand_nodes_are_added_and_not_one_more(
        self, item: str, count: int, aliases: int
    ) -> None:
        text = f"a: &a [{', '.join([item] * count)}]\nb: &b 1\nc:\n" + "- *a\n" * aliases
        weight = aliases * (1 + count * (1 + len(item) // 64))
        rest = "- *b\n" * (100_000 - weight)
        assert len(value(text + rest)["c"]) == aliases + 100_000 - weight
        assert refusal(text + rest + "- *b\nd: 1\n") == (
            f"file.yaml:{4 + aliases + 100_000 - weight}: the aliases in this file expand to too "
            "much: write fewer of them"
        )

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

    def test_what_is_beside_does_not_count(self) -> None:
        """Nor does it hide what is too deep."""
        assert len(value("a: [" + "[], {}, " * 500 + "]")["a"]) == 1000
        around = "[" * 50 + "[], {}, " * 30
        assert value(around + "[" * 50 + "]" * 100)
        assert "nested more than 100 levels" in refusal(around + "[" * 51 + "]" * 101)

    @pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
    def test_what_an_alias_stands_for_counts_where_the_alias_is(
        self, opening: str, closing: str
    ) -> None:
        anchored = f"x: &x {opening * 5}1{closing * 5}\ny:\n"
        assert value(f"{anchored} {'[' * 94}*x{']' * 94}")
        assert refusal(f"{anchored} {'[' * 95}*x{']' * 95}\nz: 1\n") == (
            "file.yaml:3: this is nested more than 100 levels deep: flatten it"
        )

    def test_brackets_in_text_do_not_count(self) -> None:
        brackets = "[{" * 20_000
        text = f"a: '{brackets}'\nb: |\n  {brackets}\n# {brackets}\nc: \"{brackets}\"\n"
        assert value(text) == {"a": brackets, "b": f"{brackets}\n", "c": brackets}
        assert value(json.dumps({"a": brackets})) == {"a": brackets}


CHECK = "check commas, quotes and brackets in and before this line"


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
        assert refusal('{"a": 1}\n---\na: 2\nb: @\n').startswith("file.yaml:4: this is not valid")

    @pytest.mark.parametrize("space", ["", " ", "\u00a0", "\u2003 ", "\x0c", "\u3000\t"])
    def test_space_of_any_kind_may_follow_on_the_line(self, space: str) -> None:
        assert values(f'{{"a": 1}}{space}\n---\nb: 2\n') == [{"a": 1}, {"b": 2}]
        assert lines(f'{{"a": 1}}{space}\n---\nb: 2\n') == [1, 3]

    def test_on_lines_after_it_only_the_space_of_json_may_stand(self) -> None:
        assert values('{"a": 1}\n \t\n---\nb: 2\n') == [{"a": 1}, {"b": 2}]
        assert values('{"a": 1}\n\u00a0\n---\nb: 2\n') == [{"a": 1}, "\u00a0", {"b": 2}]

    @pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
    def test_words_that_are_no_json(self, word: str) -> None:
        message = refusal(f'{{"x": "NaN",\n"a": {word},\n"b": 1}}', "file.json")
        assert message == f"file.json:2: this is not valid JSON: it has no {word}; {CHECK}"
        assert values(f'{{"a": {word}}}') == [{"a": word}], "in YAML it is a text"

    def test_the_words_of_the_reader_end_without_a_place(self) -> None:
        assert refusal('{"a": 1,\n"b": "x\ny"}', "file.json") == (
            f"file.json:2: this is not valid JSON: Invalid control character; {CHECK}"
        )

    def test_numbers(self) -> None:
        """Numbers of any length are read as Go reads them, without Python's limit."""
        [found] = values('{"a": 1.0, "b": 99999999999999999999, "c": -0, "d": 1e3, "e": 0.5}')
        assert json.dumps(found) == '{"a": 1, "b": 1e+20, "c": 0, "d": 1000, "e": 0.5}'
        for number in ("1e400", "-1e+400", "1" * 5000, "1" * 400 + ".5"):
            message = refusal(f'{{"a":\n {number},\n"b": 1}}', "file.json")
            assert message == "file.json:2: this number is too large: write it as a string"

    @pytest.mark.parametrize(
        ("number", "expected"),
        [
            ("127", 127),
            ("9223372036854775807", 2**63 - 1),
            ("-9223372036854775807", -(2**63) + 1),
            ("-9223372036854775808", -(2**63)),
            ("9223372036854775808", float(2**63)),
            ("-9223372036854775809", -float(2**63)),
            ("18446744073709551616", float(2**64)),
            ("123456789012345678901", 123456789012345678901.0),
        ],
    )
    def test_what_fits_is_an_integer_and_what_does_not_is_none(
        self, number: str, expected: float
    ) -> None:
        for file in ("file.json", "file.yaml"):
            [found] = values(f'{{"a": {number}}}', file)
            assert (type(found["a"]), found["a"]) == (type(expected), expected)

    def test_the_rest_of_a_refused_object_does_not_move_the_line(self) -> None:
        rest = ',\n"y": 1,\n"z": [2]}'
        deep = "[" * 101 + "]" * 101
        for text, start in [
            (f'{{"x":\n{deep}{rest}', "this is nested more than 100 levels deep: flatten it"),
            (f'{{"x": 1,\n"x": 2{rest}', "the key 'x' is here twice: first in line 1, again in"),
        ]:
            assert refusal(text, "file.json").startswith(f"file.json:2: {start}")

    def test_half_characters_are_refused(self) -> None:
        assert values('{"a": "\\ud83d\\ude00"}') == [{"a": "😀"}]
        assert refusal('\n{"a": 1,\n"b": "\\ud83d"}', "file.json") == (
            "file.json:2: a string here has half of a surrogate pair, such as \\ud800, which is no "
            "character: remove it"
        )

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
            (
                "a: 1\nb: c: d\n",
                "file.yaml:2: this is not valid YAML: mapping values are not allowed in this "
                "context; check indentation, quotes and brackets in and before this line",
            ),
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
        ("key", "line"), [("k", 2), ("1.0", 3), ("3", 4), ("12", 5), ("1", 6), ("x", 2)]
    )
    def test_keys_are_looked_for_as_they_are_read(self, key: str, line: int) -> None:
        text = b"a:\n  !!str k: 1\n  '1.0': 2\n  ! 3: 4\n  !!int 0xc: 5\n  1.0: 6\n"
        assert place_of(text, "a.yaml", 0, ["a", key]).line == line

    @pytest.mark.parametrize(
        ("index", "path", "line"),
        [
            (0, ["a", 1, "c"], 4),
            (0, ["a", 0], 2),
            (0, ["a", 7], 1),
            (1, ["b"], 7),
            (1, ["b", "c"], 7),
            (3, ["t"], 12),
            (3, ["u"], 14),
            (2, ["d"], 9),
        ],
    )
    def test_json(self, index: int, path: list[str | int], line: int) -> None:
        text = b'{"a": [\n1,\n{"b": "[{\\"",\n"c": 2}]}\n\n{"b":\n{"c": null}}\n\n{"d": 1}'
        text += b'\n\n{"t":\n"u",\n"u":\n"t"}'
        assert place_of(text, "a.json", index, path) == Place("a.json", line)
