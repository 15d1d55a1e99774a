"""REST or Bulk: by size, by measured pace, by what is left of the calls."""

from __future__ import annotations

import pytest

from isthmus.salesforce.session import ApiLimits
from isthmus.sync.flow.paths import Chosen, PathReason, choose_path
from isthmus.sync.model import Path

PLENTY = ApiLimits(100, 100_000)
SCARCE = ApiLimits(99_000, 100_000)


@pytest.mark.parametrize(
    ("rows", "pace", "usage", "path", "reason"),
    [
        (0, None, None, Path.NONE, PathReason.NOTHING),
        (1, None, None, Path.COLLECTIONS, PathReason.SMALL),
        (1999, 1.0, SCARCE, Path.COLLECTIONS, PathReason.SMALL),
        (2000, None, PLENTY, Path.BULK, PathReason.NO_PACE),
        (5000, 1000.0, PLENTY, Path.COLLECTIONS, PathReason.SOONER),
        (5000, 1000.0, None, Path.COLLECTIONS, PathReason.SOONER),
        (5000, 1000.0, SCARCE, Path.BULK, PathReason.SPARING),
        (5000, 100.0, PLENTY, Path.BULK, PathReason.LATER),
        (10_000, 1e9, PLENTY, Path.BULK, PathReason.LARGE),
    ],
)
def test_a_window_travels_by_what_suits_it(
    rows: int, pace: float | None, usage: ApiLimits | None, path: Path, reason: PathReason
) -> None:
    assert choose_path(rows, bulk_rows_min=2000, rest_rows_per_s=pace, usage=usage) == Chosen(path, reason)
