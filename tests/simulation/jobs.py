"""Bulk API 2.0 of a simulated org: jobs that take their time, whatever becomes of the client that made them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.simulation.answers import Answer, Moods, refusal, reply
from tests.simulation.org import KEY, Row, RowError, SimOrg
from tests.simulation.soql import NotModelled, answer, cell, understood

NULL = "#N/A"


@dataclass
class Job:
    """One job. `rows` are those of an export, or those that were uploaded."""

    id: str
    kind: str
    wanted: Mapping[str, Any]
    state: str
    pages: list[bytes] = field(default_factory=list[bytes])
    sizes: list[int] = field(default_factory=list[int])
    uploaded: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    done: int = 0
    failed: list[tuple[RowError, dict[str, str]]] = field(default_factory=list[tuple[RowError, dict[str, str]]])


class Upsert(Protocol):
    """How a row is written, whichever way it came."""

    def __call__(self, name: str, key: str, record: Mapping[str, Any]) -> tuple[bool, RowError | None]: ...


class Jobs:
    """All jobs of an org. `begin` is told of a job that waits; who plays the org's machinery then calls `work`."""

    def __init__(
        self, org: SimOrg, rng: random.Random, moods: Moods, upsert: Upsert, begin: Callable[[Job], None]
    ) -> None:
        self._org = org
        self._rng = rng
        self._moods = moods
        self._upsert = upsert
        self._begin = begin
        self._numbered = 0
        self.all: dict[str, Job] = {}

    def handle(  # noqa: PLR0911 - one line per request
        self, method: str, kind: str, rest: list[str], query: Mapping[str, str], body: bytes
    ) -> Answer:
        """Do what is asked."""
        if not rest:
            if method == "GET":
                return reply({"done": True, "records": [self._listed(job) for job in self.all.values()]})
            state = "UploadComplete" if kind == "query" else "Open"
            self._numbered += 1
            job = Job(f"750{kind[0]}{self._numbered:014d}", kind, json.loads(body), state)
            self.all[job.id] = job
            if state == "UploadComplete":
                self._begin(job)
            return reply({"id": job.id})
        job = self.all.get(rest[0])
        if job is None:
            return refusal(404, "NOT_FOUND")
        match method, rest[1:]:
            case "GET", []:
                return reply(self._state(job))
            case "PUT", ["batches"]:
                if job.state != "Open":
                    return refusal(400, "INVALIDJOBSTATE")
                job.uploaded = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
                return Answer(201)
            case "PATCH", []:
                return self._to(job, json.loads(body)["state"])
            case "DELETE", []:
                if job.state in {"UploadComplete", "InProgress"}:
                    return refusal(400, "INVALIDJOBSTATE")
                del self.all[job.id]
                return Answer(204)
            case "GET", ["results"]:
                return self._results(job, query.get("locator"))
            case "GET", ["failedResults"]:
                return _table(["sf__Id", "sf__Error"], [_charged(error, row) for error, row in job.failed])
            case "GET", ["unprocessedrecords"]:
                return _table([], [{**row} for row in job.uploaded[job.done :]])
            case _:
                raise NotModelled(f"{method} jobs/{kind}/{rest}")

    def work(self, job: Job) -> bool:
        """Let a job go a step further; say whether there are more."""
        if job.state not in {"UploadComplete", "InProgress"}:
            return False
        if job.kind == "query":
            self._export(job)
        else:
            self._ingest(job)
        return True

    def _export(self, job: Job) -> None:
        query = understood(job.wanted["query"])
        rows = answer(self._org, query)
        size = self._rng.randint(*self._moods.page_rows)
        for start in range(0, len(rows), size):
            page = rows[start : start + size]
            job.pages.append(_csv(query.select, page))
            job.sizes.append(len(page))
        job.done = len(rows)
        job.state = "JobComplete"

    def _ingest(self, job: Job) -> None:
        job.state = "InProgress"
        org, name = self._org, job.wanted["object"]
        for _ in range(self._rng.randint(1, 8)):
            if job.done >= len(job.uploaded):
                job.state = "JobComplete"
                return
            row = job.uploaded[job.done]
            job.done += 1
            if job.wanted["operation"] == "delete":
                refused = org.remove(name, row["Id"])
                if refused is not None:
                    job.failed.append((refused, row))
                continue
            record: dict[str, Any] = {}
            for header, value in row.items():
                if value == "":
                    continue
                relationship, dot, _ = header.partition(".")
                record[relationship] = {KEY: value} if dot else None if value == NULL else value
            key = record.pop(KEY)
            _, error = self._upsert(name, key, record)
            if error is not None:
                job.failed.append((error, row))
        if self._rng.random() < self._moods.job_fails:
            job.state = "Failed"

    def _to(self, job: Job, state: str) -> Answer:
        if state == "UploadComplete" and job.state != "Open":
            return refusal(400, "INVALIDJOBSTATE")
        if state == "Aborted" and job.state in {"JobComplete", "Failed"}:
            return refusal(400, "INVALIDJOBSTATE")
        job.state = state
        if state == "UploadComplete":
            self._begin(job)
        return reply(self._state(job))

    def _results(self, job: Job, locator: str | None) -> Answer:
        number = int(locator or 0)
        more = str(number + 1) if number + 1 < len(job.pages) else "null"
        headers = {"sforce-numberofrecords": str(job.sizes[number]), "sforce-locator": more}
        return Answer(200, job.pages[number], headers)

    def _state(self, job: Job) -> dict[str, object]:
        return {
            "id": job.id,
            "state": job.state,
            "numberRecordsProcessed": job.done,
            "numberRecordsFailed": len(job.failed),
            "errorMessage": "InvalidBatch : given up" if job.state == "Failed" else None,
        }

    def _listed(self, job: Job) -> dict[str, object]:
        return {
            "id": job.id,
            "state": job.state,
            "operation": job.wanted.get("operation", "query"),
            "object": job.wanted.get("object", ""),
            "externalIdFieldName": job.wanted.get("externalIdFieldName"),
        }


def _csv(select: tuple[str, ...], rows: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(select)
    writer.writerows(["" if (value := cell(row, name)) is None else str(value) for name in select] for row in rows)
    return text.getvalue().encode()


def _charged(error: RowError, row: Mapping[str, str]) -> dict[str, str]:
    return {"sf__Id": "", "sf__Error": f"{error.code}:{error.message}:{' '.join(error.fields)} --", **row}


def _table(first: list[str], rows: list[dict[str, str]]) -> Answer:
    names = list(dict.fromkeys([*first, *(name for row in rows for name in row)]))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return Answer(200, text.getvalue().encode())
