"""The gates R00 to R05: what they keep back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.oracle.facts import OF_ONES_OWN, Facts, instant


def gates(facts: Facts) -> dict[str, Any]:
    """Return whether activity, counts of active people (by pool) and money may be printed."""
    blind = unseen(facts)
    short = facts.history_days < 30 or ended(facts)
    return {
        "activity": not blind and not short,
        "estimate": {pool: not blind and not short and seen(facts, pool) and known(facts) for pool in facts.pools},
        "money": not sandbox(facts),
    }


def unseen(facts: Facts) -> bool:
    """R00."""
    lately = inside = without = 0
    for user in facts.users.values():
        last = facts.last_login_date(user)
        if last is None or facts.start is None:
            continue
        lately += last > facts.ago(30)
        inside += facts.start <= last < facts.t0
        without += facts.start <= last < facts.t0 and not facts.rows[user["id"]]
    return (len(facts.rows) <= 1 and lately >= 3) or without * 20 > inside


def ended(facts: Facts) -> bool:
    """R03: the newest login is more than seven days older than the audit."""
    newest = max((instant(row["last"]).date() for row in facts.logins), default=None)
    return newest is None or facts.today - newest > timedelta(days=7)


def seen(facts: Facts, pool_id: str) -> bool:
    """R01."""
    used, visible = facts.pools[pool_id]["used"], len(facts.holders(pool_id))
    missing = used - visible
    return not (missing > 2 and missing * 20 > used)


def known(facts: Facts) -> bool:
    """R05."""
    unknown = sum(word["count"] for word in facts.reading["unknown_words"] if word["vocabulary"] == "login_type")
    return unknown * 5 <= facts.reading["login_rows"]


def sandbox(facts: Facts) -> bool:
    """R04."""
    signs = facts.reading["sandbox"]
    by_users = max(signs["invalid_emails"], signs["suffixed_usernames"]) * 2 > signs["users"] > 0
    host = facts.reading["host"]
    return ".sandbox." in host or "--" in host or by_users


__all__ = ["OF_ONES_OWN", "gates"]
