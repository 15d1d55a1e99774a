"""Bulk 2.0 jobs as data: what a job is, its life, and how its resource looks. No processing in here."""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Generic, TypeVar

from orgsim.bulk.dialect import Dialect
from orgsim.bulk.sources import RowSource
from orgsim.errors import ApiError, not_found, session_invalid
from orgsim.ids import normalize_id
from orgsim.store.values import json_value
from orgsim.wire import Request, Session

JOB_PREFIX: Final = "750"
LIST_PAGE_JOBS: Final = 1000
ALPHABETICAL_LAST: Final = 49
"""The last version whose results have their columns in alphabetical order."""
_NUMERIC_LOCATORS_LAST: Final = 48
_PLACE: Final = re.compile(r"row(\d+)(?::[~?>]*)?")


class State(StrEnum):
    """The states of both kinds of job; Open exists for ingest only."""

    OPEN = "Open"
    UPLOAD_COMPLETE = "UploadComplete"
    IN_PROGRESS = "InProgress"
    JOB_COMPLETE = "JobComplete"
    FAILED = "Failed"
    ABORTED = "Aborted"


FINAL_STATES: Final = frozenset({State.JOB_COMPLETE, State.FAILED, State.ABORTED})


@dataclass(slots=True)
class Job:
    """What query and ingest jobs share. Times are the org's; durations are milliseconds."""

    id: str
    operation: str
    object: str
    session: Session
    api_version: str
    created: datetime
    dialect: Dialect
    state: State
    modified: datetime
    error_message: str | None = None
    processed: int = 0
    processing_ms: int = 0
    retries: int = 0

    def created_view(self) -> dict[str, object]:
        """Return the answer to the create call, which is also the job's entry in lists."""
        return self.head() | self.tail()

    def move(self, state: State, at: datetime) -> None:
        """Change the state; final states stay."""
        if self.state not in FINAL_STATES:
            self.state = state
            self.modified = at

    def head(self) -> dict[str, object]:
        """Return the part that every answer about the job has."""
        return {
            "id": self.id,
            "operation": self.operation,
            "object": self.object,
            "createdById": self.session.user_id,
            "createdDate": json_value(self.created.replace(microsecond=0)),
            "systemModstamp": json_value(self.modified.replace(microsecond=0)),
            "state": str(self.state),
        }

    def tail(self) -> dict[str, object]:
        """Return the form of the data, which closes every answer."""
        return {
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.api_version),
            "lineEnding": self.dialect.line_ending_name,
            "columnDelimiter": self.dialect.delimiter_name,
        }


@dataclass(slots=True)
class QueryJob(Job):
    """A query job; `source` is there from JobComplete on."""

    soql: str = ""
    source: RowSource | None = None

    def info(self) -> dict[str, object]:
        """Return the job's own resource."""
        view = self.head() | {"jobType": "V2Query"} | self.tail()
        view["numberRecordsProcessed"] = self.processed
        view["retries"] = self.retries
        view["totalProcessingTime"] = self.processing_ms
        view["isPkChunkingSupported"] = True
        if self.error_message is not None:
            view["errorMessage"] = self.error_message
        return view


@dataclass(slots=True)
class IngestJob(Job):
    """An ingest job with its upload and, row by row, its results as ready CSV lines."""

    external_id_field: str | None = None
    assignment_rule_id: str | None = None
    upload: bytes | None = None
    header: tuple[str, ...] = ()
    failed: int = 0
    successes: list[bytes] = field(default_factory=list[bytes])
    failures: list[bytes] = field(default_factory=list[bytes])
    is_absorbed: bool = False
    unprocessed: list[bytes] = field(default_factory=list[bytes])

    def created_view(self) -> dict[str, object]:
        """Return the answer to create and to state changes."""
        view = self.head()
        if self.external_id_field is not None:
            view["externalIdFieldName"] = self.external_id_field
        if self.assignment_rule_id is not None:
            view["assignmentRuleId"] = self.assignment_rule_id
        view |= self.tail()
        view["jobType"] = "V2Ingest"
        if self.state is State.OPEN:
            view["contentUrl"] = f"services/data/v{self.api_version}/jobs/ingest/{self.id}/batches"
        return view

    def info(self) -> dict[str, object]:
        """Return the job's own resource."""
        view = self.created_view()
        view["numberRecordsProcessed"] = self.processed
        view["numberRecordsFailed"] = self.failed
        view["retries"] = self.retries
        view["totalProcessingTime"] = self.processing_ms
        view["apiActiveProcessingTime"] = self.processing_ms
        view["apexProcessingTime"] = 0
        if self.error_message is not None:
            view["errorMessage"] = self.error_message
        return view


JobKind = TypeVar("JobKind", bound=Job)


class JobShelf(Generic[JobKind]):
    """The jobs of one kind, newest last."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobKind] = {}

    def put(self, job: JobKind) -> None:
        """Add a job."""
        self._jobs[job.id] = job

    def get(self, job_id: str) -> JobKind:
        """Return a job by its 15- or 18-character id; ApiError 404 if there is none."""
        job = self._jobs.get(normalize_id(job_id) or "")
        if job is None:
            raise not_found()
        return job

    def drop(self, job_id: str) -> None:
        """Forget a job with its data."""
        del self._jobs[job_id]

    def clear(self) -> None:
        """Forget all jobs."""
        self._jobs.clear()

    def view(self, locator: str | None, path: str) -> dict[str, object]:
        """Return one page of the list of jobs; `path` is the resource's own."""
        start = read_locator(locator)
        chosen = list(itertools.islice(self._jobs.values(), start, start + LIST_PAGE_JOBS))
        following = start + LIST_PAGE_JOBS
        done = following >= len(self._jobs)
        next_url = None if done else f"{path}?queryLocator={_opaque(following)}"
        return {"done": done, "records": [job.created_view() for job in chosen], "nextRecordsUrl": next_url}


def same_version(job: Job, version: str) -> None:
    """Refuse (409) to serve results through another API version than the job's own."""
    if job.api_version != version:
        message = f"The API version of this call ({version}) differs from the job's ({job.api_version})"
        raise ApiError(409, "CONFLICT", message)


def session_of(request: Request) -> Session:
    """Return the call's session; ApiError 401 if there is none."""
    if request.session is None:
        raise session_invalid()
    return request.session


def make_locator(position: int, job: Job, *, long: bool = False) -> str:
    """Return the locator of a result row; plain numbers up to API version 48.0, opaque text (short or long) since."""
    numeric = int(job.api_version.partition(".")[0]) <= _NUMERIC_LOCATORS_LAST
    return str(position) if numeric else _opaque(position, long=long)


def read_locator(locator: str | None) -> int:
    """Return the position that a locator means (0 for none); ApiError 400 for one that we never gave out."""
    if locator is None or locator == "":
        return 0
    if locator.isdigit() and len(locator) <= 12:
        return int(locator)
    try:
        position = base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        position = ""
    found = _PLACE.fullmatch(position)
    if found is None:
        raise ApiError(400, "INVALIDLOCATOR", "The locator is not valid for this job")
    return int(found[1])


def _opaque(position: int, *, long: bool = False) -> str:
    """Return a locator; the long form has every character that may need escaping, and padding."""
    if not long:
        return base64.urlsafe_b64encode(f"row{position}".encode()).rstrip(b"=").decode()
    text = f"row{position}:" + "~?>" * 25
    return base64.urlsafe_b64encode(text.ljust(len(text) + (1 - len(text)) % 3, "~").encode()).decode()
