"""Bars as geometry: what a licence has, hands out and sees used. The template only draws the rectangles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from isthmus.audit.figures import LicenseLine

THICKNESS: Final = 8
STRIDE: Final = 10
WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its name, its figure as text, its place and its width in hundredths."""

    kind: str
    label: str
    value: str
    y: int
    width: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars of one licence, with the same in words for those who do not see them."""

    title: str
    says: str
    bars: tuple[Bar, ...]
    height: int
    thickness: int


def license_chart(line: LicenseLine) -> Chart:
    """Return the chart of one licence. A withheld figure has no bar and is called withheld, never zero."""
    rows = (("purchased", "Purchased", line.purchased), ("assigned", "Assigned", line.assigned))
    counted: list[tuple[str, str, int | None]] = [*rows, ("active", "Active in 90 days, estimated", line.active_90)]
    most = max((count or 0 for _, _, count in counted), default=0)
    bars = tuple(
        Bar(kind, label, _figure(count), index * STRIDE, _width(count, most))
        for index, (kind, label, count) in enumerate(counted)
    )
    says = ", ".join(f"{bar.label.lower()} {bar.value}" for bar in bars)
    return Chart(line.name, f"{line.name}: {says}", bars, STRIDE * len(bars), THICKNESS)


def _figure(count: int | None) -> str:
    return "withheld" if count is None else f"{count:,}"


def _width(count: int | None, most: int) -> float:
    return 0.0 if not count or not most else round(WIDTH * min(count, most) / most, 2)
