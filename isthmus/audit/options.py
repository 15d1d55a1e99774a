"""What the operator may decide about an audit. Every default is named here and printed in the report."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from isthmus.audit.contract import ContractItem
from isthmus.audit.prices import CustomerPrice
from isthmus.values import Secret

INACTIVE_DAYS_DEFAULT: Final = 90
GRACE_DAYS_DEFAULT: Final = 30
HEADROOM_DEFAULT: Final = Decimal("0.05")


class Thresholds(msgspec.Struct, frozen=True):
    """Days and shares that decide. `headroom` is the share of required seats to keep free at renewal."""

    inactive_days: int = INACTIVE_DAYS_DEFAULT
    grace_days: int = GRACE_DAYS_DEFAULT
    headroom: Decimal = HEADROOM_DEFAULT


class AuditOptions(msgspec.Struct, frozen=True):
    """One audit's settings. `as_of`: judge as of that instant. `pseudonym_key`: replace names by keyed hashes."""

    thresholds: Thresholds = Thresholds()
    prices: tuple[CustomerPrice, ...] = ()
    contract: tuple[ContractItem, ...] = ()
    as_of: datetime | None = None
    pseudonym_key: Secret | None = None
