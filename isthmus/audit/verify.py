"""Recompute every figure of a bundle, offline, and compare. Needs no network, no database and no clock.

1. The manifest must be what its own contents give.
2. Each file must be there, with the length and SHA-256 of the manifest; no other file may be there.
3. The analysis is made again from extracts, prices and settings, and must give the stated figures, each of them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from isthmus.audit.analysis import analyse
from isthmus.audit.bundle import (
    FIGURES,
    FILES,
    MANIFEST,
    BundleInvalid,
    Files,
    canonical,
    fingerprint_of,
    read_bundle,
    read_manifest,
)
from isthmus.audit.compose import compose
from isthmus.audit.figures import Report

BUNDLE_BYTES_MAX: Final = 4 * 1024**3
BUNDLE_FILES_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Verified:
    """A bundle whose figures all follow from its extracts."""

    files: int
    figures: int
    fingerprint: str
    report: Report


def verify_bundle(place: Path, fingerprint: str | None = None) -> Verified:
    """Verify a bundle folder or ZIP file. Raises `BundleInvalid` naming the first file or figure that is not right.

    `fingerprint`, as printed in a report, also proves that the bundle is the one that the report was made from.
    """
    return verify_files(read_files(place), fingerprint)


def verify_files(files: Files, fingerprint: str | None = None) -> Verified:
    """Verify a bundle that was read already."""
    check_hashes(files)
    if fingerprint is not None and fingerprint != fingerprint_of(files):
        message = f"{MANIFEST}: this is not the bundle that the report was made from; its fingerprint is another one."
        raise BundleInvalid(message)
    snapshot, basis, org = read_bundle(files)
    report = compose(analyse(snapshot, basis), org)
    again = canonical(report)
    if again != files[FIGURES]:
        where = first_difference(msgspec.json.decode(files[FIGURES]), msgspec.json.decode(again))
        message = f"{FIGURES}: {where or 'its form'} does not follow from the extracts, prices and settings."
        raise BundleInvalid(message)
    figures = _count(msgspec.json.decode(again))
    return Verified(len(files), figures, fingerprint_of(files), report)


def check_hashes(files: Files) -> None:
    """Raise `BundleInvalid` naming the first file that is not the manifest's."""
    manifest = read_manifest(files)
    stated = {entry.name: entry for entry in manifest.files}
    for name in sorted({*FILES, *stated}):
        content, entry = files.get(name), stated.get(name)
        if entry is None:
            message = f"{MANIFEST} does not list {name}."
            raise BundleInvalid(message)
        if content is None:
            message = f"{name} is missing."
            raise BundleInvalid(message)
        if len(content) != entry.bytes or sha256(content).hexdigest() != entry.sha256:
            message = f"{name} has been changed: its SHA-256 is not that of the manifest."
            raise BundleInvalid(message)
    for name in sorted(files):
        if name != MANIFEST and name not in stated:
            message = f"{name} does not belong to the bundle."
            raise BundleInvalid(message)


def read_files(place: Path) -> dict[str, bytes]:
    """Return the files of a bundle folder or ZIP file. Raises `BundleInvalid`."""
    try:
        if place.is_dir():
            names = sorted(entry.name for entry in place.iterdir())
            _bound(len(names), sum((place / name).stat().st_size for name in names))
            return {name: (place / name).read_bytes() for name in names}
        with zipfile.ZipFile(place) as archive:
            entries = archive.infolist()
            _bound(len(entries), sum(entry.file_size for entry in entries))
            return {entry.filename.removeprefix("bundle/"): archive.read(entry) for entry in entries}
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        message = f"{place} cannot be read as a bundle ({type(error).__name__}). Name a bundle folder or bundle.zip."
        raise BundleInvalid(message) from None


def _bound(count: int, size: int) -> None:
    if count > BUNDLE_FILES_MAX or size > BUNDLE_BYTES_MAX:
        message = "this is too large for a bundle"
        raise ValueError(message)


def first_difference(stated: object, recomputed: object, path: str = "") -> str:
    """Return where two JSON values differ first, like `licenses[0].active_90`, or "" if they do not."""
    if isinstance(stated, dict) and isinstance(recomputed, dict):
        left, right = cast("Mapping[str, Any]", stated), cast("Mapping[str, Any]", recomputed)
        for key in (*right, *(k for k in left if k not in right)):
            here = f"{path}.{key}" if path else key
            if key not in left or key not in right:
                return here
            found = first_difference(left[key], right[key], here)
            if found:
                return found
        return ""
    if isinstance(stated, list) and isinstance(recomputed, list):
        ours, theirs = cast("list[object]", stated), cast("list[object]", recomputed)
        for index, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            found = first_difference(one, other, f"{path}[{index}]")
            if found:
                return found
        return "" if len(ours) == len(theirs) else f"{path}[{min(len(ours), len(theirs))}]"
    return "" if stated == recomputed and isinstance(stated, bool) == isinstance(recomputed, bool) else path


def _count(value: object) -> int:
    """Return how many single figures and words a JSON value has."""
    if isinstance(value, dict):
        return sum(_count(item) for item in cast("Mapping[str, object]", value).values())
    if isinstance(value, list):
        return sum(_count(item) for item in cast("list[object]", value))
    return 1
