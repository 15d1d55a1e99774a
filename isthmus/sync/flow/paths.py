"""REST or Bulk for one window: by its size, by how fast REST has been in this run, and by the calls that are left.

| rows | path |
|---|---|
| below `bulk_rows_min` (2,000, Salesforce's own advice) | REST: a Bulk job takes ten seconds whatever it carries |
| from five times as many | Bulk: REST would take more calls than a job |
| between | whichever is sooner at the pace measured in this run, if the budget can spare REST's calls; else Bulk |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from isthmus.salesforce.session import ApiLimits
from isthmus.sync.model import Path

BULK_ALWAYS_FACTOR: Final = 5
BULK_FIXED_S: Final = 10.0
"""sync.md 4.2: eight rows took 9 s, 347 rows 12 s."""
BULK_ROWS_PER_S: Final = 800.0
REST_ROWS_PER_CALL: Final = 200
SPARE_PART: Final = 100
"""REST may take a hundredth of the calls that are left."""


class PathReason(StrEnum):
    """Why a window travels as it does."""

    NOTHING = "there is nothing to carry"
    SMALL = "a few rows are sooner there by REST"
    LARGE = "many rows take fewer calls by Bulk"
    SOONER = "REST is sooner at its pace in this run"
    LATER = "Bulk is sooner than REST at its pace in this run"
    NO_PACE = "nobody knows yet how fast REST is in this run"
    SPARING = "the calls that are left are few"


@dataclass(frozen=True, slots=True)
class Chosen:
    """How a window travels, and why."""

    path: Path
    reason: PathReason


def choose_path(  # noqa: PLR0911 - one return per reason
    rows: int, *, bulk_rows_min: int, rest_rows_per_s: float | None, usage: ApiLimits | None
) -> Chosen:
    """Return how a window of `rows` rows travels; `usage` is the target's own count, None if it has not told it."""
    if rows == 0:
        return Chosen(Path.NONE, PathReason.NOTHING)
    if rows < bulk_rows_min:
        return Chosen(Path.COLLECTIONS, PathReason.SMALL)
    if rows >= bulk_rows_min * BULK_ALWAYS_FACTOR:
        return Chosen(Path.BULK, PathReason.LARGE)
    if rest_rows_per_s is None:
        return Chosen(Path.BULK, PathReason.NO_PACE)
    if usage is not None and rows * SPARE_PART > (usage.max - usage.used) * REST_ROWS_PER_CALL:
        return Chosen(Path.BULK, PathReason.SPARING)
    if rows / rest_rows_per_s < BULK_FIXED_S + rows / BULK_ROWS_PER_S:
        return Chosen(Path.COLLECTIONS, PathReason.SOONER)
    return Chosen(Path.BULK, PathReason.LATER)
