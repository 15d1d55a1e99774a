"""Where the figures of contract, required seats, scenarios, plan and moves come from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from isthmus.audit.composing.pools import SEAT_RULES
from isthmus.audit.composing.renewal import LIST, known_weeks
from isthmus.audit.explain.model import How, Setting, Source
from isthmus.audit.explain.rows import ASSIGNS, HISTORY, LOGINS, PRICES, USERS
from isthmus.audit.explain.tracer import Ground, decided, of_row, setting, words
from isthmus.audit.figures_renewal import ReadinessLine
from isthmus.audit.needed import case_values
from isthmus.audit.rules.registry import PSL_PRIORITY

_CASES: Final = ("conservative", "base", "aggressive")
_PICKS: Final = MappingProxyType(
    {
        "conservative": "the maximum of assigned less A",
        "base": "the 95th percentile of assigned less A and B",
        "aggressive": "the median of assigned less A, B and C",
    }
)
_CONTRACT_SETTINGS: Final = MappingProxyType(
    {
        "product": "sku",
        "contracted": "quantity",
        "unit_price": "unit_price",
        "currency": "currency",
        "start": "start",
        "end": "end",
        "minimum": "minimum_quantity",
        "source": "source",
        "notice_days": "notice_days",
        "auto_renew": "auto_renew",
        "uplift_cap": "uplift_cap",
    }
)


def contract_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a figure of the contract comes from."""
    line = ground.report.contract[at[0]]
    items = ground.view.terms.of(line.pool)
    first = next(i for i, other in enumerate(ground.report.contract) if other.pool == line.pool)
    item = items[at[0] - first]
    number = ground.analysis.basis.contract.index(item)
    here = f"contract[{number}]"
    if field in _CONTRACT_SETTINGS:
        name = _CONTRACT_SETTINGS[field]
        return decided(setting(f"{here}.{name}", getattr(item, name)), said="As your contract file says.")
    if field in {"pool", "provisioned"}:
        return of_row(ground.pool(line.pool), "id" if field == "pool" else "total")
    path = f"contract[{at[0]}]"
    if field == "drift":
        parts = (f"{path}.provisioned", *ground.contract_parts(line.pool, "contracted"))
        said = f"{line.provisioned} less all lines of this licence that are in force."
        return Source(How.RECKONED, said, parts=parts)
    said, parts = _of_terms(ground, field, at[0])
    return Source(How.RECKONED, said, parts=parts)


def _of_terms(ground: Ground, field: str, index: int) -> tuple[str, tuple[str, ...]]:
    """Return what is said of a day or a yes-or-no of a contract's line, and what it follows from."""
    line, path = ground.report.contract[index], f"contract[{index}]"
    if field == "in_force":
        said = (
            "Whether the audit's day lies in the term; without such a line the last one that renews by itself counts."
        )
        return said, ("today", f"{path}.start", f"{path}.end", f"{path}.auto_renew")
    if field in {"followed", "renews"}:
        lines = [i for i, other in enumerate(ground.report.contract) if other.pool == line.pool]
        said = "By the ends and beginnings of this licence's lines: the last of those that follow one another renews."
        return said, ("today", *(f"contract[{i}].{name}" for i in lines for name in ("start", "end")))
    if field == "notice_deadline":
        return f"{line.end.isoformat()} less {line.notice_days} days.", (f"{path}.end", f"{path}.notice_days")
    return "Days between the two.", ("today", f"{path}.notice_deadline")


def readiness_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where required seats come from."""
    line = ground.report.readiness[at[0]]
    path = f"readiness[{at[0]}]"
    if field in {"pool", "product", "assigned"}:
        return of_row(ground.pool(line.pool), {"pool": "id", "product": "label", "assigned": "used"}[field])
    if field == "bought":
        parts = ground.contract_parts(line.pool, "contracted")
        return Source(How.SUM, parts=parts) if parts else of_row(ground.pool(line.pool), "total")
    if field in {"minimum", "hires"}:
        least = ground.contract_parts(line.pool, "minimum"), (setting("contract", "minimum_quantity"),)
        hires = decided(setting("thresholds.hires", line.hires))
        return hires if field == "hires" else Source(How.SUM, parts=least[0], settings=least[1])
    if field == "fewer_base":
        which = "base" if line.base is not None else "spot"
        there = (ground.view.licenses.get(line.pool) or ground.view.psls[line.pool]).total
        beyond = f", of which the org has {there}," if there < line.bought else ""
        said = f"{line.bought} bought{beyond} less {getattr(line, which)}, never below 0."
        return Source(How.RECKONED, said, parts=(f"{path}.bought", f"{path}.{which}"))
    if field == "break_even_percent":
        said = "The share f that need not be renewed, as f / (1 - f) in percent; none if nothing or all is given back."
        return Source(How.RECKONED, said, parts=(f"{path}.bought", f"{path}.fewer_base"))
    return (_required_add_on if line.pool in ground.view.psls else _required)(ground, line, field)


def _required_add_on(ground: Ground, line: ReadinessLine, field: str) -> Source:
    headroom = ground.view.thresholds_of(line.pool).headroom
    plus = f", + {line.hires} committed hires" if line.hires else ""
    said = line.note
    if field == "spot":
        said = (
            f"Its {line.assigned} used less those found with grade A or B, x (1 + {headroom}), rounded up{plus}, at "
            f"least the minimum of {line.minimum}."
        )
    found = [p for p in ground.findings_of(PSL_PRIORITY, line.pool) if p in ground.analysis.valued]
    settings = (setting("thresholds.headroom", headroom),)
    parts = (ground.license_path(line.pool, "used"), *(f"findings[{p}].grade" for p in found))
    rows, files = ground.pool(line.pool), (ASSIGNS, LOGINS)
    return Source(How.RECKONED, said, rows, files, parts, rules=PSL_PRIORITY, settings=settings)


def _required(ground: Ground, line: ReadinessLine, field: str) -> Source:
    points = ground.analysis.basis.history.points
    weeks = known_weeks(ground.analysis, line.pool, ground.report.licenses)
    headroom = ground.view.thresholds_of(line.pool).headroom
    field = "base" if field.startswith("base_") else field
    plus = f", + {line.hires} committed hires" if line.hires else ""
    values = case_values(weeks)
    said = f"{len(weeks)} weeks are known."
    if field in _CASES and values is not None:
        seats = values[_CASES.index(field)]
        raised = _raised(ground, line, field, seats)
        said = (
            f"{_PICKS[field][:1].upper()}{_PICKS[field][1:]} over {len(weeks)} weeks is {seats}{raised}; "
            f"x (1 + {headroom}), rounded up{plus}, and at least the minimum of {line.minimum}."
        )
    elif field == "spot":
        said = f"Today's assigned seats less A and B, x (1 + {headroom}), rounded up{plus}, at least {line.minimum}."
    elif field in _CASES:
        said = line.note
    elif field.startswith("forecast"):
        said = line.forecast_note or "The line through the last quarter, tried out on every week of the past."
    kept = tuple(
        setting(f"points[{i}]", f"{p.day}: {p.assigned} assigned", HISTORY)
        for i, p in enumerate(points)
        if p.pool == line.pool
    )
    today = tuple(ground.license_path(line.pool, name) for name in ("assigned", "unused_a", "unused_b", "unused_c"))
    settings: tuple[Setting, ...] = (setting("thresholds.headroom", headroom), *kept)
    files = (HISTORY, USERS, LOGINS)
    return Source(How.RECKONED, said, ground.pool(line.pool), files, today, rules=SEAT_RULES, settings=settings)


def _raised(ground: Ground, line: ReadinessLine, field: str, seats: int) -> str:
    high = line.forecast.high if line.forecast is not None else 0
    pool = ground.analysis.money.get(line.pool)
    now = pool.in_use if pool is not None else 0
    if field == "base" and now > max(seats, high):
        return f", raised to the {now} that today needs"
    return f", raised to the forecast's upper end of {high}" if field != "aggressive" and high > seats else ""


def scenario_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a figure of a scenario comes from."""
    line = ground.report.scenarios[at[0]]
    path = f"scenarios[{at[0]}]"
    ready = next(i for i, other in enumerate(ground.report.readiness) if other.pool == line.pool)
    if field in {"pool", "product"}:
        return of_row(ground.pool(line.pool), "id" if field == "pool" else "label")
    if field in {"case", "price_case", "years"}:
        return words("The same grid in every report: quantities, price rises, terms.")
    if field == "quantity":
        if line.case == "as is":
            lines = enumerate(ground.report.contract)
            parts = tuple(f"contract[{i}].contracted" for i, other in lines if other.pool == line.pool and other.renews)
            return Source(How.SUM, parts=parts)
        name = {"today": "spot"}.get(line.case, line.case)
        return Source(How.SAME, parts=(f"readiness[{ready}].{name}",))
    if field in {"unit_price", "currency"}:
        said = (
            f"The price of today, {line.price_case}."
            if not line.price_case.startswith(LIST)
            else "The list price in force at the end."
        )
        return Source(How.RECKONED, said, files=(PRICES,), parts=ground.price_parts(line.pool))
    reckoned: Mapping[str, tuple[str, tuple[str, ...]]] = {
        "annual": (f"{line.quantity} x {line.unit_price} x 12.", (f"{path}.quantity", f"{path}.unit_price")),
        "term": (f"{line.annual} x {line.years}.", (f"{path}.annual", f"{path}.years")),
        "difference": (
            f"{line.annual} less a year at today's quantity and price.",
            (f"{path}.annual", f"readiness[{ready}].bought", *ground.price_parts(line.pool)),
        ),
        "break_even_percent": (
            "The share f that is not renewed, as f / (1 - f) in percent.",
            (f"{path}.quantity", f"readiness[{ready}].bought"),
        ),
    }
    said, parts = reckoned[field]
    return Source(How.RECKONED, said, parts=parts)


def plan_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a step of the plan comes from."""
    step = ground.report.plan[at[0]]
    lines = [i for i, line in enumerate(ground.report.contract) if line.product == step.product]
    if field == "what":
        return words("The steps are the same in every plan; the last two say whether the term renews by itself.")
    parts = tuple(f"contract[{i}].{name}" for i in lines for name in ("end", "notice_deadline", "product"))
    said = "Counted back from the end of the term: 365, 274, 182 and 90 days, and 14 days before the notice."
    if field == "days_left":
        return Source(How.RECKONED, "Days between the two.", parts=("today", f"plan[{at[0]}].day"))
    return Source(How.RECKONED, said, parts=parts)


def move_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a move to another licence comes from."""
    line = ground.report.moves[at[0]]
    analysis = ground.analysis
    rules = ("R09", "R19")
    found = [
        p
        for p in sorted(analysis.valued)
        if analysis.findings[p].rule in rules and analysis.findings[p].pool == line.source
    ]
    if field == "how":
        return words("What Salesforce permits: some licences cannot be changed in place.", rules=rules)
    prices = tuple(part for pool in (line.source, line.target) for part in ground.price_parts(pool))
    said = {
        "people": "People of this licence whom R09 or R19 found, each valued once.",
        "moved": "The least cost over all moves together, with free seats and contract minimums; exact.",
        "free": "Free seats of the other licence that nobody holds.",
    }.get(field, "Of the licences and their prices.")
    parts = (*(f"findings[{p}].why" for p in found), *prices, *ground.contract_parts(line.source, "minimum"))
    rows = (*ground.pool(line.source), *ground.pool(line.target))
    return Source(How.RECKONED, said, rows, (USERS, LOGINS, PRICES), parts, rules=rules)


def move_limit_trace(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    """Return where the cost of a limit comes from."""
    line = ground.report.move_limits[at[0]]
    parts = tuple(f"moves[{i}].moved" for i in range(len(ground.report.moves)))
    said = "The optimisation is done again without the limit; the difference by month, times twelve."
    return Source(How.RECKONED, said, ground.pool(line.pool), (PRICES,), parts, rules=("R09", "R19"))
