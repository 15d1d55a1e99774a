"""Cells of spreadsheets: text that a spreadsheet would run as a formula is defused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, TypeAlias

Cell: TypeAlias = str | int | bool | float | Decimal | datetime | date | None
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CONTROL: Final = {code: " " for code in range(32) if code not in {9, 10, 13}}


def defused(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe goes before a telling first character."""
    clean = text.translate(_CONTROL)
    return f"'{clean}" if clean.lstrip(" ").startswith(_FORMULA_STARTS) else clean


def as_text(cell: Cell) -> str:
    """Return a cell as CSV text."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return defused(cell)
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return cell.isoformat() if isinstance(cell, date) else str(cell)


class Table:
    """A sheet: its title, its columns, its rows."""

    def __init__(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Keep all three."""
        self.title = title
        self.columns = columns
        self.rows = rows
