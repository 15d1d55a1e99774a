"""A step while its plan is drawn: objects, key and filter, settled from the describes of both orgs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from isthmus.salesforce.filter import FilterRefused, parse_filter
from isthmus.salesforce.schema import ObjectDescribe
from isthmus.sync.model import TRACKING_FIELD, TRACKING_LENGTH, Column, Issue
from isthmus.sync.planning.field_rules import writable
from isthmus.sync.planning.issues import error, warning
from isthmus.sync.spec import StepSpec

Schema: TypeAlias = Mapping[str, ObjectDescribe]
"""Describes of one org by object name in lower case; make one with `plan.schema_of`."""

_STAMPS: Final = ("SystemModstamp", "LastModifiedDate", "CreatedDate", "LoginTime")
"""What tells that a record was changed, the best first: the second can be set by hand and misses what automation does,
the others tell of new records only."""
_MATCHED: Final = frozenset(
    """User Profile RecordType Group GroupMember QueueSobject UserRole PermissionSet PermissionSetAssignment
    PermissionSetLicenseAssign""".casefold().split()
)
"""Objects of an org's set-up: matched by natural key, never written; the platform saves none of them together with data
(MIXED_DML_OPERATION)."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A step while it is drawn. `parents` maps a lookup column to the numbers of the drafts that load its parents."""

    number: int
    spec: StepSpec
    source: ObjectDescribe
    target: ObjectDescribe
    key: str
    key_source: str
    columns: tuple[Column, ...] = ()
    parents: dict[str, frozenset[int]] = field(default_factory=dict[str, frozenset[int]])
    deferred: frozenset[str] = frozenset()

    @property
    def where(self) -> str:
        """The step's place in the definition."""
        return f"steps[{self.number}]"


def started(number: int, step: StepSpec, source: Schema, target: Schema, issues: list[Issue]) -> Draft | None:
    """Return the step with its key settled, or None if one of its objects is not there."""
    where = f"steps[{number}]"
    found_source = source.get(step.source_object.casefold())
    found_target = target.get(step.target_object.casefold())
    for name, found, side in (
        (step.source_object, found_source, "source"),
        (step.target_object, found_target, "target"),
    ):
        if found is None:
            text = f"the connected user does not see an object {name} in the {side} org"
            remedy = "Check the name, and the user's object permissions there."
            issues.append(error(f"{side}_object_missing", where, text, remedy))
    if found_source is None or found_target is None:
        return None
    stamp = stamp_of(found_source)
    if not found_source.queryable or stamp is None:
        text = f"{found_source.name} cannot be read by changes in the source org"
        issues.append(error("source_not_queryable", where, text, "Sync another object."))
    elif stamp != _STAMPS[0]:
        text = f"changes of {found_source.name} are told by {stamp}, which does not tell all of them"
        issues.append(warning("stamp_misses_changes", where, text, "Activate the sync again to compare all records."))
    if found_target.name.casefold() in _MATCHED:
        text = f"{found_target.name} belongs to an org's set-up: its records are matched by name, never written"
        issues.append(error("setup_object", where, text, "Leave the step out; see `owner` and `record_types`."))
    if not (found_target.createable and found_target.updateable):
        text = f"the connected user may not create and edit {found_target.name} in the target org"
        issues.append(error("target_not_writable", where, text, "Give the user create and edit rights on the object."))
    _check_filter(where, step, found_source, issues)
    key, key_source = _key(where, step, found_source, found_target, issues)
    return Draft(number, step, found_source, found_target, key, key_source)


def stamp_of(source: ObjectDescribe) -> str | None:
    """Return the field by which changes of an object are told, or None if there is none to filter by."""
    fields = (source.field(name) for name in _STAMPS)
    return next((field.name for field in fields if field is not None and field.filterable), None)


def _check_filter(where: str, step: StepSpec, source: ObjectDescribe, issues: list[Issue]) -> None:
    if step.where is None:
        return
    parsed = parse_filter(step.where)
    place = f"{where}.where"
    if isinstance(parsed, FilterRefused):
        text = f"the condition cannot be used, at character {parsed.position + 1}: {parsed.why}"
        issues.append(error("filter_refused", place, text, "Use comparisons with AND, OR, NOT, IN and LIKE only."))
        return
    for path in parsed.fields:
        found = source.field(path) if "." not in path else None
        if "." not in path and found is None:
            text = f"{source.name} has no field {path} in the source org"
            issues.append(
                error("filter_field_missing", place, text, "Check the name, and the user's field permissions.")
            )
        elif found is not None and not found.filterable:
            text = f"{path} of {source.name} cannot be used in a condition"
            issues.append(error("filter_field_unusable", place, text, "Filter by another field."))


def _key(
    where: str, step: StepSpec, source: ObjectDescribe, target: ObjectDescribe, issues: list[Issue]
) -> tuple[str, str]:
    place = f"{where}.match"
    fields = step.fields.items() if step.fields != "auto" else ()
    mapped = {name.casefold(): filler if isinstance(filler, str) else "=" for name, filler in fields}
    key_source = mapped.get(step.match.casefold(), "Id")
    found = target.field(step.match)
    if found is None:
        if step.match != TRACKING_FIELD:
            text = f"{target.name} has no field {step.match} in the target org"
            remedy = f"Create it there as an External ID, or leave `match` out to use {TRACKING_FIELD}."
            issues.append(error("match_field_missing", place, text, remedy))
        return step.match, "Id"
    if not (found.external_id or found.id_lookup) or not writable(found):
        text = f"{found.name} of {target.name} is no External ID that the connected user may edit"
        remedy = "Mark the field as External ID and give the user edit access to it."
        issues.append(error("match_field_unusable", place, text, remedy))
    elif not found.unique:
        text = f"{found.name} of {target.name} is not unique: rows with a value that stands there twice will fail"
        issues.append(warning("match_field_not_unique", place, text, "Mark the field as unique."))
    if key_source == "Id" and found.length and found.length < TRACKING_LENGTH:
        text = f"{found.name} of {target.name} is too short for a record id"
        issues.append(error("match_field_too_short", place, text, "Make it a Text field of 18 characters."))
    key_field = source.field(key_source)
    if key_source.startswith("=") or key_field is None:
        text = f"{source.name} has no field in the source that could fill {found.name}"
        issues.append(error("match_source_missing", place, text, "Map the match field from a field of the source."))
    return found.name, key_field.name if key_field else "Id"


def refuse_twice(drafts: Sequence[Draft], issues: list[Issue]) -> None:
    """Refuse a pair of objects that stands there twice, and an object matched by two fields."""
    seen: set[tuple[str, str]] = set()
    keys: dict[str, str] = {}
    for draft in drafts:
        pair = (draft.source.name, draft.target.name)
        if pair in seen:
            text = f"{pair[0]} to {pair[1]} stands there twice"
            issues.append(error("step_twice", draft.where, text, "Join the two steps, with OR in `where`."))
        seen.add(pair)
        if keys.setdefault(draft.target.name, draft.key) != draft.key:
            text = f"{draft.target.name} is matched by two different fields"
            issues.append(error("match_differs", draft.where, text, "Use the same `match` in both steps."))
