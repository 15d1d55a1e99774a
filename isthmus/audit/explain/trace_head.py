"""Where the figures of the report's head come from: seats, users, history, withheld lines, deadline. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from isthmus.audit.composing.compose import unused_and_active
from isthmus.audit.explain.model import How, RowRef, Source
from isthmus.audit.explain.rows import EXTRACTS, LOGINS, READING, USERS
from isthmus.audit.explain.tracer import Ground, Trace, decided, of_row, setting, words
from isthmus.audit.finding import Verdict, Withhold
from isthmus.audit.given.catalogue import Category
from isthmus.audit.view import DISABLED

_SUMMED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "seats_purchased": "purchased",
        "seats_assigned": "assigned",
        "seats_active": "active_90",
        "seats_unused": "unused",
        "seats_unused_a": "unused_a",
        "seats_unused_b": "unused_b",
        "seats_unused_c": "unused_c",
    }
)
_READ: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "host": ("clock",),
        "taken_at": ("clock",),
        "history_start": ("logins_oldest", "logins_count"),
        "pseudonymous": (),
        "api_calls": (),
        "login_rows": ("logins_count", "logins", "logins_subtype"),
        "calls_estimated": ("logins_count",),
        "interruptions": (),
    }
)
_READING_ROW: Final = (RowRef(READING, 1),)


def trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a figure of the head comes from."""
    if field in _SUMMED:
        return _sum(ground, field)
    if field in _READ:
        return _read(ground, field)
    return _OTHERS[field](ground, field, at)


def _sum(ground: Ground, field: str) -> Source:
    if getattr(ground.report, field) is None:
        return ground.withheld(Withhold.ACTIVITY, Withhold.ESTIMATE)
    parts = tuple(
        f"licenses[{i}].{_SUMMED[field]}"
        for i, line in enumerate(ground.report.licenses)
        if Category(line.category).seat_costs
        and (field != "seats_purchased" or (line.status != DISABLED and line.purchased > 0))
    )
    return Source(How.SUM, "The paid licences together.", parts=parts, files=("licenses.jsonl",))


def _read(ground: Ground, field: str) -> Source:
    if field == "pseudonymous":
        row = of_row(_READING_ROW, field)
        return Source(row.how, "Decided by --pseudonymous; the key is not in the bundle.", row.rows, column=field)
    if field == "history_start" and ground.report.history_start is None:
        return Source(How.WITHHELD, "No login is visible.", rows=_READING_ROW, files=(LOGINS,), rules=("R00", "R03"))
    requests = _READ[field] or tuple(line.name for line in ground.report.requests)
    return Source(How.FIELD, rows=_READING_ROW, column=field, requests=requests)


def _product(_ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    return words("Of the program that wrote the report.")


def _org(ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    return decided(setting("org", ground.report.org))


def _threshold(ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    return decided(setting("thresholds.inactive_days", ground.report.threshold_days))


def _effective(ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    said = f"The smaller of {ground.report.threshold_days} and {ground.report.history_days}."
    return Source(How.RECKONED, said, parts=("threshold_days", "history_days"))


def _history_days(ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    if ground.report.history_start is None:
        return Source(How.RECKONED, "No login is visible, so there is no history.", parts=("history_start",))
    return Source(How.RECKONED, "Whole days between the two.", parts=("history_start", "taken_at"))


def _other(ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    report = ground.report
    if report.seats_other is None:
        return ground.withheld(Withhold.ACTIVITY, Withhold.ESTIMATE)
    both = unused_and_active(ground.analysis)
    again = f" + {both} who are both, by the threshold," if both else ","
    said = f"{report.seats_assigned} - {report.seats_unused} - {report.seats_active}{again} and never below 0."
    return Source(How.RECKONED, said, parts=("seats_assigned", "seats_unused", "seats_active"))


def _users(ground: Ground, field: str, _at: tuple[int, ...]) -> Source:
    rows = ground.rows.all_of(USERS)
    if field == "users":
        return Source(How.ROWS, "All rows of users.jsonl.", rows, (USERS,))
    active = [user.id for user in ground.view.snapshot.users if user.active]
    return Source(How.ROWS, "Those whose field active is true.", ground.users(active), (USERS,))


def _withheld(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    failed = [i for i, gate in enumerate(ground.report.gates) if gate.verdict == Verdict.FAIL.value]
    index = failed[at[0]]
    return Source(How.SAME, parts=(f"gates[{index}].says",), rules=(ground.report.gates[index].rule,))


def _assumption(ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    said = "Words of the product with figures of this audit: thresholds, prices, exemptions, contract, what was read."
    parts = (
        "effective_threshold_days",
        "unpriced_seats",
        *(f"prices[{i}].basis" for i in range(len(ground.report.prices))),
    )
    return Source(How.RECKONED, said, parts=parts, rows=_READING_ROW, settings=ground.thresholds())


def _blind_spot(_ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    return words("The same in every report: it follows from the five objects that are read.")


def _money_withheld(ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    parts = tuple(f"gates[{i}].verdict" for i in range(len(ground.report.gates)))
    return Source(How.RECKONED, "Whether a failed gate withholds money.", parts=parts, rules=("R04",), files=EXTRACTS)


def _deadline(ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    report = ground.report
    if report.deadline is None:
        return decided(setting("contract", "no lines"), said="Without a contract file no deadline is known.")
    lines = enumerate(report.contract)
    part = next(i for i, line in lines if line.notice_deadline == report.deadline and not line.followed)
    return Source(How.SAME, parts=(f"contract[{part}].notice_deadline",))


def _today(ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    said = f"The day of the audit's instant in {ground.report.time_zone}, found then and kept in the bundle."
    kept = (setting("today", ground.analysis.basis.today),)
    return Source(How.RECKONED, said, parts=("taken_at", "time_zone"), settings=kept)


def _zone(ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    zone = ground.view.thresholds.time_zone
    said = "By the settings, or the schedule of the org's audits." if zone else "No zone was given: UTC."
    return decided(setting("thresholds.time_zone", zone), said=said)


_OTHERS: Final[Mapping[str, Trace]] = MappingProxyType(
    {
        "format": _product,
        "product": _product,
        "org": _org,
        "threshold_days": _threshold,
        "effective_threshold_days": _effective,
        "history_days": _history_days,
        "seats_other": _other,
        "users": _users,
        "users_active": _users,
        "withheld[]": _withheld,
        "assumptions[]": _assumption,
        "blind_spots[]": _blind_spot,
        "money_withheld": _money_withheld,
        "deadline": _deadline,
        "today": _today,
        "time_zone": _zone,
    }
)
FIELDS: Final = frozenset({*_SUMMED, *_READ, *_OTHERS})
"""The figures that this module knows. `unpriced_seats` is money's."""
