"""Counts of people: active in so many days, by week, and by the month in which they were created."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from typing import Any

from tests.oracle.facts import OF_ONES_OWN, SOFTWARE, Facts, Row, instant


def active(facts: Facts, pool_id: str, days: int) -> int:
    return sum(1 for u in facts.holders(pool_id) if facts.within(u["id"], OF_ONES_OWN, days))


def machines(facts: Facts, pool_id: str) -> int:
    return sum(
        1
        for u in facts.holders(pool_id)
        if facts.within(u["id"], SOFTWARE, 90) and not facts.within(u["id"], OF_ONES_OWN, 90)
    )


def week(facts: Facts, pool_id: str, monday: date) -> tuple[int, int]:
    """People and software-only holders of one calendar week, by the licence that they have today."""
    days = {(facts.today - monday).days - i for i in range(7)}
    people = software = 0
    for user in facts.users.values():
        if user["license"] != pool_id:
            continue
        if days & facts.days_of(user["id"], OF_ONES_OWN):
            people += 1
        elif days & facts.days_of(user["id"], SOFTWARE):
            software += 1
    return people, software


def seats_of_week(facts: Facts, pool_id: str, monday: date) -> tuple[int, int]:
    """Assigned and purchased seats by the last audit of the week; none of a pool that no audit of that week had."""
    row = facts.pools[pool_id]
    there = 0 if row["status"] == "Disabled" else max(0, row["total"])
    now = {"day": str(facts.today), "pool": pool_id, "assigned": row["used"], "purchased": there}
    points = sorted([*facts.history["points"], now], key=lambda p: p["day"])
    mine = [
        p
        for p in points
        if p["pool"] == pool_id and monday <= date.fromisoformat(p["day"]) < monday + timedelta(days=7)
    ]
    return (mine[-1]["assigned"], mine[-1]["purchased"]) if mine else (0, 0)


def cohort_months(facts: Facts) -> dict[str, Row]:
    months: dict[date, list[Row]] = defaultdict(list)
    this = facts.today.year * 12 + facts.today.month
    for user in facts.users.values():
        created = instant(user["created_at"])
        if (
            user["license"] in facts.pools
            and facts.paid(user["license"])
            and this - created.year * 12 - created.month < 12
        ):
            months[instant(user["created_at"]).date().replace(day=1)].append(user)
    return {str(month): cohort(facts, month, users) for month, users in months.items()}


def cohort(facts: Facts, month: date, users: list[Row]) -> Row:
    line: Counter[str] = Counter(created=len(users))
    for user in users:
        line[fate(facts, user)] += 1
    whole = facts.start is not None and facts.start <= datetime(month.year, month.month, 1, tzinfo=facts.t0.tzinfo)
    row: dict[str, Any] = {k: line[k] for k in ("created", "deactivated", "never_used", "last_30", "last_90", "longer")}
    followed = [u for u in users if instant(u["created_at"]) <= facts.ago(30)]
    row["followed"] = len(followed) if whole else None
    row["came_in_30"] = sum(1 for u in followed if came_soon(facts, u)) if whole else None
    return row


def fate(facts: Facts, user: Row) -> str:
    last = facts.seen(user)
    if not user["active"]:
        return "deactivated"
    if last is None:
        return "never_used"
    if last > facts.ago(30):
        return "last_30"
    return "last_90" if last > facts.ago(90) else "longer"


def came_soon(facts: Facts, user: Row) -> bool:
    first = min((instant(row["first"]) for row in facts.rows[user["id"]]), default=None)
    return first is not None and first <= instant(user["created_at"]) + timedelta(days=30)
