"""Query jobs: the resource, the work, the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orgsim.bulk.dialect import Dialect, parse_dialect
from orgsim.bulk.jobs import (
    ALPHABETICAL_LAST,
    FINAL_STATES,
    JOB_PREFIX,
    JobShelf,
    QueryJob,
    State,
    make_locator,
    read_locator,
    same_version,
    session_of,
)
from orgsim.bulk.sources import RowSource, Snapshot, Virtual
from orgsim.bulk.virtual import virtual_source
from orgsim.router import Call
from orgsim.soql.parser import is_ordered
from orgsim.soql.result import RowStream
from orgsim.store.results import WriteContext
from orgsim.store.values import csv_value
from orgsim.traffic import BULK_QUERY_JOBS
from orgsim.whims import Whims
from orgsim.wire import ApiError, Response, Session, empty_response, json_response

if TYPE_CHECKING:
    from orgsim.org import Org

_SLICE_ROWS: Final = 2_000
_RESULT_PAGES: Final = 5
_CSV: Final = ("Content-Type", "text/csv;charset=UTF-8")


@dataclass(slots=True)
class QueryJobs:
    """`jobs/query`: handlers for the router; the work itself is `run`."""

    jobs: JobShelf[QueryJob]
    whims: Whims
    start: Callable[[Coroutine[None, None, None]], None]

    def create(self, call: Call) -> Response:
        """`POST jobs/query`."""
        wanted = call.request.json_object()
        operation = str(wanted.get("operation") or "")
        soql = str(wanted.get("query") or "")
        if operation not in {"query", "queryAll"}:
            raise ApiError(400, "INVALIDOPERATION", f"Unsupported operation: {operation}")
        if not soql.strip():
            raise ApiError(400, "INVALIDJOB", "The query of the job is empty")
        if str(wanted.get("contentType") or "CSV").upper() != "CSV":
            raise ApiError(400, "INVALIDJOB", "Unsupported content type; only CSV is allowed")
        dialect = parse_dialect(wanted.get("columnDelimiter"), wanted.get("lineEnding"))
        session = session_of(call.request)
        all_rows = operation == "queryAll"
        virtual = virtual_source(call.org, soql, session.user_id, call.version, dialect)
        stream = None
        if virtual is None or all_rows:
            stream, virtual = call.org.stream(soql, all_rows=all_rows, ctx=_context(session)), None
        call.org.usage.check_bulk(BULK_QUERY_JOBS)
        call.org.usage.take_bulk(BULK_QUERY_JOBS)
        now = call.org.clock.now()
        job = QueryJob(
            id=call.org.new_id(JOB_PREFIX),
            operation=operation,
            object=virtual.object_name if virtual is not None else stream.object_name if stream is not None else "",
            session=session,
            api_version=call.version,
            created=now,
            dialect=dialect,
            state=State.UPLOAD_COMPLETE,
            modified=now,
            soql=soql,
        )
        self.jobs.put(job)
        self.start(self.run(call.org, job, virtual, stream))
        return json_response(job.created_view())

    async def run(self, org: Org, job: QueryJob, virtual: Virtual | None, stream: RowStream | None) -> None:
        """Do the job's work in slices, so that other calls are answered in between."""
        await asyncio.sleep(self.whims.job_delay_s())
        if job.state is not State.UPLOAD_COMPLETE:
            return
        began = asyncio.get_running_loop().time()
        job.move(State.IN_PROGRESS, org.clock.now())
        try:
            source = virtual if stream is None else await _snapshot(job, stream)
        except ApiError as refused:
            job.error_message = f"{refused.code}: {refused.message}"
            job.move(State.FAILED, org.clock.now())
            return
        if source is None:
            return
        if isinstance(source, Snapshot) and not is_ordered(job.soql):
            self.whims.shuffle(source.rows)
        job.source = source
        job.processed = source.count()
        job.processing_ms = int((asyncio.get_running_loop().time() - began) * 1000)
        job.move(State.JOB_COMPLETE, org.clock.now())

    def info(self, call: Call) -> Response:
        """`GET jobs/query/<id>`."""
        return json_response(self.jobs.get(call.params["job"]).info())

    def change(self, call: Call) -> Response:
        """`PATCH jobs/query/<id>`: abort."""
        job = self.jobs.get(call.params["job"])
        if call.request.json_object().get("state") != "Aborted":
            raise ApiError(400, "INVALIDJOBSTATE", "A query job can only be set to Aborted")
        if job.state in FINAL_STATES:
            raise ApiError(400, "INVALIDJOBSTATE", "Aborting already Completed Job not allowed")
        job.move(State.ABORTED, call.org.clock.now())
        return json_response(job.info())

    def delete(self, call: Call) -> Response:
        """`DELETE jobs/query/<id>`."""
        job = self.jobs.get(call.params["job"])
        if job.state not in FINAL_STATES:
            text = "Error encountered when deleting the job because the job is not terminated"
            raise ApiError(400, "API_ERROR", text)
        self.jobs.drop(job.id)
        return empty_response()

    def all_jobs(self, call: Call) -> Response:
        """`GET jobs/query`."""
        return json_response(
            self.jobs.view(call.request.param("queryLocator"), f"/services/data/v{call.version}/jobs/query")
        )

    def results(self, call: Call) -> Response:
        """`GET jobs/query/<id>/results`: one page, streamed."""
        job, source = self._finished(call)
        start = read_locator(call.request.param("locator"))
        if start > source.count():
            raise ApiError(400, "INVALIDLOCATOR", "The locator is not valid for this job")
        page = self.whims.bulk_page_rows(call.org.settings.bulk_query_page_rows)
        wanted = call.request.param("maxRecords")
        if wanted is not None:
            if not wanted.isdigit() or int(wanted) < 1:
                raise ApiError(400, "INVALIDJOB", "maxRecords must be a positive number")
            page = min(page, int(wanted)) if self.whims.mood.bulk_page_rows else int(wanted)
        stop = min(start + page, source.count())
        following = make_locator(stop, job, long=self.whims.mood.long_locators) if stop < source.count() else "null"
        headers = (_CSV, ("Sforce-NumberOfRecords", str(stop - start)), ("Sforce-Locator", following))
        return Response(200, _page(source, job.dialect, start, stop), headers)

    def result_pages(self, call: Call) -> Response:
        """`GET jobs/query/<id>/resultPages`: the addresses of the next five pages."""
        job, source = self._finished(call)
        base = f"/services/data/v{call.version}/jobs/query/{job.id}"
        start = read_locator(call.request.param("locator"))
        page = call.org.settings.bulk_query_page_rows
        long = self.whims.mood.long_locators
        starts = range(start, max(source.count(), start + 1), page)
        urls = [
            {"resultUrl": f"{base}/results" + (f"?locator={make_locator(first, job, long=long)}" if first else "")}
            for first in starts[:_RESULT_PAGES]
        ]
        rest = starts[_RESULT_PAGES:]
        following = f"{base}/resultpages?locator={make_locator(rest[0], job, long=long)}" if rest else None
        view = {"resultPages": urls, "nextRecordsUrl": following, "nextRecordUrl": following, "done": following is None}
        return json_response(view)

    def _finished(self, call: Call) -> tuple[QueryJob, RowSource]:
        job = self.jobs.get(call.params["job"])
        same_version(job, call.version)
        if job.source is None or job.state is not State.JOB_COMPLETE:
            text = (
                "can only download query results of successfully completed bulk job with status: JOB_COMPLETE. "
                f"Current status: {_upper(job.state)}"
            )
            raise ApiError(call.org.settings.bulk_early_results_status, "JOB_NOT_COMPLETE", text)
        return job, job.source


def _page(source: RowSource, dialect: Dialect, start: int, stop: int) -> Iterator[bytes]:
    yield dialect.row(source.columns).encode()
    yield from source.blocks(start, stop)


def _context(session: Session) -> WriteContext:
    return WriteContext(session.user_id, via="bulk", text=True)


async def _snapshot(job: QueryJob, stream: RowStream) -> Snapshot | None:
    """Render all rows; None if the job was aborted meanwhile."""
    order, columns = _column_order([column.name for column in stream.columns], job.api_version)
    rows: list[bytes] = []
    make = job.dialect.row
    for values in stream.rows:
        if values is None:
            await asyncio.sleep(0)
            continue
        rows.append(make([csv_value(values[place]) for place in order]).encode())
        if len(rows) % _SLICE_ROWS == 0:
            job.processed = len(rows)
            await asyncio.sleep(0)
            if job.state is not State.IN_PROGRESS:
                return None
    return Snapshot(columns, rows)


def _column_order(columns: Sequence[str], version: str) -> tuple[list[int], list[str]]:
    """Return positions and names in the order of the version: as selected from 50.0 on, alphabetical before."""
    places = list(range(len(columns)))
    if int(version.partition(".")[0]) <= ALPHABETICAL_LAST:
        places.sort(key=lambda place: columns[place])
    return places, [columns[place] for place in places]


def _upper(state: State) -> str:
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in state).lstrip("_")
