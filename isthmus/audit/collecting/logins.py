"""Reading LoginHistory by disjoint UTC windows. Runs in the mover.

1. The history is cut into blocks of `BLOCK_DAYS` days; one COUNT says how many logins a block has.
2. A block with more than `BLOCK_LOGINS_MAX` logins is cut into days, and a day into pieces of about as many logins
   each; all parts but the last are counted too.
3. Within a block grouped queries return its groups, over windows of a day or less (`audit.pace`).
4. A grouped query has no second page: a window with `GROUPS_MAX` groups is halved.
5. The groups' counts must add up to the block's COUNT, else the block is read again, and then refused.

Memory holds the packed groups of the blocks in hand, whatever the number of logins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Final

import msgspec

from isthmus.audit.collecting.pace import DAY, Pace
from isthmus.audit.collecting.records import CountRecord, LoginGroupRecord, instant
from isthmus.audit.collecting.vocabulary import Outcome, kind_of, outcome_of
from isthmus.audit.model import CollectFailure, LoginKind, LoginRow, Vocabulary, Window
from isthmus.salesforce.audit_queries import GROUPS_MAX
from isthmus.salesforce.errors import Refused

BLOCK_DAYS: Final = 7
BLOCK_LOGINS_MAX: Final = 75_000
BLOCK_LOGINS_AIMED: Final = 65_000
ATTEMPTS_MAX: Final = 3
WINDOW_SECONDS_MIN: Final = 2
PART_MIN: Final = timedelta(hours=1)
ROWS_PACKED: Final = 250
"""Rows of at most 200 bytes each that are packed together."""

Groups = Callable[[datetime, datetime], Awaitable[list[LoginGroupRecord]]]
Count = Callable[[datetime, datetime], Awaitable[list[CountRecord]]]
Words = tuple[str | None, str | None, str | None, str | None]
"""What decides the kind of a login: LoginType, LoginSubType, Application, Status."""


class CollectFailed(Exception):
    """The reading cannot be completed; `reason` says why, `of` names the object."""

    def __init__(self, reason: CollectFailure, of: str) -> None:
        """Keep both; neither can hold a value of the org."""
        super().__init__(f"{of}: {reason.value}")
        self.reason = reason
        self.of = of


@dataclass(slots=True)
class Block:
    """What was read of one block: rows to report, and words outside the tables.

    Rows wait until the block is whole: `packed`, as they will be reported, they take a third of the memory.
    """

    window: Window
    logins: int = 0
    packed: list[bytes] = field(default_factory=list[bytes])
    rows: list[LoginRow] = field(default_factory=list[LoginRow])
    unknown: Counter[tuple[Vocabulary, str]] = field(default_factory=Counter[tuple[Vocabulary, str]])
    _judged: dict[Words, tuple[LoginKind, Outcome]] = field(default_factory=dict[Words, tuple[LoginKind, Outcome]])

    def add(self, group: LoginGroupRecord, day: date) -> None:
        """Take one group in. Unknown words count as presence and are remembered."""
        self.logins += group.logins
        words = (group.login_type, group.subtype, group.application, group.status)
        judged = self._judged.get(words)
        if judged is None:  # a few dozen for thousands of groups: judging each again was half of the reading's time
            judged = self._judged[words] = kind_of(*words[:3]), outcome_of(group.status)
        kind, outcome = judged
        if kind is LoginKind.UNKNOWN:
            self.unknown[Vocabulary.LOGIN_TYPE, group.login_type or ""] += group.logins
        if outcome is Outcome.UNKNOWN:
            self.unknown[Vocabulary.LOGIN_STATUS, group.status or ""] += group.logins
        if group.user_id is None:
            return
        first = instant(group.first_time)
        last = first if group.last_time == group.first_time else instant(group.last_time)
        self.rows.append(LoginRow(group.user_id, day, kind, outcome is not Outcome.FAILURE, group.logins, first, last))

    def pack(self) -> None:
        """Pack the rows taken in since the last time, in JSON lists that fit in a message each."""
        for start in range(0, len(self.rows), ROWS_PACKED):
            self.packed.append(msgspec.json.encode(self.rows[start : start + ROWS_PACKED]))
        self.rows.clear()


def blocks(since: datetime, until: datetime, days: int = BLOCK_DAYS) -> Iterator[Window]:
    """Cut [since, until) into windows of `days` UTC days; the first begins and the last ends within its day."""
    start = since
    while start < until:
        midnight = datetime.combine(start.date(), datetime.min.time(), UTC)
        end = min(midnight + timedelta(days=days), until)
        yield Window(start, end)
        start = end


async def read_blocks(
    window: Window, count: Count, groups: Groups, pace: Pace, expected: int | None = None
) -> AsyncIterator[Block]:
    """Yield what `window` holds, in one block or in several; `expected`: its COUNT. Raises `CollectFailed`."""
    if expected is None:
        expected = await count_of(window, count)
    if expected == 0:
        yield Block(window)
        return
    if expected > BLOCK_LOGINS_MAX and window.until - window.since > PART_MIN:
        *parts, last = _parts(window, expected, pace)
        for part in parts:
            part_expected = await count_of(part, count)
            expected -= part_expected
            async for block in read_blocks(part, count, groups, pace, part_expected):
                yield block
        # What is left over is the last part's count, unless logins came or went in between: then it is counted.
        async for block in read_blocks(last, count, groups, pace, expected if expected > 0 else None):
            yield block
        return
    for _attempt in range(ATTEMPTS_MAX):
        block = await _read_block(window, groups, pace)
        if block.logins == expected:
            yield block
            return
        expected = await count_of(window, count)  # a login may have become visible, or the oldest one have left
    raise CollectFailed(CollectFailure.LOGIN_COUNT_DIFFERS, "LoginHistory")


async def count_of(window: Window, count: Count) -> int:
    """Return how many logins a window has."""
    return sum(record.logins for record in await count(window.since, window.until))


def _parts(window: Window, logins: int, pace: Pace) -> list[Window]:
    if window.until - window.since > DAY:
        return list(blocks(window.since, window.until, days=1))
    edges = pace.edges(window.since, window.until, ceil(logins / BLOCK_LOGINS_AIMED))
    return [Window(since, until) for since, until in pairwise(edges)]


async def _read_block(window: Window, groups: Groups, pace: Pace) -> Block:
    block = Block(window)
    for day in blocks(window.since, window.until, days=1):
        since = day.since
        while since < day.until:
            until = pace.until(since, day.until)
            while (records := await groups_or_none(since, until, groups)) is None:
                pace.learn(since, until, GROUPS_MAX)
                seconds = int((until - since).total_seconds()) // 2
                if seconds < WINDOW_SECONDS_MIN:
                    raise CollectFailed(CollectFailure.WINDOW_TOO_DENSE, "LoginHistory")
                until = since + timedelta(seconds=seconds)
            pace.learn(since, until, len(records))
            for record in records:
                block.add(record, day.since.date())
            block.pack()
            since = until
    return block


async def groups_or_none(since: datetime, until: datetime, groups: Groups) -> list[LoginGroupRecord] | None:
    """Return the window's groups, or None if there are too many for one answer."""
    try:
        records = await groups(since, until)
    except Refused as refused:
        if refused.code.name != "EXCEEDED_ID_LIMIT":
            raise
        return None
    return records if len(records) < GROUPS_MAX else None
