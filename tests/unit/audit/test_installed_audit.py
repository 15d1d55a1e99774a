"""A connected org's audit by command goes by what was decided in the portal, but for the files that the command names."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from isthmus.audit.evidence.bundle import zipped
from isthmus.audit.given.exemptions import Exemption
from isthmus.audit.given.options import AuditOptions, Thresholds
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.given.snooze import SnoozeLine
from isthmus.audit.judge import judge
from isthmus.cli.installed_audit import judge_stored
from isthmus.cli.refusal import Refused
from isthmus.values import Secret
from tests.unit.audit.world import NOW, example

STORED = AuditOptions(
    thresholds=Thresholds(inactive_days=60),
    prices=(CustomerPrice("SFDC", Decimal(100), "EUR", "order form"),),
    exemptions=(Exemption("nora.never@acme.example", "Nora is on leave"),),
    snooze_lines=(SnoozeLine("R08", "ivan.inactive@acme.example", NOW.date(), "Ivan asked"),),
)


@pytest.fixture(scope="module")
def stored() -> bytes:
    return zipped(judge(example().snapshot(), STORED, "prod").bundle)


def test_without_files_it_is_the_stored_audit(stored: bytes) -> None:
    assert judge_stored(stored, AuditOptions(), [], []).report == judge(example().snapshot(), STORED, "prod").report


def test_a_file_replaces_its_own_part_only(stored: bytes) -> None:
    dollars = AuditOptions(prices=(CustomerPrice("SFDC", Decimal(150), "USD", "quote"),))
    report = judge_stored(stored, dollars, ["prices"], []).report
    assert (report.threshold_days, report.money[0].currency) == (60, "USD")
    assert [f.subject for f in report.findings if f.snoozed_until is not None] == ["Ivan Inactive"]


def test_pseudonyms_take_the_stored_reasons_away_too(stored: bytes) -> None:
    judged = judge_stored(stored, AuditOptions(pseudonym_key=Secret(b"k" * 32)), [], [])
    written = b"".join(judged.bundle[name] for name in judged.bundle)
    assert b"Nora" not in written
    assert b"Ivan" not in written
    assert sum(1 for f in judged.report.findings if f.snoozed_until is not None or f.exempt) == 2


def test_another_org_s_earlier_bundle_is_refused(
    stored: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = example()
    other.host = "other.my.salesforce.com"
    (tmp_path / "bundle.zip").write_bytes(zipped(judge(other.snapshot(), AuditOptions(), "other").bundle))
    with pytest.raises((Refused, SystemExit)) as refused:
        judge_stored(stored, AuditOptions(), [], [tmp_path / "bundle.zip"])
    assert "other (other.my.salesforce.com)" in str(refused.value) + capsys.readouterr().err
