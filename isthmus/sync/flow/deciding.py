"""What may be written of a pair whose records differ: pure, and the same answer in both directions.

| source's record | target's record | then |
|---|---|---|
| changed by somebody | last written by us, or carried already | it is written |
| changed by somebody | changed by somebody, not carried yet | a conflict: the policy decides, field by field |
| last written by us, or carried already | changed by somebody, not carried yet | left alone: that change is carried |
| carried already | written by us since | left alone: it may be what automation made of it |
| last written by us | carried already, or last written by us | it is written: automation changed what we wrote |

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
    """

    ours: bool
    modified: datetime
    uncarried: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """Which of the differing fields to write. `held`: none, a person decides. `decided`: the policy did.

    `echo`: both records were last written by us and differ all the same.
    """

    write: tuple[str, ...] = ()
    held: bool = False
    decided: bool = False
    echo: bool = False


def decide(pairing: Pairing, source: Trace, target: Trace, differing: Sequence[str]) -> Decision:
    """Return what to write of the target's record; `differing` are the fields in which it differs from the row."""
    if not differing:
        return Decision()
    if not pairing.two_way:
        return Decision(tuple(differing))
    foreign = not target.ours and target.uncarried
    if foreign and not source.ours and source.uncarried:
        return _by_policy(pairing, source, target, differing)
    if pairing.fields and _half_joined(source, target):
        return _by_policy(pairing, source, target, differing)
    read_again = not source.ours and not source.uncarried and target.ours and target.modified > source.modified
    if foreign or read_again:
        return Decision()
    return Decision(tuple(differing), echo=source.ours and target.ours)


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
