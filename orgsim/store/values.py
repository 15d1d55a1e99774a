"""Typed values: from JSON or CSV cells into the store with Salesforce's complaints, and out again."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

from orgsim.errors import ApiError
from orgsim.ids import normalize_id
from orgsim.schema.model import FieldDef
from orgsim.store.results import BadValue, Value

Converter = Callable[[object], Value]

_EMAIL: Final = re.compile(r"[^@\s,;<>()\[\]\\\"]+@[^@\s,;<>()\[\]\\\"]+\.[A-Za-z0-9-]{2,}$")
_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})$")
_DATETIME: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d{2}:?\d{2})?$"
)
_TIME: Final = re.compile(r"(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?Z?$")
_TRUE: Final = frozenset({"true", "1", "yes", "y"})
_FALSE: Final = frozenset({"false", "0", "no", "n", ""})
_YEAR_MIN: Final = 1700
_YEAR_MAX: Final = 4000
CSV_NULL: Final = "#N/A"


class _Unfit(ValueError):
    """The raw value is of the wrong kind for the field."""


def _wrong_json(field: FieldDef, raw: object) -> ApiError:
    kind = (
        f"VALUE_{str(raw).upper()}" if isinstance(raw, bool)
        else "VALUE_NUMBER_INT" if isinstance(raw, int)
        else "VALUE_NUMBER_FLOAT" if isinstance(raw, float)
        else "VALUE_STRING" if isinstance(raw, str)
        else "START_ARRAY" if isinstance(raw, list)
        else "START_OBJECT"
    )  # fmt: skip
    shown = "" if isinstance(raw, (list, dict)) else f" value {str(raw).lower() if isinstance(raw, bool) else raw}"
    wanted = field.type if field.type not in {"id", "reference"} else "reference"
    message = (
        f"Cannot deserialize instance of {wanted} from {kind}{shown} or request may be missing a required field"
        " at [line:1, column:1]"
    )
    return ApiError(400, "JSON_PARSER_ERROR", message)


def _wrong_text(field: FieldDef, raw: object) -> BadValue:
    message = f"{field.label or field.name}: value not of required type: {raw}"
    return BadValue(code="INVALID_TYPE_ON_FIELD_IN_RECORD", message=message, fields=(field.name,))


def converter(field: FieldDef, *, text: bool) -> Converter:
    """Return the function that turns a raw value into a stored one.

    It raises BadValue (the row is refused) or, for JSON of the wrong kind, ApiError (the call is refused).
    """
    make = _MAKERS.get(field.type, _text_converter)
    inner = make(field)

    def from_text(raw: object) -> Value:
        if raw is None or raw == CSV_NULL:
            return False if field.type == "boolean" else None
        try:
            return inner(raw)
        except ValueError:
            raise _wrong_text(field, raw) from None

    def from_json(raw: object) -> Value:
        if raw is None:
            return False if field.type == "boolean" else None
        try:
            return inner(raw)
        except ValueError:
            raise _wrong_json(field, raw) from None

    return from_text if text else from_json


def _text_converter(field: FieldDef) -> Converter:
    limit = field.length
    label = field.label or field.name

    def convert(raw: object) -> Value:
        if not isinstance(raw, str):
            raise _Unfit
        value = raw.strip()
        if limit and len(value) > limit:
            message = f"{label}: data value too large: {value} (max length={limit})"
            raise BadValue(code="STRING_TOO_LONG", message=message, fields=(field.name,))
        return value or None

    return convert


def _email_converter(field: FieldDef) -> Converter:
    plain = _text_converter(field)
    label = field.label or field.name

    def convert(raw: object) -> Value:
        value = plain(raw)
        if not isinstance(value, str):
            return None
        if not _EMAIL.match(value):
            raise BadValue(
                code="INVALID_EMAIL_ADDRESS", message=f"{label}: invalid email address: {value}", fields=(field.name,)
            )
        return value.lower()

    return convert


def _picklist_converter(field: FieldDef) -> Converter:
    plain = _text_converter(field)
    if not field.restricted_picklist:
        return plain

    def convert(raw: object) -> Value:
        value = plain(raw)
        if isinstance(value, str):
            _check_restricted(field, value)
        return value

    return convert


def _check_restricted(field: FieldDef, value: str) -> None:
    if not any(entry.value == value and entry.active for entry in field.picklist_values):
        message = f"{field.label or field.name}: bad value for restricted picklist field: {value}"
        raise BadValue(code="INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message=message, fields=(field.name,))


def _multipicklist_converter(field: FieldDef) -> Converter:
    plain = _text_converter(field)

    def convert(raw: object) -> Value:
        value = plain(raw)
        if not isinstance(value, str):
            return None
        chosen = list(dict.fromkeys(part.strip() for part in value.split(";") if part.strip()))
        if field.restricted_picklist:
            for part in chosen:
                _check_restricted(field, part)
        return ";".join(chosen) or None

    return convert


def _boolean_converter(_: FieldDef) -> Converter:
    def convert(raw: object) -> Value:
        if isinstance(raw, bool):
            return raw
        word = str(raw).strip().lower() if isinstance(raw, (str, int)) else "?"
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise ValueError

    return convert


def _number(raw: object) -> Decimal | None:
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        raise _Unfit
    text = str(raw).strip()
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError from None
    if not value.is_finite():
        raise ValueError
    return value


def _number_converter(field: FieldDef) -> Converter:
    label = field.label or field.name
    whole = field.precision - field.scale
    bound = Decimal(10) ** whole if field.precision else None
    step = Decimal(1).scaleb(-field.scale)

    def convert(raw: object) -> Value:
        value = _number(raw)
        if value is None:
            return None
        if bound is not None and abs(value) >= bound:
            message = f"{label}: value outside of valid range on numeric field: {raw}"
            raise BadValue(code="NUMBER_OUTSIDE_VALID_RANGE", message=message, fields=(field.name,))
        if field.precision:
            value = value.quantize(step, rounding=ROUND_HALF_UP)
        number = float(value)
        if math.isinf(number):
            raise ValueError
        return number

    return convert


def _int_converter(field: FieldDef) -> Converter:
    label = field.label or field.name
    digits = field.digits or 9

    def convert(raw: object) -> Value:
        value = _number(raw)
        if value is None:
            return None
        if value != value.to_integral_value():
            raise ValueError
        if abs(value) >= Decimal(10) ** digits:
            message = f"{label}: value outside of valid range on numeric field: {raw}"
            raise BadValue(code="NUMBER_OUTSIDE_VALID_RANGE", message=message, fields=(field.name,))
        return int(value)

    return convert


def parse_date(text: str) -> date:
    """Parse `yyyy-MM-dd` (a time behind it is ignored); ValueError otherwise."""
    found = _DATE.match(text.strip()[:10])
    if not found or not _YEAR_MIN <= int(found[1]) <= _YEAR_MAX:
        raise ValueError
    return date(int(found[1]), int(found[2]), int(found[3]))


def parse_datetime(text: str) -> datetime:
    """Parse an ISO date-time (no zone: UTC) or a bare date (midnight UTC); ValueError otherwise."""
    text = text.strip()
    found = _DATETIME.match(text)
    if not found:
        if not _DATE.match(text):
            raise ValueError
        day = parse_date(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    year, month, day_, hour, minute = (int(part) for part in found.groups()[:5])
    second = int(found[6] or 0)
    milli = int((found[7] or "0")[:3].ljust(3, "0"))
    if not _YEAR_MIN <= year <= _YEAR_MAX:
        raise ValueError
    value = datetime(year, month, day_, hour, minute, second, milli * 1000, tzinfo=UTC)
    zone = found[8]
    if zone and zone != "Z":
        shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        value = value - shift if zone[0] == "+" else value + shift
    return value


def _date_converter(_: FieldDef) -> Converter:
    def convert(raw: object) -> Value:
        if not isinstance(raw, str):
            raise _Unfit
        return parse_date(raw) if raw.strip() else None

    return convert


def _datetime_converter(_: FieldDef) -> Converter:
    def convert(raw: object) -> Value:
        if not isinstance(raw, str):
            raise _Unfit
        return parse_datetime(raw) if raw.strip() else None

    return convert


def parse_time(text: str) -> time:
    """Parse `HH:mm[:ss[.SSS]][Z]`; ValueError otherwise."""
    found = _TIME.match(text.strip())
    if not found:
        raise ValueError
    milli = int((found[4] or "0").ljust(3, "0"))
    return time(int(found[1]), int(found[2]), int(found[3] or 0), milli * 1000)


def _time_converter(_: FieldDef) -> Converter:
    def convert(raw: object) -> Value:
        if not isinstance(raw, str):
            raise _Unfit
        return parse_time(raw) if raw.strip() else None

    return convert


def _id_converter(field: FieldDef) -> Converter:
    label = field.label or field.name

    def convert(raw: object) -> Value:
        if not isinstance(raw, str):
            raise _Unfit
        text = raw.strip()
        if not text:
            return None
        long = normalize_id(text)
        if long is None:
            raise BadValue(
                code="MALFORMED_ID", message=f"{label}: id value of incorrect type: {text}", fields=(field.name,)
            )
        return long

    return convert


_MAKERS: Final[dict[str, Callable[[FieldDef], Converter]]] = {
    "boolean": _boolean_converter,
    "email": _email_converter,
    "picklist": _picklist_converter,
    "multipicklist": _multipicklist_converter,
    "double": _number_converter,
    "currency": _number_converter,
    "percent": _number_converter,
    "int": _int_converter,
    "long": _int_converter,
    "date": _date_converter,
    "datetime": _datetime_converter,
    "time": _time_converter,
    "id": _id_converter,
    "reference": _id_converter,
}


def json_value(value: Value) -> object:
    """Return a stored value as it appears in a REST answer."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")[:-6] + "+0000"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.isoformat(timespec="milliseconds") + "Z"
    return value


def epoch_ms(value: Value) -> object:
    """Return a stored value as JSON results of Bulk API 1.0 show it: dates and times as epoch milliseconds."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days * 86_400_000
    return json_value(value)


def csv_value(value: Value) -> str:
    """Return a stored value as it appears in a Bulk result, unquoted; null is the empty string."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")[:-6] + "Z"
    if isinstance(value, time):
        return value.isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, float):
        text = repr(value)
        return text if "e" not in text else format(Decimal(text), "f")
    return str(value) if isinstance(value, int) else value.isoformat()
