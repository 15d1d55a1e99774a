"""`isthmus audit`: find paid seats that nobody uses, and recompute the evidence offline."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import click

from isthmus.audit.collecting.reading import MoverSetting
from isthmus.audit.evidence.bundle import BundleInvalid
from isthmus.audit.evidence.previous import OtherOrg, check_org, history_of
from isthmus.audit.evidence.verify import MadeByAnother, verify_bundle
from isthmus.audit.explain.explain import explainer_of
from isthmus.audit.explain.path import FigureUnknown
from isthmus.audit.failures import AuditFailed
from isthmus.audit.given.contract import parse_contract
from isthmus.audit.given.days import day_of, end_of
from isthmus.audit.given.exemptions import parse_exemptions
from isthmus.audit.given.options import AuditOptions, Thresholds
from isthmus.audit.given.prices import PricesInvalid, parse_customer_prices
from isthmus.audit.given.snooze import parse_snoozes
from isthmus.audit.given.thresholds import parse_settings
from isthmus.audit.model import ProgressMessage
from isthmus.audit.once import UNFINISHED_DIR, OnceResult, OutputRefused, audit_once, check_output, write_output
from isthmus.cli.audited import plain_audit, print_audit
from isthmus.cli.commands.audit_desk import DESK
from isthmus.cli.commands.audit_schedule import schedule
from isthmus.cli.explaining import ROWS_SHOWN, is_figure, print_explanation, print_figures
from isthmus.cli.headless import HeadlessOrg, find_org
from isthmus.cli.installed_audit import audit_connected
from isthmus.cli.output import EXIT_DONE, EXIT_PARTIAL, print_json, progress_bar, refuse, say
from isthmus.cli.running import judged_host, settings_here
from isthmus.clock import SystemClock
from isthmus.config import Settings
from isthmus.db.private_files import make_private_folder, write_private
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.lease import Lease
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.sandbox.libc import Libc
from isthmus.values import Purpose, Secret

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
PSEUDONYM_KEY_BYTES: Final = 32
WHOLE: Final = 100
HISTORY_MAX: Final = timedelta(days=184)
"""Six months, the longest ones: LoginHistory holds no more."""


@dataclass(frozen=True, slots=True)
class Given:
    """The files that the operator names."""

    prices: Path | None
    contract: Path | None
    exempt: Path | None
    thresholds: Path | None
    previous: tuple[Path, ...]
    snooze: Path | None = None

    def fields(self) -> list[str]:
        """Return the fields of a `Basis` that the operator's files replace."""
        named = {
            "prices": self.prices,
            "contract": self.contract,
            "exempt": self.exempt,
            "thresholds": self.thresholds,
            "history": self.previous,
            "snoozes": self.snooze,
        }
        return [field for field, given in named.items() if given]


@click.group(name="audit")
def command() -> None:
    """Find paid seats that nobody uses, by name, with money and evidence.

    \b
    Examples:
      isthmus audit run --org prod --out audit/
      isthmus audit verify audit/bundle
      isthmus audit explain audit/bundle seats_unused
    """


command.add_command(schedule)
for desk_command in DESK:
    command.add_command(desk_command)


@command.command()
@click.option("--org", "name", required=True, help="An org of the environment or of `sf`, or a connected org's alias.")
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the documents."
)
@click.option(
    "--prices", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What you pay (CSV or TOML)."
)
@click.option("--contract", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Your contract (CSV).")
@click.option(
    "--exempt",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Who is excused, until when (CSV).",
)
@click.option(
    "--snooze",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Which findings are put off, until when (CSV).",
)
@click.option(
    "--settings", "thresholds", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Thresholds (TOML)."
)
@click.option(
    "--previous",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="An earlier audit's bundle; may be repeated. Eight weeks of them give required seats.",
)
@click.option("--pseudonymous", is_flag=True, help="Replace names by keyed hashes; the key stays on this machine.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Judge as of the end of this day.")
@click.option("--sf", is_flag=True, help="Read the answer of `sf org display --json` from standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.pass_context
def run(
    ctx: click.Context,
    name: str,
    out: Path,
    prices: Path | None,
    contract: Path | None,
    exempt: Path | None,
    snooze: Path | None,
    thresholds: Path | None,
    previous: tuple[Path, ...],
    as_of: datetime | None,
    *,
    pseudonymous: bool,
    sf: bool,
    as_json: bool,
) -> None:
    """Read an org's licences and logins, and write report.pdf, report.xlsx, findings.csv, report.json and bundle/.

    Sends only the requests that the report lists. Exit status 1 if a figure had to be withheld.

    \b
    Examples:
      isthmus audit run --org prod --out audit/
      sf org display --json --target-org prod | isthmus audit run --org prod --sf --out audit/
      isthmus audit run --org prod --out audit/ --prices paid.csv --contract contract.csv --pseudonymous
    """
    settings = settings_here()
    given = Given(prices, contract, exempt, thresholds, previous, snooze)
    org = find_org(name, os.environ, sys.stdin.read() if sf else None)
    options = _options(settings, given, as_of, org, pseudonymous=pseudonymous)
    try:
        if org is None:
            check_output(out)
            judged = audit_connected(name, options, given.fields(), previous)
            report, files = judged.report, write_output(judged, out)
        else:
            result = _run_headless(org, out, options, settings)
            report, files = result.report, result.files
    except (AuditFailed, OutputRefused) as failed:
        what, _, remedy = str(failed).partition(". ")
        refuse(f"{what.rstrip('.')}.", remedy or "Run `isthmus doctor`; it says what is wrong.")
    if as_json:
        print_json(plain_audit(report, files))
    else:
        print_audit(report, files)
    ctx.exit(EXIT_PARTIAL if report.withheld else EXIT_DONE)


@command.command()
@click.argument("bundle", type=click.Path(exists=True, path_type=Path))
@click.option("--fingerprint", help="The fingerprint that the report prints: proves that it is that report's bundle.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(bundle: Path, fingerprint: str | None, *, as_json: bool) -> None:
    """Recompute every figure of an evidence bundle, offline; name the first difference. Exit status 2 if there is one.

    \b
    Examples:
      isthmus audit verify audit/bundle
      isthmus audit verify bundle.zip --fingerprint 9f2c…
    """
    try:
        verified = verify_bundle(bundle, fingerprint)
    except MadeByAnother as other:
        refuse(str(other), other.remedy)
    except BundleInvalid as invalid:
        refuse(f"The bundle does not verify: {invalid}", "Do not rely on it. Ask for the original, or audit again.")
    if as_json:
        print_json({"files": verified.files, "figures": verified.figures, "fingerprint": verified.fingerprint})
    else:
        say(f"Verified: {verified.figures:,} figures follow from {verified.files} files.", style="bold green")
        say(f"Fingerprint {verified.fingerprint}")


@command.command()
@click.argument("bundle", type=click.Path(exists=True, path_type=Path))
@click.argument("figure", required=False)
@click.option("--rows", "rows_max", default=ROWS_SHOWN, type=click.IntRange(0), help="Rows to show; 0 for all.")
@click.option("--fingerprint", help="The fingerprint that the report prints: proves that it is that report's bundle.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(bundle: Path, figure: str | None, rows_max: int, fingerprint: str | None, *, as_json: bool) -> None:
    """Say where a figure of a report comes from: rows, rule, settings, requests. Offline.

    FIGURE is a path of report.json, or the number of a finding. Without it, or for a part of the report, the figures
    that there are get listed. The bundle is verified first; exit status 2 if it does not verify.

    \b
    Examples:
      isthmus audit explain audit/bundle seats_unused
      isthmus audit explain audit/bundle 'licenses[SFDC].active_90' --rows 0
      isthmus audit explain bundle.zip 17
      isthmus audit explain audit/bundle money
    """
    try:
        told = explainer_of(bundle, fingerprint)
        answer = told.explain(figure) if figure and is_figure(told, figure) else None
        listed = None if answer else told.find(figure or "")
    except MadeByAnother as other:
        refuse(str(other), other.remedy)
    except BundleInvalid as invalid:
        refuse(f"The bundle does not verify: {invalid}", "Nothing is explained of it. Ask for the original.")
    except FigureUnknown as unknown:
        refuse(str(unknown), "`isthmus audit explain BUNDLE` lists the figures.")
    if answer is not None:
        print_explanation(told, answer, rows_max=rows_max, as_json=as_json)
    elif listed is not None:
        print_figures(told, *listed, as_json=as_json)


def _options(
    settings: Settings, given: Given, as_of: datetime | None, org: HeadlessOrg | None, *, pseudonymous: bool
) -> AuditOptions:
    prices, contract, exempt, thresholds = given.prices, given.contract, given.exempt, given.thresholds
    try:
        if org is not None:
            check_org(given.previous, judged_host(org, settings).origin.partition("://")[2])
        decided = Thresholds() if thresholds is None else parse_settings(_text(thresholds), thresholds.name)
        now = SystemClock().now()
        return AuditOptions(
            thresholds=decided,
            prices=() if prices is None else parse_customer_prices(_text(prices), prices.name),
            contract=() if contract is None else parse_contract(_text(contract), contract.name),
            exemptions=() if exempt is None else parse_exemptions(_text(exempt), exempt.name),
            history=history_of(given.previous),
            as_of=None if as_of is None else _end_of(as_of.date(), now, decided.time_zone),
            pseudonym_key=_pseudonym_key(settings) if pseudonymous else None,
            snooze_lines=() if given.snooze is None else parse_snoozes(_text(given.snooze), given.snooze.name),
        )
    except OtherOrg as other:
        refuse(*other.lines)
    except BundleInvalid as invalid:
        refuse(f"--previous: {invalid}", "Name the bundle folder or bundle.zip of an earlier audit.")
    except PricesInvalid as invalid:
        what, _, remedy = str(invalid).partition(". ")
        refuse(f"{what}.", remedy or "See `isthmus audit run --help`.")


def _text(file: Path) -> str:
    with file.open("rb") as opened:
        content = opened.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        refuse(f"{file.name} is larger than 4 MiB.", "Keep one line for each product.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        refuse(f"{file.name} is not UTF-8 text.", "Save it as CSV UTF-8.")


def _end_of(day: date, now: datetime, zone: str) -> datetime:
    """Return the end of a day of a zone, or now where it is not over. A day to come would call everybody unused."""
    remedy = "Name a day of the past six months, or leave --as-of out."
    today = day_of(now, zone)
    if day > today:
        refuse(f"--as-of {day} has not been yet.", remedy)
    if day < today - HISTORY_MAX:
        refuse(f"--as-of {day} lies before all login history: Salesforce keeps it for six months.", remedy)
    return min(end_of(day, zone), now)


def _pseudonym_key(settings: Settings) -> Secret:
    """Return this machine's key for pseudonyms, made at first use: the same key gives the same pseudonyms."""
    path = settings.secrets_dir / "pseudonym-key"
    if not path.exists():
        make_private_folder(settings.secrets_dir)
        write_private(path, secrets.token_bytes(PSEUDONYM_KEY_BYTES))
    return Secret(path.read_bytes())


def _run_headless(org: HeadlessOrg, out: Path, options: AuditOptions, settings: Settings) -> OnceResult:
    Libc().give_back_large_blocks()
    host = judged_host(org, settings)
    endpoint = Endpoint(uuid4(), host.origin, Purpose.AUDIT, API_VERSION_DEFAULT)
    mover = MoverSetting(settings.allow_loopback_http, settings.allow_no_sandbox, settings.ca_file)
    with progress_bar() as progress:
        task = progress.add_task(f"Reading {org.name}", total=WHOLE, detail="")

        def shown(message: ProgressMessage) -> None:
            doing = f"Reading {org.name}" if message.percent < WHOLE else f"Judging {org.name}, writing the documents"
            detail = f"{message.rows:,} rows, {message.api_calls:,} API calls"
            progress.update(task, description=doing, completed=message.percent, detail=detail)

        try:
            return asyncio.run(
                audit_once(
                    endpoint,
                    Lease(org.token, host),
                    org=org.name,
                    out_dir=out,
                    options=options,
                    mover=mover,
                    clock=SystemClock(),
                    on_progress=shown,
                )
            )
        except KeyboardInterrupt:
            unfinished = out / UNFINISHED_DIR
            if not unfinished.is_dir():
                raise
            refuse(
                f"Stopped; what was read so far lies in {unfinished}, which only you may open.",
                "The same command goes on from there within 24 hours. Delete the folder to begin anew.",
            )
