"""The summary page as texts: how many seats, how sure, how much money and when, what could be wrong. Pure.

Whoever reads it sees nothing else, so its figures add up on the page: seats in the row of cards, money in the table.
"""

from __future__ import annotations

from datetime import UTC, date
from decimal import Decimal
from typing import Final

from isthmus.audit.figures import ContractLine, MoneyTotal, Report, SensitivityPoint
from isthmus.audit.report.chart import chart
from isthmus.audit.report.summary_money import (
    UNUSED,
    fewer_seats,
    is_too_late,
    money_cards,
    other_currencies,
    renewal_by_pool,
    since,
)
from isthmus.audit.report.summary_table import license_rows, seat_table
from isthmus.audit.report.wording import NOT_PRINTED, counted, long_day, money_text, number, shortened
from isthmus.audit.rules.r08_inactive import SURE_DAYS

NAME_LENGTH_MAX: Final = 44
PRODUCTS_MAX: Final = 2


def summary_data(report: Report) -> dict[str, object]:
    """Return what the summary page prints."""
    main = report.money[0] if report.money else None
    return {
        "org": shortened(report.org, NAME_LENGTH_MAX),
        "host": report.host,
        "day": long_day(report.day),
        "instant": f"{report.taken_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "product": report.product,
        "headline": _headline(report),
        "standfirst": _standfirst(report, main),
        "seats": _seat_cards(report),
        "cards": money_cards(report, main),
        "overlap": _overlap(main),
        "others": other_currencies(report.money[1:]),
        "table": seat_table(report, main),
        "grades": _grades(report),
        "currency": next((point.currency for point in report.sensitivity if point.currency), ""),
        "sensitivity": [_sensitivity(point) for point in report.sensitivity],
        "sensitivity_note": _sensitivity_note(report),
        "chart": chart(report),
        "deadline": _deadline(report, main),
        "next": _next(report),
        "withheld": list(report.withheld),
        "blind_spots": list(report.blind_spots),
        "doubts": _doubts(report),
    }


def _doubts(report: Report) -> list[dict[str, str]]:
    """Return what could be wrong, the gravest first: the page prints as much as it has room for."""
    first, *blind = report.blind_spots
    warnings = [gate.says for gate in report.gates if gate.verdict == "warn"]
    kinds = (("failed", report.withheld), ("plain", [first]), ("warned", warnings), ("plain", report.assumptions))
    return [{"kind": kind, "text": text} for kind, texts in (*kinds, ("plain", blind)) for text in texts]


def _headline(report: Report) -> str:
    if not report.seats_assigned:
        return "Nobody holds a paid seat."
    if report.seats_unused is None:
        return "This audit cannot say who is inactive."
    if not report.seats_unused:
        return "No assigned seat looks unused."
    verb = "looks" if report.seats_unused == 1 else "look"
    assigned = counted(report.seats_assigned, "assigned seat", "assigned seats")
    hidden = any(gate.rule == "R01" and gate.verdict == "fail" for gate in report.gates)
    return f"{'At least ' if hidden else ''}{number(report.seats_unused)} of {assigned} {verb} unused."


def _standfirst(report: Report, main: MoneyTotal | None) -> str:
    if report.seats_unused is None:
        return report.withheld[0] if report.withheld else "The data do not carry it; see Coverage."
    if main is None or report.money_withheld:
        return ""
    if not main.cash_at_renewal:
        least = " and the contract's minimum" if any(line.minimum for line in report.contract if line.in_force) else ""
        return f"No seat can be given back at the renewal: with the reserve{least} all that is bought is needed."
    seats, add_ons = fewer_seats(report, main)
    told = [counted(seats, "seat", "seats")] if seats else []
    told += [counted(add_ons, "add-on licence", "add-on licences")] if add_ons else []
    cash = money_text(main.cash_at_renewal, main.currency)
    which = "the contract after next" if is_too_late(report, main) else "the next contract"
    return f"With {' and '.join(told)} fewer in {which} you save {cash} a year{since(report, main)}."


def _overlap(main: MoneyTotal | None) -> str:
    """Say how the three amounts hang together."""
    less = main is not None and main.cash_at_renewal < main.reclaim_now
    why = " Cash is less than Reclaim now: headroom, past need, forecast and minimums stay."
    return f"The three amounts overlap: never add them up.{why if less else ''}"


def _seat_cards(report: Report) -> list[dict[str, str]]:
    free = report.seats_purchased - report.seats_assigned
    beyond = "all are assigned" if not free else f"{number(free)} held by nobody" if free > 0 else "over-assigned"
    bought = sum(row.bought or 0 for row in license_rows(report))
    by_contract = "" if bought == report.seats_purchased else f"; {number(bought)} by contract"
    known = [report.seats_active, report.seats_unused, report.seats_other]
    whole = sum(n for n in known if n is not None) == report.seats_assigned and None not in known
    grades = (report.seats_unused_a, report.seats_unused_b, report.seats_unused_c)
    sure = " · ".join(
        f"{number(n)} {word}" for n, word in zip(grades, ("sure", "likely", "to ask about"), strict=True) if n
    )
    threshold = report.effective_threshold_days
    return [
        {
            "label": "In the org" if by_contract else "Bought",
            "value": number(report.seats_purchased),
            "note": f"paid seats, {beyond}{by_contract}",
        },
        {
            "label": "Assigned",
            "value": number(report.seats_assigned),
            "note": "= active + not used + neither" if whole else "to active users",
        },
        {
            "label": "Active",
            "value": number(report.seats_active),
            "note": "withheld" if report.seats_active is None else "came in 90 days, by their own logins",
        },
        {
            "label": "Not used",
            "value": number(report.seats_unused),
            "note": "withheld: see what could be wrong"
            if report.seats_unused is None
            else sure or f"nobody is absent for {threshold} days",
        },
        {
            "label": "Neither",
            "value": number(report.seats_other),
            "note": "withheld" if report.seats_other is None else "too recent to tell, or used by software",
        },
    ]


def _grades(report: Report) -> str:
    """Say what the grades mean, in the terms of R06 to R08."""
    if report.seats_unused is None:
        return ""
    days = report.effective_threshold_days
    return (
        f"Grade A, sure: nobody logged in for {max(SURE_DAYS, days)} days, or since before all visible logins, or "
        f"ever. B, likely: nobody for {days} days, or a new seat never used, or A with one harmless explanation. C: a "
        "signal only, ask first. Why somebody is absent, logins do not show."
    )


def _sensitivity(point: SensitivityPoint) -> dict[str, str]:
    value = money_text(point.annual, None) if point.annual is not None else NOT_PRINTED
    return {"days": str(point.days), "seats": number(point.seats), "value": value}


def _sensitivity_note(report: Report) -> str:
    if all(point.seats is None for point in report.sensitivity):
        return ""
    return (
        f"{report.effective_threshold_days} days are used above. The login history reaches {report.history_days} days "
        "back; older absences are known by the last login."
    )


# ---- deadline and what to do ----------------------------------------------------------------------------------------


def _deadline(report: Report, main: MoneyTotal | None) -> str:
    if report.deadline is None:
        return (
            "Unknown without a contract file. Fees cannot fall before the renewal; notice is due 30 days ahead or more."
        )
    lines = [line for line in report.contract if line.notice_deadline == report.deadline and not line.followed]
    line, today = lines[0], report.day
    lines = [other for other in lines if (other.end, other.auto_renew) == (line.end, line.auto_renew)]
    products, end = _products(report, lines), long_day(line.end)
    renews = "term renews by itself" if len(lines) == 1 else "terms renew by themselves"
    if line.end < today:
        what = "has renewed itself" if line.auto_renew else "does not renew by itself"
        return f"Unknown: by your contract file the term of {products} ended on {end} and {what}. Add the present term."
    what = f"notice for {products}" if line.auto_renew else f"request to renew {products}"
    by = _by(report.deadline, today)
    if not line.auto_renew:
        return f"The {what} {by}; the term ends on {end}; it does not renew by itself."
    if report.deadline < today:
        return f"The {what} {by}; the {renews} after {end}."
    return f"The {what} {by}. If it is missed, the {renews} after {end}{_lost(report, main, lines)}."


def _by(day: date, today: date) -> str:
    left = (day - today).days
    if left < 0:
        return f"was due on {long_day(day)}, {counted(-left, 'day', 'days')} ago"
    return f"is due by {long_day(day)} ({counted(left, 'day', 'days')} left)"


def _products(report: Report, lines: list[ContractLine]) -> str:
    """Return the products of contract lines, each with the licence that the page calls it by."""
    licenses = {line.id: line.name for line in (*report.licenses, *report.psls)}
    names: dict[str, None] = {}
    for line in lines:
        known, name = shortened(line.product, NAME_LENGTH_MAX), licenses.get(line.pool, "")
        names[known if known.casefold() == name.casefold() else f"{known} ({shortened(name, NAME_LENGTH_MAX)})"] = None
    shown, more = list(names)[:PRODUCTS_MAX], len(names) - PRODUCTS_MAX
    return f"{', '.join(shown)} and {more} more" if more > 0 else " and ".join(shown)


def _lost(report: Report, main: MoneyTotal | None, lines: list[ContractLine]) -> str:
    """Say what is not saved if this notice is missed."""
    if main is None or report.money_withheld:
        return ""
    pools = {line.pool for line in lines}
    amount = sum((a for pool, a in renewal_by_pool(report, main).items() if pool in pools), Decimal(0))
    if not amount:
        return ""
    return (
        f", for how long your contract file does not say, and {money_text(amount, main.currency)} a year are not saved "
        "before the renewal after that"
    )


def _next(report: Report) -> list[str]:
    """Return what to do first: the step of the plan that is overdue, and the people to ask."""
    today = report.day
    open_ = {line.product for line in report.contract if line.notice_deadline >= today and not line.followed}
    steps = [step for step in report.plan if step.product in open_]
    late = max((step for step in steps if step.day < today), key=lambda step: step.day, default=None)
    soon = min((step for step in steps if step.day >= today), key=lambda step: step.day, default=None)
    told: list[str] = []
    if late is not None:
        told.append(f"{late.what} (due since {long_day(late.day)}).")
    if soon is not None and soon.day != report.deadline:
        told.append(f"{soon.what} (by {long_day(soon.day)}).")
    sure, rest = report.seats_unused_a or 0, (report.seats_unused_b or 0) + (report.seats_unused_c or 0)
    others = counted(rest, "other", "others") if sure else counted(rest, "seat", "seats")
    asked = f"ask about {'the ' if sure else ''}{others}" if rest else ""
    both = "; ".join(text for text in (_release(report, sure), asked) if text)
    if both:
        told.append(f"Now: {both} (listed from page 2 on).")
    return told


def _release(report: Report, sure: int) -> str:
    """Say what to do with the sure seats: who is on leave is known only to a list that the audit has, or has not."""
    if not sure:
        return ""
    seats = counted(sure, "sure seat", "sure seats")
    if any(line.exempt and line.rule in UNUSED for line in report.findings):
        return f"release the {seats}, if all who are on leave are in your file of exemptions"
    if sure == 1:
        return f"release the {seats}, unless your leave list has its holder"
    return f"check the {seats} against your leave list and release the rest"
