"""A stand-in org for scale: answers the audit's constant queries over millions of made-up logins, none held.

It is no emulator (that is orgsim): it knows the audit's queries by their names only, so that what is measured is the
audit. Logins of a day are made from (seed, day): a working day has most of them, at hours of work.

    python -m tests.bench.audit_org --users 100000 --logins 20000000
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from aiohttp import web

from isthmus.salesforce import audit_queries as q

DAYS = 182
HOURS = np.array([1, 1, 1, 1, 1, 2, 8, 30, 70, 80, 70, 60, 50, 55, 65, 60, 45, 30, 15, 10, 8, 6, 4, 2], dtype=float)
PAGE = 2000
KINDS = (
    ("Application", "Success", "Browser", None),
    ("Remote Access 2.0", "Success", "Salesforce for iOS", "OauthRefreshToken"),
    ("Application", "Invalid Password", "Browser", None),
    ("Other Apex API", "Success", "N/A", None),
)
FIELDS = {
    "UserLicense": (*q.LICENSE_FIELDS, *q.LICENSE_METER_FIELDS),
    "PermissionSetLicense": q.PSL_FIELDS,
    "PermissionSetLicenseAssign": q.PSL_ASSIGN_FIELDS,
    "User": (*q.USER_FIELDS, *q.USER_VERIFIED_FIELDS, *q.USER_PORTAL_FIELDS, *q.USER_FEATURE_FIELDS),
    "LoginHistory": (*q.LOGIN_FIELDS, *q.LOGIN_SUBTYPE_GROUPS),
}
WINDOW = re.compile(r"LoginTime >= (\S+) AND LoginTime < (\S+)")


class Company:
    """So many users and logins. A tenth never came, a tenth left in the first half of the history."""

    def __init__(self, users: int, logins: int) -> None:
        self.users = users
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.first = datetime.combine(self.now.date() - timedelta(days=DAYS - 1), datetime.min.time(), UTC)
        shares = [0.15 if (self.first + timedelta(days=d)).weekday() >= 5 else 1.0 for d in range(DAYS)]
        self.per_day = [int(logins * share / sum(shares)) for share in shares]
        self.last = np.full(users, -1.0)
        for number in range(DAYS):
            times, who, kinds = self.day(number)
            good = kinds != 2
            np.maximum.at(self.last, who[good], times[good] + number * 86400.0)

    @lru_cache(maxsize=12)  # noqa: B019 lives as long as the process
    def day(self, number: int) -> tuple[Any, Any, Any]:
        """Return seconds of the day (rising), user numbers and kinds of the logins of one day."""
        rng = np.random.default_rng(number)
        count = self.per_day[number]
        hours = rng.choice(24, count, p=HOURS / HOURS.sum())
        times = np.sort(hours * 3600 + rng.integers(0, 3600, count))
        active = int(self.users * (0.9 if number < DAYS // 2 else 0.8))
        who = (active * rng.random(count) ** 1.3).astype(np.int64)
        kinds = rng.choice(4, count, p=(0.7, 0.22, 0.05, 0.03))
        if number == DAYS - 1:
            keep = times < (self.now - self.first).total_seconds() - number * 86400 - 60
            times, who, kinds = times[keep], who[keep], kinds[keep]
        return times, who, kinds

    def between(self, since: datetime, until: datetime) -> list[tuple[int, Any, Any, Any]]:
        """Return the logins of [since, until), a day at a time."""
        low, high = (since - self.first).total_seconds(), (until - self.first).total_seconds()
        found = []
        for number in range(max(0, int(low // 86400)), min(DAYS - 1, int((high - 1) // 86400)) + 1):
            times, who, kinds = self.day(number)
            a, b = np.searchsorted(times, (low - number * 86400, high - number * 86400))
            found.append((number, times[a:b], who[a:b], kinds[a:b]))
        return found

    def groups(self, since: datetime, until: datetime) -> list[dict[str, object]]:
        """Answer the grouped query of a window within one day."""
        rows: list[dict[str, object]] = []
        for number, times, who, kinds in self.between(since, until):
            keys = who * 4 + kinds
            order = np.argsort(keys, kind="stable")
            unique, starts, counts = np.unique(keys[order], return_index=True, return_counts=True)
            sorted_times = times[order]
            for key, start, count in zip(unique.tolist(), starts.tolist(), counts.tolist(), strict=True):
                if len(rows) == q.GROUPS_MAX:
                    return rows
                login_type, status, application, subtype = KINDS[key % 4]
                rows.append(
                    {
                        "UserId": user_id(key // 4),
                        "LoginType": login_type,
                        "Status": status,
                        "Application": application,
                        "LoginSubType": subtype,
                        "logins": count,
                        "firstTime": self.stamp(number * 86400 + int(sorted_times[start])),
                        "lastTime": self.stamp(number * 86400 + int(sorted_times[start + count - 1])),
                    }
                )
        return rows

    def stamp(self, seconds: float) -> str:
        """Return an instant as Salesforce writes it."""
        return f"{self.first + timedelta(seconds=int(seconds)):%Y-%m-%dT%H:%M:%S.000+0000}"

    def user(self, number: int) -> dict[str, object]:
        """Return one user."""
        seen = float(self.last[number])
        return {
            "Id": user_id(number),
            "Username": f"person{number}@acme.example",
            "Name": f"Person Number {number}",
            "Email": f"person{number}@acme.example",
            "EmployeeNumber": f"E{number}",
            "Department": f"Department {number % 400}",
            "IsActive": number % 25 != 0,
            "UserType": "Standard",
            "CreatedDate": self.stamp(-86400.0 * (number % 1000)),
            "LastLoginDate": None if seen < 0 else self.stamp(seen),
            "NumberOfFailedLogins": 0,
            "Profile": {
                "Name": "Sales",
                "UserLicenseId": "100000000000001AAA",
                "UserLicense": {"LicenseDefinitionKey": "SFDC"},
            },
            **dict.fromkeys(q.USER_FEATURE_FIELDS, False),
        }


def user_id(number: int) -> str:
    """Return the id of user `number`."""
    return f"005{number:012d}AAA"


async def query(request: web.Request) -> web.Response:
    """Answer a constant query."""
    org: Company = request.app["org"]
    soql = request.query["q"]
    window = WINDOW.search(soql)
    if window is not None:
        since, until = (datetime.fromisoformat(text) for text in window.groups())
        if "GROUP BY" in soql:
            return page(org.groups(since, until))
        return page([{"logins": sum(len(times) for _, times, _, _ in org.between(since, until))}])
    if "MIN(LoginTime)" in soql:
        return page([{"firstTime": org.stamp(int(org.day(0)[0][0]))}])
    if "FROM UserLicense" in soql:
        used = sum(1 for n in range(org.users) if n % 25)
        return page([license_row(org.users, used)])
    if "FROM User" in soql:
        return users(org, 0)
    return page([])


def license_row(total: int, used: int) -> dict[str, object]:
    """Return the one pool."""
    return {
        "Id": "100000000000001AAA", "Name": "Salesforce", "MasterLabel": "Salesforce", "LicenseDefinitionKey": "SFDC",
        "Status": "Active", "TotalLicenses": total, "UsedLicenses": used,
    }  # fmt: skip


def users(org: Company, start: int) -> web.Response:
    """Return a page of users."""
    rows = [org.user(n) for n in range(start, min(start + PAGE, org.users))]
    after = start + PAGE
    more = None if after >= org.users else f"/services/data/v62.0/query/01g000000000001AAA-{after}"
    return page(rows, org.users, more)


def page(rows: Sequence[object], total: int | None = None, more: str | None = None) -> web.Response:
    """Return a page of results."""
    body: dict[str, object] = {"totalSize": len(rows) if total is None else total, "done": more is None}
    if more is not None:
        body["nextRecordsUrl"] = more
    return web.json_response({**body, "records": rows})


async def more(request: web.Request) -> web.Response:
    """Answer with a further page of users."""
    return users(request.app["org"], int(request.match_info["locator"].rpartition("-")[2]))


async def describe(request: web.Request) -> web.Response:
    """Describe one of the five objects."""
    name = request.match_info["name"]
    flags = dict.fromkeys(("createable", "updateable", "deletable", "replicateable", "custom"), False)
    fields = [{"name": f, "label": f, "type": "string", "nillable": True} for f in FIELDS[name]]
    return web.json_response({"name": name, "label": name, "queryable": True, **flags, "fields": fields})


async def versions(_: web.Request) -> web.Response:
    """List API versions; the Date header is the org's clock."""
    return web.json_response([])


async def limits(_: web.Request) -> web.Response:
    """Say what is left of the day's calls."""
    return web.json_response({"DailyApiRequests": {"Max": 5_000_000, "Remaining": 5_000_000}})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--logins", type=int, required=True)
    options = parser.parse_args()
    app = web.Application()
    app["org"] = Company(options.users, options.logins)
    root = "/services/data"
    app.add_routes(
        [
            web.get(root, versions),
            web.get(f"{root}/", versions),
            web.get(root + "/{v}/limits", limits),
            web.get(root + "/{v}/query", query),
            web.get(root + "/{v}/query/", query),
            web.get(root + "/{v}/query/{locator}", more),
            web.get(root + "/{v}/sobjects/{name}/describe", describe),
        ]
    )

    web.run_app(app, host="127.0.0.1", port=0, print=say_port, access_log=None)


def say_port(text: str = "", *_: object) -> None:
    """Print the port out of aiohttp's own greeting."""
    found = re.search(r"127\.0\.0\.1:(\d+)", text)
    if found:
        print(json.dumps({"port": int(found[1])}), flush=True)


if __name__ == "__main__":
    main()
