"""Six months of LoginHistory that agrees with every user's LastLoginDate."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

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
from orgsim.generate.world import World
from orgsim.store.results import Row, Value


class Pattern(Enum):
    """How somebody, or something, logs in."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    MOBILE = "mobile"
    QUARTER_END = "quarter end"
    MACHINE = "machine"
    LIGHT_MACHINE = "light machine"
    SERVICE = "service account"
    TOOLS = "developer tools"
    BEYOND = "beyond history"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Holder:
    """A user as the login generator sees them. `quiet_days` ago was the last login; `full` says a full CRM seat."""

    user_id: str
    pattern: Pattern
    kind: str
    utc_offset_h: int
    country_iso: str
    created: datetime
    quiet_days: int
    active: bool
    licensed: bool
    full: bool = False


_WORKDAY_CHANCE: Final[Mapping[Pattern, float]] = {
    Pattern.DAILY: 0.88,
    Pattern.WEEKLY: 0.27,
    Pattern.MONTHLY: 0.05,
    Pattern.MOBILE: 0.74,
    Pattern.TOOLS: 0.35,
}
_WEEKEND_FACTOR: Final = 0.06
_FAILURE_CHANCE: Final = 0.03
_SECOND_LOGIN_CHANCE: Final = 0.35
_SATURDAY: Final = 5


def add_logins(world: World, domain: str, holders: Sequence[Holder], days: int) -> dict[str, datetime]:
    """Add the login history of the last `days` days; return the last successful login per user id.

    Rows are stored in the order of their time. Users of pattern BEYOND have none and keep the date they have.
    """
    start = world.now - timedelta(days=days)
    url = f"{domain.partition('.')[0]}.my.salesforce.com"
    found: list[tuple[datetime, int, Row]] = []
    last_seen: dict[str, datetime] = {}
    machines = 0
    api_names = world.org.settings.extra.get("login_type_form") == "api"
    for holder in holders:
        machines += holder.pattern is Pattern.MACHINE
        form = _form_of(world.rng, holder, machines, url)
        for moment, status in _moments(world.rng, holder, start, world.now):
            row = {**form(), "UserId": holder.user_id, "LoginTime": moment, "Status": status}
            if api_names:
                row["LoginType"] = API_NAMES[str(row["LoginType"])]
            found.append((moment, len(found), row))
            if status == "Success":
                last_seen[holder.user_id] = max(moment, last_seen.get(holder.user_id, start))
    found.sort(key=lambda entry: entry[:2])
    table, ids = world.org.tables["loginhistory"], world.org.ids
    number = ids.reserve("0Ya", len(found))
    for place, (_, _, row) in enumerate(found):
        row["Id"] = ids.at("0Ya", number + place)
        table.put({name: value for name, value in row.items() if value is not None})
    return last_seen


def _moments(rng: random.Random, holder: Holder, start: datetime, now: datetime) -> Iterator[tuple[datetime, str]]:
    """Yield the times and statuses of one user's logins, the last success `quiet_days` ago (or soon after)."""
    if holder.pattern is Pattern.NEVER:
        if rng.random() < 0.3:
            moment = holder.created + timedelta(days=2)
            yield from (
                (moment + timedelta(seconds=20 * n), "Invalid Password") for n in range(3) if start < moment < now
            )
        return
    if holder.pattern is Pattern.BEYOND:
        return
    first = max(start, holder.created + timedelta(hours=20))
    latest = now - timedelta(days=holder.quiet_days)
    any_success = False
    day = first.replace(hour=0, minute=0, second=0)
    while day <= latest:
        for _ in range(_logins_on(rng, holder.pattern, day)):
            hour = rng.randrange(24) if _is_machine(holder) else 8 + int(rng.betavariate(1.4, 2.2) * 11)
            moment = day + timedelta(hours=hour - holder.utc_offset_h, seconds=rng.randrange(3600))
            if first < moment <= latest:
                if rng.random() < _FAILURE_CHANCE:
                    yield moment - timedelta(seconds=rng.randint(12, 50)), _failure(rng, holder)
                any_success = True
                yield moment, "Success"
        day += timedelta(days=1)
    if not any_success or holder.quiet_days > 0 or holder.pattern is Pattern.MONTHLY:
        moment = latest - timedelta(
            minutes=rng.randrange(5, 300), days=rng.randrange(20) if _may_be_early(holder) else 0
        )
        if moment > first:
            yield moment, "Success"


def _may_be_early(holder: Holder) -> bool:
    return holder.pattern is Pattern.MONTHLY and holder.quiet_days == 0


def _is_machine(holder: Holder) -> bool:
    return holder.pattern in {Pattern.MACHINE, Pattern.LIGHT_MACHINE, Pattern.SERVICE}


def _logins_on(rng: random.Random, pattern: Pattern, day: datetime) -> int:
    match pattern:
        case Pattern.MACHINE:
            return rng.randint(14, 26)
        case Pattern.SERVICE:
            return rng.randint(4, 8)
        case Pattern.LIGHT_MACHINE:
            return 2
        case Pattern.QUARTER_END:
            closing = (day.month % 3 == 0 and day.day >= 24) or (day.month % 3 == 1 and day.day <= 5)
            return int(closing and day.weekday() < _SATURDAY and rng.random() < 0.8)
        case _:
            chance = _WORKDAY_CHANCE[pattern]
            if day.weekday() >= _SATURDAY:
                chance *= _WEEKEND_FACTOR
            return int(rng.random() < chance) * (1 + int(rng.random() < _SECOND_LOGIN_CHANCE))


def _failure(rng: random.Random, holder: Holder) -> str:
    if _is_machine(holder):
        return rng.choice(("Login rate exceeded", "Failed: Invalid Token"))
    return rng.choices(("Invalid Password", "Password lockout", "Restricted IP", "Restricted time"), (20, 3, 1, 1))[0]


class _Form:
    """Makes the columns that say where a login came from; constant per user but for a spare device."""

    def __init__(self, rng: random.Random, fixed: Sequence[Mapping[str, Value]], weights: Sequence[int]) -> None:
        self._rng = rng
        self._fixed = fixed
        self._weights = weights

    def __call__(self) -> Row:
        if len(self._fixed) == 1:
            return dict(self._fixed[0])
        return dict(self._rng.choices(self._fixed, self._weights)[0])


def _form_of(rng: random.Random, holder: Holder, machines: int, url: str) -> _Form:
    address = f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randrange(1, 255)}"  # for documentation only
    base: Row = {"SourceIp": address, "CountryIso": holder.country_iso, "LoginUrl": url}
    desk, spare = rng.sample(DESKTOPS, 2)
    sso = rng.random() < 0.6 and holder.kind not in {"chatter", "duplicate"}
    match holder.pattern:
        case Pattern.MACHINE:
            return _Form(rng, [machine_login(base, machines - 1)], [1])
        case Pattern.LIGHT_MACHINE:
            return _Form(rng, [machine_login(base, 0)], [1])
        case Pattern.SERVICE:
            return _Form(rng, [machine_login(base, 2), browser_login(base, desk, sso=False)], [30, 1])
        case Pattern.TOOLS:
            return _Form(rng, [tool_login(base, tool) for tool in rng.sample(TOOLS, 2)], [4, 1])
        case Pattern.MOBILE:
            app, browser, platform = rng.choice(PHONES)
            kinds = ("OauthRefreshToken", "OauthHybridRefreshToken", "OauthWebServer")
            return _Form(rng, [phone_login(base, app, browser, platform, kind) for kind in kinds], [20, 6, 1])
        case _:
            app, browser, platform = rng.choice(PHONES)
            forms = [browser_login(base, desk, sso=sso), browser_login(base, spare, sso=sso)]
            if rng.random() < 0.3:
                forms.append(phone_login(base, app, browser, platform, "OauthRefreshToken"))
            return _Form(rng, forms, [14, 1, 3][: len(forms)])
