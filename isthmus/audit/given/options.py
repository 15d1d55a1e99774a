"""What the operator may decide about an audit. Every default is named here and printed in the report."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.exemptions import Exemption
from isthmus.audit.given.history import History
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.given.snooze import Snooze, SnoozeLine
from isthmus.values import Secret

INACTIVE_DAYS_DEFAULT: Final = 90
GRACE_DAYS_DEFAULT: Final = 30
HEADROOM_DEFAULT: Final = Decimal("0.05")


class LicenseThresholds(msgspec.Struct, frozen=True):
    """What differs for one licence (its key or name); None: as for all. `hires`: people who will get a seat of it."""

    license: str
    inactive_days: int | None = None
    grace_days: int | None = None
    headroom: Decimal | None = None
    hires: int = 0


class Thresholds(msgspec.Struct, frozen=True):
    """Days and shares that decide. `headroom` is the share of required seats to keep free at renewal.

    `licenses` are exceptions for single licences. Only these have `hires`: seats promised to people still to come.
    `time_zone` says which day an instant is on; empty: nobody said so, and it is UTC.
    """

    inactive_days: int = INACTIVE_DAYS_DEFAULT
    grace_days: int = GRACE_DAYS_DEFAULT
    headroom: Decimal = HEADROOM_DEFAULT
    licenses: tuple[LicenseThresholds, ...] = ()
    hires: int = 0
    time_zone: str = ""

    def of(self, *names: str) -> Thresholds:
        """Return the thresholds of the licence with one of these names or keys."""
        folded = {name.strip().casefold() for name in names if name}
        own = next((item for item in self.licenses if item.license.strip().casefold() in folded), None)
        if own is None:
            return self
        return Thresholds(
            inactive_days=self.inactive_days if own.inactive_days is None else own.inactive_days,
            grace_days=self.grace_days if own.grace_days is None else own.grace_days,
            headroom=self.headroom if own.headroom is None else own.headroom,
            hires=own.hires,
            time_zone=self.time_zone,
        )


class AuditOptions(msgspec.Struct, frozen=True):
    """One audit's settings. `as_of`: judge as of that instant. `pseudonym_key`: replace names by keyed hashes.

    Findings are put off by `snoozes` (their ids are known) and by the lines of a file, `snooze_lines`.
    """

    thresholds: Thresholds = Thresholds()
    prices: tuple[CustomerPrice, ...] = ()
    contract: tuple[ContractItem, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    history: History = History()
    as_of: datetime | None = None
    pseudonym_key: Secret | None = None
    snoozes: tuple[Snooze, ...] = ()
    snooze_lines: tuple[SnoozeLine, ...] = ()
