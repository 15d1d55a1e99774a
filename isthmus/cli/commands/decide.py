"""`isthmus sync decide`: conflicts that are held, both sides shown, whose values stay."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import click

from isthmus.cli.deciding import Decided, decide_with, plain_decided, print_decided
from isthmus.cli.looking import print_pair
from isthmus.cli.output import EXIT_DONE, EXIT_PARTIAL, print_json, refuse, say
from isthmus.cli.running import with_installation
from isthmus.cli.syncs import named
from isthmus.sync.definitions import SyncProblem
from isthmus.sync.flow.inspect import ROWS_SHOWN_MAX
from isthmus.sync.flow.shown import Decision, ShownPair, Side
from isthmus.sync.inspecting.relay import WorkerGone
from isthmus.sync.inspecting.viewing import LookBroken
from isthmus.wiring.installation import Installation

_SIDES: Final = ("source", "target")
_WORDS: Final = ("source", "target", "fields", "neither")


@click.command()
@click.argument("name", metavar="NAME_OR_FILE")
@click.option(
    "--rows", type=click.IntRange(1, ROWS_SHOWN_MAX), default=20, show_default=True, help="Show at most so many."
)
@click.option("--window", type=click.UUID, help="The window; the newest with a held conflict unless given.")
@click.option("--winner", type=click.Choice(_SIDES), help="Ask nothing: that side's values stay, in all that is shown.")
@click.option("--tenant", help="The tenant's name or id, where there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; needs --winner.")
@click.pass_context
def decide(
    ctx: click.Context,
    name: str,
    rows: int,
    window: UUID | None,
    winner: str | None,
    tenant: str | None,
    *,
    as_json: bool,
) -> None:
    """Decide conflicts that are held: both records are shown as they are now, and you say whose values stay.

    Your word is carried out at once, and only if neither record has changed since it was shown. For five minutes the
    sync waits for you; nothing that is shown is stored. Exit status 0 if all that was shown is settled, 1 if not.

    \b
    Examples:
      isthmus sync decide "Accounts both ways"
      isthmus sync decide "Accounts both ways" --winner source --json
    """
    if as_json and winner is None:
        refuse("Questions cannot be asked in JSON.", "Give --winner, or leave --json out.")

    def decided(pair: ShownPair) -> Decision | None:
        if not as_json:
            print_pair(pair)
        return asked(pair) if winner is None else Decision(pair.number, Side(winner))

    async def work(installation: Installation) -> Decided:
        return await decide_with(installation, await named(installation, name), decided, rows_max=rows, window=window)

    try:
        done = with_installation(work, tenant)
    except SyncProblem as problem:
        what, _, remedy = str(problem).partition(". ")
        refuse(f"{what}.", remedy)
    except WorkerGone as gone:
        refuse(f"The look is over: {gone}.", "Decide again; what was written stays.")
    except LookBroken as broken:
        refuse(str(broken), "If it stays, report it: a part of this installation changes what it only hands on.")
    if as_json:
        print_json(plain_decided(name, done))
    else:
        print_decided(name, done)
    ctx.exit(2 if done.seen.looked.message else EXIT_DONE if done.settled else EXIT_PARTIAL)


def asked(pair: ShownPair) -> Decision | None:
    """Ask the person at the terminal; None: neither, it stays held."""
    word = click.prompt("Whose values stay?", type=click.Choice(_WORDS), default="neither", err=True)
    if word == "neither":
        return None
    if word != "fields":
        return Decision(pair.number, Side(word))
    differing = [field.source for field in pair.fields if field.differs]
    say("Field by field:", style="dim")
    chosen = {name: Side(click.prompt(f"  {name}", type=click.Choice(_SIDES), err=True)) for name in differing}
    return Decision(pair.number, Side.SOURCE, chosen)
