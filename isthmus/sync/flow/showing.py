"""The way of shown rows out of the mover: sealed one by one, and no more of them than were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from isthmus.salesforce.records import Record
from isthmus.salesforce.world import Report
from isthmus.sync.flow.mapping import Unsendable
from isthmus.sync.flow.sealing import Sealer
from isthmus.sync.flow.shown import Shown, ShownPair, ShownRow, shown_row
from isthmus.sync.model import Step

ROWS_SHOWN_MAX: Final = 50
SEALED: Final = b"\x01"
"""First byte of a message that only the viewer can read."""


class Showing:
    """What one look has shown so far."""

    def __init__(self, report: Report, sealer: Sealer, rows_max: int) -> None:
        """Show at most `rows_max` rows."""
        self._report = report
        self._sealer = sealer
        self._rows_max = min(rows_max, ROWS_SHOWN_MAX)
        self.shown = 0
        self.rows_tried = 0
        self.rows_failed = 0

    @property
    def full(self) -> bool:
        """Whether as many rows were shown as were asked for."""
        return self.shown >= self._rows_max

    async def rows(self, rows: Sequence[ShownRow]) -> None:
        """Show failing rows, as many as there is room for; all are counted."""
        self.rows_failed += len(rows)
        for row in rows[: self._rows_max - self.shown]:
            await self._send(Shown((row,)))

    async def pair(self, pair: ShownPair) -> None:
        """Show a held conflict; it is counted already."""
        await self._send(Shown(pairs=(pair,)))

    async def close(self) -> None:
        """Say that nothing follows."""
        await self._seal(Shown(last=True))

    async def _send(self, shown: Shown) -> None:
        self.shown += 1
        await self._seal(shown)

    async def _seal(self, shown: Shown) -> None:
        await self._report.send(SEALED + self._sealer.seal(msgspec.json.encode(shown)))


def unsendable_row(step: Step, record: Record, reason: Unsendable) -> ShownRow:
    """Return how a row is shown of which nothing can be sent: as it was read, but for what is masked."""
    masked = {name for c in step.columns if c.transform is not None and c.transform.mask for name in c.reads}
    column = None if reason.ordinal is None else step.columns[reason.ordinal].target
    told = {name: value for name, value in record.items() if name not in masked}
    return shown_row(told, reason.code, () if column is None else (column,), "")
