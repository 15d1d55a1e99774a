"""History out of the bundles of earlier audits, for audits without a database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from isthmus.audit.bundle import FIGURES, BundleInvalid, Files
from isthmus.audit.figures import Report
from isthmus.audit.history import History, PoolPoint, SeenDeactivated
from isthmus.audit.model import UserRow
from isthmus.audit.verify import check_hashes, read_files


def history_of(places: Iterable[Path]) -> History:
    """Return what these bundles (folders or ZIP files) say about earlier seats. Raises `BundleInvalid`."""
    points: list[PoolPoint] = []
    deactivated: dict[str, datetime] = {}
    for place in places:
        files = read_files(place)
        check_hashes(files)
        report = _report(files)
        points.extend(points_of(report))
        for row in msgspec.json.Decoder(UserRow).decode_lines(files["users.jsonl"]):
            if not row.active:
                deactivated[row.id] = min(deactivated.get(row.id, report.taken_at), report.taken_at)
    return History(
        tuple(sorted(points, key=lambda point: (point.day, point.pool))),
        tuple(SeenDeactivated(user, at) for user, at in sorted(deactivated.items())),
    )


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
