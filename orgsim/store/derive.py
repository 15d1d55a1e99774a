"""Fields that the platform fills by itself: stages, names, fiscal periods, counters, owners."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.store.commerce import COMMERCE_RULES
from orgsim.store.results import BadValue, Row, Value

if TYPE_CHECKING:
    from orgsim.org import Org

# Stage: probability, forecast category, its display name, closed, won. The ten stages of a new org.
_STAGES: Final[dict[str, tuple[float, str, str, bool, bool]]] = {
    "Prospecting": (10.0, "Pipeline", "Pipeline", False, False),
    "Qualification": (10.0, "Pipeline", "Pipeline", False, False),
    "Needs Analysis": (20.0, "Pipeline", "Pipeline", False, False),
    "Value Proposition": (50.0, "Pipeline", "Pipeline", False, False),
    "Id. Decision Makers": (60.0, "Pipeline", "Pipeline", False, False),
    "Perception Analysis": (70.0, "Pipeline", "Pipeline", False, False),
    "Proposal/Price Quote": (75.0, "Pipeline", "Pipeline", False, False),
    "Negotiation/Review": (90.0, "Pipeline", "Pipeline", False, False),
    "Closed Won": (100.0, "Closed", "Closed", True, True),
    "Closed Lost": (0.0, "Omitted", "Omitted", True, False),
}
_CATEGORY_BY_NAME: Final = {
    "Pipeline": "Pipeline", "Best Case": "BestCase", "Most Likely": "MostLikely", "Commit": "Forecast",
    "Closed": "Closed", "Omitted": "Omitted",
}  # fmt: skip
_CLOSED_CASE: Final = frozenset({"Closed"})
_CLOSED_TASK: Final = frozenset({"Completed"})


def derive(org: Org, definition: ObjectDef, row: Row, *, before: Row | None, changes: Row, now: datetime) -> None:
    """Fill the row's derived fields in place; BadValue if a value makes that impossible."""
    rule = _RULES.get(definition.name)
    if rule is not None:
        rule(org, row, before, changes, now)
    priced = COMMERCE_RULES.get(definition.name)
    if priced is not None:
        priced(org, row, before, changes)


def _opportunity(org: Org, row: Row, before: Row | None, changes: Row, now: datetime) -> None:
    stage = row.get("StageName")
    if before is None or before.get("StageName") != stage:
        probability, category, shown, closed, won = _STAGES.get(str(stage), _STAGES["Prospecting"])
        if changes.get("Probability") is None:
            row["Probability"] = probability
        if changes.get("ForecastCategoryName") is None:
            row["ForecastCategoryName"] = shown
            row["ForecastCategory"] = category
        row["IsClosed"], row["IsWon"] = closed, won
        if before is not None:
            row["LastStageChangeDate"] = now
    if changes.get("ForecastCategoryName") is not None:
        row["ForecastCategory"] = _CATEGORY_BY_NAME.get(str(row["ForecastCategoryName"]), "Pipeline")
    amount, probability_now = row.get("Amount"), row.get("Probability")
    row["ExpectedRevenue"] = (
        round(float(amount) * float(probability_now) / 100, 2)
        if isinstance(amount, (int, float)) and isinstance(probability_now, (int, float))
        else None
    )
    closing = row.get("CloseDate")
    if isinstance(closing, date):
        row["FiscalYear"], row["FiscalQuarter"] = fiscal_period(closing, org.fiscal_start_month())
        row["Fiscal"] = f"{row['FiscalYear']} {row['FiscalQuarter']}"
    if before is None and row.get("AccountId") is None and isinstance(contact := changes.get("ContactId"), str):
        parent = org.row("Contact", contact)
        row["AccountId"] = None if parent is None else parent.get("AccountId")


def _case(org: Org, row: Row, before: Row | None, changes: Row, now: datetime) -> None:
    del org, changes
    closed = row.get("Status") in _CLOSED_CASE
    if closed and not (before or {}).get("IsClosed"):
        row["ClosedDate"] = now
    elif not closed:
        row["ClosedDate"] = None
    row["IsClosed"] = closed


def _task(org: Org, row: Row, before: Row | None, changes: Row, now: datetime) -> None:
    del org, before, changes, now
    row["IsClosed"] = row.get("Status") in _CLOSED_TASK


def _permission_set(org: Org, row: Row, before: Row | None, changes: Row, now: datetime) -> None:
    del org, before, changes, now
    row.setdefault("IsOwnedByProfile", False)


def _field_permissions(org: Org, row: Row, before: Row | None, changes: Row, now: datetime) -> None:
    del changes, now
    owner, _, field_name = str(row.get("Field") or "").partition(".")
    definition = org.objects.get(owner.lower())
    field = None if definition is None else definition.field(field_name) or definition.field(f"{field_name}Id")
    if definition is None or field is None or not field.permissionable:
        message = f"Field Name: bad value for restricted picklist field: {row.get('Field')}"
        raise BadValue(code="INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message=message, fields=("Field",))
    row["Field"] = f"{definition.name}.{field.name}"
    row["SobjectType"] = definition.name
    if row.get("PermissionsEdit") and not row.get("PermissionsRead"):
        row["PermissionsRead"] = True
    if before is None and _pair_exists(org, "FieldPermissions", row, ("ParentId", "Field")):
        raise BadValue(code=org.settings.duplicate_field_permission_code, message="duplicate value found: <unknown>")


def _assignment(org: Org, row: Row, before: Row | None, changes: Row, now: datetime) -> None:
    del changes, now
    if before is None and _pair_exists(org, "PermissionSetAssignment", row, ("AssigneeId", "PermissionSetId")):
        message = (
            f"Duplicate PermissionSetAssignment. Assignee: {row.get('AssigneeId')};"
            f" Permission Set: {row.get('PermissionSetId')}"
        )
        raise BadValue(code="DUPLICATE_VALUE", message=message, fields=("AssigneeId", "PermissionSetId"))


def _pair_exists(org: Org, object_name: str, row: Row, names: tuple[str, str]) -> bool:
    table = org.tables[object_name.lower()]
    field = table.definition.field(names[0])
    rows = None if field is None else table.equal(field, row.get(names[0]))
    rows = table.scan() if rows is None else rows
    return any(all(other.get(name) == row.get(name) for name in names) and not other.get("IsDeleted") for other in rows)


_Rule = Callable[["Org", Row, Row | None, Row, datetime], None]
_RULES: Final[dict[str, _Rule]] = {
    "Opportunity": _opportunity,
    "Case": _case,
    "Task": _task,
    "PermissionSet": _permission_set,
    "FieldPermissions": _field_permissions,
    "PermissionSetAssignment": _assignment,
}


def fiscal_period(day: date, start_month: int) -> tuple[int, int]:
    """Return fiscal year and quarter; the year is named after the calendar year in which it starts."""
    year = day.year if day.month >= start_month else day.year - 1
    return year, (day.month - start_month) % 12 // 3 + 1


def is_person_name(field: FieldDef) -> bool:
    """Say whether this is the compound Name of a person object, put together when read."""
    return field.name == "Name" and field.extra_type_info == "personname"


def person_name(row: Row) -> str | None:
    """Return "First Middle Last Suffix" without the salutation, as the Name field shows it."""
    parts = [str(value) for key in ("FirstName", "MiddleName", "LastName", "Suffix") if (value := row.get(key))]
    return " ".join(parts) or None


_ADDRESS_PARTS: Final = (
    "City", "Country", "CountryCode", "GeocodeAccuracy", "Latitude", "Longitude", "PostalCode", "State", "StateCode",
    "Street",
)  # fmt: skip


def address(definition: ObjectDef, compound: str, row: Row) -> dict[str, Value] | None:
    """Return a compound address as its JSON object, or None if every part is null."""
    prefix = compound[: -len("Address")]
    parts: dict[str, Value] = {}
    for part in _ADDRESS_PARTS:
        if definition.field(prefix + part) is not None:
            parts[part[0].lower() + part[1:]] = row.get(prefix + part)
    return parts if any(value is not None for value in parts.values()) else None
