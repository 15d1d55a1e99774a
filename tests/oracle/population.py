"""Made-up orgs that are hard to judge: one seed, one org, as the files of an evidence bundle (raw JSON values).

Imports nothing of isthmus. Instants lie on midnight, on leap days and on days of clock changes; people were there exactly
so long ago as a threshold says, and a second more or less; pools have no seats, -1 seats, or fewer than are used.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.oracle.givens import givens

Row = dict[str, Any]
INSTANTS = (
    "2026-11-22T12:00:00",
    "2026-11-22T00:00:00",
    "2026-11-22T23:59:59.999999",
    "2028-02-29T00:00:00",
    "2028-02-29T17:30:00",
    "2028-03-01T00:00:00",
    "2027-03-28T01:30:00",
    "2026-10-25T01:00:00",
    "2026-12-31T23:59:59",
    "2027-01-01T00:00:00",
    "2026-08-31T06:00:00",
    "2026-11-23T00:00:01",
)
POOLS = (  # name, key, external
    ("Salesforce", "SFDC", False),
    ("Salesforce Platform", "AUL", False),
    ("Salesforce Integration", "", False),
    ("Customer Community", "PID_Customer_Community", True),
    ("Customer Community Login", "PID_Customer_Community_Login", True),
    ("Chatter Free", "", False),
    ("Identity", "", False),
    ("Acme Special", "ACME_X", False),
    ("Gold Partner", "PID_STRATEGIC_PRM", True),
    ("Lightning Platform One App", "FDC_ONE", False),
    ("Guest User License", "", True),
)
HUMAN = ("ui", "sso", "app", "external")
SOFTWARE = ("machine", "api", "seeded", "tool")
ODD = ("weak", "system", "mail", "community", "unknown")
PERMISSIONS = ("Ask", "Bid", "Cut", "Dig")


class Population:
    """One org in the making."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.t0 = datetime.fromisoformat(self.rng.choice(INSTANTS)).replace(tzinfo=UTC)
        self.history = self.rng.choice((180, 180, 180, 184, 184.3, 151, 149, 120, 91, 90, 60, 31, 29, 10))
        self.start = self.t0 - timedelta(days=self.history)
        self.pools: list[Row] = []
        self.users: list[Row] = []
        self.events: list[tuple[str, str, bool, datetime, int]] = []
        self.psls: list[Row] = []
        self.assigns: list[Row] = []

    def ago(self, days: float, seconds: float = 0) -> datetime:
        return self.t0 - timedelta(days=days) + timedelta(seconds=seconds)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def make(self) -> dict[str, Any]:
        self._make_pools()
        for n in range(self.rng.choice((3, 8, 20, 40, 60, 90))):
            self._make_user(n)
        if self.chance(0.9):
            self._make_regulars()
        self._twin_users()
        self.events.append((self.users[0]["id"], "ui", False, self.start, 1))
        self._odd_rows()
        self._count_pools()
        self._make_psls()
        return self._files()

    def _make_pools(self) -> None:
        kinds = self.rng.sample(POOLS, self.rng.randint(2, 7))
        if self.chance(0.9) and POOLS[0] not in kinds:
            kinds.append(POOLS[0])
        for n, (name, key, external) in enumerate(kinds):
            label = name if self.chance(0.8) else f"{name} (Etikett)"
            metered = name.endswith("Login")
            self.pools.append(
                {
                    "id": f"100{n:012d}AAA",
                    "name": name,
                    "label": label,
                    "key": key,
                    "status": "Disabled" if self.chance(0.07) else "Active",
                    "total": 0,
                    "used": 0,
                    "used_updated_at": when(self.ago(self.rng.choice((0, 0.5, 1, 1.01, 3))))
                    if self.chance(0.3)
                    else None,
                    "logins_entitled": self.rng.choice((0, 10, 100, 1000)) if metered and self.chance(0.8) else None,
                    "logins_used": self.rng.choice((0, 4, 40, 120, 900)) if metered else None,
                    "_external": external,
                }
            )

    def _make_user(self, n: int) -> None:
        rng = self.rng
        pool = rng.choice(self.pools[-1:] * 3 + self.pools)
        slug = f"person{n}"
        row = {
            "id": f"005{n:012d}AAA",
            "username": f"{slug}@acme.example",
            "name": f"Person {chr(97 + n % 26)}{n}",
            "email": f"{slug}@acme.example",
            "active": self.chance(0.88),
            "user_type": "Standard",
            "created_at": when(self._creation()),
            "license": None if self.chance(0.04) else pool["id"],
            "license_key": pool["key"],
            "profile": "Standard User",
            "department": rng.choice(("", "", "Sales", "Legal", "Ski School")),
            "manager": None,
            "federation_id": None,
            "employee_number": None,
            "last_login_at": None,
            "failed_logins": rng.choice((0, 0, 0, 2)),
            "email_verified": rng.choice((None, True, False)),
            "external": bool(pool["_external"]),
            "features": ["MarketingUser"] if self.chance(0.1) else [],
        }
        self.users.append(row)
        self._behave(row)
        if self.chance(0.05):
            row["name"] = f"svc loader {n}"

    def _creation(self) -> datetime:
        rng = self.rng
        near = rng.choice((0, 0, 7, 29, 30, 30, 31, 60, 89, 90, 90, 91, 120, 150))
        exact = self.ago(near, rng.choice((-1, 0, 0, 1)))
        far = self.ago(rng.choice((200, 333, 400, 700, rng.uniform(1, 900))))
        return min(exact if self.chance(0.4) else far, self.t0)

    def _behave(self, row: Row) -> None:
        """Give the user logins by one of many habits, and a LastLoginDate that mostly agrees with them."""
        rng = self.rng
        habits = (
            self._rhythm, self._rhythm, self._left, self._left, self._edge, self._edge, self._never, self._never,
            self._robot, self._odd, self._quarter, self._rare, self._dormant, self._failures,
        )  # fmt: skip
        habit = rng.choice(habits)
        created = read(row["created_at"])
        for kind, success, at, count in habit(row):
            if max(self.start, created if self.chance(0.9) else self.start) <= at <= self.t0:
                self.events.append((row["id"], kind, success, at, count))
        last = max((at for user, _, ok, at, _ in self.events if user == row["id"] and ok), default=None)
        if last is not None and not self.chance(0.03):
            row["last_login_at"] = when(last)
        if last is not None and self.chance(0.02):
            row["last_login_at"] = when(self.ago(rng.choice((0, 1, 20, 100))))

    def _rhythm(self, _: Row) -> list[tuple[str, bool, datetime, int]]:
        step, kind = self.rng.choice((1, 3, 7, 14, 30)), self.rng.choice(HUMAN)
        offset = self.rng.uniform(0, step)
        return [(kind, True, self.ago(offset + step * k), self.rng.randint(1, 4)) for k in range(200 // step)]

    def _left(self, _: Row) -> list[tuple[str, bool, datetime, int]]:
        gone, step = self.rng.uniform(20, 178), self.rng.choice((1, 5, 9))
        return [(self.rng.choice(HUMAN), True, self.ago(gone + step * k), 1) for k in range(30)]

    def _edge(self, _: Row) -> list[tuple[str, bool, datetime, int]]:
        days = self.rng.choice((30, 30, 45, 60, 90, 90, 90, 91, 119, 120, 120, 121, 150, 180))
        seconds = self.rng.choice((-1, 0, 0, 0, 1, 0.000001, -0.000001))
        return [("ui", True, self.ago(days, seconds), 1)]

    def _never(self, _: Row) -> list[tuple[str, bool, datetime, int]]:
        return []

    def _failures(self, _: Row) -> list[tuple[str, bool, datetime, int]]:
        return [("ui", False, self.ago(self.rng.uniform(0, 100)), 3) for _ in range(3)]

    def _robot(self, row: Row) -> list[tuple[str, bool, datetime, int]]:
        kind, times = self.rng.choice(SOFTWARE), self.rng.choice((1, 5, 19, 20, 21, 60))
        found = [(kind, True, self.ago(self.rng.uniform(0, 95)), self.rng.choice((1, 1, 9))) for _ in range(times)]
        if self.chance(0.3):
            found.append(("ui", True, self.ago(self.rng.choice((5, 80, 89, 90, 91, 92, 100, 150))), 1))
        if self.chance(0.1):
            row["profile"] = "Salesforce API Only System Integrations"
        return found

    def _odd(self, _: Row) -> list[tuple[str, bool, datetime, int]]:
        kinds = self.rng.sample(ODD, self.rng.randint(1, 2))
        found = [(kind, True, self.ago(self.rng.uniform(0, 130)), 1) for kind in kinds for _ in range(3)]
        return found + ([("ui", True, self.ago(self.rng.uniform(80, 170)), 1)] if self.chance(0.5) else [])

    def _quarter(self, _: Row) -> list[tuple[str, bool, datetime, int]]:
        first, gap = self.rng.uniform(60, 110), self.rng.choice((59, 60, 60, 61, 75))
        return [("ui", True, self.ago(first), 1), ("ui", True, self.ago(first + gap), 1)]

    def _rare(self, _: Row) -> list[tuple[str, bool, datetime, int]]:
        kind = self.rng.choice(("ui", "community", "community"))
        days = [month * 30 + self.rng.uniform(0, 30) for month in range(6) for _ in range(self.rng.choice((1, 2, 2)))]
        return [(kind, True, self.ago(day), 1) for day in days]

    def _dormant(self, row: Row) -> list[tuple[str, bool, datetime, int]]:
        row["created_at"] = when(self.ago(900))
        row["last_login_at"] = when(self.ago(self.history + self.rng.choice((0, 0.00001, 1, 40, 300))))
        return []

    def _make_regulars(self) -> None:
        """Give the org people who are there every day, so that most gates pass."""
        pool = next((p for p in self.pools if p["key"] == "SFDC"), self.pools[0])
        for n in range(self.rng.choice((10, 25))):
            row = {**self.users[0], "id": f"0059{n:011d}AAA", "username": f"daily{n}@acme.example"}
            row |= {"name": f"Daily {n}", "email": row["username"], "active": True, "license": pool["id"]}
            row |= {"created_at": when(self.ago(800)), "license_key": pool["key"], "external": bool(pool["_external"])}
            row |= {"features": [], "department": "", "profile": "Standard User"}
            days = [d + 0.01 * (n + 1) for d in range(int(self.history))]
            self.events.extend((row["id"], "ui", True, self.ago(d), 1) for d in days)
            row["last_login_at"] = when(self.ago(days[0]))
            self.users.append(row)

    def _twin_users(self) -> None:
        """Make some users one person, or look like one."""
        rng = self.rng
        for _ in range(rng.choice((0, 1, 3, 6))):
            one, other = rng.sample(self.users, 2)
            if self.chance(0.5):
                other["license"], other["active"], one["active"] = rng.choice(self.pools)["id"], True, True
            how = rng.randrange(8)
            if how == 0:
                other["email"] = one["email"].upper()
            elif how == 1:
                other["email"] = one["email"].replace("@", "+x@")
            elif how == 2:
                one["employee_number"] = other["employee_number"] = rng.choice(("77", "0", "n/a", " 81"))
            elif how == 3:
                one["federation_id"], other["federation_id"] = "Fed-9x", "fed-9X"
            elif how == 4:
                other["email"] = one["email"] + ".invalid"
            elif how == 5:
                for user in rng.sample(self.users, min(len(self.users), rng.choice((3, 4, 5)))):
                    user["email"] = "shared.box@acme.example"
            elif how == 6:
                other["name"], other["department"], one["department"] = one["name"], "Sales", "Sales"
                local, _, host = one["username"].partition("@")
                other["username"] = f"{local}.old@{host}"
            else:
                one["email"] = other["email"] = "support@acme.example"

    def _odd_rows(self) -> None:
        """Make some rows that hardly any org has: a licence that is not listed, no address, a manager, a gone team."""
        rng = self.rng
        if self.chance(0.1):
            rng.choice(self.users)["license"] = "100999999999999AAA"
        for user in rng.sample(self.users, min(3, len(self.users))):
            user["email"] = user["email"] if self.chance(0.7) else ""
            user["manager"] = self.users[0]["id"] if self.chance(0.5) else None
        if self.chance(0.25):
            together, spread = rng.uniform(40, 170), rng.choice((5, 13.99, 14, 14.01, 20))
            for n, user in enumerate(rng.sample(self.users, min(len(self.users), rng.choice((4, 5, 6, 9))))):
                gone = self.ago(together + spread * (n / 5 if n < 6 else 3))
                if gone >= self.start and not any(event[0] == user["id"] for event in self.events):
                    user["department"], user["created_at"] = "Harvest", when(self.ago(500))
                    user["last_login_at"] = when(gone)
                    self.events.append((user["id"], "ui", True, gone, 1))

    def _count_pools(self) -> None:
        """Give the pools their counts: mostly what is visible, sometimes not."""
        for pool in self.pools:
            used = sum(1 for u in self.users if u["active"] and u["license"] == pool["id"])
            pool["used"] = max(0, used + (self.rng.choice((-3, -1, 1, 2, 5)) if self.chance(0.06) else 0))
            spare = self.rng.choice((-5, -1, 0, 0, 1, 2, 5, 10, 40))
            pool["total"] = self.rng.choice((0, -1)) if self.chance(0.05) else max(0, pool["used"] + spare)

    def _make_psls(self) -> None:
        rng = self.rng
        for n in range(rng.choice((0, 1, 3, 5))):
            expires = rng.choice((None, None, None, -10, -1, 0, 1, 89, 90, 91, 400))
            psl = {
                "id": f"0PL{n:012d}AAA",
                "name": f"Psl{n}",
                "key": f"Psl{n}Key",
                "label": f"Add-on {n}" if self.chance(0.8) else f"Trial add-on {n}",
                "status": "Disabled" if self.chance(0.1) else "Active",
                "total": 0,
                "used": 0,
                "expires_on": None if expires is None else str((self.t0 + timedelta(days=expires)).date()),
                "for_integrations": self.chance(0.3),
                "permissions": sorted(rng.sample(PERMISSIONS, rng.choice((0, 1, 2, 4)))),
            }
            holders = rng.sample(self.users, rng.randint(0, min(len(self.users), 12)))
            for user in holders:
                granted = self.ago(rng.choice((0, 1, 29, 30, 30, 31, 60, 89, 90, 91, 200)), rng.choice((-1, 0, 1)))
                row = {"id": f"2LA{len(self.assigns):012d}AAA", "user": user["id"], "psl": psl["id"]}
                self.assigns.append(row | {"created_at": when(min(granted, self.t0))})
            if self.chance(0.05):  # a grant whose holder the connected user cannot see
                row = {"id": f"2LA{len(self.assigns):012d}AAA", "user": "005999999999999AAA", "psl": psl["id"]}
                self.assigns.append(row | {"created_at": when(self.ago(100))})
            active = sum(1 for user in holders if user["active"])
            psl["used"] = rng.choice((len(holders), active, active, rng.randint(0, 12)))
            psl["total"] = -1 if self.chance(0.04) else max(0, psl["used"] + rng.choice((-1, 0, 0, 1, 5, 40)))
            self.psls.append(psl)

    def _files(self) -> dict[str, Any]:
        rng = self.rng
        pools = [{k: v for k, v in pool.items() if k != "_external"} for pool in self.pools]
        logins = login_rows(self.events, self.t0)
        total = sum(row["count"] for row in logins)
        unknown = [{"vocabulary": "login_type", "word": "Telepathy", "count": rng.choice((3, total // 2))}]
        host = "acme--dev.sandbox.my.salesforce.com" if self.chance(0.05) else "acme.my.salesforce.com"
        missing = rng.choice(("PermissionSetLicense", "permissions of permission set licences", "feature licences"))
        reading = {
            "host": host,
            "taken_at": when(self.t0),
            "history_start": when(self.start) if logins else None,
            "login_rows": total,
            "api_calls": 9,
            "unavailable": [missing] if self.chance(0.1) else [],
            "requests": [],
            "unknown_words": unknown if self.chance(0.1) else [],
            "sandbox": {"users": len(self.users), "invalid_emails": 0, "suffixed_usernames": 0},
        }
        if "PermissionSetLicense" in reading["unavailable"]:
            self.psls, self.assigns = [], []
        ordered = sorted(self.users, key=lambda user: user["id"])
        prices, settings, history = givens(
            rng, self.t0.date(), pools=pools, psls=self.psls, users=ordered, assigns=self.assigns
        )
        return {
            "reading.json": reading,
            "licenses.jsonl": pools,
            "psls.jsonl": self.psls,
            "psl_assigns.jsonl": self.assigns,
            "users.jsonl": ordered,
            "logins.jsonl": logins,
            "prices.json": prices,
            "settings.json": settings,
            "history.json": history,
        }


def login_rows(events: list[tuple[str, str, bool, datetime, int]], t0: datetime) -> list[Row]:
    """Return logins.jsonl of these logins: one row a user, kind and success; bit i of `days` is i days before t0."""
    grouped: dict[tuple[str, str, bool], list[tuple[datetime, int]]] = defaultdict(list)
    for user, kind, success, at, count in events:
        grouped[user, kind, success].append((at, count))
    rows: list[Row] = []
    for (user, kind, success), found in sorted(grouped.items()):
        bits, weeks = 0, [0] * 27
        for at, count in found:
            day = (t0.date() - at.date()).days
            if 0 <= day < 189:
                bits |= 1 << day
                weeks[day // 7] += count
        row = {"user": user, "kind": kind, "success": success, "count": sum(n for _, n in found)}
        row |= {"first": when(min(at for at, _ in found)), "last": when(max(at for at, _ in found))}
        rows.append(row | {"days": f"{bits:x}", "weeks": weeks})
    return rows


def when(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def read(text: str) -> datetime:
    return datetime.fromisoformat(text)


def population(seed: int) -> dict[str, Any]:
    return Population(seed).make()


__all__ = ["Population", "date", "login_rows", "population"]
