"""Opening evidence bundles: folders, and ZIP archives as the portal hands them out. Files are read when asked for."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from isthmus.audit.evidence.bundle import BundleInvalid, FileEntry, Files, Manifest
from isthmus.audit.evidence.parts import PartedFiles, Parts, parts_of

BUNDLE_BYTES_MAX: Final = 4 * 1024**3
BUNDLE_FILES_MAX: Final = 64
PART_BYTES: Final = 256 * 1024
_UNREADABLE: Final = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError)


@contextmanager
def bundle_at(place: Path) -> Generator[PartedFiles]:
    """Open a bundle folder or ZIP file. Raises `BundleInvalid`, also while its files are read."""
    try:
        files = FolderFiles(place) if place.is_dir() else ZippedFiles(zipfile.ZipFile(place), str(place))
    except _UNREADABLE as error:
        raise _unreadable(str(place), error) from None
    try:
        yield files
    finally:
        files.close()


class FolderFiles(PartedFiles):
    """The files of a folder."""

    def __init__(self, place: Path) -> None:
        """List them. Raises `OSError`, and `ValueError` for more than a bundle can have."""
        self._place = place
        self._names = sorted(entry.name for entry in place.iterdir())
        _bound(len(self._names), sum((place / name).stat().st_size for name in self._names))

    def parts(self, name: str) -> Parts:
        """Read the file."""
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def _read(self, name: str) -> Iterator[bytes]:
        try:
            with (self._place / name).open("rb") as file:
                yield from _chunks(file)
        except _UNREADABLE as error:
            raise _unreadable(str(self._place), error) from None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Count the files."""
        return len(self._names)

    def close(self) -> None:
        """Do nothing: each file is closed when it has been read."""


class ZippedFiles(PartedFiles):
    """The files of an archive."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        """Take over the archive; `name` is what messages call it. Raises `ValueError` if it is too large."""
        self._archive = archive
        self._name = name
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        _bound(len(entries), sum(entry.file_size for entry in entries))
        self._entries = {_inside(entry, entries): entry for entry in entries}
        if len(self._entries) < len(entries):
            message = "a file is in the archive twice"
            raise ValueError(message)

    def parts(self, name: str) -> Parts:
        """Unpack the file."""
        return self._read(self._entries[name])

    def _read(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        try:
            with self._archive.open(entry) as file:
                yield from _chunks(file)
        except _UNREADABLE as error:
            raise _unreadable(self._name, error) from None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Count the files."""
        return len(self._entries)

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


class CheckedFiles(PartedFiles):
    """Files that are checked against a manifest each time they are read, so that what is used is what was checked."""

    def __init__(self, files: Files, manifest: Manifest) -> None:
        """Take the files and what they must be."""
        self._files = files
        self._stated = {entry.name: entry for entry in manifest.files}

    def parts(self, name: str) -> Parts:
        """Read the file; `BundleInvalid` is raised at its end if it is not the manifest's."""
        return self._checked(self._stated[name], parts_of(self._files, name))

    def _checked(self, stated: FileEntry, parts: Parts) -> Iterator[bytes]:
        size, digest = 0, sha256()
        for part in parts:
            size += len(part)
            digest.update(part)
            yield part
        if (size, digest.hexdigest()) != (stated.bytes, stated.sha256):
            message = f"{stated.name} has been changed: its SHA-256 is not that of the manifest."
            raise BundleInvalid(message)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._stated)

    def __len__(self) -> int:
        """Count the files."""
        return len(self._stated)


def _inside(entry: zipfile.ZipInfo, entries: list[zipfile.ZipInfo]) -> str:
    """Return the entry's name without the folder that all of them are in, whatever it is called."""
    folder, sign, name = entry.filename.rpartition("/")
    return name if all(other.filename.startswith(folder + sign) for other in entries) else entry.filename


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(PART_BYTES):
        yield chunk


def _bound(count: int, size: int) -> None:
    if count > BUNDLE_FILES_MAX or size > BUNDLE_BYTES_MAX:
        message = "this is too large for a bundle"
        raise ValueError(message)


def _unreadable(name: str, error: Exception) -> BundleInvalid:
    text = f"{name} cannot be read as a bundle ({type(error).__name__}). Name a bundle folder or bundle.zip."
    return BundleInvalid(text)
