"""The summary page as texts: how many seats, how sure, how much money and when, what could be wrong. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal
from math import ceil
from typing import Final

from isthmus.audit.figures import (
    ContractLine,
    GradeSplit,
    LicenseLine,
    MoneyTotal,
    ReadinessLine,
    Report,
    SensitivityPoint,
)
from isthmus.audit.report.chart import chart
from isthmus.audit.report.wording import (
    NOT_PRINTED,
    WITHHELD,
    counted,
    long_day,
    money_text,
    number,
    price_text,
    shortened,
)

LICENSES_MAX: Final = 6
NAME_LENGTH_MAX: Final = 44
LICENSE_LENGTH_MAX: Final = 26
CURRENCIES_MAX: Final = 3
DOUBT_LINES_MAX: Final = 22
DOUBT_LINE_LENGTH: Final = 54
"""Lines of withheld figures, warnings and assumptions that the page has room for; the workbook has all of them."""
UPLIFT_SHOWN_MAX: Final = 900
_PAID: Final = frozenset({"paid", "legacy", "external", "unclassified"})


def summary_data(report: Report) -> dict[str, object]:
    """Return what the summary page prints."""
    paid = [line for line in report.licenses if line.category in _PAID]
    shown = [line for line in paid if line.purchased or line.assigned]
    main = report.money[0] if report.money else None
    needed = {line.pool: line for line in report.readiness}
    warnings = [gate.says for gate in report.gates if gate.verdict == "warn"]
    above = min(len(shown), LICENSES_MAX) + min(len(report.money), CURRENCIES_MAX + 1)
    doubts = _fitting([*report.withheld, *warnings, *report.assumptions], DOUBT_LINES_MAX - above)
    failed, warned = len(report.withheld), len(report.withheld) + len(warnings)
    return {
        "org": shortened(report.org, NAME_LENGTH_MAX),
        "host": report.host,
        "day": long_day(report.taken_at),
        "instant": f"{report.taken_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "product": report.product,
        "headline": _headline(report),
        "standfirst": _standfirst(report, main),
        "seats": _seat_cards(report),
        "cards": _money_cards(report, main),
        "others": _other_currencies(report.money[1:]),
        "licenses": [_license_row(line, needed.get(line.id)) for line in shown[:LICENSES_MAX]],
        "more_licenses": max(0, len(shown) - LICENSES_MAX),
        "needed_note": _needed_note(report),
        "sensitivity": [_sensitivity(point) for point in report.sensitivity],
        "chart": chart(report),
        "deadline": _deadline(report),
        "withheld": doubts[:failed],
        "warnings": doubts[failed:warned],
        "assumptions": doubts[warned:],
        "more_doubts": warned + len(report.assumptions) - len(doubts),
        "blind_spots": list(report.blind_spots),
    }


def _fitting(doubts: list[str], lines_max: int) -> list[str]:
    """Return as many of the texts, the gravest first, as the page has room for."""
    kept, lines = 0, 0
    while kept < len(doubts) and (lines := lines + ceil(len(doubts[kept]) / DOUBT_LINE_LENGTH)) <= lines_max:
        kept += 1
    return doubts[:kept]


def _headline(report: Report) -> str:
    if not report.seats_assigned:
        return "Nobody holds a paid seat."
    if report.seats_unused is None:
        return "This audit cannot say who is inactive."
    if not report.seats_unused:
        return "All assigned seats are in use, as far as logins show."
    verb = "is" if report.seats_unused == 1 else "are"
    assigned = counted(report.seats_assigned, "assigned seat", "assigned seats")
    hidden = any(gate.rule == "R01" and gate.verdict == "fail" for gate in report.gates)
    return f"{'At least ' if hidden else ''}{number(report.seats_unused)} of {assigned} {verb} not used."


def _standfirst(report: Report, main: MoneyTotal | None) -> str:
    if report.seats_unused is None:
        return report.withheld[0] if report.withheld else "The data do not carry it; see Coverage."
    text = ""
    if report.seats_unused:
        text = (
            f"Certain from Salesforce's own fields (grade A): {number(report.seats_unused_a)}. Very likely (B): "
            f"{number(report.seats_unused_b)}. To be asked about first (C): {number(report.seats_unused_c)}."
        )
    if report.seats_other:
        verb = "seat is" if report.seats_other == 1 else "seats are"
        text += (
            f" {number(report.seats_other)} more {verb} neither active nor a finding: new starters, people just below "
            "the threshold, or used by software only."
        )
    if main is not None and not report.money_withheld and main.cash_at_renewal:
        cash = money_text(main.cash_at_renewal, main.currency)
        fewer = counted(main.renewal_seats, "fewer seat", "fewer seats and grants")
        text += f" Renewing {fewer} would save {cash} a year{_at_basis(main)}{_since(report, main)}."
    return text.strip()


def _at_basis(total: MoneyTotal) -> str:
    return {"list": " at list price", "yours": " at your prices"}.get(total.basis, " at list and your prices")


def _since(report: Report, main: MoneyTotal) -> str:
    ends = {line.end for line in _terms(report, main)}
    overdue = any(line.auto_renew and line.notice_deadline < report.taken_at.date() for line in _terms(report, main))
    if len(ends) != 1 or overdue or not _all_dated(report, main):
        return " from its renewal on" if main.renewal_seats == 1 else " from their renewals on"
    return f" after {long_day(min(ends))}"


def _terms(report: Report, main: MoneyTotal) -> list[ContractLine]:
    """Return the contract's lines that decide when the money of these totals is saved, the first notice first."""
    pools, today = _fewer(report, main), report.taken_at.date()
    lines = [c for c in report.contract if c.pool in pools and c.in_force and c.end >= today]
    return sorted(lines, key=lambda line: (line.notice_deadline, line.end))


def _fewer(report: Report, main: MoneyTotal) -> set[str]:
    """Return the licences of which fewer seats need to be renewed."""
    return {line.id for line in report.licenses if line.renewal_seats and line.currency == main.currency}


def _all_dated(report: Report, main: MoneyTotal) -> bool:
    return _fewer(report, main) <= {line.pool for line in _terms(report, main)}


def _seat_cards(report: Report) -> list[dict[str, str]]:
    free = report.seats_purchased - report.seats_assigned
    grades = (report.seats_unused_a, report.seats_unused_b, report.seats_unused_c)
    sure = "" if None in grades else " · ".join(f"{g} {number(n)}" for g, n in zip("ABC", grades, strict=True))
    beyond = "all are assigned" if not free else f"{number(free)} held by nobody" if free > 0 else "over-assigned"
    return [
        {"label": "Purchased", "value": number(report.seats_purchased), "note": f"paid licences,\n{beyond}"},
        {"label": "Assigned", "value": number(report.seats_assigned), "note": "held by active users"},
        {
            "label": "Active, estimated",
            "value": number(report.seats_active),
            "note": "people, logins of the last 90 days",
        },
        {
            "label": "Not used",
            "value": number(report.seats_unused),
            "note": "withheld: see what could be wrong"
            if report.seats_unused is None
            else f"no login for {report.effective_threshold_days} days or ever"
            + (f"\nby grade: {sure}" if sure and report.seats_unused else ""),
        },
    ]


def _money_cards(report: Report, main: MoneyTotal | None) -> list[dict[str, str]]:
    labels = ("Reclaim now", "Cash at renewal", "At risk")
    if report.money_withheld or main is None:
        value, note = (WITHHELD, "see what could be wrong") if report.money_withheld else ("unpriced", "give prices")
        return [{"label": label, "value": value, "note": note, "split": "", "sub": ""} for label in labels]
    if report.seats_unused is None:
        note = "activity is not visible"
        return [{"label": label, "value": WITHHELD, "note": note, "split": "", "sub": ""} for label in labels]
    uplift = main.break_even_uplift_percent
    undone = "" if uplift is None or uplift > UPLIFT_SHOWN_MAX else f" A unit price {uplift} % higher would cancel it."
    return [
        _card(labels[0], main.reclaim_now, main, main.reclaim_seats)
        | {"split": _split(main.reclaim_split), "sub": "When: at once, by not buying new seats. No cash flows back."},
        _card(labels[1], main.cash_at_renewal, main, main.renewal_seats)
        | {
            "split": _split(main.renewal_split),
            "sub": f"When: {_when(report, main)}. After headroom and minimum.{undone}",
        },
        _card(labels[2], main.at_risk, main, main.risk_seats)
        | {"split": "all of grade C", "sub": "When: only once the people concerned were asked."},
    ]


def _when(report: Report, main: MoneyTotal) -> str:
    today, terms = report.taken_at.date(), _terms(report, main)
    if not terms:
        return "at the renewal, its day is not known"
    others = "" if _all_dated(report, main) else "; of other licences the day is not known"
    ahead = [line for line in terms if line.notice_deadline >= today or not line.auto_renew]
    if not ahead:
        return f"at the renewal after next: notice is overdue{others}"
    late = "; for some terms notice is overdue" if len(ahead) < len(terms) else ""
    notice = [long_day(line.notice_deadline) for line in ahead if line.auto_renew]
    end = long_day(min(line.end for line in ahead))
    if len(ahead) == 1:
        given = f"if notice is given by {notice[0]}" if notice else "when the term ends by itself"
        return f"after {end}, {given}{late}{others}"
    given = f", if notice is given in time, first by {notice[0]}" if notice else ", when the terms end by themselves"
    return f"term by term, the first after {end}{given}{late}{others}"


def _card(label: str, amount: Decimal, total: MoneyTotal, seats: int) -> dict[str, str]:
    basis = _at_basis(total).strip()
    value = money_text(amount, total.currency)
    return {"label": label, "value": value, "note": f"a year, {counted(seats, 'seat', 'seats and grants')}, {basis}"}


def _split(split: GradeSplit) -> str:
    return f"grade A {money_text(split.a, None)} · grade B {money_text(split.b, None)}"


def _other_currencies(totals: Sequence[MoneyTotal]) -> list[str]:
    more = len(totals) - CURRENCIES_MAX
    told = [_other_currency(total) for total in totals[:CURRENCIES_MAX]]
    return [*told, f"{counted(more, 'more currency is', 'more currencies are')} in the workbook."] if more > 0 else told


def _other_currency(total: MoneyTotal) -> str:
    return (
        f"In {total.currency}: reclaim now {money_text(total.reclaim_now, None)}, cash at renewal "
        f"{money_text(total.cash_at_renewal, None)}, at risk {money_text(total.at_risk, None)} a year"
        f"{_at_basis(total)}."
    )


def _license_row(line: LicenseLine, needed: ReadinessLine | None) -> list[str]:
    unused = [number(count) for count in (line.unused_a, line.unused_b, line.unused_c)]
    return [
        shortened(line.name, LICENSE_LENGTH_MAX),
        number(line.purchased),
        number(line.assigned),
        number(line.active_30),
        number(line.active_90),
        number(line.unused),
        " / ".join(unused) if line.unused is not None else NOT_PRINTED,
        _needed(needed),
        price_text(line.unit_price, line.currency),
    ]


def _needed(line: ReadinessLine | None) -> str:
    if line is None or line.spot is None:
        return NOT_PRINTED
    if line.base is None:
        return f"{number(line.spot)} today"
    return " / ".join(number(count) for count in (line.conservative, line.base, line.aggressive))


def _needed_note(report: Report) -> str:
    if not any(line.spot is not None for line in report.readiness):
        return ""
    if any(line.base is not None for line in report.readiness):
        return "Seats to renew: conservative / base / aggressive case, from the weekly history, with headroom."
    return "Seats to renew: today's value with headroom; three cases follow after eight weeks of audits."


def _sensitivity(point: SensitivityPoint) -> dict[str, str]:
    value = money_text(point.annual, point.currency) if point.annual is not None else NOT_PRINTED
    return {"days": str(point.days), "seats": number(point.seats), "value": value}


def _deadline(report: Report) -> str:
    if report.deadline is None:
        return (
            "Unknown without a contract file. Fees cannot fall before the renewal; notice is due 30 days ahead or more."
        )
    line = next(line for line in report.contract if line.notice_deadline == report.deadline)
    left = (report.deadline - report.taken_at.date()).days
    day, end = long_day(report.deadline), long_day(line.end)
    product = shortened(line.product, NAME_LENGTH_MAX)
    if line.end < report.taken_at.date():
        what = "has renewed itself" if line.auto_renew else "does not renew by itself"
        return f"Unknown: by your contract file the term of {product} ended on {end} and {what}. Add the present term."
    what = f"notice for {product}" if line.auto_renew else f"request to renew {product}"
    after = f"the term ends on {end}" + (
        " and renews by itself" if line.auto_renew else "; it does not renew by itself"
    )
    if left < 0:
        return f"The {what} was due on {day}, {counted(-left, 'day', 'days')} ago; {after}."
    return f"The {what} is due by {day} ({counted(left, 'day', 'days')} left); {after}."
