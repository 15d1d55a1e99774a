"""What a stored finding follows from: the rows of the evidence, the rule, the settings, the requests that were sent."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Final

from isthmus.audit.analysis import analyse
from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.bundle import BundleInvalid, read_bundle
from isthmus.audit.evidence.places import ZippedFiles
from isthmus.audit.explain.explain import Explainer, rule_text
from isthmus.audit.explain.model import Setting
from isthmus.audit.explain.path import Json
from isthmus.audit.model import RequestLine

ROWS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A row of the bundle: its file, its line counted from 1, and what stands there."""

    file: str
    line: int
    content: object


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a finding follows from. `rows_all` of them there are, of which `rows` are the first."""

    finding: int
    said: str
    how: str
    value: Json
    rows: tuple[EvidenceRow, ...]
    rows_all: int
    rules: tuple[str, ...]
    settings: tuple[Setting, ...]
    requests: tuple[RequestLine, ...]


def evidence(bundle: bytes, number: int) -> Evidence:
    """Explain finding `number` of a stored bundle.zip. Reckons the audit again, so it takes seconds for a large org.

    Raises `BundleInvalid` if the bundle is not this version's.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            snapshot, basis, org = read_bundle(ZippedFiles(archive, "the bundle"))
    except (zipfile.BadZipFile, ValueError):
        message = "bundle.zip is no archive."
        raise BundleInvalid(message) from None
    analysis = analyse(snapshot, basis)
    if not 1 <= number <= len(analysis.findings):
        message = "The bundle has no such finding: another version of Isthmus made it."
        raise BundleInvalid(message)
    told = Explainer(analysis, compose(analysis, org))
    found = told.explain(str(number))
    source = found.source
    return Evidence(
        finding=number,
        said=source.said,
        how=source.how.value,
        value=found.value,
        rows=tuple(EvidenceRow(row.file, row.line, told.content(row)) for row in source.rows[:ROWS_MAX]),
        rows_all=len(source.rows),
        rules=tuple(rule_text(rule) for rule in source.rules),
        settings=source.settings,
        requests=found.requests,
    )
