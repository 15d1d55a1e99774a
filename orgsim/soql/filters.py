"""Conditions become predicates over rows. Two-valued logic: a comparison with null is false, except `=` and `!=`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final, cast

from orgsim.errors import ApiError
from orgsim.ids import normalize_id
from orgsim.schema.model import NUMBER_TYPES, FieldDef
from orgsim.soql.ast import Comparison, Condition, Either, Every, Literal, Negation, SubSelect
from orgsim.soql.bind import Bound, Getter, Scope
from orgsim.soql.complaints import invalid_field, malformed, positioned
from orgsim.soql.functions import bind_expression
from orgsim.soql.like import compile_like
from orgsim.soql.periods import span_of
from orgsim.store.results import Row
from orgsim.store.table import fold
from orgsim.store.values import parse_datetime

Predicate = Callable[[Row], bool]
SubSelectRunner = Callable[[Scope, SubSelect, Comparison, Bound], set[object]]
_MOMENTS: Final = frozenset({"date", "datetime"})
_LIKE_TYPES: Final = frozenset({"string", "textarea", "phone", "url", "email", "picklist", "combobox", "anyType"})
_ID_TYPES: Final = frozenset({"id", "reference"})
UNFILTERABLE_SINCE: Final = {("UserLicense", "UsedLicenses"): 64}


def compile_condition(scope: Scope, condition: Condition, run: SubSelectRunner) -> Predicate:
    """Return the predicate; ApiError if a name, operator or literal does not fit."""
    match condition:
        case Every(parts):
            inner = [compile_condition(scope, part, run) for part in parts]
            return lambda row: all(test(row) for test in inner)
        case Either(parts):
            inner = [compile_condition(scope, part, run) for part in parts]
            return lambda row: any(test(row) for test in inner)
        case Negation(part):
            test = compile_condition(scope, part, run)
            return lambda row: not test(row)
        case Comparison():
            bound = bind_filter(scope, condition)
            return comparison_test(scope, condition, bound, run)


def bind_filter(scope: Scope, condition: Comparison) -> Bound:
    """Return the left side of a comparison, which must be filterable."""
    bound = bind_expression(scope, condition.left)
    since = UNFILTERABLE_SINCE.get((bound.owner.name if bound.owner else "", bound.field.name))
    filterable = bound.field.filterable if since is None else scope.version < since
    if not filterable:
        message = f"field '{bound.field.name}' can not be filtered in a query call"
        raise invalid_field(scope.source, condition.position, message)
    return bound


def comparison_test(scope: Scope, condition: Comparison, bound: Bound, run: SubSelectRunner) -> Predicate:
    """Return the predicate of one comparison."""
    right = condition.right
    if isinstance(right, SubSelect):
        if bound.field.type not in _ID_TYPES or bound.hops:
            message = f"The left operand '{bound.field.name}' in the where expression must be an id or reference field"
            raise malformed(scope.source, condition.position, message)
        wanted = run(scope, right, condition, bound)
        get = bound.get
        if condition.operator == "IN":
            return lambda row: get(row) in wanted
        return lambda row: get(row) not in wanted
    if isinstance(right, tuple):
        return _set_test(scope, condition, bound, right)
    if condition.operator == "LIKE":
        return _like_test(scope, bound, right)
    return _single_test(scope, condition.operator, bound, right)


def _like_test(scope: Scope, bound: Bound, literal: Literal) -> Predicate:
    if bound.field.type not in _LIKE_TYPES or literal.kind != "string":
        message = "invalid operator on id field" if bound.field.type in _ID_TYPES else "invalid operator"
        raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", positioned(scope.source, bound.position, message))
    pattern = compile_like(literal.raw)
    get = bound.get

    def test(row: Row) -> bool:
        value = get(row)
        return isinstance(value, str) and pattern.fullmatch(value) is not None

    return test


def _set_test(scope: Scope, condition: Comparison, bound: Bound, literals: tuple[Literal, ...]) -> Predicate:
    operator = condition.operator
    if (operator in {"INCLUDES", "EXCLUDES"}) != (bound.field.type == "multipicklist"):
        if operator in {"INCLUDES", "EXCLUDES"}:
            message = "includes or excludes operator only valid on multipicklist field"
            raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", positioned(scope.source, bound.position, message))
        operator = "IN" if operator == "IN" else operator
    if operator in {"INCLUDES", "EXCLUDES"}:
        return _includes_test(bound, literals, excluded=operator == "EXCLUDES")
    if any(literal.kind == "period" for literal in literals):
        tests = [_single_test(scope, "=", bound, literal) for literal in literals]
        negative = operator == "NOT IN"
        return lambda row: any(test(row) for test in tests) != negative
    wanted = {_typed(scope, bound, literal) for literal in literals}
    get, field = _folding(bound)
    del field
    if operator == "IN":
        return lambda row: get(row) in wanted
    nulls = scope.org.settings.not_equal_finds_null

    def outside(row: Row) -> bool:
        value = get(row)
        return value not in wanted and (nulls or value is not None)

    return outside


def _includes_test(bound: Bound, literals: tuple[Literal, ...], *, excluded: bool) -> Predicate:
    groups = [{part.strip().casefold() for part in literal.value.split(";")} for literal in literals]
    get = bound.get

    def test(row: Row) -> bool:
        value = get(row)
        chosen = {part.casefold() for part in value.split(";")} if isinstance(value, str) else set[str]()
        return any(group <= chosen for group in groups) != excluded

    return test


def _folding(bound: Bound) -> tuple[Getter, FieldDef]:
    field, get = bound.field, bound.get
    if field.type in _ID_TYPES or field.case_sensitive or field.type in NUMBER_TYPES | _MOMENTS | {"boolean", "time"}:
        return get, field

    def folded(row: Row) -> object:
        value = get(row)
        return value.casefold() if isinstance(value, str) else value

    return folded, field


def _single_test(scope: Scope, operator: str, bound: Bound, literal: Literal) -> Predicate:
    if literal.kind == "period":
        return _span_test(operator, bound.get, *period_bounds(scope, bound, literal))
    wanted = _typed(scope, bound, literal)
    get, field = _folding(bound)
    if field.type == "boolean":
        wanted = bool(wanted)
        if operator not in {"=", "!="}:
            message = positioned(scope.source, bound.position, "invalid operator on boolean field")
            raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", message)
        return (lambda row: bool(get(row)) == wanted) if operator == "=" else (lambda row: bool(get(row)) != wanted)
    if operator == "=":
        return lambda row: get(row) == wanted
    if operator == "!=":
        if wanted is None or scope.org.settings.not_equal_finds_null:
            return lambda row: get(row) != wanted
        return lambda row: (value := get(row)) is not None and value != wanted
    if wanted is None:
        return lambda _: False
    return _order_test(operator, get, wanted)


def _order_test(operator: str, get: Getter, wanted: object) -> Predicate:
    limit = cast("float", wanted)

    def less(row: Row) -> bool:
        value = cast("float | None", get(row))
        return value is not None and value < limit

    def less_or_equal(row: Row) -> bool:
        value = cast("float | None", get(row))
        return value is not None and value <= limit

    def greater(row: Row) -> bool:
        value = cast("float | None", get(row))
        return value is not None and value > limit

    def greater_or_equal(row: Row) -> bool:
        value = cast("float | None", get(row))
        return value is not None and value >= limit

    return {"<": less, "<=": less_or_equal, ">": greater, ">=": greater_or_equal}[operator]


def period_bounds(scope: Scope, bound: Bound, literal: Literal) -> tuple[object, object]:
    """Return the half-open span of a date literal as values of the field's type."""
    if bound.field.type not in _MOMENTS:
        raise _wrong_type(scope, bound, literal)
    zone = scope.zone
    now = scope.org.clock.now()
    span = span_of(literal.value, now.astimezone(zone), fiscal_start=scope.org.fiscal_start_month())
    if bound.field.type == "date":
        return span.start, span.end
    start = datetime(span.start.year, span.start.month, span.start.day, tzinfo=zone).astimezone(UTC)
    end = datetime(span.end.year, span.end.month, span.end.day, tzinfo=zone).astimezone(UTC)
    return start, now.replace(microsecond=0) + timedelta(seconds=1) if span.until_now else end


def _span_test(operator: str, get: Getter, start: object, end: object) -> Predicate:
    lower, upper = cast("float", start), cast("float", end)

    def inside(row: Row) -> bool:
        value = cast("float | None", get(row))
        return value is not None and lower <= value < upper

    match operator:
        case "=":
            return inside
        case "!=":
            return lambda row: not inside(row)
        case "<":
            return _order_test("<", get, lower)
        case ">=":
            return _order_test(">=", get, lower)
        case "<=":
            return _order_test("<", get, upper)
        case _:
            return _order_test(">=", get, upper)


def _wrong_type(scope: Scope, bound: Bound, literal: Literal) -> ApiError:
    kind = {"datetime": "dateTime", "string": "string"}.get(bound.field.type, bound.field.type)
    quotes = "should be enclosed in quotes" if _is_text(bound.field) else "should not be enclosed in quotes"
    message = f"value of filter criterion for field '{bound.field.name}' must be of type {kind} and {quotes}"
    return invalid_field(scope.source, literal.position, message)


def _is_text(field: FieldDef) -> bool:
    return field.type not in NUMBER_TYPES | _MOMENTS | {"boolean", "time"}


def _typed(scope: Scope, bound: Bound, literal: Literal) -> object:
    """Return the literal as a stored value (folded like the field), or refuse it."""
    field = bound.field
    if literal.kind == "null":
        return None
    if field.type in _ID_TYPES:
        return _typed_id(scope, bound, literal)
    if field.type == "boolean" and literal.kind == "boolean":
        return literal.value == "TRUE"
    if field.type in NUMBER_TYPES and literal.kind == "number":
        return float(literal.value)
    if field.type == "date" and literal.kind == "date":
        return _moment(scope, literal, date.fromisoformat)
    if field.type == "datetime" and literal.kind == "datetime":
        return _moment(scope, literal, parse_datetime)
    if field.type == "address":
        raise invalid_field(scope.source, bound.position, f"field '{field.name}' can not be filtered in a query call")
    if not _is_text(field) or literal.kind != "string":
        raise _wrong_type(scope, bound, literal)
    text = literal.value
    return fold(field, text) if text else None


def _typed_id(scope: Scope, bound: Bound, literal: Literal) -> object:
    if literal.kind != "string":
        raise _wrong_type(scope, bound, literal)
    if not literal.value:
        return None
    long = normalize_id(literal.value)
    if long is None:
        message = positioned(scope.source, bound.position, f"invalid ID field: {literal.value}")
        raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", message)
    return long


def _moment(scope: Scope, literal: Literal, parse: Callable[[str], object]) -> object:
    try:
        return parse(literal.value)
    except ValueError:
        raise malformed(scope.source, literal.position, f"Invalid date: {literal.value}") from None
