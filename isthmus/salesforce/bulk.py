"""Bulk API 2.0: export as raw CSV pages, ingest as a streamed upload."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from isthmus.salesforce.query import Soql
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.values import ApiName

INGEST_BYTES_MAX: Final = 90_000_000
"""The most that a caller may put into one ingest job (Salesforce: 150 MB after base64, so at most about 100 MB)."""


@dataclass(frozen=True, slots=True)
class ExportPage:
    """One page of a result. `chunks` yields its raw CSV bytes, header row included on *every* page, LF, comma.

    Chunks end anywhere, also inside a row. Read a page to its end before taking the next.
    """

    number: int
    rows: int
    chunks: AsyncIterator[bytes]


async def export(session: Session, soql: Soql, *, deleted: bool = False) -> AsyncIterator[ExportPage]:
    """Run a query job and yield its pages; the job is deleted at the end (aborted on cancellation).

    Raises `Incomplete` unless the pages' rows sum up to numberRecordsProcessed; `Transient` if a page broke off after
    part of it was handed out; `Refused` if the job failed.
    """
    raise NotImplementedError
    yield


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """What became of an ingest job: rows processed, of these failed, rows never processed, failures by (code, field).

    `field` is the first field that the org blamed, as it spelt it, or "" if none.
    """

    processed: int
    failed: int
    unprocessed: int
    failures: Counter[tuple[StatusCode, str]]


async def ingest(session: Session, name: ApiName, key: ApiName, blocks: AsyncIterator[bytes]) -> IngestOutcome:
    """Upsert by the external id `key` the CSV that `blocks` yields (header row first, LF, comma, `#N/A` is null).

    The job is deleted at the end, aborted on cancellation or failure. Raises `Transient` if the upload broke off (the
    job was then aborted: nothing was processed), `Refused` if the org failed the job.
    """
    raise NotImplementedError
