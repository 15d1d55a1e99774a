"""Planted faults of two-way syncs: each takes one guard away or turns one comparison round. A story or a scene must notice.

| plant | what it takes away |
|---|---|
| nobody_is_us | the first guard: who wrote a record last |
| everything_differs | the second guard: what is equal is not written |
| watermark_too_far | a window ends where the next begins |
| nothing_is_uncarried | changes of the other side that nobody has carried yet |
| ours_is_carried_back | deletions that we carried ourselves are known as ours |
| bin_is_not_looked_at | what was deleted is not made again |
| copies_are_natives | copies go back to their original by its Id |
| parents_by_key_only | parents that are copies are named by their original's Id |
| clocks_are_one | the difference of the two orgs' clocks |
| deletion_always_wins | a change after a deletion keeps the record |
| newest_is_oldest | the later of two changes |
| bereft_are_forgotten | records that live on, though their counterparts are gone |
| children_are_not_looked_at | children that would go along with their parent |
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from isthmus.sync.flow import counterparts, deciding, pairs, pump, removing_pairs, sparing
from isthmus.sync.flow.both import Both
from isthmus.sync.flow.removing_pairs import Left
from tests.support import two_orgs

Plant = Callable[[], AbstractContextManager[object]]


def _always(value: object) -> Callable[..., object]:
    def answer(*_: object) -> object:
        return value

    return answer


def _nobody_is_us() -> AbstractContextManager[object]:
    return patch.object(Both, "is_ours", _always(False))


def _everything_differs() -> AbstractContextManager[object]:
    def every(columns: Any, _likeness: object, mapped: Mapping[str, object], _held: object) -> list[str]:
        return [c.target for c in columns if c.target in mapped or (c.relationship or "") in mapped]

    return patch.object(pairs, "differing", every)


def _watermark_too_far() -> AbstractContextManager[object]:
    keep = two_orgs.TwoOrgs.keep

    def further(self: Any, run: Any, frame: Any) -> None:
        if isinstance(frame, two_orgs.WindowSettled) and frame.watermark is not None:
            moved = frame.watermark + timedelta(seconds=90)
            frame = type(frame)(frame.step, frame.window, frame.retry, moved)
        keep(self, run, frame)

    return patch.object(two_orgs.TwoOrgs, "keep", further)


def _nothing_is_uncarried() -> AbstractContextManager[object]:
    def carried(self: Any, *_: object) -> Any:
        return deciding.Trace(ours=self.ours, modified=self.modified, uncarried=False)

    found = counterparts.trace_of

    def trace(*given: Any) -> Any:
        return carried(found(*given))

    return patch.object(counterparts, "trace_of", trace)


def _ours_is_carried_back() -> AbstractContextManager[object]:
    found = removing_pairs.trace_of

    def foreign(*given: Any) -> Any:
        trace = found(*given)
        return deciding.Trace(ours=False, modified=trace.modified, uncarried=trace.uncarried)

    return patch.object(removing_pairs, "trace_of", foreign)


def _bin_is_not_looked_at() -> AbstractContextManager[object]:
    return patch.object(pairs.Pairs, "_gone", _always(None))


def _copies_are_natives() -> AbstractContextManager[object]:
    row = pairs.Pairs._row  # pyright: ignore[reportPrivateUsage] - the plant stands in its place

    def native(self: Any, record: Any) -> Any:
        return row(self, {**record, self._step.key: None})

    return patch.object(pairs.Pairs, "_row", native)


def _parents_by_key_only() -> AbstractContextManager[object]:
    return patch.object(pairs, "_dig", _always(None))


@contextmanager
def _clocks_are_one() -> Generator[None]:
    def uncorrected(_self: object, _side: object, instant: datetime) -> datetime:
        return instant

    with patch.object(Both, "common", uncorrected):
        yield


def _deletion_always_wins() -> AbstractContextManager[object]:
    return patch.object(removing_pairs, "outlives", _always(False))


def _newest_is_oldest() -> AbstractContextManager[object]:
    newest = deciding._newest  # pyright: ignore[reportPrivateUsage] - the plant stands in its place

    def oldest(pairing: Any, source: Any, target: Any) -> Any:
        return newest(pairing, source, target).seen_from_the_other_side

    return patch.object(deciding, "_newest", oldest)


def _bereft_are_forgotten() -> AbstractContextManager[object]:
    remove = pump.remove_pairs

    async def forgetful(*given: Any, **more: Any) -> Left:
        return Left((), (await remove(*given, **more)).waiting)

    return patch.object(pump, "remove_pairs", forgetful)


def _children_are_not_looked_at() -> AbstractContextManager[object]:
    async def nobody(*_: object, **__: object) -> sparing.Spared:
        return sparing.Spared()

    return patch.object(removing_pairs, "spared", nobody)


PLANTS: Mapping[str, Plant] = {
    "nobody_is_us": _nobody_is_us,
    "everything_differs": _everything_differs,
    "watermark_too_far": _watermark_too_far,
    "nothing_is_uncarried": _nothing_is_uncarried,
    "ours_is_carried_back": _ours_is_carried_back,
    "bin_is_not_looked_at": _bin_is_not_looked_at,
    "copies_are_natives": _copies_are_natives,
    "parents_by_key_only": _parents_by_key_only,
    "clocks_are_one": _clocks_are_one,
    "deletion_always_wins": _deletion_always_wins,
    "newest_is_oldest": _newest_is_oldest,
    "bereft_are_forgotten": _bereft_are_forgotten,
    "children_are_not_looked_at": _children_are_not_looked_at,
}
