"""Figures of a report about licences paid by the login, and about seats created together. Frozen, as `figures`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec


class MeterLine(msgspec.Struct, frozen=True):
    """A licence that is paid by the login, in the month of the audit. `needed` in 19 of 20 months, at most.

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
