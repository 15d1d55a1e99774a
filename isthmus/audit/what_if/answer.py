"""One what-if question answered by columns. Pure; the figures are those of the whole analysis with these settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np

from isthmus.audit import money
from isthmus.audit.analysis import Analysis, Basis, pools_of, prices_of, seat_worth, terms_of
from isthmus.audit.composing.compose import SENSITIVITY_DAYS
from isthmus.audit.composing.pools import SEAT_RULES
from isthmus.audit.composing.totals import totals
from isthmus.audit.figures import LicenseLine, MoneyTotal, SensitivityPoint
from isthmus.audit.finding import Grade, Withhold
from isthmus.audit.given.exemptions import Exempt, ExemptionKind
from isthmus.audit.given.prices import Price
from isthmus.audit.given.snooze import in_force
from isthmus.audit.money import Less, PoolMoney, Split, money_of_seats
from isthmus.audit.rules import r08_inactive, r09_integration, r14_psl_redundant
from isthmus.audit.rules.registry import PSL_PRIORITY, SEAT_PRIORITY
from isthmus.audit.view import View
from isthmus.audit.what_if.seat_columns import DAY_US, GRADES, NEVER, Candidates, Codes, Columns, Flags, Ints, micros

_D: Final = GRADES.index(Grade.D)
_KINDS: Final = tuple(ExemptionKind)
_NONE: Final = np.zeros(0, dtype=np.int64)


class WhatIfFigures(msgspec.Struct, frozen=True):
    """What a report with these settings would say; each field is the report's field of that name."""

    licenses: tuple[LicenseLine, ...]
    money: tuple[MoneyTotal, ...]
    unpriced_seats: int | None
    sensitivity: tuple[SensitivityPoint, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """What a rule finds with the settings asked about: places, grades, worths; and which are put off."""

    place: Ints
    grade: Codes
    worth: Ints
    counts: Flags


class Answer:
    """One question, about the audit that `columns`, its analysis without findings and its pools' lines stand for."""

    def __init__(self, columns: Columns, still: Analysis, lines: Sequence[LicenseLine], basis: Basis) -> None:
        """Take what no setting changes, and the settings."""
        self._columns, self._lines, self._basis = columns, lines, basis
        snapshot = still.view.snapshot
        terms, today = terms_of(snapshot, basis), basis.day(snapshot)
        self._prices = prices_of(snapshot, basis, terms)
        self._view = View(
            snapshot, basis.thresholds, prices=self._prices, history=basis.history, terms=terms, today=today
        )
        self._still = replace(still, view=self._view, basis=basis, prices=self._prices)
        self._now = micros(self._view.now)
        self._kinds = self._exempt(basis.exempt)
        self._put_off = columns.put_off(in_force(basis.snoozes, today).values())
        of = [self._view.thresholds_of(pool) for pool in columns.pools]
        self._raw = self._since([own.inactive_days for own in of])
        self._threshold = self._since([self._view.inactive_days_of(pool) for pool in columns.pools])
        self._grace = self._since([own.grace_days for own in of])

    def figures(self) -> WhatIfFigures:
        """Answer."""
        quiet = self._still.withheld(Withhold.ACTIVITY)
        absent = self._absent()
        seats = {**absent, **{rule: self._fixed(c) for rule, c in self._columns.of_seats.items() if rule not in absent}}
        if "R19" in seats:
            seats["R19"] = self._only(seats["R19"], self._human(self._columns.of_seats["R19"].place))
        found, unpriced = self._valued(seats, self._granted(absent))
        unused = self._unused(absent)
        pools = {} if self._still.money_withheld else self._money(found, unused)
        sums = totals(replace(self._still, money=pools))
        without = sum(p.reclaim.total + p.risk.total for p in pools.values() if p.pool.price.amount is None)
        without += sum(count for pool, count in unpriced.items() if pool in pools)
        return WhatIfFigures(
            licenses=self._license_lines(None if quiet else unused, pools, quiet=quiet),
            money=sums,
            unpriced_seats=None if self._still.money_withheld else without,
            sensitivity=self._sensitivity(sums[0].currency if sums else None, quiet=quiet),
        )

    # ---- who is found -----------------------------------------------------------------------------------------------

    def _absent(self) -> dict[str, _Found]:
        """Return what R06, R07 and R08 find: everybody whose seat is unused."""
        columns, seats, found = self._columns, self._columns.seats, dict[str, _Found]()
        if (never := columns.of_seats.get("R06")) is not None:
            recent = seats.created[never.place] > self._grace[seats.pool[never.place]]
            found["R06"] = self._rated("R06", never.place, np.where(recent, _D, never.grade), never.worth)
        dormant = np.zeros(len(seats.pool), dtype=np.bool_)
        if (candidates := columns.of_seats.get("R07")) is not None:
            gone = seats.last_login[candidates.place] <= self._raw[seats.pool[candidates.place]]
            dormant[candidates.place[gone]] = True
            found["R07"] = self._only(self._fixed(candidates), gone)
        if "R08" not in columns.skipped:
            last = seats.last_seen
            away = (last != NEVER) & (last <= self._threshold[seats.pool]) & ~dormant
            place = np.flatnonzero(away)
            sure = last[place] <= self._now - r08_inactive.SURE_DAYS * DAY_US
            traps = seats.traps[place] + self._seasonal(away)[place]
            grade = np.where(sure, 0, 1) + traps
            found["R08"] = self._rated("R08", place, np.minimum(grade, _D), seats.pool[place])
        return found

    def _seasonal(self, away: Flags) -> Flags:
        """Return the seats of departments of which most went silent within two weeks."""
        seats, of = self._columns.seats, self._columns.seats.departments
        seasonal = np.zeros(len(seats.pool), dtype=np.bool_)
        if not len(of.starts):
            return seasonal
        gone, last = away[of.order], seats.last_seen[of.order]
        count = np.add.reduceat(gone.astype(np.int64), of.starts)
        some = count >= r08_inactive.SEASON_USERS_MIN
        most = count * 100 >= r08_inactive.SEASON_SHARE_PERCENT * of.sizes
        for number in np.flatnonzero(some & most):  # few departments
            of_it = slice(int(of.starts[number]), int(of.starts[number] + of.sizes[number]))
            places, lasts = of.order[of_it][gone[of_it]], last[of_it][gone[of_it]]
            rising = np.argsort(lasts, kind="stable")
            together = r08_inactive.went_together(lasts[rising].tolist(), int(of.sizes[number]))
            seasonal[places[rising]] = np.array(together) > 0
        return seasonal

    def _granted(self, absent: Mapping[str, _Found]) -> dict[str, _Found]:
        """Return what is found about grants: what stays, and R12 for the holders who are absent."""
        columns, grants = self._columns, self._columns.grants
        found = {rule: self._fixed(c, of_grants=True) for rule, c in columns.of_grants.items()}
        if "R12" not in columns.skipped and len(grants.seat):
            parent = np.full(len(columns.seats.pool) + 1, _D, dtype=np.int8)  # the last one is nobody's
            for rule in SEAT_RULES:
                if rule in absent:
                    parent[absent[rule].place] = absent[rule].grade
            place = np.flatnonzero(parent[grants.seat] < _D)
            found["R12"] = self._rated("R12", place, parent[grants.seat[place]], grants.worth[place], of_grants=True)
        if "R14" not in columns.skipped:
            place = self._redundant()
            grade = np.full(len(place), GRADES.index(Grade.C), dtype=np.int8)
            found["R14"] = self._rated("R14", place, grade, grants.worth[place], of_grants=True)
        return found

    def _redundant(self) -> Ints:
        """Return the grants whose holder has another one that can grant as much; which can, prices decide too."""
        grants, found = self._columns.grants, [_NONE]
        for less, wider in r14_psl_redundant.wider_pools(self._view).items():
            has = np.zeros(len(grants.active), dtype=np.bool_)
            for other in wider:
                has[grants.user[grants.of[other]]] = True
            of = grants.of[less]
            found.append(of.start + np.flatnonzero((has & grants.active)[grants.user[of]]))
        return np.concatenate(found)

    def _human(self, place: Ints) -> Flags:
        seats = self._columns.seats
        return seats.human_last[place] > self._threshold[seats.pool[place]]

    def _fixed(self, candidates: Candidates, *, of_grants: bool = False) -> _Found:
        given = candidates.place, candidates.grade, candidates.worth
        return self._rated(candidates.rule, *given, of_grants=of_grants)

    def _rated(self, rule: str, place: Ints, grade: Codes, worth: Ints, *, of_grants: bool = False) -> _Found:
        """Return findings after exemptions (grade D) and snoozes (no money)."""
        users = (self._columns.grants.user if of_grants else self._columns.seats.user)[place]
        covered = np.array([False, *(kind.covers(rule) for kind in _KINDS)])
        graded = np.where(covered[self._kinds[users]], _D, grade).astype(np.int8)
        counts = graded < _D
        if rule in self._put_off:
            counts &= ~np.isin(place, self._put_off[rule])
        return _Found(place, graded, worth, counts)

    @staticmethod
    def _only(found: _Found, which: Flags) -> _Found:
        return _Found(found.place[which], found.grade[which], found.worth[which], found.counts[which])

    def _exempt(self, exempt: Exempt) -> Codes:
        """Return by which kind each user is exempt today, 0 for none; a last one stands for nobody."""
        users, today = self._columns.users, self._view.today
        kinds = np.zeros(len(users) + 1, dtype=np.int8)
        for item in exempt.users:
            if item.user in users and (item.until is None or today <= item.until):
                kinds[users[item.user]] = _KINDS.index(item.kind) + 1
        return kinds

    def _since(self, days: Sequence[int]) -> Ints:
        return np.array([self._now - each * DAY_US for each in days], dtype=np.int64)

    # ---- what it is worth -------------------------------------------------------------------------------------------

    def _valued(
        self, seats: Mapping[str, _Found], grants: Mapping[str, _Found]
    ) -> tuple[dict[str, tuple[Split, Less]], dict[str, int]]:
        """Return by pool the seats that count, and what they are worth less; and how many have no price by a rule."""
        columns, size = self._columns, len(self._columns.worths) * len(GRADES)
        counts = np.zeros(size, dtype=np.int64)
        _, integrations = r09_integration.free_seats(self._view)
        for found, order, places in (
            (seats, SEAT_PRIORITY, len(columns.seats.pool)),
            (grants, PSL_PRIORITY, len(columns.grants.seat)),
        ):
            free = np.ones(places, dtype=np.bool_)
            ranked = sorted(found, key=lambda rule: order.index(rule) if rule in order else len(order))
            for grade in range(_D):  # as `money.valued_findings`: the surest first, then by priority
                for each in (found[rule] for rule in ranked):
                    taken = self._only(each, each.counts & (each.grade == grade) & free[each.place])
                    free[taken.place] = False
                    worth = taken.worth
                    if each is seats.get("R09"):  # as `r09_integration.allot`: the surest have the free seats
                        on_free = columns.seats.pool[taken.place[:integrations]]
                        worth = np.concatenate([on_free, worth[len(on_free) :]])
                        integrations -= len(on_free)
                    counts += np.bincount(worth * len(GRADES) + grade, minlength=size)
        return self._by_pool(counts.reshape(-1, len(GRADES))[:, :_D].tolist())

    def _by_pool(self, counts: Sequence[Sequence[int]]) -> tuple[dict[str, tuple[Split, Less]], dict[str, int]]:
        seats: dict[str, list[int]] = defaultdict(lambda: [0] * _D)
        less: dict[str, list[list[tuple[Decimal, int]]]] = defaultdict(lambda: [[] for _ in range(_D)])
        unpriced: dict[str, int] = defaultdict(int)
        for worth, graded in zip(self._columns.worths, counts, strict=True):
            if not any(graded):
                continue
            pool = worth.pools[0]
            price = self._prices.get(pool)
            full = price.amount if price is not None else None
            value = seat_worth(worth.pools, worth.replacement, self._prices, self._basis)
            if value is None and full is not None:
                unpriced[pool] += sum(graded)
                continue
            for grade, count in enumerate(graded):
                seats[pool][grade] += count
                if value is not None and full is not None and value < full:
                    less[pool][grade].append((full - value, count))
        return {pool: (Split(a, b, c), Less(*map(tuple, less[pool]))) for pool, (a, b, c) in seats.items()}, unpriced

    def _money(
        self, found: Mapping[str, tuple[Split, Less]], unused: Mapping[str, Sequence[int]]
    ) -> dict[str, PoolMoney]:
        nothing = Split(), Less()
        return {
            pool.id: money_of_seats(
                pool,
                found.get(pool.id, nothing)[0],
                self._view.thresholds_of(pool.id).headroom,
                found.get(pool.id, nothing)[1],
            )
            for pool in pools_of(self._view, self._basis, self._prices, unused)
        }

    # ---- lines of the report ----------------------------------------------------------------------------------------

    def _unused(self, absent: Mapping[str, _Found]) -> dict[str, list[int]]:
        pool, size = self._columns.seats.pool, len(self._columns.pools) * len(GRADES)
        counts = np.zeros(size, dtype=np.int64)
        for found in absent.values():
            counts += np.bincount(pool[found.place] * len(GRADES) + found.grade, minlength=size)
        return dict(zip(self._columns.pools, counts.reshape(-1, len(GRADES)).tolist(), strict=True))

    def _license_lines(
        self, unused: Mapping[str, list[int]] | None, pools: Mapping[str, PoolMoney], *, quiet: bool
    ) -> tuple[LicenseLine, ...]:
        return tuple(
            self._license_line(line, unused, pools.get(line.id), self._prices[line.id], quiet=quiet)
            for line in self._lines
        )

    @staticmethod
    def _license_line(
        line: LicenseLine,
        unused: Mapping[str, list[int]] | None,
        pool: PoolMoney | None,
        price: Price,
        *,
        quiet: bool,
    ) -> LicenseLine:
        graded = [None] * len(GRADES) if unused is None else unused.get(line.id, [0] * len(GRADES))
        return msgspec.structs.replace(
            line,
            unused=None if unused is None else sum(unused.get(line.id, [0])[:_D]),
            unused_a=graded[0],
            unused_b=graded[1],
            unused_c=graded[2],
            unit_price=price.amount,
            currency=price.currency,
            price_basis=price.basis,
            reclaim_monthly=pool.saving(pool.reclaim) if pool and not quiet else None,
            renewal_seats=pool.renewal.total if pool else None,
            renewal_monthly=pool.saving(pool.renewal) if pool else None,
            risk_monthly=pool.saving(pool.risk) if pool and not quiet else None,
        )

    def _sensitivity(self, currency: str | None, *, quiet: bool) -> tuple[SensitivityPoint, ...]:
        """Return what `compose.sensitivity` does."""
        columns, seats = self._columns, self._columns.seats
        shown = currency is not None and not self._still.withheld(Withhold.MONEY)
        covered = np.array([False, *(kind.covers("R08") for kind in _KINDS)])
        never, new = seats.last_seen == NEVER, seats.created > self._grace[seats.pool]
        last = np.where(never & new, self._now, seats.last_seen)
        asked = ~covered[self._kinds[seats.user]]
        points: list[SensitivityPoint] = []
        for days in SENSITIVITY_DAYS:
            if quiet or self._view.history_days < days:
                points.append(SensitivityPoint(days, None, None, None))
                continue
            gone = seats.pool[asked & (last <= self._now - days * DAY_US)]
            value = money.ZERO
            for pool, count in zip(
                columns.pools, np.bincount(gone, minlength=len(columns.pools)).tolist(), strict=True
            ):
                price = self._prices.get(pool)
                if price is not None and price.amount is not None and price.currency == currency:
                    value += money.annual(price.amount, count)
            points.append(SensitivityPoint(days, len(gone), value if shown else None, currency if shown else None))
        return tuple(points)
