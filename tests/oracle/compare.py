"""Compares a report.json with what the oracle reckons from the same bundle, figure by figure."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from tests.oracle import counts, renewal
from tests.oracle.facts import OF_ONES_OWN, Facts, day
from tests.oracle.judging import judged
from tests.oracle.money import cents, sensitivity, unpriced

UNUSED = {"R06", "R07", "R08"}


class Differences:
    """What was compared, and where both differ."""

    def __init__(self) -> None:
        self.compared = 0
        self.found: list[str] = []

    def same(self, where: str, oracle: Any, product: Any) -> None:
        self.compared += 1
        if decimal(oracle) != decimal(product):
            self.found.append(f"{where}: oracle {oracle}, product {product}")


def decimal(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return Decimal(value)
        except ArithmeticError:
            return value
    return value


def compare(files: dict[str, Any], report: dict[str, Any]) -> Differences:
    """Return every difference between the report and the oracle."""
    forecasts = {line["pool"]: line["forecast"]["high"] for line in report["readiness"] if line["forecast"]}
    mine = judged(files, forecasts)
    facts: Facts = mine["facts"]
    diff = Differences()
    _findings(diff, facts, mine, report)
    _pools(diff, facts, mine, report)
    _psls(diff, facts, mine, report)
    _totals(diff, facts, mine, report)
    _money(diff, facts, mine, report)
    _sensitivity(diff, facts, mine, report)
    _renewals(diff, facts, mine, report)
    _scenarios(diff, facts, mine, report)
    _people(diff, facts, mine, report)
    return diff


def by_forecast(facts: Facts, pool: str) -> bool:
    return facts.pools[pool]["used"] * 10 < facts.pools[pool]["total"] * 9


def _findings(diff: Differences, facts: Facts, mine: dict[str, Any], report: dict[str, Any]) -> None:
    def line(f: dict[str, Any]) -> tuple[Any, ...]:
        return f["rule"], f["subject"], f["pool"], f["grade"], None if f["rule"] == "R20" else f["quantity"]

    ours = Counter(line(f) for f in mine["findings"])
    theirs = Counter(line({**f, "subject": f["subject_id"]}) for f in report["findings"])
    for key in {*ours, *theirs}:
        if key[0] == "R17" and by_forecast(facts, key[1]):
            continue  # a forecast may find it, or have no say
        diff.same(f"findings {key}", ours[key], theirs[key])
    ours_valued = Counter(
        (f["rule"], f["subject"], f["pool"], cents(f["monthly"]))
        for f in mine["chosen"]
        if f["monthly"] is not None and f["pool"] in mine["pools"]
    )
    theirs_valued = Counter(
        (f["rule"], f["subject_id"], f["pool"], Decimal(f["saving_monthly"]))
        for f in report["findings"]
        if f["saving_monthly"] is not None and f["rule"] not in {"R16", "R23"}
    )
    if not report["money_withheld"]:
        for key in {*ours_valued, *theirs_valued}:
            diff.same(f"saving {key}", ours_valued[key], theirs_valued[key])


def _pools(diff: Differences, facts: Facts, mine: dict[str, Any], report: dict[str, Any]) -> None:
    for line in report["licenses"]:
        pool, where = facts.pools[line["id"]], f"licenses[{line['name']}]"
        diff.same(f"{where}.purchased", pool["total"], line["purchased"])
        diff.same(f"{where}.assigned", pool["used"], line["assigned"])
        estimate = mine["gates"]["estimate"][pool["id"]]
        for days in (30, 60, 90):
            known = estimate and days <= facts.history_days
            ours = counts.active(facts, pool["id"], days) if known else None
            diff.same(f"{where}.active_{days}", ours, line[f"active_{days}"])
        known = estimate and facts.history_days >= 90
        diff.same(f"{where}.machines_90", counts.machines(facts, pool["id"]) if known else None, line["machines_90"])
        for grade, number in unused(mine, pool["id"]).items():
            diff.same(f"{where}.unused_{grade}", number, line[f"unused_{grade}"])
        _monthly(diff, where, mine, line)
        price, currency = facts.price(pool["id"])
        diff.same(f"{where}.unit_price", price, line["unit_price"])
        diff.same(f"{where}.currency", currency, line["currency"])
    diff.same("licenses", sorted(facts.pools), sorted(line["id"] for line in report["licenses"]))


def _monthly(diff: Differences, where: str, mine: dict[str, Any], line: dict[str, Any]) -> None:
    """Compare what a pool's seats cost a month, by figure."""
    money = mine["pools"].get(line["id"])
    if money is None or line["unit_price"] is None or not mine["gates"]["money"] or not mine["gates"]["activity"]:
        for name in ("reclaim_monthly", "risk_monthly", "renewal_monthly"):
            diff.same(f"{where}.{name}", None, line[name])
        return
    diff.same(
        f"{where}.reclaim_monthly", sum((f["monthly"] for f in money["reclaim"]), Decimal(0)), line["reclaim_monthly"]
    )
    diff.same(f"{where}.risk_monthly", sum((f["monthly"] for f in money["risk"]), Decimal(0)), line["risk_monthly"])
    diff.same(f"{where}.renewal_monthly", sum(money["renewal"].values(), Decimal(0)), line["renewal_monthly"])
    diff.same(f"{where}.renewal_seats", money["renewal_seats"], line["renewal_seats"])


def unused(mine: dict[str, Any], pool: str | None = None) -> dict[str, int | None]:
    if not mine["gates"]["activity"]:
        return {"a": None, "b": None, "c": None}
    grades = [f["grade"] for f in mine["findings"] if f["rule"] in UNUSED and pool in {None, f["pool"]}]
    return {grade: grades.count(grade.upper()) for grade in "abc"}


def _psls(diff: Differences, facts: Facts, mine: dict[str, Any], report: dict[str, Any]) -> None:
    for line in report["psls"]:
        psl, where = facts.psls[line["id"]], f"psls[{line['name']}]"
        grants = [row for row in facts.assigns if row["psl"] == psl["id"]]
        diff.same(f"{where}.assignments", len(grants), line["assignments"])
        holders = [facts.holder(row) for row in grants]
        active = sum(1 for user in holders if user is not None and user["active"])
        gone = sum(1 for user in holders if user is not None and not user["active"])
        diff.same(f"{where}.assignments_active", active, line["assignments_active"])
        diff.same(f"{where}.held_by_deactivated", gone, line["held_by_deactivated"])
        never = sum(1 for f in mine["findings"] if f["rule"] == "R11" and f["pool"] == psl["id"])
        diff.same(f"{where}.never_used", never if mine["gates"]["activity"] else None, line["never_used"])
        diff.same(f"{where}.unit_price", facts.price(psl["id"])[0], line["unit_price"])
        _monthly(diff, where, mine, line)


def _totals(diff: Differences, facts: Facts, mine: dict[str, Any], report: dict[str, Any]) -> None:
    paid = [p for p in facts.pools.values() if facts.paid(p["id"])]
    there = sum(max(0, p["total"]) for p in paid if p["status"] != "Disabled")
    diff.same("seats_purchased", there, report["seats_purchased"])
    diff.same("seats_assigned", sum(p["used"] for p in paid), report["seats_assigned"])
    known = all(mine["gates"]["estimate"][p["id"]] for p in paid) and facts.history_days >= 90
    known = (
        known if paid else mine["gates"]["activity"]
    )  # of no paid licence nobody is active, however short the history
    active = sum(counts.active(facts, p["id"], 90) for p in paid)
    diff.same("seats_active", active if known else None, report["seats_active"])
    listed = {**mine, "findings": [f for f in mine["findings"] if f["pool"] in facts.pools]}
    for grade, number in unused(listed).items():
        diff.same(f"seats_unused_{grade}", number, report[f"seats_unused_{grade}"])
    if known and mine["gates"]["activity"]:
        found = {f["subject"] for f in listed["findings"] if f["rule"] in UNUSED and f["grade"] != "D"}
        there = {u["id"] for p in paid for u in facts.holders(p["id"]) if facts.within(u["id"], OF_ONES_OWN, 90)}
        other = max(0, sum(p["used"] for p in paid) - len(found | there))
        diff.same("seats_other", other, report["seats_other"])
    effective = min(facts.settings["thresholds"]["inactive_days"], facts.history_days)
    diff.same("effective_threshold_days", effective, report["effective_threshold_days"])
    diff.same("users", len(facts.users), report["users"])
    diff.same("users_active", sum(1 for u in facts.users.values() if u["active"]), report["users_active"])
    diff.same("history_days", facts.history_days, report["history_days"])


def _money(diff: Differences, facts: Facts, mine: dict[str, Any], report: dict[str, Any]) -> None:
    diff.same("money_withheld", not mine["gates"]["money"] or not mine["gates"]["activity"], report["money_withheld"])
    if report["money_withheld"]:
        diff.same("money", 0, len(report["money"]))
        return
    diff.same("unpriced_seats", unpriced(facts, mine["chosen"], mine["pools"]), report["unpriced_seats"])
    totals: dict[str, Any] = mine["totals"]
    stated = {line["currency"]: line for line in report["money"]}
    nothing: dict[str, Any] = defaultdict(Decimal)
    for currency in {*totals, *stated}:
        if currency not in stated:
            diff.same(f"money[{currency}]", "there", "missing")
            continue
        ours, line, where = totals.get(currency, nothing), stated[currency], f"money[{currency}]"
        names = (
            "reclaim_now",
            "cash_at_renewal",
            "at_risk",
            "annual_cost",
            "reclaim_seats",
            "risk_seats",
            "renewal_seats",
        )
        for name in names:
            diff.same(f"{where}.{name}", ours[name], line[name])
        for grade in "ab":
            diff.same(f"{where}.reclaim_split.{grade}", ours[f"reclaim_{grade}"], line["reclaim_split"][grade])
            diff.same(f"{where}.renewal_split.{grade}", ours[f"renewal_{grade}"], line["renewal_split"][grade])
        uplift = renewal.break_even(ours["cash_at_renewal"], ours["annual_cost"])
        diff.same(f"{where}.break_even", uplift, line["break_even_uplift_percent"])


def _sensitivity(diff: Differences, facts: Facts, mine: dict[str, Any], report: dict[str, Any]) -> None:
    for point in report["sensitivity"]:
        days = point["days"]
        known = mine["gates"]["activity"] and days <= facts.history_days
        seats, annual = sensitivity(facts, days, point["currency"])
        diff.same(f"sensitivity[{days}].seats", seats if known else None, point["seats"])
        if point["annual"] is not None:
            diff.same(f"sensitivity[{days}].annual", annual, point["annual"])


def _renewals(diff: Differences, facts: Facts, mine: dict[str, Any], report: dict[str, Any]) -> None:
    ours: dict[str, Any] = mine["readiness"]
    diff.same("readiness", sorted(ours), sorted(line["pool"] for line in report["readiness"]))
    for line in report["readiness"]:
        for name, value in ours.get(line["pool"], {}).items():
            diff.same(f"readiness[{line['product']}].{name}", value, line[name])
    rows = renewal.notices(facts)
    names = ("pool", "end", "notice_deadline", "days_left", "contracted", "drift", "in_force", "followed")
    stated = Counter(tuple(line[name] for name in names) for line in report["contract"])
    reckoned = Counter(tuple(row[name] for name in names) for row in rows)
    for key in {*stated, *reckoned}:
        diff.same(f"contract {key}", reckoned[key], stated[key])
    days = sorted(row["notice_deadline"] for row in rows if not row["followed"])
    coming = [d for d in days if d >= str(facts.today)]
    diff.same("deadline", coming[0] if coming else days[-1] if days else None, report["deadline"])


def _scenarios(diff: Differences, facts: Facts, mine: dict[str, Any], report: dict[str, Any]) -> None:
    """Quantity x price x term, each cell of the grid."""
    for line in report["scenarios"]:
        where = f"scenarios[{line['product']}, {line['case']}, {line['price_case']}, {line['years']}]"
        need, price = mine["readiness"][line["pool"]], facts.price(line["pool"])[0]
        case = {"as is": "bought", "today": "spot"}.get(line["case"], line["case"])
        as_is = sum(x["quantity"] for x in facts.renewing(line["pool"]))
        diff.same(f"{where}.quantity", as_is if case == "bought" else need[case], line["quantity"])
        rise = line["price_case"].partition(" ")[0]
        if rise.startswith("+"):
            diff.same(f"{where}.unit_price", cents(price * (100 + int(rise)) / 100), line["unit_price"])
        elif rise == "flat":
            diff.same(f"{where}.unit_price", price, line["unit_price"])
        annual = cents(Decimal(line["unit_price"]) * line["quantity"] * 12)
        diff.same(f"{where}.annual", annual, line["annual"])
        diff.same(f"{where}.term", annual * line["years"], line["term"])
        diff.same(f"{where}.difference", annual - cents(price * need["bought"] * 12), line["difference"])


def _people(diff: Differences, facts: Facts, mine: dict[str, Any], report: dict[str, Any]) -> None:
    months = counts.cohort_months(facts)
    if not mine["gates"]["activity"]:
        diff.same("cohort_months", 0, len(report["cohort_months"]))
    else:
        diff.same("cohort_months", sorted(months), [line["start"] for line in report["cohort_months"]])
        for line in report["cohort_months"]:
            for name, value in months.get(line["start"], {}).items():
                diff.same(f"cohort_months[{line['start']}].{name}", value, line[name])
    for line in report["license_weeks"]:
        if line["assigned"] is not None:
            ours = counts.seats_of_week(facts, line["pool"], day(line["start"]))
            diff.same(
                f"license_weeks[{line['start']}, {line['pool']}].seats", ours, (line["assigned"], line["purchased"])
            )
        if line["people"] is not None:
            ours = counts.week(facts, line["pool"], day(line["start"]))
            diff.same(f"license_weeks[{line['start']}, {line['pool']}]", ours, (line["people"], line["machines"]))


__all__ = ["Differences", "compare"]
