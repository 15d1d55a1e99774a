"""`orgsim serve --load DIR`: describes and records from files, on top of what the profile made.

    NAME.describe.json   the answer of GET /sobjects/NAME/describe. A known object gets the fields it lacks, an unknown
                         one is made
    NAME.json            an array of records, or an object with a key `records` (a query answer); `attributes` are
                         ignored
    NAME.jsonl           one record per line
    NAME.csv             a header of field names, then rows; empty cells are null

Describes come first, then records by file name. No rule of the platform is checked; ids are kept, so that references
between files hold.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import msgspec

from orgsim.describe import field_attributes, flag_attributes
from orgsim.errors import ApiError
from orgsim.schema.model import ChildRelationship, FieldDef, ObjectDef, PicklistValue
from orgsim.store.complete import complete_row, typed_values
from orgsim.store.results import Row

if TYPE_CHECKING:
    from orgsim.org import Org

_DESCRIBE: Final = ".describe.json"
_CHUNK_ROWS: Final = 2000
_CELL_CHARACTERS_MAX: Final = 200_000
Record = Mapping[str, object]


class LoadFault(ValueError):
    """A file cannot be loaded; the message names the file and the reason."""


def load_folder(org: Org, folder: Path, admin_id: str) -> None:
    """Load all files of a folder; LoadFault if one does not fit."""
    if not folder.is_dir():
        message = f"{folder} is not a folder"
        raise LoadFault(message)
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".json", ".jsonl", ".csv"})
    for path in sorted(paths, key=lambda path: not path.name.endswith(_DESCRIBE)):
        try:
            if path.name.endswith(_DESCRIBE):
                _load_describe(org, msgspec.json.decode(path.read_bytes(), type=dict[str, object]))
            else:
                _load_records(org, path, admin_id)
        except ApiError as refused:
            message = f"{path.name}: {refused.message}"
            raise LoadFault(message) from None
        except (msgspec.DecodeError, UnicodeDecodeError, csv.Error, OSError, KeyError, TypeError) as broken:
            message = f"{path.name}: cannot be read as {path.suffix[1:]} ({type(broken).__name__})"
            raise LoadFault(message) from None


def _load_records(org: Org, path: Path, admin_id: str) -> None:
    definition = org.objects.get(path.stem.lower())
    if definition is None:
        raise ApiError(400, "INVALID_TYPE", f"there is no object {path.stem}; give {path.stem}{_DESCRIBE} too")
    chunk: list[Row] = []
    is_text = path.suffix == ".csv"
    for record in _records(path):
        values = {name: value for name, value in record.items() if name != "attributes"}
        changes = typed_values(definition, values, text=is_text)
        chunk.append(complete_row(org, definition, changes, admin_id))
        if len(chunk) == _CHUNK_ROWS:
            org.load(definition.name, chunk)
            chunk = []
    org.load(definition.name, chunk)


def _records(path: Path) -> Iterator[Record]:
    if path.suffix == ".csv":
        csv.field_size_limit(_CELL_CHARACTERS_MAX)
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file, strict=True):
                yield {name: cell or None for name, cell in row.items()}
    elif path.suffix == ".jsonl":
        with path.open("rb") as file:
            yield from (msgspec.json.decode(line, type=dict[str, object]) for line in file if line.strip())
    else:
        content = msgspec.json.decode(path.read_bytes(), type=list[dict[str, object]] | dict[str, object])
        yield from content if isinstance(content, list) else cast("list[Record]", content["records"])


def _load_describe(org: Org, answer: Record) -> None:
    name = str(answer["name"])
    fields = [_field(entry) for entry in cast("Iterable[Record]", answer["fields"])]
    known = org.objects.get(name.lower())
    if known is not None:
        for field in fields:
            if known.field(field.name) is None:
                known.add_field(field)
        org.metadata_changed()
        return
    definition = ObjectDef(
        name,
        str(answer.get("label") or name),
        str(answer.get("labelPlural") or name),
        _free_prefix(org, answer.get("keyPrefix")),
        fields=fields,
    )
    for shown, attribute in flag_attributes().items():
        if isinstance(answer.get(shown), bool):
            setattr(definition, attribute, answer[shown])
    for child in cast("Iterable[Record]", answer.get("childRelationships") or ()):
        _let_point_at(org, child, name)
        definition.child_relationships.append(
            ChildRelationship(
                str(child["childSObject"]),
                str(child["field"]),
                cast("str | None", child.get("relationshipName")),
                cascade_delete=bool(child.get("cascadeDelete")),
                restricted_delete=bool(child.get("restrictedDelete")),
            )
        )
    org.add_object(definition)


def _let_point_at(org: Org, child: Record, name: str) -> None:
    """Let a lookup of several kinds, such as Task.WhatId, point at the new object, as its describe says it does."""
    owner = org.objects.get(str(child["childSObject"]).lower())
    reference = None if owner is None else owner.field(str(child["field"]))
    if reference is not None and reference.polymorphic_foreign_key and name not in reference.reference_to:
        reference.reference_to.append(name)


def _free_prefix(org: Org, wanted: object) -> str:
    if isinstance(wanted, str) and org.object_of_id(wanted) is None:
        return wanted
    return next(prefix for number in count() if org.object_of_id(prefix := f"z{number:02d}") is None)


def _field(entry: Record) -> FieldDef:
    made = FieldDef(str(entry["name"]), str(entry["type"]))
    for shown, attribute in field_attributes():
        if attribute not in {"name", "type", "picklist_values"} and entry.get(shown) is not None:
            setattr(made, attribute, entry[shown])
    for value in cast("Iterable[Record]", entry.get("picklistValues") or ()):
        made.picklist_values.append(
            PicklistValue(
                str(value["value"]),
                str(value.get("label") or value["value"]),
                active=bool(value.get("active", True)),
                default_value=bool(value.get("defaultValue")),
                valid_for=cast("str | None", value.get("validFor")),
            )
        )
    return made
