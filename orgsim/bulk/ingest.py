"""Ingest jobs: create, upload, close, the work in slices, and the three result files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from orgsim.bulk.dialect import BadCsv, Dialect, parse_dialect, read_rows
from orgsim.bulk.jobs import FINAL_STATES, JOB_PREFIX, IngestJob, JobShelf, State, same_version, session_of
from orgsim.bulk.sources import AbsorbingTable
from orgsim.router import Call
from orgsim.schema.absent import refuse_absent
from orgsim.store.results import Operation, SaveResult, WriteContext
from orgsim.traffic import BULK_BATCH_ROWS, BULK_BATCHES
from orgsim.whims import Whims
from orgsim.wire import ApiError, NotEmulated, Response, empty_response, json_response

if TYPE_CHECKING:
    from orgsim.org import Org

CHUNK_ROWS: Final = 200
UPLOAD_BYTES_MAX: Final = 150_000_000
MULTIPART_CHARACTERS_MAX: Final = 100_000
_OPERATIONS: Final[dict[str, Operation]] = {
    "insert": "insert",
    "update": "update",
    "upsert": "upsert",
    "delete": "delete",
    "hardDelete": "hardDelete",
}
_RESULT_FILES: Final = {
    "successfulresults": "successes",
    "failedresults": "failures",
    "unprocessedrecords": "unprocessed",
}
_CSV: Final = ("Content-Type", "text/csv;charset=UTF-8")


@dataclass(slots=True)
class IngestJobs:
    """`jobs/ingest`: handlers for the router; the work itself is `run`."""

    jobs: JobShelf[IngestJob]
    whims: Whims
    start: Callable[[Coroutine[None, None, None]], None]

    def create(self, call: Call) -> Response:
        """`POST jobs/ingest`, plain or multipart with the data in the same call."""
        kind = call.request.header("content-type") or ""
        if not kind.lower().startswith("multipart/form-data"):
            job = self._new_job(call, call.request.json_object())
            return json_response(job.created_view())
        parts = multipart_parts(call.request.body or b"", kind)
        try:
            wanted = msgspec.json.decode(parts.get("job", b""), type=dict[str, object])
        except msgspec.DecodeError:
            raise ApiError(400, "INVALIDJOB", "The part named job must be a JSON object") from None
        content = parts.get("content")
        if content is None:
            raise ApiError(400, "INVALIDJOB", "The part named content is missing")
        if len(content) > MULTIPART_CHARACTERS_MAX * 4 or len(content.decode("utf-8", "replace")) > (
            MULTIPART_CHARACTERS_MAX
        ):
            raise ApiError(400, "INVALIDJOB", f"The content part exceeds {MULTIPART_CHARACTERS_MAX} characters")
        job = self._new_job(call, wanted)
        job.upload = content
        self._close(call.org, job)
        return json_response(job.created_view())

    def _new_job(self, call: Call, wanted: dict[str, object]) -> IngestJob:
        operation = str(wanted.get("operation") or "")
        if operation not in _OPERATIONS:
            raise ApiError(400, "INVALIDOPERATION", f"Unsupported operation: {operation}")
        if str(wanted.get("contentType") or "CSV").upper() != "CSV":
            raise ApiError(400, "INVALIDJOB", "Unsupported content type; only CSV is allowed")
        call.org.usage.check_bulk(BULK_BATCHES)
        session = session_of(call.request)
        definition = call.org.visible_object(str(wanted.get("object") or ""), session.user_id)
        if definition is None:
            refuse_absent(str(wanted.get("object") or ""))
            raise ApiError(400, "INVALIDENTITY", f"Unable to find object: {wanted.get('object')}")
        external = str(wanted.get("externalIdFieldName") or "") or None
        if operation == "upsert":
            external = _checked_key(call.org, definition.name, external, session.user_id)
        dialect = parse_dialect(wanted.get("columnDelimiter"), wanted.get("lineEnding"))
        now = call.org.clock.now()
        rule = wanted.get("assignmentRuleId")
        job = IngestJob(
            id=call.org.new_id(JOB_PREFIX),
            operation=operation,
            object=definition.name,
            session=session,
            api_version=call.version,
            created=now,
            dialect=dialect,
            state=State.OPEN,
            modified=now,
            external_id_field=external if operation == "upsert" else None,
            assignment_rule_id=rule if isinstance(rule, str) else None,
        )
        self.jobs.put(job)
        return job

    def upload(self, call: Call) -> Response:
        """`PUT jobs/ingest/<id>/batches`: once per job, 201."""
        job = self.jobs.get(call.params["job"])
        same_version(job, call.version)
        if job.state is not State.OPEN:
            raise ApiError(400, "INVALIDJOBSTATE", f"Job is not open for uploads; its state is {job.state}")
        if job.upload is not None:
            raise ApiError(400, "CLIENTINPUTERROR", "Found multiple contents for job: data can be uploaded only once")
        kind = (call.request.header("content-type") or "text/csv").lower()
        if not kind.startswith("text/csv"):
            raise ApiError(400, "CLIENTINPUTERROR", "The content type of the data must be text/csv")
        body = call.request.body or b""
        if len(body) > UPLOAD_BYTES_MAX:
            raise ApiError(400, "CLIENTINPUTERROR", f"The data exceeds {UPLOAD_BYTES_MAX} bytes")
        job.upload = body
        return empty_response(201)

    def change(self, call: Call) -> Response:
        """`PATCH jobs/ingest/<id>`: UploadComplete starts the work, Aborted ends it."""
        job = self.jobs.get(call.params["job"])
        wanted = call.request.json_object().get("state")
        if wanted == "UploadComplete":
            if job.state is not State.OPEN:
                raise ApiError(400, "INVALIDJOBSTATE", f"Closing already {job.state} Job not allowed")
            self._close(call.org, job)
        elif wanted == "Aborted":
            if job.state in FINAL_STATES:
                raise ApiError(400, "INVALIDJOBSTATE", "Aborting already Completed Job not allowed")
            job.move(State.ABORTED, call.org.clock.now())
        else:
            raise ApiError(400, "INVALIDJOBSTATE", "state must be UploadComplete or Aborted")
        return json_response(job.created_view())

    def info(self, call: Call) -> Response:
        """`GET jobs/ingest/<id>`."""
        return json_response(self.jobs.get(call.params["job"]).info())

    def delete(self, call: Call) -> Response:
        """`DELETE jobs/ingest/<id>`: the job and its result files."""
        job = self.jobs.get(call.params["job"])
        if job.state not in {*FINAL_STATES, State.UPLOAD_COMPLETE}:
            text = "Error encountered when deleting the job because the job is not terminated"
            raise ApiError(400, "API_ERROR", text)
        job.move(State.ABORTED, call.org.clock.now())
        self.jobs.drop(job.id)
        return empty_response()

    def all_jobs(self, call: Call) -> Response:
        """`GET jobs/ingest`."""
        path = f"/services/data/v{call.version}/jobs/ingest"
        return json_response(self.jobs.view(call.request.param("queryLocator"), path))

    def results(self, call: Call) -> Response:
        """`GET jobs/ingest/<id>/successfulResults|failedResults|unprocessedrecords`, any capitalisation."""
        job = self.jobs.get(call.params["job"])
        name = _RESULT_FILES.get(call.params["file"].lower())
        if name is None:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        if job.state not in FINAL_STATES:
            raise ApiError(400, "INVALIDJOBSTATE", f"The results of the job are not ready; its state is {job.state}")
        if job.is_absorbed and name != "failures":
            what = "the successful rows of a job that a bench table absorbed"
            raise NotEmulated(what)
        added = {"successes": ("sf__Id", "sf__Created"), "failures": ("sf__Id", "sf__Error"), "unprocessed": ()}[name]
        head = job.dialect.row((*added, *job.header)).encode() if added or job.header else b""
        rows = {"successes": job.successes, "failures": job.failures, "unprocessed": job.unprocessed}[name]
        return Response(200, _chained(head, rows), (_CSV,))

    def _close(self, org: Org, job: IngestJob) -> None:
        job.move(State.UPLOAD_COMPLETE, org.clock.now())
        self.start(self.run(org, job))

    async def run(self, org: Org, job: IngestJob) -> None:
        """Write the uploaded rows, 200 at a time, letting other calls in after each chunk."""
        await asyncio.sleep(self.whims.job_delay_s())
        if job.state is not State.UPLOAD_COMPLETE:
            return
        began = asyncio.get_running_loop().time()
        job.move(State.IN_PROGRESS, org.clock.now())
        body, job.upload = job.upload or b"", None
        rows = read_rows(body, job.dialect)
        try:
            job.header = tuple(next(rows, ()))
            _check_header(org, job)
            if not await _absorbed(org, job, body):
                await self._write_all(org, job, rows)
        except BadCsv as bad:
            job.error_message = bad.message
            job.unprocessed.extend(_readable(rows, job.dialect))
            job.move(State.FAILED, org.clock.now())
        org.locks.release(job.id)
        org.usage.take_bulk(BULK_BATCHES, -(-job.processed // BULK_BATCH_ROWS))
        job.processing_ms = int((asyncio.get_running_loop().time() - began) * 1000)
        job.move(State.JOB_COMPLETE, org.clock.now())

    async def _write_all(self, org: Org, job: IngestJob, rows: Iterator[list[str]]) -> None:
        for chunk in _chunks(rows, CHUNK_ROWS):
            if job.state is not State.IN_PROGRESS:
                job.unprocessed.append("".join(job.dialect.row(cells) for cells in chunk).encode())
                continue
            await self._committed(org, job, chunk)
            await asyncio.sleep(0)

    async def _committed(self, org: Org, job: IngestJob, chunk: list[list[str]]) -> None:
        """Write a chunk; a whim may commit it later than its stamps say, as a long transaction does."""
        delay = self.whims.commit_delay_s()
        if not delay:
            _write_chunk(org, job, chunk)
            return
        began = org.clock.stamp()
        org.open_transactions.append(began)
        try:
            await asyncio.sleep(delay)
            with org.clock.holding(began):
                _write_chunk(org, job, chunk)
        finally:
            org.open_transactions.remove(began)


async def _absorbed(org: Org, job: IngestJob, body: bytes) -> bool:
    """Let a bench table take the whole upload, if it can; counts stay true, rows are not kept."""
    table = org.tables[job.object.lower()]
    if not isinstance(table, AbsorbingTable) or job.operation not in {"insert", "upsert"} or not job.header:
        return False
    key = job.external_id_field if job.operation == "upsert" else None
    try:
        taken = await asyncio.to_thread(
            table.sink.absorb, body, key=key, delimiter=job.dialect.delimiter, line_ending=job.dialect.line_ending
        )
    except ValueError:
        message = "InvalidBatch : Failed to parse CSV"
        raise BadCsv(message) from None
    job.is_absorbed = True
    job.processed = taken.rows
    return True


def _write_chunk(org: Org, job: IngestJob, chunk: list[list[str]]) -> None:
    headers = {"sforce-auto-assign": job.assignment_rule_id} if job.assignment_rule_id else {}
    context = WriteContext(job.session.user_id, via="bulk", all_headers=headers, text=True)
    width = len(job.header)
    good = [dict(zip(job.header, cells, strict=True)) for cells in chunk if len(cells) == width]
    key = job.external_id_field
    results = iter(_written(org, job, key, good, context))
    successes: list[str] = []
    failures: list[str] = []
    row = job.dialect.row
    for cells in chunk:
        if len(cells) != width:
            failures.append(row(("", _width_error(len(cells), width), *cells)))
            continue
        result = next(results)
        if result.success:
            successes.append(row((result.id, "true" if result.created else "false", *cells)))
        else:
            failures.append(row((result.id, _error_text(result), *cells)))
    job.processed += len(chunk)
    job.failed += len(failures)
    if successes:
        job.successes.append("".join(successes).encode())
    if failures:
        job.failures.append("".join(failures).encode())


def _written(
    org: Org, job: IngestJob, key: str | None, rows: list[dict[str, str]], context: WriteContext
) -> list[SaveResult]:
    """Write a chunk; rows whose parents another job has locked are refused where that is switched on."""
    operation = _OPERATIONS[job.operation]
    if org.settings.parent_locks == "off":
        return org.dml_many(operation, job.object, key, rows, context)
    refusals = org.locks.take(job.id, rows)
    free = [row for row, refusal in zip(rows, refusals, strict=True) if refusal is None]
    results = iter(org.dml_many(operation, job.object, key, free, context))
    return [next(results) if refusal is None else SaveResult.refused(refusal) for refusal in refusals]


def _error_text(result: SaveResult) -> str:
    if not result.errors:
        return "UNKNOWN_EXCEPTION:An unexpected error occurred:--"
    error = result.errors[0]
    names = f"{' '.join(error.fields)} " if error.fields else ""
    return f"{error.code}:{error.message}:{names}--"


def _width_error(found: int, wanted: int) -> str:
    return f"INVALID_CSV_ROW:The number of columns in the row ({found}) differs from the header ({wanted}):--"


def _check_header(org: Org, job: IngestJob) -> None:
    """Refuse the whole job for a column that does not exist or a key column that is missing."""
    if not job.header:
        return
    lowered = [name.lower() for name in job.header]
    needs = job.external_id_field if job.operation == "upsert" else "Id" if job.operation != "insert" else None
    if needs is not None and needs.lower() not in lowered:
        message = f"InvalidBatch : Field name not found : {needs}"
        raise BadCsv(message)
    repeated = next((name for name in job.header if lowered.count(name.lower()) > 1), None)
    if repeated is not None:
        message = f"InvalidBatch : Duplicate field name : {repeated}"
        raise BadCsv(message)
    if job.operation in {"delete", "hardDelete"}:
        return
    operation: Literal["insert", "update"] = "update" if job.operation == "update" else "insert"
    context = WriteContext(job.session.user_id, via="bulk", text=True)
    for name in job.header:
        plan = org.write_plan(job.object, context, operation, (name,), job.external_id_field)
        if plan.error is not None and plan.error.code == "INVALID_FIELD":
            message = f"InvalidBatch : Field name not found : {name}"
            raise BadCsv(message)


def _checked_key(org: Org, object_name: str, external: str | None, user_id: str) -> str:
    if external is None:
        raise ApiError(400, "INVALIDJOB", "externalIdFieldName is required for upsert")
    field = org.access(object_name, user_id).readable.get(external.lower())
    if field is None or not (field.external_id or field.id_lookup or field.name == "Id"):
        text = f"Field name provided, {external} does not match an External ID, Salesforce Id, or indexed field"
        raise ApiError(400, "INVALIDJOB", f"{text} for {object_name}")
    return field.name


def _chunks(rows: Iterable[list[str]], size: int) -> Iterator[list[list[str]]]:
    chunk: list[list[str]] = []
    for cells in rows:
        chunk.append(cells)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _readable(rows: Iterator[list[str]], dialect: Dialect) -> Iterator[bytes]:
    """Yield what can still be read of a failed upload, as the unprocessed records."""
    try:
        for cells in rows:
            yield dialect.row(cells).encode()
    except BadCsv:
        return


def _chained(head: bytes, rows: Sequence[bytes]) -> Iterator[bytes]:
    yield head
    yield from rows


def multipart_parts(body: bytes, content_type: str) -> dict[str, bytes]:
    """Return the parts of a form by name; ApiError if the form is malformed."""
    found = re.search(r'boundary="?([^";]+)"?', content_type, re.IGNORECASE)
    if found is None:
        raise ApiError(400, "INVALID_MULTIPART_REQUEST", "The boundary of the multipart request is missing")
    parts: dict[str, bytes] = {}
    for piece in body.split(b"--" + found[1].encode())[1:-1]:
        head, gap, content = piece.partition(b"\r\n\r\n")
        if not gap:
            head, gap, content = piece.partition(b"\n\n")
        name = re.search(rb'name="?([^";\r\n]+)"?', head)
        if name is not None:
            parts[name[1].decode("utf-8", "replace")] = content.removesuffix(b"\n").removesuffix(b"\r")
    return parts
