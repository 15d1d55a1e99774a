"""Bulk API 2.0: export as raw CSV pages, ingest as a streamed upload. Nothing is staged anywhere."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from isthmus.egress.errors import EgressError, Interrupted
from isthmus.egress.policy import HoleValue, RouteName
from isthmus.egress.transport import StreamReply
from isthmus.salesforce import bulk_results, routes
from isthmus.salesforce.errors import Expired, Incomplete, LeaseLost, Refused, SalesforceError, Transient, Unexpected
from isthmus.salesforce.query import Soql
from isthmus.salesforce.refused_rows import RefusedRows
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.waiting import EARLIER_STUCK_S, STUCK_S, JobState, ended
from isthmus.values import ApiName

INGEST_BYTES_MAX: Final = 90_000_000
"""The most that a caller may put into one ingest job (Salesforce: 150 MB after base64, so at most about 100 MB)."""
CLEAN_UP_S: Final = 10.0
PAGE_OPENINGS_MAX: Final = 4
JOB_LISTS_MAX: Final = 10
"""Pages of 1,000 jobs: an org keeps those of seven days."""

_REFUSING_CODES: Final = frozenset(
    map(StatusCode.parse, "INVALIDBATCH CLIENTINPUTERROR FEATURENOTENABLED INVALIDOPERATION INVALIDJOB".split())
)
"""Why an org fails a job for what it is: the same job would fail again."""

_AT_WORK: Final = frozenset({"UploadComplete", "InProgress"})
_NEXT_LIST = re.compile(r"[?&]queryLocator=([A-Za-z0-9_=-]{1,256})(?:&|$)")
_ABORT: Final = b'{"state":"Aborted"}'
_CLOSE: Final = b'{"state":"UploadComplete"}'
_COUNT = re.compile(r"[0-9]{1,12}")
_JOB_ERROR = re.compile(r"[A-Za-z_]{3,64}")


@dataclass(frozen=True, slots=True)
class ExportPage:
    """One page of a result, `rows` without the header row.

    `chunks` yields its raw CSV bytes, header row included on *every* page, LF, comma; chunks end anywhere, also inside
    a row. Read a page to its end before taking the next.
    """

    number: int
    rows: int
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """What became of an ingest job: rows processed, of these failed, rows never processed, failures by (code, field).

    `field` is the first field that the org blamed, as it spelt it, or "" if none. Rows are unprocessed only if the org
    ended a job that it had begun.
    """

    processed: int
    failed: int
    unprocessed: int
    failures: Counter[tuple[StatusCode, str]]


class _Job(msgspec.Struct, frozen=True):
    id: str


class _ListedJob(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    state: str
    operation: str | None = None
    object: str | None = None
    external_id_field_name: str | None = None


class _JobList(msgspec.Struct, frozen=True, rename="camel"):
    done: bool
    records: list[_ListedJob]
    next_records_url: str | None = None


async def export(
    session: Session, soql: Soql, *, deleted: bool = False, rows_expected: int | None = None
) -> AsyncGenerator[ExportPage]:
    """Run a query job and yield its pages (none for an empty result). Close the generator (`contextlib.aclosing`).

    `rows_expected` only helps to ask seldom for the job's state.

    The job is deleted at the end, aborted on cancellation. Raises `Incomplete` unless the pages' rows sum up to
    numberRecordsProcessed; `Transient` if a page broke off after part of it was handed out; `Refused` if the job
    failed.
    """
    body = msgspec.json.encode(
        {
            "operation": "queryAll" if deleted else "query",
            "query": soql.reveal(),
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
    )
    job = (await session.json(routes.EXPORT_CREATE, _Job, None, body)).id
    complete = False
    try:
        state = await _await_end(session, routes.EXPORT_STATE, job, rows_expected=rows_expected)
        total = state.number_records_processed
        complete = True
        seen = 0
        locator: str | None = None
        number = 0
        while seen < total:
            number += 1
            async with _page(session, job, locator, number) as page:
                yield page.page
                if not page.ended:
                    raise Incomplete(routes.EXPORT_PAGE)
                seen += page.page.rows
                locator = page.next_locator
            if locator is not None and not page.page.rows:
                # An empty page that is not the last: an org could keep us reading for ever.
                raise Incomplete(routes.EXPORT_PAGE)
            if locator is None:
                break
        if seen != total or locator is not None:
            raise Incomplete(routes.EXPORT_PAGE)
    finally:
        await _clean_up(session, job, routes.EXPORT_ABORT, routes.EXPORT_DELETE, abort=not complete)


async def ingest(
    session: Session,
    name: ApiName,
    key: ApiName,
    blocks: AsyncIterator[bytes],
    *,
    refused: RefusedRows | None = None,
    rows_sent: Callable[[], int] | None = None,
) -> IngestOutcome:
    """Upsert by the external id `key` the CSV that `blocks` yields (header row first, LF, comma, `#N/A` is null).

    `refused` gets the rows whose code it wants: an org does not try them again by itself. `rows_sent` tells how many
    rows `blocks` had, and only helps to ask seldom for the job's state.

    The job is deleted at the end, aborted on cancellation or failure. Raises `Transient` if the upload broke off (the
    job was then aborted: nothing was processed), `Refused` if the org failed the job before it processed a row. What
    `blocks` raises comes through.
    """
    wanted = {"object": str(name), "operation": "upsert", "externalIdFieldName": str(key)}
    return await _ingested(session, wanted, blocks, refused, rows_sent)


async def delete(session: Session, name: ApiName, ids: Sequence[str]) -> IngestOutcome:
    """Delete the records of these ids: they go into the recycle bin. Raises as `ingest` does."""

    async def blocks() -> AsyncGenerator[bytes]:
        yield b"Id\n" + b"".join(row_id.encode() + b"\n" for row_id in ids)

    return await _ingested(session, {"object": str(name), "operation": "delete"}, blocks(), None, lambda: len(ids))


async def _ingested(
    session: Session,
    wanted: Mapping[str, str],
    blocks: AsyncIterator[bytes],
    refused: RefusedRows | None,
    rows_sent: Callable[[], int] | None,
) -> IngestOutcome:
    body = msgspec.json.encode({**wanted, "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF"})
    job = (await session.json(routes.INGEST_CREATE, _Job, None, body)).id
    complete = False
    try:
        await _upload(session, job, blocks)
        await _close(session, job)
        sent = rows_sent() if rows_sent is not None else None
        state = await _await_end(session, routes.INGEST_STATE, job, failed_is_end=True, rows_expected=sent)
        complete = True
        return await _outcome(session, job, state, refused)
    finally:
        await _clean_up(session, job, routes.INGEST_CLOSE, routes.INGEST_DELETE, abort=not complete)


async def await_earlier_jobs(session: Session, name: ApiName, key: ApiName) -> None:
    """Wait until the org works on no upsert job into `name` by `key` any more.

    A job outlives the client that closed it: what a killed mover left behind would otherwise be written after, and
    over, the newer values of the run that takes its work up. Open jobs are never processed, and stay out of it. Raises
    `Transient` with JOB_STUCK if one makes no progress for `EARLIER_STUCK_S`.
    """
    for job in await _jobs_at_work(session, name, key):
        # Whatever became of it, also that somebody deleted it: it writes no more.
        with suppress(Refused):
            await _await_end(session, routes.INGEST_STATE, job, stuck_s=EARLIER_STUCK_S)


async def _jobs_at_work(session: Session, name: ApiName, key: ApiName) -> list[str]:
    found: list[str] = []
    holes: dict[str, HoleValue] = {}
    for _ in range(JOB_LISTS_MAX):
        page = await session.json(routes.INGEST_LIST, _JobList, holes)
        found += [
            job.id
            for job in page.records
            if job.state in _AT_WORK
            and job.operation == "upsert"
            and (job.object or "").casefold() == name.casefold()
            and (job.external_id_field_name is None or job.external_id_field_name.casefold() == key.casefold())
        ]
        more = _NEXT_LIST.search(page.next_records_url or "")
        if page.done or more is None:
            break
        holes = {"locator": more[1]}
    return found


async def _upload(session: Session, job: str, blocks: AsyncIterable[bytes]) -> None:
    try:
        await session.call(routes.INGEST_UPLOAD, {"job": job}, blocks)
    except Expired as error:
        # The blocks are gone, so it cannot be sent again under a new token; the whole job can.
        raise Transient(routes.INGEST_UPLOAD, error.code, error.http_status) from None


async def _close(session: Session, job: str) -> None:
    try:
        await session.call(routes.INGEST_CLOSE, {"job": job}, _CLOSE)
    except Refused:
        # A repeated close of which only the first answer was lost is refused, and means that the job is closed.
        state = await session.json(routes.INGEST_STATE, JobState, {"job": job})
        if state.state in {"Open", "Aborted"}:
            raise


async def _await_end(
    session: Session,
    route: RouteName,
    job: str,
    *,
    failed_is_end: bool = False,
    rows_expected: int | None = None,
    stuck_s: float = STUCK_S,
) -> JobState:
    """Wait for the job's end. Raises `Refused` if it failed.

    With `failed_is_end` it is refused only for what it is; one that was begun, or that the org could not bring to its
    end, is over like any other, with rows that were not processed.
    """
    ask = partial(session.json, route, JobState, {"job": job})
    state = await ended(ask, session.clock, route, rows_expected, stuck_s)
    code = _job_code(state.error_message)
    if state.state == "JobComplete":
        return state
    if failed_is_end and (state.number_records_processed or code not in _REFUSING_CODES):
        return state
    raise Refused(route, code)


def _job_code(unverified_message: str | None) -> StatusCode:
    """Return the code that a job's errorMessage begins with (`InvalidBatch : …`), as the REST layer spells it."""
    match = _JOB_ERROR.match(unverified_message or "")
    return StatusCode.parse(match[0].upper()) if match else StatusCode.OTHER


@dataclass(slots=True)
class _OpenPage:
    page: ExportPage
    next_locator: str | None
    ended: bool = False


@asynccontextmanager
async def _page(session: Session, job: str, locator: str | None, number: int) -> AsyncGenerator[_OpenPage]:
    """Open a page; if it breaks before anything of it was handed out, open it again (locators can be re-read)."""
    holes: dict[str, HoleValue] = {"job": job} if locator is None else {"job": job, "locator": locator}
    for opening in range(1, PAGE_OPENINGS_MAX + 1):
        async with session.stream(routes.EXPORT_PAGE, holes) as reply:
            chunks = reply.chunks()
            try:
                first = await anext(chunks, b"")
            except Interrupted:
                if opening == PAGE_OPENINGS_MAX:
                    raise Transient(routes.EXPORT_PAGE) from None
                continue
            opened = _OpenPage(ExportPage(number, _rows_of(reply), chunks), _next_locator(reply.headers))
            opened.page = ExportPage(number, opened.page.rows, _handed_out(first, chunks, opened))
            yield opened
            return


async def _handed_out(first: bytes, rest: AsyncIterator[bytes], page: _OpenPage) -> AsyncGenerator[bytes]:
    try:
        yield first
        async for chunk in rest:
            yield chunk
    except EgressError:
        raise Transient(routes.EXPORT_PAGE) from None
    page.ended = True


def _rows_of(reply: StreamReply) -> int:
    text = reply.headers.get("sforce-numberofrecords", "")
    if not _COUNT.fullmatch(text):
        raise Unexpected(routes.EXPORT_PAGE)
    return int(text)


def _next_locator(headers: Mapping[str, str]) -> str | None:
    locator = headers.get("sforce-locator", "null")
    return None if locator in {"null", ""} else locator


async def _outcome(session: Session, job: str, state: JobState, refused: RefusedRows | None) -> IngestOutcome:
    failures: Counter[tuple[StatusCode, str]] = Counter()
    if state.number_records_failed:
        failures = await bulk_results.failures(session, job, refused)
    # What the org counts but does not list is not lost: it stands as OTHER.
    unlisted = state.number_records_failed - failures.total()
    if unlisted > 0:
        failures[StatusCode.OTHER, ""] += unlisted
    if failures.total() > state.number_records_processed:
        raise Unexpected(routes.INGEST_STATE)
    unprocessed = 0
    if state.state != "JobComplete":
        unprocessed = await bulk_results.unprocessed(session, job)
    return IngestOutcome(state.number_records_processed, failures.total(), unprocessed, failures)


async def _clean_up(
    session: Session, job: str, abort_route: RouteName, delete_route: RouteName, *, abort: bool
) -> None:
    """Abort and delete a job, as far as possible: the org forgets it by itself after seven days."""
    try:
        async with asyncio.timeout(CLEAN_UP_S):
            if abort:
                with suppress(SalesforceError):
                    await session.call(abort_route, {"job": job}, _ABORT)
            await session.call(delete_route, {"job": job})
    except (TimeoutError, SalesforceError, EgressError, LeaseLost):
        return
