"""Which records must not be deleted yet, or not at all, because others would go along that live on.

An org deletes the children of a record with it. Before a two-way sync carries a deletion it reads the children that the
other record has there, and the counterpart of each:

| the child's counterpart | the child | then |
|---|---|---|
| was deleted by somebody | was not changed since | it goes along |
| was deleted by somebody | was changed since | its parent is kept, and made again where it was deleted |
| was deleted by us, or there is none | | the same: the child is new, or lives on |
| lives, under another parent | | the deletion waits until the child is moved; what cannot be keeps its parent |

So no deletion takes along what nobody deleted, nor an edit that nobody has seen on the other side.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from isthmus.salesforce.query import Condition, FieldPath, OneOf, pages, soql_select
from isthmus.salesforce.records import Record
from isthmus.sync.flow.both import Both
from isthmus.sync.flow.counterparts import ID, QUERY_CHARS_MAX, TRACE, lots, trace_of
from isthmus.sync.flow.deciding import Trace, outlives
from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.flow.sides import asking
from isthmus.sync.model import Child, Step
from isthmus.values import ApiName

_DELETED = "IsDeleted"


@dataclass(slots=True)
class Spared:
    """Ids of records of the target that are not to be deleted: for good, or until a child has been moved."""

    kept: set[str] = field(default_factory=set[str])
    waiting: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True)
class _Found:
    """A child, or its counterpart."""

    row_id: str
    key: str | None
    parent: str | None
    trace: Trace
    deleted: bool


async def spared(step: Step, both: Both, parents: Sequence[str], *, kept: Collection[str] = ()) -> Spared:
    """Return which of `parents` (ids of the target) have a child that lives on. `kept`: children that surely do."""
    found = Spared()
    for child in step.children if parents else ():
        kids = [kid for lot in lots(parents, QUERY_CHARS_MAX) for kid in await _children(step, child, both, lot)]
        others = await _counterparts(step, child, both, kids)
        for kid in kids:
            if kid.parent is None:
                continue
            if kid.row_id in kept:
                found.kept.add(kid.parent)
                continue
            other = others.get(kid.row_id)
            if other is None or (other.deleted and (other.trace.ours or outlives(kid.trace, other.trace.modified))):
                found.kept.add(kid.parent)
            elif not other.deleted:
                found.waiting.add(kid.parent)
    return found


async def _children(step: Step, child: Child, both: Both, parents: Sequence[str]) -> list[_Found]:
    where = OneOf(FieldPath.of(child.lookup), parents)
    return await _read(both, TARGET, child.target, (ID, step.key, child.lookup, *TRACE), where, lookup=child.lookup)


async def _counterparts(step: Step, child: Child, both: Both, kids: Sequence[_Found]) -> dict[str, _Found]:
    """Return the counterpart of each child by the child's id: a live one, else the one that was deleted last."""
    found: dict[str, _Found] = {}
    names = (ID, step.key, *TRACE, _DELETED)
    natives, copies = [kid.row_id for kid in kids if kid.key is None], [kid.key for kid in kids if kid.key is not None]
    by_key = {kid.key: kid.row_id for kid in kids if kid.key is not None}
    for name, values in ((step.key, natives), (ID, copies)):
        for lot in lots(values, QUERY_CHARS_MAX):
            for other in await _read(both, SOURCE, child.source, names, OneOf(FieldPath.of(name), lot)):
                mine = other.key if name == step.key else by_key.get(other.row_id)
                known = found.get(mine or "")
                if mine is not None and (known is None or _counts_more(other, known)):
                    found[mine] = other
    return found


def _counts_more(one: _Found, other: _Found) -> bool:
    return (not one.deleted, one.trace.modified) > (not other.deleted, other.trace.modified)


async def _read(
    both: Both, side: int, name: str, select: Sequence[str], where: Condition, *, lookup: str | None = None
) -> list[_Found]:
    """Read records of one side; those in its recycle bin, too, where no `lookup` is wanted."""
    soql = soql_select(ApiName.parse(name), [FieldPath.of(each) for each in select], [where])
    found: list[_Found] = []
    with asking(side):
        async for batch in pages(both.sessions[side], soql, deleted=lookup is None):
            found += [_found(record, side, both, select, lookup) for record in batch.reveal()]
    return found


def _found(record: Record, side: int, both: Both, select: Sequence[str], lookup: str | None) -> _Found:
    row_id, key = record.get(ID), record.get(select[1])
    parent = record.get(lookup) if lookup is not None else None
    return _Found(
        row_id if isinstance(row_id, str) else "",
        key if isinstance(key, str) else None,
        parent if isinstance(parent, str) else None,
        trace_of(record, side, both, ()),
        record.get(_DELETED) is True,
    )
