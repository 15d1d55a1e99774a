"""Syncs and runs as the commands print them for machines."""

from __future__ import annotations

from isthmus.sync.timing.beside import CallsBeside
from isthmus.sync.views import OutcomeView, RunDetail, SyncView


def plain_calls(calls: CallsBeside) -> dict[str, int]:
    """Return calls beside runs for machines."""
    return {
        "activation": calls.activation,
        "reading_source": calls.reading_source,
        "reading_target": calls.reading_target,
    }


def plain_sync(sync: SyncView) -> dict[str, object]:
    """Return a sync for machines."""
    return {
        "id": str(sync.id),
        "name": sync.title,
        "from": sync.source_alias,
        "to": sync.target_alias,
        "two_way": sync.two_way,
        "state": sync.state.value,
        "pause_reason": sync.pause_reason.value if sync.pause_reason else None,
        "waits_for_login": list(sync.waits_for),
        "interval_s": sync.interval_s,
        "due_at": sync.due_at.isoformat() if sync.due_at else None,
        "last_run_state": sync.last_run_state.value if sync.last_run_state else None,
    }


def plain_run(detail: RunDetail) -> dict[str, object]:
    """Return a run for machines."""
    return {
        "id": str(detail.run.id),
        "name": detail.title,
        "state": detail.run.state.value,
        "message": detail.message,
        "rows_read": detail.run.rows_read,
        "rows_written": detail.run.rows_written,
        "rows_retried": detail.run.rows_retried,
        "rows_failed": detail.run.rows_failed,
        "api_calls": {"source": detail.run.calls_source, "target": detail.run.calls_target},
        "steps": [
            {
                "title": s.title,
                "path": s.path,
                "rows_read": s.rows_read,
                "rows_written": s.rows_written,
                "rows_failed": s.rows_failed,
            }
            for s in detail.steps
        ],
        "failures": [_plain_outcome(o) for o in detail.outcomes if o.failed],
        "notes": [_plain_outcome(o) for o in detail.outcomes if not o.failed],
    }


def standing(sync: SyncView) -> str:
    """Return in a word or two how a sync stands."""
    if sync.waits_for:
        return f"{sync.state.value} (waits for a new login: {', '.join(sync.waits_for)})"
    return sync.state.value + (f" ({sync.pause_reason.value})" if sync.pause_reason else "")


def _plain_outcome(o: OutcomeView) -> dict[str, object]:
    known = {"step": o.step_title, "code": o.code, "field": o.field, "rows": o.rows}
    return {**known, "cause": o.cause, "remedy": o.remedy}
