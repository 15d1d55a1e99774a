"""The year's chart of the summary page as geometry in shares of one, with the same in words. Pure.

Always 52 weeks, the last one that of the audit. A week of which nothing is known has no bar, and the page says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Final

from isthmus.audit.figures import Report, WeekPoint
from isthmus.audit.given.history import WEEKS_MAX, monday
from isthmus.audit.report.wording import long_day, month, number

STEPS: Final = (1, 2, 3, 4, 5, 6, 8, 10)
"""What the axis may end with, times a power of ten."""
LABEL_WEEKS_MIN: Final = 18
"""So many empty weeks give room for a label."""
DAYS_OF_WEEK: Final = 7
BEYOND_TIMES: Final = 2
"""Purchased seats so many times above everything else are not drawn: the bars would be lost below them."""


def chart(report: Report) -> dict[str, object] | None:
    """Return the chart's slots, marks and words; None if no week has anything to show."""
    by_start = {week.start: week for week in report.weeks}
    last = monday(report.taken_at.date())
    starts = [last - timedelta(days=7 * back) for back in reversed(range(WEEKS_MAX))]
    weeks = [by_start.get(start) or WeekPoint(start, None) for start in starts]
    seen = [(week.people, week) for week in weeks if week.people is not None]
    audited = [week for week in weeks if week.assigned is not None]
    if not seen and len(audited) <= 1:
        return None
    highest = max(n for week in weeks for n in (week.people, week.assigned) if n is not None)
    bought = max((week.purchased for week in weeks if week.purchased is not None), default=0)
    beyond = bought > BEYOND_TIMES * highest
    top = _axis_end(highest if beyond else max(highest, bought))
    peak = max(seen, key=lambda pair: pair[0])[1] if seen else None
    low = min(seen, key=lambda pair: pair[0])[1] if seen else None
    return {
        "slots": [_slot(week, top, peak, low, beyond=beyond) for week in weeks],
        "ticks": _ticks(weeks),
        "top": number(top),
        "half": number(top // 2) if top % 2 == 0 else "",
        "ends": _ends(audited, top, beyond=beyond),
        "unknown": _unknown(report, weeks),
        "caption": _caption(report, peak, audited, bought if beyond else None),
        "says": f"{_peak_text(peak, low)} {_seats_text(report, audited)} {_unknown_text(weeks)}".strip()
        + (f" Purchased seats ({number(bought)}) lie beyond the scale." if beyond else ""),
    }


def _axis_end(highest: int) -> int:
    """Return the next round number that is not below `highest`."""
    power = 1
    while power * STEPS[-1] < highest:
        power *= 10
    return max(2, next(power * step for step in STEPS if power * step >= highest))


def _slot(
    week: WeekPoint, top: int, peak: WeekPoint | None, low: WeekPoint | None, *, beyond: bool
) -> dict[str, object]:
    return {
        "people": _share(week.people, top),
        "value": number(week.people),
        "assigned": _share(week.assigned, top),
        "purchased": None if beyond else _share(week.purchased, top),
        "mark": "peak" if week is peak else "low" if week is low else "",
    }


def _ends(audited: Sequence[WeekPoint], top: int, *, beyond: bool) -> list[dict[str, object]]:
    """Name the lines of seats at their ends, the upper one first."""
    if not audited:
        return []
    last = audited[-1]
    found = [(last.assigned, "assigned"), *([] if beyond else [(last.purchased, "bought")])]
    ends = sorted(((n, word) for n, word in found if n is not None), reverse=True)
    return [{"at": _share(n, top), "label": f"{number(n)} {word}"} for n, word in ends]


def _unknown(report: Report, weeks: Sequence[WeekPoint]) -> dict[str, object]:
    """Say in the chart itself what its empty first weeks are, where there is room for it."""
    first = next((slot for slot, week in enumerate(weeks) if week.people is not None), None)
    if first is None or first < LABEL_WEEKS_MIN:
        return {"slots": 0, "label": ""}
    begins = weeks[first].start
    if report.history_start is not None:  # in the week before the first whole one, or later in a week that counts
        begun = report.history_start.astimezone(UTC).date()
        begins = begun if abs((begun - begins).days) < DAYS_OF_WEEK else begins
    return {"slots": first, "label": f"not known: the login history begins {long_day(begins)}"}


def _share(count: int | None, top: int) -> float | None:
    return None if count is None else round(count / top, 4)


def _ticks(weeks: Sequence[WeekPoint]) -> list[dict[str, object]]:
    """Name each month at its first Monday; a year's number goes with January."""
    return [
        {"slot": slot, "label": month(week.start)}
        for slot, week in enumerate(weeks)
        if slot and week.start.month != weeks[slot - 1].start.month
    ]


def _caption(report: Report, peak: WeekPoint | None, audited: Sequence[WeekPoint], beyond: int | None) -> str:
    """Return what stands below the chart, where its labels stand beside it."""
    said = ["Logins are not visible, so no activity is shown."] if peak is None else []
    if peak is not None:
        said.append("People whose seat was taken away since are counted, too.")
    if len(audited) == 1:
        said.append(f"Assigned seats ({number(report.seats_assigned)}) are known from this audit only.")
    elif audited:
        said.append("The lines of seats begin with the first audit kept.")
    if beyond is not None:
        said.append(f"Purchased seats ({number(beyond)}) lie beyond the scale.")
    return " ".join(said)


def _peak_text(peak: WeekPoint | None, low: WeekPoint | None) -> str:
    if peak is None or low is None:
        return "Logins are not visible, so no activity is shown."
    return (
        f"Peak: {number(peak.people)} people in the week from {long_day(peak.start)}; trough: {number(low.people)} "
        f"from {long_day(low.start)}; people whose seat was taken away since are counted, too."
    )


def _seats_text(report: Report, audited: Sequence[WeekPoint]) -> str:
    if not audited:
        return ""
    if len(audited) == 1:
        return (
            f"Assigned seats are known from this audit only ({number(report.seats_assigned)}): before the first "
            "audit they are unknown, and cannot be rebuilt."
        )
    return f"Seats are known since the first audit kept, in the week from {long_day(audited[0].start)}."


def _unknown_text(weeks: Sequence[WeekPoint]) -> str:
    known = [week for week in weeks if week.people is not None]
    if not known or known[0] is weeks[0]:
        return ""
    return f"Weeks before {long_day(known[0].start)} are unknown: Salesforce keeps logins for six months."
