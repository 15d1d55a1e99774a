"""Virtual rows as stored values, CSV and JSON, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
import numpy as np

from orgsim.generate.cells import Coded, Column, Moments, Numbers, Stamp, instants
from orgsim.schema.model import FieldDef
from orgsim.store.results import Row, Value
from orgsim.store.values import csv_value, json_value, parse_date, parse_datetime

AnyColumn = Column | Coded | Moments
_T = TypeVar("_T")
_UNQUOTED: Final = frozenset({"double", "currency", "percent", "int", "boolean"})
_ENCODE: Final = msgspec.json.Encoder().encode


def rows(columns: Mapping[str, AnyColumn], fields: Mapping[str, FieldDef], places: Numbers) -> list[Row]:
    """Return these rows as they would be stored; null cells are left out."""
    names = tuple(columns)
    cells = [values(columns[name], fields.get(name), places) for name in names]
    found = [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
    for name, column in zip(names, cells, strict=True):
        if None in column:
            for place, value in enumerate(column):
                if value is None:
                    del found[place][name]
    return found


def values(column: AnyColumn, field: FieldDef | None, places: Numbers) -> list[Value]:
    """Return the stored values of one column."""
    if isinstance(column, Moments):
        return instants(column.seconds(places))
    if isinstance(column, Stamp):
        return instants(column.spread.seconds(places))
    kind = "" if field is None else field.type
    if isinstance(column, Coded) and not isinstance(column, Column):
        return _picked(column.pool, column.codes(places))
    read = _READERS.get(kind)
    texts = _texts(column, places)
    if read is not None:
        return [read(text) for text in texts]
    return [text.replace('""', '"') or None for text in texts]


def csv(columns: Sequence[AnyColumn | None], places: Numbers, *, delimiter: str, line_ending: str) -> bytes:
    """Return rows as CSV, every value quoted; None stands for a column that is null everywhere."""
    if all(column is None or isinstance(column, Column) for column in columns):
        return _csv_matrix([column if isinstance(column, Column) else None for column in columns], places,
                           delimiter=delimiter, line_ending=line_ending)  # fmt: skip
    line = '"' + f'"{delimiter}"'.join("" if column is None else "%s" for column in columns) + '"' + line_ending
    cells = [_csv_cells(column, places) for column in columns if column is not None]
    return "".join(map(line.__mod__, zip(*cells, strict=True))).encode()


def _csv_matrix(columns: Sequence[Column | None], places: Numbers, *, delimiter: str, line_ending: str) -> bytes:
    widths = [0 if column is None else column.width for column in columns]
    glue = f'"{delimiter}"'.encode()
    frame = b'"' + glue.join(b" " * width for width in widths) + b'"' + line_ending.encode()
    matrix = np.empty((len(places), len(frame)), dtype=np.uint8)
    matrix[:] = np.frombuffer(frame, dtype=np.uint8)
    place = 1
    for column, width in zip(columns, widths, strict=True):
        if column is not None:
            column.write(places, matrix[:, place : place + width])
        place += width + len(glue)
    return matrix.tobytes()


def _csv_cells(column: AnyColumn, places: Numbers) -> list[str]:
    if isinstance(column, Column):
        return _texts(column, places)
    if isinstance(column, Moments):
        return [csv_value(value) for value in instants(column.seconds(places))]
    return _picked([csv_value(value).replace('"', '""') for value in column.pool], column.codes(places))


def json(frame: str, columns: Sequence[tuple[str, FieldDef, AnyColumn | None]], own: Column, places: Numbers) -> bytes:
    """Return rows as JSON objects with commas between them.

    `frame` is the text of the attributes with `%s` for the id; `own` is the column of the id.
    """
    parts, cells = [frame], [_texts(own, places)]
    for name, field, column in columns:
        key = _ENCODE(name).decode().replace("%", "%%")
        if column is None:
            parts.append(f"{key}:{'false' if field.type == 'boolean' else 'null'}")
            continue
        parts.append(f"{key}:%s")
        cells.append(json_cells(column, field, places))
    return ",".join(map(("{" + ",".join(parts) + "}").__mod__, zip(*cells, strict=True))).encode()


def json_cells(column: AnyColumn, field: FieldDef, places: Numbers) -> list[str]:
    """Return the values of one column as JSON texts."""
    if isinstance(column, Stamp):
        return [f'"{text[:-1]}+0000"' for text in _texts(column, places)]
    if isinstance(column, Coded):
        kind = field.type
        read = _READERS.get(kind)
        pool = [read(value) if read is not None and isinstance(value, str) else value for value in column.pool]
        return _picked([_ENCODE(json_value(value)).decode() for value in pool], column.codes(places))
    if isinstance(column, Column) and field.type in _UNQUOTED:
        return _texts(column, places)
    if isinstance(column, Column) and field.type in {"id", "reference"}:
        return [f'"{text}"' for text in _texts(column, places)]
    return [_ENCODE(json_value(value)).decode() for value in values(column, field, places)]


def _texts(column: Column, places: Numbers) -> list[str]:
    """Return the cells of a column as it writes them, quotes doubled."""
    width = column.width
    target = np.empty((len(places), width), dtype=np.uint8)
    column.write(places, target)
    raw = target.tobytes()
    if raw.isascii():
        text = raw.decode()
        return [text[at : at + width] for at in range(0, len(places) * width, width)]
    return [raw[at : at + width].decode() for at in range(0, len(places) * width, width)]


def _picked(pool: Sequence[_T], codes: Numbers) -> list[_T]:
    return [pool[code] for code in codes.tolist()]


def _truth(cell: str) -> Value:
    return cell == "true"


_READERS: Final[dict[str, Callable[[str], Value]]] = {
    "double": float, "currency": float, "percent": float, "int": int, "boolean": _truth,
    "datetime": parse_datetime, "date": parse_date,
}  # fmt: skip
