"""`isthmus sync show`, `runs` and `explain`: how syncs stand, what their codes mean."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import TypeVar
from uuid import UUID

import click
import msgspec

from isthmus.cli.commands.budget import budget_line, local, plain
from isthmus.cli.output import print_json, print_table, refuse, say
from isthmus.cli.running import with_installation
from isthmus.cli.syncs import named
from isthmus.sync.catalogue import catalogue
from isthmus.sync.errors import explain_end
from isthmus.sync.looking import run_detail, runs, sync_view
from isthmus.sync.model import EndReason
from isthmus.sync.telling.anomalies import Anomaly
from isthmus.sync.telling.outlook import Outlook, outlook, run_anomalies
from isthmus.sync.views import RunDetail, RunView, SyncView
from isthmus.values import RunId
from isthmus.wiring.installation import Installation

Result = TypeVar("Result")
_TENANT = click.option("--tenant", help="The tenant's name or id, where there are several.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_NAME = click.argument("name", metavar="NAME_OR_FILE")
RUNS_SHOWN = 20


def _with(work: Callable[[Installation], Awaitable[Result]], tenant: str | None) -> Result:
    return with_installation(work, tenant)


@click.command()
@_NAME
@click.option("--run", "run_id", type=click.UUID, help="Show one run with its failures by code.")
@_TENANT
@_JSON
def show(name: str, run_id: UUID | None, tenant: str | None, *, as_json: bool) -> None:
    """Show how a sync stands: schedule, next run, budgets of API calls, what is unusual, latest runs.

    \b
    Examples:
      isthmus sync show "Accounts to UAT"
      isthmus sync show "Accounts to UAT" --run 0b9d…
    """
    if run_id is not None:
        _show_run(RunId(run_id), tenant, as_json=as_json)
        return

    async def work(installation: Installation) -> tuple[SyncView | None, Outlook | None, list[RunView]]:
        sync = await named(installation, name)
        async with installation.transaction() as tx:
            return await sync_view(tx, sync), await outlook(tx, sync), await runs(tx, sync, rows_max=RUNS_SHOWN)

    view, stands, listed = _with(work, tenant)
    if view is None or stands is None:
        refuse("The sync is gone.", "`isthmus sync list` shows those that exist.")
    if as_json:
        print_json({"sync": plain(view), "outlook": plain(stands), "runs": [plain(run) for run in listed]})
        return
    say(f"{view.title}: {view.state.value}", style="bold")
    say(f"{view.source_alias} → {view.target_alias}, {stands.schedule}")
    if stands.due_at is not None:
        say(f"Next run: {local(stands.due_at)}, {stands.due_reason}")
    for org in stands.orgs:
        say(budget_line(org))
    if stands.failing_since is not None:
        say(f"In trouble since {local(stands.failing_since)}", style="bold red")
    _say_anomalies(stands.anomalies)
    for told in stands.notices[:3]:
        given_up = f", {told.given_up} given up" if told.given_up else ""
        say(f"Told {local(told.made_at)}: {told.kind}, {told.sent} channels{given_up}")
    _print_runs("Latest runs", listed)


@click.command(name="runs")
@_NAME
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many, newest first.")
@_TENANT
@_JSON
def runs_command(name: str, limit: int, tenant: str | None, *, as_json: bool) -> None:
    """List the runs of a sync, the newest first.

    \b
    Example:
      isthmus sync runs "Accounts to UAT" --limit 10
    """

    async def work(installation: Installation) -> list[RunView]:
        sync = await named(installation, name)
        async with installation.transaction() as tx:
            return await runs(tx, sync, rows_max=limit)

    listed = _with(work, tenant)
    if as_json:
        print_json([plain(run) for run in listed])
    else:
        _print_runs("Runs", listed)


@click.command()
@click.argument("code", required=False)
@_JSON
def explain(code: str | None, *, as_json: bool) -> None:
    """Say what a status code, or the end of a run, means and what to do. Without CODE: list all of them.

    \b
    Example:
      isthmus sync explain UNABLE_TO_LOCK_ROW
    """
    known = _explanations()
    if code is None:
        if as_json:
            print_json(list(known.values()))
        else:
            print_table("Codes", ("code", "cause"), [(entry["code"], entry["cause"]) for entry in known.values()])
        return
    entry = known.get(code.strip().upper())
    if entry is None:
        close = get_close_matches(code.upper(), known, n=3)
        refuse(
            f"No code is called {code!r}.", f"Did you mean {' or '.join(close)}?" if close else "Check its spelling."
        )
    if as_json:
        print_json(entry)
        return
    say(str(entry["code"]), style="bold")
    say(f"Cause:  {entry['cause']}")
    say(f"Remedy: {entry['remedy']}")
    if entry["again"] is not None:
        say("Rows with it are read again by themselves." if entry["again"] else "Rows with it wait for a retry.")


def _explanations() -> dict[str, dict[str, object]]:
    known: dict[str, dict[str, object]] = {
        entry.code: {"code": entry.code, "cause": entry.cause, "remedy": entry.remedy, "again": entry.again}
        for entry in catalogue().values()
    }
    for reason in EndReason:
        why = explain_end(reason)
        if why.cause:
            known[reason.name] = {"code": reason.name, "cause": why.cause, "remedy": why.remedy, "again": None}
    return known


def _show_run(run: RunId, tenant: str | None, *, as_json: bool) -> None:
    async def work(installation: Installation) -> tuple[RunDetail | None, tuple[Anomaly, ...]]:
        async with installation.transaction() as tx:
            return await run_detail(tx, run), await run_anomalies(tx, run)

    detail, unusual = _with(work, tenant)
    if detail is None:
        refuse("There is no such run.", "`isthmus sync runs NAME --json` shows the ids of runs.")
    if as_json:
        print_json({**msgspec.to_builtins(detail, enc_hook=str), "anomalies": [plain(each) for each in unusual]})
        return
    head = ("step", "path", "rows", "read", "written", "failed")
    rows = [(s.title, s.path, s.rows_expected, s.rows_read, s.rows_written, s.rows_failed) for s in detail.steps]
    print_table(f"{detail.title}: {detail.run.state.value}", head, rows)
    for outcome in detail.outcomes:
        at = f" ({outcome.field})" if outcome.field else ""
        say(f"{outcome.rows:,} rows of {outcome.step_title} failed: {outcome.code}{at}", style="yellow")
        say(f"  {outcome.cause} {outcome.remedy}")
    say(detail.message)
    _say_anomalies(unusual)


def _say_anomalies(anomalies: tuple[Anomaly, ...]) -> None:
    for anomaly in anomalies:
        say(f"Unusual: {anomaly.text}", style="yellow")
        say(f"  {anomaly.remedy}")


def _print_runs(title: str, listed: list[RunView]) -> None:
    head = ("began", "kind", "state", "read", "written", "failed", "calls", "run")
    rows = [
        (
            local(run.started_at or run.requested_at),
            run.kind,
            run.state.value,
            run.rows_read,
            run.rows_written,
            run.rows_failed,
            run.calls_source + run.calls_target,
            str(run.id),
        )
        for run in listed
    ]
    print_table(title, head, rows)


SYNC_COMMANDS = (show, runs_command, explain)
