"""Draw the plan of a sync: a pure function of the definition and of the describes of both orgs.

1. Each step's objects, key and columns are settled from the describes; whatever does not fit becomes an issue.
2. Lookups to objects of the same sync become references by the parent's key; other lookups are left out, and said so.
3. Steps are ordered parents first. A circle, or a lookup of an object to itself, is broken by deferring nullable
   lookups to a second pass (`StepKind.LINK`) after all rows exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from isthmus.salesforce.filter import FilterRefused, parse_filter
from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe
from isthmus.sync.field_rules import Unfit, carriable, constant_column, copy_column, value_issues, writable
from isthmus.sync.model import (
    COLUMNS_MAX,
    STEPS_MAX,
    TRACKING_FIELD,
    TRACKING_LENGTH,
    Budget,
    Column,
    ColumnKind,
    Drawn,
    Issue,
    Plan,
    Rejected,
    Severity,
    Step,
    StepKind,
)
from isthmus.sync.spec import DeletesSpec, StepSpec, SyncSpec
from isthmus.sync.value_rules import (
    OWN_RULES,
    delete_issues,
    lowered_flag,
    owner_column,
    record_type_column,
    with_picklists,
)

Schema: TypeAlias = Mapping[str, ObjectDescribe]
"""Describes of one org by object name in lower case; make one with `schema_of`."""

_STAMP: Final = "SystemModstamp"


def schema_of(describes: Iterable[ObjectDescribe]) -> dict[str, ObjectDescribe]:
    """Return the describes of one org by name."""
    return {describe.name.casefold(): describe for describe in describes}


def objects_of(spec: SyncSpec) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the objects whose describes a plan needs: of the source, of the target."""
    sources = dict.fromkeys(step.source_object for step in spec.steps)
    targets = dict.fromkeys(step.target_object for step in spec.steps)
    return tuple(sources), tuple(targets)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A step while it is drawn. `parents` maps a lookup column to the drafts that may hold its parent."""

    number: int
    spec: StepSpec
    source: ObjectDescribe
    target: ObjectDescribe
    key: str
    key_source: str
    columns: tuple[Column, ...] = ()
    parents: dict[str, int] = field(default_factory=dict[str, int])
    deferred: frozenset[str] = frozenset()

    @property
    def where(self) -> str:
        return f"steps[{self.number}]"


def draw_plan(spec: SyncSpec, source: Schema, target: Schema) -> Drawn | Rejected:
    """Return the plan with what is worth knowing about it, or every reason why there is none."""
    issues: list[Issue] = []
    drafts: list[_Draft] = []
    for number, step in enumerate(spec.steps):
        draft = _start(number, step, source, target, issues)
        if draft is not None:
            drafts.append(draft)
    _refuse_twice(drafts, issues)
    drafts = [_with_columns(draft, drafts, issues) for draft in drafts]
    ordered = _parents_first(drafts, issues)
    if len(drafts) * len(StepKind) > STEPS_MAX:
        issues.append(_error("too_many_steps", "steps", "the sync has too many steps", "Split it into several syncs."))
    if any(issue.severity is Severity.ERROR for issue in issues):
        return Rejected(tuple(issues))
    loads = [_step(draft, StepKind.LOAD) for draft in ordered]
    links = [_step(draft, StepKind.LINK) for draft in ordered if draft.deferred]
    removals = [_step(draft, StepKind.DELETE) for draft in reversed(ordered) if draft.spec.deletes != "ignore"]
    tracking = dict.fromkeys(
        draft.target.name for draft in ordered if draft.key == TRACKING_FIELD and draft.target.field(draft.key) is None
    )
    budget = Budget(day_percent=spec.budget.day_percent, run_percent=spec.budget.run_percent)
    plan = Plan(steps=(*loads, *links, *removals), tracking=tuple(tracking), budget=budget)
    return Drawn(plan, tuple(issues))


def _start(number: int, step: StepSpec, source: Schema, target: Schema, issues: list[Issue]) -> _Draft | None:
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
            issues.append(_error(f"{side}_object_missing", where, text, remedy))
    if found_source is None or found_target is None:
        return None
    if not found_source.queryable or found_source.field(_STAMP) is None:
        text = f"{found_source.name} cannot be read by changes in the source org"
        issues.append(_error("source_not_queryable", where, text, "Sync another object."))
    if not (found_target.createable and found_target.updateable):
        text = f"the connected user may not create and edit {found_target.name} in the target org"
        issues.append(_error("target_not_writable", where, text, "Give the user create and edit rights on the object."))
    _check_filter(where, step, found_source, issues)
    key, key_source = _key(where, step, found_source, found_target, issues)
    return _Draft(number, step, found_source, found_target, key, key_source)


def _check_filter(where: str, step: StepSpec, source: ObjectDescribe, issues: list[Issue]) -> None:
    if step.where is None:
        return
    parsed = parse_filter(step.where)
    place = f"{where}.where"
    if isinstance(parsed, FilterRefused):
        text = f"the condition cannot be used, at character {parsed.position + 1}: {parsed.why}"
        issues.append(_error("filter_refused", place, text, "Use comparisons with AND, OR, NOT, IN and LIKE only."))
        return
    for path in parsed.fields:
        found = source.field(path) if "." not in path else None
        if "." not in path and found is None:
            text = f"{source.name} has no field {path} in the source org"
            issues.append(
                _error("filter_field_missing", place, text, "Check the name, and the user's field permissions.")
            )
        elif found is not None and not found.filterable:
            text = f"{path} of {source.name} cannot be used in a condition"
            issues.append(_error("filter_field_unusable", place, text, "Filter by another field."))


def _key(
    where: str, step: StepSpec, source: ObjectDescribe, target: ObjectDescribe, issues: list[Issue]
) -> tuple[str, str]:
    place = f"{where}.match"
    mapped = {name.casefold(): text for name, text in step.fields.items()} if step.fields != "auto" else {}
    key_source = mapped.get(step.match.casefold(), "Id")
    found = target.field(step.match)
    if found is None:
        if step.match != TRACKING_FIELD:
            text = f"{target.name} has no field {step.match} in the target org"
            remedy = f"Create it there as an External ID, or leave `match` out to use {TRACKING_FIELD}."
            issues.append(_error("match_field_missing", place, text, remedy))
        return step.match, "Id"
    if not (found.external_id or found.id_lookup) or not writable(found):
        text = f"{found.name} of {target.name} is no External ID that the connected user may edit"
        remedy = "Mark the field as External ID and give the user edit access to it."
        issues.append(_error("match_field_unusable", place, text, remedy))
    elif not found.unique:
        text = f"{found.name} of {target.name} is not unique: rows with a value that stands there twice will fail"
        issues.append(_warning("match_field_not_unique", place, text, "Mark the field as unique."))
    if key_source == "Id" and found.length and found.length < TRACKING_LENGTH:
        text = f"{found.name} of {target.name} is too short for a record id"
        issues.append(_error("match_field_too_short", place, text, "Make it a Text field of 18 characters."))
    key_field = source.field(key_source)
    if key_source.startswith("=") or key_field is None:
        text = f"{source.name} has no field in the source that could fill {found.name}"
        issues.append(_error("match_source_missing", place, text, "Map the match field from a field of the source."))
    return found.name, key_field.name if key_field else "Id"


def _refuse_twice(drafts: Sequence[_Draft], issues: list[Issue]) -> None:
    seen: set[tuple[str, str]] = set()
    keys: dict[str, str] = {}
    for draft in drafts:
        pair = (draft.source.name, draft.target.name)
        if pair in seen:
            text = f"{pair[0]} to {pair[1]} stands there twice"
            issues.append(_error("step_twice", draft.where, text, "Join the two steps, with OR in `where`."))
        seen.add(pair)
        if keys.setdefault(draft.target.name, draft.key) != draft.key:
            text = f"{draft.target.name} is matched by two different fields"
            issues.append(_error("match_differs", draft.where, text, "Use the same `match` in both steps."))


def _with_columns(draft: _Draft, drafts: Sequence[_Draft], issues: list[Issue]) -> _Draft:
    wanted = _wanted(draft, issues)
    columns: list[Column] = []
    parents: dict[str, int] = {}
    explicit = draft.spec.fields != "auto"
    for target_field, filler in wanted:
        place = f"{draft.where}.fields.{target_field.name}"
        if isinstance(filler, FieldDescribe) and target_field.type == "reference":
            made = _parent_column(draft, target_field, filler, drafts, issues)
            if made is not None:
                columns.append(made[0])
                parents[target_field.name] = made[1]
            continue
        column = constant_column(filler, target_field) if isinstance(filler, str) else copy_column(filler, target_field)
        if isinstance(column, Unfit):
            severity = Severity.ERROR if explicit else Severity.HINT
            text = f"{target_field.name} {column.why}"
            issues.append(Issue(severity=severity, code=column.code, where=place, text=text, remedy=column.remedy))
            continue
        if isinstance(filler, FieldDescribe):
            renamed = draft.spec.picklists.get(target_field.name, {})
            found = value_issues(place, filler, target_field, renamed)
            fatal = any(issue.severity is Severity.ERROR for issue in found) and not explicit
            issues.extend(_softened(found) if fatal else found)
            if fatal:
                continue
        columns.append(column)
    pair = (draft.source, draft.target)
    columns, found = with_picklists(draft.where, draft.spec, *pair, columns)
    issues.extend(found)
    ruled = [rule(draft.where, draft.spec, *pair, issues) for rule in (owner_column, record_type_column)]
    columns += [column for column in ruled if column is not None]
    columns += lowered_flag(draft.spec, columns)
    issues.extend(delete_issues(draft.where, draft.spec, *pair, draft.key_source))
    _check_required(draft, columns, issues)
    if not columns or len(columns) > COLUMNS_MAX:
        text = "no field of the source fits a field of the target" if not columns else "there are too many fields"
        issues.append(_error("no_columns", draft.where, text, "Name the fields in `fields`."))
    return replace(draft, columns=tuple(columns), parents=parents)


def _wanted(draft: _Draft, issues: list[Issue]) -> list[tuple[FieldDescribe, FieldDescribe | str]]:
    """Return pairs of a target field and what is to fill it: a field of the source, or the text of a constant."""
    wanted: list[tuple[FieldDescribe, FieldDescribe | str]] = []
    if draft.spec.fields == "auto":
        for target in draft.target.fields:
            source = draft.source.field(target.name)
            skip = target.name in {draft.key, TRACKING_FIELD} or source is None or not target.createable
            if skip or source is None or not (carriable(source) and carriable(target)):
                continue
            if target.name.casefold() in OWN_RULES:
                continue
            wanted.append((target, source))
        return wanted
    for target_name, text in draft.spec.fields.items():
        target = draft.target.field(target_name)
        source = draft.source.field(text)
        place = f"{draft.where}.fields.{target_name}"
        if target is None and target_name.casefold() != draft.key.casefold():
            what = f"{draft.target.name} has no field {target_name} in the target org"
            remedy = "Check the name, create the field there, or give the connected user access to it."
            issues.append(_error("target_field_missing", place, what, remedy))
        elif not text.startswith("=") and source is None:
            what = f"{draft.source.name} has no field {text} in the source org"
            remedy = "Check the name, or give the connected user read access to the field."
            issues.append(_error("source_field_missing", place, what, remedy))
        elif target is not None and target.name != draft.key:
            wanted.append((target, source if source is not None and not text.startswith("=") else text[1:]))
    return wanted


def _parent_column(
    draft: _Draft, target: FieldDescribe, source: FieldDescribe, drafts: Sequence[_Draft], issues: list[Issue]
) -> tuple[Column, int] | None:
    place = f"{draft.where}.fields.{target.name}"
    must = not target.nillable or draft.spec.fields != "auto"
    if not writable(target):
        if draft.spec.fields != "auto":
            issues.append(_error("read_only", place, f"{target.name} is read-only in the target", "Leave it out."))
        return None
    if source.type != "reference" or target.polymorphic or len(target.reference_to) != 1:
        text = f"{target.name} can point at several kinds of record, which is not available in this version"
        issues.append(
            _error("polymorphic", place, text, "Leave it out.") if must else _hint("polymorphic", place, text)
        )
        return None
    parent = next(
        (d for d in drafts if d.target.name == target.reference_to[0] and d.source.name in source.reference_to), None
    )
    if parent is None or target.relationship_name is None:
        text = f"{target.name} is left out: {target.reference_to[0]} is not part of this sync"
        remedy = f"Add a step for {target.reference_to[0]}, or set the field by a constant."
        if must:
            issues.append(_error("parent_not_in_sync", place, text, remedy))
        else:
            issues.append(
                Issue(severity=Severity.HINT, code="parent_not_in_sync", where=place, text=text, remedy=remedy)
            )
        return None
    if parent.key_source != "Id":
        text = f"{target.name} points at {parent.target.name}, which is matched by another field than the source id"
        issues.append(_error("parent_matched_otherwise", place, text, "Leave `match` out in that step."))
        return None
    column = Column(
        target=target.name,
        kind=ColumnKind.PARENT,
        source=source.name,
        relationship=target.relationship_name,
        parent_key=parent.key,
    )
    return column, parent.number


def _check_required(draft: _Draft, columns: Sequence[Column], issues: list[Issue]) -> None:
    covered = {column.target for column in columns} | {draft.key}
    for target in draft.target.fields:
        required = target.createable and not target.nillable and not target.defaulted_on_create
        if required and target.name not in covered and target.type != "boolean":
            text = f"{target.name} is required in the target and nothing fills it"
            remedy = f"Map it, or give it a constant: `{target.name}: =text`."
            issues.append(_error("required_field_missing", f"{draft.where}.fields", text, remedy))


def _parents_first(drafts: Sequence[_Draft], issues: list[Issue]) -> list[_Draft]:
    waiting = [
        _deferring(draft, {name for name, p in draft.parents.items() if p == draft.number}, issues) for draft in drafts
    ]
    placed: dict[int, _Draft] = {}
    while waiting:
        ready = next((d for d in waiting if not _open(d, placed)), None)
        if ready is None:
            ready = next((d for d in waiting if all(_nillable(d, name) for name in _open(d, placed))), None)
            if ready is None:
                names = ", ".join(draft.target.name for draft in waiting)
                text = f"these objects need each other to exist first: {names}"
                issues.append(
                    _error("circle_of_required", "steps", text, "Make one of the lookups optional in the target.")
                )
                return [*placed.values(), *waiting]
            waiting.remove(ready)
            ready = _deferring(ready, _open(ready, placed), issues)
        else:
            waiting.remove(ready)
        placed[ready.number] = ready
    return list(placed.values())


def _open(draft: _Draft, placed: Mapping[int, _Draft]) -> set[str]:
    """Lookups whose parents are not placed yet and which are not deferred."""
    return {name for name, parent in draft.parents.items() if parent not in placed and name not in draft.deferred}


def _nillable(draft: _Draft, name: str) -> bool:
    target = draft.target.field(name)
    return target is not None and target.nillable


def _deferring(draft: _Draft, names: set[str], issues: list[Issue]) -> _Draft:
    for name in names:
        if not _nillable(draft, name):
            text = f"{name} of {draft.target.name} is required and points back at records that do not exist yet"
            issues.append(_error("circle_of_required", draft.where, text, "Make the lookup optional in the target."))
    return replace(draft, deferred=draft.deferred | names)


def _step(draft: _Draft, kind: StepKind) -> Step:
    rule = draft.spec.deletes
    later = tuple(column for column in draft.columns if column.target in draft.deferred)
    load, removal = kind is StepKind.LOAD, rule if kind is StepKind.DELETE and isinstance(rule, DeletesSpec) else None
    first = tuple(column for column in draft.columns if column.target not in draft.deferred)
    return Step(
        kind=kind,
        source=draft.source.name,
        target=draft.target.name,
        key=draft.key,
        key_source=draft.key_source,
        columns=first if load else (*first, *later) if kind is StepKind.LINK else (),
        clears=later if load else (),
        links=tuple(column.target for column in later) if kind is StepKind.LINK else (),
        where=draft.spec.where,
        flag=removal.field if removal else None,
        ceiling=removal.ceiling if removal else None,
    )


def _softened(found: Sequence[Issue]) -> list[Issue]:
    """A pair that `fields: auto` found is left out where it cannot work; that is worth a warning, not an end."""
    return [
        Issue(severity=Severity.WARNING, code=i.code, where=i.where, text=f"left out: {i.text}", remedy=i.remedy)
        if i.severity is Severity.ERROR
        else i
        for i in found
    ]


def _error(code: str, where: str, text: str, remedy: str) -> Issue:
    return Issue(severity=Severity.ERROR, code=code, where=where, text=text, remedy=remedy)


def _warning(code: str, where: str, text: str, remedy: str) -> Issue:
    return Issue(severity=Severity.WARNING, code=code, where=where, text=text, remedy=remedy)


def _hint(code: str, where: str, text: str) -> Issue:
    return Issue(severity=Severity.HINT, code=code, where=where, text=text, remedy="Nothing to do.")
