"""CSV as Bulk API 2.0 has it: six delimiters, two line endings, every value quoted on the way out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from orgsim.wire import ApiError

DELIMITERS: Final = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
LINE_ENDINGS: Final = {"LF": "\n", "CRLF": "\r\n"}
FIELD_CHARACTERS_MAX: Final = 131_072
"""Longest cell that Salesforce can store (long text area); beyond it the row is malformed."""


class BadCsv(Exception):
    """The upload cannot be read as the job declared it; `message` becomes the job's errorMessage."""

    def __init__(self, message: str) -> None:
        super().__init__(message.partition(":")[0].strip())
        self.message = message


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names of a job's delimiter and line ending, and what they stand for."""

    delimiter_name: str = "COMMA"
    line_ending_name: str = "LF"

    @property
    def delimiter(self) -> str:
        """The character between cells."""
        return DELIMITERS[self.delimiter_name]

    @property
    def line_ending(self) -> str:
        """The characters behind each row."""
        return LINE_ENDINGS[self.line_ending_name]

    def row(self, cells: Sequence[str]) -> str:
        """Return one line, every cell quoted."""
        return '"' + f'"{self.delimiter}"'.join(cell.replace('"', '""') for cell in cells) + f'"{self.line_ending}'


def parse_dialect(delimiter: object, line_ending: object) -> Dialect:
    """Return the dialect of a job request; ApiError INVALIDJOB for unknown names."""
    delimiter_name = str(delimiter or "COMMA").upper()
    ending_name = str(line_ending or "LF").upper()
    if delimiter_name not in DELIMITERS:
        raise ApiError(400, "INVALIDJOB", f"Unsupported column delimiter: {delimiter_name}")
    if ending_name not in LINE_ENDINGS:
        raise ApiError(400, "INVALIDJOB", f"Unsupported line ending: {ending_name}")
    return Dialect(delimiter_name, ending_name)


def read_rows(body: bytes, dialect: Dialect) -> Iterator[list[str]]:
    """Yield the header and then each row; BadCsv where the text does not fit the declared form.

    Decodes as it goes, so that a large upload is not held twice.
    """
    _check_line_ending(body, dialect)
    text = io.TextIOWrapper(io.BytesIO(body), encoding="utf-8-sig", newline="")
    csv.field_size_limit(FIELD_CHARACTERS_MAX)
    rows = csv.reader(text, delimiter=dialect.delimiter, doublequote=True, strict=True)
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except UnicodeDecodeError:
            message = "ClientInputError : The data is not valid UTF-8"
            raise BadCsv(message) from None
        except csv.Error as broken:
            message = f"InvalidBatch : Failed to parse CSV at line {rows.line_num}: {broken}"
            raise BadCsv(message) from None
        if cells:
            yield cells


def _check_line_ending(body: bytes, dialect: Dialect) -> None:
    end = body.find(b"\n")
    if end < 0:
        return
    has_return = end > 0 and body[end - 1 : end] == b"\r"
    if has_return != (dialect.line_ending_name == "CRLF"):
        message = (
            "ClientInputError : LineEnding is invalid on user data. "
            f"Current LineEnding setting is {dialect.line_ending_name}"
        )
        raise BadCsv(message)
