"""The `isthmus` command: parse, call a service, print. Exit status 0 done, 1 done in part, 2 refused.

`isthmus up` also ends with 75: the database is away, and starting it again later may help.

Whatever ends a command early ends it here, in one form: one message with its remedy, exit status 2, no traceback, and
one JSON object on standard output where the command was given --json.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import click

from isthmus.cli.ending import told
from isthmus.cli.refusal import EXIT_REFUSED, Refused, show_refusal

# Loaded when they are used: `isthmus --help` must not wait for a report engine.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "up": ("isthmus.cli.commands.up", "Start the whole product on this machine and keep it running."),
        "demo": ("isthmus.cli.commands.demo", "Show both jobs for real, on two simulated orgs."),
        "doctor": ("isthmus.cli.commands.doctor", "Say what is wrong here, and what to do about it."),
        "org": ("isthmus.cli.commands.org", "Connect, list and revoke Salesforce orgs."),
        "audit": ("isthmus.cli.commands.audit", "Find paid seats that nobody uses."),
        "sync": ("isthmus.cli.commands.sync", "Plan, apply, run and watch syncs between connected orgs."),
        "copy": ("isthmus.cli.commands.copy", "Move records once, org to org, with nothing installed."),
        "notices": ("isthmus.cli.commands.notices", "Show and test to whom failures, recoveries and digests are told."),
        "trust": ("isthmus.cli.commands.trust", "Compute the promises that hold on this installation."),
        "key": ("isthmus.cli.commands.key", "Rotate the key that seals the tokens."),
        "link": ("isthmus.cli.commands.link", "Print a new one-time sign-in link for the owner."),
    }
)


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        command: click.Command = importlib.import_module(place[0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="isthmus")
def commands() -> None:
    """Isthmus: audit Salesforce licences, and sync records org to org, with promises you can verify.

    \b
    Try it on two simulated orgs:   isthmus demo
    Start your own installation:    isthmus up
    Check this machine:             isthmus doctor
    """


def main() -> None:
    """Run the command line of this process and end it."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name must not end a command where the terminal lacks it
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit status."""
    try:
        status: object = commands.main(list(arguments), prog_name="isthmus", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # whoever read our output has seen enough, as `isthmus … | head` has
        _write_no_more()
        return EXIT_REFUSED
    except click.exceptions.NoArgsIsHelpError as help_wanted:
        click.echo(help_wanted.format_message(), err=True)
        return EXIT_REFUSED
    except (Exception, KeyboardInterrupt) as ended:  # noqa: BLE001 - the one place where nothing may fall through
        what, remedy = told(ended)
        show_refusal(what, remedy, as_json=_wants_json(arguments))
        _write_no_more()
        return ended.status if isinstance(ended, Refused) else EXIT_REFUSED
    return status if isinstance(status, int) else 0


def _open_what_is_closed() -> None:
    """Open /dev/null for standard streams that were closed, or the next file or socket would take their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def _write_no_more() -> None:
    """Let what could not be written go, or Python would try again while it ends, and say so in words of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for JSON, even where it was too wrong to be parsed."""
    return "--json" in (arguments[: arguments.index("--")] if "--" in arguments else arguments)
