"""The PDF: one page that finance reads in two minutes, then findings by name, method, coverage and requests.

What is printed is chosen and worded here, and set in a process of its own (`typesetting`).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import msgspec

from isthmus.audit.figures import ContractLine, MoveLine, PriceLine, Report
from isthmus.audit.figures_more import MeterLine
from isthmus.audit.figures_renewal import ReadinessLine, ScenarioLine
from isthmus.audit.report.findings import FINDINGS_PRINTED_MAX, finding_groups, worth_by_rule
from isthmus.audit.report.summary import summary_data
from isthmus.audit.report.tables import evidence
from isthmus.audit.report.typesetting import LettersMissing, typeset
from isthmus.audit.report.wording import NOT_PRINTED, PRICE_FROM, long_day, money_text, number

COHORTS_PRINTED_MAX: Final = 20
FIGURE_NAMES: Final = (
    ("Bought, assigned", "seats_purchased, seats_assigned"),
    ("Active, not used, neither", "seats_active, seats_unused, seats_unused_a (b, c), seats_other"),
    ("Cash at renewal", "money[0].cash_at_renewal, money[0].renewal_seats, money[0].renewal_split.a (b)"),
    ("Price rise that cancels it", "money[0].break_even_uplift_percent"),
    ("Reclaim now", "money[0].reclaim_now, money[0].reclaim_seats, money[0].reclaim_split.a (b)"),
    ("At risk", "money[0].at_risk, money[0].risk_seats"),
    ("Deadline", "deadline, contract[0].notice_deadline"),
    ("A line of the licences", "licenses[0].active_90, licenses[0].unused; licenses[SFDC] does as well"),
    ("Fewer, saved a year", "licenses[0].renewal_seats; licenses[0].renewal_monthly and psls[0].renewal_monthly, x 12"),
    ("Cost a year", "money[0].annual_cost; licenses[0].unit_price, contract[0].contracted"),
    (
        "Seats to renew, by case",
        "readiness[0].conservative, readiness[0].base, readiness[0].aggressive, readiness[0].spot",
    ),
    ("A bar, the peak, the trough", "weeks[0].people, weeks[0].assigned"),
    ("Another threshold", "sensitivity[0].seats, sensitivity[0].annual"),
)


def render_pdf(report: Report, fingerprint: str) -> bytes:
    """Return the report as PDF/UA-1. The same report gives the same bytes where the same fonts are installed.

    Names in letters for which no font is installed leave a document that is tagged, but not PDF/UA, and says so.
    """
    data = pdf_data(report, fingerprint)
    try:
        return typeset(msgspec.json.encode(data).decode(), report.taken_at, accessible=True)
    except LettersMissing:
        data |= {"letters_missing": True}
    return typeset(msgspec.json.encode(data).decode(), report.taken_at, accessible=False)


def pdf_data(report: Report, fingerprint: str) -> dict[str, object]:
    """Return what the template prints: texts only, everything rounded and worded."""
    return summary_data(report) | _pages_behind(report) | {"fingerprint": fingerprint, "letters_missing": False}


def _pages_behind(report: Report) -> dict[str, object]:
    """Return what stands behind the summary page: findings, method, coverage, prices, renewal, requests."""
    return {
        "worth": worth_by_rule(report),
        "groups": finding_groups(report),
        "findings": len(report.findings),
        "unprinted": max(0, len(report.findings) - FINDINGS_PRINTED_MAX),
        "psls": [_psl_row(report, index) for index in range(len(report.psls))],
        "rules": [
            [r.id, r.title, r.doc, r.saves, NOT_PRINTED if r.findings is None else number(r.findings)]
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
        "assumptions": list(report.assumptions),
        "prices": _price_rows(report),
        "contract": [_contract_row(line) for line in report.contract],
        "readiness": [_readiness_row(line) for line in report.readiness],
        "scenarios": _scenario_tables(report),
        "moves": [_move_row(line) for line in report.moves],
        "move_limits": [f"{m.what}: {money_text(m.annual, m.currency)} a year" for m in report.move_limits],
        "meters": [_meter_row(line) for line in report.meters],
        "cohorts": [
            f"{number(c.seats)} seats of {c.product} were created on {long_day(c.day)}, {number(c.never_used)} of them "
            "were never used."
            for c in report.cohorts[:COHORTS_PRINTED_MAX]
        ],
        "plan": _plan_rows(report),
        "figure_names": [list(pair) for pair in FIGURE_NAMES],
        "requests": [[r.name, r.text, number(r.times), number(r.rows)] for r in report.requests],
        "api_calls": number(report.api_calls),
        "calls_estimated": number(report.calls_estimated),
        "interruptions": report.interruptions,
        "login_rows": number(report.login_rows),
        "users": number(report.users),
        "users_active": number(report.users_active),
        "history": f"{report.history_start:%Y-%m-%d}" if report.history_start else "none",
        "threshold": str(report.effective_threshold_days),
        "pseudonymous": report.pseudonymous,
    }


def _price_rows(report: Report) -> list[list[str]]:
    """Return each price with the name that its licence has everywhere else, and with what it is called in its file."""
    names = {line.id: line.name for line in (*report.licenses, *report.psls)}
    return [_price_row(line, names.get(line.pool, line.product)) for line in report.prices]


def _price_row(line: PriceLine, name: str) -> list[str]:
    called = "" if line.product.casefold() == name.casefold() else f" ({line.product})"
    told = [line.source, line.note] if line.note else [line.source]
    price = NOT_PRINTED if line.price is None else money_text(line.price, line.currency, cents=True)
    return [
        f"{name}{called}",
        price,
        PRICE_FROM.get(line.basis, line.basis),
        ". ".join(text.rstrip(".") for text in told) + ("." if line.note else ""),
        line.confidence,
    ]


def _plan_rows(report: Report) -> list[list[str]]:
    """Return what to do on which day, each step once for all products that it is the same for."""
    steps: dict[tuple[str, str, str], list[str]] = {}
    for step in report.plan:
        steps.setdefault((step.day.isoformat(), _left(step.days_left), step.what), []).append(step.product)
    return [[day, left, ", ".join(products), what] for (day, left, what), products in steps.items()]


def _terms(line: ContractLine) -> str:
    """Return what else the contract's line says."""
    said = [f"from {line.start.isoformat()}"] if line.start else []
    said.append(f"notice {line.notice_days} days ahead")
    said.append("renews by itself" if line.auto_renew else "does not renew by itself")
    said += [f"price rise at most {line.uplift_cap.normalize():f} %"] if line.uplift_cap is not None else []
    return "; ".join(said)


def _standing(line: ContractLine) -> str:
    """Say of a line that is not the present term what it is; and of the present one, if another follows it."""
    if line.followed:
        return " (another term follows: no notice is due)"
    if line.in_force:
        return ""
    return " (to come: decides the renewal)" if line.renews else " (not in force: counts for nothing)"


def _contract_row(line: ContractLine) -> list[str]:
    return [
        line.product,
        _terms(line),
        number(line.contracted),
        number(line.provisioned),
        f"{line.drift:+,d}" if line.drift else "none",
        number(line.minimum),
        NOT_PRINTED if line.unit_price is None else money_text(line.unit_price, line.currency, cents=True),
        line.end.isoformat(),
        line.notice_deadline.isoformat(),
        number(line.days_left),
        f"{line.source}{_standing(line)}",
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
        (f"With {line.hires} committed hires. " if line.hires else "")
        + (line.note or f"{line.weeks} weeks of history. {_forecast_text(line)}"),
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


def _meter_row(line: MeterLine) -> list[str]:
    unpriced = "no price" if line.price is None else ""
    return [
        line.product,
        number(line.entitled),
        f"{number(line.used)} in {line.passed_percent} % of the month",
        number(line.projected),
        number(line.needed),
        number(line.unneeded),
        unpriced or money_text(line.saving_monthly, line.currency, cents=True),
        NOT_PRINTED if line.break_even_logins is None else str(line.break_even_logins),
    ]


def _scenario_tables(report: Report) -> list[dict[str, object]]:
    """Return a table for each licence: a row for each quantity, a column for each price."""
    licenses: dict[str, dict[str, list[ScenarioLine]]] = {}
    for line in report.scenarios:
        if line.years == 1:
            case = f"{line.case}: {number(line.quantity)}"
            licenses.setdefault(f"{line.product}, {line.currency}", {}).setdefault(case, []).append(line)
    return [
        {
            "title": title,
            "prices": [f"{line.price_case}: {money_text(line.unit_price, None, cents=True)}" for line in lines[0]],
            "rows": [[case, *map(_scenario_cell, row)] for case, row in cases.items()],
        }
        for title, cases in licenses.items()
        if (lines := list(cases.values()))
    ]


def _scenario_cell(line: ScenarioLine) -> list[str]:
    return [money_text(line.annual, None), f"{line.difference.quantize(Decimal(1), ROUND_HALF_UP):+,}"]


def _left(days: int) -> str:
    return f"{number(days)} days" if days >= 0 else "past"


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
