"""`isthmus audit schedule`: when a connected org is audited by itself, and how long its audits' names are kept."""

from __future__ import annotations

from typing import Literal

import click
import msgspec

from isthmus.audit.cadence.cadence import KEEP_DAYS_MAX, MONTH_DAY_MAX, WEEKDAYS, Rhythm, ScheduleRefused
from isthmus.audit.cadence.scheduling import FOREVER, ScheduleChange, ScheduleView, change_schedule, schedule_of
from isthmus.cli.output import print_json, refuse, say
from isthmus.cli.running import with_installation
from isthmus.orgs.connections import list_connections
from isthmus.values import ConnectionId, Purpose
from isthmus.wiring.installation import Installation


def parse_days(_ctx: click.Context, _param: click.Parameter, unparsed: str | None) -> int | Literal["forever"] | None:
    """Return the days that were given, or refuse them in click's own form."""
    if unparsed is None or unparsed == FOREVER:
        return unparsed
    if unparsed.isdecimal() and 1 <= int(unparsed) <= KEEP_DAYS_MAX:
        return int(unparsed)
    message = f"a number from 1 to {KEEP_DAYS_MAX}, or forever"
    raise click.BadParameter(message)


@click.command(name="schedule")
@click.argument("name", metavar="ORG")
@click.option("--daily", is_flag=True, help="Audit every day.")
@click.option("--weekly", type=click.Choice(WEEKDAYS), help="Audit every week on this day.")
@click.option("--monthly", type=click.IntRange(1, MONTH_DAY_MAX), help="Audit on this day of the month.")
@click.option("--off", is_flag=True, help="Audit only when somebody asks.")
@click.option("--at", metavar="HH:MM", help="The time of day at which the audit begins.")
@click.option("--zone", help="The IANA zone of that time, such as Europe/Berlin.")
@click.option(
    "--keep-days",
    callback=parse_days,
    metavar="DAYS|forever",
    help="Remove documents, findings and names of audits that are older. Counts of seats stay.",
)
@click.option("--show", is_flag=True, help="Change nothing; the same as no option at all.")
@click.option("--tenant", help="The tenant's name or id, where there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def schedule(
    name: str,
    weekly: str | None,
    monthly: int | None,
    at: str | None,
    zone: str | None,
    keep_days: int | Literal["forever"] | None,
    tenant: str | None,
    *,
    daily: bool,
    off: bool,
    show: bool,
    as_json: bool,
) -> None:
    """Show, or change, when a connected org is audited by itself.

    Without a choice of yours: weekly on Monday at 06:00 UTC, from the first finished audit on.

    \b
    Examples:
      isthmus audit schedule prod
      isthmus audit schedule prod --weekly monday --at 06:00 --zone Europe/Berlin
      isthmus audit schedule prod --off
      isthmus audit schedule prod --keep-days 90
    """
    chosen = [
        (Rhythm.DAILY, daily),
        (Rhythm.WEEKLY, weekly is not None),
        (Rhythm.MONTHLY, monthly is not None),
        (Rhythm.OFF, off),
    ]
    rhythms = [rhythm for rhythm, given in chosen if given]
    if len(rhythms) > 1:
        refuse("--daily, --weekly, --monthly and --off exclude each other.", "Give one of them.")
    change = ScheduleChange(rhythms[0] if rhythms else None, weekly, monthly, at, zone, keep_days)
    changes = change != ScheduleChange()
    if show and changes:
        refuse("--show changes nothing.", "Leave it out, or leave out what is to change.")
    view = with_installation(lambda installation: _done(installation, name, change if changes else None), tenant)
    if view is None:
        refuse(
            f"No org {name!r} is connected for audits.",
            f"Connect it: isthmus org connect {name.lower()} --purpose audit",
        )
    if as_json:
        shown: dict[str, object] = msgspec.to_builtins(view)
        print_json(shown)
    else:
        say(schedule_text(view))


def schedule_text(view: ScheduleView) -> str:
    """Return the schedule as lines for a person."""
    usual = "" if view.chosen else " (as usual: nobody has chosen)"
    if view.next_at is not None:
        begins = f"The next one begins at {view.next_at.astimezone():%Y-%m-%d %H:%M %Z}."
    elif view.cadence is Rhythm.OFF:
        begins = f"Begin one: isthmus audit run --org {view.org} --out FOLDER"
    else:
        begins = f"The first one is yours to begin: isthmus audit run --org {view.org} --out FOLDER"
    kept = "for ever" if view.keep_days == FOREVER else f"for {view.keep_days} days"
    return (
        f"{view.org} is audited {view.text}{usual}. {begins}\n"
        f"Documents, findings and names are kept {kept}, counts of seats for ever."
    )


async def _done(installation: Installation, name: str, change: ScheduleChange | None) -> ScheduleView | None:
    async with installation.transaction() as tx:
        found = [each for each in await list_connections(tx) if each.purpose is Purpose.AUDIT]
        connection = next((ConnectionId(each.id) for each in found if each.alias == name.lower()), None)
        if connection is None:
            return None
        if change is None:
            return await schedule_of(tx, connection)
        try:
            return await change_schedule(tx, connection, change, installation.clock.now())
        except ScheduleRefused as refused:
            refuse(refused.what, refused.remedy)
