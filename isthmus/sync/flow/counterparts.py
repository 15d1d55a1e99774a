"""The other record of each row's pair, read before anything is written: live, or deleted and still in the recycle bin.

A row that is native to its org is held in the other one under its id, in the key field; a row that carries a key itself
is the copy of a record of the other org, which is found by its Id. Whole pages are looked up with as few calls as the
length of a request admits; everything is forgotten with the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from isthmus.salesforce import routes
from isthmus.salesforce.errors import Unexpected
from isthmus.salesforce.query import Condition, FieldPath, OneOf, pages, soql_select
from isthmus.salesforce.records import Cell, Record
from isthmus.sync.flow.both import Both
from isthmus.sync.flow.deciding import Trace
from isthmus.sync.flow.job import TARGET, WindowJob
from isthmus.sync.flow.sides import asking
from isthmus.sync.model import ColumnKind, Step
from isthmus.values import ApiName

ID: Final = "Id"
STAMP: Final = "SystemModstamp"
MODIFIED: Final = "LastModifiedDate"
MODIFIED_BY: Final = "LastModifiedById"
TRACE: Final = (MODIFIED_BY, MODIFIED, STAMP)
_DELETED: Final = "IsDeleted"
QUERY_CHARS_MAX: Final = 14_000
"""A request's address and headers take 16,384 bytes; this much is left for a query once it is encoded."""
VALUES_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A record of the target. Shows nothing of it."""

    row_id: str
    key: str | None
    values: Record
    trace: Trace
    deleted: bool
    unloaded: bool = False
    """Somebody changed it, and the load of the other direction has yet to see that, though the pass of links has."""

    def __repr__(self) -> str:
        """Show that there is one, nothing more."""
        return "<Counterpart>"


@dataclass(slots=True)
class Index:
    """The counterparts of a page, by the key that they hold and by their own id."""

    live_by_key: dict[str, Counterpart] = field(default_factory=dict[str, Counterpart])
    live_by_id: dict[str, Counterpart] = field(default_factory=dict[str, Counterpart])
    gone_by_key: dict[str, Counterpart] = field(default_factory=dict[str, Counterpart])
    gone_by_id: dict[str, Counterpart] = field(default_factory=dict[str, Counterpart])

    def add(self, found: Counterpart) -> None:
        """Take one; of several deleted ones with the same key the one that was deleted last counts."""
        by_key, by_id = (self.gone_by_key, self.gone_by_id) if found.deleted else (self.live_by_key, self.live_by_id)
        by_id[found.row_id] = found
        if found.key is not None:
            known = by_key.get(found.key)
            if known is None or known.trace.modified < found.trace.modified:
                by_key[found.key] = found

    def __repr__(self) -> str:
        """Show counts, nothing more."""
        return f"<Index of {len(self.live_by_id)} live and {len(self.gone_by_id)} deleted>"


class Counterparts:
    """Reads the target's records of one step."""

    def __init__(
        self,
        step: Step,
        both: Both,
        uncarried: Sequence[WindowJob],
        overlap_since: datetime | None = None,
        unloaded: Sequence[WindowJob] = (),
    ) -> None:
        """Lay out the query. `uncarried`: spans of change that the other direction has not read yet.

        From `overlap_since` on it will read what it has read once more. `unloaded`: see `StepJob`.
        """
        self._unloaded = unloaded
        self._overlap_since = overlap_since
        self._step = step
        self._both = both
        self._uncarried = uncarried
        self._two_way = step.pairing is not None and step.pairing.two_way
        self._select = self._names()

    async def of(self, natives: Sequence[str], copies: Sequence[str]) -> Index:
        """Return the records that hold one of `natives` as their key, and those whose id is one of `copies`."""
        index = Index()
        for name, values in ((self._step.key, natives), (ID, copies)):
            for lot in lots(values, QUERY_CHARS_MAX - len(quote(",".join(self._select)))):
                for found in await self.where(OneOf(FieldPath.of(name), lot)):
                    index.add(found)
        return index

    async def where(self, *conditions: Condition) -> list[Counterpart]:
        """Return the target's records that meet all conditions, deleted ones too if the sync goes both ways."""
        select = [FieldPath.of(name) for name in self._select]
        soql = soql_select(ApiName.parse(self._step.target), select, conditions)
        found: list[Counterpart] = []
        with asking(TARGET):
            async for batch in pages(self._both.sessions[TARGET], soql, deleted=self._two_way):
                found += [self._counterpart(record) for record in batch.reveal()]
        return found

    def _names(self) -> tuple[str, ...]:
        names = [ID, self._step.key, *((*TRACE, _DELETED) if self._two_way else ())]
        for column in (*self._step.columns, *self._step.clears):
            names.append(column.target)
            if column.kind is ColumnKind.PARENT and column.relationship and column.parent_key:
                names.append(f"{column.relationship}.{column.parent_key}")
        return tuple({name.casefold(): name for name in names}.values())

    def _counterpart(self, record: Record) -> Counterpart:
        row_id, key = record.get(ID), record.get(self._step.key)
        if not isinstance(row_id, str):
            raise Unexpected(routes.QUERY)
        trace = _NOBODY
        if self._two_way:
            trace = trace_of(record, TARGET, self._both, self._uncarried, self._overlap_since)
        unloaded = self._unloaded and not trace.ours and not trace.uncarried
        stamp = instant_of(record.get(STAMP)) if unloaded else None
        return Counterpart(
            row_id,
            key if isinstance(key, str) else None,
            record,
            trace,
            record.get(_DELETED) is True,
            stamp is not None and any(_within(stamp, window) for window in self._unloaded),
        )


_NOBODY: Final = Trace(ours=True, modified=datetime.min.replace(tzinfo=UTC), uncarried=False)


def trace_of(
    record: Record, side: int, both: Both, uncarried: Sequence[WindowJob], overlap_since: datetime | None = None
) -> Trace:
    """Return who wrote a record of that side last and when; raises `Unexpected` if the org does not say."""
    stamp = instant_of(record.get(STAMP))
    fresh = any(_within(stamp, window) for window in uncarried)
    return Trace(
        ours=both.is_ours(side, record.get(MODIFIED_BY)),
        modified=both.common(side, instant_of(record.get(MODIFIED))),
        uncarried=fresh,
        unsure=not fresh and overlap_since is not None and stamp >= overlap_since,
    )


def instant_of(value: Cell) -> datetime:
    """Return an org's time; raises `Unexpected` if it is none."""
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise Unexpected(routes.QUERY)
    return instant


def lots(values: Sequence[str], room: int) -> Iterator[list[str]]:
    """Cut `values` so that each part, quoted and encoded, fits into `room` characters of a request."""
    lot: list[str] = []
    length = 0
    for value in dict.fromkeys(values):
        grown = len(quote(f"'{value}',"))
        if lot and (length + grown > room or len(lot) >= VALUES_MAX):
            yield lot
            lot, length = [], 0
        lot.append(value)
        length += grown
    if lot:
        yield lot


def _within(stamp: datetime, window: WindowJob) -> bool:
    return (window.since is None or stamp >= window.since) and (window.until is None or stamp < window.until)
