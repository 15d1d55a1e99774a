"""History out of the bundles of earlier audits, for audits without a database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

import msgspec

from isthmus.audit.evidence.bundle import FIGURES, BundleInvalid, Files, users_of
from isthmus.audit.evidence.places import bundle_at
from isthmus.audit.evidence.verify import check_hashes
from isthmus.audit.figures import LicenseLine, LicenseWeek, Report
from isthmus.audit.given.history import History, PoolPoint, PoolWeek, SeenDeactivated


class Kept(msgspec.Struct, frozen=True):
    """What a later audit needs of a report: of many earlier ones of a large org no more is held."""

    taken_at: datetime
    licenses: tuple[LicenseLine, ...]
    license_weeks: tuple[LicenseWeek, ...] = ()


class OtherOrg(Exception):
    """An earlier bundle is of another org: its seats are not this org's history."""

    def __init__(self, place: Path, org: str, host: str, wanted: str) -> None:
        """Name both."""
        remedy = (
            "Name earlier bundles of the same org only. After a change of My Domain, audit the connected org: the "
            "installation knows it by its id."
        )
        self.lines = (
            f"--previous {place} is an audit of {org} ({host}), not of the org that is audited now ({wanted}).",
            remedy,
        )
        super().__init__(self.lines[0])


class _Whose(msgspec.Struct, frozen=True):
    org: str
    host: str


def check_org(places: Iterable[Path], host: str) -> None:
    """Raise `OtherOrg` for the first bundle that is not of the org at `host`, `BundleInvalid` for one that is none."""
    for place in places:
        with bundle_at(place) as opened:
            try:
                found = msgspec.json.decode(check_hashes(opened)[FIGURES], type=_Whose)
            except (msgspec.DecodeError, UnicodeDecodeError):
                message = f"{FIGURES} is not what a bundle of this version has."
                raise BundleInvalid(message) from None
        if found.host.casefold() != host.casefold():
            raise OtherOrg(place, found.org, found.host, host)


def history_of(places: Iterable[Path]) -> History:
    """Return what these bundles (folders or ZIP files) say about earlier seats. Raises `BundleInvalid`."""
    points: list[PoolPoint] = []
    deactivated: dict[str, datetime] = {}
    reports: list[Kept] = []
    for place in places:
        with bundle_at(place) as opened:
            files = check_hashes(opened)
            report = _report(files)
            points.extend(points_of(report))
            reports.append(report)
            for row in users_of(files):
                if not row.active:
                    deactivated[row.id] = min(deactivated.get(row.id, report.taken_at), report.taken_at)
    return History(
        tuple(sorted(points, key=lambda point: (point.day, point.pool))),
        tuple(SeenDeactivated(user, at) for user, at in sorted(deactivated.items())),
        _weeks_of(reports),
    )


def _weeks_of(reports: Iterable[Kept]) -> tuple[PoolWeek, ...]:
    """Return who was there week by week, each week as the first audit after it saw it."""
    found: dict[tuple[date, str], PoolWeek] = {}
    for report in sorted(reports, key=lambda report: report.taken_at):
        for week in report.license_weeks:
            if week.people is not None and week.machines is not None:
                seen = PoolWeek(week.start, week.pool, week.people, week.machines)
                found.setdefault((week.start, week.pool), seen)
    return tuple(found[key] for key in sorted(found))


def points_of(report: Report | Kept) -> tuple[PoolPoint, ...]:
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


def _report(files: Files) -> Kept:
    try:
        return msgspec.json.decode(files[FIGURES], type=Kept)
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = f"{FIGURES} is not what a bundle of this version has."
        raise BundleInvalid(message) from None
