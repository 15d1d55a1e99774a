"""What administrators add to an org: rules that refuse or change rows. Set through the control port (`/rules`).

Every rule has a `kind` and an `object`. Conditions (`when`) are what may stand behind WHERE in SOQL, and see the row as
it would be stored; a trigger without `when` always applies. `on` limits a rule to some of insert and update.

    validation     when, message, field           FIELD_CUSTOM_VALIDATION_EXCEPTION with this message
    lookup-filter  field, when, message           `when` is about the parent; FIELD_FILTER_VALIDATION_EXCEPTION if it
                                                  does not hold
    duplicate      fields, action                 a live row with the same values: DUPLICATES_DETECTED; action "alert"
                                                  lets rows through that come with Sforce-Duplicate-Rule-Header:
                                                  allowSave=true, "block" does not
    picklist       field, values, record_type     only these values (for rows of this RecordType.DeveloperName)
    trigger        when, set, copy, timing, error  "before" changes the row as it is saved; "after" saves it once more,
                                                  as the user who wrote, `delay_s` seconds of the org's clock later;
                                                  `set` gives values by field, `copy` takes them from another field,
                                                  `error` refuses with CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.soql.bind import Scope
from orgsim.soql.filters import Predicate, compile_condition
from orgsim.soql.parser import parse_condition
from orgsim.soql.run import run_subselect
from orgsim.store.results import BadValue, Row, RowError, WriteContext
from orgsim.store.table import fold
from orgsim.store.values import converter

if TYPE_CHECKING:
    from orgsim.org import Org

On = Literal["insert", "update"]
_INVALID: Final = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
_DUPLICATE_HEADER: Final = "sforce-duplicate-rule-header"


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    object: str
    on: tuple[On, ...] = ("insert", "update")


class Validation(_Rule, frozen=True, kw_only=True, tag="validation"):
    """Refuses the rows for which `when` holds."""

    when: str
    message: str
    field: str | None = None


class LookupFilter(_Rule, frozen=True, kw_only=True, tag="lookup-filter"):
    """Refuses parents for which `when` does not hold."""

    field: str
    when: str
    message: str = "Value does not exist or does not match filter criteria."


class Duplicate(_Rule, frozen=True, kw_only=True, tag="duplicate"):
    """Refuses rows that agree with another one in all `fields`."""

    fields: tuple[str, ...]
    action: Literal["block", "alert"] = "alert"


class Picklist(_Rule, frozen=True, kw_only=True, tag="picklist"):
    """Restricts a field to `values`, for one record type or for all rows."""

    field: str
    values: tuple[str, ...]
    record_type: str | None = None


class Trigger(_Rule, frozen=True, kw_only=True, tag="trigger"):
    """Changes or refuses rows."""

    when: str | None = None
    set: dict[str, str | int | float | bool | None] = {}
    copy: dict[str, str] = {}
    timing: Literal["before", "after"] = "before"
    delay_s: float = 0.0
    error: str | None = None


Rule = Validation | LookupFilter | Duplicate | Picklist | Trigger


@dataclass(slots=True)
class RuleBook:
    """The rules of one org, and the changes that its triggers still have to make."""

    rules: list[Rule] = field(default_factory=list[Rule])
    pending: list[tuple[datetime, str, str, Trigger, WriteContext]] = field(
        default_factory=list[tuple[datetime, str, str, Trigger, WriteContext]]
    )
    _tests: dict[tuple[str, str], Predicate] = field(default_factory=dict[tuple[str, str], Predicate])

    def add(self, org: Org, rules: list[Rule]) -> None:
        """Add rules; ApiError if one names an object, field or condition that does not exist."""
        for rule in rules:
            _check(org, self, rule)
        self.rules += rules

    def clear(self) -> None:
        """Forget all rules and all pending changes."""
        self.rules.clear()
        self.pending.clear()
        self._tests.clear()

    def applying(self, definition: ObjectDef, operation: On) -> list[Rule]:
        """Return the rules for one kind of write."""
        name = definition.name.lower()
        return [rule for rule in self.rules if rule.object.lower() == name and operation in rule.on]

    def test(self, org: Org, object_name: str, when: str) -> Predicate:
        """Return a condition as a test on rows."""
        key = (object_name.lower(), when)
        held = self._tests.get(key)
        if held is None:
            definition = org.objects[object_name.lower()]
            scope = Scope(org, "", definition, when, {}, version=62, all_rows=True)
            held = self._tests[key] = compile_condition(scope, parse_condition(when), run_subselect)
        return held


def _check(org: Org, book: RuleBook, rule: Rule) -> None:
    definition = org.objects.get(rule.object.lower())
    if definition is None:
        raise BadValue(code="INVALID_TYPE", message=f"there is no object {rule.object}")
    named: list[str] = []
    match rule:
        case Validation() | Trigger():
            if rule.when is not None:
                book.test(org, rule.object, rule.when)
            named = [rule.field] if isinstance(rule, Validation) and rule.field else []
            if isinstance(rule, Trigger):
                named = [*rule.set, *rule.copy, *rule.copy.values()]
        case LookupFilter():
            named = [rule.field]
            for target in _field(definition, rule.field).reference_to:
                if target.lower() in org.objects:
                    book.test(org, target, rule.when)
        case Duplicate():
            named = list(rule.fields)
        case Picklist():
            named = [rule.field]
    for name in named:
        _field(definition, name)


def _field(definition: ObjectDef, name: str) -> FieldDef:
    found = definition.field(name)
    if found is None:
        raise BadValue(code="INVALID_FIELD", message=f"{definition.name} has no field {name}")
    return found


def apply_before(org: Org, definition: ObjectDef, row: Row, operation: On) -> None:
    """Let "before" triggers change the row in place; BadValue if one refuses it."""
    for rule in org.rules.applying(definition, operation):
        if isinstance(rule, Trigger) and rule.timing == "before" and _holds(org, rule, row):
            if rule.error is not None:
                raise BadValue(code="CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message=rule.error)
            _write(definition, rule, row)


def check_row(org: Org, definition: ObjectDef, row: Row, operation: On, ctx: WriteContext) -> None:
    """Refuse the row with BadValue where a rule says so: with all that validation rules have against it at once."""
    rules = list(org.rules.applying(definition, operation))
    refusals = [
        RowError(_INVALID, rule.message, (_field(definition, rule.field).name,) if rule.field else ())
        for rule in rules
        if isinstance(rule, Validation) and org.rules.test(org, rule.object, rule.when)(row)
    ]
    if refusals:
        first, *others = refusals
        raise BadValue(first.code, first.message, first.fields, others=tuple(others))
    for rule in rules:
        match rule:
            case Validation():
                pass
            case LookupFilter():
                _check_parent(org, definition, rule, row)
            case Duplicate():
                _check_twins(org, definition, rule, row, ctx)
            case Picklist():
                _check_choice(org, definition, rule, row)
            case Trigger():
                pass


def _check_parent(org: Org, definition: ObjectDef, rule: LookupFilter, row: Row) -> None:
    name = _field(definition, rule.field).name
    parent_id = row.get(name)
    target = org.object_of_id(parent_id) if isinstance(parent_id, str) else None
    if target is None or not isinstance(parent_id, str):
        return
    parent = org.row(target.name, parent_id)
    if parent is None or not org.rules.test(org, target.name, rule.when)(parent):
        raise BadValue(code="FIELD_FILTER_VALIDATION_EXCEPTION", message=rule.message, fields=(name,))


def _check_twins(org: Org, definition: ObjectDef, rule: Duplicate, row: Row, ctx: WriteContext) -> None:
    given = ctx.all_headers.get(_DUPLICATE_HEADER, "").lower().replace(" ", "")
    if rule.action == "alert" and "allowsave=true" in given:
        return
    fields = [_field(definition, name) for name in rule.fields]
    wanted = [fold(entry, row.get(entry.name)) for entry in fields]
    if None in wanted:
        return
    table = org.tables[definition.name.lower()]
    found = next((rows for entry in fields if (rows := table.equal(entry, row.get(entry.name))) is not None), None)
    for other in table.scan() if found is None else found:
        twin = other.get("Id") != row.get("Id") and not other.get("IsDeleted")
        if twin and [fold(entry, other.get(entry.name)) for entry in fields] == wanted:
            raise BadValue(code="DUPLICATES_DETECTED", message="Use one of these records?")


def _check_choice(org: Org, definition: ObjectDef, rule: Picklist, row: Row) -> None:
    entry = _field(definition, rule.field)
    value = row.get(entry.name)
    if value is None or value in rule.values:
        return
    if rule.record_type is not None:
        kind = org.row("RecordType", str(row.get("RecordTypeId")))
        if kind is None or kind.get("DeveloperName") != rule.record_type:
            return
    message = f"{entry.label or entry.name}: bad value for restricted picklist field: {value}"
    raise BadValue(code="INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message=message, fields=(entry.name,))


def _holds(org: Org, rule: Trigger, row: Row) -> bool:
    return rule.when is None or org.rules.test(org, rule.object, rule.when)(row)


def _write(definition: ObjectDef, rule: Trigger, row: Row) -> None:
    for target, source in rule.copy.items():
        _put(row, _field(definition, target).name, row.get(_field(definition, source).name))
    for target, value in rule.set.items():
        entry = _field(definition, target)
        _put(row, entry.name, converter(entry, text=False)(value))


def _put(row: Row, name: str, value: object) -> None:
    if value is None:
        row.pop(name, None)
    else:
        row[name] = value  # pyright: ignore[reportArgumentType]  # a stored value of another field, or a converted one


def note_after(org: Org, definition: ObjectDef, row: Row, operation: On, ctx: WriteContext) -> None:
    """Take down what "after" triggers have to do with a row that was just stored, and do what is due at once."""
    for rule in org.rules.applying(definition, operation):
        if isinstance(rule, Trigger) and rule.timing == "after" and _holds(org, rule, row):
            due = org.clock.now() + timedelta(seconds=rule.delay_s)
            org.rules.pending.append((due, definition.name, str(row["Id"]), rule, ctx))
    run_due(org)


def run_due(org: Org) -> None:
    """Make the changes of triggers whose time has come."""
    if not org.rules.pending:
        return
    now = org.clock.now()
    ready = [entry for entry in org.rules.pending if entry[0] <= now]
    org.rules.pending = [entry for entry in org.rules.pending if entry[0] > now]
    for _, object_name, row_id, rule, ctx in ready:
        before = org.row(object_name, row_id)
        if before is not None and not before.get("IsDeleted"):
            definition = org.objects[object_name.lower()]
            row = dict(before)
            _write(definition, rule, row)
            if row != before:
                _touch(definition, row, org.clock.stamp(), ctx)
                org.store(object_name, row)


def _touch(definition: ObjectDef, row: Row, stamp: datetime, ctx: WriteContext) -> None:
    for name in ("LastModifiedDate", "SystemModstamp"):
        if definition.field(name) is not None:
            row[name] = stamp
    if definition.field("LastModifiedById") is not None:
        row["LastModifiedById"] = ctx.user_id
