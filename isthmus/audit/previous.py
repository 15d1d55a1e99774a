"""History out of the bundles of earlier audits, for audits without a database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

import msgspec

from isthmus.audit.bundle import FIGURES, BundleInvalid, Files
from isthmus.audit.figures import Report
from isthmus.audit.history import History, PoolPoint, PoolWeek, SeenDeactivated
from isthmus.audit.model import UserRow
from isthmus.audit.verify import check_hashes, read_files


def history_of(places: Iterable[Path]) -> History:
    """Return what these bundles (folders or ZIP files) say about earlier seats. Raises `BundleInvalid`."""
    points: list[PoolPoint] = []
    deactivated: dict[str, datetime] = {}
    reports: list[Report] = []
    for place in places:
        files = read_files(place)
        check_hashes(files)
        report = _report(files)
        points.extend(points_of(report))
        reports.append(report)
        for row in msgspec.json.Decoder(UserRow).decode_lines(files["users.jsonl"]):
            if not row.active:
                deactivated[row.id] = min(deactivated.get(row.id, report.taken_at), report.taken_at)
    return History(
        tuple(sorted(points, key=lambda point: (point.day, point.pool))),
        tuple(SeenDeactivated(user, at) for user, at in sorted(deactivated.items())),
        _weeks_of(reports),
    )


def _weeks_of(reports: Iterable[Report]) -> tuple[PoolWeek, ...]:
    """Return who was there week by week, each week as the first audit after it saw it."""
    found: dict[tuple[date, str], PoolWeek] = {}
    for report in sorted(reports, key=lambda report: report.taken_at):
        for week in report.license_weeks:
            if week.people is not None and week.machines is not None:
                seen = PoolWeek(week.start, week.pool, week.people, week.machines)
                found.setdefault((week.start, week.pool), seen)
    return tuple(found[key] for key in sorted(found))


def points_of(report: Report) -> tuple[PoolPoint, ...]:
    """Return the report's seats by licence, as a later audit remembers them."""
    return tuple(
        PoolPoint(
            report.taken_at.date(),
            line.id,
            line.purchased,
            line.assigned,
            line.unused_a,
            line.unused_b,
            line.unused_c,
        )
        for line in report.licenses
    )


def _report(files: Files) -> Report:
    try:
        return msgspec.json.decode(files[FIGURES], type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = f"{FIGURES} is not what a bundle of this version has."
        raise BundleInvalid(message) from None
