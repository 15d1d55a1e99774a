"""What aggregate functions keep while they go through the rows of a group."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from typing import Final, Protocol, cast

from orgsim.schema.model import FieldDef
from orgsim.soql.bind import as_value
from orgsim.store.table import fold

_HELD_MAX: Final = 10_000


class Tally(Protocol):
    """One aggregate of one group."""

    def add(self, value: object, times: int = 1) -> None:
        """Take the field's value of a row, or of several rows that agree in it."""
        ...

    def result(self) -> object:
        """Return what came out."""
        ...


class _Count:
    def __init__(self, *, nulls: bool) -> None:
        self._nulls = nulls
        self._count = 0

    def add(self, value: object, times: int = 1) -> None:
        if self._nulls or value is not None:
            self._count += times

    def result(self) -> object:
        return self._count


class _Distinct:
    def __init__(self, field: FieldDef) -> None:
        self._field = field
        self._seen: set[object] = set()

    def add(self, value: object, times: int = 1) -> None:
        del times
        if value is not None:
            self._seen.add(fold(self._field, as_value(value)))

    def result(self) -> object:
        return len(self._seen)


class _Sum:
    def __init__(self, field: FieldDef, *, mean: bool) -> None:
        self._field = field
        self._mean = mean
        self._count = 0
        self._held: list[float] = []

    def add(self, value: object, times: int = 1) -> None:
        if value is None:
            return
        self._count += times
        self._held.append(cast("float", value) * times)
        if len(self._held) > _HELD_MAX:
            self._held = [math.fsum(self._held)]

    def result(self) -> object:
        if not self._count:
            return None
        total = math.fsum(self._held)
        if self._mean:
            return total / self._count
        return int(total) if self._field.type == "int" else round(total, self._field.scale)


class _Extreme:
    def __init__(self, *, greatest: bool) -> None:
        self._greatest = greatest
        self._best: object = None
        self._key: float | str = ""

    def add(self, value: object, times: int = 1) -> None:
        del times
        if value is None:
            return
        key = _order_key(value)
        if self._best is None or (key > self._key if self._greatest else key < self._key):  # pyright: ignore[reportOperatorIssue]  # one field has keys of one type
            self._best, self._key = value, key

    def result(self) -> object:
        return self._best


def tally_maker(name: str, field: FieldDef | None) -> Callable[[], Tally]:
    """Return what makes the tally of an aggregate function; no field means `COUNT()`."""
    if name == "COUNT" or field is None:
        return lambda: _Count(nulls=field is None)
    if name == "COUNT_DISTINCT":
        return lambda: _Distinct(field)
    if name in {"SUM", "AVG"}:
        return lambda: _Sum(field, mean=name == "AVG")
    return lambda: _Extreme(greatest=name == "MAX")


def _order_key(value: object) -> float | str:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, date):
        return float(value.toordinal())
    return value.casefold() if isinstance(value, str) else cast("float", value)
