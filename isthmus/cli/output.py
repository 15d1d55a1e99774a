"""What the commands print: readable on a terminal, JSON for machines, and one form of error for all."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from isthmus.cli.refusal import EXIT_DONE, EXIT_PARTIAL, EXIT_REFUSED, Refused, refuse

TABLE_WIDTH: Final = 120
TABLE_WIDTH_MIN: Final = 72

__all__ = [
    "EXIT_DONE",
    "EXIT_PARTIAL",
    "EXIT_REFUSED",
    "Refused",
    "confirm",
    "note",
    "print_json",
    "print_table",
    "progress_bar",
    "refuse",
    "say",
]


def print_json(value: Mapping[str, object] | Sequence[object], *, one_line: bool = False) -> None:
    """Print one JSON document on standard output, at once."""
    ascii_only = (sys.stdout.encoding or "").lower() != "utf-8"  # JSON can say every character in ASCII
    json.dump(value, sys.stdout, indent=None if one_line else 2, ensure_ascii=ascii_only, default=str)
    sys.stdout.write("\n")
    sys.stdout.flush()


def say(text: str = "", style: str = "") -> None:
    """Print one line for a person on standard output."""
    Console(soft_wrap=True, highlight=False, markup=False).print(text, style=style)


class _Aside(Console):
    """Prints what need not be read: where nobody reads any more, the library would end the process."""

    def on_broken_pipe(self) -> None:
        """Go on."""


def note(text: str) -> None:
    """Print one line about the way there on standard error, so that standard output stays the result.

    Nobody may be there to read it any more (a closed terminal, a full disk): that ends no work.
    """
    with suppress(OSError):
        _Aside(stderr=True, soft_wrap=True, highlight=False, markup=False).print(text, style="dim")


def confirm(question: str, *, yes: bool) -> None:
    """Ask on standard error unless `yes` was said; stop with exit status 2 where the answer is no, or there is none."""
    if yes:
        return
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        refuse("Nothing was done: nobody answered.", "Answer in a terminal, or give --yes.")
    if not agreed:
        refuse("Nothing was done.", "That was the answer.")


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers are aligned right."""
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    for index, name in enumerate(head):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int | float) else str(cell) for cell in row))
    console = Console(highlight=False)
    # A file has no width, and in too narrow a window wrapped lines say more than columns without room.
    console.width = max(console.width if console.is_terminal else TABLE_WIDTH, TABLE_WIDTH_MIN)
    console.print(table)


@contextmanager
def progress_bar() -> Generator[Progress]:
    """Show progress on standard error; silent where that is no terminal."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield progress
