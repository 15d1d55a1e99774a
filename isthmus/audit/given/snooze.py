"""Findings that are put off until a day: listed under a heading of their own, counted for no money until then.

A finding is known from audit to audit by its rule, its subject and its pool. The portal's service puts off one finding
of an audit; audits without a database take a CSV file (`--snooze`), one line for each finding. Columns: `rule`,
`subject` (a user name, a licence's key or name, or the record id that the report prints), `until` (ISO date, the last
day that it holds) and `reason` are needed; `pool` (a licence's key, name or id) tells the grants of one user apart.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import msgspec

from isthmus.audit.finding import Finding, Saving
from isthmus.audit.given.prices import PricesInvalid
from isthmus.audit.model import LicenseRow, PslRow
from isthmus.audit.snapshot import Snapshot

SNOOZES_MAX: Final = 100_000
REASON_LENGTH_MAX: Final = 200
RULE_FORM: Final = re.compile(r"R[0-9]{2}[a-z]?")
_COLUMNS: Final = frozenset({"rule", "subject", "until", "reason"})


class Snooze(msgspec.Struct, frozen=True):
    """A finding that is put off; `subject` and `pool` are ids. `until` is the last day on which it holds."""

    rule: str
    subject: str
    pool: str
    until: date
    reason: str


class Snoozes(msgspec.Struct, frozen=True):
    """Everything that is put off, as the audit uses it. `unmatched` lines of a file met nothing in this org."""

    findings: tuple[Snooze, ...] = ()
    unmatched: int = 0


class SnoozeLine(msgspec.Struct, frozen=True):
    """One line of the file, in the words of who wrote it; an empty `pool` means any."""

    rule: str
    subject: str
    until: date
    reason: str
    pool: str = ""


def parse_snoozes(unverified_text: str, name: str) -> tuple[SnoozeLine, ...]:
    """Return the lines of a snooze file. Raises `PricesInvalid` naming line and column."""
    reader = csv.DictReader(io.StringIO(unverified_text.removeprefix("\ufeff")))
    columns = {(column or "").strip().lower() for column in reader.fieldnames or ()}
    missing = sorted(_COLUMNS - columns)
    if missing:
        message = f"{name}: a column is missing. It needs: {', '.join(missing)}."
        raise PricesInvalid(message)
    found: list[SnoozeLine] = []
    for line, row in enumerate(reader, start=2):
        if len(found) >= SNOOZES_MAX:
            message = f"{name}: more than {SNOOZES_MAX} lines. Exempt people, or change the thresholds, instead."
            raise PricesInvalid(message)
        cells = {(k or "").strip().lower(): (v or "").strip() for k, v in row.items() if k is not None}
        found.append(_line(cells, f"{name}, line {line}"))
    return tuple(found)


def _line(cells: dict[str, str], where: str) -> SnoozeLine:
    rule, subject = cells.get("rule", ""), cells.get("subject", "")
    if RULE_FORM.fullmatch(rule) is None:
        message = f"{where}: the rule is missing or none. Write it as the report does, for example R08."
        raise PricesInvalid(message)
    if not subject:
        message = f"{where}: the subject is missing. Write a user name, a licence's key, or the report's record id."
        raise PricesInvalid(message)
    try:
        until = date.fromisoformat(cells.get("until", ""))
    except ValueError:
        message = f"{where}: until is no date. Write it as 2027-01-31; without an end, exempt the person instead."
        raise PricesInvalid(message) from None
    return SnoozeLine(rule, subject, until, checked_reason(cells.get("reason", ""), where), cells.get("pool", ""))


def checked_reason(unverified_text: str, where: str) -> str:
    """Return the reason. Raises `PricesInvalid` if there is none, or too much of it."""
    reason = unverified_text.strip()
    if not reason or len(reason) > REASON_LENGTH_MAX or not reason.isprintable():
        message = f"{where}: the reason is missing, too long or not one line of text. Say in a few words why."
        raise PricesInvalid(message)
    return reason


def resolve_snoozes(lines: Sequence[SnoozeLine], snapshot: Snapshot, *, named: bool = True) -> Snoozes:
    """Return which subjects and pools are meant. `named` False (pseudonymous reports) leaves out the reasons."""
    if not lines:
        return Snoozes()
    places = _Places(snapshot)
    met: dict[tuple[str, str, str], Snooze] = {}
    unmatched = 0
    for line in lines:
        meant = places.of(line)
        unmatched += not meant
        for subject, pool in meant:
            met[line.rule, subject, pool] = Snooze(line.rule, subject, pool, line.until, line.reason if named else "")
    return Snoozes(tuple(met[key] for key in sorted(met)), unmatched)


class _Places:
    """Subjects with the pools that findings about them can be in, by what a line may call them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._pools: dict[str, set[str]] = defaultdict(set)
        names = {user.id: user.username for user in snapshot.users}
        for user in snapshot.users:
            self._add((user.id, user.username), user.id, user.license or "")
        for grant in snapshot.assigns:
            self._add((grant.id, names.get(grant.user, "")), grant.id, grant.psl)
        rows: list[LicenseRow | PslRow] = [*snapshot.licenses, *snapshot.psls]
        for row in rows:
            called = {row.id, row.key, row.name, row.label}
            self._add(called, row.id, row.id)
            for name in called:
                self._pools[name.casefold()].add(row.id)

    def of(self, line: SnoozeLine) -> list[tuple[str, str]]:
        """Return the subjects and pools that the line means."""
        places = self._found.get(line.subject.casefold(), [])
        if not line.pool:
            return places
        pools = self._pools.get(line.pool.casefold(), set())
        return [place for place in places if place[1] in pools]

    def _add(self, names: Iterable[str], subject: str, pool: str) -> None:
        for name in {name.casefold() for name in names if name}:
            self._found[name].append((subject, pool))


def in_force(snoozes: Snoozes, today: date) -> dict[tuple[str, str, str], Snooze]:
    """Return what is put off today, by rule, subject and pool."""
    return {(item.rule, item.subject, item.pool): item for item in snoozes.findings if today <= item.until}


def put_off(findings: Iterable[Finding], snoozes: Snoozes, today: date) -> list[Finding]:
    """Return the findings; those that are put off today without money, saying until when and why."""
    held = in_force(snoozes, today)
    if not held:
        return list(findings)
    return [
        finding
        if (item := held.get((finding.rule, finding.subject_id, finding.pool))) is None
        else replace(finding, saving=Saving.NONE, snoozed_until=item.until, snooze_reason=item.reason)
        for finding in findings
    ]
