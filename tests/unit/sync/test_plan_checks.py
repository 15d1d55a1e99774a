"""docs/plan-checks.md names every code that a plan can give, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
MAKERS = {"error", "warning", "hint", "Unfit", "Issue"}
BY_SIDE = {"source_object_missing", "target_object_missing"}
"""Made by side: `f"{side}_object_missing"`."""


def codes_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            made = isinstance(node.func, ast.IfExp) or getattr(node.func, "id", "") in MAKERS
            named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            texts = [each.value for each in (*node.args, *named) if isinstance(each, ast.Constant)]
            found = [text for text in texts if isinstance(text, str) and re.fullmatch(r"[a-z]+(_[a-z]+)+", text)]
            yield from found[:1] if made else ()
        elif isinstance(node, ast.For) and isinstance(node.target, ast.Tuple):
            first = node.target.elts[0]
            if isinstance(first, ast.Name) and first.id == "code" and isinstance(node.iter, ast.Tuple):
                rows = (row for row in node.iter.elts if isinstance(row, ast.Tuple))
                yield from (str(row.elts[0].value) for row in rows if isinstance(row.elts[0], ast.Constant))


def test_every_code_of_a_plan_is_explained_and_nothing_else() -> None:
    made = {code for file in (ROOT / "isthmus/sync").rglob("*.py") for code in codes_in(ast.parse(file.read_text()))}
    rows = [
        line.split("|")[1] for line in (ROOT / "docs/plan-checks.md").read_text().splitlines() if line.startswith("| `")
    ]
    told = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    assert made | BY_SIDE == told
