"""What may be written of a pair whose records differ: pure, and the same answer in both directions.

| source's record | target's record | then |
|---|---|---|
| changed by somebody | last written by us, or carried already | it is written |
| changed by somebody | changed by somebody, not carried yet | a conflict: the policy decides, field by field |
| last written by us, or carried already | changed by somebody, not carried yet | left alone: that change is carried |
| carried already | written by us since | left alone: it may be what automation made of it |
| last written by us | carried already, or last written by us | it is written: automation changed what we wrote |

"Carried already" is certain only of what lies below the watermark. Between that and where reading had got to a change
may have been read before, or committed after it was read (a long transaction). Of such a change against our own writing
the former would cost a needless write, the latter somebody's edit: it counts as not carried then.

Nothing tells which *field* was changed, or what it held before: no value is kept, and field history is no part of the
API. So a conflict is a matter of the pair's differing fields, whoever changed them (docs/adr/0006).

With rules for single fields, a conflict may leave part of it for the other direction. Until that has written its part,
the record that has been joined is the newer one, and ours: it counts as changed then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from isthmus.sync.pairing import Pairing, Winner

TIE: Final = timedelta(seconds=2)
"""Times of two orgs that are nearer than this count as equal: clocks are compared to the second."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Who wrote a record last, and when by the clock of the sync's source.

    `uncarried`: no run has read this change yet, as far as the windows tell; they overlap, so rows are read twice.
    `unsure`: it lies where they overlap, so that it may as well have been committed after its time was read.
    """

    ours: bool
    modified: datetime
    uncarried: bool = True
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Which of the differing fields to write. `held`: none, a person decides. `decided`: the policy did.

    `echo`: both records were last written by us and differ all the same. `unsure`: the other side's change is carried,
    and this side's, which loses to it, may be one that nobody has read before.
    """

    write: tuple[str, ...] = ()
    held: bool = False
    decided: bool = False
    echo: bool = False
    unsure: bool = False


def decide(pairing: Pairing, source: Trace, target: Trace, differing: Sequence[str]) -> Decision:
    """Return what to write of the target's record; `differing` are the fields in which it differs from the row."""
    if not differing:
        return Decision()
    if not pairing.two_way:
        return Decision(tuple(differing))
    theirs, ours = _changed(target, source), _changed(source, target)
    if (theirs and ours) or (pairing.fields and _half_joined(source, target)):
        return _by_policy(pairing, source, target, differing)
    if theirs:
        winners = {pairing.fields.get(name, pairing.conflicts) for name in differing}
        return Decision(unsure=not source.ours and source.unsure and winners != {Winner.NEWEST})
    if _left_alone(source, target):
        return Decision()
    return Decision(tuple(differing), echo=source.ours and target.ours)


def _changed(one: Trace, other: Trace) -> bool:
    """Whether somebody changed this record and no run has carried it.

    What lies where windows overlap counts if it is later than what somebody else wrote into the other record: had it
    been carried, we would have written that record last.
    """
    late = one.unsure and not other.ours and one.modified - other.modified > TIE
    return not one.ours and (one.uncarried or late)


def _left_alone(source: Trace, target: Trace) -> bool:
    """Whether the other direction is to act, or what we wrote may stay as automation made it."""
    if source.ours and not target.ours and target.unsure:
        return True
    read_before = not source.ours and not source.uncarried and not source.unsure
    return read_before and target.ours and target.modified > source.modified


def _half_joined(source: Trace, target: Trace) -> bool:
    """Whether one record may be what a conflict made of both, and the other one still waits for its part."""
    if source.ours == target.ours:
        return False
    ours, other = (source, target) if source.ours else (target, source)
    return other.uncarried and ours.modified > other.modified


def _by_policy(pairing: Pairing, source: Trace, target: Trace, differing: Sequence[str]) -> Decision:
    newest = _newest(pairing, source, target)
    winners = {name: pairing.fields.get(name, pairing.conflicts) for name in differing}
    winners = {name: newest if winner is Winner.NEWEST else winner for name, winner in winners.items()}
    if Winner.HOLD in winners.values():
        return Decision(held=True)
    write = tuple(name for name in differing if winners[name] is Winner.SOURCE)
    both = not source.ours and not target.ours
    return Decision(write, decided=both and bool(write))


def _newest(pairing: Pairing, source: Trace, target: Trace) -> Winner:
    apart = source.modified - target.modified
    if abs(apart) <= TIE:
        return pairing.ties
    return Winner.SOURCE if apart > timedelta() else Winner.TARGET


def outlives(record: Trace, deleted_at: datetime) -> bool:
    """Whether a record was changed by somebody after its counterpart was deleted: then it is made again.

    Both directions ask this of the same two times, so that exactly one of them acts.
    """
    return not record.ours and record.modified - deleted_at > TIE
