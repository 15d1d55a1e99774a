"""What a mail about an audit says: the change first, withheld figures said, and nobody's name."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from html import unescape
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest

from isthmus.audit.cadence.change import (
    ToldContract,
    ToldFinding,
    ToldMoney,
    ToldReport,
    ToldRule,
    ToldSummary,
    change_between,
    told_report,
    told_summary,
)
from isthmus.audit.cadence.telling import (
    AuditDelivery,
    Month,
    Told,
    failure_notice,
    finance_notice,
    finance_span,
    result_notice,
)
from isthmus.notices.model import ATTACHMENT_BYTES_MAX, Notice
from isthmus.notices.page import html_page

BERLIN = ZoneInfo("Europe/Berlin")
URL = "https://isthmus.acme.com"
MONDAY = datetime(2026, 6, 8, 4, tzinfo=UTC)
FACTS = AuditDelivery(
    tenant_id=UUID(int=1),
    tenant_name="Acme",
    notice_id=UUID(int=2),
    channel=3,
    attempts=1,
    kind="result",
    made_at=MONDAY,
    alias="prod",
    audit_id=UUID(int=7),
    scheduled=True,
    failure=None,
    failure_object=None,
    good_at=None,
    since=None,
    until=None,
)


def finding(number: int, rule: str = "R08") -> ToldFinding:
    return ToldFinding(rule, "user", f"005{number:015}", "SFDC")


def report(**changes: object) -> ToldReport:
    usual = ToldReport(
        org="prod",
        taken_at=MONDAY,
        seats_purchased=450,
        seats_assigned=438,
        seats_active=289,
        seats_unused=42,
        pseudonymous=False,
        withheld=(),
        money=(ToldMoney("USD", Decimal(12600), Decimal(20000), Decimal(3000)),),
        money_withheld=False,
        findings=tuple(finding(n) for n in range(10)),
        rules=(ToldRule("R08", 10),),
        contract=(ToldContract("Sales Cloud", date(2026, 8, 31), date(2026, 7, 2)),),
    )
    return msgspec.structs.replace(usual, **changes)


BEFORE = report(
    taken_at=datetime(2026, 6, 1, 4, tzinfo=UTC),
    seats_assigned=435,
    seats_active=291,
    seats_unused=40,
    money=(ToldMoney("USD", Decimal(10500), Decimal(20000), Decimal(2500)),),
    findings=tuple(finding(n) for n in range(5, 11)),
)


def told(now: ToldReport | None, was: ToldReport | None = BEFORE, **files: bytes) -> str:
    return result_notice(FACTS, Told(now, was, {f"report.{n}": c for n, c in files.items()}), URL, BERLIN).text


def seen(notice: Notice) -> str:
    """Return the words of the notice's page, without its style sheet and tags."""
    assert notice.html is not None
    page = notice.html.partition("</head>")[2]
    return unescape(re.sub(r"<[^>]+>", " ", page))


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d[\d,.-]*\d|\d", text))


def test_the_page_of_a_mail_says_what_its_text_says_and_a_screen_reader_finds_its_tables() -> None:
    for shown in (report(), report(seats_active=None, money_withheld=True, withheld=("No <b>logins</b>.",))):
        notice = result_notice(FACTS, Told(shown, BEFORE, {"report.pdf": b"%PDF"}), URL, BERLIN)
        assert notice.html is not None
        assert numbers(notice.text) <= numbers(seen(notice))
        for line in (*shown.withheld, "Attached, with names: prod-report.pdf.", notice.subject):
            assert line in seen(notice)
        assert '<html lang="en">' in notice.html
        assert "<b>" not in notice.html
        assert notice.html.count("<caption>") == notice.html.count("<table>") >= 2
        assert not re.search(r"<(img|script|link)|@import|url\(|https?://(?!isthmus\.acme\.com)", notice.html)
        heads = re.findall(r"<th scope=\"(?:col|row)\"[^>]*>([^<]*)</th>", notice.html)
        assert heads
        assert all(heads)


def test_the_text_colours_of_a_page_can_be_read_on_light_and_on_dark_screens() -> None:
    sheet = html_page("x", [])
    light, _, dark = sheet.partition("prefers-color-scheme:dark")
    for part in (light, dark):
        ground = re.search(r"background:(#[0-9a-f]+);color", part)
        assert ground is not None
        for colour in re.findall(r"(?<![-\w])color:(#[0-9a-f]{3,6})\}", part):
            on = re.search(rf"background:(#[0-9a-f]+);color:{colour}", part)
            assert contrast(colour, on[1] if on else ground[1]) >= 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours by WCAG 2."""
    lights = sorted(luminance(colour) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_documents_of_a_pseudonymous_audit_are_not_said_to_have_names() -> None:
    text = told(report(pseudonymous=True), None, pdf=b"%PDF")
    assert "Attached, with pseudonyms for names: prod-report.pdf." in text


def test_the_change_comes_first_in_subject_and_text() -> None:
    notice = result_notice(FACTS, Told(report(), BEFORE, {}), URL, BERLIN)
    assert notice.subject == "prod: +3 assigned, \N{MINUS SIGN}2 active, 5 new findings, 1 resolved"
    assert notice.text.split("\n") == [
        "Since 2026-06-01: +3 assigned, \N{MINUS SIGN}2 active, +2 unused; 5 new findings, 1 resolved.",
        "Reclaim now 12,600 USD a year (was 10,500), cash at renewal 20,000 (was 20,000), at risk 3,000 (was 2,500).",
        "These amounts overlap: never add them up.",
        "Now: 450 paid seats, 438 assigned, 289 active, 42 unused; 10 findings.",
        "Notice for Sales Cloud by 2026-07-02 (24 days left); its contract ends 2026-08-31.",
    ]
    assert (notice.event, notice.link, notice.key) == ("audit", f"{URL}/audits/{UUID(int=7)}", str(UUID(int=2)))
    assert notice.facts["findings_new"] == 5
    assert numbers(notice.text) <= numbers(seen(notice))


def test_the_first_audit_says_that_there_is_nothing_to_compare() -> None:
    text = told(report(), None)
    assert text.startswith("This is the first audit")
    assert "(was" not in text


def test_withheld_figures_are_said_and_never_shown_as_a_change() -> None:
    gate = "The connected user cannot see other people's logins."
    blind = report(
        seats_active=None,
        seats_unused=None,
        money=(),
        money_withheld=True,
        withheld=(gate,),
        findings=(),
        rules=(ToldRule("R08", None), ToldRule("R16", 0)),
    )
    text = told(blind, msgspec.structs.replace(BEFORE, rules=(ToldRule("R08", 6), ToldRule("R16", 0))))
    assert "active withheld, unused withheld; 0 new findings, 0 resolved" in text
    assert "Money is withheld." in text
    assert f"Withheld: {gate}" in text
    assert "could not run them: R08." in text
    assert "438 assigned, active withheld, unused withheld; 0 findings" in text
    back = told(report(), msgspec.structs.replace(BEFORE, money_withheld=True, seats_active=None))
    assert "active withheld" in back
    assert "(was" not in back


def test_findings_of_a_pseudonymous_audit_are_not_compared_with_those_of_an_open_one() -> None:
    change = change_between(msgspec.structs.replace(BEFORE, pseudonymous=True), report())
    assert (change.findings_new, change.findings_resolved) == (None, None)
    assert "findings cannot be compared" in told(report(), msgspec.structs.replace(BEFORE, pseudonymous=True))


def test_documents_go_along_as_far_as_a_mail_can_carry_them() -> None:
    files = {"report.pdf": b"%PDF", "report.xlsx": b"x" * ATTACHMENT_BYTES_MAX}
    notice = result_notice(FACTS, Told(report(), BEFORE, files), URL, BERLIN)
    assert [file.name for file in notice.attachments] == ["prod-report.pdf"]
    assert "Attached, with names: prod-report.pdf." in notice.text
    assert "report.xlsx is too large for a mail; it is in Isthmus." in notice.text


def test_a_report_that_is_gone_or_strange_is_told_without_figures() -> None:
    assert told(None).startswith("The audit is finished; its report is not kept any more.")
    assert told_report(b"{}") is None
    assert told_report(b"\xff") is None


def test_a_recovery_says_so_first() -> None:
    notice = result_notice(replace(FACTS, kind="recovery"), Told(report(), BEFORE, {}), URL, BERLIN)
    assert notice.text.startswith("Audits of prod work again.\nSince 2026-06-01")
    assert notice.event == "recovery"


def test_a_failure_says_cause_remedy_and_the_last_good_audit() -> None:
    failed = replace(FACTS, kind="failure", failure="not_readable", failure_object="LoginHistory", good_at=MONDAY)
    notice = failure_notice(failed, URL, BERLIN)
    assert notice.subject == "prod: the audit has failed"
    assert "may not read LoginHistory. Give it the permission" in notice.text
    assert "The last good one: 2026-06-08 06:00 CEST." in notice.text
    assert "There is no earlier one." in failure_notice(replace(failed, good_at=None), URL, BERLIN).text


def month(alias: str, number: int, *money: ToldMoney, shown: ToldReport | None = None, withheld: bool = False) -> Month:
    summary = ToldSummary(450, 430 + number, None if withheld else 289, 40, money, withheld, 12)
    return Month(alias, datetime(2026, number, 20, tzinfo=UTC), summary, shown)


def test_the_finance_summary_has_three_figures_by_currency_seats_trend_and_deadlines() -> None:
    dollar, euro = report().money[0], ToldMoney("EUR", Decimal(900), Decimal(1000), Decimal(0))
    summary = replace(
        FACTS, kind="finance", since=datetime(2026, 5, 1, 5, tzinfo=UTC), until=datetime(2026, 6, 1, 5, tzinfo=UTC)
    )
    months = [
        month("apac", 5),
        month("prod", 3, dollar),
        month("prod", 4, withheld=True),
        month("prod", 5, dollar, euro, shown=report()),
        Month("uat", datetime(2026, 5, 20, tzinfo=UTC), None, report(contract=())),
    ]
    notice = finance_notice(summary, months, URL, BERLIN)
    text = notice.text
    assert notice.subject == "Licences of Acme: finance summary to 2026-06-01"
    assert text.startswith("Finance summary, 2026-05-01 to 2026-06-01.")
    assert (
        "apac, as of 2026-05-20:\nNow: 450 paid seats, 435 assigned, 289 active, 40 unused; 12 findings.\nIts report"
        in text
    )
    assert "USD a year: reclaim now 12,600, cash at renewal 20,000, at risk 3,000." in text
    assert "EUR a year: reclaim now 900, cash at renewal 1,000, at risk 0." in text
    assert "Notice for Sales Cloud by 2026-07-02 (31 days left)" in text
    assert "  2026-03: 433 assigned, 289 active, 40 unused, reclaim now 12,600 USD\n" in text
    assert "  2026-04: 434 assigned, active withheld, 40 unused, reclaim now withheld\n" in text
    assert "  2026-05: 435 assigned, 289 active, 40 unused, reclaim now 12,600 USD, 900 EUR\n" in text
    assert "uat, as of 2026-05-20:\nIts figures are not kept." in text
    assert text.count("By month") == 1
    assert (told_summary(None), told_summary("{}")) == (None, None)
    assert numbers(text) <= numbers(seen(notice))


@pytest.mark.parametrize(
    ("day", "now", "since", "until"),
    [
        (1, "2026-06-08T12:00", "2026-05-01T07:00", "2026-06-01T07:00"),
        (1, "2026-06-01T06:59", "2026-04-01T07:00", "2026-05-01T07:00"),
        (28, "2026-03-28T07:00", "2026-02-28T07:00", "2026-03-28T07:00"),
        (15, "2026-01-10T00:00", "2025-11-15T07:00", "2025-12-15T07:00"),
    ],
)
def test_a_finance_summary_covers_the_latest_whole_month(day: int, now: str, since: str, until: str) -> None:
    def local(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=BERLIN)

    span = finance_span(day, BERLIN, local(now).astimezone(UTC))
    assert (span.since, span.until) == (local(since), local(until))
