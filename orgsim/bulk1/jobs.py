"""Bulk API 1.0 jobs and batches as data, and how they look. No processing in here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from orgsim.bulk1.chunking import Chunking
from orgsim.store.results import SaveResult
from orgsim.store.values import csv_value
from orgsim.wire import Session

BATCH_PREFIX: Final = "751"
RESULT_PREFIX: Final = "752"
Content = Literal["CSV", "JSON", "XML"]


@dataclass(slots=True)
class Batch:
    """One upload, or one query, and what became of it. Times are the org's; durations are milliseconds."""

    id: str
    created: datetime
    modified: datetime
    upload: bytes
    state: str = "Queued"
    message: str | None = None
    processed: int = 0
    failed: int = 0
    processing_ms: int = 0
    results: list[SaveResult] = field(default_factory=list[SaveResult])
    result_id: str = ""
    result: bytes = b""

    def finish(self, state: str, at: datetime, message: str | None = None) -> None:
        """End the batch."""
        self.state, self.modified, self.message = state, at, message


@dataclass(slots=True)
class Job:
    """One job with its batches."""

    id: str
    operation: str
    object: str
    session: Session
    api_version: str
    created: datetime
    modified: datetime
    content: Content
    external_id_field: str | None = None
    concurrency_mode: str = "Parallel"
    assignment_rule_id: str | None = None
    chunking: Chunking | None = None
    state: str = "Open"
    batches: dict[str, Batch] = field(default_factory=dict[str, Batch])

    @property
    def is_query(self) -> bool:
        """Whether the batches are queries."""
        return self.operation in {"query", "queryAll"}


def job_view(job: Job, *, as_json: bool) -> dict[str, object]:
    """Return the jobInfo of a job, in the order of the schema."""
    batches = job.batches.values()
    view: dict[str, object] = {
        "id": job.id,
        "operation": job.operation,
        "object": job.object,
        "createdById": job.session.user_id,
        "createdDate": _stamp(job.created, as_json=as_json),
        "systemModstamp": _stamp(job.modified, as_json=as_json),
        "state": job.state,
    }
    if job.external_id_field is not None or as_json:
        view["externalIdFieldName"] = job.external_id_field
    view |= {"concurrencyMode": job.concurrency_mode, "contentType": job.content}
    for name, state in (("Queued", "Queued"), ("InProgress", "InProgress"), ("Completed", "Completed")):
        view[f"numberBatches{name}"] = _count(batches, state)
    view |= {
        "numberBatchesFailed": _count(batches, "Failed"),
        "numberBatchesTotal": len(job.batches),
        "numberRecordsProcessed": sum(batch.processed for batch in batches),
        "numberRetries": 0,
        "apiVersion": float(job.api_version) if as_json else job.api_version,
    }
    if job.assignment_rule_id is not None or as_json:
        view["assignmentRuleId"] = job.assignment_rule_id
    view["numberRecordsFailed"] = sum(batch.failed for batch in batches)
    total = sum(batch.processing_ms for batch in batches)
    view |= {"totalProcessingTime": total, "apiActiveProcessingTime": total, "apexProcessingTime": 0}
    if as_json:
        view["fastPathEnabled"] = False
    return view


def batch_view(job: Job, batch: Batch, *, as_json: bool) -> dict[str, object]:
    """Return the batchInfo of a batch, in the order of the schema."""
    view: dict[str, object] = {"id": batch.id, "jobId": job.id, "state": batch.state}
    if batch.message is not None or as_json:
        view["stateMessage"] = batch.message
    view |= {
        "createdDate": _stamp(batch.created, as_json=as_json),
        "systemModstamp": _stamp(batch.modified, as_json=as_json),
        "numberRecordsProcessed": batch.processed,
        "numberRecordsFailed": batch.failed,
        "totalProcessingTime": batch.processing_ms,
        "apiActiveProcessingTime": batch.processing_ms,
        "apexProcessingTime": 0,
    }
    return view


def _count(batches: Iterable[Batch], state: str) -> int:
    return sum(batch.state == state for batch in batches)


def _stamp(moment: datetime, *, as_json: bool) -> str:
    text = csv_value(moment.replace(microsecond=0))
    return text.replace("Z", "+0000") if as_json else text
