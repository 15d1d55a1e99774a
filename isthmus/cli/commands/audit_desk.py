"""`isthmus audit snooze`, `snoozed`, `wake`, `portfolio`: findings that are put off, and several orgs side by side."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import click
import msgspec

from isthmus.audit import service
from isthmus.audit.desk.finding_pages import FindingRow, one_finding
from isthmus.audit.desk.snoozing import SnoozeRefused, SnoozeView, end_snooze, list_snoozes, snooze
from isthmus.audit.desk.views import AuditState
from isthmus.audit.evidence.bundle import BundleInvalid
from isthmus.audit.portfolio.portfolio import Portfolio
from isthmus.audit.portfolio.rows import portfolio_of, read_portfolio
from isthmus.cli.output import print_json, print_table, refuse, say
from isthmus.cli.running import with_installation
from isthmus.clock import SystemClock
from isthmus.values import AuditId
from isthmus.wiring.installation import Installation

_TENANT: Final = click.option("--tenant", help="The tenant's name or id, where there are several.")
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
PERSONS_SHOWN: Final = 20


@click.command(name="snooze")
@click.argument("name", metavar="ORG")
@click.argument("number", metavar="FINDING", type=click.IntRange(1))
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The last day on which it is put off.")
@click.option("--reason", required=True, help="Why, in a few words; the report says it.")
@_TENANT
@_JSON
def put_off(name: str, number: int, until: datetime, reason: str, tenant: str | None, *, as_json: bool) -> None:
    """Put a finding of a connected org's newest audit off: its next audits count it for no money up to that day.

    FINDING is its number in the report. It stays listed, under a heading of its own. Audits without an installation
    take a file instead: isthmus audit run --snooze FILE.

    \b
    Examples:
      isthmus audit snooze prod 17 --until 2027-03-31 --reason "on parental leave"
    """
    done = with_installation(lambda there: _put_off(there, name, number, until.date(), reason), tenant)
    if done is None:
        refuse(
            f"The newest audit of {name!r} has no finding {number}.",
            "See the report's numbers, or run: isthmus audit snoozed",
        )
    made, finding = done
    if as_json:
        print_json({"snooze": str(made), "finding": number, "rule": finding.rule, "until": until.date().isoformat()})
    else:
        say(f"{finding.rule} {finding.title}: {finding.subject} is put off until {until.date()}.")
        say(f"From the next audit of {name} on it counts for no money. Take it back: isthmus audit wake {made}")


@click.command(name="snoozed")
@_TENANT
@_JSON
def snoozed(tenant: str | None, *, as_json: bool) -> None:
    """List the findings that are put off, of all connected orgs.

    \b
    Examples:
      isthmus audit snoozed --json
    """
    found = with_installation(_snoozed, tenant)
    if as_json:
        print_json([_plain(view) for view in found])
        return
    if not found:
        say("No finding is put off. Put one off: isthmus audit snooze ORG FINDING --until DAY --reason TEXT")
        return
    rows = [
        (view.org, view.rule, view.subject or view.subject_id, view.pool_name, _day(view), view.reason, view.id)
        for view in found
    ]
    print_table("Put off", ("org", "rule", "subject", "licence", "until", "reason", "id"), rows)


@click.command(name="wake")
@click.argument("snooze_id", metavar="ID", type=click.UUID)
@_TENANT
@_JSON
def wake(snooze_id: UUID, tenant: str | None, *, as_json: bool) -> None:
    """Let a finding count again, from the org's next audit on. `isthmus audit snoozed` lists the ids.

    \b
    Examples:
      isthmus audit wake 5f0c7a52-0f0e-4d7e-9d0e-2f4c1c1c7a10
    """

    async def work(installation: Installation) -> bool:
        async with installation.transaction() as tx:
            return await end_snooze(tx, snooze_id)

    if not with_installation(work, tenant):
        refuse(f"Nothing is put off by the id {snooze_id}.", "See: isthmus audit snoozed")
    if as_json:
        print_json({"woken": str(snooze_id)})
    else:
        say("It counts again from the next audit on.")


@click.command(name="portfolio")
@click.argument("bundles", nargs=-1, type=click.Path(exists=True, path_type=Path))
@_TENANT
@_JSON
def side_by_side(bundles: tuple[Path, ...], tenant: str | None, *, as_json: bool) -> None:
    """Put several orgs side by side, and find persons who hold paid seats in more than one of them.

    With BUNDLES offline, the newest of each org; without, the newest audits of all connected orgs. Figures are added
    over orgs, never over currencies; what persons cost twice is at risk, and part of no other sum.

    \b
    Examples:
      isthmus audit portfolio
      isthmus audit portfolio north/bundle south/bundle --json
    """
    try:
        found = portfolio_of(bundles, SystemClock().now()) if bundles else with_installation(_portfolio, tenant)
    except BundleInvalid as invalid:
        refuse(f"A bundle cannot be used: {invalid}", "Run `isthmus audit verify` on each; audit again where it fails.")
    if as_json:
        print_json(_plain(found))
    else:
        _print(found)


async def _put_off(
    installation: Installation, name: str, number: int, until: date, reason: str
) -> tuple[UUID, FindingRow] | None:
    today = installation.clock.now().date()
    async with installation.transaction() as tx:
        audits = await service.list_audits(tx, rows_max=1000)
        newest = next((a for a in audits if a.alias == name.lower() and a.state is AuditState.DONE), None)
        if newest is None:
            refuse(f"No finished audit of {name!r} is here.", f"Audit it: isthmus audit run --org {name} --out FOLDER")
        finding = await one_finding(tx, AuditId(newest.id), number)
        try:
            made = await snooze(tx, AuditId(newest.id), number, until=until, reason=reason, today=today)
        except SnoozeRefused as refused:
            what, _, remedy = str(refused).partition(". ")
            refuse(f"{what.rstrip('.')}.", remedy)
    return (made, finding) if made is not None and finding is not None else None


async def _snoozed(installation: Installation) -> list[SnoozeView]:
    async with installation.transaction() as tx:
        return await list_snoozes(tx, installation.clock.now().date())


async def _portfolio(installation: Installation) -> Portfolio:
    async with installation.transaction() as tx:
        return await read_portfolio(tx, installation.clock.now())


def _plain(value: object) -> Any:
    return msgspec.to_builtins(value, enc_hook=str)


def _day(view: SnoozeView) -> str:
    return f"{view.until} (over)" if view.over else str(view.until)


def _print(found: Portfolio) -> None:
    if not found.orgs:
        say("No org is connected for audits yet. Connect one: isthmus org connect NAME --purpose audit")
        return
    rows: list[tuple[object, ...]] = []
    for org in found.orgs:
        summary = org.summary
        if summary is None:
            rows.append((org.org, "no finished audit", "", "", "", ""))
            continue
        money = (
            "withheld"
            if summary.money_withheld or summary.seats_unused is None
            else "; ".join(
                f"{total.currency} {total.reclaim_now:,.0f} / {total.cash_at_renewal:,.0f} / {total.at_risk:,.0f}"
                for total in summary.money
            )
        )
        grades = "/".join(_count(n) for n in (summary.seats_unused_a, summary.seats_unused_b, summary.seats_unused_c))
        row = (f"{org.age_days} days", summary.seats_assigned, _count(summary.seats_unused), grades, money)
        rows.append((org.org, *row))
    head = ("org", "audited before", "seats", "unused", "A/B/C", "a year: reclaim / renewal / at risk")
    print_table(f"{len(found.orgs)} orgs as of {found.as_of.astimezone(UTC):%Y-%m-%d}", head, rows)
    for org in found.orgs:
        for text in org.summary.withheld if org.summary is not None else ():
            say(f"{org.org}: {text}", style="yellow")
    totals = found.totals
    left_out = f" (without {', '.join(totals.without)})" if totals.without else ""
    say(f"Together: {totals.seats_assigned:,} seats, unused {_count(totals.seats_unused)}{left_out}", style="bold")
    for money in totals.money:
        apart = f", without {', '.join(money.without)}" if money.without else ""
        say(
            f"A year in {money.currency}, {money.orgs} orgs{apart}: reclaim now {money.reclaim_now:,.0f}, "
            f"cash at renewal {money.cash_at_renewal:,.0f}, at risk {money.at_risk:,.0f}"
        )
    _print_persons(found)


def _print_persons(found: Portfolio) -> None:
    persons = found.persons
    say(f"Persons with paid seats in several orgs: {persons.count:,}", style="bold")
    for risk in persons.at_risk:
        worth = "without a price" if risk.annual is None else f"{risk.annual:,.0f} {risk.currency} a year at risk"
        say(f"Grade {risk.grade}: {risk.seats:,} seats, {worth}")
    if persons.count:
        say(persons.note)
    if persons.not_compared:
        say(
            f"Not compared: {', '.join(persons.not_compared)} (pseudonymous, a sandbox, or without an audit)",
            style="yellow",
        )
    rows = [
        (
            p.grade,
            p.email or p.seats[0].name,
            ", ".join(p.basis),
            ", ".join(sorted({s.org for s in p.seats})),
            p.idle_org,
            _money(p.annual, p.currency),
        )
        for p in persons.persons[:PERSONS_SHOWN]
    ]
    if rows:
        print_table("Persons", ("grade", "person", "joined by", "orgs", "used least in", "a year"), rows)


def _count(count: int | None) -> str:
    return "withheld" if count is None else f"{count:,}"


def _money(amount: Decimal | None, currency: str | None) -> str:
    return "" if amount is None else f"{amount:,.2f} {currency}"


DESK: Final = (put_off, snoozed, wake, side_by_side)
