"""Reads orgsim's own schema files (`data/*.txt`, `data/*.list`) into object definitions.

One file per object. Lines, in this order:

    object NAME PREFIX LABEL PLURAL     PREFIX `-` where there is none; labels in double quotes if they have blanks
    true FLAG ...                       the top-level flags that are true, by their describe names
    urls KEY ...                        keys of `urls` beside sobject, describe and rowTemplate
    setup                               rows may not be written together with data rows (MIXED_DML_OPERATION)
    recordtypes                         the object has record types (the master one at least)
    scope NAME LABEL                    one line per supported scope
    fields                              then one line per field, in describe order
    children                            then one line per child relationship

A field:  NAME TYPE [Llength] [pPRECISIONsSCALE] [dgDIGITS] +FLAGS "LABEL" [key=value ...] [: picklist]
A child:  OBJECT.FIELD RELATIONSHIP|- [+xyH] [junction=A|B to=C|D]

Flags are the letters of `_FIELD_FLAGS`. What follows from the type is not written: soapType, byteLength (three times
the length; once for ids) and `defaultValue: false` of booleans; `soap=`, `bytes=` and `def=` state exceptions.
A picklist is `entry|entry` or `@list`; an entry is [!inactive][*default]VALUE[~LABEL][^VALIDFOR]. `lists.list` holds
the named lists, `Global.list` the objects that a real org lists besides those described here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from typing import Final

from orgsim.schema.model import ChildRelationship, FieldDef, ObjectDef, PicklistValue, RecordTypeInfo


class SchemaFileFault(ValueError):
    """A schema file breaks the notation; the message names the file and the line's first word."""


_FIELD_FLAGS: Final[Mapping[str, str]] = {
    "c": "createable",
    "u": "updateable",
    "n": "nillable",
    "d": "defaulted_on_create",
    "f": "filterable",
    "s": "sortable",
    "g": "groupable",
    "a": "aggregatable",
    "X": "external_id",
    "L": "id_lookup",
    "Q": "unique",
    "A": "auto_number",
    "K": "calculated",
    "N": "name_field",
    "P": "name_pointing",
    "M": "polymorphic_foreign_key",
    "R": "restricted_picklist",
    "p": "permissionable",
    "D": "query_by_distance",
    "S": "search_prefilterable",
    "Z": "case_sensitive",
    "x": "cascade_delete",
    "y": "restricted_delete",
    "w": "write_requires_master_read",
    "e": "encrypted",
    "h": "html_formatted",
    "B": "dependent_picklist",
    "l": "display_location_in_decimal",
    "V": "high_scale_number",
    "i": "ai_prediction_field",
    "C": "custom",
    "H": "deprecated_and_hidden",
    "T": "formula_treat_null_number_as_zero",
}
_SOAP_TYPES: Final[Mapping[str, str]] = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "int": "xsd:int",
    "long": "xsd:long",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "time": "xsd:time",
    "base64": "xsd:base64Binary",
    "address": "urn:address",
    "location": "urn:location",
}
_TEXT_KEYS: Final[Mapping[str, str]] = {
    "rel": "relationship_name",
    "cmp": "compound_field_name",
    "xt": "extra_type_info",
    "ctl": "controller_name",
    "formula": "calculated_formula",
    "deff": "default_value_formula",
    "help": "inline_help_text",
    "mask": "mask",
    "masktype": "mask_type",
    "rtf": "reference_target_field",
    "soap": "soap_type",
    "def": "default_value",
}
_TOKEN: Final = re.compile(r'(?:[^\s"]+=)?"[^"]*"|\S+')
_SIZE: Final = re.compile(r"p(\d+)s(\d+)")
_ZONE: Final = re.compile(r"([+-]\d\d:\d\d) ([^ =]+)(?:=(\S+))? (.+)")
_WORD_EDGE: Final = re.compile(r"(?<!^)(?=[A-Z])")

Lists = Mapping[str, list[PicklistValue]]


def load_objects() -> dict[str, ObjectDef]:
    """Return fresh, unshared definitions of every object that orgsim describes, by lower-case name."""
    lists = _load_lists()
    folder = files("orgsim.schema") / "data"
    texts = sorted((entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".txt"))
    found = (parse_object(text, lists, source=name) for name, text in texts)
    return {entry.name.lower(): entry for entry in found}


def load_listed() -> list[ObjectDef]:
    """Return the objects that a real org lists in describe global and orgsim does not have; they have no fields."""
    text = (files("orgsim.schema") / "data" / "Global.list").read_text("utf-8")
    return [_listed(tokens) for tokens in map(_tokens, _lines(text)) if tokens[0] == "listed"]


def soap_type_of(type_name: str) -> str:
    """Return the soapType that goes with a field type."""
    return _SOAP_TYPES.get(type_name, "xsd:string")


def parse_object(text: str, lists: Lists, *, source: str) -> ObjectDef:
    """Return the object that a schema file states; SchemaFileFault where it breaks the notation."""
    lines = _lines(text)
    entry = ObjectDef(name="", createable=False, deletable=False, queryable=False, replicateable=False)
    entry.retrieveable = entry.updateable = False
    entry.record_type_infos, entry.supported_scopes = [], []
    section: Callable[[str], None] | None = None
    sections: dict[str, Callable[[str], None]] = {
        "fields": lambda line: entry.fields.append(parse_field(line, lists)),
        "children": lambda line: entry.child_relationships.append(_child(_tokens(line))),
    }
    for line in lines:
        try:
            if line in sections:
                section = sections[line]
            elif section is not None:
                section(line)
            else:
                _header(entry, _tokens(line))
        except (KeyError, ValueError, IndexError, AttributeError) as fault:
            message = f"{source}: {line.split(' ', 1)[0]}: {type(fault).__name__}"
            raise SchemaFileFault(message) from fault
    return entry


def parse_field(line: str, lists: Lists) -> FieldDef:
    """Return the field that one line states; KeyError or ValueError where it breaks the notation."""
    head, _, picklist = line.partition(" : ")
    name, type_name, *rest = _tokens(head)
    entry = FieldDef(name, type_name, soap_type=soap_type_of(type_name))
    entry.aggregatable = entry.createable = entry.filterable = entry.groupable = False
    entry.nillable = entry.permissionable = entry.sortable = entry.updateable = False
    if type_name == "boolean":
        entry.default_value = False
    explicit_bytes: int | None = None
    for token in rest:
        if token.startswith('"'):
            entry.label = token[1:-1]
        elif token.startswith("+"):
            for letter in token[1:]:
                setattr(entry, _FIELD_FLAGS[letter], True)
        elif "=" in token:
            key, _, value = token.partition("=")
            value = value.strip('"')
            if key == "bytes":
                explicit_bytes = int(value)
            else:
                _set_keyed(entry, key, value)
        else:
            _set_size(entry, token)
    per_character = 1 if type_name in {"id", "reference"} else 3
    entry.byte_length = entry.length * per_character if explicit_bytes is None else explicit_bytes
    if picklist:
        entry.picklist_values = _picklist(picklist, lists)
    return entry


def _set_keyed(entry: FieldDef, key: str, value: str) -> None:
    match key:
        case "ref":
            entry.reference_to = value.split("|")
        case "since":
            entry.since_version = int(value)
        case _:
            setattr(entry, _TEXT_KEYS[key], value)


def _set_size(entry: FieldDef, token: str) -> None:
    if token.startswith("dg"):
        entry.digits = int(token[2:])
    elif token.startswith("L"):
        entry.length = int(token[1:])
    elif (size := _SIZE.fullmatch(token)) is not None:
        entry.precision, entry.scale = int(size[1]), int(size[2])
    else:
        raise ValueError(token)


def _header(entry: ObjectDef, tokens: list[str]) -> None:
    match tokens:
        case ["object", name, prefix, label, plural]:
            entry.name, entry.label, entry.label_plural = name, label.strip('"'), plural.strip('"')
            entry.key_prefix = None if prefix == "-" else prefix
        case ["true", *flags]:
            _set_true(entry, flags)
        case ["urls", *keys]:
            entry.urls = keys
        case ["setup"]:
            entry.setup = True
        case ["recordtypes"]:
            entry.record_type_infos = [RecordTypeInfo()]
        case ["scope", name, label]:
            entry.supported_scopes.append((name, label.strip('"')))
        case _:
            raise ValueError(tokens[0])


def _set_true(entry: ObjectDef, flags: Iterable[str]) -> None:
    for flag in flags:
        attribute = _WORD_EDGE.sub("_", flag).lower()
        getattr(entry, attribute)  # AttributeError here names a flag that does not exist
        setattr(entry, attribute, True)


def _child(tokens: list[str]) -> ChildRelationship:
    target, relationship, *rest = tokens
    child, _, field_name = target.partition(".")
    entry = ChildRelationship(child, field_name, None if relationship == "-" else relationship)
    for token in rest:
        key, _, value = token.partition("=")
        if key == "junction":
            entry.junction_id_list_names = value.split("|")
        elif key == "to":
            entry.junction_reference_to = value.split("|")
        elif token.startswith("+"):
            entry.cascade_delete = "x" in token
            entry.restricted_delete = "y" in token
            entry.deprecated_and_hidden = "H" in token
        else:
            raise ValueError(token)
    return entry


def _listed(tokens: list[str]) -> ObjectDef:
    _, name, prefix, label, plural, *rest = tokens
    keyed = dict(token.split("=", 1) for token in rest)
    entry = ObjectDef(name=name, createable=False, deletable=False, queryable=False, replicateable=False)
    entry.retrieveable = entry.updateable = False
    _header(entry, ["object", name, prefix, label, plural])
    _set_true(entry, [flag for flag in keyed["true"].split("|") if flag])
    entry.urls = [] if keyed["urls"] == "-" else keyed["urls"].split("|")
    if "of" in keyed:
        parent, _, kind = keyed["of"].partition(":")
        entry.associate_parent_entity, entry.associate_entity_type = parent, kind
    return entry


def _picklist(text: str, lists: Lists) -> list[PicklistValue]:
    if text.startswith("@"):
        return [replace(value) for value in lists[text[1:]]]
    return [_picklist_value(entry) for entry in text.split("|")]


def _picklist_value(text: str) -> PicklistValue:
    text, _, valid_for = text.partition("^")
    active = not text.startswith("!")
    text = text.removeprefix("!")
    default = text.startswith("*")
    value, _, label = text.removeprefix("*").partition("~")
    return PicklistValue(value, label or value, active, default, valid_for or None)


def _load_lists() -> dict[str, list[PicklistValue]]:
    text = (files("orgsim.schema") / "data" / "lists.list").read_text("utf-8")
    lists: dict[str, list[PicklistValue]] = {}
    current: list[PicklistValue] = []
    zones = False
    for line in _lines(text):
        kind, _, name = line.partition(" ")
        if kind in {"list", "zones"} and " " not in name:
            current = lists.setdefault(name, [])
            zones = kind == "zones"
        else:
            current.append(_zone(line) if zones else _picklist_value(line))
    return lists


def _zone(line: str) -> PicklistValue:
    parts = _ZONE.fullmatch(line)
    if parts is None:
        raise SchemaFileFault(line)
    offset, value, shown, name = parts.groups()
    return PicklistValue(value, f"(GMT{offset}) {name} ({shown or value})")


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _tokens(line: str) -> list[str]:
    return _TOKEN.findall(line)


def iter_fields(objects: Mapping[str, ObjectDef]) -> Iterator[tuple[ObjectDef, FieldDef]]:
    """Yield every field of every object with its object."""
    for entry in objects.values():
        for field in entry.fields:
            yield entry, field
