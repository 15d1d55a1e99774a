"""Licences as cost rows in the columns of FOCUS 1.2, for tools of cloud cost. Shaped like it, not conformant.

One row for the seats in use and one for the unused seats of each paid licence that has a price, for the month of the
audit: of the seats under contract, or without a contract those that the org has. CommitmentDiscountStatus carries used
and unused: a seat is no commitment discount, so the column is stretched.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from isthmus.audit import money
from isthmus.audit.figures import LicenseLine, Report
from isthmus.audit.given.catalogue import Category
from isthmus.audit.given.prices import AT_LIST
from isthmus.audit.report.cells import Cell, as_text
from isthmus.audit.view import DISABLED

COLUMNS: Final = (
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ChargeFrequency",
    "ChargeDescription",
    "ProviderName",
    "PublisherName",
    "InvoiceIssuerName",
    "ServiceName",
    "ServiceCategory",
    "SkuId",
    "ResourceId",
    "PricingUnit",
    "PricingQuantity",
    "ListUnitPrice",
    "ContractedUnitPrice",
    "ContractedCost",
    "EffectiveCost",
    "BillingCurrency",
    "CommitmentDiscountStatus",
    "x_Org",
    "x_SeatsAssigned",
    "x_PriceBasis",
    "x_Conformance",
    "x_Figure",
    "x_Reckoning",
)
VENDOR: Final = "Salesforce"
_BY_THE_SEAT: Final = frozenset(category.value for category in Category if category.seat_costs)


def render_focus(report: Report) -> bytes:
    """Return the rows as CSV; no cell is a formula."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for index, line in enumerate(report.licenses):
        for row in _rows(report, line, f"licenses[{index}]"):
            writer.writerow([as_text(cell) for cell in row])
    return buffer.getvalue().encode()


def _rows(report: Report, line: LicenseLine, figure: str) -> Iterator[list[Cell]]:
    if line.unit_price is None or line.purchased <= 0 or line.status == DISABLED or line.category not in _BY_THE_SEAT:
        return
    contracted = [c.contracted for c in report.contract if c.pool == line.id and c.in_force]
    bought, name = (sum(contracted), "contracted") if contracted else (line.purchased, "purchased")
    parts: list[tuple[int, str | None, str]] = [(bought, None, f"{name} x unit_price")]
    if line.unused is not None:
        used = max(0, min(bought, line.assigned - line.unused))
        parts = [
            (used, "Used", f"(assigned - unused, at most {name}) x unit_price"),
            (bought - used, "Unused", f"({name} - those in use) x unit_price"),
        ]
    for seats, status, reckoning in parts:
        yield [*_row(report, line, line.unit_price, seats, status), figure, reckoning]


def _row(report: Report, line: LicenseLine, price: Decimal, seats: int, status: str | None) -> list[Cell]:
    day = report.taken_at.astimezone(UTC)
    start = datetime(day.year, day.month, 1, tzinfo=UTC)
    end = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
    cost = money.to_cent(price * seats)
    listed = line.price_basis == AT_LIST
    return [
        start,
        end,
        start,
        end,
        "Purchase",
        "Recurring",
        f"{line.name}, {(status or 'all').lower()} seats",
        VENDOR,
        VENDOR,
        VENDOR,
        line.name,
        "Business Applications",
        line.key,
        line.id,
        "User-Month",
        seats,
        price if listed else None,
        None if listed else price,
        None if listed else cost,
        cost,
        line.currency,
        status,
        report.org,
        line.assigned,
        line.price_basis,
        "FOCUS-shaped, not conformant",
    ]
