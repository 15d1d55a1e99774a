"""Which field may fill which: pure rules on describes. `fit` gives a column, or says why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from isthmus.salesforce.schema import FieldDescribe
from isthmus.sync.flow.expressions.values import Type
from isthmus.sync.model import ANY_OTHER, Column, ColumnKind, Input, Issue, Transform, ValueType
from isthmus.sync.planning.issues import error, hint, warning

TEXT_TYPES: Final = frozenset(
    {"string", "picklist", "multipicklist", "combobox", "textarea", "phone", "url", "email", "id"}
)
NUMBER_TYPES: Final = frozenset({"int", "long", "double", "percent", "currency"})
PICKLIST_TYPES: Final = frozenset({"picklist", "multipicklist"})
COMPOUND_TYPES: Final = frozenset({"address", "location", "complexvalue"})
UNREADABLE_TYPES: Final = frozenset({"base64", "encryptedstring", "anyType", "json", "datacategorygroupreference"})
_WRITTEN_IN_TWO_WAYS: Final = {**dict.fromkeys(NUMBER_TYPES, Type.NUMBER), "datetime": Type.DATETIME}
"""JSON and CSV write these differently (`+0000` and `Z`, `1.0E7` and `10000000.0`): as texts they would differ."""
NOTHING_RENAMED: Final[Mapping[str, str]] = MappingProxyType({})
_BOOLEAN_TEXTS: Final = frozenset({"true", "false"})


@dataclass(frozen=True, slots=True)
class Unfit:
    """The pair cannot be mapped: `why` continues the sentence that begins with the field's name."""

    code: str
    why: str
    remedy: str


def writable(field: FieldDescribe) -> bool:
    """Whether an upsert may set the field, both when it creates and when it updates."""
    return field.createable and field.updateable and not field.calculated and not field.auto_number


def set_once(field: FieldDescribe, *, wanted: bool) -> bool:
    """Whether the field is carried although it can be set on creation only: it is required, or a person `wanted` it."""
    once = field.createable and not field.updateable and not field.calculated and not field.auto_number
    return once and (wanted or not (field.nillable or field.defaulted_on_create))


def carriable(field: FieldDescribe) -> bool:
    """Whether the field's type can travel at all (no compounds, no files, nothing masked)."""
    return field.type not in COMPOUND_TYPES and field.type not in UNREADABLE_TYPES and not field.encrypted


def copy_column(source: FieldDescribe, target: FieldDescribe, *, wanted: bool = False) -> Column | Unfit:
    """Return the column that copies `source` into `target`; lookups are not the business of this function.

    `wanted`: a person asked for it.
    """
    once = set_once(target, wanted=wanted)
    if not carriable(source):
        return Unfit("type_not_carried", f"has type {source.type} in the source, which is not carried", "Leave it out.")
    if not (writable(target) or once):
        return _not_writable(target)
    if not carriable(target):
        return Unfit("type_not_carried", f"has type {target.type} in the target, which is not carried", "Leave it out.")
    value_type = _value_type(source.type, target.type)
    if value_type is None:
        return Unfit(
            "types_differ",
            f"has type {source.type} in the source and {target.type} in the target",
            "Map a field whose type fits, or leave it out.",
        )
    if value_type is ValueType.TEXT and source.type in _WRITTEN_IN_TWO_WAYS and target.type != source.type:
        return _as_text(source, target)
    return Column(target=target.name, kind=ColumnKind.COPY, type=value_type, source=source.name, create_only=once)


def _as_text(source: FieldDescribe, target: FieldDescribe) -> Column:
    """Return the column that writes a number or an instant as one text, whatever way it was read."""
    transform = Transform(
        inputs=(Input(path=source.name, type=_WRITTEN_IN_TWO_WAYS[source.type]),),
        gives=Type.TEXT,
        expression=f"text({source.name})",
        length=target.length,
    )
    return Column(target=target.name, kind=ColumnKind.TRANSFORM, transform=transform)


def constant_column(text: str, target: FieldDescribe) -> Column | Unfit:
    """Return the column that sets `target` to the constant `text`."""
    once = set_once(target, wanted=True)
    if not (writable(target) or once):
        return _not_writable(target)
    kind = ValueType.TEXT
    if text == "#N/A":
        return Unfit("constant_means_null", "cannot have this constant, which means null", "Write `=` for null.")
    if target.type in NUMBER_TYPES:
        kind = ValueType.NUMBER
        if not is_number(text):
            return Unfit("constant_no_number", "is a number, the constant is none", "Write for example `=12.5`.")
    elif target.type == "boolean":
        kind = ValueType.BOOLEAN
        if text not in _BOOLEAN_TEXTS:
            return Unfit("constant_no_boolean", "is a checkbox, the constant is neither", "Write `=true` or `=false`.")
    elif target.length and len(text) > target.length:
        return Unfit("constant_too_long", f"takes {target.length} characters at most", "Shorten the constant.")
    return Column(target=target.name, kind=ColumnKind.CONSTANT, type=kind, constant=text, create_only=once)


def is_number(text: str) -> bool:
    """Whether `text` is a decimal number as JSON and Salesforce both take it."""
    digits = text.removeprefix("-")
    whole, _, rest = digits.partition(".")
    whole_fits = whole.isascii() and whole.isdigit() and (whole == "0" or not whole.startswith("0"))
    return whole_fits and ("." not in digits or (rest.isascii() and rest.isdigit()))


def value_issues(
    where: str, source: FieldDescribe, target: FieldDescribe, renamed: Mapping[str, str] = NOTHING_RENAMED
) -> list[Issue]:
    """Return what may go wrong with single values of a pair that fits: lengths, digits, picklist values.

    `renamed` is the step's map of picklist values.
    """
    found: list[Issue] = []
    both_text = source.type in TEXT_TYPES and target.type in TEXT_TYPES
    if both_text and source.length > target.length > 0 and target.type not in PICKLIST_TYPES:
        text = f"{target.name} takes {target.length} characters in the target, {source.length} in the source"
        remedy = "Rows with longer values will fail with STRING_TOO_LONG: lengthen the field, or filter them out."
        found.append(warning("may_be_too_long", where, text, remedy))
    if (
        source.type in NUMBER_TYPES
        and target.type in NUMBER_TYPES
        and _whole_digits(source) > _whole_digits(target) > 0
    ):
        text = f"{target.name} takes {_whole_digits(target)} digits before the point, not {_whole_digits(source)}"
        remedy = "Rows with larger numbers will fail with NUMBER_OUTSIDE_VALID_RANGE: widen the field."
        found.append(warning("may_be_out_of_range", where, text, remedy))
    if source.scale > target.scale and source.type in NUMBER_TYPES and target.type in NUMBER_TYPES - {"int", "long"}:
        text = f"{target.name} keeps {target.scale} decimals, the source has {source.scale}"
        found.append(warning("decimals_rounded", where, text, "Widen the field if they matter."))
    if source.calculated:
        text = f"a change of the formula {source.name} alone does not make its record count as changed"
        remedy = "It comes with the next change of the record itself; a new first load brings all of them."
        found.append(hint("formula_source", where, text, remedy))
    if source.html_formatted and target.html_formatted:
        text = f"images in {target.name} stay in the source: its text refers to them by the source's address"
        remedy = "Upload them again in the target, if they matter there."
        found.append(hint("rich_text_images", where, text, remedy))
    found.extend(_picklist_issues(where, source, target, renamed))
    return found


def renamed_value(value: str, renamed: Mapping[str, str]) -> str:
    """Return what a map of values makes of one."""
    return renamed.get(value, renamed.get(ANY_OTHER, value))


def _picklist_issues(
    where: str, source: FieldDescribe, target: FieldDescribe, renamed: Mapping[str, str]
) -> list[Issue]:
    if target.type not in PICKLIST_TYPES or not target.restricted_picklist:
        return []
    if source.type not in PICKLIST_TYPES:
        text = f"{target.name} is a restricted picklist, the source takes any text"
        remedy = "Rows with other values will fail with INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST."
        return [warning("picklist_from_text", where, text, remedy)]
    known = set(target.picklist_values)
    missing = [value for value in source.picklist_values if renamed_value(value, renamed) not in known]
    if not missing:
        return []
    shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")  # noqa: PLR2004 - a readable handful
    if len(missing) == len(source.picklist_values):
        text = f"none of the source's values of {target.name} exists in the target's restricted picklist"
        return [
            error(
                "picklist_disjoint",
                where,
                text,
                "Add the values, map them in `picklists`, or leave the field out.",
            )
        ]
    text = f"the restricted picklist {target.name} lacks in the target: {shown}"
    return [warning("picklist_gap", where, text, "Add these values in the target, or map them in `picklists`.")]


def _value_type(source: str, target: str) -> ValueType | None:
    if source == target and source in {"date", "datetime", "time"}:
        return ValueType.TEXT
    if source in NUMBER_TYPES and target in NUMBER_TYPES:
        return ValueType.NUMBER
    if source == target == "boolean":
        return ValueType.BOOLEAN
    if target in TEXT_TYPES and target not in {"id", "email", "multipicklist"} and source != "boolean":
        return ValueType.TEXT
    if target in TEXT_TYPES and source in TEXT_TYPES:
        return ValueType.TEXT
    return None


def _whole_digits(field: FieldDescribe) -> int:
    return field.digits if field.type in {"int", "long"} else field.precision - field.scale


def _not_writable(field: FieldDescribe) -> Unfit:
    if field.calculated:
        why = "is a formula in the target"
    elif field.auto_number:
        why = "is numbered by the target itself"
    elif field.createable:
        why = "can be set on creation only, and is carried only where it is required or named in `fields`"
    else:
        why = "is read-only for the connected user in the target"
    return Unfit("read_only", why, "Leave it out, or give the user edit access to the field.")
