"""Functions over single values: parts of dates, labels and formats."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from orgsim.schema.model import FieldDef
from orgsim.soql.ast import Expression, FieldPath, FunctionCall
from orgsim.soql.bind import Bound, Getter, Scope, bind_path
from orgsim.soql.complaints import invalid_field, malformed
from orgsim.store.derive import fiscal_period
from orgsim.store.features import CURRENCY_FIELD, currency_rates
from orgsim.store.results import Row

_WEEK_DAYS: Final = 7


def date_part(name: str, day: date, fiscal_start: int) -> int:
    """Return what a date function says about a day."""
    match name:
        case "CALENDAR_MONTH":
            return day.month
        case "CALENDAR_QUARTER":
            return (day.month - 1) // 3 + 1
        case "CALENDAR_YEAR":
            return day.year
        case "DAY_IN_MONTH":
            return day.day
        case "DAY_IN_WEEK":
            return day.isoweekday() % _WEEK_DAYS + 1
        case "DAY_IN_YEAR":
            return day.timetuple().tm_yday
        case "FISCAL_MONTH":
            return (day.month - fiscal_start) % 12 + 1
        case "FISCAL_QUARTER":
            return fiscal_period(day, fiscal_start)[1]
        case "FISCAL_YEAR":
            return fiscal_period(day, fiscal_start)[0]
        case "WEEK_IN_MONTH":
            return (day.day - 1) // _WEEK_DAYS + 1
        case _:
            return (day.timetuple().tm_yday - 1) // _WEEK_DAYS + 1


def bind_expression(scope: Scope, expression: Expression) -> Bound:
    """Return how to read a field or a function of one (not an aggregate)."""
    if isinstance(expression, FieldPath):
        return bind_path(scope, expression)
    path = expression.path
    if path is None:
        raise malformed(scope.source, expression.position, f"unexpected token: '{expression.name}'")
    inner = bind_path(scope, path)
    if expression.name == "GROUPING":
        raise malformed(scope.source, expression.position, "GROUPING needs GROUP BY ROLLUP or GROUP BY CUBE")
    if expression.name == "CONVERTCURRENCY":
        return _converted(scope, expression, inner)
    if expression.name == "TOLABEL":
        return _replaced(inner, inner.field, _label(inner))
    if expression.name == "FORMAT":
        return _replaced(inner, FieldDef(inner.field.name, "string", inner.field.label), _formatted(scope, inner))
    if inner.field.type not in {"date", "datetime"}:
        message = f"field '{path.text}' does not support the function {expression.name}"
        raise invalid_field(scope.source, expression.position, message)
    kind = "date" if expression.name == "DAY_ONLY" else "int"
    zone = scope.zone if isinstance(expression.argument, FunctionCall) else UTC
    field = FieldDef(inner.field.name, kind, inner.field.label)
    return _replaced(inner, field, _part(expression.name, inner.get, zone, scope.org.fiscal_start_month()))


def _replaced(inner: Bound, field: FieldDef, get: Getter) -> Bound:
    return Bound(get, field, inner.owner, inner.hops, inner.keys, inner.position)


def _part(name: str, get: Getter, zone: object, fiscal_start: int) -> Getter:
    def read(row: Row) -> object:
        value = get(row)
        if isinstance(value, datetime):
            local = value.astimezone(zone if isinstance(zone, ZoneInfo) else UTC)
            if name == "HOUR_IN_DAY":
                return local.hour
            value = local.date()
        if not isinstance(value, date):
            return None
        return value if name == "DAY_ONLY" else date_part(name, value, fiscal_start)

    return read


def _converted(scope: Scope, call: FunctionCall, inner: Bound) -> Bound:
    """Return a currency field in the user's currency; ApiError where the org has one currency only."""
    if not scope.org.settings.multi_currency or inner.field.type != "currency":
        message = f"field '{inner.field.name}' does not support the function convertCurrency"
        raise invalid_field(scope.source, call.position, message)
    rates = currency_rates(scope.org)
    user = scope.org.row("User", scope.user_id)
    target = rates.get(str((user or {}).get("DefaultCurrencyIsoCode")), 1.0)
    get = inner.get

    def read(row: Row) -> object:
        value = get(row)
        if not isinstance(value, (int, float)):
            return value
        own = rates.get(str(row.get(CURRENCY_FIELD)), 1.0)
        return round(float(value) / own * target, inner.field.scale)

    return _replaced(inner, inner.field, read)


def _label(inner: Bound) -> Getter:
    labels = {entry.value: entry.label for entry in inner.field.picklist_values}

    def read(row: Row) -> object:
        value = inner.get(row)
        if isinstance(value, str) and inner.field.type == "multipicklist":
            return ";".join(labels.get(part, part) for part in value.split(";"))
        return labels.get(value, value) if isinstance(value, str) else value

    return read


def _formatted(scope: Scope, inner: Bound) -> Getter:
    """Formats of the locale en_US."""

    def read(row: Row) -> object:
        value = inner.get(row)
        if isinstance(value, datetime):
            local = value.astimezone(scope.zone)
            hour = local.hour % 12 or 12
            half = "AM" if local.hour < 12 else "PM"
            return f"{local.month}/{local.day}/{local.year}, {hour}:{local.minute:02d} {half}"
        if isinstance(value, date):
            return f"{value.month}/{value.day}/{value.year}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        text = f"{value:,.{inner.field.scale}f}"
        return f"${text}" if inner.field.type == "currency" else text

    return read
