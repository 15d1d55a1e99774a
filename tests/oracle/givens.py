"""What the operator gives to an audit, made up: prices, contract lines, exemptions, snoozes, thresholds, history."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
NEAR = (-400, -30, -1, 0, 1, 29, 30, 31, 60, 89, 90, 100, 300)


def givens(
    rng: random.Random, today: date, *, pools: list[Row], psls: list[Row], users: list[Row], assigns: list[Row]
) -> tuple[Row, Row, Row]:
    """Return prices.json, settings.json and history.json."""
    prices = {"shipped": _shipped(), "own": _own_prices(rng, pools, psls)}
    exempt = sorted(rng.sample([user["id"] for user in users], min(len(users), rng.choice((0, 0, 1, 4)))))
    settings = {
        "org": "acme",
        "thresholds": _thresholds(rng, [*pools, *psls]),
        "contract": _contract(rng, today, pools, psls) if rng.random() < 0.6 else [],
        "exempt": {"users": [_exempt(rng, today, user) for user in exempt], "unmatched": 0},
        "snoozes": {"findings": _snoozes(rng, today, pools, users, assigns), "unmatched": 0},
    }
    return prices, settings, _history(rng, today, pools, users)


def _shipped() -> list[Row]:
    base = {"source": "a list", "retrieved": "2026-08-13", "confidence": "high", "use": True, "names": []}
    return [
        {**base, "product": "full", "keys": ["SFDC"], "amount": "175", "effective_from": "2025-08-01"},
        {
            **base, "product": "full, before", "keys": ["SFDC"], "amount": "165",
            "effective_from": "2023-08-01", "effective_to": "2025-08-01",
        },
        {**base, "product": "rumour", "keys": ["SFDC"], "amount": "195", "effective_from": "2026-09-03", "use": False},
        {**base, "product": "platform", "keys": ["AUL"], "amount": "25", "effective_from": "2026-01-01"},
    ]  # fmt: skip


def _own_prices(rng: random.Random, pools: list[Row], psls: list[Row]) -> list[Row]:
    found: dict[str, Row] = {}
    all_of_them = rng.random() < 0.4  # in one currency, so that prices can be compared
    for row in [*pools, *psls]:
        if all_of_them or rng.random() < 0.4:
            product = rng.choice([row[k] for k in ("key", "name", "label") if row[k]])
            product = product.upper() if rng.random() < 0.2 else product
            amount = rng.choice((None, "0", "10", "12.34", "33.333", "128.50", "150", "0.005"))
            currency = rng.choice(("USD",) if all_of_them else ("USD", "USD", "EUR", "JPY"))
            found[product.casefold()] = {"product": product, "amount": amount, "currency": currency, "source": "yours"}
    return list(found.values())


def _thresholds(rng: random.Random, pools: list[Row]) -> Row:
    own: list[Row] = []
    for pool in rng.sample(pools, min(len(pools), rng.choice((0, 0, 1, 2)))):
        own.append(
            {
                "license": pool[rng.choice(("key", "name"))] or pool["name"],
                "inactive_days": rng.choice((None, 30, 60, 120, 180)),
                "grace_days": rng.choice((None, 0, 7, 90)),
                "headroom": rng.choice((None, "0", "0.5")),
                "hires": rng.choice((0, 0, 3, 12)),
            }
        )
    return {
        "inactive_days": rng.choice((90, 90, 90, 30, 45, 60, 120, 150, 200)),
        "grace_days": rng.choice((30, 30, 0, 7, 60, 120)),
        "headroom": rng.choice(("0.05", "0.05", "0", "0.10", "0.333")),
        "licenses": own,
        "hires": 0,
    }


def _contract(rng: random.Random, today: date, pools: list[Row], psls: list[Row]) -> list[Row]:
    lines: list[Row] = []
    for _ in range(rng.choice((1, 2, 3, 6))):
        pool = rng.choice(psls) if psls and rng.random() < 0.25 else rng.choice(pools)
        name = pool[rng.choice(("key", "name", "label"))] or pool["name"]
        end = today + timedelta(days=rng.choice(NEAR))
        start = rng.choice((None, end - timedelta(days=364), end - timedelta(days=rng.choice((0, 1, 30, 31)))))
        lines.append(
            {
                "license": "Nothing of this org" if rng.random() < 0.08 else name,
                "quantity": max(0, pool["total"] + rng.choice((-10, -3, 0, 0, 4, 20))),
                "end": str(end),
                "sku": rng.choice(("", "Order A")),
                "unit_price": rng.choice((None, "100", "87.5", "19.99", "0")),
                "currency": rng.choice(("USD", "USD", "USD", "EUR")),
                "start": None if start is None else str(start),
                "notice_days": rng.choice((30, 0, 60, 90, 91)),
                "auto_renew": rng.random() < 0.7,
                "uplift_cap": rng.choice((None, "7", "5")),
                "minimum_quantity": rng.choice((0, 0, 1, 10, max(0, pool["total"]), 500)),
                "source": "Q-1",
            }
        )
    if lines and rng.random() < 0.3:  # a ramp, or a renewal that is signed
        end = date.fromisoformat(lines[0]["end"])
        start = end + timedelta(days=rng.choice((0, 1, 1, 2)))
        more = {
            "start": str(start),
            "end": str(start + timedelta(days=rng.choice((0, 364)))),
            "sku": rng.choice(("", "Order A")),
        }
        lines.append({**lines[0], **more, "quantity": max(0, lines[0]["quantity"] + rng.choice((-5, 0, 7)))})
    return lines


def _exempt(rng: random.Random, today: date, user: str) -> Row:
    until = rng.choice((None, str(today), str(today - timedelta(days=1)), str(today + timedelta(days=9))))
    return {"user": user, "reason": "x", "kind": rng.choice(("leave", "seasonal", "service", "other")), "until": until}


def _snoozes(rng: random.Random, today: date, pools: list[Row], users: list[Row], assigns: list[Row]) -> list[Row]:
    found: dict[tuple[str, str, str], Row] = {}
    for _ in range(rng.choice((0, 0, 2, 8))):
        until = str(today + timedelta(days=rng.choice((-1, 0, 0, 30))))
        user, pool = rng.choice(users), rng.choice(pools)
        rule, subject, of = rng.choice(
            [
                (rng.choice(("R06", "R07", "R08", "R09", "R19")), user["id"], user["license"] or ""),
                ("R16", pool["id"], pool["id"]),
                *[(rng.choice(("R10", "R11", "R12")), row["id"], row["psl"]) for row in assigns[:1]],
            ]
        )
        found[rule, subject, of] = {"rule": rule, "subject": subject, "pool": of, "until": until, "reason": "later"}
    return [found[key] for key in sorted(found)]


def _history(rng: random.Random, today: date, pools: list[Row], users: list[Row]) -> Row:
    points: list[Row] = []
    weeks: list[Row] = []
    steady, trend = rng.random() < 0.2, rng.choice((-0.5, 0.34, 0.5, 1))  # a past that carries a forecast, or none
    for back in range(50 if steady else rng.choice((0, 0, 3, 6, 7, 8, 20, 60)), 0, -1):
        if not steady and rng.random() < 0.15:
            continue
        day = today - timedelta(days=7 * back + (0 if steady else rng.choice((0, 0, 1, -1))))
        for pool in pools:
            if rng.random() < 0.05:
                continue
            shift = -int(back * trend) + rng.choice((0, 0, 1)) if steady else rng.choice((-3, 0, 0, 1, 8))
            used = max(0, pool["used"] + shift)
            grades = [rng.randint(0, min(used, 3)) if used else 0, 0, 0]
            known = rng.random() > 0.05
            points.append(
                {"day": str(day), "pool": pool["id"], "purchased": pool["total"], "assigned": used}
                | {f"unused_{g}": n if known else None for g, n in zip("abc", grades, strict=True)}
            )
    gone = [user["id"] for user in users if rng.random() < 0.05]
    seen = [{"user": user, "at": f"{today - timedelta(days=rng.choice((1, 20, 200)))}T00:00:00Z"} for user in gone]
    return {"points": sorted(points, key=lambda p: (p["day"], p["pool"])), "deactivated": seen, "weeks": weeks}
