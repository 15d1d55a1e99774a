"""Bulk API 1.0, as far as data clients use it: `/services/async/NN.0/job`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

import msgspec

from orgsim.bulk.jobs import JOB_PREFIX
from orgsim.bulk1 import forms
from orgsim.bulk1.chunking import Chunking, cut, read_header
from orgsim.bulk1.jobs import BATCH_PREFIX, RESULT_PREFIX, Batch, Content, Job, batch_view, job_view
from orgsim.errors import NOT_EMULATED, ApiError, NotEmulated
from orgsim.ids import normalize_id
from orgsim.router import Call, Route
from orgsim.schema.absent import refuse_absent
from orgsim.settings import NEWEST_VERSION, OLDEST_VERSION
from orgsim.soql.for_bulk import FEATURE_NOT_ENABLED, bulk_records, stream_query
from orgsim.soql.parser import parse
from orgsim.store.results import Operation, WriteContext
from orgsim.store.values import csv_value, epoch_ms
from orgsim.traffic import BULK_BATCHES
from orgsim.whims import Whims
from orgsim.wire import Response, Session
from orgsim.xmltree import XSI_NAMESPACE, BadXml, parse_xml, write_xml

if TYPE_CHECKING:
    from orgsim.org import Org

BATCH_ROWS_MAX: Final = 10_000
BATCH_BYTES_MAX: Final = 10_000_000
_CHUNK_ROWS: Final = 200
_OPERATIONS: Final = frozenset({"insert", "update", "upsert", "delete", "hardDelete", "query", "queryAll"})
_BASE: Final = "/services/async/{async}/job"
Handler = Callable[[Call], Response]


class Refused(Exception):
    """A refusal in the form of this API: an exception code and its text."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status


@dataclass(slots=True)
class BulkOne:
    """The jobs of one org and the handlers of their resources."""

    whims: Whims
    start: Callable[[Coroutine[None, None, None]], None]
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])

    def routes(self) -> tuple[Route, ...]:
        """Return the routes of this API; each answers refusals in its own form."""
        one, batch = f"{_BASE}/{{job}}", f"{_BASE}/{{job}}/batch/{{batch}}"
        table: tuple[tuple[str, str, Handler], ...] = (
            ("POST", _BASE, self.create),
            ("GET", one, self.info),
            ("POST", one, self.change),
            ("POST", f"{one}/batch", self.upload),
            ("GET", f"{one}/batch", self.batches),
            ("GET", batch, self.batch_info),
            ("GET", f"{batch}/request", self.batch_request),
            ("GET", f"{batch}/result", self.batch_result),
            ("GET", f"{batch}/result/{{result}}", self.query_result),
        )
        return tuple(
            Route(method, pattern, _guarded(handler), signed_in=False, counted=False)
            for method, pattern, handler in table
        )

    def create(self, call: Call) -> Response:
        """`POST job`: a new job, 201."""
        wanted = _job_request(call)
        operation = str(wanted.get("operation") or "")
        if operation not in _OPERATIONS:
            raise Refused(400, "InvalidJob", f"Unable to parse Job: operation {operation!r}")
        content = str(wanted.get("contentType") or "XML").upper()
        if content.startswith("ZIP_"):
            what = "ZIP batches of Bulk API 1.0"
            raise NotEmulated(what)
        if content not in {"CSV", "JSON", "XML"}:
            raise Refused(400, "InvalidJob", f"Unsupported content type: {content}")
        definition = call.org.visible_object(str(wanted.get("object") or ""), call.user_id)
        if definition is None:
            refuse_absent(str(wanted.get("object") or ""))
            raise Refused(400, "InvalidJob", f"Unable to find object: {wanted.get('object')}")
        external = str(wanted.get("externalIdFieldName") or "") or None
        if operation == "upsert":
            external = _checked_key(call, definition.name, external)
        now = call.org.clock.now()
        rule = wanted.get("assignmentRuleId")
        job = Job(
            id=call.org.new_id(JOB_PREFIX),
            operation=operation,
            object=definition.name,
            session=_session(call),
            api_version=call.params["async"],
            created=now,
            modified=now,
            content=cast("Content", content),
            external_id_field=external,
            concurrency_mode="Serial" if wanted.get("concurrencyMode") in {"Serial", "1", 1} else "Parallel",
            assignment_rule_id=rule if isinstance(rule, str) and rule else None,
            chunking=_chunking(call, operation, definition.name),
        )
        self.jobs[job.id] = job
        return _job_answer(call, job, 201)

    def info(self, call: Call) -> Response:
        """`GET job/<id>`."""
        return _job_answer(call, self._job(call), 200)

    def change(self, call: Call) -> Response:
        """`POST job/<id>`: Closed takes no more batches, Aborted stops those that wait."""
        job = self._job(call)
        wanted = str(_job_request(call).get("state") or "")
        if wanted not in {"Closed", "Aborted"}:
            raise Refused(400, "InvalidJobState", f"Invalid job state: {wanted}")
        if job.state != "Open":
            raise Refused(400, "InvalidJobState", f"Job is already {job.state}")
        job.state, job.modified = wanted, call.org.clock.now()
        for batch in job.batches.values():
            if wanted == "Aborted" and batch.state == "Queued":
                batch.finish("NotProcessed", job.modified)
        return _job_answer(call, job, 200)

    def upload(self, call: Call) -> Response:
        """`POST job/<id>/batch`: rows, or the text of a query; 201."""
        job = self._job(call)
        if job.state != "Open":
            raise Refused(400, "InvalidJobState", f"Cannot add a batch to a job that is {job.state}")
        body = call.request.body or b""
        if len(body) > BATCH_BYTES_MAX:
            raise Refused(400, "ExceededQuota", f"Maximum size of a batch exceeded: {BATCH_BYTES_MAX} bytes")
        batch = self._add(call.org, job, body)
        return _batch_answer(call, job, batch, 201)

    def batches(self, call: Call) -> Response:
        """`GET job/<id>/batch`: all batches; the list may be empty."""
        job = self._job(call)
        as_json = _wants_json(call, job)
        views = [batch_view(job, batch, as_json=as_json) for batch in job.batches.values()]
        return _answer("batchInfoList", {"batchInfo": views}, 200, as_json=as_json)

    def batch_info(self, call: Call) -> Response:
        """`GET job/<id>/batch/<id>`."""
        job, batch = self._batch(call)
        return _batch_answer(call, job, batch, 200)

    def batch_request(self, call: Call) -> Response:
        """`GET job/<id>/batch/<id>/request`: the upload, byte for byte."""
        job, batch = self._batch(call)
        return Response(200, batch.upload, (("Content-Type", forms.content_type(job)),))

    def batch_result(self, call: Call) -> Response:
        """`GET job/<id>/batch/<id>/result`: row results in the order of the upload, or the ids of query results."""
        job, batch = self._batch(call)
        if batch.state not in {"Completed", "Failed"}:
            raise Refused(400, "InvalidBatch", "Batch not completed")
        if batch.state == "Failed":
            raise Refused(400, "InvalidBatch", "Batch failed, no results are available")
        if job.is_query:
            body, kind = forms.result_list(batch, as_json=job.content == "JSON")
        else:
            body, kind = forms.write_results(job, batch.results)
        return Response(200, body, (("Content-Type", kind),))

    def query_result(self, call: Call) -> Response:
        """`GET job/<id>/batch/<id>/result/<id>`: the rows that a query found."""
        job, batch = self._batch(call)
        if batch.state != "Completed" or normalize_id(call.params["result"]) != batch.result_id:
            raise Refused(400, "InvalidBatch", "Result not found")
        return Response(200, batch.result, (("Content-Type", forms.content_type(job)),))

    def _add(self, org: Org, job: Job, upload: bytes, *, is_chunk: bool = False) -> Batch:
        now = org.clock.now()
        try:
            org.usage.check_bulk(BULK_BATCHES)
        except ApiError as over:
            raise Refused(400, "ExceededQuota", over.message) from None
        org.usage.take_bulk(BULK_BATCHES)
        batch = Batch(org.new_id(BATCH_PREFIX), now, now, upload)
        job.batches[batch.id] = batch
        self.start(self._run(org, job, batch, is_chunk=is_chunk))
        return batch

    def _cut(self, org: Org, job: Job, batch: Batch, chunking: Chunking) -> None:
        """Put a batch for each chunk beside the batch with the whole query, which is not processed itself."""
        ids = (str(row["Id"]) for row in org.tables[job.object.lower()].scan())
        try:
            queries = cut(batch.upload.decode("utf-8", "replace"), ids, chunking)
        except ValueError:
            message = "PK chunking works only with queries that have no conditions other than WHERE"
            raise forms.BadBatch(message) from None
        for query in queries:
            self._add(org, job, query.encode(), is_chunk=True)
        batch.finish("NotProcessed", org.clock.now())

    async def _run(self, org: Org, job: Job, batch: Batch, *, is_chunk: bool) -> None:
        await asyncio.sleep(self.whims.job_delay_s())
        if batch.state != "Queued":
            return
        began = asyncio.get_running_loop().time()
        batch.state, batch.modified = "InProgress", org.clock.now()
        try:
            if job.chunking is not None and not is_chunk:
                self._cut(org, job, batch, job.chunking)
                return
            if job.is_query:
                _query(org, job, batch)
            else:
                await _write(org, job, batch)
            batch.finish("Completed", org.clock.now())
        except forms.BadBatch as bad:
            batch.finish("Failed", org.clock.now(), bad.message)
        except ApiError as refused:
            message = f"InvalidBatch : Failed to process query: {refused.code}: {refused.message}"
            if refused.code == FEATURE_NOT_ENABLED:
                message = f"{refused.code} : {refused.message}"
            batch.finish("Failed", org.clock.now(), message)
        batch.processing_ms = int((asyncio.get_running_loop().time() - began) * 1000)

    def _job(self, call: Call) -> Job:
        job = self.jobs.get(normalize_id(call.params["job"]) or "")
        if job is None:
            raise Refused(400, "InvalidJob", f"Invalid job id: {call.params['job']}")
        return job

    def _batch(self, call: Call) -> tuple[Job, Batch]:
        job = self._job(call)
        batch = job.batches.get(normalize_id(call.params["batch"]) or "")
        if batch is None:
            raise Refused(400, "InvalidBatch", f"Invalid batch id: {call.params['batch']}")
        return job, batch


def _query(org: Org, job: Job, batch: Batch) -> None:
    context = WriteContext(job.session.user_id, via="bulk", text=True)
    soql = batch.upload.decode("utf-8", "replace").strip()
    all_rows = job.operation == "queryAll"
    root = parse(soql).object_name
    if root.lower() != job.object.lower():
        message = f"The root entity of the requested query ({root}) does not match the entity of the requested"
        raise ApiError(400, "INVALID_TYPE_FOR_OPERATION", f"{message} Bulk API Job ({job.object})")
    if job.content != "CSV":
        version = int(job.api_version.partition(".")[0])
        show = epoch_ms if job.content == "JSON" else csv_value
        records = bulk_records(org, soql, all_rows=all_rows, user_id=context.user_id, version=version, show_date=show)
        batch.result, batch.processed = forms.write_records(job, records)
    else:
        stream = stream_query(org, soql, all_rows=all_rows, user_id=context.user_id, first_bulk=True)
        batch.result, batch.processed = forms.write_rows(
            stream.columns, (row for row in stream.rows if row is not None)
        )
    batch.result_id = org.new_id(RESULT_PREFIX)


async def _write(org: Org, job: Job, batch: Batch) -> None:
    rows = forms.read_batch(job, batch.upload)
    if len(rows) > BATCH_ROWS_MAX:
        message = f"Too many records in the batch: {len(rows)}, at most {BATCH_ROWS_MAX}"
        raise forms.BadBatch(message)
    _check_columns(org, job, rows)
    headers = {"sforce-auto-assign": job.assignment_rule_id} if job.assignment_rule_id else {}
    context = WriteContext(job.session.user_id, via="bulk", all_headers=headers, text=job.content != "JSON")
    operation = cast("Operation", job.operation)
    for chunk in _chunks(rows):
        batch.results += org.dml_many(operation, job.object, job.external_id_field, chunk, context)
        batch.processed = len(batch.results)
        batch.failed = sum(not result.success for result in batch.results)
        await asyncio.sleep(0)


def _chunks(rows: list[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    for first in range(0, len(rows), _CHUNK_ROWS):
        yield rows[first : first + _CHUNK_ROWS]


def _check_columns(org: Org, job: Job, rows: list[dict[str, object]]) -> None:
    """Fail the batch for a CSV column that does not exist."""
    if job.content != "CSV" or not rows or job.operation in {"delete", "hardDelete"}:
        return
    context = WriteContext(job.session.user_id, via="bulk", text=True)
    operation = "update" if job.operation == "update" else "insert"
    for name in rows[0]:
        plan = org.write_plan(job.object, context, operation, (name,), job.external_id_field)
        if plan.error is not None and plan.error.code == "INVALID_FIELD":
            message = f"Field name not found : {name}"
            raise forms.BadBatch(message)


def _chunking(call: Call, operation: str, object_name: str) -> Chunking | None:
    header = call.request.header("sforce-enable-pkchunking")
    if header is None or operation not in {"query", "queryAll"}:
        return None
    try:
        return read_header(header, object_name)
    except ValueError:
        raise Refused(400, "InvalidJob", f"Unable to parse Sforce-Enable-PKChunking: {header}") from None


def _checked_key(call: Call, object_name: str, external: str | None) -> str:
    if external is None:
        raise Refused(400, "InvalidJob", "External ID was blank for an upsert job")
    found = call.org.access(object_name, call.user_id).readable.get(external.lower())
    if found is None or not (found.external_id or found.id_lookup or found.name == "Id"):
        text = f"Field name provided, {external} does not match an External ID, Salesforce Id, or indexed field"
        raise Refused(400, "InvalidJob", f"{text} for {object_name}")
    return found.name


def _guarded(handler: Handler) -> Handler:
    """Return the handler with this API's own sign-in, call counting and refusals."""

    def answer(call: Call) -> Response:
        try:
            number, _, rest = call.params["async"].partition(".")
            if rest != "0" or not number.isdigit() or not OLDEST_VERSION <= int(number) <= NEWEST_VERSION:
                raise Refused(400, "InvalidVersion", f"Unsupported API version: {call.params['async']}")
            session = _session(call)
            call.org.usage.count(session)
            response = handler(call)
            return response.with_headers(call.org.usage.headers(session))
        except Refused as refused:
            return _refusal(call, refused)
        except ApiError as refused:
            return _refusal(call, Refused(refused.status, "ClientInputError", refused.message))
        except NotEmulated as unknown:
            call.note_not_emulated(unknown)
            return _refusal(call, Refused(501, NOT_EMULATED, unknown.message))

    return answer


def _session(call: Call) -> Session:
    session = call.request.session
    if session is None:
        raise Refused(400, "InvalidSessionId", "Invalid session id")
    return session


def _refusal(call: Call, refused: Refused) -> Response:
    view = {"exceptionCode": refused.code, "exceptionMessage": refused.message}
    return _answer("error", view, refused.status, as_json=_wants_json(call))


def _job_answer(call: Call, job: Job, status: int) -> Response:
    as_json = _wants_json(call)
    return _answer("jobInfo", job_view(job, as_json=as_json), status, as_json=as_json)


def _batch_answer(call: Call, job: Job, batch: Batch, status: int) -> Response:
    as_json = _wants_json(call, job)
    return _answer("batchInfo", batch_view(job, batch, as_json=as_json), status, as_json=as_json)


def _answer(name: str, view: Mapping[str, object], status: int, *, as_json: bool) -> Response:
    if as_json:
        return Response(status, msgspec.json.encode(view), (("Content-Type", "application/json"),), view)
    inner = "".join(write_xml(key, value) for key, value in view.items())
    namespaces = forms.NAMESPACE + (XSI_NAMESPACE if "xsi:nil" in inner else "")
    body = f"{forms.DECLARATION}<{name}{namespaces}>{inner}</{name}>"
    return Response(status, body.encode(), (("Content-Type", "application/xml"),))


def _wants_json(call: Call, job: Job | None = None) -> bool:
    """Whether to answer in JSON: the content type of the job decides for its batches, that of the call for the rest."""
    if job is not None:
        return job.content == "JSON"
    headers = call.request.headers
    return any(headers.get(name, "").lower().startswith("application/json") for name in ("content-type", "accept"))


def _job_request(call: Call) -> Mapping[str, object]:
    body = (call.request.body or b"").strip()
    if body.startswith(b"{"):
        try:
            return cast("Mapping[str, object]", msgspec.json.decode(body))
        except msgspec.DecodeError:
            raise Refused(400, "InvalidJob", "Unable to parse Job") from None
    try:
        root = parse_xml(body)
    except BadXml:
        raise Refused(400, "InvalidXML", "Unable to parse Job") from None
    return {child.name: child.text.strip() for child in root.children}
