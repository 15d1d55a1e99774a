"""What-if questions about stored audits: loading a bundle, keeping what was loaded, putting the answer together.

A loaded table is kept for a while, within a bound of bytes, under the tenant and the audit it belongs to: who asks must
name both, and the database has said before that this tenant has this audit.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from isthmus.audit.evidence.bundle import FIGURES, BundleInvalid, read_bundle
from isthmus.audit.evidence.places import ZippedFiles
from isthmus.audit.figures import LicenseLine, MoneyTotal, Report
from isthmus.audit.given.exemptions import Exemption, exemption_of, parse_exemptions
from isthmus.audit.given.options import Thresholds
from isthmus.audit.given.prices import CustomerPrice, PricesInvalid, parse_customer_prices
from isthmus.audit.given.snooze import Snoozes
from isthmus.audit.given.thresholds import changed, parse_settings
from isthmus.audit.what_if.seat_columns import NotColumnar
from isthmus.audit.what_if.what_if import OtherFigures, WhatIf, WhatIfFigures, WhatIfTable
from isthmus.clock import Clock

BYTES_MAX: Final = 256 * 1024 * 1024
AGE_MAX_S: Final = 900.0
LEAVE_MAX: Final = 10_000
_LICENSE_FIGURES: Final = (
    "unused",
    "unused_a",
    "unused_b",
    "unused_c",
    "renewal_seats",
    "reclaim_monthly",
    "renewal_monthly",
    "risk_monthly",
)
_MONEY: Final = ("reclaim_now", "reclaim_seats", "cash_at_renewal", "renewal_seats", "at_risk", "risk_seats")


class CannotAsk(Exception):
    """This audit cannot be asked; the message says why and the remedy."""


@dataclass(frozen=True, slots=True)
class Ready:
    """An audit that can be asked, and its own figures."""

    table: WhatIfTable
    own: WhatIfFigures
    pseudonymous: bool

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        return self.table.bytes


class ReadyTables:
    """Loaded tables by tenant and audit, the least recently used one leaving first. Of one process's event loop."""

    def __init__(self, clock: Clock, *, bytes_max: int = BYTES_MAX, age_max_s: float = AGE_MAX_S) -> None:
        """Begin empty. A table is let go `age_max_s` after it was loaded, or when others need its room."""
        self._clock = clock
        self._bytes_max = bytes_max
        self._age_max_s = age_max_s
        self._kept: OrderedDict[tuple[UUID, UUID], tuple[float, Ready]] = OrderedDict()
        self.loading = asyncio.Lock()
        """Held while a bundle is loaded, so that one is unpacked at a time."""

    @property
    def bytes(self) -> int:
        """About how much memory all of them take."""
        return sum(ready.bytes for _, ready in self._kept.values())

    def get(self, tenant: UUID, audit: UUID) -> Ready | None:
        """Return the tenant's table of this audit, if it is loaded."""
        self._let_go()
        found = self._kept.get((tenant, audit))
        if found is None:
            return None
        self._kept.move_to_end((tenant, audit))
        return found[1]

    def put(self, tenant: UUID, audit: UUID, ready: Ready) -> None:
        """Keep the table, unless it alone is larger than all may be."""
        self._kept.pop((tenant, audit), None)
        self._let_go()
        if ready.bytes > self._bytes_max:
            return
        while self._kept and self.bytes + ready.bytes > self._bytes_max:
            self._kept.popitem(last=False)
        self._kept[tenant, audit] = (self._clock.monotonic_s(), ready)

    def forget(self, tenant: UUID, audit: UUID) -> None:
        """Let a table go whose audit was removed."""
        self._kept.pop((tenant, audit), None)

    def _let_go(self) -> None:
        old = self._clock.monotonic_s() - self._age_max_s
        for key in [key for key, (since, _) in self._kept.items() if since <= old]:
            del self._kept[key]


def load(content: bytes) -> Ready:
    """Make an audit's bundle.zip ready for questions. Takes seconds for a large org. Raises `CannotAsk`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = ZippedFiles(archive, "bundle.zip")
            snapshot, basis, _ = read_bundle(files)
            report = msgspec.json.decode(files[FIGURES], type=Report)
        table = WhatIfTable(snapshot, basis)
        return Ready(table, table.check(report), report.pseudonymous)
    except (BundleInvalid, OtherFigures, NotColumnar, msgspec.DecodeError, KeyError, zipfile.BadZipFile, ValueError):
        message = (
            "This audit was made by another version of Isthmus, so other settings cannot be tried on it. Audit the org "
            "again and ask that audit."
        )
        raise CannotAsk(message) from None


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings to try, as they are given. What is left out stays as the audit has it.

    `thresholds` (TOML), `prices` and `exemptions` (CSV) are texts as audit settings have them, and replace the audit's
    own; an empty text means none. Single days and shares go before `thresholds`. `leave` adds people (user name or
    address). `snoozed` false counts findings that are put off.
    """

    thresholds: str | None = None
    prices: str | None = None
    exemptions: str | None = None
    inactive_days: int | None = None
    grace_days: int | None = None
    headroom: Decimal | None = None
    leave: tuple[str, ...] = ()
    snoozed: bool = True


def parse_question(question: Question, own: Thresholds) -> WhatIf:
    """Return what is asked. Raises `PricesInvalid` naming the line or the field."""
    thresholds = own if question.thresholds is None else parse_settings(question.thresholds, "thresholds")
    if thresholds.time_zone not in {"", own.time_zone}:
        message = "thresholds: time_zone cannot be tried, for the audit's day is fixed. Leave it out, and audit again."
        raise PricesInvalid(message)
    single = {
        name: value
        for name in ("inactive_days", "grace_days", "headroom")
        if (value := getattr(question, name)) is not None
    }
    if len(question.leave) > LEAVE_MAX:
        message = f"leave: more than {LEAVE_MAX} people. Give them as exemptions."
        raise PricesInvalid(message)
    leave = [{"who": who.strip(), "reason": "on leave", "kind": "leave"} for who in question.leave]
    return WhatIf(
        thresholds=changed(thresholds, single, "the question"),
        prices=_prices(question.prices),
        exemptions=_exemptions(question.exemptions),
        leave=tuple(exemption_of(cells, f"leave, person {number}") for number, cells in enumerate(leave, 1)),
        snoozes=None if question.snoozed else Snoozes(),
    )


def _prices(text: str | None) -> tuple[CustomerPrice, ...] | None:
    return parse_customer_prices(text, "prices.csv") if text else None if text is None else ()


def _exemptions(text: str | None) -> tuple[Exemption, ...] | None:
    return parse_exemptions(text, "exemptions") if text else None if text is None else ()


class Change(msgspec.Struct, frozen=True):
    """One licence's figures less the audit's own; None where one of the two is withheld or has no price."""

    id: str
    name: str
    unused: int | None
    unused_a: int | None
    unused_b: int | None
    unused_c: int | None
    renewal_seats: int | None
    reclaim_monthly: Decimal | None
    renewal_monthly: Decimal | None
    risk_monthly: Decimal | None


class MoneyChange(msgspec.Struct, frozen=True):
    """One currency's figures of a year, less the audit's own."""

    currency: str
    reclaim_now: Decimal
    reclaim_seats: int
    cash_at_renewal: Decimal
    renewal_seats: int
    at_risk: Decimal
    risk_seats: int


class Changes(msgspec.Struct, frozen=True):
    """What other settings change. Pools and currencies in which nothing changes are left out."""

    licenses: tuple[Change, ...]
    money: tuple[MoneyChange, ...]
    unpriced_seats: int | None


class Tried(msgspec.Struct, frozen=True):
    """The settings that the figures rest on, in short."""

    thresholds: Thresholds
    own_prices: int
    exempt: int
    exempt_unmatched: int
    snoozes: int


class Answered(msgspec.Struct, frozen=True):
    """The answer to a question: the report's figures with these settings, the audit's own, and the difference."""

    settings: Tried
    figures: WhatIfFigures
    own: WhatIfFigures
    difference: Changes


def answer(ready: Ready, question: Question) -> Answered:
    """Answer. Raises `PricesInvalid` for settings that cannot be used."""
    own = ready.table.basis
    basis = ready.table.settings(parse_question(question, own.thresholds))
    figures = ready.table.figures(basis)
    settings = Tried(
        thresholds=basis.thresholds,
        own_prices=len(basis.prices.own),
        exempt=len(basis.exempt.users),
        exempt_unmatched=basis.exempt.unmatched,
        snoozes=len(basis.snoozes.findings),
    )
    return Answered(settings, figures, ready.own, changes(figures, ready.own))


def changes(figures: WhatIfFigures, own: WhatIfFigures) -> Changes:
    """Return the figures less the audit's own."""
    pairs = zip(figures.licenses, own.licenses, strict=True)  # of the same pools in the same order
    licenses = [_license_change(new, old) for new, old in pairs]
    news, olds = ({total.currency: total for total in sums} for sums in (figures.money, own.money))
    money = [_money_change(currency, news.get(currency), olds.get(currency)) for currency in sorted({*news, *olds})]
    return Changes(
        tuple(change for change in licenses if any(getattr(change, name) for name in _LICENSE_FIGURES)),
        tuple(change for change in money if any(getattr(change, name) for name in _MONEY)),
        None
        if figures.unpriced_seats is None or own.unpriced_seats is None
        else figures.unpriced_seats - own.unpriced_seats,
    )


def _license_change(new: LicenseLine, old: LicenseLine) -> Change:
    def less(name: str) -> Any:
        one, other = getattr(new, name), getattr(old, name)
        return None if one is None or other is None else one - other

    return Change(new.id, new.name, **{name: less(name) for name in _LICENSE_FIGURES})


def _money_change(currency: str, new: MoneyTotal | None, old: MoneyTotal | None) -> MoneyChange:
    def less(name: str) -> Any:
        return getattr(new, name, 0) - getattr(old, name, 0)

    return MoneyChange(currency, **{name: less(name) for name in _MONEY})
