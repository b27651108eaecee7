"""What `documents` reads is what kubectl reads: the same files go through both.

`kubectl label --local` needs no server and, for a kind that it does not know, keeps every type. It
reads all of its files or none, so what kubectl refuses is given to it one file at a time.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from towline.core.errors import ManifestError
from towline.core.yamltext import documents

_BESIDE_PYTHON = Path(sys.executable).with_name("kubectl")
KUBECTL = str(_BESIDE_PYTHON) if _BESIDE_PYTHON.exists() else shutil.which("kubectl")

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

WORDS = """
y Y yes Yes YES yEs on On ON oN true True TRUE tRUE n N no No NO nO off Off OFF oFF false False
FALSE fALSE null Null NULL nULL ~ ~~ none None nil t f T F
"""
INTEGERS = """
0 00 -0 +0 1 -1 +1 007 0777 08 09 0o17 0O17 0o8 -0o17 0x1F 0X1f -0x1f +0x1f 0xg 0x 0b101 0B101
-0b101 +0b101 0b2 0b 0b-1 0b+1 -0b-1 1_000 1__000 _1 1_ -_1 0_7 0x_1f 0_x1f +_ - + -- ++1 +-1
9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809
18446744073709551615 18446744073709551616 0xffffffffffffffff 0xfffffffffffffffff
-0x8000000000000000 99999999999999999999999999 0777777777777777777777777777
0b1111111111111111111111111111111111111111111111111111111111111111 1e0 1e3 1E3 1e+3 1e-3
"""
FLOATS = """
1.0 1. .5 -.5 +.5 0.0 -0.0 1.5 -1.50 01.5 1e1_0 1_0.5 .5_0 ._5 .5_ .5__0 .1_0e1_0 .1e_1
.5e3 .5e .e3 . .. ... 1.5.2 1e 1e+
1e21 1e20 1e22 1.5e300 1e400 -1e400 1e-400 123456789.125 0.1 100000000000000000000000.0
4611686018427387904.0 9223372036854775807.0 9007199254740993.0 1e15 1e18 1e19 0x1p4 0x1.8 1f 1d 1L
Infinity -Infinity NaN inf nan +inf .Infinity
"""
NOT_NUMBERS = """
12:30 12:30:45 1:2 190:20:30.15 2001-01-01 2001-1-1 2001-01-01T10:20:30Z 2001-13-45 20010101
1.2.3 v1 1m 1Gi 100% 10.0.0.1 ::1 1-2 1/2 0- 1,000 = == =x << <<< => a=b a#b #comment a:b :a a: b
-a -- ?a ?? . .a !a @ ` % * & | > '' "" {} [] a,b a[b] a{b} C:\\path /a/b ~/x $x ${x} \\n é 😀 中文
"""
SCALARS = [
    *WORDS.split(),
    *INTEGERS.split(),
    *FLOATS.split(),
    *NOT_NUMBERS.split(),
    "2001-12-14 21:59:43.10 -5",
    "1 000",
    "a\u00a0b",
    "\u00a0",
    "text # comment",
    "text#no comment",
]

SNIPPETS = [
    "spec:",
    "spec: # nothing",
    "spec: ! 12",
    "spec: ! '12'",
    "spec: !!str 12",
    "spec: !!str",
    "spec: !!int '12'",
    "spec: !!int 0x10",
    "spec: !!float 1",
    "spec: !!float 1.5",
    "spec: !!bool 'yes'",
    "spec: !!null ''",
    "spec: !!binary aGVsbG8=",
    "spec: !!map {a: 1}",
    "spec: !!seq [1]",
    "spec: {a:1, b: 2}",
    "spec: {.nan: 1, -.inf: 2}",
    "spec: {?a: 1, ? b: 2}",
    'spec: {"a":1, "b":[2]}',
    "spec: {a, b: , c: d}",
    "spec: [a: 1, b]",
    "spec: [a, b,]",
    "spec: [[1, 2], {a: [b]}]",
    "spec: [a b, c:d, http://x/y]",
    "spec: {a: 1, # comment\n  b: 2}",
    "spec:\n- 1\n- - 2\n  - 3\n-\n- a: 1\n  b: 2",
    "spec:\n  ? a\n  : 1\n  ? b",
    "spec:\n  a:\tb\n  c:  \td  \n",
    "spec: a\n  b\n\n  c",
    "spec: 'it''s\n  here\n\n  now'",
    'spec: "a\\x41\\u00e9\\U0001F600\\n\\t\\e\\\\\\"\\\n  b\n  c"',
    "spec: |\n  a\n   b\n\n  c\n\n",
    "spec: |-\n  a\n\n",
    "spec: |+\n  a\n\n",
    "spec: >\n  a\n  b\n\n  c\n   d\n  e\n",
    "spec: >-\n  a\n  b",
    "spec: |2\n    a\n  b\n",
    "spec: |\n  # no comment\n  - [{\n  \ttab\n",
    "spec: |\n  no line break at the end",
    "spec: a\r\nother: |\r\n  b\r\n  c\r\n",
    "spec:\n  1: a\n  1.5: b\n  yes: c\n  0x10: d\n  '2': e\n  1e6: f\n  .inf: g\n  2001-01-01: h",
    "spec:\n  0.1234567891: a\n  1e21: b\n  1e-5: c\n  123456.7: d\n  16777217.0: e\n  1e300: f",
    "spec:\n  100000.0: a\n  1000000.0: b\n  0.0001: c\n  0.00001: d\n  -1.5: e\n  08: f",
    "spec:\n  '': a\n  ' ': b\n  a b: c\n  '<<': d\n  =: e",
    "spec: {a: &x {b: [1]}, c: *x, d: *x}",
    "spec: {a: &x 1.0, *x : b, c: *x}",
    "spec: {a: &x 1, b: &x 2, c: *x}",
    "spec: {a: &x {b: &x 1}, c: *x}",
    "spec: {&k a: 1, b: *k}",
    "spec: {m: &m {a: 1, b: 2}, n: {<<: *m, b: 3}}",
    "spec: {m: &m {a: 1, b: 2}, n: {b: 3, <<: *m}}",
    "spec: {m: &m {a: 1}, o: &o {a: 2, b: 2}, n: {<<: [*m, *o]}}",
    "spec: {m: &m {a: 1}, o: &o {a: 2, b: 2}, n: {<<: *m, <<: *o}}",
    "spec: {m: &m {a: 1}, o: &o {<<: *m, b: 2}, n: {<<: *o}}",
    "spec: {<<: {a: 1}, b: 2}",
    "spec: {a: <<, b: [<<]}",
    "spec: '😀'\nother: \ufffd",
    "spec: a\u2028 b\nother: c\u0085 d",
    "# comment\nspec: 1\n# comment",
    "spec: 1\n...\n",
    "---\nspec: 1",
    "--- # comment\nspec: 1\n---",
    "\ufeffspec: 1",
]

REFUSED = [
    "spec: !!int a",
    "spec: !!float a",
    "spec: !!bool 1",
    "spec: !!null a",
    "spec: !!binary a",
    "spec: .inf",
    "spec: .nan",
    "spec: {~: a}",
    "spec: {18446744073709551615: a}",
    "spec: {[a]: b}",
    "spec: {{a: b}: c}",
    "spec: *x",
    "spec: &x [*x]",
    "spec: {a: &x 1, b: &x [*x]}",
    "spec: {<<: 1}",
    "spec: {<<: [1]}",
    "spec: {a: &x [{b: 1}], <<: *x}",
    "spec: [a",
    "spec: {a\n  : 1}",
    "spec: [a?b]",
    "spec: {!!str a?b: 1}",
    "spec: a]\n b: c",
    "spec:\n\ta: b",
    "spec: '\x07'",
    "spec: '\x7f'",
    "spec: a: b",
    "spec: @a",
    "spec: `a",
    "spec: %a\n%b",
    "spec: !x!y z",
    'spec: "\\z"',
    'spec: "\\ud83d\\ude00"',
    "spec: 1\n--- {}",
    "%YAML 1.1\n---\nspec: 1",
    "spec: 'a\n--- b'",
]

JSON_STREAMS = [
    '{HEAD, "spec": 1.0}',
    '{HEAD, "spec": [1e3, -0, -0.0, 1e21, 99999999999999999999, "\\/\\u00e9\\ud83d\\ude00"]}',
    '\n  {\n\tHEAD, "spec": {"a": {}, "b": []}}\n\n',
    '{HEAD, "a": 1} {HEAD, "a": 2}\n{HEAD, "a": 3}',
    '{HEAD, "a": 1}\n---\nspec: 2\n---\nspec: 3',
    '{HEAD, "a": 1} # comment\n---\nspec: 2',
    "{HEAD, a: 1}",
    "{HEAD, a: [b, NaN], # comment\n}\n---\nspec: 2",
]


def named(text: str, name: str) -> bytes:
    """The snippet as a manifest: with a name by which it is found in what kubectl writes."""
    json_head = f'"apiVersion": "example.dev/v1", "kind": "Thing", "metadata": {{"name": "{name}"}}'
    end = "\r\n" if "\r\n" in text else "\n"
    head = f"apiVersion: example.dev/v1{end}kind: Thing{end}metadata: {{name: {name}}}{end}"
    return text.replace("HEAD", json_head).replace("spec:", f"{head}spec:").encode()


def kubectl(*files: Path) -> tuple[list[Any] | None, str]:
    """The documents of the files, in order; None and the reason where kubectl refuses one."""
    assert KUBECTL is not None
    command = [KUBECTL, "label", "--local", "-o", "json", "there=yes"]
    done = subprocess.run(
        [*command, *(f"--filename={file}" for file in files)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"HOME": str(files[0].parent), "KUBECONFIG": "/dev/null"},
    )
    if done.returncode:
        return None, done.stderr
    found, text = [], done.stdout
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        assert value["metadata"].pop("labels") == {"there": "yes"}
        found.append(value)
        text = text[end:]
    return found, ""


def write(folder: Path, texts: list[str]) -> list[Path]:
    files = []
    for number, text in enumerate(texts):
        file = folder / f"{number:04}.yaml"
        file.write_bytes(named(text, f"n{number}"))
        files.append(file)
    return files


def ours(file: Path) -> list[Any]:
    return [document.value for document in documents(file.read_bytes(), file.name)]


def typed(value: Any) -> Any:
    """Equal only for equal types: 1 is not true, and not 1.0 where kubectl writes an integer."""
    if isinstance(value, dict):
        return {key: typed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [typed(each) for each in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        value = float(value)  # Go writes a large float without an exponent, too.
    return type(value).__name__, value


def assert_same(folder: Path, texts: list[str]) -> None:
    files = write(folder, texts)
    theirs, reason = kubectl(*files)
    assert theirs is not None, reason
    by_name: dict[str, list[Any]] = {}
    for value in theirs:
        by_name.setdefault(value["metadata"]["name"], []).append(value)
    for number, file in enumerate(files):
        assert typed(ours(file)) == typed(by_name[f"n{number}"]), texts[number]


def is_refused(text: str) -> bool:
    try:
        documents(named(text, "n"), "file.yaml")
    except ManifestError:
        return True
    return False


def test_scalars(tmp_path: Path) -> None:
    """Every scalar that both read has the same type and value, as a value and in a list."""
    texts = [f"spec: {scalar}" for scalar in SCALARS] + [f"spec:\n- {each}\n" for each in SCALARS]
    accepted = [text for text in texts if not is_refused(text)]
    assert len(accepted) > 0.9 * len(texts)
    assert_same(tmp_path, accepted)


def test_scalars_as_keys(tmp_path: Path) -> None:
    """Keys become strings as kubectl makes them."""
    texts = [f"spec:\n  {scalar}: value" for scalar in SCALARS]
    accepted = [text for text in texts if not is_refused(text)]
    assert len(accepted) > 0.9 * len(texts)
    assert_same(tmp_path, accepted)


def test_snippets(tmp_path: Path) -> None:
    """Styles, tags, anchors, merges and line ends mean the same."""
    assert_same(tmp_path, SNIPPETS)


def test_json(tmp_path: Path) -> None:
    """JSON, JSON after JSON and YAML after JSON are taken apart in the same way."""
    assert_same(tmp_path, JSON_STREAMS)


@pytest.mark.parametrize("text", REFUSED)
def test_refused_by_both(text: str, tmp_path: Path) -> None:
    """What kubectl refuses is refused."""
    theirs, _ = kubectl(*write(tmp_path, [text]))
    assert (is_refused(text), theirs) == (True, None)


def test_random_scalars(tmp_path: Path) -> None:
    """Scalars made of what numbers are made of mean the same; the seed is fixed."""
    chance = random.Random(20)  # noqa: S311 - nothing secret
    alphabets = [
        "0123456789._-+eExobn",
        "01_-+.b",
        "0xabcdefABCDEF_-+",
        "0123456789-:TZ",
        "~.-+infNA",
    ]
    texts = []
    for _ in range(600):
        alphabet = chance.choice(alphabets)
        length = chance.randint(1, chance.choice([3, 6, 12, 24]))
        texts.append("spec: " + "".join(chance.choice(alphabet) for _ in range(length)))
    accepted = [text for text in texts if not is_refused(text)]
    assert len(accepted) > 0.9 * len(texts)
    assert_same(tmp_path, accepted)
