"""`isthmus org budget`: which part of an org's daily API calls syncs may use, and how far it goes."""

from __future__ import annotations

from datetime import datetime

import click
import msgspec

from isthmus.cli.output import print_json, refuse, say
from isthmus.cli.running import with_installation
from isthmus.orgs.connections import list_connections
from isthmus.sync.telling.outlook import OrgOutlook, org_outlook
from isthmus.sync.timing.timetable import set_budget
from isthmus.wiring.installation import Installation

_TENANT = click.option("--tenant", help="The tenant's name or id, where there are several.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_PERCENT = click.IntRange(1, 100)


@click.command(name="budget", short_help="Show or set which part of an org's API calls syncs may use.")
@click.argument("alias")
@click.option("--day", "day_percent", type=_PERCENT, help="Go on up to this share of the org's daily API calls.")
@click.option("--own", "own_percent", type=_PERCENT, help="Use at most this share of them by all syncs together.")
@_TENANT
@_JSON
def budget(alias: str, day_percent: int | None, own_percent: int | None, tenant: str | None, *, as_json: bool) -> None:
    """Show, or with --day and --own set, which part of an org's daily API calls syncs may use.

    Above either share runs pause between two windows; nothing is lost, and they go on by themselves.

    \b
    Examples:
      isthmus org budget uat
      isthmus org budget uat --day 60 --own 20
    """

    async def work(installation: Installation) -> OrgOutlook | None:
        async with installation.transaction() as tx:
            found = next((each for each in await list_connections(tx) if each.alias == alias.lower()), None)
            if found is None:
                return None
            now = installation.clock.now()
            shown = await org_outlook(tx, found.org_id, found.alias, now)
            if day_percent is None and own_percent is None:
                return shown
            day, own = day_percent or shown.day_percent, own_percent or shown.own_percent
            await set_budget(tx, found.org_id, day_percent=day, own_percent=own)
            return await org_outlook(tx, found.org_id, found.alias, now)

    org = with_installation(work, tenant)
    if org is None:
        refuse(f"No org {alias!r} is connected.", "`isthmus org list` shows those that are.")
    if as_json:
        print_json(plain(org))
    else:
        say(budget_line(org))


def budget_line(org: OrgOutlook) -> str:
    """Return one sentence on the API calls of an org."""
    limits = f"up to {org.day_percent} % of the day's calls, {org.own_percent} % by syncs"
    seen = org.forecast
    if seen is None:
        return f"{org.alias}: {limits}; its calls are not known before the first run"
    text = f"{org.alias}: {seen.used:,} of {seen.allowed:,} calls used in 24 hours ({seen.own:,} by syncs), {limits}"
    if seen.left == 0:
        return f"{text}; the budget is used up"
    if seen.used_up_at is not None:
        return f"{text}; at this pace the budget is used up at {local(seen.used_up_at)}"
    return f"{text}; {seen.left:,} left"


def local(at: datetime) -> str:
    """Return a time in the zone of this machine."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M %Z")


def plain(value: object) -> dict[str, object]:
    """Return a view as JSON can say it."""
    found: dict[str, object] = msgspec.to_builtins(value, enc_hook=str)
    return found
