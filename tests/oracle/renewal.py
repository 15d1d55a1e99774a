"""Seats to renew: today's, the 95th percentile and the most of the weeks that were kept, and the days of notice."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import ceil

from tests.oracle.facts import Facts, Finding, Row, day
from tests.oracle.pools import required

WEEKS_LEAST, WEEKS_MOST = 8, 52


def bought(facts: Facts, pool_id: str) -> int:
    """What is under contract, else what the org has."""
    contracted = facts.contracted(pool_id)
    row = facts.pools.get(pool_id) or facts.psls[pool_id]
    return max(0, row["total"]) if contracted is None else contracted


def weeks(facts: Facts, pool_id: str, findings: list[Finding]) -> list[Row]:
    """One point for each ISO week of the last 52 weeks, its last audit; today's audit is one. Only those that are known."""
    grades = [f["grade"] for f in findings if f["pool"] == pool_id and f["rule"] in {"R06", "R07", "R08"}]
    now = {"day": str(facts.today), "pool": pool_id, "assigned": facts.pools[pool_id]["used"]}
    now |= {f"unused_{g}": grades.count(g.upper()) for g in "abc"}
    last: dict[tuple[int, int], Row] = {}
    for point in sorted([*facts.history["points"], now], key=lambda p: p["day"]):
        when = day(point["day"])
        if point["pool"] == pool_id and 0 <= (facts.today - when).days < WEEKS_MOST * 7:
            last[when.isocalendar()[:2]] = point
    return [last[week] for week in sorted(last) if last[week]["unused_a"] is not None]


def less(point: Row, grades: str) -> int:
    return point["assigned"] - sum(point[f"unused_{g}"] for g in grades)


def fewer(facts: Facts, pool_id: str, sure: int, findings: list[Finding]) -> int:
    """How many fewer seats need to be renewed, by the base case."""
    row = facts.pools.get(pool_id) or facts.psls[pool_id]
    need = max(0, row["used"] - sure)
    if pool_id in facts.pools:
        points = weeks(facts, pool_id, findings)
        if len(points) >= WEEKS_LEAST:
            past = rank([less(p, "ab") for p in points], Decimal("0.95"))
            need = max(need, past, facts.forecasts.get(pool_id, 0))
    needed = required(need, facts.setting(pool_id, "headroom")) + facts.setting(pool_id, "hires")
    return max(0, facts.ends(pool_id, facts.paid_for(pool_id)) - max(needed, facts.minimum(pool_id)))


def readiness(facts: Facts, pool_id: str, in_use: int | None, findings: list[Finding]) -> Row:
    """The cases of one licence; the forecast's upper end is taken from the report (it is checked by a back-test).

    `in_use`: seats used that no finding of grade A or B, of any rule, says can be given back; None: no money is known.
    """
    pool, points = facts.pools[pool_id], weeks(facts, pool_id, findings)
    headroom, extra, least = facts.setting(pool_id, "headroom"), facts.setting(pool_id, "hires"), facts.minimum(pool_id)
    today = in_use if in_use is not None else less(points[-1], "ab")

    def case(seats: int) -> int:
        return max(required(seats, headroom) + extra, least)

    line: Row = {"weeks": len(points), "minimum": least, "hires": extra, "assigned": pool["used"]}
    line |= {
        "bought": bought(facts, pool_id),
        "spot": case(today),
        "conservative": None,
        "base": None,
        "aggressive": None,
    }
    if len(points) >= WEEKS_LEAST:
        high = facts.forecasts.get(pool_id, 0)
        line["conservative"] = case(max(*(less(p, "a") for p in points), high))
        line["base"] = case(max(today, rank([less(p, "ab") for p in points], Decimal("0.95")), high))
        line["aggressive"] = case(max(0, sorted(less(p, "abc") for p in points)[len(points) // 2]))
    needed = line["base"] if line["base"] is not None else line["spot"]
    line["fewer_base"] = max(0, facts.ends(pool_id, min(line["bought"], pool["total"])) - needed)
    line["break_even_percent"] = break_even(line["fewer_base"], line["bought"])
    return line


def add_on(facts: Facts, pool_id: str, chosen: list[Finding]) -> Row:
    """What is needed of a permission set licence under contract: what is used today less what was found; no past is kept."""
    psl = facts.psls[pool_id]
    sure = sum(1 for f in chosen if f["pool"] == pool_id and f["grade"] in "AB")
    headroom, extra, least = facts.setting(pool_id, "headroom"), facts.setting(pool_id, "hires"), facts.minimum(pool_id)
    spot = max(required(psl["used"] - sure, headroom) + extra, least)
    line: Row = {
        "weeks": 0,
        "minimum": least,
        "hires": extra,
        "assigned": psl["used"],
        "bought": bought(facts, pool_id),
    }
    line |= {"spot": spot, "conservative": None, "base": None, "aggressive": None}
    line["fewer_base"] = max(0, facts.ends(pool_id, min(line["bought"], psl["total"])) - spot)
    line["break_even_percent"] = break_even(line["fewer_base"], line["bought"])
    return line


def rank(values: list[int], share: Decimal) -> int:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(1, ceil(share * len(ordered))) - 1]


def break_even(fewer: Decimal | int, of: Decimal | int) -> Decimal | None:
    """f / (1 - f): the rise of the unit price that cancels cutting the share f."""
    if fewer <= 0 or fewer >= of:
        return None
    return (Decimal(fewer) * 100 / (Decimal(of) - fewer)).quantize(Decimal("0.1"), ROUND_HALF_UP)


def notices(facts: Facts) -> list[Row]:
    """Each line of the contract that names a licence of the org: its day of notice, and whether it counts."""
    found: list[Row] = []
    for pool_id, pool in {**facts.pools, **facts.psls}.items():
        in_force = facts.lines_in_force(pool_id)
        drift = pool["total"] - sum(x["quantity"] for x in in_force)
        for line in facts.lines_of(pool_id):
            deadline = day(line["end"]) - timedelta(days=line["notice_days"])
            counts = line in in_force
            row = {"pool": pool_id, "end": line["end"], "notice_deadline": str(deadline), "in_force": counts}
            row["followed"] = bool(facts.followers(pool_id, line))
            row |= {"days_left": (deadline - facts.today).days, "contracted": line["quantity"]}
            found.append(row | {"drift": drift})
    return found
