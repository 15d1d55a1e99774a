"""What the commands print: readable on a terminal, JSON for machines, and one form of error for all."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Never

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

EXIT_DONE: Final = 0
EXIT_PARTIAL: Final = 1
EXIT_REFUSED: Final = 2


class Refused(click.ClickException):
    """The command cannot do what was asked; exit status 2. Says what happened and what to do."""

    exit_code = EXIT_REFUSED

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n  {remedy}")
        self.what = what
        self.remedy = remedy

    def show(self, file: object = None) -> None:
        """Print the two lines on standard error, or one JSON object where the command was given --json."""
        del file
        context = click.get_current_context(silent=True)
        if context is not None and context.params.get("as_json"):
            print_json({"error": self.what, "remedy": self.remedy})
        console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        console.print(self.what, style="bold red")
        console.print(f"  {self.remedy}")


def refuse(what: str, remedy: str) -> Never:
    """Stop the command with exit status 2."""
    raise Refused(what, remedy) from None


def print_json(value: Mapping[str, object] | Sequence[object], *, one_line: bool = False) -> None:
    """Print one JSON document on standard output, at once."""
    json.dump(value, sys.stdout, indent=None if one_line else 2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")
    sys.stdout.flush()


def say(text: str = "", style: str = "") -> None:
    """Print one line for a person on standard output."""
    Console(soft_wrap=True, highlight=False, markup=False).print(text, style=style)


def note(text: str) -> None:
    """Print one line about the way there on standard error, so that standard output stays the result."""
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(text, style="dim")


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers are aligned right."""
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    for index, name in enumerate(head):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int | float) else str(cell) for cell in row))
    Console(highlight=False).print(table)


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
