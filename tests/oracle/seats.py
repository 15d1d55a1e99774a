"""The rules on seats, R06 to R09, R15, R19, R21 and R22, as docs/audit.md and the printed rules say them."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

from tests.oracle.facts import IN_PERSON, OF_ONES_OWN, SOFTWARE, Facts, Finding, Row, instant, lower

ABSENCE = {"R06", "R07", "R08", "R08b", "R11", "R12", "R19", "R21"}


def finding(rule: str, subject: str, pool: str | None, grade: str, **more: object) -> Finding:
    return {"rule": rule, "subject": subject, "pool": pool or "", "grade": grade, "quantity": 1, "saves": "", **more}


def never_logged_in(facts: Facts) -> list[Finding]:
    """R06."""
    never = [u for u in facts.seat_holders() if facts.seen(u) is None]
    due = [u for u in never if instant(u["created_at"]) <= facts.ago(facts.setting(u["license"], "grace_days"))]
    found: list[Finding] = []
    for user in never:
        if user not in due:
            found.append(finding("R06", user["id"], user["license"], "D"))
            continue
        created = instant(user["created_at"])
        together = [u for u in never if instant(u["created_at"]).date() == created.date()]
        traps = (len(together) >= 5) + for_software(user) + facts.reactivated(user)
        grade = lower("A" if created <= facts.ago(90) else "B", traps)
        found.append(finding("R06", user["id"], user["license"], grade, saves="seat"))
    return found


def for_software(user: Row) -> bool:
    return user["name"].startswith("svc ") or "API Only" in user["profile"]


def dormant(facts: Facts) -> list[Finding]:
    """R07."""
    found: list[Finding] = []
    for user in facts.seat_holders():
        last = facts.last_login_date(user)
        if last is None or facts.start is None or last >= facts.start or facts.rows[user["id"]]:
            continue
        if last > facts.ago(facts.setting(user["license"], "inactive_days")):
            continue
        found.append(finding("R07", user["id"], user["license"], lower("A", facts.reactivated(user)), saves="seat"))
    return found


def silent(facts: Facts, user: Row) -> datetime | None:
    """The last login of somebody who is inactive by R08, else None."""
    last = facts.seen(user)
    if last is None or last > facts.ago(facts.threshold(user["license"])):
        return None
    return last


def inactive(facts: Facts) -> list[Finding]:
    """R08."""
    gone = {f["subject"] for f in dormant(facts)}
    holders = [u for u in facts.seat_holders() if u["id"] not in gone]
    away = {u["id"]: last for u in holders if (last := silent(facts, u)) is not None}
    found: list[Finding] = []
    for user_id, last in away.items():
        user = facts.users[user_id]
        traps = came_back(facts, user_id) + seasonal(facts, user, away) + facts.reactivated(user)
        grade = lower("A" if last <= facts.ago(120) else "B", traps)
        found.append(finding("R08", user_id, user["license"], grade, saves="seat"))
    return found


def came_back(facts: Facts, user_id: str) -> bool:
    days = sorted(facts.days_of(user_id, OF_ONES_OWN))
    return any(later - earlier >= 60 for earlier, later in pairwise(days))


def seasonal(facts: Facts, user: Row, away: dict[str, datetime]) -> bool:
    """Five or more, and four fifths of the department's seat holders, went silent within two weeks of each other."""
    if not user["department"]:
        return False
    people = [u for u in facts.seat_holders() if u["department"] == user["department"]]
    for first in (away[u["id"]] for u in people if u["id"] in away):
        together = [u for u in people if u["id"] in away and first <= away[u["id"]] <= first + timedelta(days=14)]
        if user in together and len(together) >= 5 and len(together) * 5 >= len(people) * 4:
            return True
    return False


def software_only(facts: Facts, integrations: set[str]) -> list[Finding]:
    """R08b."""
    found: list[Finding] = []
    for user in facts.seat_holders():
        days, last = facts.threshold(user["license"]), facts.last(user["id"])
        stated = facts.last_login_date(user)
        if user["id"] in integrations or facts.within(user["id"], IN_PERSON, days):
            continue
        if not facts.within(user["id"], SOFTWARE | {"mail"}, days):
            continue
        if stated is not None and last is not None and stated > last:
            continue
        found.append(finding("R08b", user["id"], user["license"], "C"))
    return found


def integrations(facts: Facts) -> list[Finding]:
    """R09."""
    found: list[Finding] = []
    for user in facts.seat_holders():
        if user["external"] or user["user_type"] != "Standard":
            continue
        software = facts.logins_in_weeks(user["id"], {"machine", "api", "seeded"}, 13)
        everything = facts.logins_in_weeks(user["id"], None, 13)
        own = facts.logins_in_weeks(user["id"], OF_ONES_OWN, 13)
        kinds = {r["kind"] for r in facts.rows[user["id"]] if sum(r["weeks"][:13]) > 0}
        if software < 20 or own or software * 100 < everything * 99:
            continue
        stated, seen = facts.last_login_date(user), facts.last(user["id"])
        if stated is not None and seen is not None and stated - seen >= timedelta(days=1):
            continue  # a login that the history does not show may have been in person
        earlier = facts.last(user["id"], IN_PERSON) is not None
        grade = lower("B" if kinds & {"machine", "api"} else "C", earlier)
        found.append(finding("R09", user["id"], user["license"], grade, saves="seat"))
    return found


def lighter(facts: Facts) -> list[Finding]:
    """R19: valued only where the org has Salesforce Platform licences, the one move that is legal."""
    found: list[Finding] = []
    platform = [p for p in facts.pools.values() if p["key"] == "AUL" and p["status"] == "Active"]
    if facts.history_days < 150:
        return found
    for user in facts.seat_holders():
        pool = facts.pools.get(user["license"])
        if pool is None or pool["key"] != "SFDC" or user["external"] or instant(user["created_at"]) > facts.ago(150):
            continue
        if not facts.within(user["id"], OF_ONES_OWN, facts.threshold(user["license"])):
            continue
        kinds = {row["kind"] for row in facts.rows[user["id"]]}
        days = facts.days_of(user["id"], OF_ONES_OWN)
        months = [sum(1 for d in days if d // 30 == month) for month in range(6)]
        if kinds == {"community"} or (kinds <= OF_ONES_OWN and max(months) <= 2):
            found.append(finding("R19", user["id"], user["license"], "C", saves="seat" if platform else ""))
    return found


# --- R15: one person -------------------------------------------------------------------------------------------------

NOTHING = {"", "0", "n/a"}
WEIGHTS = {"employee_number": 4, "federation_id": 4, "email": 3, "name": 2}


def address(user: Row) -> str:
    local, _, host = user["email"].casefold().removesuffix(".invalid").partition("@")
    return f"{local.partition('+')[0]}@{host}"


def stem(user: Row) -> str:
    local = user["username"].casefold().partition("@")[0]
    return re.sub(r"(\.old|\.admin|\d+)+$", "", local)


def duplicates(facts: Facts, software: set[str]) -> list[Finding]:
    people = [u for u in facts.seat_holders() if u["id"] not in software]
    signs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for sign in ("employee_number", "federation_id", "email"):
        groups: dict[str, list[str]] = defaultdict(list)
        for user in people:
            word = address(user) if sign == "email" else (user[sign] or "").strip().casefold()
            if word not in NOTHING and (sign != "email" or user["email"]):
                groups[word].append(user["id"])
        for group in groups.values():
            if 1 < len(group) < 4:
                for one in group:
                    for other in group:
                        if one < other:
                            signs[one, other].add(sign)
    for one in people:
        for other in people:
            same_place = (one["department"] and one["department"] == other["department"]) or (
                one["manager"] and one["manager"] == other["manager"]
            )
            same_name = one["name"].casefold() == other["name"].casefold()
            if one["id"] < other["id"] and same_name and same_place and stem(one) == stem(other):
                signs[one["id"], other["id"]].add("name")
    return [duplicate(facts, group, signs) for group in clusters(signs)]


def clusters(pairs: dict[tuple[str, str], set[str]]) -> list[list[str]]:
    groups: list[set[str]] = []
    for one, other in pairs:
        touching = [g for g in groups if one in g or other in g]
        groups = [g for g in groups if g not in touching] + [{one, other}.union(*touching)]
    return [sorted(group) for group in groups]


def duplicate(facts: Facts, group: list[str], signs: dict[tuple[str, str], set[str]]) -> Finding:
    users = [facts.users[user] for user in group]
    least = min(users, key=lambda u: (facts.seen(u) is not None, facts.seen(u) or facts.t0, u["id"]))
    mine = {sign for pair, found in signs.items() if least["id"] in pair for sign in found}
    sure = sum(WEIGHTS[sign] for sign in mine) >= 3
    joined_by = {sign for pair, found in signs.items() if pair[0] in group for sign in found}
    words = " ".join(f"{u['username']} {u['profile']}".casefold() for u in users)
    traps = [
        any(instant(u["created_at"]) > facts.ago(30) for u in users),
        "admin" in words,
        len({u["external"] for u in users}) == 2,
        any(facts.last(u["id"], SOFTWARE) and not facts.last(u["id"], OF_ONES_OWN) for u in users),
        joined_by == {"email"} and all(address(u).startswith("support@") for u in users),
        all(facts.within(u["id"], OF_ONES_OWN, 30) for u in users),
    ]
    pools = sorted({u["license"] for u in users})
    return finding(
        "R15", least["id"], least["license"], lower("B" if sure else "C", sum(traps)), saves="seat", least_of=pools
    )


def features(facts: Facts, unused: list[Finding]) -> list[Finding]:
    """R21."""
    if "feature licences" in facts.reading["unavailable"]:
        return []
    return [
        finding("R21", f["subject"], f["pool"], "D")
        for f in unused
        if f["grade"] != "D" and facts.users[f["subject"]]["features"]
    ]


def after_deactivation(facts: Facts) -> list[Finding]:
    """R22."""
    found: list[Finding] = []
    for seen in facts.history["deactivated"]:
        user = facts.users.get(seen["user"])
        if user is None or user["active"]:
            continue
        last = facts.last(user["id"])
        if last is not None and last > instant(seen["at"]) + timedelta(minutes=5):
            found.append(finding("R22", user["id"], user["license"], "D"))
    return found
