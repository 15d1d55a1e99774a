"""`isthmus copy`: one copy, org to org, without a server."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click
from rich.progress import TaskID

from isthmus.cli.headless import find_mask_key, find_org
from isthmus.cli.output import print_json, print_table, progress_bar, refuse, say
from isthmus.cli.plans import (
    plain_estimate,
    plain_issue,
    plain_plan,
    plain_suggestion,
    print_estimate,
    print_plan,
    print_suggestions,
)
from isthmus.cli.running import judged_host, settings_here
from isthmus.cli.specs import read_spec
from isthmus.clock import SystemClock
from isthmus.config import Settings
from isthmus.sync.copy import CopyOrg, CopyResult, StepCount, copy_once
from isthmus.sync.model import Severity
from isthmus.sync.spec import SyncSpec


@click.command(name="copy")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--from", "source", required=True, metavar="NAME", help="The org to read from.")
@click.option("--to", "target", required=True, metavar="NAME", help="The org to write to.")
@click.option("--dry-run", is_flag=True, help="Draw the plan, count the rows, say what it would cost; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, file: Path, source: str, target: str, *, dry_run: bool, as_json: bool) -> None:
    """Move the records that FILE describes, once. Needs no database and no server.

    NAME stands for ISTHMUS_ORG_NAME_INSTANCE_URL and ISTHMUS_ORG_NAME_ACCESS_TOKEN. Running it again is safe: rows are
    upserted by their tracking field. Masks need a key in ISTHMUS_MASK_KEY. Exit status 1 if rows failed, 2 if the copy
    was refused or stopped.

    \b
    Examples:
      isthmus copy examples/accounts-contacts-opportunities.yaml --from prod --to uat --dry-run
      isthmus copy examples/accounts-contacts-opportunities.yaml --from prod --to uat --json
    """
    settings = settings_here()
    spec = read_spec(file)
    orgs = _org(source, settings), _org(target, settings)
    if _same_org(*orgs):
        refuse(
            f"{source} and {target} are the same org: the copy would double every record in it.",
            "Name two different orgs with --from and --to.",
        )
    result = _run(spec, *orgs, settings, dry_run=dry_run)
    if as_json:
        print_json(_plain(result))
    else:
        _print(result)
    ctx.exit(result.exit_status)


def _org(name: str, settings: Settings) -> CopyOrg:
    org = find_org(name, os.environ, None)
    if org is None:
        key = f"ISTHMUS_ORG_{name.upper().replace('-', '_')}"
        refuse(
            f"The environment knows no org {name!r}.",
            f"Set {key}_INSTANCE_URL and {key}_ACCESS_TOKEN (sf org display --json --target-org {name} shows both).",
        )
    return CopyOrg(judged_host(org, settings), org.token)


def _same_org(source: CopyOrg, target: CopyOrg) -> bool:
    """Whether both are one org: at one address, or with tokens that begin with one org's id."""
    ids = [org.token.reveal_text().partition("!")[0] for org in (source, target) if "!" in org.token.reveal_text()]
    return source.host.origin == target.host.origin or (len(ids) == len((source, target)) and ids[0] == ids[1])


def _run(spec: SyncSpec, source: CopyOrg, target: CopyOrg, settings: Settings, *, dry_run: bool) -> CopyResult:
    with progress_bar() as progress:
        tasks: dict[int, TaskID] = {}

        def shown(steps: tuple[StepCount, ...]) -> None:
            for number, step in enumerate(steps):
                if number not in tasks:
                    tasks[number] = progress.add_task(step.title, total=None, detail="")
                done = step.rows_written + step.rows_failed
                detail = f"{step.rows_read:,} read, {step.rows_written:,} written"
                detail += f", {step.rows_failed:,} failed" if step.rows_failed else ""
                progress.update(tasks[number], total=step.rows_expected or None, completed=done, detail=detail)

        return asyncio.run(
            copy_once(
                spec,
                source,
                target,
                settings=settings,
                clock=SystemClock(),
                dry_run=dry_run,
                on_progress=shown,
                mask_key=find_mask_key(os.environ),
            )
        )


def _print(result: CopyResult) -> None:
    if result.plan is None or result.dry_run:
        print_plan(result.plan, result.issues)
        print_suggestions(result.suggestions)
    if result.steps:
        head = ("step", "path", "rows", "read", "written", "failed")
        rows = [(s.title, s.path, s.rows_expected, s.rows_read, s.rows_written, s.rows_failed) for s in result.steps]
        print_table("Dry run: nothing was written" if result.dry_run else "Copied", head, rows)
    if result.estimate is not None:
        print_estimate(result.estimate)
    for failure in result.failures:
        at = f" ({failure.field})" if failure.field else ""
        what, style = ("failed", "yellow") if failure.failed else ("are worth a note", "dim")
        say(f"{failure.rows:,} rows of {failure.step} {what}: {failure.code}{at}", style=style)
        say(f"  {failure.cause} {failure.remedy}")
    say(
        f"{result.seconds:.1f} s; API calls: {result.calls_source} in the source, {result.calls_target} in the target",
        style="dim",
    )
    if result.message is not None:
        say(result.message, style="bold red")


def _plain(result: CopyResult) -> dict[str, object]:
    sandbox = result.sandbox
    what, _, remedy = (result.message or "").partition(". ")
    errors = [issue for issue in result.issues if issue.severity is Severity.ERROR]
    if errors and result.plan is None:
        what, remedy = f"{errors[0].where}: {errors[0].text}", errors[0].remedy
    refusal = {} if result.message is None else {"error": f"{what.rstrip('.')}.", "remedy": remedy}
    return {
        **refusal,
        "exit_status": result.exit_status,
        "dry_run": result.dry_run,
        "message": result.message,
        "seconds": round(result.seconds, 3),
        "api_calls": {"source": result.calls_source, "target": result.calls_target},
        "plan": None if result.plan is None else plain_plan(result.plan),
        "issues": [plain_issue(issue) for issue in result.issues],
        "suggestions": [plain_suggestion(suggestion) for suggestion in result.suggestions],
        "estimate": None if result.estimate is None else plain_estimate(result.estimate),
        "steps": [
            {
                "title": step.title,
                "path": step.path,
                "rows_expected": step.rows_expected,
                "rows_read": step.rows_read,
                "rows_written": step.rows_written,
                "rows_failed": step.rows_failed,
                "settled": step.settled,
            }
            for step in result.steps
        ],
        "failures": [
            {"step": f.step, "code": f.code, "field": f.field, "rows": f.rows, "cause": f.cause, "remedy": f.remedy}
            for f in result.failures
            if f.failed
        ],
        "mover": {
            "confined": None if sandbox is None else sandbox.confined,
            "landlock_abi": None if sandbox is None else sandbox.landlock_abi,
            "peak_rss_bytes": result.mover_peak_rss_bytes,
            "cpu_s": result.mover_cpu_s,
        },
    }
