"""A virtual company of any size for the bench profile: users, their logins and their permission set licences.

A user's number is scattered into a rank; the lower the rank, the more logins. Ranks up to ACTIVE_SHARE log in until
today, those up to LEFT_SHARE did so in the first half of the history and were deactivated, those up to SILENT_SHARE
fell silent with an active account, the rest never came. LastLoginDate is the last success in the history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from math import gcd
from typing import Final

import numpy as np

from orgsim.generate.cells import (
    Choice,
    Coded,
    Column,
    Constant,
    Digits,
    IdColumn,
    Moments,
    Numbers,
    Spread,
    Stamp,
    Words,
)
from orgsim.generate.layouts import BenchPlan, Layout
from orgsim.generate.login_forms import (
    API_NAMES,
    DESKTOPS,
    PHONES,
    TOOLS,
    browser_login,
    machine_login,
    phone_login,
    tool_login,
)
from orgsim.generate.rhythm import WorkingHours, mixed
from orgsim.store.results import Row, Value

ACTIVE_SHARE: Final = 0.80
LEFT_SHARE: Final = 0.86
SILENT_SHARE: Final = 0.88
MACHINE_SHARE: Final = 0.004
"""The busiest ranks are integrations."""

_MACHINE_LOGINS: Final = 0.05
_EVEN: Final = 0.1
"""How often people log in differs: a fifth of the mean at the high ranks, ten times the mean at the low ones."""

_UNIT: Final = 2.0**-53
_FAILURES_PER_MILLE: Final = 40
_CHUNK_ROWS: Final = 1_000_000
_SCATTER: Final = 0.6180339887
_COUNTRIES: Final = ("US", "GB", "DE", "FR", "JP", "IN")
_ADDRESSES: Final = tuple(
    f"{net}.{host}" for net in ("192.0.2", "198.51.100", "203.0.113") for host in range(1, 255)
)  # for documentation only
_OLDEST_DAYS: Final = 2100
_NEWEST_DAYS: Final = 200


FORMS: Final[tuple[Row, ...]] = tuple(
    {"Status": status, **form}
    for status, form in (
        ("Success", browser_login({}, DESKTOPS[0], sso=False)),
        ("Success", browser_login({}, DESKTOPS[2], sso=True)),
        ("Success", phone_login({}, *PHONES[0], "OauthRefreshToken")),
        ("Success", browser_login({}, DESKTOPS[3], sso=True)),
        ("Success", tool_login({}, TOOLS[1])),
        ("Success", machine_login({}, 0)),
        ("Success", machine_login({}, 1)),
        ("Success", machine_login({}, 2)),
        ("Invalid Password", browser_login({}, DESKTOPS[0], sso=False)),
        ("Failed: Invalid Token", machine_login({}, 0)),
    )
)
"""What logins look like: 0 to 4 those of people, 5 to 7 those of integrations, then failures of both."""

_PEOPLE_FAIL: Final = 8
_MACHINES_FAIL: Final = 9


@dataclass(frozen=True, slots=True)
class Seats:
    """What virtual users refer to: profiles by name, the administrator who made them, the org's e-mail domain."""

    profiles: Mapping[str, str]
    owner_id: str
    domain: str
    products: Sequence[str] = ()
    """Ids of the permission set licences."""


@dataclass
class Crowd:
    """The numbers behind the virtual users and logins; arrays are worked out when first asked for."""

    plan: BenchPlan
    seats: Seats
    api_names: bool = False
    users: int = field(init=False)
    logins: int = field(init=False)

    def __post_init__(self) -> None:
        """Take the counts out of the plan."""
        self.users = self.plan.counts.get("User", 0)
        self.logins = self.plan.counts.get("LoginHistory", 0)
        self.times = WorkingHours(self.plan.now, self.logins)
        step = max(1, int(self.users * _SCATTER))
        while gcd(step, max(1, self.users)) != 1:
            step += 1
        self._step = step
        self._back = pow(step, -1, self.users) if self.users > 1 else 1

    def ranks(self, users: Numbers) -> Numbers:
        """Return the rank of each user."""
        return users * self._step % max(1, self.users)

    def _user_of(self, ranks: Numbers) -> Numbers:
        return ranks * self._back % max(1, self.users)

    def who(self, logins: Numbers) -> Numbers:
        """Return the number of the user behind each login."""
        chance = mixed(logins, self.plan.seed) * _UNIT
        machines = max(1, int(MACHINE_SHARE * self.users))
        people = np.where(logins < self.times.middle, SILENT_SHARE, ACTIVE_SHARE) * self.users - machines
        of_people = (chance - _MACHINE_LOGINS) * (1 / (1 - _MACHINE_LOGINS))
        square = of_people * of_people
        ranks = machines + (_EVEN * of_people + (1 - _EVEN) * square * square * square) * people
        ranks = np.where(chance < _MACHINE_LOGINS, chance * (machines / _MACHINE_LOGINS), ranks)
        return self._user_of(ranks.astype(np.int64))

    def forms(self, logins: Numbers) -> Numbers:
        """Return the place in FORMS of each login: by the kind of user, and by chance."""
        users = self.who(logins)
        chance = mixed(logins, self.plan.seed + 1) % 1000
        habit = mixed(users, self.plan.seed + 2)
        of_people = np.where(chance % 10 < 6 + habit % 4, habit % 2, 2 + habit % 3)
        of_machines = 5 + habit % 3
        machines = self.ranks(users) < MACHINE_SHARE * self.users
        failed = chance < _FAILURES_PER_MILLE
        good = np.where(machines, of_machines, of_people)
        return np.where(failed, np.where(machines, _MACHINES_FAIL, _PEOPLE_FAIL), good)

    @cached_property
    def last_seen(self) -> Numbers:
        """The epoch second of each user's last successful login; -1 where there is none."""
        last = np.full(self.users, -1, dtype=np.int64)
        succeeded = np.array([form["Status"] == "Success" for form in FORMS])
        for start in range(0, self.logins, _CHUNK_ROWS):
            rows: Numbers = np.arange(start, min(start + _CHUNK_ROWS, self.logins), dtype=np.int64)
            good = rows[succeeded[self.forms(rows)]]
            last[self.who(good)] = good  # rising: the last assignment is the latest login
        seen = last >= 0
        last[seen] = self.times.seconds(last[seen])
        return last

    def active(self, users: Numbers) -> Numbers:
        """Return 1 for users whose account is active, else 0."""
        ranks = self.ranks(users)
        left = (ranks >= ACTIVE_SHARE * self.users) & (ranks < LEFT_SHARE * self.users)
        gone = (ranks >= SILENT_SHARE * self.users) & (ranks % 3 == 0)
        return (~(left | gone)).astype(np.int64)

    def seat(self, users: Numbers) -> Numbers:
        """Return the place in SEATS of each user's profile."""
        machines = self.ranks(users) < MACHINE_SHARE * self.users
        return np.where(machines, len(SEATS) - 1, mixed(users, self.plan.seed + 3) % (len(SEATS) - 1))

    def seats_used(self) -> list[int]:
        """Return the number of active users per entry of SEATS."""
        everybody: Numbers = np.arange(self.users, dtype=np.int64)
        return np.bincount(self.seat(everybody), self.active(everybody), len(SEATS)).astype(int).tolist()


SEATS: Final = (
    "Sales Representative", "Service Agent", "Standard User", "Marketing User", "Standard Platform User", "Integration",
)  # fmt: skip
"""The profiles of virtual users, evenly spread but for the last one, which integrations have."""


def user_layout(crowd: Crowd, *, pod: str, first: int) -> Layout:
    """Return the layout of User."""
    plan, seats = crowd.plan, crowd.seats
    spread = Spread(plan.now - timedelta(days=_OLDEST_DAYS), (_OLDEST_DAYS - _NEWEST_DAYS) * 86_400, crowd.users)
    stamp = Stamp(spread)
    owner = Constant(seats.owner_id)
    columns: dict[str, Column | Coded | Moments] = {
        "Id": IdColumn("005", pod, first),
        "Username": Digits("bench.user.", 9, after=f"@{seats.domain}"),
        "FirstName": Choice(("Amélie", "Jürgen", "Márcio"), plan.seed),
        "LastName": Digits("Bench-User ", 9),
        "Email": Digits("bench.user.", 9, after=f"@{seats.domain}"),
        "Alias": Digits("b", 7),
        "CommunityNickname": Digits("bench.user.", 9),
        "EmployeeNumber": Digits("E", 9),
        "Department": Digits("Department ", 3, 7, plan.seed),
        "CompanyName": Constant("Northgate Instruments"),
        "ProfileId": Words(tuple(seats.profiles[name] for name in SEATS), crowd.seat),
        "IsActive": Words((False, True), crowd.active),
        "UserType": Constant("Standard"),
        "TimeZoneSidKey": Constant("America/Chicago"),
        "LocaleSidKey": Constant("en_US"),
        "LanguageLocaleKey": Constant("en_US"),
        "EmailEncodingKey": Constant("UTF-8"),
        "NumberOfFailedLogins": Constant("0"),
        "LastLoginDate": Moments(lambda rows: crowd.last_seen[rows]),
        "HasUserVerifiedEmail": Words((False, True), lambda rows: (crowd.last_seen[rows] >= 0).astype(np.int64)),
        "CreatedDate": stamp,
        "CreatedById": owner,
        "LastModifiedDate": stamp,
        "LastModifiedById": owner,
        "SystemModstamp": stamp,
    }
    return Layout(columns, spread, {})


def login_layout(crowd: Crowd, *, pod: str, first: int, first_user: int) -> Layout:
    """Return the layout of LoginHistory; its stamp is LoginTime."""
    seed = crowd.plan.seed
    columns: dict[str, Column | Coded | Moments] = {
        "Id": IdColumn("0Ya", pod, first),
        "UserId": IdColumn("005", pod, first_user, of=crowd.who),
        "LoginTime": Stamp(crowd.times),
        "SourceIp": Words(_ADDRESSES, lambda rows: mixed(crowd.who(rows), seed + 4) % len(_ADDRESSES)),
        "CountryIso": Words(_COUNTRIES, lambda rows: mixed(crowd.who(rows), seed + 5) % len(_COUNTRIES)),
        "LoginUrl": Constant(f"{crowd.seats.domain.partition('.')[0]}.my.salesforce.com"),
    }
    forms = [_shown(form, api_names=crowd.api_names) for form in FORMS]
    for name in dict.fromkeys(name for form in forms for name in form):
        columns[name] = _word_column([form.get(name) for form in forms], crowd)
    return Layout(columns, crowd.times, {"UserId": ("005", first_user, crowd.users)}, frozenset({"LoginTime"}))


def _word_column(values: Sequence[Value], crowd: Crowd) -> Coded:
    pool = list(dict.fromkeys(values))
    places: Numbers = np.array([pool.index(value) for value in values], dtype=np.int64)
    if len(pool) == 1 and isinstance(pool[0], str):
        return Constant(pool[0])
    return Words(tuple(pool), lambda rows: places[crowd.forms(rows)])


def _shown(form: Row, *, api_names: bool) -> Row:
    return {**form, "LoginType": API_NAMES[str(form["LoginType"])]} if api_names else form


def grant_layout(crowd: Crowd, *, pod: str, first: int, first_user: int, count: int) -> Layout:
    """Return the layout of PermissionSetLicenseAssign: row i is user i % users, licence i // users."""
    plan, seats = crowd.plan, crowd.seats
    spread = Spread(plan.now - timedelta(days=_NEWEST_DAYS), (_NEWEST_DAYS - 1) * 86_400, count)
    stamp, owner = Stamp(spread), Constant(seats.owner_id)
    users = max(1, crowd.users)
    columns: dict[str, Column | Coded | Moments] = {
        "Id": IdColumn("2LA", pod, first),
        "IsDeleted": Constant("false"),
        "AssigneeId": IdColumn("005", pod, first_user, users),
        "PermissionSetLicenseId": Words(tuple(seats.products), lambda rows: rows // users),
        "CreatedDate": stamp,
        "CreatedById": owner,
        "LastModifiedDate": stamp,
        "LastModifiedById": owner,
        "SystemModstamp": stamp,
    }
    return Layout(columns, spread, {"AssigneeId": ("005", first_user, users)})
