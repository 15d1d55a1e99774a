"""The `isthmus` command: parse, call a service, print. Exit status 0 done, 1 done in part, 2 refused."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

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
def main() -> None:
    """Isthmus: audit Salesforce licences, and sync records org to org, with promises you can verify.

    \b
    Try it on two simulated orgs:   isthmus demo
    Start your own installation:    isthmus up
    Check this machine:             isthmus doctor
    """
