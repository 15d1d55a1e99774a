"""Figures of a report about licences paid by the login, and about seats created together. Frozen, as `figures`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec


class MeterLine(msgspec.Struct, frozen=True):
    """A licence that is paid by the login, in the month of the audit. `needed` in a month like those visible, at most.

    `saving_monthly`: what the logins bought and not needed cost, at renewal and in no total; None without a price of
    the customer's own. `break_even_logins`: from so many logins a month on a member is cheaper.
    """

    pool: str
    product: str
    entitled: int
    used: int
    passed_percent: int
    projected: int | None
    needed: int | None
    unneeded: int | None
    price: Decimal | None
    currency: str | None
    saving_monthly: Decimal | None
    break_even_logins: Decimal | None


class CohortLine(msgspec.Struct, frozen=True):
    """A day on which many seats of a licence were created: those still held, and those of them never used."""

    day: date
    pool: str
    product: str
    seats: int
    never_used: int


class CohortMonth(msgspec.Struct, frozen=True):
    """Seats of paid licences by the month (UTC, `start` its first day) in which their users were created.

    `created` is the sum of the five that follow: users deactivated by now, and active ones who never logged in, or were
    last there within 30 days, 31 to 90 days ago, or longer ago. `came_in_30` of `followed` logged in first within 30
    days: those created 30 days ago or earlier. Both are None where the login history does not cover the whole month.
    """

    start: date
    created: int
    deactivated: int
    never_used: int
    last_30: int
    last_90: int
    longer: int
    followed: int | None
    came_in_30: int | None
