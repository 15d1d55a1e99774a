"""Files in parts: what a large audit writes and reads goes by a piece at a time, and no file is held as a whole. Pure.

The parts of a file, joined, are its bytes; where it is cut has no meaning.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, TypeVar, cast

import msgspec

ROWS_A_PART: Final = 500
PIECE_BYTES: Final = 8 * 1024**2
Parts = Iterable[bytes]
Row = TypeVar("Row")
Item = TypeVar("Item")


class PartedFiles(Mapping[str, bytes], ABC):
    """Files by name, each of which can be had in parts."""

    @abstractmethod
    def parts(self, name: str) -> Parts:
        """Return the file in parts. Raises `KeyError` if there is none of that name."""

    def __getitem__(self, name: str) -> bytes:
        """Return the file as a whole."""
        return b"".join(self.parts(name))

    def __contains__(self, name: object) -> bool:
        """Whether there is such a file; makes and reads none."""
        return any(name == mine for mine in self)


class MadeFiles(PartedFiles):
    """Files that are made each time they are asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], Parts]]) -> None:
        """Take a maker for each name; every call of it gives the same bytes."""
        self._makers = makers

    def parts(self, name: str) -> Parts:
        """Make the file."""
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._makers)

    def __len__(self) -> int:
        """Count the files."""
        return len(self._makers)


def parts_of(files: Mapping[str, bytes], name: str) -> Parts:
    """Return a file in parts, in one part where the files are not parted. Raises `KeyError`."""
    return files.parts(name) if isinstance(files, PartedFiles) else (files[name],)


def pieces_of(make: Callable[[], Parts]) -> Iterator[bytes]:
    """Yield what `make` gives, which is called when the first piece is asked for, in pieces of `PIECE_BYTES`."""
    pending = bytearray()
    for part in make():
        for start in range(0, len(part), PIECE_BYTES):
            pending += part[start : start + PIECE_BYTES]
            while len(pending) >= PIECE_BYTES:
                yield bytes(pending[:PIECE_BYTES])
                del pending[:PIECE_BYTES]
    if pending:
        yield bytes(pending)


def canonical(value: object) -> bytes:
    """Return one line of JSON that is the same on every machine: fixed order, decimals as text, instants in UTC."""
    return _encoder().encode(value) + b"\n"


def canonical_parts(value: msgspec.Struct) -> Iterator[bytes]:
    """Yield `canonical(value)`, long tuples of its fields a few rows at a time."""
    encoder, before = _encoder(), b"{"
    for name, item in fields_of(value):
        yield before + encoder.encode(name) + b":"
        if isinstance(item, tuple):
            yield from _array(encoder, cast("tuple[object, ...]", item))
        else:
            yield encoder.encode(item)
        before = b","
    yield b"}\n"


def canonical_lines(rows: Iterable[object]) -> Iterator[bytes]:
    """Yield one line of canonical JSON for each row."""
    encoder = _encoder()
    for some in bunches(rows):
        yield encoder.encode_lines(some)


def fields_of(value: msgspec.Struct) -> Iterator[tuple[str, object]]:
    """Yield the names that JSON has for the fields, and their values."""
    for field in msgspec.structs.fields(value):
        yield field.encode_name, getattr(value, field.name)


def bunches(rows: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield the rows, `ROWS_A_PART` at a time."""
    iterator = iter(rows)
    while some := list(islice(iterator, ROWS_A_PART)):
        yield some


def decoded_lines(parts: Parts, row: type[Row]) -> Iterator[Row]:
    """Yield the rows of a file with one JSON value a line. Raises `msgspec.DecodeError` or `UnicodeDecodeError`."""
    decoder, rest = msgspec.json.Decoder(row), b""
    for part in parts:
        whole, _, rest = (rest + part).rpartition(b"\n")
        yield from decoder.decode_lines(whole)
    yield from decoder.decode_lines(rest)


def _encoder() -> msgspec.json.Encoder:
    return msgspec.json.Encoder(order="deterministic")


def _array(encoder: msgspec.json.Encoder, rows: tuple[object, ...]) -> Iterator[bytes]:
    before = b"["
    for some in bunches(rows):
        yield before + encoder.encode(some)[1:-1]
        before = b","
    yield b"]" if rows else b"[]"
