"""What the findings are worth: each seat once, by its surest finding, and no pool more than it has."""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.oracle.facts import Facts, Finding, Row, day, instant
from tests.oracle.renewal import bought, fewer
from tests.oracle.seats import ABSENCE

SEAT_ORDER = ["R06", "R07", "R15", "R09", "R08", "R19"]
GRANT_ORDER = ["R10", "R11", "R12", "R24", "R14"]
CENT = Decimal("0.01")
NOTHING = Decimal(0)


def excused(facts: Facts, findings: list[Finding]) -> list[Finding]:
    """Make findings about exempt people information, worth nothing."""
    grants = {row["id"]: row["user"] for row in facts.assigns}
    exempt = {
        item["user"]: item["kind"]
        for item in facts.settings["exempt"]["users"]
        if item["until"] is None or facts.today <= day(item["until"])
    }
    for f in findings:
        kind = exempt.get(grants.get(f["subject"], f["subject"]))
        if kind == "other" or (kind and f["rule"] in ABSENCE) or (kind == "service" and f["rule"] == "R15"):
            f["grade"], f["saves"] = "D", ""
    return findings


def put_off(facts: Facts, findings: list[Finding]) -> None:
    """Make findings that are put off up to today or later worth nothing; they keep their grade."""
    snoozed = {
        (s["rule"], s["subject"], s["pool"])
        for s in facts.settings["snoozes"]["findings"]
        if facts.today <= day(s["until"])
    }
    for f in findings:
        if (f["rule"], f["subject"], f["pool"]) in snoozed:
            f["saves"] = ""


def choose(findings: list[Finding]) -> list[Finding]:
    """Return the findings that carry the money: for each seat and grant the surest, then the first by the order."""
    best: dict[tuple[str, str], Finding] = {}
    for f in findings:
        if f["saves"] not in {"seat", "psl"} or f["grade"] == "D":
            continue
        order = SEAT_ORDER if f["saves"] == "seat" else GRANT_ORDER
        key = (f["saves"], f["subject"])
        if key not in best or (f["grade"], order.index(f["rule"])) < (
            best[key]["grade"],
            order.index(best[key]["rule"]),
        ):
            best[key] = f
    return list(best.values())


def value(facts: Facts, chosen: list[Finding]) -> None:
    """Give each chosen finding what its seat costs a month: None where no price is known."""
    free = free_integrations(facts)
    for f in sorted(chosen, key=lambda f: (f["grade"], f["subject"])):
        price, currency = facts.price(f["pool"])
        if f["rule"] == "R15":
            prices = [facts.price(pool) for pool in f["least_of"]]
            known = [p for p, c in prices if p is not None and c == currency]
            price = min(known) if len(known) == len(prices) else None
        if f["rule"] == "R09" and free > 0:
            free -= 1
        elif f["rule"] == "R09":
            price = less(price, currency, *integration_price(facts))
        if f["rule"] == "R19":
            platform = next((p for p in facts.pools.values() if p["key"] == "AUL" and p["status"] == "Active"), None)
            price = None if platform is None else less(price, currency, *facts.price(platform["id"]))
        f["monthly"] = price


def less(price: Decimal | None, currency: str | None, other: Decimal | None, theirs: str | None) -> Decimal | None:
    if price is None or other is None or currency != theirs:
        return None
    return max(NOTHING, price - other)


def integration_pools(facts: Facts) -> list[Row]:
    return [p for p in facts.pools.values() if p["name"] == "Salesforce Integration"]


def free_integrations(facts: Facts) -> int:
    return sum(max(0, p["total"] - p["used"]) for p in integration_pools(facts) if p["status"] == "Active")


def integration_price(facts: Facts) -> tuple[Decimal | None, str | None]:
    pools = integration_pools(facts)
    return facts.price(pools[0]["id"]) if pools else facts.price_of({"Salesforce Integration"})


def priced_pool(facts: Facts, pool_id: str) -> bool:
    """Whether the pool's seats are money: not those of a disabled licence, which nobody pays for."""
    row = facts.pools.get(pool_id) or facts.psls[pool_id]
    return row["status"] != "Disabled" and (pool_id in facts.psls or facts.paid(pool_id))


def pool_money(facts: Facts, pool_id: str, chosen: list[Finding], findings: list[Finding]) -> Row:
    """The three figures of one pool, in seats and per month."""
    row, price = facts.pools.get(pool_id) or facts.psls[pool_id], facts.price(pool_id)[0]
    mine = [f for f in chosen if f["pool"] == pool_id and (f["monthly"] is not None or price is None)]
    mine.sort(key=lambda f: (f["grade"], -(f["monthly"] or NOTHING)))
    sure, asked = [f for f in mine if f["grade"] in "AB"], [f for f in mine if f["grade"] == "C"]
    sure = sure[: max(0, row["used"])]
    total = facts.seats(pool_id)
    reclaim = sure[: max(0, total - row["used"] + len(sure))]  # seats used above the total come back first
    asked = asked[: max(0, row["used"] - len(sure))]
    risk = asked[: max(0, total - row["used"] + len(sure) + len(asked) - len(reclaim))]
    contracted = facts.contracted(pool_id)
    if pool_id in facts.psls and contracted is not None:  # no more are worth money than are paid for
        reclaim = reclaim[:contracted]
        risk = risk[: contracted - len(reclaim)]
    seats = fewer(facts, pool_id, len(sure), findings)
    # at the renewal: first seats that nobody holds, then grade A, then B
    nobody = max(0, facts.paid_for(pool_id) - row["used"])
    if not counts_surplus(facts, pool_id):
        nobody, seats = 0, min(seats, len(sure))
    worth = [price or NOTHING] * nobody + [f["monthly"] or NOTHING for f in sure]
    grades = ["A"] * nobody + [f["grade"] for f in sure]
    order = sorted(range(len(worth)), key=lambda i: (grades[i], -worth[i]))[:seats]
    return {
        "reclaim": reclaim,
        "risk": risk,
        "renewal_seats": seats,
        "renewal": {g: sum((worth[i] for i in order if grades[i] == g), NOTHING) for g in "AB"},
        "in_use": row["used"] - len(sure),
    }


def counts_surplus(facts: Facts, pool_id: str) -> bool:
    """Whether seats that nobody holds count: of permission set licences only at your own price, most come bundled."""
    if pool_id in facts.pools:
        return facts.pools[pool_id]["status"] == "Active"
    bought = facts.own_price(pool_id) or facts.contracted(pool_id) is not None
    return bought and facts.psls[pool_id]["status"] == "Active"


def money(facts: Facts, findings: list[Finding]) -> dict[str, Any]:
    """Return the three figures of each currency, per year, and those of each pool."""
    chosen = choose(findings)
    value(facts, chosen)
    totals: dict[str, Any] = {}
    pools: dict[str, Row] = {}
    for pool_id in [*facts.pools, *facts.psls]:
        if not priced_pool(facts, pool_id):
            continue
        pool = pools[pool_id] = pool_money(facts, pool_id, chosen, findings)
        price, currency = facts.price(pool_id)
        if price is None or currency is None:
            continue
        total = totals.setdefault(currency, defaultdict(Decimal))
        for f in pool["reclaim"]:
            total["reclaim_" + f["grade"].lower()] += f["monthly"] * 12
        total["at_risk"] += sum((f["monthly"] for f in pool["risk"]), NOTHING) * 12
        total["reclaim_seats"] += len(pool["reclaim"])
        total["risk_seats"] += len(pool["risk"])
        total["renewal_seats"] += pool["renewal_seats"]
        total["renewal_a"] += pool["renewal"]["A"] * 12
        total["renewal_b"] += pool["renewal"]["B"] * 12
        total["annual_cost"] += bought(facts, pool_id) * price * 12
    for total in totals.values():  # rounded half up at the last step; a total is the sum of its printed parts
        for name in ("reclaim_a", "reclaim_b", "renewal_a", "renewal_b", "at_risk", "annual_cost"):
            total[name] = cents(total[name])
        total["reclaim_now"] = total["reclaim_a"] + total["reclaim_b"]
        total["cash_at_renewal"] = total["renewal_a"] + total["renewal_b"]
    return {"totals": totals, "chosen": chosen, "pools": pools}


def unpriced(facts: Facts, chosen: list[Finding], pools: dict[str, Row]) -> int:
    """Seats and grants that were found and have no known price: in none of the amounts."""
    without = [
        f for f in chosen if f["monthly"] is None and f["pool"] in pools and facts.price(f["pool"])[0] is not None
    ]
    whole = [p for pool_id, p in pools.items() if facts.price(pool_id)[0] is None]
    return len(without) + sum(len(p["reclaim"]) + len(p["risk"]) for p in whole)


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def sensitivity(facts: Facts, days: int, currency: str | None) -> tuple[int, Decimal]:
    """Seats without any login for so many days, and what those paid in this currency cost a year.

    People who are exempt count for nothing, nor do those who never came and are still within their grace period.
    """
    exempt = {
        item["user"]
        for item in facts.settings["exempt"]["users"]
        if item["until"] is None or facts.today <= day(item["until"])
    }
    seats: dict[str, int] = defaultdict(int)
    for user in facts.seat_holders():
        last = facts.seen(user)
        new = instant(user["created_at"]) > facts.ago(facts.setting(user["license"], "grace_days"))
        if user["id"] in exempt or (last is None and new):
            continue
        if last is None or last <= facts.ago(days):
            seats[user["license"]] += 1
    annual = NOTHING
    for pool, number in seats.items():
        price, of = facts.price(pool)
        annual += cents(price * number * 12) if price is not None and of == currency else NOTHING
    return sum(seats.values()), annual
