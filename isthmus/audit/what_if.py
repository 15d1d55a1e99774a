"""What an audit would print with other settings, without reading the org or writing documents. Pure.

Thresholds, prices and exemptions may differ; snapshot, contract and history stay. The figures are those of the full
analysis because they come out of it: only what does not depend on these settings is kept from one question to the next.
"""

from __future__ import annotations

import msgspec

from isthmus.audit.analysis import Basis, Settled, analyse
from isthmus.audit.compose import sensitivity
from isthmus.audit.compose_money import totals, unpriced
from isthmus.audit.compose_pools import license_line
from isthmus.audit.exemptions import Exemption, resolve
from isthmus.audit.figures import LicenseLine, MoneyTotal, SensitivityPoint
from isthmus.audit.options import Thresholds
from isthmus.audit.pricebook import price_book
from isthmus.audit.prices import CustomerPrice
from isthmus.audit.snapshot import Snapshot


class WhatIf(msgspec.Struct, frozen=True):
    """Settings to try."""

    thresholds: Thresholds = Thresholds()
    prices: tuple[CustomerPrice, ...] = ()
    exemptions: tuple[Exemption, ...] = ()


class WhatIfFigures(msgspec.Struct, frozen=True):
    """What a report with these settings would say; each field is the report's field of that name."""

    licenses: tuple[LicenseLine, ...]
    money: tuple[MoneyTotal, ...]
    unpriced_seats: int
    sensitivity: tuple[SensitivityPoint, ...]


class WhatIfTable:
    """One audit made ready for questions. Holds its snapshot; not to be shared between threads."""

    def __init__(self, snapshot: Snapshot, basis: Basis) -> None:
        """Take what the audit's bundle holds, and do now what no setting changes, by a first question."""
        self._snapshot = snapshot
        self._basis = basis
        self._settled = Settled()
        self.ask(WhatIf())

    def ask(self, what: WhatIf) -> WhatIfFigures:
        """Return the figures with these settings.

        In a pseudonymous audit nobody is known by address, so there `exemptions` meet no user.
        """
        exempt = resolve(what.exemptions, self._snapshot.users)
        basis = Basis(what.thresholds, price_book(what.prices), self._basis.contract, exempt, self._basis.history)
        analysis = analyse(self._snapshot, basis, self._settled)
        rows = sorted(self._snapshot.licenses, key=lambda row: (-row.used, row.id))
        money = totals(analysis)
        return WhatIfFigures(
            licenses=tuple(license_line(analysis, row) for row in rows),
            money=money,
            unpriced_seats=unpriced(analysis),
            sensitivity=sensitivity(analysis, money[0].currency if money else None),
        )
