"""An unfinished reading, kept so that the next attempt goes on from it. Runs in the parent of the mover.

| file | holds |
|---|---|
| reading.json | whose reading it is, what it has found and done, the windows of login history that are whole |
| licenses.jsonl psls.jsonl psl_assigns.jsonl users.jsonl | rows, which do not change once logins are read |
| logins.bin | the table of logins, in this machine's own form |

Files travel to and from their shelf in compressed pieces. One that this version, this machine or this audit cannot go
on from is never an error: the reading begins anew.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, TypeVar

import msgspec

from isthmus.audit.evidence.parts import canonical, canonical_lines, decoded_lines
from isthmus.audit.login_table import LoginTable
from isthmus.audit.model import LicenseRow, PslAssignRow, PslRow, Resume, UserRow
from isthmus.audit.snapshot import Rows, SnapshotBuilder, UnknownWord, lean
from isthmus.clock import Clock

FORMAT: Final = 1
MACHINE: Final = f"{sys.byteorder} {array('l').itemsize}"
EVERY_S: Final = 10.0
"""So much reading is lost at most, but for what is under way."""
SHARE_MAX: Final = 20
"""Keeping takes at most one part in so many of a reading's time."""
AGE_MAX: Final = timedelta(hours=24)
"""Older ones are not gone on from: the users were read then, and logins that the org has dropped since are missing."""
PIECE_BYTES_MAX: Final = 1 << 20

Pieces = Iterable[bytes]
Row = TypeVar("Row")


class CheckpointFile(StrEnum):
    """The files of a checkpoint."""

    READING = "reading.json"
    LICENSES = "licenses.jsonl"
    PSLS = "psls.jsonl"
    PSL_ASSIGNS = "psl_assigns.jsonl"
    USERS = "users.jsonl"
    LOGINS = "logins.bin"


CHANGING: Final = (CheckpointFile.READING, CheckpointFile.LOGINS)
Checkpoint = Mapping[CheckpointFile, Pieces]


class Shelf(Protocol):
    """Where the checkpoint of one audit is kept."""

    async def load(self) -> Checkpoint:
        """Return what was saved; empty if nothing was."""
        ...

    async def save(self, files: Checkpoint) -> None:
        """Put the files in the places of those that have their names, all of them or none of them.

        A piece is made when it is asked for, which takes a moment.
        """
        ...


class Header(msgspec.Struct, frozen=True):
    """reading.json."""

    format: int
    machine: str
    host: str
    saved_at: datetime
    resume: Resume
    unknown_words: tuple[UnknownWord, ...]


class Keeping:
    """Keeps a reading while it goes on. `kept`: how many checkpoints this attempt has made."""

    def __init__(self, shelf: Shelf, clock: Clock, every_s: float = EVERY_S, age_max: timedelta = AGE_MAX) -> None:
        """Keep on `shelf`, every `every_s` seconds at most; go on from nothing that is older than `age_max`."""
        self.kept = 0
        self._shelf = shelf
        self._clock = clock
        self._every_s = every_s
        self._age_max = age_max
        self._due_s = clock.monotonic_s() + every_s
        self._whole = True

    async def begin(self, host: str, as_of: datetime | None) -> SnapshotBuilder:
        """Return the builder of an interrupted reading of this org, or a new one. `as_of`: the instant, if chosen."""
        kept = await self._shelf.load()
        # Of a large org this takes seconds, in which whoever waits for it has other things to do.
        builder = await asyncio.to_thread(restored, kept, host, as_of, self._clock.now(), self._age_max)
        self._whole = builder is None
        return builder or SnapshotBuilder(host)

    @property
    def holds(self) -> bool:
        """Whether something of the reading is kept, by this attempt or by one before it."""
        return not self._whole

    async def window_read(self, builder: SnapshotBuilder) -> None:
        """Save the reading if that is due. To be called right after a window was taken in."""
        began_s, resume = self._clock.monotonic_s(), builder.resume()
        if began_s < self._due_s or resume is None:
            return
        files = checkpoint_of(builder.host, builder.rows, resume, self._clock.now())
        await self._shelf.save(files if self._whole else {name: files[name] for name in CHANGING})
        self._whole = False
        self.kept += 1
        self._due_s = due_next_s(began_s, self._clock.monotonic_s(), self._every_s)


def due_next_s(began_s: float, ended_s: float, every_s: float) -> float:
    """Return when the next checkpoint is due, after one that took from `began_s` to `ended_s`."""
    return ended_s + max(every_s, (ended_s - began_s) * SHARE_MAX)


def checkpoint_of(host: str, rows: Rows, resume: Resume, saved_at: datetime) -> Checkpoint:
    """Return the checkpoint of a reading. The rows may not change until its pieces have been taken."""
    words = tuple(UnknownWord(vocabulary, word, count) for (vocabulary, word), count in sorted(rows.unknown.items()))
    header = Header(FORMAT, MACHINE, host, saved_at, resume, words)
    return {
        CheckpointFile.READING: packed([canonical(header)]),
        CheckpointFile.LICENSES: packed(canonical_lines(rows.licenses)),
        CheckpointFile.PSLS: packed(canonical_lines(rows.psls)),
        CheckpointFile.PSL_ASSIGNS: packed(canonical_lines(rows.assigns)),
        CheckpointFile.USERS: packed(canonical_lines(rows.users)),
        CheckpointFile.LOGINS: packed(rows.logins.dump()),
    }


def restored(
    checkpoint: Checkpoint, host: str, as_of: datetime | None, now: datetime, age_max: timedelta = AGE_MAX
) -> SnapshotBuilder | None:
    """Return the builder that a checkpoint was made of, or None where the reading has to begin anew."""
    try:
        header = msgspec.json.decode(_whole(checkpoint, CheckpointFile.READING), type=Header)
        if now - header.saved_at > age_max or not _fits(header, host, as_of):
            return None
        rows = _rows(checkpoint)
    except (KeyError, ValueError, zlib.error, msgspec.MsgspecError):
        return None
    for word in header.unknown_words:
        rows.unknown[word.vocabulary, word.word] = word.count
    return SnapshotBuilder(host, rows, header.resume)


def _fits(header: Header, host: str, as_of: datetime | None) -> bool:
    ours = (header.format, header.machine, header.host) == (FORMAT, MACHINE, host)
    return ours and (as_of is None or as_of.replace(microsecond=0) == header.resume.taken_at)


def _rows(checkpoint: Checkpoint) -> Rows:
    texts: dict[str, str] = {}
    return Rows(
        licenses=list(_lines(checkpoint, CheckpointFile.LICENSES, LicenseRow)),
        psls=list(_lines(checkpoint, CheckpointFile.PSLS, PslRow)),
        assigns=list(_lines(checkpoint, CheckpointFile.PSL_ASSIGNS, PslAssignRow)),
        users=[lean(row, texts) for row in _lines(checkpoint, CheckpointFile.USERS, UserRow)],
        logins=LoginTable.load(_whole(checkpoint, CheckpointFile.LOGINS)),
    )


def _lines(checkpoint: Checkpoint, name: CheckpointFile, row: type[Row]) -> Iterator[Row]:
    return decoded_lines(unpacked(checkpoint[name]), row)


def _whole(checkpoint: Checkpoint, name: CheckpointFile) -> bytes:
    return b"".join(unpacked(checkpoint[name]))


def packed(parts: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Yield the parts compressed, in pieces of at most `PIECE_BYTES_MAX` bytes."""
    press, pending = zlib.compressobj(level=1), bytearray()
    for part in parts:
        for start in range(0, len(part), PIECE_BYTES_MAX):
            pending += press.compress(part[start : start + PIECE_BYTES_MAX])
            while len(pending) > PIECE_BYTES_MAX:
                yield bytes(pending[:PIECE_BYTES_MAX])
                del pending[:PIECE_BYTES_MAX]
    pending += press.flush()
    for start in range(0, len(pending), PIECE_BYTES_MAX):
        yield bytes(pending[start : start + PIECE_BYTES_MAX])


def unpacked(pieces: Pieces) -> Iterator[bytes]:
    """Yield what was packed. Raises `zlib.error` or `ValueError` unless it is all there."""
    press = zlib.decompressobj()
    for piece in pieces:
        yield press.decompress(piece)
    if not press.eof:
        message = "the end is missing"
        raise ValueError(message)
