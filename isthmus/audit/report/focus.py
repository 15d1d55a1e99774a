"""Licences as cost rows in the columns of FOCUS 1.2, for tools of cloud cost. Shaped like it, not conformant.

One row for the seats in use and one for the unused seats of each paid licence that has a price, for the month of the
audit: of the seats under contract, or without a contract those that the org has; and one row for each permission set
licence that has a price. Twelve times their cost is the report's cost of a year.

All columns that FOCUS 1.2 calls mandatory are there, and those that it wants filled are. What is stretched: costs are
prices times seats, for no invoice was seen, and so is a cost at a price that is not known (list, or contracted);
BillingAccountId is the org's address, for Salesforce's account number is not known; CommitmentDiscountStatus carries
used and unused, though a seat is no commitment discount.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from isthmus.audit import money
from isthmus.audit.figures import LicenseLine, PslLine, Report
from isthmus.audit.given.catalogue import Category
from isthmus.audit.given.prices import AT_LIST
from isthmus.audit.report.cells import Cell, as_text
from isthmus.audit.view import DISABLED

COLUMNS: Final = (
    "BillingAccountId",
    "BillingAccountName",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeFrequency",
    "ChargeDescription",
    "ProviderName",
    "PublisherName",
    "InvoiceIssuerName",
    "ServiceName",
    "ServiceCategory",
    "ServiceSubcategory",
    "SkuId",
    "ResourceId",
    "PricingUnit",
    "PricingQuantity",
    "ListUnitPrice",
    "ContractedUnitPrice",
    "ListCost",
    "ContractedCost",
    "BilledCost",
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


@dataclass(frozen=True, slots=True)
class _Charge:
    """What one row is about: some seats of one licence."""

    line: LicenseLine | PslLine
    assigned: int
    price: Decimal
    seats: int
    status: str | None
    figure: str
    reckoning: str


def render_focus(report: Report) -> bytes:
    """Return the rows as CSV; no cell is a formula."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for charge in _charges(report):
        writer.writerow([as_text(cell) for cell in _row(report, charge)])
    return buffer.getvalue().encode()


def _charges(report: Report) -> Iterator[_Charge]:
    for index, line in enumerate(report.licenses):
        if line.category in _BY_THE_SEAT:
            yield from _of_license(report, line, f"licenses[{index}]")
    for index, psl in enumerate(report.psls):
        bought, name = _bought(report, psl)
        if psl.unit_price is not None and bought:
            yield _Charge(psl, psl.used, psl.unit_price, bought, None, f"psls[{index}]", f"{name} x unit_price")


def _bought(report: Report, line: LicenseLine | PslLine) -> tuple[int, str]:
    """Return how many seats are paid for, and what that figure is called."""
    if line.status == DISABLED or line.purchased <= 0:
        return 0, "purchased"
    contracted = [c.contracted for c in report.contract if c.pool == line.id and c.in_force]
    return (sum(contracted), "contracted") if contracted else (line.purchased, "purchased")


def _of_license(report: Report, line: LicenseLine, figure: str) -> Iterator[_Charge]:
    bought, name = _bought(report, line)
    if line.unit_price is None or not bought:
        return
    parts: list[tuple[int, str | None, str]] = [(bought, None, f"{name} x unit_price")]
    if line.unused is not None:
        used = max(0, min(bought, line.assigned - line.unused))
        parts = [
            (used, "Used", f"(assigned - unused, at most {name}) x unit_price"),
            (bought - used, "Unused", f"({name} - those in use) x unit_price"),
        ]
    for seats, status, reckoning in parts:
        yield _Charge(line, line.assigned, line.unit_price, seats, status, figure, reckoning)


def _row(report: Report, charge: _Charge) -> list[Cell]:
    day, line = report.taken_at.astimezone(UTC), charge.line
    start = datetime(day.year, day.month, 1, tzinfo=UTC)
    end = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
    cost = money.to_cent(charge.price * charge.seats)
    listed = line.price_basis == AT_LIST
    return [
        report.host,
        report.org,
        start,
        end,
        start,
        end,
        "Purchase",
        None,
        "Recurring",
        f"{line.name}, {(charge.status or 'all').lower()} seats",
        VENDOR,
        VENDOR,
        VENDOR,
        line.name,
        "Business Applications",
        "Other (Business Applications)",
        line.key,
        line.id,
        "User-Month",
        charge.seats,
        charge.price if listed else None,
        None if listed else charge.price,
        cost,
        cost,
        cost,
        cost,
        line.currency,
        charge.status,
        report.org,
        charge.assigned,
        line.price_basis,
        "FOCUS-shaped, not conformant",
        charge.figure,
        charge.reckoning,
    ]
