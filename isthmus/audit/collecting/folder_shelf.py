"""A checkpoint in a folder that only its owner may open: for audits without a database."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from isthmus.audit.collecting.checkpoint import PIECE_BYTES_MAX, Checkpoint, CheckpointFile, Pieces
from isthmus.db.private_files import PRIVATE_FILE, make_private_folder

_LENGTH: Final = struct.Struct("<I")


class ShelfRefused(Exception):
    """The folder cannot be read or written; the message says why and what to do."""


class FolderShelf:
    """Keeps one checkpoint in `folder`, which stands there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made when something is saved."""
        self.folder = folder
        self._next = folder.with_name(f"{folder.name}.next")
        self._former = folder.with_name(f"{folder.name}.former")

    async def load(self) -> Checkpoint:
        """Return what was saved; empty if nothing was. Raises `ShelfRefused`."""
        with self._refusing():
            names = [name for name in CheckpointFile if (self.folder / name).is_file()]
            return {name: list(_pieces(self.folder / name)) for name in names}

    async def save(self, files: Checkpoint) -> None:
        """Put the files in the places of those that have their names. Raises `ShelfRefused`."""
        with self._refusing():
            self._replace(files)

    def _replace(self, files: Checkpoint) -> None:
        self._clear(self._next)
        make_private_folder(self._next)
        for name in CheckpointFile:
            if name in files:
                _write(self._next / name, files[name])
            else:
                shutil.copy(self.folder / name, self._next / name)
        self._clear(self._former)
        if self.folder.exists():
            self.folder.rename(self._former)
        self._next.rename(self.folder)
        self._clear(self._former)

    def drop(self) -> None:
        """Remove the checkpoint: the reading is complete. Raises `ShelfRefused`."""
        with self._refusing():
            for folder in (self.folder, self._next, self._former):
                self._clear(folder)

    @contextmanager
    def _refusing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            message = f"{self.folder} cannot be used ({error.strerror}). Free some space, or name another folder."
            raise ShelfRefused(message) from None

    def _clear(self, folder: Path) -> None:
        if folder.exists():
            shutil.rmtree(folder)


def _write(path: Path, pieces: Pieces) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        for piece in pieces:
            file.write(_LENGTH.pack(len(piece)))
            file.write(piece)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size):
            yield file.read(min(_LENGTH.unpack(head)[0], PIECE_BYTES_MAX)) if len(head) == _LENGTH.size else b""
