"""Which rows a window holds: its query, its bounds by the source's own clock, and where the next window may begin.

Reading goes up to `until`, one second past the source's clock, so that every row committed before is read. The next
window begins earlier, at `latestDateCovered` of getUpdated, asked before reading: a transaction that was open then and
commits later carries older stamps. Rows in between are read twice, which upsert makes harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from isthmus.salesforce.errors import Refused
from isthmus.salesforce.filter import Filter, parse_filter
from isthmus.salesforce.query import AllOf, AnyOf, Compare, Condition, FieldPath, Soql, soql_select
from isthmus.salesforce.session import Session
from isthmus.sync.flow.job import SOURCE
from isthmus.sync.flow.sides import Stopped, asking
from isthmus.sync.model import EndReason, Step, StepKind, Window
from isthmus.values import ApiName

OVERLAP: Final = timedelta(minutes=15)
"""How far back the next window begins where getUpdated is not there: a synchronous transaction takes ten minutes."""
IDLE_OVERLAP: Final = timedelta(minutes=75)
"""How far back it begins where nothing was found and getUpdated is not asked. Asynchronous transactions may take an
hour; to look that far back where nothing is costs nothing."""
COVERED_SPAN: Final = timedelta(minutes=10)
ID_LENGTH: Final = 18
CLOCK_STEP: Final = timedelta(seconds=1)


def query_of(step: Step, select: Sequence[str], window: Window | None, *, ordered: bool) -> Soql:
    """Return the query for the rows of `window` (None: all rows) that the step wants."""
    where: list[Condition] = []
    stamp = FieldPath.of(step.stamp)
    if window is not None:
        if window.since is not None:
            where.append(Compare(stamp, ">=", window.since))
        where.append(Compare(stamp, "<", window.until))
    if step.kind is StepKind.LINK:
        known = [
            Compare(FieldPath.of(name), "!=", None)
            for column in step.columns
            if column.target in step.links
            for name in column.reads
        ]
        where.append(known[0] if len(known) == 1 else AnyOf(known))
    if step.where is not None:
        parsed = parse_filter(step.where)
        if not isinstance(parsed, Filter):
            raise Stopped(EndReason.BUG)
        where.append(AllOf([parsed]))
    order = (stamp, FieldPath.of("Id")) if ordered else ()
    return soql_select(ApiName.parse(step.source), [FieldPath.of(name) for name in select], where, order_by=order)


def check_key(step: Step, key: object) -> None:
    """Refuse a source whose ids are not of 18 characters: shorter ones differ by capitals only, which keys do not."""
    if step.key_source.casefold() == "id" and not (isinstance(key, str) and len(key) == ID_LENGTH):
        raise Stopped(EndReason.UNEXPECTED_ANSWER)


async def server_until(session: Session) -> datetime:
    """Return the upper bound for a run that begins now."""
    with asking(SOURCE):
        return (await session.server_time()).replace(microsecond=0) + CLOCK_STEP


def began(window: Window) -> datetime:
    """Return when the run began that reads this window: what has happened since then it may not have seen."""
    return window.until - CLOCK_STEP


async def next_since(session: Session, step: Step, window: Window) -> datetime:
    """Return where the step's next window may begin. Ask before the first row is read."""
    end = began(window)
    with asking(SOURCE):
        try:
            covered = await session.covered_until(ApiName.parse(step.source), end - COVERED_SPAN, end)
        except Refused:
            return idle_since(window, session.clock.now(), OVERLAP)
    known = min(covered, end)
    return known if window.since is None else max(known, window.since)


def idle_since(window: Window, now: datetime, overlap: timedelta = IDLE_OVERLAP) -> datetime:
    """Return where the next window may begin if nothing was read, or the source does not say.

    `now` is our own clock's: the earlier of both counts, because a source whose clock runs ahead would otherwise have
    us skip what it stamps rightly from then on.
    """
    back = min(window.until, now) - overlap
    return max(back, window.since) if window.since is not None else back
