"""The three forms of Bulk API 1.0: what an upload says, and how results are written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

import msgspec

from orgsim.bulk.dialect import FIELD_CHARACTERS_MAX, Dialect
from orgsim.bulk1.jobs import Batch, Job
from orgsim.soql.result import StreamColumn
from orgsim.store.results import SaveResult, Value
from orgsim.store.values import csv_value
from orgsim.xmltree import XSI_NAMESPACE, BadXml, Element, parse_xml, write_xml

NAMESPACE: Final = ' xmlns="http://www.force.com/2009/06/asyncapi/dataload"'
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'
EMPTY_QUERY: Final = "Records not found for this query"
_LINES: Final = Dialect()
_NULL: Final = "#N/A"
_IS_RECORD: Final = {"xsi:type": "sObject"}


class BadBatch(Exception):
    """The upload cannot be read; `message` becomes the batch's stateMessage."""

    def __init__(self, message: str) -> None:
        super().__init__("InvalidBatch")
        self.message = f"InvalidBatch : {message}"


def read_batch(job: Job, upload: bytes) -> list[dict[str, object]]:
    """Return the rows of an upload; cells are text for CSV and XML, JSON values for JSON. BadBatch if unreadable."""
    if job.content == "JSON":
        return _from_json(upload)
    return _from_csv(upload) if job.content == "CSV" else _from_xml(upload)


def _from_json(upload: bytes) -> list[dict[str, object]]:
    try:
        value = json.loads(upload)
    except ValueError:
        message = "Failed to parse JSON"
        raise BadBatch(message) from None
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in cast("list[object]", value)):
        message = "Records not found or not an array"
        raise BadBatch(message)
    return cast("list[dict[str, object]]", value)


def _from_csv(upload: bytes) -> list[dict[str, object]]:
    csv.field_size_limit(FIELD_CHARACTERS_MAX)
    try:
        lines = [cells for cells in csv.reader(io.StringIO(upload.decode("utf-8-sig"), newline="")) if cells]
    except (UnicodeDecodeError, csv.Error):
        message = "Failed to parse CSV"
        raise BadBatch(message) from None
    if not lines:
        return []
    header, *rows = lines
    if any(len(cells) > len(header) for cells in rows):
        message = "Failed to parse CSV: a row has more columns than the header"
        raise BadBatch(message)
    return [dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=True)) for cells in rows]


def _from_xml(upload: bytes) -> list[dict[str, object]]:
    try:
        root = parse_xml(upload)
    except BadXml:
        message = "Failed to parse XML"
        raise BadBatch(message) from None
    return [dict(_cells(entry)) for entry in root.all("sObject")]


def _cells(entry: Element) -> Iterable[tuple[str, str]]:
    for child in entry.children:
        parent = child.find("sObject")
        if parent is not None:
            yield from ((f"{child.name}.{cell.name}", cell.text) for cell in parent.children if cell.name != "type")
        elif child.name != "type":
            yield child.name, _NULL if child.is_nil else child.text


def write_results(job: Job, results: Sequence[SaveResult]) -> tuple[bytes, str]:
    """Return the result of an ingest batch and its content type."""
    if job.content == "JSON":
        return msgspec.json.encode([_entry(result) for result in results]), "application/json"
    if job.content == "XML":
        inner = "".join(write_xml("result", _xml_entry(result)) for result in results)
        return f"{DECLARATION}<results{NAMESPACE}{XSI_NAMESPACE}>{inner}</results>".encode(), "application/xml"
    lines = [_LINES.row(("Id", "Success", "Created", "Error"))]
    for result in results:
        errors = "".join(error.bulk_text() for error in result.errors)
        lines.append(_LINES.row((result.id, _flag(result.success), _flag(result.created), errors)))
    return "".join(lines).encode(), "text/csv"


def _flag(value: bool) -> str:  # noqa: FBT001  # a value to show, not an option
    return "true" if value else "false"


def _entry(result: SaveResult) -> dict[str, object]:
    errors = [error.collection_entry() | {"extendedErrorDetails": None} for error in result.errors]
    return {"success": result.success, "created": result.created, "id": result.id or None, "errors": errors}


def _xml_entry(result: SaveResult) -> Mapping[str, object]:
    errors = [
        {"fields": list(error.fields), "message": error.message, "statusCode": error.code} for error in result.errors
    ]
    shown: dict[str, object] = {"errors": errors} if errors else {}
    if result.id:
        shown["id"] = result.id
    return shown | {"success": result.success, "created": result.created}


def write_rows(columns: Sequence[StreamColumn], rows: Iterable[list[Value]]) -> tuple[bytes, int]:
    """Return the CSV result of a query batch and the number of its rows."""
    lines = [_LINES.row([csv_value(value) for value in row]) for row in rows]
    head = _LINES.row([column.name for column in columns]) if lines else f'"{EMPTY_QUERY}"\n'
    return (head + "".join(lines)).encode(), len(lines)


def write_records(job: Job, records: Iterable[Mapping[str, object]]) -> tuple[bytes, int]:
    """Return the JSON or XML result of a query batch and the number of its rows."""
    every = list(records)
    if job.content == "JSON":
        return msgspec.json.encode(every), len(every)
    inner = "".join(write_xml("records", _shown(record), _IS_RECORD) for record in every)
    text = f"{DECLARATION}<queryResult{NAMESPACE}{XSI_NAMESPACE}>{inner}</queryResult>"
    return text.encode(), len(every)


def _shown(record: Mapping[str, object]) -> dict[str, object]:
    """Return a record as XML has it: its type, its Id first (and again where it was selected), then the fields."""
    kind = cast("Mapping[str, object]", record["attributes"])["type"]
    shown: dict[str, object] = {"type": kind, "Id": [record["Id"], record["Id"]] if "Id" in record else None}
    for name, value in record.items():
        if name not in {"attributes", "Id"}:
            is_record = isinstance(value, Mapping) and "attributes" in value
            shown[name] = _shown(cast("Mapping[str, object]", value)) if is_record else value
    return shown


def result_list(batch: Batch, *, as_json: bool) -> tuple[bytes, str]:
    """Return the ids of a query batch's results, in their short form, and the content type."""
    short = batch.result_id[:15]
    if as_json:
        return msgspec.json.encode([short]), "application/json"
    inner = write_xml("result", short)
    return f"{DECLARATION}<result-list{NAMESPACE}>{inner}</result-list>".encode(), "application/xml"


def content_type(job: Job) -> str:
    """Return the content type of a job's data."""
    return {"CSV": "text/csv", "JSON": "application/json", "XML": "application/xml"}[job.content]
