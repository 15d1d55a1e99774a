"""The PDF: one page that finance reads in two minutes, then findings by name, method, coverage and requests.

Values go into typst as data (one JSON text), never into markup, so a name cannot become a command.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from importlib import resources
from typing import Final

import msgspec
import typst

from isthmus.audit.figures import (
    FindingLine,
    GradeSplit,
    LicenseLine,
    MoneyTotal,
    MoveLine,
    ReadinessLine,
    Report,
    ScenarioLine,
    SensitivityPoint,
)
from isthmus.audit.report.tables import evidence

FINDINGS_PRINTED_MAX: Final = 500
"""More make the document unreadable, and setting them costs 100 MB a thousand; the workbook and CSV have them all."""
LICENSES_ON_SUMMARY_MAX: Final = 6
NOT_PRINTED: Final = "\N{EN DASH}"
WITHHELD: Final = "withheld"


def render_pdf(report: Report, fingerprint: str) -> bytes:
    """Return the report as tagged PDF. The same report gives the same bytes where the same fonts are installed."""
    template = resources.files("isthmus.audit.report").joinpath("report.typ").read_bytes()
    data = msgspec.json.encode(pdf_data(report, fingerprint)).decode()
    compiler = typst.Compiler(template, sys_inputs={"data": data})
    pdf = compiler.compile(format="pdf", timestamp=report.taken_at.astimezone(UTC))
    if not isinstance(pdf, bytes):
        message = "the typesetter gave no document"
        raise TypeError(message)
    return pdf


def pdf_data(report: Report, fingerprint: str) -> dict[str, object]:
    """Return what the template prints: texts only, everything rounded and worded."""
    paid = [line for line in report.licenses if line.category in {"paid", "legacy", "external", "unclassified"}]
    shown = [line for line in paid if line.purchased or line.assigned][:LICENSES_ON_SUMMARY_MAX]
    main = report.money[0] if report.money else None
    summary: dict[str, object] = {
        "org": report.org,
        "host": report.host,
        "day": long_day(report.taken_at),
        "instant": f"{report.taken_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "product": report.product,
        "fingerprint": fingerprint,
        "headline": _headline(report),
        "standfirst": _standfirst(report, main),
        "seats": _seat_cards(report),
        "cards": _money_cards(report, main),
        "others": [_other_currency(total) for total in report.money[1:]],
        "licenses": [_license_row(line) for line in shown],
        "more_licenses": len(paid) - len(shown),
        "sensitivity": [_sensitivity(point) for point in report.sensitivity],
        "weeks": _weeks(report),
        "trend": _trend(report),
        "deadline": _deadline(report),
        "withheld": list(report.withheld),
        "assumptions": list(report.assumptions),
        "blind_spots": list(report.blind_spots),
    }
    return summary | _pages_behind(report)


def _pages_behind(report: Report) -> dict[str, object]:
    """Return what stands behind the summary page: findings, method, coverage, prices, renewal, requests."""
    return {
        "groups": _groups(report),
        "findings": len(report.findings),
        "unprinted": max(0, len(report.findings) - FINDINGS_PRINTED_MAX),
        "psls": [_psl_row(report, index) for index in range(len(report.psls))],
        "rules": [
            [r.id, r.title, r.doc, r.saves, NOT_PRINTED if r.findings is None else str(r.findings)]
            for r in report.rules
        ],
        "gates": [
            {
                "rule": g.rule,
                "title": g.title,
                "verdict": g.verdict,
                "says": g.says,
                "remedy": g.remedy if g.verdict != "pass" else "",
                "facts": evidence(g.facts),
            }
            for g in report.gates
        ],
        "prices": [
            [
                p.product,
                money_text(p.price, p.currency, cents=True) if p.price is not None else "no price",
                p.basis,
                p.source,
                p.confidence,
                p.note,
            ]
            for p in report.prices
        ],
        "contract": [
            [
                c.product,
                str(c.contracted),
                str(c.provisioned),
                f"{c.drift:+d}",
                c.end.isoformat(),
                c.notice_deadline.isoformat(),
                str(c.days_left),
            ]
            for c in report.contract
        ],
        "readiness": [_readiness_row(line) for line in report.readiness],
        "scenarios": [_scenario_row(line) for line in report.scenarios if line.years == 1],
        "moves": [_move_row(line) for line in report.moves],
        "move_limits": [f"{m.what}: {money_text(m.annual, m.currency)} a year" for m in report.move_limits],
        "plan": [[step.day.isoformat(), _left(step.days_left), step.product, step.what] for step in report.plan],
        "requests": [[r.name, r.text, number(r.times), number(r.rows)] for r in report.requests],
        "api_calls": number(report.api_calls),
        "calls_estimated": number(report.calls_estimated),
        "login_rows": number(report.login_rows),
        "users": number(report.users),
        "users_active": number(report.users_active),
        "history": f"{report.history_start:%Y-%m-%d}" if report.history_start else "none",
        "threshold": str(report.effective_threshold_days),
        "pseudonymous": report.pseudonymous,
    }


def number(value: int | None) -> str:
    """Return a count with thousands apart, or a dash if it is withheld."""
    return NOT_PRINTED if value is None else f"{value:,}"


def money_text(amount: Decimal | None, currency: str | None, *, cents: bool = False) -> str:
    """Return an amount as it is printed, to the whole unit unless `cents`; a dash if there is none."""
    if amount is None:
        return NOT_PRINTED
    rounded = amount.quantize(Decimal("0.01") if cents else Decimal(1), ROUND_HALF_UP)
    return f"{currency or ''} {rounded:,}".strip()


def breakable(text: str) -> str:
    """Return a user name that may be broken at its sign and dots, by zero-width spaces."""
    return text.replace("@", "@\u200b").replace(".", ".\u200b")


def long_day(day: datetime | date) -> str:
    """Return a day like 22 November 2026."""
    return f"{day.day} {day:%B %Y}"


def _headline(report: Report) -> str:
    if report.seats_unused is None:
        return "This audit cannot say who is inactive."
    return f"{number(report.seats_unused)} of {number(report.seats_assigned)} assigned seats are not used."


def _standfirst(report: Report, main: MoneyTotal | None) -> str:
    if report.seats_unused is None:
        return report.withheld[0] if report.withheld else "The data do not carry it; see Coverage."
    grades = {
        grade: sum(getattr(line, f"unused_{grade}") or 0 for line in report.licenses) for grade in ("a", "b", "c")
    }
    text = (
        f"Certain from Salesforce's own fields (grade A): {grades['a']}. Very likely (B): {grades['b']}. "
        f"To be asked about first (C): {grades['c']}."
    )
    others = report.seats_assigned - report.seats_unused - (report.seats_active or 0)
    if report.seats_active is not None and others > 0:
        text += f" {number(others)} more are neither active nor a finding: new starters, or used by software only."
    if main is not None and not report.money_withheld:
        cash = money_text(main.cash_at_renewal, main.currency)
        text += f" Renewing {number(main.renewal_seats)} fewer seats would save {cash} a year."
    return text


def _seat_cards(report: Report) -> list[dict[str, str]]:
    return [
        {"label": "Purchased", "value": number(report.seats_purchased), "note": "paid licences"},
        {"label": "Assigned", "value": number(report.seats_assigned), "note": "held by active users"},
        {"label": "Active", "value": number(report.seats_active), "note": "people, last 90 days, estimated"},
        {
            "label": "Not used",
            "value": number(report.seats_unused),
            "note": f"no login for {report.effective_threshold_days} days or ever",
        },
    ]


def _money_cards(report: Report, main: MoneyTotal | None) -> list[dict[str, str]]:
    if report.money_withheld or main is None:
        value, note = (
            (WITHHELD, "see what could be wrong")
            if report.money_withheld
            else ("unpriced", "give prices with --prices")
        )
        return [
            {"label": label, "value": value, "note": note, "split": "", "sub": ""}
            for label in ("Reclaim now", "Cash at renewal", "At risk")
        ]
    basis = {"list": "at list price", "yours": "at your price"}.get(main.basis, "at list and your prices")
    quiet = report.seats_unused is None
    uplift = main.break_even_uplift_percent
    undone = "" if uplift is None else f" A unit price {uplift} % higher would cancel it."
    return [
        _card("Reclaim now", main.reclaim_now, main, main.reclaim_seats, basis, quiet=quiet)
        | {"split": _split(main.reclaim_split), "sub": "Seats to use again before buying: no cash flows."},
        _card("Cash at renewal", main.cash_at_renewal, main, main.renewal_seats, basis, quiet=quiet)
        | {"split": _split(main.renewal_split), "sub": f"After headroom and minimum.{undone}"},
        _card("At risk", main.at_risk, main, main.risk_seats, basis, quiet=quiet)
        | {"split": "all grade C", "sub": "Ask before you count on it."},
    ]


def _card(label: str, amount: Decimal, total: MoneyTotal, seats: int, basis: str, *, quiet: bool) -> dict[str, str]:
    if quiet:
        return {"label": label, "value": WITHHELD, "note": "activity is not visible"}
    value = money_text(amount, total.currency)
    return {"label": label, "value": value, "note": f"a year, {number(seats)} seats, {basis}"}


def _split(split: GradeSplit) -> str:
    return f"grade A {money_text(split.a, None)} · grade B {money_text(split.b, None)}"


def _other_currency(total: MoneyTotal) -> str:
    return (
        f"In {total.currency}: reclaim now {money_text(total.reclaim_now, None)}, cash at renewal "
        f"{money_text(total.cash_at_renewal, None)}, at risk {money_text(total.at_risk, None)} a year."
    )


def _license_row(line: LicenseLine) -> list[str]:
    unused = [number(count) for count in (line.unused_a, line.unused_b, line.unused_c)]
    price = money_text(line.unit_price, line.currency) if line.unit_price is not None else "no price"
    return [
        line.name,
        number(line.purchased),
        number(line.assigned),
        number(line.active_30),
        number(line.active_90),
        number(line.unused),
        " / ".join(unused),
        price,
    ]


def _sensitivity(point: SensitivityPoint) -> dict[str, str]:
    value = money_text(point.annual, point.currency) if point.annual is not None else NOT_PRINTED
    return {"days": str(point.days), "seats": number(point.seats), "value": value}


def _weeks(report: Report) -> list[dict[str, object]]:
    peak = max(report.weeks, key=lambda week: week.people, default=None)
    low = min(report.weeks, key=lambda week: week.people, default=None)
    return [
        {"label": f"{w.start:%d %b %Y}", "people": w.people, "peak": w is peak, "low": w is low} for w in report.weeks
    ]


def _trend(report: Report) -> str:
    if not report.weeks:
        return "Not shown: the login history does not carry it."
    peak = max(report.weeks, key=lambda week: week.people)
    low = min(report.weeks, key=lambda week: week.people)
    return (
        f"Peak {number(peak.people)} in the week from {long_day(peak.start)}; "
        f"lowest {number(low.people)} from {long_day(low.start)}."
    )


def _deadline(report: Report) -> str:
    if report.deadline is None:
        return (
            "Unknown without a contract file. Fees cannot fall before the renewal; notice is due 30 days ahead or more."
        )
    days = (report.deadline - report.taken_at.date()).days
    when = f"{days} days left" if days >= 0 else f"passed {-days} days ago"
    return f"Give notice by {long_day(report.deadline)} ({when})."


def _groups(report: Report) -> list[dict[str, object]]:
    groups: dict[str, list[FindingLine]] = {}
    for line in report.findings[:FINDINGS_PRINTED_MAX]:
        groups.setdefault(line.rule, []).append(line)
    return [
        {
            "rule": rule,
            "title": lines[0].title,
            "count": number(sum(1 for line in report.findings if line.rule == rule)),
            "remedy": lines[0].remedy,
            "rows": [_finding_row(line) for line in lines],
        }
        for rule, lines in sorted(groups.items())
    ]


def _finding_row(line: FindingLine) -> list[str]:
    why = line.why + (f" But: {'; '.join(line.traps)}." if line.traps else "")
    saving = money_text(line.saving_monthly, line.currency) if line.valued else NOT_PRINTED
    return [
        line.grade,
        line.subject,
        breakable(line.detail),
        line.pool_name,
        why,
        "no price" if line.valued and line.saving_monthly is None else saving,
    ]


def _readiness_row(line: ReadinessLine) -> list[str]:
    rise = NOT_PRINTED if line.break_even_percent is None else f"{line.break_even_percent} %"
    return [
        line.product,
        number(line.bought),
        number(line.assigned),
        number(line.spot),
        number(line.conservative),
        number(line.base),
        number(line.aggressive),
        number(line.fewer_base),
        rise,
        line.note or f"{line.weeks} weeks of history. {_forecast_text(line)}",
    ]


def _forecast_text(line: ReadinessLine) -> str:
    told = line.forecast
    if told is None:
        return f"{line.forecast_note[:1].upper()}{line.forecast_note[1:]}."
    return (
        f"In {told.weeks_ahead} weeks {number(told.expected)}, from {number(told.low)} to {number(told.high)} in "
        f"{told.level_percent} % of cases."
    )


def _move_row(line: MoveLine) -> list[str]:
    saves = "no price" if line.saves_monthly is None else money_text(line.saves_monthly, line.currency, cents=True)
    return [line.source_name, line.target_name, line.how, number(line.people), number(line.moved), saves]


def _scenario_row(line: ScenarioLine) -> list[str]:
    return [
        line.product,
        f"{line.case}, {number(line.quantity)}",
        f"{line.price_case}, {money_text(line.unit_price, None, cents=True)}",
        money_text(line.annual, line.currency),
        f"{line.difference.quantize(Decimal(1), ROUND_HALF_UP):+,}",
    ]


def _left(days: int) -> str:
    return f"in {days} days" if days >= 0 else "past"


def _psl_row(report: Report, index: int) -> Sequence[str]:
    line = report.psls[index]
    return [
        line.name,
        number(line.purchased),
        number(line.used),
        number(line.assignments_active),
        number(line.held_by_deactivated),
        number(line.never_used),
        line.convention,
    ]
