"""Exemptions and thresholds of single licences: files, their faults, and what they change."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.verify import verify_files
from isthmus.audit.given.exemptions import Exemption, ExemptionKind, parse_exemptions
from isthmus.audit.given.options import AuditOptions, LicenseThresholds
from isthmus.audit.given.prices import PricesInvalid
from isthmus.audit.given.thresholds import parse_settings
from isthmus.audit.judge import judge
from isthmus.values import Secret
from tests.unit.audit.world import NOW, PLATFORM, Org, found, graded

LEAVE = Exemption("ivan@acme.example", "parental leave", ExemptionKind.LEAVE, date(2026, 12, 31))


def company() -> Org:
    org = Org()
    org.license()
    org.regulars(10)
    org.user("Ivan", last=130)
    return org


def test_an_exempt_person_stays_in_the_report_as_information_without_money() -> None:
    analysis = company().analyse(exemptions=[LEAVE])
    assert graded(analysis, "R08", "Ivan") == "D"
    report = compose(analysis, "acme")
    line = next(f for f in report.findings if f.rule == "R08")
    assert line.traps[-1] == "exempt until 2026-12-31: parental leave"
    assert (line.valued, line.saving_monthly, report.seats_unused) == (False, None, 0)
    assert [point.seats for point in report.sensitivity] == [0] * 5
    assert any(
        "Exempt by your file (leave, seasonal work, service accounts): 1." in text for text in report.assumptions
    )


@pytest.mark.parametrize(("until", "grade"), [(NOW.date(), "D"), (date(2026, 11, 21), "A"), (None, "D")])
def test_an_exemption_holds_up_to_its_last_day(until: date | None, grade: str) -> None:
    item = Exemption("ivan@acme.example", "leave", ExemptionKind.LEAVE, until)
    assert graded(company().analyse(exemptions=[item]), "R08", "Ivan") == grade


def test_a_service_account_is_excused_from_absence_but_not_from_its_licence() -> None:
    org = company()
    robot = org.user("Robot", last=1, human=[], machine=range(1, 60))
    assert robot.license
    item = Exemption("robot@acme.example", "known", ExemptionKind.SERVICE)
    assert graded(org.analyse(exemptions=[item]), "R09", "Robot") == "B"
    other = Exemption("robot@acme.example", "known", ExemptionKind.OTHER)
    assert graded(org.analyse(exemptions=[other]), "R09", "Robot") == "D"


def test_an_exempt_holder_s_grants_are_excused_too() -> None:
    org = company()
    org.grant(org.users[-1], org.psl(used=1), 60)
    analysis = org.analyse(exemptions=[LEAVE])
    assert graded(analysis, "R11", "Ivan") == "D"
    assert found(analysis, "R12") == []


def test_a_line_that_meets_nobody_or_several_is_counted_not_guessed() -> None:
    org = company()
    org.user("Twin A", last=130, email="twin@acme.example")
    org.user("Twin B", last=130, email="twin@acme.example")
    lines = [Exemption("twin@acme.example", "x"), Exemption("nobody@acme.example", "x")]
    analysis = org.analyse(exemptions=lines)
    assert analysis.basis.exempt.unmatched == 2
    assert graded(analysis, "R08", "Twin A") == "A"


def test_exemptions_decide_and_so_are_in_the_bundle_and_pseudonyms_hide_the_reason() -> None:
    options = AuditOptions(exemptions=(LEAVE,), pseudonym_key=Secret(b"k" * 32))
    judged = judge(company().snapshot(), options, "acme")
    assert verify_files(judged.bundle)
    assert b"2026-12-31" in judged.bundle["settings.json"]
    assert not any(word in content for content in judged.bundle.values() for word in (b"parental", b"ivan@"))
    assert [f.grade for f in judged.report.findings if f.rule == "R08"] == ["D"]


def test_an_exemptions_file_is_read() -> None:
    text = "\ufeffWho,Reason,Kind,Until\nivan@acme.example,parental leave,leave,2026-12-31\nsvc@acme.example,bot,,\n"
    assert parse_exemptions(text, "x.csv") == (LEAVE, Exemption("svc@acme.example", "bot"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("who\nx@y\n", "needs: reason"),
        ("who,reason\nivan,x\n", "line 2: who is missing"),
        ("who,reason\ni@x,\n", "line 2: the reason"),
        (f"who,reason\ni@x,{'r' * 201}\n", "line 2: the reason"),
        ("who,reason,kind\ni@x,r,holiday\n", "line 2: the kind"),
        ("who,reason,until\ni@x,r,31.12.2026\n", "line 2: until"),
        ("who,reason\ni@x,r\nI@X,r\n", "line 3: this person"),
    ],
)
def test_a_faulty_exemptions_file_is_refused_naming_the_line(text: str, says: str) -> None:
    with pytest.raises(PricesInvalid, match=says):
        parse_exemptions(text, "x.csv")


# thresholds ------------------------------------------------------------------------------------------------------


def test_a_licence_may_have_thresholds_of_its_own() -> None:
    org = company()
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=20)
    org.user("Slow", last=100, seat=PLATFORM)
    org.user("Late", last=None, created=40, seat=PLATFORM)
    org.user("Quick", last=100)
    own = LicenseThresholds("aul", inactive_days=120, grace_days=60, headroom=Decimal(1))
    analysis = org.analyse(licenses=[own])
    assert found(analysis, "R08") == ["Ivan", "Quick"]
    assert graded(analysis, "R06", "Late") == "D"
    assert next(f.quantity for f in analysis.findings if f.rule == "R16" and f.pool == PLATFORM) == 16


def test_a_settings_file_is_read() -> None:
    text = 'inactive_days = 60\nheadroom = 0.1\n[[license]]\nlicense = "AUL"\ninactive_days = 180\n'
    thresholds = parse_settings(text, "x.toml")
    assert (thresholds.inactive_days, thresholds.grace_days, thresholds.headroom) == (60, 30, Decimal("0.1"))
    assert thresholds.of("AUL", "x").inactive_days == 180
    assert thresholds.of("SFDC").inactive_days == 60


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("=", "is no TOML"),
        ("inactive = 3", "no setting of that name"),
        ("inactive_days = 13", "from 14 to 730"),
        ("inactive_days = true", "from 14 to 730"),
        ("headroom = 2", "share from 0 to 1"),
        ("headroom = true", "share from 0 to 1"),
        ("license = 3", "list of blocks"),
        ("license = [3]", "license 1 is no block"),
        ("[[license]]\ngrace_days = 3", "the licence is missing"),
        ('[[license]]\nlicense="a"\n[[license]]\nlicense="A"', "two blocks"),
    ],
)
def test_a_faulty_settings_file_is_refused(text: str, says: str) -> None:
    with pytest.raises(PricesInvalid, match=says):
        parse_settings(text, "x.toml")
