"""Rows of a CSV stream as they complete: quoted cells may hold anything, chunks end anywhere.

For the short lists that Salesforce writes about a job (failed and unprocessed rows), not for the record path.
"""

from __future__ import annotations

import re
from typing import Final

ROW_BYTES_MAX: Final = 4 * 1024 * 1024
"""A row of Salesforce's has at most 400,000 characters."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CELL = re.compile(rb'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n)')


class BadCsv(Exception):
    """The stream is no CSV. The message names the rule, never a value."""


class CsvRows:
    """Feed chunks, take rows; cells are bytes."""

    def __init__(self) -> None:
        """Begin before the header row."""
        self._pending = bytearray()
        self._begun = False

    def feed(self, chunk: bytes) -> list[list[bytes]]:
        """Return the rows that `chunk` completes. Raises `BadCsv`."""
        self._pending += chunk
        border = self._last_row_end()
        if border < 0:
            if len(self._pending) > ROW_BYTES_MAX:
                message = "a row is too long"
                raise BadCsv(message)
            return []
        block = bytes(self._pending[: border + 1])
        if not self._begun:
            self._begun, block = True, block.removeprefix(_BYTE_ORDER_MARK)
        del self._pending[: border + 1]
        return _rows(block)

    def finish(self) -> list[list[bytes]]:
        """Return the last row if the stream did not end in a line end. Raises `BadCsv` inside a quoted cell."""
        return self.feed(b"\n") if self._pending else []

    def _last_row_end(self) -> int:
        """Return the place of the last line end that is outside quotes, -1 if there is none."""
        end = len(self._pending)
        quotes = self._pending.count(b'"')
        while (end := self._pending.rfind(b"\n", 0, end)) >= 0:
            if (quotes - self._pending.count(b'"', end)) % 2 == 0:
                return end
        return -1


def _rows(block: bytes) -> list[list[bytes]]:
    rows: list[list[bytes]] = []
    row: list[bytes] = []
    position = 0
    while position < len(block):
        match = _CELL.match(block, position)
        if match is None:
            message = "a quote stands where none may stand"
            raise BadCsv(message)
        quoted, plain, ending = match.groups()
        row.append(quoted.replace(b'""', b'"') if quoted is not None else plain)
        if ending != b",":
            rows.append(row)
            row = []
        position = match.end()
    return rows
