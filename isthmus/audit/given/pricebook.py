"""The prices that one audit reckons with: the shipped book and the customer's own, kept together in the bundle."""

from __future__ import annotations

import msgspec

from isthmus.audit.given.prices import CustomerPrice, ListPrice, shipped_prices


class PriceBook(msgspec.Struct, frozen=True):
    """Both lists of prices."""

    shipped: tuple[ListPrice, ...]
    own: tuple[CustomerPrice, ...] = ()


def price_book(own: tuple[CustomerPrice, ...]) -> PriceBook:
    """Return the shipped prices with the customer's own."""
    return PriceBook(shipped_prices(), own)
