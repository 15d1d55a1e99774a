"""The texts of notices: made of names of syncs, counts, codes and times, when they are sent. Pure.

What is not here cannot be told: there is no value of a record, no id of one, and no word of an org.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from isthmus.notices.model import Delivery, Notice, Span
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.errors import explain, explain_end
from isthmus.sync.model import EndReason, RunState
from isthmus.sync.telling.alerting import NoticeKind
from isthmus.sync.telling.anomalies import AnomalyKind, anomaly_of

DIGEST_AT: Final = time(7)
"""When a digest is made, by the channel's zone; a weekly one on Mondays."""
_PERIODS: Final = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
_MONDAY: Final = 0


@dataclass(frozen=True, slots=True)
class DeliveryFacts(Delivery):
    """A notice about syncs that goes to one channel: a row of `sync.take_deliveries`."""

    sync_id: UUID | None
    title: str | None
    run_id: UUID | None
    run_state: str | None
    end_reason: int | None
    end_code: int | None
    rows_read: int
    rows_written: int
    rows_failed: int
    codes: list[int] | None
    code_rows: list[int] | None
    failing_since: datetime | None
    runs_failed: int | None
    anomaly: int | None = None
    seen: int | None = None
    usual: int | None = None


@dataclass(frozen=True, slots=True)
class DigestRow:
    """One sync's span: a row of `sync.digest_rows`."""

    sync_id: UUID
    title: str
    state: str
    runs: int
    runs_failed: int
    rows_written: int
    rows_failed: int
    failing_since: datetime | None


def digest_span(period: str, zone: ZoneInfo, now: datetime) -> Span:
    """Return the latest whole span of a `daily` or `weekly` digest: it ended at seven o'clock, or is still the last."""
    day = now.astimezone(zone).date()
    while True:
        end = datetime.combine(day, DIGEST_AT, zone)
        if end <= now and (period == "daily" or day.weekday() == _MONDAY):
            before = datetime.combine(day - _PERIODS[period], DIGEST_AT, zone)
            return Span(before, end)
        day -= timedelta(days=1)


def run_notice(facts: DeliveryFacts, public_url: str, zone: ZoneInfo) -> Notice:
    """Return the notice of a run that failed, still fails, or succeeds again."""
    title = facts.title or "A sync"
    lines = [_headline(facts, zone), *_reasons(facts)]
    if facts.rows_failed or facts.rows_written:
        lines.append(f"Rows: {facts.rows_written:,} written, {facts.rows_failed:,} failed.")
    words = {NoticeKind.FAILURE: "has failed", NoticeKind.REMINDER: "still fails", NoticeKind.RECOVERY: "works again"}
    link = f"{public_url}/runs/{facts.run_id}" if facts.run_id else f"{public_url}/syncs/{facts.sync_id}"
    return Notice(
        subject=f"{title} {words[NoticeKind(facts.kind)]}",
        text="\n".join(lines),
        link=link,
        key=str(facts.notice_id),
        event=facts.kind,
        facts={
            "sync": title,
            "state": facts.run_state or "",
            "end": EndReason(facts.end_reason).name if facts.end_reason is not None else "",
            "rows_written": facts.rows_written,
            "rows_failed": facts.rows_failed,
            "codes": [{"code": code.name, "rows": rows} for code, rows in _codes(facts)],
        },
    )


def anomaly_notice(facts: DeliveryFacts, public_url: str) -> Notice:
    """Return the notice of something unusual about a run."""
    title = facts.title or "A sync"
    unusual = anomaly_of(AnomalyKind(facts.anomaly or 0), facts.seen or 0, facts.usual or 0)
    return Notice(
        subject=f"{title}: something unusual",
        text=f"{unusual.text}\n{unusual.remedy}",
        link=f"{public_url}/runs/{facts.run_id}",
        key=str(facts.notice_id),
        event=facts.kind,
        facts={"sync": title, "anomaly": unusual.kind.name.lower(), "seen": unusual.seen, "usual": unusual.usual},
    )


def digest_notice(facts: DeliveryFacts, rows: Sequence[DigestRow], public_url: str, zone: ZoneInfo) -> Notice:
    """Return the digest of a tenant's syncs."""
    failing = [row for row in rows if row.failing_since is not None]
    written, failed = sum(row.rows_written for row in rows), sum(row.rows_failed for row in rows)
    span = f"{_at(facts.since, zone)} to {_at(facts.until, zone)}"
    lines = [
        f"{len(rows):,} syncs, {sum(r.runs for r in rows):,} runs, {written:,} rows written, {failed:,} rows failed.",
        f"From {span}.",
        "",
    ]
    for row in rows:
        runs = f"{row.runs:,} runs" + (f", {row.runs_failed:,} of them failed" if row.runs_failed else "")
        since = f"; in trouble since {_at(row.failing_since, zone)}" if row.failing_since else ""
        lines.append(
            f"{row.title} ({row.state}): {runs}, {row.rows_written:,} rows written, {row.rows_failed:,} failed{since}"
        )
    state = f"{len(failing)} in trouble" if failing else "all well"
    return Notice(
        subject=f"Syncs of {facts.tenant_name}: {state}",
        text="\n".join(lines),
        link=f"{public_url}/syncs",
        key=str(facts.notice_id),
        event="digest",
        facts={"tenant": facts.tenant_name, "syncs": len(rows), "rows_written": written, "rows_failed": failed},
    )


def _headline(facts: DeliveryFacts, zone: ZoneInfo) -> str:
    title = facts.title or "The sync"
    if facts.kind == NoticeKind.RECOVERY:
        return f"{title} works again."
    since = f" since {_at(facts.failing_since, zone)}" if facts.failing_since else ""
    runs = f", {facts.runs_failed:,} runs in a row" if facts.runs_failed and facts.runs_failed > 1 else ""
    return f"{title} is in trouble{since}{runs}."


def _reasons(facts: DeliveryFacts) -> list[str]:
    if facts.kind == NoticeKind.RECOVERY:
        return []
    lines: list[str] = []
    if facts.run_state in {RunState.FAILED, RunState.REVOKED} and facts.end_reason is not None:
        code = None if facts.end_code is None else StatusCode(facts.end_code)
        why = explain_end(EndReason(facts.end_reason), code)
        lines.append(f"Stopped: {why.cause}. {why.remedy}")
    for code, rows in _codes(facts):
        why = explain(code)
        lines.append(f"{code.name}, {rows:,} rows: {why.cause}. {why.remedy}")
    return lines


def _codes(facts: DeliveryFacts) -> list[tuple[StatusCode, int]]:
    return [(StatusCode(code), rows) for code, rows in zip(facts.codes or [], facts.code_rows or [], strict=True)]


def _at(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
