"""A small Salesforce of a stranger's making: written from the public contract, sharing no code with orgsim."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.adversarial.stranger.rows import FIELDS, KEY, READ_ONLY, Row, Rows
from tests.adversarial.stranger.voice import Asked, Told, Ways, hear, say, told_json

TOKEN = "stranger-token"


@dataclass
class Job:
    """A bulk job of either kind."""

    id: str
    wanted: dict[str, str]
    state: str
    polls: int = 0
    rows: list[Row] = field(default_factory=list[Row])
    upload: bytes = b""
    failed: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    processed: int = 0


class Stranger(Rows):
    """One org."""

    def __init__(self, ways: Ways, prefix: str) -> None:
        super().__init__(prefix)
        self.ways = ways
        self.jobs: dict[str, Job] = {}
        self.cursors: dict[str, list[Row]] = {}
        self.log: list[str] = []
        self.origin = ""

    # ---- answers

    def answer(self, asked: Asked) -> Told:
        """Answer one request, as far as a client of the contract can see."""
        for place, (path, status, body) in enumerate(self.ways.stumbles):
            if re.search(path, asked.path):
                del self.ways.stumbles[place]
                return Told(status, body, {}, "text/html" if body.startswith(b"<") else None)
        if asked.path == "/services/data":
            return told_json([{"label": "x", "url": f"/services/data/v{v}", "version": v} for v in self.ways.versions])
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return told_json([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}], 401)
        match = re.fullmatch(r"/services/data/v(\d\d\.0)/(.*)", asked.path)
        if match is None or match[1] not in self.ways.versions:
            return told_json([{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}], 404)
        for pattern, handler in self._routes():
            found = re.fullmatch(pattern, match[2])
            if found is not None:
                told = handler(asked, *found.groups())
                return self._extended(told)
        return told_json([{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}], 404)

    def _routes(self) -> list[tuple[str, Callable[..., Told]]]:
        return [
            (r"sobjects/(\w+)/describe", self._describe),
            (r"sobjects/(\w+)/updated", self._updated),
            (r"query", self._query),
            (r"query/([\w-]+)", self._query_more),
            (r"composite/sobjects/(\w+)/(\w+)", self._collection),
            (r"jobs/query", self._export_create),
            (r"jobs/query/(\w+)", self._job),
            (r"jobs/query/(\w+)/results", self._export_page),
            (r"jobs/ingest", self._ingest_create),
            (r"jobs/ingest/(\w+)", self._job),
            (r"jobs/ingest/(\w+)/batches", self._upload),
            (r"jobs/ingest/(\w+)/failedResults", self._failed),
            (r"jobs/ingest/(\w+)/unprocessedrecords", self._unprocessed),
        ]

    def _extended(self, told: Told) -> Told:
        if not self.ways.extra_keys or not told.body.startswith(b"{"):
            return told
        value = json.loads(told.body)
        value = {"_links": {"self": [1, None, {"x": "y"}]}, **value, "": 0, "errors ": []}
        return Told(told.status, json.dumps(value).encode(), told.headers, told.content_type)

    def _describe(self, _asked: Asked, name: str) -> Told:
        if name not in FIELDS:
            return told_json([{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}], 404)
        fields = [self._field(field_name, kind) for field_name, kind in FIELDS[name].items()]
        head = {"name": name, "label": name, "queryable": True, "createable": True, "updateable": True}
        return told_json({**head, "replicateable": True, "fields": fields})

    def _field(self, name: str, kind: str) -> dict[str, object]:
        word, _, rest = kind.partition(":")
        writable = name not in READ_ONLY
        about: dict[str, object] = {
            "name": name,
            "label": name,
            "type": "string" if word == "key" else word,
            "createable": writable,
            "updateable": writable,
            "filterable": True,
        }
        if word in {"string", "key"}:
            about["length"] = 255 if word == "string" else 18
        if word == "currency":
            about |= {"precision": 18, "scale": 2}
        if word == "key":
            about |= {"externalId": True, "idLookup": True, "unique": True, "caseSensitive": True, "custom": True}
        if rest:
            parent, _, relation = rest.partition(":")
            about |= {"referenceTo": [parent], "relationshipName": relation}
        if not self.ways.sparse_describe:
            about |= {"nillable": True, "calculated": False, "soapType": "xsd:string", "picklistValues": []}
            about |= {"defaultValueFormula": None, "compoundFieldName": None}
        return about

    def _updated(self, asked: Asked, _name: str) -> Told:
        end = datetime.fromisoformat(asked.query["end"])
        covered = {
            "end": end,
            "minute": end.replace(second=0, microsecond=0),
            "lagging": end - timedelta(minutes=7),
            "ahead": end + timedelta(minutes=3),
            "offset": end,
        }[self.ways.covered]
        text = covered.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        if self.ways.covered == "offset":
            text = covered.astimezone().isoformat()
        return told_json({"ids": [], "latestDateCovered": text})

    def _select(self, soql: str) -> tuple[str, list[str], list[Row]]:
        match = re.fullmatch(r"SELECT (.+?) FROM (\w+)(?: WHERE (.+?))?(?: ORDER BY .+)?", soql)
        assert match is not None, soql
        rows = list(self.tables[match[2]].values())
        for name, operator, value in re.findall(r"(\w+) (>=|<|!=) ([\w:.-]+)", match[3] or ""):
            if operator == "!=":
                rows = [row for row in rows if row[name] is not None]
            else:
                bound = datetime.fromisoformat(value)
                rows = [row for row in rows if _in_bound(row[name], operator, bound)]
        return match[2], match[1].split(","), sorted(rows, key=lambda row: str(row["SystemModstamp"]))

    def _query(self, asked: Asked) -> Told:
        name, columns, rows = self._select(asked.query["q"])
        if columns == ["COUNT()"]:
            return told_json({"totalSize": len(rows), "done": True, "records": []})
        self._count += 1
        cursor = f"01g{self._count:012d}AAA"
        shown = [{"attributes": {"type": name}} | {c: self._json(row, c) for c in columns} for row in rows]
        self.cursors[cursor] = shown  # type: ignore[assignment]
        return self._query_page(cursor, 0)

    def _query_more(self, _asked: Asked, locator: str) -> Told:
        cursor, _, start = locator.rpartition("-")
        return self._query_page(cursor, int(start))

    def _query_page(self, cursor: str, start: int) -> Told:
        rows = self.cursors[cursor]
        end = start + self.ways.query_page_rows
        page: dict[str, object] = {"totalSize": len(rows), "done": end >= len(rows), "records": rows[start:end]}
        if end < len(rows):
            path = f"/services/data/v62.0/query/{cursor}-{end}"
            page["nextRecordsUrl"] = self.ways.next_url.format(path=path, origin=self.origin)
        return told_json(page)

    def _json(self, row: Row, column: str) -> object:
        value = row[column]
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        return str(value)[:15] if self.ways.short_ids and column.endswith("Id") and value else value

    def _collection(self, asked: Asked, name: str, key: str) -> Told:
        results: list[dict[str, object]] = []
        for record in asked.json()["records"]:
            record.pop("attributes")
            success, created, code = self.upsert(name, key, record)
            one: dict[str, object] = {"success": success, "errors": []}
            if success:
                one["id"] = "001000000000000AAA"
                if self.ways.created_key:
                    one["created"] = created
            else:
                one["errors"] = [{"statusCode": code, "message": "no", "fields": [], "extendedErrorDetails": None}]
            results.append(one)
        return told_json(results)

    # ---- bulk

    def _new_job(self, wanted: dict[str, str], state: str) -> Job:
        self._count += 1
        job = Job(f"750{self._count:012d}AAA", wanted, state)
        self.jobs[job.id] = job
        return job

    def _shown(self, job: Job) -> dict[str, object]:
        return {
            "id": job.id,
            "state": job.state,
            "apiVersion": 62.0,
            "object": job.wanted.get("object", ""),
            **job.wanted,
        }

    def _export_create(self, asked: Asked) -> Told:
        job = self._new_job(asked.json(), "UploadComplete")
        _, columns, job.rows = self._select(job.wanted["query"])
        job.wanted["columns"] = ",".join(columns)
        return told_json(self._shown(job))

    def _ingest_create(self, asked: Asked) -> Told:
        if asked.method == "GET":
            jobs = [self._shown(job) for job in self.jobs.values() if "object" in job.wanted]
            return told_json({"done": True, "records": jobs, "nextRecordsUrl": None})
        return told_json(self._shown(self._new_job(asked.json(), "Open")))

    def _job(self, asked: Asked, job_id: str) -> Told:
        job = self.jobs.get(job_id)
        if job is None:
            return told_json([{"errorCode": "NOT_FOUND", "message": "no"}], 404)
        if asked.method == "DELETE":
            del self.jobs[job_id]
            return Told(204)
        if asked.method == "PATCH":
            job.state = asked.json()["state"]
            return told_json(self._shown(job))
        shown = self._shown(job)
        if job.state == "UploadComplete":
            job.polls += 1
            if job.polls <= len(self.ways.odd_states):
                return told_json({**shown, "state": self.ways.odd_states[job.polls - 1]})
            self._work(job)
        return told_json(
            {
                **self._shown(job),
                "numberRecordsProcessed": job.processed,
                "numberRecordsFailed": len(job.failed),
                "totalProcessingTime": 1,
            }
        )

    def _work(self, job: Job) -> None:
        job.state = "JobComplete"
        if "query" in job.wanted:
            job.processed = len(job.rows)
            return
        rows = list(csv.DictReader(io.StringIO(job.upload.decode(), newline="")))
        for row in rows[: len(rows) - self.ways.forget_upload_rows]:
            values = {name: None if text == "#N/A" else text for name, text in row.items() if text != ""}
            success, _, code = self.upsert(job.wanted["object"], job.wanted["externalIdFieldName"], dict(values))
            job.processed += 1
            if not success:
                job.failed.append((str(code), str(values[KEY])))

    def _export_page(self, asked: Asked, job_id: str) -> Told:
        job = self.jobs[job_id]
        start = int(asked.query.get("locator", "0").removeprefix("page"))
        rows = job.rows[start : start + self.ways.bulk_page_rows]
        columns = job.wanted["columns"].split(",")
        dropped = rows[: len(rows) - self.ways.drop_bulk_rows]
        lines = [",".join(self._quoted(name) for name in columns)]
        lines += [",".join(self._cell(row[name], name) for name in columns) for row in dropped]
        more = start + self.ways.bulk_page_rows
        locator = "null" if more >= len(job.rows) else str(more) if self.ways.numeric_locator else f"page{more}"
        headers = {"Sforce-NumberOfRecords": str(len(rows)), "Sforce-Locator": locator}
        body = "".join(line + self.ways.line_end for line in lines).encode()
        return Told(200, body, headers, "text/csv")

    def _quoted(self, text: str) -> str:
        if self.ways.quoting == "all" or re.search(r'[",\r\n]', text):
            return '"' + text.replace('"', '""') + '"'
        return text

    def _cell(self, value: object, name: str) -> str:
        if value is None:
            return '""' if self.ways.quoted_null else ""
        if isinstance(value, datetime):
            return self._quoted(value.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
        if isinstance(value, bool):
            return self._quoted("true" if value else "false")
        text = str(value)
        return self._quoted(text[:15] if self.ways.short_ids and name.endswith("Id") else text)

    def _upload(self, asked: Asked, job_id: str) -> Told:
        self.jobs[job_id].upload = asked.body
        return Told(201)

    def _failed(self, _asked: Asked, job_id: str) -> Told:
        rows = [["sf__Id", "sf__Error", KEY]]
        rows += [["", f"{code}:no:--", key] for code, key in self.jobs[job_id].failed]
        lines = [",".join(self._quoted(cell) for cell in row) + self.ways.line_end for row in rows]
        return Told(200, "".join(lines).encode(), {}, "text/csv")

    def _unprocessed(self, _asked: Asked, _job_id: str) -> Told:
        return Told(200, b"", {}, "text/csv")

    # ---- the wire

    def date(self) -> str | None:
        """Return the Date header of an answer."""
        now = datetime.now(UTC)
        match self.ways.date:
            case "now":
                return format_datetime(now, usegmt=True)
            case "ahead":
                return format_datetime(now + timedelta(hours=1), usegmt=True)
            case "behind":
                return format_datetime(now - timedelta(hours=1), usegmt=True)
            case text:
                return text

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak on one connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while (asked := await hear(reader)) is not None:
                self.log.append(f"{asked.method} {asked.path}")
                raw, hang_up = say(self.answer(asked), self.ways, asked, self.date())
                writer.write(raw)
                await writer.drain()
                if hang_up:
                    break
        writer.close()


def _in_bound(value: object, operator: str, bound: datetime) -> bool:
    return isinstance(value, datetime) and (value >= bound if operator == ">=" else value < bound)


@asynccontextmanager
async def stranger(ways: Ways, prefix: str = "S0S") -> AsyncIterator[Stranger]:
    """Run a stranger's org."""
    org = Stranger(ways, prefix)
    server = await asyncio.start_server(org.serve, "127.0.0.1", 0)
    org.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield org
    finally:
        server.close()
