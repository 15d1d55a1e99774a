"""The rules on pools and on permission set licences, R10 to R14, R16 to R18, R20, R23 and R24."""

from __future__ import annotations

from calendar import monthrange
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from math import ceil

from tests.oracle.facts import OF_ONES_OWN, SOFTWARE, Facts, Finding, Row, day, instant, lower
from tests.oracle.seats import finding


def kept_free(used: int, headroom: str) -> int:
    """Seats to keep free: a share of the used ones, whole seats."""
    return int((Decimal(headroom) * used).to_integral_value(ROUND_CEILING))


def stale(facts: Facts, pool: Row) -> bool:
    counted = pool["used_updated_at"]
    return counted is not None and instant(counted) < facts.ago(1)


def surplus(facts: Facts) -> list[Finding]:
    """R16."""
    found: list[Finding] = []
    for pool in facts.pools.values():
        if not facts.paid(pool["id"]) or pool["status"] != "Active":
            continue
        contracted = facts.contracted(pool["id"])
        paid_for = pool["total"] if contracted is None else min(pool["total"], contracted)
        free = kept_free(pool["used"], facts.setting(pool["id"], "headroom"))
        seats = paid_for - pool["used"] - free - hires(facts, pool["id"])
        if seats > 0:
            grade = lower("A", stale(facts, pool))
            found.append(finding("R16", pool["id"], pool["id"], grade, quantity=seats, saves="surplus"))
    return found


def hires(facts: Facts, pool_id: str) -> int:
    return facts.setting(pool_id, "hires")


def nearly_used_up(facts: Facts) -> list[Finding]:
    """R17, without the forecast."""
    return [
        finding("R17", pool["id"], pool["id"], "D", quantity=pool["total"] - pool["used"])
        for pool in facts.pools.values()
        if facts.paid(pool["id"]) and pool["status"] == "Active" and 0 < pool["total"] * 9 <= pool["used"] * 10
        and pool["used"] <= pool["total"]
    ]  # fmt: skip


def over_allocated(facts: Facts) -> list[Finding]:
    """R18."""
    found: list[Finding] = []
    for pool in facts.pools.values():
        over = pool["used"] if pool["status"] == "Disabled" else pool["used"] - pool["total"]
        if over > 0 and (pool["total"] >= 0 or pool["status"] == "Disabled"):
            found.append(finding("R18", pool["id"], pool["id"], lower("A", stale(facts, pool)), quantity=over))
    return found


def metered(facts: Facts) -> list[Finding]:
    """R20."""
    found: list[Finding] = []
    for pool in facts.pools.values():
        entitled, used = pool["logins_entitled"], pool["logins_used"]
        if not entitled or used is None:
            continue
        begun = facts.t0.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        length = timedelta(days=monthrange(facts.t0.year, facts.t0.month)[1])
        early = facts.t0 - begun < timedelta(days=7)
        projected = used if early else round(Decimal(used) * micro(length) / micro(facts.t0 - begun))
        if projected > entitled or (projected * 2 < entitled and not early):
            found.append(finding("R20", pool["id"], pool["id"], "B"))
    return found


def micro(span: timedelta) -> Decimal:
    return Decimal(span / timedelta(microseconds=1))


# --- permission set licences -----------------------------------------------------------------------------------------


def convention(facts: Facts, psl: Row) -> str:
    """R02."""
    everyone = [row for row in facts.assigns if row["psl"] == psl["id"]]
    active = [row for row in everyone if row["user"] in facts.users and facts.users[row["user"]]["active"]]
    if psl["used"] == len(everyone) == len(active):
        return "same"
    if psl["used"] == len(everyone):
        return "everyone"
    return "active" if psl["used"] == len(active) else "unknown"


def held_by_deactivated(facts: Facts) -> list[Finding]:
    """R10."""
    grades = {"everyone": "A", "active": "D", "unknown": "C", "same": "C"}
    return [
        finding("R10", row["id"], row["psl"], grade, saves="" if grade == "D" else "psl")
        for row in facts.assigns
        if (user := facts.holder(row)) is not None and not user["active"]
        for grade in [grades[convention(facts, facts.psls[row["psl"]])]]
    ]


def never_used(facts: Facts) -> list[Finding]:
    """R11."""
    found: list[Finding] = []
    for row in facts.assigns:
        user, granted = facts.holder(row), instant(row["created_at"])
        if user is None:
            continue
        software, own = facts.last(user["id"], SOFTWARE), facts.last(user["id"], OF_ONES_OWN)
        if not user["active"] or granted > facts.ago(30):
            continue
        trap = software is not None and software >= granted
        if trap and own is None:
            continue
        stated = facts.last_login_date(user)
        if own is not None and own >= granted:
            continue
        if stated is not None and stated >= granted and (software is None or stated > software):
            continue
        if stated is not None and stated >= granted and (facts.start is None or granted < facts.start):
            continue  # a login before the history may have been in person
        found.append(finding("R11", row["id"], row["psl"], lower("A", trap), saves="psl"))
    return found


def on_unused_seat(facts: Facts, unused: list[Finding]) -> list[Finding]:
    """R12."""
    grades = {f["subject"]: f["grade"] for f in unused if f["grade"] != "D"}
    return [
        finding("R12", row["id"], row["psl"], grades[row["user"]], saves="psl")
        for row in facts.assigns
        if row["user"] in grades
    ]


def about_to_end(facts: Facts) -> list[Finding]:
    """R13."""
    found: list[Finding] = []
    for psl in facts.psls.values():
        held = max(psl["used"], sum(1 for row in facts.assigns if row["psl"] == psl["id"]))
        ends = psl["expires_on"] and day(psl["expires_on"]) <= facts.today + timedelta(days=90)
        if held and (ends or psl["status"] == "Disabled"):
            trial = "trial" in psl["label"].casefold()
            found.append(finding("R13", psl["id"], psl["id"], lower("A", trial), quantity=held))
    return found


def in_force(facts: Facts, psl: Row) -> bool:
    return psl["status"] == "Active" and not (psl["expires_on"] and day(psl["expires_on"]) < facts.today)


def redundant(facts: Facts) -> list[Finding]:
    """R14."""
    if "permissions of permission set licences" in facts.reading["unavailable"]:
        return []
    found: list[Finding] = []
    for row in facts.assigns:
        x = facts.psls[row["psl"]]
        user = facts.holder(row)
        if user is None or not user["active"] or not x["permissions"] or not in_force(facts, x):
            continue
        for other in facts.assigns:
            y = facts.psls[other["psl"]]
            if other["user"] != row["user"] or y["id"] == x["id"] or not in_force(facts, y):
                continue
            if set(x["permissions"]) <= set(y["permissions"]) and gives_way(facts, x, y):
                found.append(finding("R14", row["id"], x["id"], "C", saves="psl"))
                break
    return found


def gives_way(facts: Facts, x: Row, y: Row) -> bool:
    """Whether X is the one of both: it grants less, or as much and is the dearer, or the later id."""
    if set(x["permissions"]) != set(y["permissions"]):
        return True
    mine, other = facts.price(x["id"])[0] or Decimal(0), facts.price(y["id"])[0] or Decimal(0)
    return mine > other if mine != other else x["id"] > y["id"]


def psl_pools(facts: Facts) -> list[Finding]:
    """R23."""
    found: list[Finding] = []
    for psl in facts.psls.values():
        total, used = psl["total"], psl["used"]
        if psl["status"] != "Active" or total < 0:  # a negative total is no count
            continue
        needed = used + kept_free(used, facts.setting(psl["id"], "headroom")) + hires(facts, psl["id"])
        spare = facts.paid_for(psl["id"]) - max(needed, facts.minimum(psl["id"]))
        amount = facts.price(psl["id"])[0]
        by_itself = amount != 0 if facts.own_price(psl["id"]) else facts.contracted(psl["id"]) is not None
        if used > total:
            found.append(finding("R23", psl["id"], psl["id"], "A", quantity=used - total))
        elif total >= 5 and used * 10 >= total * 9:
            found.append(finding("R23", psl["id"], psl["id"], "D", quantity=total - used))
        elif by_itself and spare > 0:
            found.append(finding("R23", psl["id"], psl["id"], "A", quantity=spare, saves="surplus"))
    return found


def wrong_base(facts: Facts) -> list[Finding]:
    """R24."""
    found: list[Finding] = []
    for row in facts.assigns:
        user = facts.holder(row)
        pool = facts.pools.get(user["license"] or "") if user is not None else None
        if user is None or pool is None or not user["active"]:
            continue
        name = pool["name"]
        integration = name == "Salesforce Integration" and not facts.psls[row["psl"]]["for_integrations"]
        if integration or name in {"Chatter Free", "Identity", "Guest User License"}:
            found.append(finding("R24", row["id"], row["psl"], "C", saves="psl"))
    return found


def required(seats: Decimal | int, headroom: str) -> int:
    return ceil(max(Decimal(0), Decimal(seats)) * (1 + Decimal(headroom)))
