"""The evidence bundle: everything that the figures follow from, in a form that gives the same bytes everywhere.

| file | holds |
|---|---|
| reading.json | host, instant, history, requests sent, what was not readable |
| licenses.jsonl psls.jsonl psl_assigns.jsonl users.jsonl logins.jsonl | the extracts, one row a line, sorted |
| prices.json | the price book and the customer's own prices |
| settings.json | thresholds, contract, exemptions, snoozes, what the org is called |
| history.json | seats of earlier audits, and who was seen deactivated by them |
| figures.json | the report that followed from all of this |
| manifest.json | name, length and SHA-256 of each file, and one over all of them: the bundle's fingerprint |

The fingerprint is printed in every document, so a bundle that was rebuilt as a whole shows too.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Final, TypeVar

import msgspec

from isthmus.audit.analysis import Basis
from isthmus.audit.contract import ContractItem
from isthmus.audit.exemptions import Exempt
from isthmus.audit.figures import FORMAT, Report
from isthmus.audit.history import History
from isthmus.audit.model import LicenseRow, PslAssignRow, PslRow, UserRow
from isthmus.audit.options import Thresholds
from isthmus.audit.pricebook import PriceBook
from isthmus.audit.snapshot import Reading, Snapshot, UserLogins
from isthmus.audit.snooze import Snoozes

MANIFEST: Final = "manifest.json"
FIGURES: Final = "figures.json"
HISTORY: Final = "history.json"
EXTRACTS: Final = ("licenses.jsonl", "psls.jsonl", "psl_assigns.jsonl", "users.jsonl", "logins.jsonl")
FILES: Final = ("reading.json", *EXTRACTS, "prices.json", "settings.json", HISTORY, FIGURES)
_ZIP_EPOCH: Final = (1980, 1, 1, 0, 0, 0)

Row = TypeVar("Row")
Files = Mapping[str, bytes]


class FileEntry(msgspec.Struct, frozen=True):
    """One file of a bundle."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a bundle consists of. `fingerprint` is the SHA-256 over the entries, written canonically."""

    format: int
    files: tuple[FileEntry, ...]
    fingerprint: str


class Settings(msgspec.Struct, frozen=True):
    """What the operator decided."""

    org: str
    thresholds: Thresholds
    contract: tuple[ContractItem, ...]
    exempt: Exempt = Exempt()
    snoozes: Snoozes = Snoozes()


class BundleInvalid(Exception):
    """A bundle that cannot be used; the message names the file."""


def canonical(value: object) -> bytes:
    """Return one line of JSON that is the same on every machine: fixed order, decimals as text, instants in UTC."""
    return msgspec.json.Encoder(order="deterministic").encode(value) + b"\n"


def canonical_lines(rows: Sequence[object]) -> bytes:
    """Return one line of canonical JSON for each row."""
    encoder = msgspec.json.Encoder(order="deterministic")
    return encoder.encode_lines(rows)


class MadeFiles(Mapping[str, bytes]):
    """Files that are made each time they are asked for: of a large org's bundle one file at a time is held."""

    def __init__(self, makers: Mapping[str, Callable[[], bytes]]) -> None:
        """Take a maker for each name; every call of it gives the same bytes."""
        self._makers = makers

    def __getitem__(self, name: str) -> bytes:
        """Make the file."""
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._makers)

    def __len__(self) -> int:
        """Count the files."""
        return len(self._makers)

    def __contains__(self, name: object) -> bool:
        """Whether there is such a file; makes none."""
        return name in self._makers


def bundle_files(snapshot: Snapshot, basis: Basis, org: str, report: Report) -> Files:
    """Return the files of a bundle by name, the manifest last."""
    settings = Settings(org, basis.thresholds, basis.contract, basis.exempt, basis.snoozes)
    makers: dict[str, Callable[[], bytes]] = {
        "reading.json": partial(canonical, snapshot.reading),
        "licenses.jsonl": partial(canonical_lines, snapshot.licenses),
        "psls.jsonl": partial(canonical_lines, snapshot.psls),
        "psl_assigns.jsonl": partial(canonical_lines, snapshot.assigns),
        "users.jsonl": partial(canonical_lines, snapshot.users),
        "logins.jsonl": partial(canonical_lines, snapshot.logins),
        "prices.json": partial(canonical, basis.prices),
        "settings.json": partial(canonical, settings),
        HISTORY: partial(canonical, basis.history),
        FIGURES: partial(canonical, report),
    }
    manifest = canonical(manifest_of(MadeFiles(makers)))
    return MadeFiles({**makers, MANIFEST: lambda: manifest})


def manifest_of(files: Files) -> Manifest:
    """Return the manifest of these files."""
    entries = tuple(_entry(name, files[name]) for name in sorted(files) if name != MANIFEST)
    return Manifest(FORMAT, entries, sha256(canonical((FORMAT, entries))).hexdigest())


def _entry(name: str, content: bytes) -> FileEntry:
    return FileEntry(name, len(content), sha256(content).hexdigest())


def fingerprint_of(files: Files) -> str:
    """Return the fingerprint that the bundle's manifest states."""
    return read_manifest(files).fingerprint


def read_manifest(files: Files) -> Manifest:
    """Return the manifest. Raises `BundleInvalid` unless it is exactly what its own contents give."""
    content = files.get(MANIFEST)
    if content is None:
        message = f"{MANIFEST} is missing: this is no bundle, or not a whole one."
        raise BundleInvalid(message)
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = f"{MANIFEST} has been changed: it is no manifest."
        raise BundleInvalid(message) from None
    if manifest.format != FORMAT:
        message = f"{MANIFEST}: format {manifest.format} is not that of this version ({FORMAT}), or has been changed."
        raise BundleInvalid(message)
    stated = Manifest(manifest.format, manifest.files, sha256(canonical((FORMAT, manifest.files))).hexdigest())
    if canonical(stated) != content:
        message = f"{MANIFEST} has been changed: its fingerprint is not that of its contents."
        raise BundleInvalid(message)
    return manifest


def read_bundle(files: Files) -> tuple[Snapshot, Basis, str]:
    """Return snapshot, basis and the org's name from files that were checked. Raises `BundleInvalid`."""
    settings = _decode(files, "settings.json", Settings)
    snapshot = Snapshot(
        reading=_decode(files, "reading.json", Reading),
        licenses=_decode_lines(files, "licenses.jsonl", LicenseRow),
        psls=_decode_lines(files, "psls.jsonl", PslRow),
        assigns=_decode_lines(files, "psl_assigns.jsonl", PslAssignRow),
        users=_decode_lines(files, "users.jsonl", UserRow),
        logins=_decode_lines(files, "logins.jsonl", UserLogins),
    )
    basis = Basis(
        settings.thresholds,
        _decode(files, "prices.json", PriceBook),
        settings.contract,
        settings.exempt,
        _decode(files, HISTORY, History),
        settings.snoozes,
    )
    return snapshot, basis, settings.org


def _decode(files: Files, name: str, kind: type[Row]) -> Row:
    try:
        return msgspec.json.decode(files[name], type=kind)
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError):
        message = f"{name} is not what a bundle of this version has."
        raise BundleInvalid(message) from None


def _decode_lines(files: Files, name: str, row: type[Row]) -> tuple[Row, ...]:
    try:
        return tuple(msgspec.json.Decoder(row).decode_lines(files[name]))
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError):
        message = f"{name} is not what a bundle of this version has."
        raise BundleInvalid(message) from None


def zipped(files: Files) -> bytes:
    """Return the files as a ZIP archive whose bytes depend on nothing but the files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"bundle/{name}", _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()
