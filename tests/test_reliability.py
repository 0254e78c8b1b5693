"""docs/reliability.md promises only what a test holds."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reliability.md"


def test_every_test_that_the_page_names_is_there() -> None:
    """Each `file::name` of the page is a test function, and every row names at least one."""
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)::(\w+)`", text)) - {("decode", "name")}
    assert len(named) > 50
    for file, name in sorted(named):
        module = ast.parse((TESTS / f"test_{file}.py").read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}
        assert f"test_{name}" in functions, f"{file}::{name}"
    rows = [line for line in text.splitlines() if re.match(r"\| ([A-Z]\d+)? *\|", line)]
    assert [row for row in rows if "::" not in row and "| promise |" not in row] == []
