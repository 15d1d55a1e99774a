"""Facts about the contract: typed in by the customer, never guessed. CSV, one line for each product.

Columns: `license` (licence key or name), `quantity`, `end` are needed; `sku`, `unit_price`, `currency`, `start`,
`notice_days` (30 if empty: the least that Salesforce's master agreement asks), `auto_renew`, `uplift_cap`,
`minimum_quantity`, `source` may be left out, but no price is without a currency. Dates are ISO.

Of several lines of one licence those count whose term the day of the audit lies in: see `in_force`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from isthmus.audit.given.prices import PricesInvalid, parse_amount

NOTICE_DAYS_DEFAULT: Final = 30
NOTICE_DAYS_MAX: Final = 730
QUANTITY_MAX: Final = 10_000_000
CONTRACT_ROWS_MAX: Final = 1_000
CAP_MAX: Final = Decimal(100)
YEAR_MIN: Final = 2000
YEAR_MAX: Final = 2100
"""A term beyond these is a slip, or stands for "no end": its days of notice would lie outside the calendar."""
_CURRENCY = re.compile(r"[A-Z]{3}")


class ContractItem(msgspec.Struct, frozen=True):
    """One line of a contract."""

    license: str
    quantity: int
    end: date
    sku: str = ""
    unit_price: Decimal | None = None
    currency: str = "USD"
    start: date | None = None
    notice_days: int = NOTICE_DAYS_DEFAULT
    auto_renew: bool = True
    uplift_cap: Decimal | None = None
    minimum_quantity: int = 0
    source: str = "your contract file"

    @property
    def notice_deadline(self) -> date:
        """The last day on which notice may be given."""
        return self.end - timedelta(days=self.notice_days)


def in_force(items: Sequence[ContractItem], today: date) -> tuple[ContractItem, ...]:
    """Return those of one licence's lines that count today, so that a line is never added to its successor.

    These are the lines whose term today lies in. Without one, those that ended last and renew by themselves: the
    agreement has renewed them, until a day that the file does not say.
    """
    running = tuple(item for item in items if (item.start is None or item.start <= today) and today <= item.end)
    if running:
        return running
    renewed = [item for item in items if item.auto_renew and item.end < today]
    last = max((item.end for item in renewed), default=None)
    return tuple(item for item in renewed if item.end == last)


def parse_contract(unverified_text: str, name: str) -> tuple[ContractItem, ...]:
    """Return the lines of a contract file. Raises `PricesInvalid` naming line and column."""
    reader = csv.DictReader(io.StringIO(unverified_text.removeprefix("\ufeff")))
    columns = {(column or "").strip().lower().replace(" ", "_") for column in reader.fieldnames or ()}
    missing = sorted({"quantity", "end"} - columns)
    if missing or not columns & {"license", "licence", "license_key", "licence_key"}:
        needed = ", ".join(["license", *missing])
        message = f"{name}: a column is missing. It needs: {needed}."
        raise PricesInvalid(message)
    items: list[ContractItem] = []
    for line, row in enumerate(reader, start=2):
        if line > CONTRACT_ROWS_MAX:
            message = f"{name}: more than {CONTRACT_ROWS_MAX} lines. Keep one for each product."
            raise PricesInvalid(message)
        cells = {
            (k or "").strip().lower().replace(" ", "_"): (v or "").strip() for k, v in row.items() if k is not None
        }
        items.append(_item(cells, f"{name}, line {line}"))
    return tuple(items)


def _item(cells: dict[str, str], where: str) -> ContractItem:
    license_ = next((cells[k] for k in ("license", "licence", "license_key", "licence_key") if cells.get(k)), "")
    if not license_:
        message = f"{where}: the licence is missing. Write its key, such as SFDC, or its name."
        raise PricesInvalid(message)
    currency = cells.get("currency", "").upper() or "USD"
    if _CURRENCY.fullmatch(currency) is None:
        message = f"{where}: the currency is no three-letter code. Write for example USD."
        raise PricesInvalid(message)
    start, end = _date(cells.get("start", ""), where, "start"), _date(cells["end"], where, "end")
    if end is None:
        message = f"{where}: the end is missing. Write it as 2027-01-31."
        raise PricesInvalid(message)
    if start is not None and start > end:
        message = f"{where}: the start lies behind the end. Write the first and the last day of the term."
        raise PricesInvalid(message)
    price, cap = cells.get("unit_price", ""), cells.get("uplift_cap", "").removesuffix("%")
    if price and not cells.get("currency", ""):
        message = f"{where}: the unit price has no currency. Write for example USD."
        raise PricesInvalid(message)
    quantity = _count(cells["quantity"], where, "quantity", QUANTITY_MAX)
    minimum = _count(cells.get("minimum_quantity", "") or "0", where, "minimum quantity", QUANTITY_MAX)
    if minimum > quantity:
        message = f"{where}: the minimum quantity is above the quantity. Write the least that has to be renewed of it."
        raise PricesInvalid(message)
    return ContractItem(
        license=license_,
        quantity=quantity,
        end=end,
        sku=cells.get("sku", ""),
        unit_price=parse_amount(price, where) if price else None,
        currency=currency,
        start=start,
        notice_days=_count(cells.get("notice_days", "") or str(NOTICE_DAYS_DEFAULT), where, "notice", NOTICE_DAYS_MAX),
        auto_renew=cells.get("auto_renew", "").lower() not in {"no", "false", "0", "n"},
        uplift_cap=_cap(cap, where) if cap else None,
        minimum_quantity=minimum,
        source=cells.get("source", "") or cells.get("source_document", "") or "your contract file",
    )


def _cap(text: str, where: str) -> Decimal:
    try:
        cap = parse_amount(text.strip(), where)
    except PricesInvalid:
        cap = CAP_MAX + 1
    if cap > CAP_MAX:
        message = (
            f"{where}: the uplift cap is no percentage from 0 to {CAP_MAX}. Write 7 where prices rise by 7 % at most."
        )
        raise PricesInvalid(message)
    return cap


def _count(text: str, where: str, what: str, most: int) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > most:
        message = f"{where}: the {what} is no whole number from 0 to {most}."
        raise PricesInvalid(message)
    return int(text)


def _date(text: str, where: str, what: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        message = f"{where}: the {what} is no date. Write it as 2027-01-31."
        raise PricesInvalid(message) from None
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        message = f"{where}: the {what} lies outside {YEAR_MIN} to {YEAR_MAX}. Write the last day of the present term."
        raise PricesInvalid(message)
    return day
