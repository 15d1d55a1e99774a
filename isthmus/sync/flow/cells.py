"""One cell of strict CSV: its text, and back."""

from __future__ import annotations


class MalformedCsv(Exception):
    """The export is not strict CSV with the expected columns. The message names the rule, never the content."""


def decoded_cell(cell: bytes) -> str | None:
    """Return the text of one strict CSV cell, None if it is empty (null in an export). Raises `MalformedCsv`."""
    if cell.startswith(b'"'):
        cell = cell[1:-1].replace(b'""', b'"')
    if not cell:
        return None
    try:
        return cell.decode()
    except UnicodeDecodeError:
        message = "the text is UTF-8"
        raise MalformedCsv(message) from None


def encoded_cell(text: str) -> bytes:
    """Return `text` as one quoted cell."""
    return b'"' + text.encode().replace(b'"', b'""') + b'"'
