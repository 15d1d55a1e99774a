"""Cells of spreadsheets: text that a spreadsheet would run as a formula is defused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, TypeAlias

Cell: TypeAlias = str | int | bool | float | Decimal | datetime | date | None
FIGURE: Final = "Figure"
"""The column that names a row's figures, for `isthmus audit explain BUNDLE FIGURE`."""
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CONTROL: Final = {code: " " for code in (*range(32), 127, 0xFFFE, 0xFFFF) if code not in {9, 10, 13}}
"""What no sheet's XML may hold."""
_INNER_START: Final = re.compile("([;\t\r\n][\\s\"']*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")
"""In a country where lists are parted by `;`, a spreadsheet begins a cell of a CSV file there."""
_SKIPPED: Final = " \u00a0\u200b\u200c\u200d\u2060\ufeff\u3000"
"""What some spreadsheets drop before they look at a cell's first character."""


def defused(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe goes before a telling first character."""
    clean = text.translate(_CONTROL)
    return f"'{clean}" if clean.lstrip(_SKIPPED).startswith(_FORMULA_STARTS) else clean


def as_text(cell: Cell) -> str:
    """Return a cell as CSV text."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return _INNER_START.sub(r"\1'", defused(cell))
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return cell.isoformat() if isinstance(cell, date) else str(cell)


class Table:
    """A sheet: its title, its columns, its rows. Without rows it has one that says why, `empty`."""

    def __init__(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], empty: str = "") -> None:
        """Keep them."""
        self.title = title
        self.columns = columns
        self.rows = rows or ([(empty, *(None for _ in columns[1:]))] if empty else [])
