"""R17: a pool that is nearly used up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Severity, Subject
from isthmus.audit.forecast import SOON_WEEKS, Forecast, forecast
from isthmus.audit.given.history import by_week, weekly
from isthmus.audit.model import LicenseRow
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R17",
    title="Pool nearly used up",
    saves="nothing itself: seats found unused avoid the next purchase",
    doc=(
        "90 % or more of a licence's seats are used, or the forecast's upper end reaches all of them within eight "
        "weeks. Grade D: information, with how many seats R06, R07, R15, R09 and R08 found that can be used again "
        "before any are bought. More seats used than there are is R18."
    ),
    remedy="Before you buy seats, use again those that are listed as unused.",
)
USED_MIN_PERCENT: Final = 90
RECLAIM: Final = frozenset({"R06", "R07", "R08", "R09", "R15"})


def check(view: View, found: Sequence[Finding]) -> Iterator[Finding]:
    """Yield one finding for each licence that is nearly used up."""
    users = {(f.pool, f.subject_id) for f in found if f.rule in RECLAIM and f.grade in {Grade.A, Grade.B}}
    unused = Counter(pool for pool, _ in users)
    for row in view.snapshot.licenses:
        if not view.categories[row.id].seat_costs or row.status != "Active":
            continue
        if row.total == 0 or row.used > row.total:
            continue
        soon = forecast(_used(view, row), SOON_WEEKS)
        reached = isinstance(soon, Forecast) and soon.high >= row.total
        if row.used * 100 < USED_MIN_PERCENT * row.total and not reached:
            continue
        yield Finding(
            rule="R17",
            subject=Subject.LICENSE,
            subject_id=row.id,
            pool=row.id,
            severity=Severity.INFO,
            grade=Grade.D,
            why=_why(row, unused[row.id], reached=reached),
            facts=(
                Fact("seats", row.total),
                Fact("used", row.used),
                Fact("seats found unused, grade A or B", unused[row.id]),
                Fact("forecast in eight weeks, at most", soon.high if isinstance(soon, Forecast) else soon.why),
            ),
            quantity=row.total - row.used,
        )


def _used(view: View, row: LicenseRow) -> list[int]:
    past = [point for point in view.history.points if point.day < view.now.date()]
    return [*(point.assigned for point in by_week(weekly(past, row.id, view.now.date()))), row.used]


def _why(row: LicenseRow, again: int, *, reached: bool) -> str:
    text = f"{row.used} of {row.total} seats of {row.label} are used; {again} of them can be used again."
    return f"{text} All may be used within eight weeks." if reached else text
