"""What keeps a large audit small: the PDF names so many findings and says so, a bundle's files are made one at a time."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.audit.bundle import MANIFEST, manifest_of
from isthmus.audit.compose import compose
from isthmus.audit.parts import MadeFiles, canonical
from isthmus.audit.report.files import render_csv
from isthmus.audit.report.pdf import FINDINGS_PRINTED_MAX, pdf_data
from tests.unit.audit.world import Org


def test_the_pdf_names_the_first_findings_and_says_how_many_more_the_tables_have() -> None:
    org = Org()
    org.license(total=FINDINGS_PRINTED_MAX * 4)
    org.regulars(150)
    for number in range(FINDINGS_PRINTED_MAX + 40):
        org.user(f"Never {number:04d}", last=None, created=200)
    report = compose(org.analyse(), "acme")
    data = pdf_data(report, "f" * 64)
    groups: Any = data["groups"]
    assert sum(len(group["rows"]) for group in groups) == FINDINGS_PRINTED_MAX
    assert data["unprinted"] == len(report.findings) - FINDINGS_PRINTED_MAX >= 40
    assert b"".join(render_csv(report)).count(b"\r\n") == 1 + len(report.findings)


def test_files_are_made_when_they_are_read_and_not_before() -> None:
    made: list[str] = []

    def maker(name: str) -> list[bytes]:
        made.append(name)
        return [name.encode(), b"!"]

    files = MadeFiles({name: lambda name=name: maker(name) for name in ("b", "a")})
    assert "a" in files
    assert (sorted(files), len(files), made) == (["a", "b"], 2, [])
    assert files["b"] == b"b!"
    with pytest.raises(KeyError):
        files["c"]
    whole = dict(files)
    assert canonical(manifest_of(files)) == canonical(manifest_of({**whole, MANIFEST: b""}))
