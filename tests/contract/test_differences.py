"""The list of differences names what there is."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.contract.bodies import BODIES
from tests.contract.differences import DIFFERENCES, MADE_DIFFERENTLY


def names_of_tests() -> set[str]:
    return {
        node.name
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }


def test_each_difference_is_that_of_a_test() -> None:
    assert DIFFERENCES.keys() <= names_of_tests()
    assert all(DIFFERENCES.values())


def test_what_is_made_differently_is_a_manifest() -> None:
    assert MADE_DIFFERENTLY.keys() <= BODIES.keys()
