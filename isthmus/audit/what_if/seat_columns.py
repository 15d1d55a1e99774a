"""What no setting changes about an audit's seats and grants, as columns. Pure; made once, for many what-if questions.

Instants are microseconds since 1970 (`NEVER` where there is none), grades are their place in `Grade`. Rules whose
findings change with settings are asked once, with the settings that find most: a question then leaves out what its own
settings would not find. R08 is the exception: its traps depend on who else is absent, so it is judged by columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from isthmus.audit.finding import Finding, Grade, Saving
from isthmus.audit.given.options import Thresholds
from isthmus.audit.given.snooze import Snooze
from isthmus.audit.model import UserRow
from isthmus.audit.rules import r08_inactive
from isthmus.audit.rules.registry import CHECKS, DERIVED
from isthmus.audit.view import View

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.int8]

NEVER: Final = int(np.iinfo(np.int64).min)
DAY_US: Final = 86_400_000_000
GRADES: Final = tuple(Grade)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ENTRY_BYTES: Final = 250
"""About what one entry of a dictionary of ids takes."""
_LONG_DAYS: Final = 20_000
_PROBES: Final[Mapping[str, Thresholds]] = {
    "R06": Thresholds(grace_days=0),
    "R07": Thresholds(inactive_days=0),
    "R19": Thresholds(inactive_days=_LONG_DAYS),
}
"""The settings with which a rule finds all that it can find with any."""
_KNOWN: Final = frozenset({*_PROBES, "R08", "R12", "R14"})
_NO_MONEY: Final = frozenset({"R08b", "R16", "R17", "R21", "R23"})
"""They change with settings, and no seat or grant carries money because of them."""


class NotColumnar(Exception):
    """A rule finds what the columns have no place for: they would give other figures than the analysis."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a seat is valued by: the least price of `pools` (its own first), less the price of another seat."""

    pools: tuple[str, ...]
    replacement: str = ""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a rule can find: seats or grants by position, each at most once, with grade and position among worths."""

    rule: str
    place: Ints
    grade: Codes
    worth: Ints


@dataclass(frozen=True, slots=True)
class Departments:
    """The seats of departments that have a name, in their order: where each begins, and how many seats it has."""

    order: Ints
    starts: Ints
    sizes: Ints


@dataclass(frozen=True, slots=True)
class Seats:
    """Every active holder of a seat that costs money; `pool` counts the columns' pools, `user` its users."""

    pool: Ints
    user: Ints
    created: Ints
    last_login: Ints
    last_seen: Ints
    human_last: Ints
    traps: Codes
    departments: Departments


@dataclass(frozen=True, slots=True)
class Grants:
    """Every grant of a permission set licence: its holder's seat and user (-1: none), its position among worths.

    `active` are the users who are (a last one, who is not, stands for nobody); `of` are the grants of each licence.
    """

    seat: Ints
    user: Ints
    worth: Ints
    active: Flags
    of: Mapping[str, slice]


@dataclass(frozen=True, slots=True)
class Columns:
    """Seats, grants, and what the rules can find in them. `pools` are the pools of seats, and the first worths."""

    pools: tuple[str, ...]
    seats: Seats
    grants: Grants
    of_seats: Mapping[str, Candidates]
    of_grants: Mapping[str, Candidates]
    worths: tuple[Worth, ...]
    users: Mapping[str, int]
    places: Mapping[tuple[str, str], int]
    skipped: frozenset[str]

    @property
    def bytes(self) -> int:
        """About how much memory they take."""
        seats, grants = self.seats, self.grants
        wide = (len(seats.pool) * 7 + len(grants.seat) * 3) * 8
        found = sum(len(item.place) * 17 for item in (*self.of_seats.values(), *self.of_grants.values()))
        return wide + found + (len(self.users) + len(self.places)) * _ENTRY_BYTES

    def put_off(self, snoozes: Iterable[Snooze]) -> dict[str, Ints]:
        """Return for each rule the seats or grants of which the finding is put off."""
        found: dict[str, list[int]] = defaultdict(list)
        for item in snoozes:
            place = self.places.get((item.subject, item.pool))
            if place is not None:
                found[item.rule].append(place)
        return {rule: np.array(places, dtype=np.int64) for rule, places in found.items()}


def micros(at: datetime | None) -> int:
    """Return an instant as the columns hold it."""
    return NEVER if at is None else (at - _EPOCH) // _MICROSECOND


def columns_of(view: View, skipped: frozenset[str]) -> Columns:
    """Make the columns; `skipped` are the rules that a gate keeps from running. Raises `NotColumnar`."""
    return _Making(view, skipped).columns()


class _Making:
    """The columns while they are made."""

    def __init__(self, view: View, skipped: frozenset[str]) -> None:
        self._view = view
        self._skipped = skipped
        pools = [(license_, users) for license_, users in view.seat_pools()]
        self._pools = tuple(license_ for license_, _ in pools)
        self._holders = [(number, user) for number, (_, users) in enumerate(pools) for user in users]
        self._users = {user.id: number for number, user in enumerate(view.snapshot.users)}
        self._assigns = [grant for psl in view.snapshot.psls for grant in view.grants.get(psl.id, ())]
        self._seats = {user.id: number for number, (_, user) in enumerate(self._holders)}
        self._places = {(user.id, user.license or ""): seat for seat, (_, user) in enumerate(self._holders)}
        self._places |= {(grant.id, grant.psl): number for number, grant in enumerate(self._assigns)}
        worths = [Worth((pool,)) for pool in (*self._pools, *(psl.id for psl in view.snapshot.psls))]
        self._worths = {worth: number for number, worth in enumerate(worths)}

    def columns(self) -> Columns:
        of_seats: dict[str, Candidates] = {}
        of_grants: dict[str, Candidates] = {}
        for rule, found in self._findings():
            seats = [finding for finding in found if finding.saving is not Saving.PSL]
            if seats:
                of_seats[rule] = self._candidates(rule, seats)
            if len(seats) < len(found):
                of_grants[rule] = self._candidates(rule, [f for f in found if f.saving is Saving.PSL])
        return Columns(
            pools=self._pools,
            seats=self._seat_columns(),
            grants=self._grant_columns(),
            of_seats=of_seats,
            of_grants=of_grants,
            worths=tuple(self._worths),
            users=self._users,
            places=self._places,
            skipped=self._skipped,
        )

    def _findings(self) -> Iterable[tuple[str, list[Finding]]]:
        """Yield what each rule can find that counts: seats that are unused, and whatever carries money."""
        strange = {entry.rule.id for entry in DERIVED} - _NO_MONEY - {"R12"}
        if strange:
            raise NotColumnar(min(strange))
        for check in CHECKS:
            rule = check.rule.id
            if rule in self._skipped or rule in _NO_MONEY or rule in {"R08", "R14"}:
                continue
            if check.by_settings and rule not in _KNOWN:
                raise NotColumnar(rule)
            found = list(check.check(self._probe(rule)))
            if rule in {"R06", "R07"}:
                yield rule, found
            else:
                money = {Saving.SEAT, Saving.PSL}
                yield rule, [f for f in found if f.saving in money and f.grade is not Grade.D]

    def _probe(self, rule: str) -> View:
        if rule not in _PROBES:
            return self._view
        probe = View(self._view.snapshot, _PROBES[rule], history=self._view.history)
        probe.borrow(self._view)
        return probe

    def _candidates(self, rule: str, found: Sequence[Finding]) -> Candidates:
        places = [self._places.get((finding.subject_id, finding.pool), -1) for finding in found]
        if -1 in places or len(set(places)) < len(places) or any(finding.quantity != 1 for finding in found):
            raise NotColumnar(rule)
        worths = [
            self._worths.setdefault(Worth((f.pool, *f.worth_of), f.replacement), len(self._worths)) for f in found
        ]
        grades = [GRADES.index(finding.grade) for finding in found]
        return Candidates(rule, _ints(places), np.array(grades, dtype=np.int8), _ints(worths))

    def _seat_columns(self) -> Seats:
        view, users = self._view, [user for _, user in self._holders]
        activities = [view.activity(user.id) for user in users]
        traps = [sum(1 for _ in r08_inactive.own_traps(view, user)) for user in users]
        return Seats(
            pool=_ints(number for number, _ in self._holders),
            user=_ints(self._users[user.id] for user in users),
            created=_ints(micros(user.created_at) for user in users),
            last_login=_ints(micros(user.last_login_at) for user in users),
            last_seen=_ints(micros(view.last_seen(user)) for user in users),
            human_last=_ints(micros(at.human_last) for at in activities),
            traps=np.array(traps, dtype=np.int8),
            departments=_departments(users),
        )

    def _grant_columns(self) -> Grants:
        of: dict[str, slice] = {}
        begin = 0
        for psl in self._view.snapshot.psls:
            of[psl.id] = slice(begin, begin := begin + len(self._view.grants.get(psl.id, ())))
        active = [*(user.active for user in self._view.snapshot.users), False]
        return Grants(
            seat=_ints(self._seats.get(grant.user, -1) for grant in self._assigns),
            user=_ints(self._users.get(grant.user, -1) for grant in self._assigns),
            worth=_ints(self._worths[Worth((grant.psl,))] for grant in self._assigns),
            active=np.array(active, dtype=np.bool_),
            of=of,
        )


def _departments(users: Sequence[UserRow]) -> Departments:
    numbers: dict[str, int] = {}
    of = _ints(numbers.setdefault(user.department, len(numbers)) if user.department else -1 for user in users)
    order = np.argsort(of, kind="stable")
    order = order[np.count_nonzero(of < 0) :]
    starts = np.searchsorted(of[order], np.arange(len(numbers)))
    sizes = np.diff(np.append(starts, len(order)))
    return Departments(order, starts.astype(np.int64), sizes.astype(np.int64))


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)
