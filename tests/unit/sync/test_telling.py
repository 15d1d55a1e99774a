"""The texts of notices, and when a digest's span ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.model import EndReason
from isthmus.sync.telling.telling import DeliveryFacts, DigestRow, digest_notice, digest_span, run_notice

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
URL = "https://isthmus.acme.com"
RUN = UUID(int=7)
FACTS = DeliveryFacts(
    tenant_id=UUID(int=1),
    tenant_name="Acme",
    notice_id=UUID(int=2),
    channel=3,
    attempts=1,
    kind="failure",
    made_at=NOON,
    sync_id=UUID(int=4),
    title="Sales to UAT",
    run_id=RUN,
    run_state="partial",
    end_reason=int(EndReason.FINISHED),
    end_code=None,
    rows_read=10,
    rows_written=7,
    rows_failed=3,
    codes=[int(StatusCode.UNABLE_TO_LOCK_ROW)],
    code_rows=[3],
    failing_since=NOON,
    runs_failed=1,
    since=None,
    until=None,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def test_a_failure_says_what_failed_why_and_what_to_do() -> None:
    notice = run_notice(FACTS, URL, BERLIN)
    assert notice.subject == "Sales to UAT has failed"
    why = (
        "other work in the target held the records, and still did after several tries. "
        "Nothing to do: these rows are read again in the next runs."
    )
    assert notice.text.split("\n") == [
        "Sales to UAT is in trouble since 2026-06-10 14:00 CEST.",
        f"UNABLE_TO_LOCK_ROW, 3 rows: {why}",
        "Rows: 7 written, 3 failed.",
    ]
    assert notice.link == f"{URL}/runs/{RUN}"
    assert notice.facts["codes"] == [{"code": "UNABLE_TO_LOCK_ROW", "rows": 3}]


def test_a_run_that_was_stopped_says_by_what() -> None:
    stopped = replace(FACTS, run_state="failed", end_reason=int(EndReason.TARGET_REFUSED), codes=None, code_rows=None)
    text = run_notice(replace(stopped, kind="reminder", runs_failed=700), URL, BERLIN).text
    assert "700 runs in a row" in text
    assert "Stopped: the target org refused to write" in text


def test_a_recovery_is_short() -> None:
    notice = run_notice(replace(FACTS, kind="recovery", rows_failed=0, failing_since=None), URL, BERLIN)
    assert notice.text == "Sales to UAT works again.\nRows: 7 written, 0 failed."


def test_a_digest_counts_by_sync() -> None:
    rows = [
        DigestRow(UUID(int=1), "A", "active", 720, 0, 1200, 0, None),
        DigestRow(UUID(int=2), "B", "paused", 3, 2, 5, 4, NOON),
    ]
    facts = replace(FACTS, kind="digest", since=at("2026-06-09T07:00"), until=at("2026-06-10T07:00"))
    notice = digest_notice(facts, rows, URL, BERLIN)
    assert notice.subject == "Syncs of Acme: 1 in trouble"
    assert "2 syncs, 723 runs, 1,205 rows written, 4 rows failed." in notice.text
    assert "From 2026-06-09 07:00 CEST to 2026-06-10 07:00 CEST." in notice.text
    assert "B (paused): 3 runs, 2 of them failed, 5 rows written, 4 failed; in trouble since" in notice.text


@pytest.mark.parametrize(
    ("period", "now", "since", "until"),
    [
        ("daily", "2026-06-10T07:00", "2026-06-09T07:00", "2026-06-10T07:00"),
        ("daily", "2026-06-10T06:59", "2026-06-08T07:00", "2026-06-09T07:00"),
        ("daily", "2026-03-29T12:00", "2026-03-28T07:00", "2026-03-29T07:00"),
        ("daily", "2026-10-25T12:00", "2026-10-24T07:00", "2026-10-25T07:00"),
        ("weekly", "2026-06-10T12:00", "2026-06-01T07:00", "2026-06-08T07:00"),
        ("weekly", "2026-06-08T06:00", "2026-05-25T07:00", "2026-06-01T07:00"),
    ],
)
def test_a_digest_covers_the_latest_whole_span(period: str, now: str, since: str, until: str) -> None:
    span = digest_span(period, BERLIN, at(now))
    assert (span.since, span.until) == (at(since), at(until))
