"""`isthmus sync`: syncs as YAML files, between the connected orgs of this installation."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click

from isthmus.cli.commands.decide import decide
from isthmus.cli.commands.org import parse_alias
from isthmus.cli.commands.saved import SAVED_COMMANDS
from isthmus.cli.commands.seeing import SYNC_COMMANDS
from isthmus.cli.comparing import compared, plain_comparison, print_comparison
from isthmus.cli.looking import Seen, look_at, plain_seen, print_seen
from isthmus.cli.output import EXIT_DONE, EXIT_PARTIAL, confirm, note, print_json, print_table, refuse, say
from isthmus.cli.plain_syncs import plain_calls, plain_run, plain_sync, standing
from isthmus.cli.planning import plain_planned, planned, print_planned
from isthmus.cli.plans import plain_issue, plain_plan, print_plan
from isthmus.cli.specs import read_text, spec_of
from isthmus.cli.syncs import activated, checked, ended, named, saved, told, view_of, with_syncs
from isthmus.sync import definitions
from isthmus.sync.flow.inspect import ROWS_SHOWN_MAX
from isthmus.sync.inspecting.relay import WorkerGone
from isthmus.sync.inspecting.viewing import LookBroken
from isthmus.sync.looking import list_syncs
from isthmus.sync.mending.rollbacks import request_rollback
from isthmus.sync.model import Drawn, Rejected, RunState, SyncState
from isthmus.sync.planning.compare import Comparison
from isthmus.sync.timing import timetable
from isthmus.sync.timing.beside import CallsBeside, calls_beside_runs
from isthmus.sync.timing.schedule import in_words
from isthmus.sync.views import RunDetail, SyncView
from isthmus.values import Alias, RunId
from isthmus.wiring.installation import Installation

_TENANT = click.option("--tenant", help="The tenant's name or id, where there are several.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
_FROM = click.option("--from", "source", callback=parse_alias, required=True, help="Alias of the org to read from.")
_TO = click.option("--to", "target", callback=parse_alias, required=True, help="Alias of the org to write to.")
_NAME = click.argument("name", metavar="NAME_OR_FILE")
_SIDES = ("source", "target")


@click.group(name="sync")
def command() -> None:
    """Plan, apply, run and watch syncs between connected orgs.

    \b
    Examples:
      isthmus sync plan accounts.yaml --from prod --to uat
      isthmus sync apply accounts.yaml --from prod --to uat
      isthmus sync list
    """


@command.command()
@_FILE
@_FROM
@_TO
@_TENANT
@_JSON
@click.option("--no-count", is_flag=True, help="Do not ask the source how many rows there are: no estimate.")
@click.pass_context
def plan(
    ctx: click.Context, file: Path, source: Alias, target: Alias, tenant: str | None, *, no_count: bool, as_json: bool
) -> None:
    """Show what FILE would change and what that would cost. Saves nothing and switches nothing on.

    Exit status 0 if the sync runs by this file already, 1 if `apply` would change something, 2 if it cannot be applied.

    \b
    Example:
      isthmus sync plan accounts.yaml --from prod --to uat
    """
    text = read_text(file)
    spec_of(text, str(file))
    result = with_syncs(lambda installation: planned(installation, text, source, target, count=not no_count), tenant)
    if as_json:
        print_json(plain_planned(result, None if result.sync is None else plain_sync(result.sync)))
    else:
        print_planned(result)
    ctx.exit(result.exit_status)


@command.command()
@_FILE
@_FROM
@_TO
@_TENANT
@_JSON
@click.pass_context
def apply(ctx: click.Context, file: Path, source: Alias, target: Alias, tenant: str | None, *, as_json: bool) -> None:
    """Save FILE, create missing tracking fields in the target, and switch the sync on.

    \b
    Example:
      isthmus sync apply accounts.yaml --from prod --to uat
    """
    text = read_text(file)
    spec_of(text, str(file))

    async def work(installation: Installation) -> tuple[SyncView | None, Drawn | Rejected]:
        sync = await saved(installation, text, source, target)
        outcome = await checked(installation, sync)
        if isinstance(outcome, Drawn):
            async with installation.transaction() as tx:
                outcome = await definitions.activate(tx, sync)
            note("Activating …")
            await activated(installation, sync)
        return await view_of(installation, sync), outcome

    view, outcome = with_syncs(work, tenant)
    _show_plan(view, outcome, as_json=as_json)
    active = view is not None and view.state is SyncState.ACTIVE
    if isinstance(outcome, Drawn) and not active and not as_json:
        say("The sync could not be activated; `isthmus sync list` shows why.", style="bold red")
    ctx.exit(EXIT_DONE if active else 2)


@command.command()
@_FROM
@_TO
@click.option("--object", "objects", multiple=True, help="Compare its fields: Account, or Invoice__c=Bill__c.")
@_TENANT
@_JSON
@click.pass_context
def compare(
    ctx: click.Context, source: Alias, target: Alias, objects: tuple[str, ...], tenant: str | None, *, as_json: bool
) -> None:
    """Compare the schemas of two orgs: objects, fields, types, picklist values, record types, rights.

    Works between connected orgs, and without a server between orgs from the environment, as `isthmus copy` does. Exit
    status 0 if nothing differs, 1 if something does, 2 if an org cannot be read.

    \b
    Examples:
      isthmus sync compare --from prod --to uat --object Account --object Contact
      isthmus sync compare --from bought --to uat --object Invoice__c=Bill__c --json
    """

    def work() -> Comparison:
        return compared(source, target, objects, tenant)

    found = told(work)
    if as_json:
        print_json(plain_comparison(found))
    else:
        print_comparison(found)
    ctx.exit(EXIT_DONE if found.same else EXIT_PARTIAL)


@command.command()
@_NAME
@_TENANT
@_JSON
@click.pass_context
def run(ctx: click.Context, name: str, tenant: str | None, *, as_json: bool) -> None:
    """Run an active sync now and wait for the result. Exit status 1 if rows failed.

    \b
    Example:
      isthmus sync run "Accounts to UAT"
    """
    _run(ctx, name, tenant, retry=False, as_json=as_json)


@command.command()
@_NAME
@click.option("--winner", type=click.Choice(_SIDES), help="Decide conflicts that are held: whose values stay.")
@_TENANT
@_JSON
@click.pass_context
def retry(ctx: click.Context, name: str, winner: str | None, tenant: str | None, *, as_json: bool) -> None:
    """Run again the windows in which rows failed. Upserts are idempotent, so nothing is doubled.

    \b
    Example:
      isthmus sync retry "Accounts to UAT"
      isthmus sync retry "Accounts both ways" --winner source
    """
    decided = None if winner is None else _SIDES.index(winner)
    _run(ctx, name, tenant, retry=True, winner=decided, as_json=as_json)


@command.command()
@_NAME
@click.option(
    "--rows", type=click.IntRange(1, ROWS_SHOWN_MAX), default=20, show_default=True, help="Show at most so many."
)
@click.option("--window", type=click.UUID, help="The failed window; the newest unless given.")
@_TENANT
@_JSON
@click.pass_context
def inspect(
    ctx: click.Context, name: str, rows: int, window: UUID | None, tenant: str | None, *, as_json: bool
) -> None:
    """Show rows that fail with the target's own words, and held conflicts with both sides. Exit status 1 if any.

    Nothing of a record is stored, so the rows of the failed window are read and tried once more (as a retry would);
    those that fail come to this terminal, sealed on their way, and are kept nowhere. `decide` asks what to do.

    \b
    Examples:
      isthmus sync inspect "Accounts to UAT"
      isthmus sync inspect "Accounts to UAT" --rows 5 --json
    """

    async def work(installation: Installation) -> Seen:
        return await look_at(installation, await named(installation, name), rows_max=rows, window=window)

    try:
        seen = with_syncs(work, tenant)
    except WorkerGone as gone:
        refuse(f"Nothing was shown: {gone}.", "`isthmus doctor` says whether the worker runs; then look again.")
    except LookBroken as broken:
        refuse(str(broken), "If it stays, report it: a part of this installation changes what it only hands on.")
    if as_json:
        print_json(plain_seen(name, seen))
    else:
        print_seen(name, seen)
    ctx.exit(2 if seen.looked.message else EXIT_PARTIAL if seen.looked.end.rows_failed else EXIT_DONE)


@command.command()
@click.argument("run", type=click.UUID)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_TENANT
@_JSON
@click.pass_context
def rollback(ctx: click.Context, run: UUID, tenant: str | None, *, yes: bool, as_json: bool) -> None:
    """Delete from the target what RUN created there; into its recycle bin. Needs a sync with `run_tag`.

    Records that were there before, or that a later run has written, stay as they are. The sync is inactive afterwards:
    `isthmus sync apply` begins at the beginning.

    \b
    Example:
      isthmus sync rollback 6f0c2f0e-9f53-4a7e-8f43-0d4c1d1b7a11
    """
    confirm(f"Delete everything that run {run} created in its target?", yes=yes)

    async def work(installation: Installation) -> RunDetail:
        async with installation.transaction() as tx:
            made = await request_rollback(tx, RunId(run))
        note("Deleting …")
        return await ended(installation, made)

    _show_run(ctx, with_syncs(work, tenant), as_json=as_json)


@command.command(name="list")
@_TENANT
@_JSON
def list_command(tenant: str | None, *, as_json: bool) -> None:
    """List the saved syncs with their state and last run.

    \b
    Example:
      isthmus sync list --json
    """

    async def work(installation: Installation) -> tuple[list[SyncView], dict[UUID, CallsBeside], dict[UUID, str]]:
        async with installation.transaction() as tx:
            syncs = await list_syncs(tx)
            schedules = {sync.id: await timetable.schedule_of(tx, sync.id) for sync in syncs}
            words = {sync: in_words(kept[0]) if kept else "" for sync, kept in schedules.items()}
            return syncs, await calls_beside_runs(tx), words

    syncs, beside, schedules = with_syncs(work, tenant)
    if as_json:
        print_json([{**plain_sync(sync), "calls_beside_runs": plain_calls(beside[sync.id])} for sync in syncs])
        return
    if not syncs:
        say("No sync is saved yet. Save one: isthmus sync apply FILE --from A --to B")
        return
    head = ("name", "from", "to", "state", "runs", "last run", "calls beside runs")
    rows = [
        (
            s.title,
            s.source_alias,
            s.target_alias,
            standing(s),
            schedules[s.id],
            s.last_run_state.value if s.last_run_state else "none yet",
            sum(plain_calls(beside[s.id]).values()),
        )
        for s in syncs
    ]
    print_table("Syncs", head, rows)


for _other in (*SYNC_COMMANDS, *SAVED_COMMANDS, decide):
    command.add_command(_other)


def _run(
    ctx: click.Context, name: str, tenant: str | None, *, retry: bool, as_json: bool, winner: int | None = None
) -> None:
    async def work(installation: Installation) -> RunDetail:
        sync = await named(installation, name)
        async with installation.transaction() as tx:
            run_id = await definitions.request_run(tx, sync, retry=retry, winner=winner)
        note("Running …")
        return await ended(installation, run_id)

    _show_run(ctx, with_syncs(work, tenant), as_json=as_json)


def _show_run(ctx: click.Context, detail: RunDetail, *, as_json: bool) -> None:
    if as_json:
        print_json(plain_run(detail))
    else:
        head = ("step", "path", "rows", "read", "written", "failed")
        rows = [(s.title, s.path, s.rows_expected, s.rows_read, s.rows_written, s.rows_failed) for s in detail.steps]
        print_table(f"{detail.title}: {detail.run.state.value}", head, rows)
        for outcome in detail.outcomes:
            at = f" ({outcome.field})" if outcome.field else ""
            what, style = ("failed", "yellow") if outcome.failed else ("are worth a note", "dim")
            say(f"{outcome.rows:,} rows of {outcome.step_title} {what}: {outcome.code}{at}", style=style)
            say(f"  {outcome.cause} {outcome.remedy}")
        if detail.message:
            say(detail.message)
    codes = {RunState.DONE: EXIT_DONE, RunState.PARTIAL: EXIT_PARTIAL}
    ctx.exit(codes.get(detail.run.state, 2))


def _show_plan(view: SyncView | None, outcome: Drawn | Rejected, *, as_json: bool) -> None:
    drawn = outcome.plan if isinstance(outcome, Drawn) else None
    if as_json:
        print_json(
            {
                "sync": None if view is None else plain_sync(view),
                "plan": None if drawn is None else plain_plan(drawn),
                "issues": [plain_issue(issue) for issue in outcome.issues],
            }
        )
        return
    print_plan(drawn, outcome.issues)
    if view is not None:
        say(f"{view.title}: {view.state.value}", style="bold")
