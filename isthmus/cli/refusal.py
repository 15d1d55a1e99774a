"""How a command says no: one message with its remedy. Loads nothing that a mere `--help` would have to wait for."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Final, Never

import click

EXIT_DONE: Final = 0
EXIT_PARTIAL: Final = 1
EXIT_REFUSED: Final = 2


class Refused(click.ClickException):
    """The command cannot do what was asked; exit status 2 where no other is said. Says what happened and what to do."""

    exit_code = EXIT_REFUSED

    def __init__(self, what: str, remedy: str, status: int = EXIT_REFUSED) -> None:
        """Keep both halves."""
        super().__init__(f"{what}\n  {remedy}")
        self.what = what
        self.remedy = remedy
        self.status = status


def refuse(what: str, remedy: str, status: int = EXIT_REFUSED) -> Never:
    """Stop the command with exit status 2, or another."""
    raise Refused(what, remedy, status) from None


def show_refusal(what: str, remedy: str, *, as_json: bool) -> None:
    """Print the two halves on standard error, and as one JSON object on standard output where that was asked for."""
    if as_json:
        ascii_only = (sys.stdout.encoding or "").lower() != "utf-8"
        with suppress(OSError):  # a full disk, or a pipe that was closed: standard error says it as well
            print(json.dumps({"error": what, "remedy": remedy}, ensure_ascii=ascii_only), flush=True)
    with suppress(OSError):  # a terminal that was closed
        click.echo(what if os.environ.get("NO_COLOR") else click.style(what, fg="red", bold=True), err=True)
        click.echo(f"  {remedy}", err=True)
