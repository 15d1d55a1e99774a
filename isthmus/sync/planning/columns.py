"""The columns of a step: which field of the target is filled by what, and what may go wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from isthmus.salesforce.schema import FieldDescribe
from isthmus.sync.model import COLUMNS_MAX, TRACKING_FIELD, Column, Issue, Severity
from isthmus.sync.planning.analysis import pair_issues, step_issues
from isthmus.sync.planning.drafts import Draft
from isthmus.sync.planning.field_rules import Unfit, carriable, constant_column, copy_column, value_issues, writable
from isthmus.sync.planning.issues import error, softened
from isthmus.sync.planning.parents import parent_column
from isthmus.sync.planning.transforms import transform_column, with_masks
from isthmus.sync.planning.value_rules import (
    OWN_RULES,
    delete_issues,
    lowered_flag,
    owner_column,
    record_type_column,
    with_picklists,
)
from isthmus.sync.spec import ExpressionSpec

Filler: TypeAlias = FieldDescribe | ExpressionSpec | str
"""A field of the source, an expression, or the text of a constant."""


def with_columns(draft: Draft, drafts: Sequence[Draft], issues: list[Issue]) -> Draft:
    """Return the step with its columns. `drafts` are all steps, for lookups."""
    wanted = _wanted(draft, issues)
    columns: list[Column] = []
    parents: dict[str, frozenset[int]] = {}
    for target_field, filler, explicit in wanted:
        group = "also" if explicit and draft.spec.fields == "auto" else "fields"
        place = f"{draft.where}.{group}.{target_field.name}"
        if isinstance(filler, ExpressionSpec) or (
            isinstance(filler, FieldDescribe) and target_field.type == "reference"
        ):
            made = (
                transform_column(draft, target_field, filler, drafts, issues)
                if isinstance(filler, ExpressionSpec)
                else parent_column(draft, (target_field, filler), drafts, issues, explicit=explicit)
            )
            if made is not None:
                columns.append(made[0])
                parents[target_field.name] = made[1]
            continue
        column = _column(draft, target_field, filler, wanted=explicit)
        if isinstance(column, Unfit):
            severity = Severity.ERROR if explicit else Severity.HINT
            text = f"{target_field.name} {column.why}"
            issues.append(Issue(severity=severity, code=column.code, where=place, text=text, remedy=column.remedy))
            continue
        if isinstance(filler, FieldDescribe):
            renamed = draft.spec.picklists.get(target_field.name, {})
            found = value_issues(place, filler, target_field, renamed) + pair_issues(place, filler, target_field)
            fatal = any(issue.severity is Severity.ERROR for issue in found) and not explicit
            issues.extend(softened(found) if fatal else found)
            if fatal:
                continue
        columns.append(column)
    pair = (draft.source, draft.target)
    columns, found = with_picklists(draft.where, draft.spec, *pair, columns)
    issues.extend(found)
    columns = with_masks(draft, columns, issues)
    ruled = [rule(draft.where, draft.spec, *pair, issues) for rule in (owner_column, record_type_column)]
    columns += [column for column in ruled if column is not None]
    columns += lowered_flag(draft.spec, columns)
    issues.extend(delete_issues(draft.where, draft.spec, *pair, draft.key_source))
    _check_required(draft, columns, issues)
    issues.extend(step_issues(draft, columns))
    if not columns or len(columns) > COLUMNS_MAX:
        text = "no field of the source fits a field of the target" if not columns else "there are too many fields"
        issues.append(error("no_columns", draft.where, text, "Name the fields in `fields`."))
    return replace(draft, columns=tuple(columns), parents=parents)


def _column(draft: Draft, target: FieldDescribe, filler: FieldDescribe | str, *, wanted: bool) -> Column | Unfit:
    """Return what fills `target`, or why it cannot be filled: an address or a person's name is made of its parts."""
    parts = [field.name for field in draft.target.fields if field.compound == target.name]
    if parts and not (writable(target) and carriable(target)):
        remedy = f"Map its parts instead: {', '.join(parts)}."
        return Unfit("compound_field", "is made of its parts in the target", remedy)
    if isinstance(filler, str):
        return constant_column(filler, target)
    return copy_column(filler, target, wanted=wanted)


def _wanted(draft: Draft, issues: list[Issue]) -> list[tuple[FieldDescribe, Filler, bool]]:
    """Return each target field with what is to fill it, and whether a person said so."""
    wanted: list[tuple[FieldDescribe, Filler, bool]] = []
    named = draft.spec.also if draft.spec.fields == "auto" else draft.spec.fields
    if draft.spec.fields == "auto":
        also = {name.casefold() for name in named}
        for target in draft.target.fields:
            source = draft.source.field(target.name)
            skip = target.name in {draft.key, TRACKING_FIELD} or source is None or not target.createable
            if skip or source is None or not (carriable(source) and carriable(target)):
                continue
            if target.name.casefold() in OWN_RULES | also:
                continue
            wanted.append((target, source, False))
    for target_name, filler in named.items():
        target = draft.target.field(target_name)
        place = f"{draft.where}.{'also' if draft.spec.fields == 'auto' else 'fields'}.{target_name}"
        if target is None and target_name.casefold() != draft.key.casefold():
            what = f"{draft.target.name} has no field {target_name} in the target org"
            remedy = "Check the name, create the field there, or give the connected user access to it."
            issues.append(error("target_field_missing", place, what, remedy))
            continue
        found = _filler(draft, place, filler, issues)
        if found is not None and target is not None and target.name != draft.key:
            wanted.append((target, found, True))
    return wanted


def _filler(draft: Draft, place: str, filler: ExpressionSpec | str, issues: list[Issue]) -> Filler | None:
    if isinstance(filler, ExpressionSpec):
        return filler
    if filler.startswith("="):
        return filler[1:]
    source = draft.source.field(filler)
    if source is None:
        what = f"{draft.source.name} has no field {filler} in the source org"
        remedy = "Check the name, or give the connected user read access to the field."
        issues.append(error("source_field_missing", place, what, remedy))
    return source


def _check_required(draft: Draft, columns: Sequence[Column], issues: list[Issue]) -> None:
    covered = {column.target for column in columns} | {draft.key}
    for target in draft.target.fields:
        required = target.createable and not target.nillable and not target.defaulted_on_create
        if required and target.name not in covered and target.type != "boolean":
            text = f"{target.name} is required in the target and nothing fills it"
            remedy = f"Map it, or give it a constant: `{target.name}: =text`."
            issues.append(error("required_field_missing", f"{draft.where}.fields", text, remedy))
