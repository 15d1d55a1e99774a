"""Expressions and masks of a step: judged by the describes of both orgs before the first row, and made columns of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe
from isthmus.sync.flow.expressions.program import UnknownField, compiled
from isthmus.sync.flow.expressions.syntax import ExpressionRefused
from isthmus.sync.flow.expressions.values import Type
from isthmus.sync.flow.masks import EMAIL_CHARS, TAKES
from isthmus.sync.model import Column, ColumnKind, Input, Issue, LookupRule, MaskKind, Transform, ValueType
from isthmus.sync.planning.drafts import Draft
from isthmus.sync.planning.field_rules import (
    NUMBER_TYPES,
    PICKLIST_TYPES,
    TEXT_TYPES,
    Unfit,
    carriable,
    copy_column,
    writable,
)
from isthmus.sync.planning.issues import error, warning
from isthmus.sync.planning.parents import is_polymorphic
from isthmus.sync.planning.value_rules import OWN_RULES
from isthmus.sync.spec import ExpressionSpec, FindSpec

_TYPES: Final[Mapping[str, Type]] = {
    **dict.fromkeys((*TEXT_TYPES, "reference"), Type.TEXT),
    **dict.fromkeys(NUMBER_TYPES, Type.NUMBER),
    "boolean": Type.BOOLEAN,
    "date": Type.DATE,
    "datetime": Type.DATETIME,
    "time": Type.TIME,
}
_WRITTEN: Final = {Type.NUMBER: ValueType.NUMBER, Type.BOOLEAN: ValueType.BOOLEAN}
_CONVERSIONS: Final[Mapping[tuple[Type, Type], str]] = {
    (Type.TEXT, Type.NUMBER): "Make a number of it: `number(…)`.",
    (Type.TEXT, Type.DATE): 'Make a date of it: `date(…, "DD.MM.YYYY")`.',
    (Type.TEXT, Type.DATETIME): 'Make an instant of it: `datetime(…, "YYYY-MM-DD HH:mm", "Europe/Berlin")`.',
    (Type.DATETIME, Type.DATE): 'Make a date of it: `date(…, "Europe/Berlin")`.',
    (Type.DATE, Type.DATETIME): 'Make an instant of it: `datetime(…, "09:00", "Europe/Berlin")`.',
}
Made: TypeAlias = tuple[Column, frozenset[int]]


@dataclass(frozen=True, slots=True)
class _Work:
    """One field of the target that an expression or a mask is to fill."""

    draft: Draft
    target: FieldDescribe
    drafts: Sequence[Draft]
    issues: list[Issue]
    part: str

    @property
    def place(self) -> str:
        return f"{self.draft.where}.{self.part}.{self.target.name}"

    def refuse(self, code: str, text: str, remedy: str) -> None:
        self.issues.append(error(code, self.place, text, remedy))


def transform_column(
    draft: Draft, target: FieldDescribe, spec: ExpressionSpec, drafts: Sequence[Draft], issues: list[Issue]
) -> Made | None:
    """Return the column that an expression fills, with the numbers of the steps that load its parents; or None."""
    work = _Work(draft, target, drafts, issues, "also" if draft.spec.fields == "auto" else "fields")
    unfit = _unfit(target)
    if unfit is not None:
        work.refuse(unfit.code, f"{target.name} {unfit.why}", unfit.remedy)
        return None
    transform = _transform(work, spec.expr)
    if transform is None:
        return None
    if spec.find is not None:
        return _found(work, spec.find, transform)
    return _parent(work, spec, transform) if target.type == "reference" else _value(work, spec, transform)


def _unfit(target: FieldDescribe) -> Unfit | None:
    if target.name.casefold() in OWN_RULES:
        return Unfit("own_rule", "is an id of its org", "Use `owner` or `record_types`.")
    if target.type == "reference":
        readonly = Unfit("read_only", "is read-only in the target", "Leave it out.")
        return None if writable(target) else readonly
    copied = copy_column(target, target)
    return copied if isinstance(copied, Unfit) else None


def _transform(work: _Work, expression: str) -> Transform | None:
    known = {each.source.name: each.source for each in work.drafts}

    def field_type(path: str) -> tuple[str, Type]:
        return _field_type(work.draft.source, path, known)

    try:
        program = compiled(expression, field_type)
    except ExpressionRefused as refused:
        work.refuse("expression_refused", f"the expression, {refused}", refused.remedy)
        return None
    return Transform(
        inputs=tuple(Input(path=path, type=field_type(path)[1]) for path in program.inputs),
        gives=program.type,
        expression=expression,
        zones=program.zones,
        length=work.target.length,
    )


def _value(work: _Work, spec: ExpressionSpec, transform: Transform) -> Made | None:
    target = work.target
    if spec.by is not None:
        work.refuse("by_without_lookup", f"{target.name} is no lookup", "Leave `by` out.")
        return None
    wanted = _TYPES[target.type]
    if transform.gives not in {wanted, Type.NULL}:
        text = f"{target.name} is a {wanted} in the target, the expression gives a {transform.gives}"
        remedy = "Make a text of it: `text(…)`." if wanted is Type.TEXT else ""
        remedy = remedy or _CONVERSIONS.get((transform.gives, wanted), "Use an expression of that type.")
        work.refuse("expression_type", text, remedy)
        return None
    kind = _WRITTEN.get(wanted, ValueType.TEXT)
    return Column(target=target.name, kind=ColumnKind.TRANSFORM, type=kind, transform=transform), frozenset()


def _field_type(source: ObjectDescribe, path: str, known: Mapping[str, ObjectDescribe]) -> tuple[str, Type]:
    """Return the spelling and the type of a field of `source` or of its parents. Raises `UnknownField`."""
    first, _, rest = path.partition(".")
    if not rest:
        found = source.field(first)
        if found is None:
            what = f"{source.name} has no field {first} in the source org"
            raise UnknownField(what, "Check the name, and the user's field permissions.")
        kind = _TYPES.get(found.type)
        if kind is None or not carriable(found):
            what = f"{found.name} has type {found.type}, which is not carried"
            raise UnknownField(what, "Use another field.")
        return found.name, kind
    lookups = (field for field in source.fields if (field.relationship_name or "").casefold() == first.casefold())
    lookup = next(lookups, None)
    if lookup is None or lookup.relationship_name is None:
        what = f"{source.name} has no relationship {first} in the source org"
        raise UnknownField(what, "Write the relationship's name, for example `Account.Name` or `Region__r.Name`.")
    parent = known.get(lookup.reference_to[0]) if len(lookup.reference_to) == 1 else None
    if parent is None:  # what its fields are is not known here: as text they can be compared, joined and looked up
        return f"{lookup.relationship_name}.{rest}", Type.TEXT
    spelt, kind = _field_type(parent, rest, known)
    return f"{lookup.relationship_name}.{spelt}", kind


def _found(work: _Work, spec: FindSpec, transform: Transform) -> Made | None:
    """Return a column whose value is asked of the target in each run."""
    if not _is_key(work, transform):
        return None
    return Column(
        target=work.target.name,
        kind=ColumnKind.MAP,
        type=ValueType.NUMBER if work.target.type in NUMBER_TYPES else ValueType.TEXT,
        rule=LookupRule(object=spec.object, by=spec.by, take=spec.take),
        transform=transform,
    ), frozenset()


def _parent(work: _Work, spec: ExpressionSpec, transform: Transform) -> Made | None:
    """Return a lookup whose parent the target finds by its own field `by`, without any id."""
    target = work.target
    if spec.by is None:
        text = f"{target.name} is a lookup, and nothing says by which field its parent is found"
        work.refuse("lookup_needs_by", text, "Add `by`, for example `by: Code__c`.")
        return None
    if is_polymorphic(target) or target.relationship_name is None or not target.reference_to:
        text = f"{target.name} can point at several kinds of record"
        work.refuse("polymorphic", text, "Copy the lookup: `fields: {WhatId: WhatId}`.")
        return None
    if not _is_key(work, transform):
        return None
    name = target.reference_to[0]
    parents = [each for each in work.drafts if each.target.name == name]
    key = parents[0].target.field(spec.by) if parents else None
    if parents and (key is None or not (key.external_id or key.id_lookup)):
        text = f"{spec.by} of {name} is no External ID in the target, so no record is found by it"
        work.refuse("by_unusable", text, "Mark the field as External ID there, or use another one.")
        return None
    if not parents:
        text = f"{name} is no step of this sync, so whether {spec.by} is an External ID there is not checked"
        remedy = "Rows whose parent is not found fail as MISSING_PARENT."
        work.issues.append(warning("by_unchecked", work.place, text, remedy))
    column = Column(
        target=target.name,
        kind=ColumnKind.PARENT,
        relationship=target.relationship_name,
        parent_key=spec.by if key is None else key.name,
        transform=transform,
    )
    return column, frozenset(each.number for each in parents)


def _is_key(work: _Work, transform: Transform) -> bool:
    if transform.gives is not Type.TEXT:
        text = f"a record is looked up by a text, not by a {transform.gives}"
        work.refuse("expression_type", text, "Make one of it: `text(…)`.")
    return transform.gives is Type.TEXT


def with_masks(draft: Draft, columns: Sequence[Column], issues: list[Issue]) -> list[Column]:
    """Return the columns with the step's masks put on, and note what would leave unmasked all the same."""
    found = list(columns)
    places = {column.target.casefold(): number for number, column in enumerate(found)}
    masked: set[str] = set()
    for name, word in draft.spec.mask.items():
        place = f"{draft.where}.mask.{name}"
        target = draft.target.field(name)
        number = places.get(name.casefold())
        if target is None:
            text = f"{draft.target.name} has no field {name} in the target org"
            issues.append(error("mask_field_missing", place, text, "Check the name: the value would leave unmasked."))
        elif target.name == draft.key:
            text = f"{target.name} is the field by which records are found again, so it cannot be masked"
            issues.append(error("mask_on_match", place, text, "Match by another field."))
        elif number is None:
            text = f"{target.name} is not carried, so there is nothing to mask"
            issues.append(warning("mask_unused", place, text, "Nothing to do."))
        else:
            work = _Work(draft, target, (), issues, "mask")
            found[number] = _masked(work, found[number], MaskKind(word))
            masked |= set(found[number].reads)
    _warn_of_leaks(draft, found, masked, issues)
    return found


def _masked(work: _Work, column: Column, kind: MaskKind) -> Column:
    target = work.target
    if column.kind not in {ColumnKind.COPY, ColumnKind.TRANSFORM}:
        text = f"{target.name} is a constant, a lookup or mapped by a table, which no mask goes with"
        work.refuse("mask_unfit", text, "Leave the mask out, or the field.")
        return column
    transform = column.transform
    if transform is None:
        source = work.draft.source.field(column.source or "")
        given = _TYPES[source.type] if source is not None else Type.TEXT
        inputs = (Input(path=column.source or "", type=given),)
        transform = Transform(inputs=inputs, gives=given, length=target.length)
    kind = MaskKind.REDACT_EMAIL if kind is MaskKind.REDACT and target.type == "email" else kind
    why = _mask_unfit(target, transform.gives, kind)
    if why is not None:
        work.refuse("mask_unfit", f"{target.name} {why}", "Use another mask, or leave the field out.")
    return msgspec.structs.replace(
        column, kind=ColumnKind.TRANSFORM, source=None, transform=msgspec.structs.replace(transform, mask=kind)
    )


def _mask_unfit(target: FieldDescribe, given: Type, kind: MaskKind) -> str | None:
    if kind is MaskKind.NULL:
        return None if target.nillable else "is required in the target, so it cannot be null"
    if given not in TAKES[kind] | {Type.NULL}:
        return f"has a {given}, which the mask `{kind}` is not made for"
    if target.type in PICKLIST_TYPES and target.restricted_picklist:
        return "is a restricted picklist, which would refuse every masked value"
    if target.type == "email" and kind not in {MaskKind.EMAIL, MaskKind.REDACT_EMAIL}:
        return "is an e-mail field, which would refuse this mask's values"
    if kind is MaskKind.EMAIL and 0 < target.length < EMAIL_CHARS:
        return f"is shorter than a masked address ({EMAIL_CHARS} characters)"
    return None


def _warn_of_leaks(draft: Draft, columns: Sequence[Column], masked: set[str], issues: list[Issue]) -> None:
    """A source field that is masked in one place must not leave by another."""
    place = f"{draft.where}.mask"
    if draft.key_source in masked:
        text = f"{draft.key_source} is masked, but leaves as the match field {draft.key}"
        issues.append(error("mask_leaks", place, text, "Match by another field."))
    for column in columns:
        open_ = sorted(set(column.reads) & masked)
        if not open_ or (column.transform is not None and column.transform.mask is not None):
            continue
        text = f"{open_[0]} is masked, but {column.target} is filled from it without a mask"
        if column.kind is not ColumnKind.TRANSFORM:
            issues.append(error("mask_leaks", place, text, f"Mask {column.target}, too, or leave it out."))
        else:
            issues.append(warning("mask_may_leak", place, text, f"See whether {column.target} needs a mask, too."))
