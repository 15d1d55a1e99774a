"""Prices as dated data: our list prices, and the customer's own, which always win. Pure but for reading our own file.

A customer's price file is CSV (`product,price,currency[,source]`) or TOML (`[[price]]`, same keys). `product` is a
licence key such as `SFDC`, a licence's name, or a permission set licence's key or label; case does not matter. An empty
price says "this is not to be valued". Prices are per user and month; those of licences that are paid
by the login (Customer Community Login) are per login.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from datetime import date
from decimal import Decimal, InvalidOperation
from importlib import resources
from typing import Any, Final, cast

import msgspec

from isthmus.audit.given.catalogue import Category, category_of
from isthmus.audit.model import LicenseRow, PslRow

PRICE_FILE_ROWS_MAX: Final = 10_000
PRICE_COLUMNS: Final = ("product", "price", "currency")
AMOUNT_MAX: Final = Decimal(1_000_000)
_CURRENCY = re.compile(r"[A-Z]{3}")


class PricesInvalid(Exception):
    """A price or contract file that cannot be used; the message says where and what to do."""


class CustomerPrice(msgspec.Struct, frozen=True):
    """What the customer pays for a product per user and month; None: not to be valued."""

    product: str
    amount: Decimal | None
    currency: str
    source: str = "your price file"


class ListPrice(msgspec.Struct, frozen=True):
    """One entry of our own price book."""

    product: str
    effective_from: date
    source: str
    retrieved: date
    confidence: str
    use: bool
    amount: Decimal | None = None
    keys: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    psl_words: tuple[str, ...] = ()
    effective_to: date | None = None
    note: str = ""
    currency: str = "USD"

    def in_force(self, on: date) -> bool:
        """Whether the price held on that day."""
        return self.effective_from <= on and (self.effective_to is None or on < self.effective_to)


class Price(msgspec.Struct, frozen=True):
    """The price of one pool, where it comes from and how sure it is. `amount` None: unpriced."""

    pool: str
    product: str
    amount: Decimal | None
    currency: str | None
    basis: str
    source: str
    confidence: str
    effective_from: date | None = None
    note: str = ""


UNPRICED: Final = "unpriced"
AT_LIST: Final = "list"
NEGOTIATED: Final = "yours"
GIVEN: Final = "given by you"
"""The confidence of what the customer says of a price, be it that there is none."""


def shipped_prices() -> tuple[ListPrice, ...]:
    """Return the price book that comes with the product."""
    text = resources.files("isthmus.audit.given").joinpath("prices.toml").read_text("utf-8")
    entries = tomllib.loads(text)["price"]
    return tuple(msgspec.convert(entry, ListPrice, strict=False) for entry in entries)


def price_of_license(row: LicenseRow, on: date, book: tuple[ListPrice, ...], own: tuple[CustomerPrice, ...]) -> Price:
    """Return what a seat of this licence costs per month: the customer's price, else a usable list price, else none."""
    found = _own_price(row.id, (row.key, row.name, row.label), own)
    if found is not None:
        return found
    if not category_of(row.key, row.name).seat_costs:
        meter = category_of(row.key, row.name) is Category.METERED
        why = "paid by the login, not by the seat" if meter else "free up to an allowance"
        return Price(row.id, row.name, None, None, UNPRICED, why, "")
    fits = [e for e in book if _folded(row.key) in _folded_all(e.keys) or _folded(row.name) in _folded_all(e.names)]
    return _list_price(row.id, row.name, fits, on)


def price_of_psl(row: PslRow, on: date, book: tuple[ListPrice, ...], own: tuple[CustomerPrice, ...]) -> Price:
    """Return what a permission set licence costs per month. Most come bundled: without a known price it has none."""
    found = _own_price(row.id, (row.key, row.name, row.label), own)
    if found is not None:
        return found
    texts = (_folded(row.key), _folded(row.label))
    fits = [e for e in book if any(word in text for word in e.psl_words for text in texts)]
    return _list_price(row.id, row.label, fits, on)


def named_price(name: str, own: tuple[CustomerPrice, ...]) -> Price | None:
    """Return the customer's own price of a product that the org need not have, or None."""
    return _own_price(name, (name,), own)


def _own_price(pool: str, names: tuple[str, ...], own: tuple[CustomerPrice, ...]) -> Price | None:
    folded = {_folded(name) for name in names if name}
    for price in own:
        if _folded(price.product) in folded:
            basis = UNPRICED if price.amount is None else NEGOTIATED
            return Price(pool, price.product, price.amount, price.currency, basis, price.source, GIVEN)
    return None


def _list_price(pool: str, product: str, fits: list[ListPrice], on: date) -> Price:
    current = sorted((e for e in fits if e.in_force(on)), key=lambda e: e.effective_from, reverse=True)
    weak = "; ".join(f"{e.product}, {_amount(e)} ({e.confidence})" for e in current if not e.use)
    for entry in current:
        if entry.use and entry.amount is not None:
            note = f"{entry.note} Not used: {weak}." if weak else entry.note
            return Price(
                pool,
                entry.product,
                entry.amount,
                entry.currency,
                AT_LIST,
                entry.source,
                entry.confidence,
                entry.effective_from,
                note,
            )
    note = f"Known, but too uncertain to use: {weak}." if weak else "Give a price with --prices."
    return Price(pool, product, None, None, UNPRICED, "no price known", "", None, note)


def _amount(entry: ListPrice) -> str:
    return f"a range in {entry.currency}" if entry.amount is None else f"{entry.amount} {entry.currency}"


def parse_customer_prices(unverified_text: str, name: str) -> tuple[CustomerPrice, ...]:
    """Return the prices of a file (`name` ends in .toml or .csv). Raises `PricesInvalid`."""
    if name.lower().endswith(".toml"):
        rows = _toml_rows(unverified_text, name)
    elif name.lower().endswith(".csv"):
        rows = _csv_rows(unverified_text, name)
    else:
        message = f"{name}: the price file is neither .csv nor .toml. Give it one of these endings."
        raise PricesInvalid(message)
    if not rows:
        message = f"{name} has no prices. Write one line for each product, or leave --prices out."
        raise PricesInvalid(message)
    if len(rows) > PRICE_FILE_ROWS_MAX:
        message = f"{name}: more than {PRICE_FILE_ROWS_MAX} prices. Keep those of your licences."
        raise PricesInvalid(message)
    prices = tuple(_customer_price(row, f"{name}, line {line}") for line, row in rows)
    seen: set[str] = set()
    for price in prices:
        if _folded(price.product) in seen:
            message = f"{name}: a product has two prices. Keep one line for each product."
            raise PricesInvalid(message)
        seen.add(_folded(price.product))
    return prices


def _csv_rows(text: str, name: str) -> list[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    missing = [column for column in PRICE_COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        message = f"{name}, line 1: the column {missing[0]} is missing. Begin with the line product,price,currency."
        raise PricesInvalid(message)
    return list(enumerate(reader, start=2))


def _toml_rows(text: str, name: str) -> list[tuple[int, dict[str, Any]]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        message = f"{name} is no TOML. Write [[price]] blocks with product, price and currency."
        raise PricesInvalid(message) from None
    entries = document.get("price")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in cast("list[object]", entries)):
        message = f"{name} has no [[price]] blocks. Write one for each product, with product, price and currency."
        raise PricesInvalid(message)
    return list(enumerate(cast("list[dict[str, Any]]", entries), start=1))


def _customer_price(row: dict[str, Any], where: str) -> CustomerPrice:
    product, amount = str(row.get("product") or "").strip(), str(row.get("price") or "").strip()
    currency, source = str(row.get("currency") or "").strip().upper(), str(row.get("source") or "").strip()
    if not product:
        message = f"{where}: the product is missing. Name a licence key such as SFDC, or a licence's name."
        raise PricesInvalid(message)
    if _CURRENCY.fullmatch(currency) is None:
        message = f"{where}: the currency is missing or no three-letter code. Write for example USD."
        raise PricesInvalid(message)
    return CustomerPrice(
        product, parse_amount(amount, where) if amount else None, currency, source or "your price file"
    )


def parse_amount(unverified_text: str, where: str) -> Decimal:
    """Return a price, or raise `PricesInvalid` naming `where`."""
    try:
        amount = Decimal(unverified_text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or amount > AMOUNT_MAX:
        message = f"{where}: the price is no amount. Write a number with a decimal point, for example 142.50."
        raise PricesInvalid(message)
    return amount


def _folded(text: str) -> str:
    return text.strip().casefold()


def _folded_all(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_folded(text) for text in texts)
