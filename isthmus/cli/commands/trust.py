"""`isthmus trust`: the promises, computed on this installation."""

from __future__ import annotations

import click

from isthmus.cli.output import EXIT_DONE, EXIT_PARTIAL, print_json, say
from isthmus.cli.running import with_installation
from isthmus.trust.model import PromiseReport, Verdict
from isthmus.trust.service import TrustWorld, compute
from isthmus.wiring.installation import Installation

_STYLES = {Verdict.KEPT: "green", Verdict.WITHDRAWN: "bold red", Verdict.NOT_YET_KNOWN: "yellow"}


@click.command(name="trust")
@click.option("--tenant", help="The tenant's name or id, where there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, tenant: str | None, *, as_json: bool) -> None:
    """Compute every promise live: kept, withdrawn, or not yet known. Exit status 1 if one is withdrawn.

    \b
    Examples:
      isthmus trust
      isthmus trust --json > promises.json
    """

    async def work(installation: Installation) -> list[PromiseReport]:
        world = TrustWorld(installation.database, installation.keeper, installation.settings, installation.clock)
        return await compute(world, installation.ticket)

    reports = with_installation(work, tenant)
    if as_json:
        print_json([_plain(report) for report in reports])
    else:
        for report in reports:
            say(f"{report.verdict.value:>13}  {report.title}", style=_STYLES[report.verdict])
            say(f"               {report.statement}")
            for line in report.evidence:
                say(f"               · {line}", style="dim")
            if report.remedy:
                say(f"               → {report.remedy}", style="yellow")
    withdrawn = any(report.verdict is Verdict.WITHDRAWN for report in reports)
    ctx.exit(EXIT_PARTIAL if withdrawn else EXIT_DONE)


def _plain(report: PromiseReport) -> dict[str, object]:
    return {
        "key": report.key,
        "title": report.title,
        "verdict": report.verdict.value,
        "statement": report.statement,
        "mechanism": report.mechanism,
        "check": report.check,
        "limits": report.limits,
        "evidence": list(report.evidence),
        "remedy": report.remedy,
        "checked_at": report.checked_at.isoformat(),
    }
