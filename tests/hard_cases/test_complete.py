"""The table of hard cases is complete: each has a test, and each test of the table is there."""

from __future__ import annotations

import re
from pathlib import Path

CASES = range(1, 59)
HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "hard-cases.md"
TEST = re.compile(r"^(?:async )?def (test_case_(\d\d)_\w+)", re.MULTILINE)
ROW = re.compile(r"^\| (\d+) \|.+\| `(\w+)` \|$", re.MULTILINE)


def there() -> dict[str, int]:
    """Return the number of the case of each test here."""
    texts = (path.read_text() for path in HERE.glob("test_*.py"))
    return {name: int(number) for text in texts for name, number in TEST.findall(text)}


def test_every_hard_case_has_a_test_of_its_own() -> None:
    assert sorted(set(CASES) - set(there().values())) == []


def test_every_hard_case_stands_in_the_table_with_a_test_that_is_there() -> None:
    found = there()
    rows = [(int(number), name) for number, name in ROW.findall(TABLE.read_text())]
    assert sorted(set(CASES) - {number for number, _ in rows}) == []
    assert [(number, name) for number, name in rows if found.get(name) != number] == []
