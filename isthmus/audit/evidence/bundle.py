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
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from hashlib import sha256
from typing import Final, TypeVar

import msgspec

from isthmus.audit.analysis import Basis
from isthmus.audit.evidence.parts import (
    MadeFiles,
    Parts,
    canonical,
    canonical_lines,
    canonical_parts,
    decoded_lines,
    parts_of,
)
from isthmus.audit.figures import FORMAT, Report
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.days import somewhere
from isthmus.audit.given.exemptions import Exempt
from isthmus.audit.given.history import History
from isthmus.audit.given.options import Thresholds
from isthmus.audit.given.pricebook import PriceBook
from isthmus.audit.given.snooze import Snoozes
from isthmus.audit.login_table import LoginTable, UserLoginsRow
from isthmus.audit.model import LicenseRow, PslAssignRow, PslRow, UserRow
from isthmus.audit.snapshot import Reading, Snapshot, lean

MANIFEST: Final = "manifest.json"
FIGURES: Final = "figures.json"
HISTORY: Final = "history.json"
LOGINS: Final = "logins.jsonl"
EXTRACTS: Final = ("licenses.jsonl", "psls.jsonl", "psl_assigns.jsonl", "users.jsonl", LOGINS)
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
    """What the operator decided. `today`: the day of the audit where the operator is, which days are counted from."""

    org: str
    thresholds: Thresholds
    contract: tuple[ContractItem, ...]
    exempt: Exempt = Exempt()
    snoozes: Snoozes = Snoozes()
    today: date | None = None


class BundleInvalid(Exception):
    """A bundle that cannot be used; the message names the file."""


def bundle_files(snapshot: Snapshot, basis: Basis, org: str, report: Report) -> Files:
    """Return the files of a bundle by name, the manifest last."""
    settings = Settings(org, basis.thresholds, basis.contract, basis.exempt, basis.snoozes, basis.today)
    makers: dict[str, Callable[[], Parts]] = {
        "reading.json": partial(canonical_parts, snapshot.reading),
        "licenses.jsonl": partial(canonical_lines, snapshot.licenses),
        "psls.jsonl": partial(canonical_lines, snapshot.psls),
        "psl_assigns.jsonl": partial(canonical_lines, snapshot.assigns),
        "users.jsonl": partial(canonical_lines, snapshot.users),
        LOGINS: lambda: canonical_lines(snapshot.logins.rows()),
        "prices.json": partial(canonical_parts, basis.prices),
        "settings.json": partial(canonical_parts, settings),
        HISTORY: partial(canonical_parts, basis.history),
        FIGURES: partial(canonical_parts, report),
    }
    manifest = canonical(manifest_of(MadeFiles(makers)))
    return MadeFiles({**makers, MANIFEST: lambda: (manifest,)})


def manifest_of(files: Files) -> Manifest:
    """Return the manifest of these files."""
    entries = tuple(entry_of(name, parts_of(files, name)) for name in sorted(files) if name != MANIFEST)
    return Manifest(FORMAT, entries, sha256(canonical((FORMAT, entries))).hexdigest())


def entry_of(name: str, parts: Parts) -> FileEntry:
    """Return what a manifest says of a file."""
    size, digest = 0, sha256()
    for part in parts:
        size += len(part)
        digest.update(part)
    return FileEntry(name, size, digest.hexdigest())


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
        licenses=tuple(_lines(files, "licenses.jsonl", LicenseRow)),
        psls=tuple(_lines(files, "psls.jsonl", PslRow)),
        assigns=tuple(_lines(files, "psl_assigns.jsonl", PslAssignRow)),
        users=users_of(files),
        logins=_logins_of(files),
    )
    if settings.today is not None and not somewhere(settings.today, snapshot.reading.taken_at):
        message = "settings.json: its day is not that of the audit's instant in any time zone."
        raise BundleInvalid(message)
    basis = Basis(
        settings.thresholds,
        _decode(files, "prices.json", PriceBook),
        settings.contract,
        settings.exempt,
        _decode(files, HISTORY, History),
        settings.snoozes,
        settings.today,
    )
    return snapshot, basis, settings.org


def _decode(files: Files, name: str, kind: type[Row]) -> Row:
    try:
        return msgspec.json.decode(files[name], type=kind)
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError):
        raise _not_ours(name) from None


def users_of(files: Files) -> tuple[UserRow, ...]:
    """Return the users of a bundle. Raises `BundleInvalid`."""
    texts: dict[str, str] = {}
    return tuple(lean(row, texts) for row in _lines(files, "users.jsonl", UserRow))


def _logins_of(files: Files) -> LoginTable:
    table = LoginTable()
    try:
        for row in _lines(files, LOGINS, UserLoginsRow):
            table.put(row)
    except ValueError:
        raise _not_ours(LOGINS) from None
    return table


def _lines(files: Files, name: str, row: type[Row]) -> Iterator[Row]:
    try:
        yield from decoded_lines(parts_of(files, name), row)
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError):
        raise _not_ours(name) from None


def _not_ours(name: str) -> BundleInvalid:
    return BundleInvalid(f"{name} is not what a bundle of this version has.")


def zipped(files: Files) -> bytes:
    """Return the files as a ZIP archive whose bytes depend on nothing but the files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"bundle/{name}", _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            with archive.open(entry, "w") as file:
                for part in parts_of(files, name):
                    file.write(part)
    return buffer.getvalue()
