"""The login history of one reading: where it begins, what it may cost, its windows side by side. Runs in the mover.

A window is reported as a whole, and nothing of another in between: whoever keeps what was reported up to a
`WindowMessage` holds whole windows, and the rest can be read later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from isthmus.audit.collecting.collector import Collector, has_fields
from isthmus.audit.collecting.estimate import Counted, calls_estimated, groups_per_login
from isthmus.audit.collecting.logins import (
    Block,
    CollectFailed,
    Count,
    Groups,
    blocks,
    count_of,
    read_blocks,
)
from isthmus.audit.collecting.pace import Pace
from isthmus.audit.collecting.records import CountRecord, LoginGroupRecord, OldestRecord, instant_or_none
from isthmus.audit.model import (
    DAYS_KEPT,
    CollectFailure,
    Resume,
    UnknownWordMessage,
    Window,
    WindowMessage,
    WindowRead,
)
from isthmus.salesforce import audit_queries as q
from isthmus.salesforce.errors import Refused

READERS: Final = 4
"""Windows of LoginHistory that are read at the same time."""
WORD_LENGTH_MAX: Final = 80
CALLS_FREE: Final = 1_000
"""Up to so many calls for logins are made without asking what is left of the day's allowance."""
ALLOWANCE_PERCENT: Final = 25
"""The share of what is left of the day's allowance that reading logins may use."""
OLDER_LOGINS_UNAVAILABLE: Final = "older logins"
STATIC_PERCENT: Final = 10
LATE_LOGINS_MAX: Final = 10
LATE_PERCENT_MAX: Final = 1


async def read_history(collector: Collector, taken_at: datetime) -> None:
    """Read the logins up to `taken_at`, as far back as they go and may cost. Raises `CollectFailed`."""
    grouped = await _grouped_query(collector)
    if grouped is None:
        collector.unavailable.append("LoginHistory")
        return
    oldest = [instant_or_none(r.first_time) for r in await collector.select_all("logins_oldest", {}, OldestRecord)]
    known = [at for at in oldest if at is not None]
    if not known or min(known) >= taken_at:
        return
    earliest_kept = datetime.combine(taken_at.date() - timedelta(days=DAYS_KEPT - 1), datetime.min.time(), UTC)
    start = max(min(known).replace(microsecond=0), earliest_kept)
    count, groups = _asking(collector, grouped)
    counted = [(window, await count_of(window, count)) for window in blocks(start, taken_at)]
    ratio = await groups_per_login(counted, groups)
    collector.calls_estimated = collector.calls + _cost(counted, ratio)
    counted = await _affordable(collector, counted, ratio)
    collector.history_start = counted[0][0].since
    await _read_windows(collector, counted, taken_at, count, groups)


async def finish_history(collector: Collector, resume: Resume) -> None:
    """Read the windows that an interrupted reading had not done. Raises `CollectFailed`."""
    if collector.history_start is None:
        return
    grouped = await _grouped_query(collector)
    if grouped is None:  # it was visible when the reading began
        raise CollectFailed(CollectFailure.NOT_READABLE, "LoginHistory")
    count, groups = _asking(collector, grouped)
    if resume.newest is not None and not same_sight(resume.newest.logins, await count_of(resume.newest.window, count)):
        raise CollectFailed(CollectFailure.SIGHT_CHANGED, "LoginHistory")
    gaps = windows_left(Window(collector.history_start, resume.taken_at), resume.done)
    counted = [(window, await count_of(window, count)) for gap in gaps for window in blocks(gap.since, gap.until)]
    if len(await _affordable(collector, counted, await groups_per_login(counted, groups))) < len(counted):
        raise CollectFailed(CollectFailure.LIMITED, "LoginHistory")  # the hole would lie in the middle of the history
    await _read_windows(collector, counted, resume.taken_at, count, groups)


def same_sight(logins_then: int, logins_now: int) -> bool:
    """Whether two counts of a window can be one user's: none of its logins goes, and few become visible late.

    A user who has lost *Monitor Login History* sees their own logins only, without an error: half a history would be
    everybody's, the other half nobody's, and everybody would look inactive.
    """
    return logins_then <= logins_now <= logins_then + max(LATE_LOGINS_MAX, logins_then * LATE_PERCENT_MAX // 100)


def windows_left(whole: Window, done: Iterable[Window]) -> Iterator[Window]:
    """Yield what of `whole` no window of `done` covers, in order."""
    since = whole.since
    for window in sorted(done, key=lambda window: window.since):
        if since < window.since:
            yield Window(since, min(window.since, whole.until))
        since = max(since, window.until)
    if since < whole.until:
        yield Window(since, whole.until)


async def _grouped_query(collector: Collector) -> str | None:
    """Return the name of the grouped query that this org answers, or None if its logins are not visible."""
    describe = await collector.describe("LoginHistory")
    if not has_fields(describe, q.LOGIN_FIELDS):
        return None
    return "logins_subtype" if has_fields(describe, q.LOGIN_SUBTYPE_GROUPS) else "logins"


def _asking(collector: Collector, grouped: str) -> tuple[Count, Groups]:
    async def count(since: datetime, until: datetime) -> list[CountRecord]:
        return await collector.select_all("logins_count", {"since": since, "until": until}, CountRecord)

    async def groups(since: datetime, until: datetime) -> list[LoginGroupRecord]:
        return await collector.select_all(grouped, {"since": since, "until": until}, LoginGroupRecord)

    return count, groups


def _cost(counted: Counted, ratio: float) -> int:
    return sum(calls_estimated(window, logins, ratio) for window, logins in counted)


async def _affordable(collector: Collector, counted: Counted, ratio: float) -> Counted:
    """Return the newest blocks that a share of the day's API allowance pays for; note what is left out."""
    if _cost(counted, ratio) <= CALLS_FREE:
        return counted
    collector.note("limits", "GET /limits", 0)
    try:
        limits = await collector.session.limits()
    except Refused:
        return counted  # the allowance is not visible; a limit that is reached ends the audit with its own failure
    left = (limits.max - limits.used) * ALLOWANCE_PERCENT // 100
    kept = len(counted)
    while kept and _cost(counted[kept - 1 :], ratio) <= left:
        kept -= 1
    if kept == len(counted):
        raise CollectFailed(CollectFailure.LIMITED, "LoginHistory")
    if kept:
        collector.unavailable.append(OLDER_LOGINS_UNAVAILABLE)
    return counted[kept:]


async def _read_windows(
    collector: Collector, counted: Counted, taken_at: datetime, count: Count, groups: Groups
) -> None:
    """Read the windows, oldest first, a few at a time, and report each as it is done."""
    todo, pace, reporting = iter(counted), Pace(), asyncio.Lock()
    begin = collector.history_start or taken_at
    left = sum((window.until - window.since for window, _ in counted), timedelta())

    async def reader() -> None:
        nonlocal left
        for window, expected in todo:
            async for block in read_blocks(window, count, groups, pace, expected):
                async with reporting:  # nothing of another window may come in between
                    left -= block.window.until - block.window.since
                    await _report_block(collector, block)
                    share = 1 - left / (taken_at - begin)
                    await collector.progress(STATIC_PERCENT + int((100 - STATIC_PERCENT) * share))

    async with asyncio.TaskGroup() as readers:
        for _ in range(READERS):
            readers.create_task(reader())


async def _report_block(collector: Collector, block: Block) -> None:
    collector.login_rows += block.logins
    for rows in block.packed:
        await collector.send_packed("logins", rows)
    for (vocabulary, word), count in sorted(block.unknown.items()):
        await collector.send(UnknownWordMessage(vocabulary, word[:WORD_LENGTH_MAX], count))
    await collector.send(WindowMessage(WindowRead(block.window, block.logins), collector.so_far()))
