"""A snapshot made ready for rules: who holds which seat, who was there when. Pure; has no clock of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from isthmus.audit.given.catalogue import Category, category_of
from isthmus.audit.given.exemptions import Exempt, ExemptUser
from isthmus.audit.given.history import History
from isthmus.audit.given.options import Thresholds
from isthmus.audit.given.prices import Price
from isthmus.audit.login_table import UserLogins
from isthmus.audit.model import LicenseRow, PslAssignRow, PslRow, UserRow
from isthmus.audit.snapshot import Snapshot
from isthmus.audit.terms import Terms

COUNTER_LAG_MAX = timedelta(hours=24)
DISABLED: Final = "Disabled"
"""The status of a licence that has ended: nobody pays for it, and its seats cannot be used again."""


@dataclass(frozen=True, slots=True)
class Activity:
    """When a user was there, by successful logins in the history: in person, and by software."""

    human_last: datetime | None = None
    machine_last: datetime | None = None
    other_last: datetime | None = None
    human_days: int = 0
    logins: int = 0
    machine_days: int = 0

    @property
    def last(self) -> datetime | None:
        """The last successful login of any kind."""
        return max((at for at in (self.human_last, self.machine_last, self.other_last) if at is not None), default=None)


NO_ACTIVITY = Activity()
NO_PRICES: Mapping[str, Price] = MappingProxyType({})
NO_HISTORY = History()
NO_TERMS = Terms()
NOBODY_EXEMPT = Exempt()


_OF_SNAPSHOT: Final = (
    "now",
    "history_start",
    "history_days",
    "licenses",
    "psls",
    "users",
    "categories",
    "holders",
    "grants",
    "grant_holders",
    "grant_instants",
    "_activities",
    "_last_seen",
    "_active",
)
"""What a view makes of its snapshot alone."""


class View:
    """A snapshot with its indexes, and what to judge it by."""

    def __init__(
        self,
        snapshot: Snapshot,
        thresholds: Thresholds,
        *,
        prices: Mapping[str, Price] = NO_PRICES,
        exempt: Exempt = NOBODY_EXEMPT,
        history: History = NO_HISTORY,
        terms: Terms = NO_TERMS,
        today: date | None = None,
    ) -> None:
        """Take them; everything else is derived when it is asked for. `prices` are by pool.

        `today` is the day where the operator is, for what is given as days; None: that of UTC.
        """
        self.snapshot = snapshot
        self.thresholds = thresholds
        self.prices = prices
        self.exempt = exempt
        self.history = history
        self.terms = terms
        self.today = snapshot.reading.taken_at.date() if today is None else today

    def borrow(self, other: View) -> None:
        """Take over the indexes that `other` has made: it is of the same snapshot, whatever it judges by."""
        for name in _OF_SNAPSHOT:
            if name in other.__dict__:
                self.__dict__[name] = other.__dict__[name]

    @cached_property
    def now(self) -> datetime:
        """The instant of the audit."""
        return self.snapshot.reading.taken_at

    @cached_property
    def history_start(self) -> datetime | None:
        """Where the visible login history begins, or None if there is none."""
        return self.snapshot.reading.history_start

    @cached_property
    def history_days(self) -> int:
        """Whole days of login history."""
        return (self.now - self.history_start).days if self.history_start is not None else 0

    @cached_property
    def inactive_days(self) -> int:
        """The threshold in force: the one asked for, or the whole history where that is shorter."""
        return min(self.thresholds.inactive_days, self.history_days)

    def thresholds_of(self, license_: str | None) -> Thresholds:
        """The thresholds of one licence or permission set licence, by its id."""
        return self._thresholds.get(license_ or "", self.thresholds)

    @cached_property
    def _thresholds(self) -> dict[str, Thresholds]:
        rows = (*self.snapshot.licenses, *self.snapshot.psls)
        return {row.id: self.thresholds.of(row.key, row.name, row.label) for row in rows}

    def inactive_days_of(self, license_: str | None) -> int:
        """The threshold in force for one licence, by its id; never longer than the history."""
        return self._inactive_days.get(license_ or "", self.inactive_days)

    @cached_property
    def _inactive_days(self) -> dict[str, int]:
        return {id_: min(own.inactive_days, self.history_days) for id_, own in self._thresholds.items()}

    def exemption_of(self, user: str, rule: str) -> ExemptUser | None:
        """Return the exemption that excuses the user from the rule today, or None."""
        found = self._exempt.get(user)
        if found is None or not found.kind.covers(rule):
            return None
        return found if found.until is None or self.today <= found.until else None

    @cached_property
    def _exempt(self) -> dict[str, ExemptUser]:
        return {item.user: item for item in self.exempt.users}

    @cached_property
    def seen_deactivated(self) -> dict[str, datetime]:
        """When an earlier audit first saw each of these users deactivated."""
        return {seen.user: seen.at for seen in self.history.deactivated}

    def age_days(self, at: datetime) -> int:
        """Whole days from `at` to the audit."""
        return (self.now - at).days

    def within(self, at: datetime | None, days: int) -> bool:
        """Whether `at` lies in the last `days` days."""
        return at is not None and at > self.now - timedelta(days=days)

    @cached_property
    def licenses(self) -> dict[str, LicenseRow]:
        """Licences by id."""
        return {row.id: row for row in self.snapshot.licenses}

    @cached_property
    def psls(self) -> dict[str, PslRow]:
        """Permission set licences by id."""
        return {row.id: row for row in self.snapshot.psls}

    @cached_property
    def users(self) -> dict[str, UserRow]:
        """Users by id, active or not."""
        return {row.id: row for row in self.snapshot.users}

    @cached_property
    def categories(self) -> dict[str, Category]:
        """How each licence is paid for."""
        return {row.id: category_of(row.key, row.name) for row in self.snapshot.licenses}

    @cached_property
    def holders(self) -> dict[str, list[UserRow]]:
        """Active users by the licence that their profile gives them."""
        found: dict[str, list[UserRow]] = defaultdict(list)
        for user in self.snapshot.users:
            if user.active and user.license is not None:
                found[user.license].append(user)
        return found

    def seat_holders(self) -> Iterator[UserRow]:
        """Yield the active users whose seat costs money (or may do so: unclassified licences are looked at too)."""
        for _, users in self.seat_pools():
            yield from users

    def seat_pools(self) -> Iterator[tuple[str, list[UserRow]]]:
        """Yield the same users by licence."""
        for license_, users in sorted(self.holders.items()):
            if self.categories.get(license_, Category.UNCLASSIFIED).seat_costs:
                yield license_, users

    @cached_property
    def grants(self) -> dict[str, list[PslAssignRow]]:
        """Grants by permission set licence."""
        found: dict[str, list[PslAssignRow]] = defaultdict(list)
        for row in self.snapshot.assigns:
            found[row.psl].append(row)
        return found

    @cached_property
    def grant_holders(self) -> dict[str, str]:
        """The user of each grant, by the grant's id."""
        return {row.id: row.user for row in self.snapshot.assigns}

    @cached_property
    def grant_instants(self) -> dict[str, datetime]:
        """When each grant was made, by the grant's id."""
        return {row.id: row.created_at for row in self.snapshot.assigns}

    @cached_property
    def _activities(self) -> dict[str, Activity]:
        there = (row for row in self.snapshot.logins if row.success)
        return {user: _activity_of(rows) for user, rows in groupby(there, key=attrgetter("user"))}

    def activity(self, user: str) -> Activity:
        """Return when the user was there."""
        return self._activities.get(user, NO_ACTIVITY)

    def successes(self, user: str) -> list[UserLogins]:
        """Return the user's successful logins, one row for each kind."""
        return [row for row in self.snapshot.logins.of(user) if row.success]

    @property
    def people_seen(self) -> int:
        """How many users have a successful login in the history."""
        return len(self._activities)

    def last_seen(self, user: UserRow) -> datetime | None:
        """Return the later of LastLoginDate and the last login in the history, in person or by software.

        Weak and system logins (an administrator's log-in-as) stand for presence only where nothing else is known.
        """
        return self._last_seen[user.id]

    @cached_property
    def _last_seen(self) -> dict[str, datetime | None]:
        found: dict[str, datetime | None] = {}
        for user in self.snapshot.users:
            own = self.activity(user.id)
            found[user.id] = _later(user.last_login_at, _later(own.human_last, own.machine_last)) or own.other_last
        return found

    def active_people(self, license_: str, days: int) -> int:
        """Return how many holders of the licence logged in in person in the last `days` days."""
        key = license_, days
        if key not in self._active:
            since, holders = self.now - timedelta(days=days), self.holders.get(license_, [])
            lasts = (self.activity(user.id).human_last for user in holders)
            self._active[key] = sum(1 for at in lasts if at is not None and at > since)
        return self._active[key]

    @cached_property
    def _active(self) -> dict[tuple[str, int], int]:
        return {}

    @staticmethod
    def seats_there(row: LicenseRow) -> int:
        """Return the seats that the org has of a licence: none of one that is disabled, nor by a negative total."""
        return 0 if row.status == DISABLED else max(0, row.total)

    def counter_lags(self, row: LicenseRow) -> bool:
        """Whether the org says that its count of used seats is older than a day."""
        return row.used_updated_at is not None and self.now - row.used_updated_at > COUNTER_LAG_MAX


def _activity_of(rows: Iterable[UserLogins]) -> Activity:
    """Return what the successful logins of one user say."""
    human = machine = other = None
    days = machine_days = logins = 0
    for row in rows:
        logins += row.count
        if row.kind.human:
            human, days = _later(human, row.last), days | row.day_bits
        elif row.kind.machine:
            machine, machine_days = _later(machine, row.last), machine_days | row.day_bits
        else:
            other = _later(other, row.last)
    return Activity(human, machine, other, days, logins, machine_days)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one is not None and other is not None else one or other
