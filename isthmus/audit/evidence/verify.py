"""Recompute every figure of a bundle, offline, and compare. Needs no network, no database and no clock.

1. The manifest must be what its own contents give.
2. Each file must be there, with the length and SHA-256 of the manifest; no other file may be there.
3. The analysis is made again from extracts, prices and settings, and must give the stated figures, each of them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from isthmus.audit.analysis import Analysis, analyse
from isthmus.audit.composing.compose import PRODUCT, compose
from isthmus.audit.evidence.bundle import (
    FIGURES,
    FILES,
    MANIFEST,
    BundleInvalid,
    Files,
    entry_of,
    read_bundle,
    read_manifest,
)
from isthmus.audit.evidence.parts import canonical, canonical_parts
from isthmus.audit.evidence.places import CheckedFiles, bundle_at
from isthmus.audit.figures import Report

_PRODUCT: Final = re.compile(r"isthmus [0-9.]{1,20}")
"""Another version may word and reckon differently, and both are right."""


class _MadeBy(msgspec.Struct, frozen=True):
    product: str


class MadeByAnother(BundleInvalid):
    """A bundle of another version: its files are unchanged, whether its figures follow from them was not checked."""

    def __init__(self, made_by: str, this: str) -> None:
        """Take both versions, like `isthmus 0.1.0`."""
        super().__init__(
            f"The bundle's files are those that its manifest lists. Whether its figures follow from them could not be "
            f"checked: they were made by {made_by}, and this is {this}, which may word and reckon differently."
        )
        self.remedy = f"Verify it with {made_by}. To compare figures, audit again with this version."


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
    with bundle_at(place) as files:
        return verify_files(files, fingerprint)


def verify_files(files: Files, fingerprint: str | None = None) -> Verified:
    """Verify a bundle that was opened already."""
    return verified_analysis(files, fingerprint)[0]


def verified_analysis(files: Files, fingerprint: str | None = None) -> tuple[Verified, Analysis]:
    """Verify a bundle that was opened already, and return the analysis that its figures follow from as well."""
    checked = check_hashes(files)
    manifest = read_manifest(files)
    if fingerprint is not None and fingerprint != manifest.fingerprint:
        message = f"{MANIFEST}: this is not the bundle that the report was made from; its fingerprint is another one."
        raise BundleInvalid(message)
    try:
        analysis, report = _recomputed(checked)
    except BundleInvalid:
        _tell_apart(checked)
        raise
    if entry_of(FIGURES, canonical_parts(report)) not in manifest.files:
        _tell_apart(checked)
        stated: object = msgspec.json.decode(checked[FIGURES])
        where = first_difference(stated, msgspec.json.decode(canonical(report)))
        message = f"{FIGURES}: {where or 'its form'} does not follow from the extracts, prices and settings."
        raise BundleInvalid(message)
    return Verified(len(files), _count(report), manifest.fingerprint, report), analysis


def _tell_apart(files: Files) -> None:
    """Raise `MadeByAnother` if the figures name another version of the product."""
    try:
        made_by = msgspec.json.decode(files[FIGURES], type=_MadeBy).product
    except msgspec.MsgspecError:
        return
    if made_by != PRODUCT and _PRODUCT.fullmatch(made_by):
        raise MadeByAnother(made_by, PRODUCT)


def _recomputed(files: Files) -> tuple[Analysis, Report]:
    snapshot, basis, org = read_bundle(files)
    analysis = analyse(snapshot, basis)
    return analysis, compose(analysis, org)


def check_hashes(files: Files) -> CheckedFiles:
    """Return the files as checked ones. Raises `BundleInvalid` naming the first file that is not the manifest's."""
    manifest = read_manifest(files)
    checked = CheckedFiles(files, manifest)
    for name in sorted({*FILES, *checked}):
        if name not in checked:
            message = f"{MANIFEST} does not list {name}."
            raise BundleInvalid(message)
        if name not in files:
            message = f"{name} is missing."
            raise BundleInvalid(message)
        deque(checked.parts(name), maxlen=0)  # read to its end
    for name in sorted(files):
        if name != MANIFEST and name not in checked:
            message = f"{name} does not belong to the bundle."
            raise BundleInvalid(message)
    return checked


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
    """Return how many single figures and words a value has."""
    if isinstance(value, msgspec.Struct):
        return sum(_count(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, tuple):
        return sum(_count(item) for item in cast("tuple[object, ...]", value))
    return 1
