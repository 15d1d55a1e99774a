"""Custom fields as their Metadata describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, cast

from orgsim.schema.model import FieldDef, PicklistValue
from orgsim.wire import ApiError, NotEmulated

TEXT_LENGTH_MAX: Final = 255
INTEGRITY: Final = "FIELD_INTEGRITY_EXCEPTION"
_EXTERNAL_ID_TYPES: Final = frozenset({"Text", "Number", "Email", "AutoNumber"})

Metadata = Mapping[str, object]


def make_field(name: str, metadata: Metadata) -> FieldDef:
    """Return a field as the Metadata describes it; ApiError for impossible, NotEmulated for unknown types."""
    kind = str(metadata.get("type") or "")
    maker = _MAKERS.get(kind)
    if maker is None:
        what = f"custom fields of type {kind!r}"
        raise NotEmulated(what)
    label = str(metadata.get("label") or name.removesuffix("__c").replace("_", " "))
    made = maker(FieldDef(name=name, type="string", label=label, custom=True), metadata)
    made.inline_help_text = _text(metadata, "inlineHelpText")
    made.external_id = metadata.get("externalId") is True
    made.unique = metadata.get("unique") is True
    made.case_sensitive = made.unique and metadata.get("caseSensitive") is True
    if made.external_id and kind not in _EXTERNAL_ID_TYPES:
        raise ApiError(400, INTEGRITY, f"externalId is not allowed for a field of type {kind}")
    made.id_lookup = made.external_id or made.unique
    if metadata.get("required") is True and kind != "Checkbox":
        made.nillable = made.permissionable = False
    return made


def _text(metadata: Metadata, name: str) -> str | None:
    value = metadata.get(name)
    return value if isinstance(value, str) else None


def _number(metadata: Metadata, name: str, default: int) -> int:
    value = metadata.get(name, default)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise ApiError(400, INTEGRITY, f"{name} must be a whole number")
    return value


def _sized(made: FieldDef, kind: str, length: int) -> FieldDef:
    made.type, made.length, made.byte_length = kind, length, length * 3
    return made


def _make_text(made: FieldDef, metadata: Metadata) -> FieldDef:
    length = _number(metadata, "length", 0)
    if not 1 <= length <= TEXT_LENGTH_MAX:
        raise ApiError(400, INTEGRITY, f"Length must be between 1 and {TEXT_LENGTH_MAX}")
    return _sized(made, "string", length)


def _fixed(kind: str, length: int) -> Callable[[FieldDef, Metadata], FieldDef]:
    return lambda made, _: _sized(made, kind, length)


def _typed(kind: str, soap: str) -> Callable[[FieldDef, Metadata], FieldDef]:
    def make(made: FieldDef, _: Metadata) -> FieldDef:
        made.type, made.soap_type = kind, soap
        return made

    return make


def _make_long_text(made: FieldDef, metadata: Metadata) -> FieldDef:
    length = _number(metadata, "length", 32768)
    if not 256 <= length <= 131_072:
        raise ApiError(400, INTEGRITY, "Length must be between 256 and 131072")
    made.filterable = made.sortable = made.groupable = made.aggregatable = False
    made.extra_type_info = "plaintextarea"
    return _sized(made, "textarea", length)


def _make_checkbox(made: FieldDef, metadata: Metadata) -> FieldDef:
    made.type, made.soap_type, made.nillable, made.defaulted_on_create = "boolean", "xsd:boolean", False, True
    made.default_value = metadata.get("defaultValue") in {True, "true"}
    made.aggregatable = False
    return made


def _make_number(kind: str) -> Callable[[FieldDef, Metadata], FieldDef]:
    def make(made: FieldDef, metadata: Metadata) -> FieldDef:
        made.type, made.soap_type = kind, "xsd:double"
        made.precision, made.scale = _number(metadata, "precision", 18), _number(metadata, "scale", 0)
        if not 0 <= made.scale <= made.precision <= 18 or made.precision < 1:
            raise ApiError(400, INTEGRITY, "Precision must be between 1 and 18 and not smaller than scale")
        made.groupable = False
        return made

    return make


def _make_picklist(kind: str) -> Callable[[FieldDef, Metadata], FieldDef]:
    def make(made: FieldDef, metadata: Metadata) -> FieldDef:
        value_set = cast("Mapping[str, object]", metadata.get("valueSet") or {})
        chosen = cast("Mapping[str, object]", value_set.get("valueSetDefinition") or {})
        entries = cast("list[Mapping[str, object]]", chosen.get("value") or [])
        for entry in entries:
            value = str(entry.get("valueName") or entry.get("fullName") or "")
            label = str(entry.get("label") or value)
            made.picklist_values.append(PicklistValue(value, label, default_value=entry.get("default") is True))
        made.restricted_picklist = value_set.get("restricted") is True
        return _sized(made, kind, 255 if kind == "picklist" else 4099)

    return make


def _make_lookup(made: FieldDef, metadata: Metadata) -> FieldDef:
    parent = _text(metadata, "referenceTo")
    if not parent:
        raise ApiError(400, INTEGRITY, "referenceTo is missing")
    made.reference_to = [parent]
    made.relationship_name = made.name.removesuffix("__c") + "__r"
    made.soap_type = "tns:ID"
    _sized(made, "reference", 18)
    made.byte_length = 18
    return made


_MAKERS: Final[dict[str, Callable[[FieldDef, Metadata], FieldDef]]] = {
    "Text": _make_text,
    "TextArea": _fixed("textarea", 255),
    "LongTextArea": _make_long_text,
    "Email": _fixed("email", 80),
    "Phone": _fixed("phone", 40),
    "Url": _fixed("url", 255),
    "Checkbox": _make_checkbox,
    "Number": _make_number("double"),
    "Currency": _make_number("currency"),
    "Percent": _make_number("percent"),
    "Date": _typed("date", "xsd:date"),
    "DateTime": _typed("datetime", "xsd:dateTime"),
    "Time": _typed("time", "xsd:time"),
    "Picklist": _make_picklist("picklist"),
    "MultiselectPicklist": _make_picklist("multipicklist"),
    "Lookup": _make_lookup,
}
