"""What a simulated org answers over HTTP: queries, replication, collections. Bulk jobs are in `jobs.py`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.simulation.answers import Answer, Moods, refusal, reply
from tests.simulation.jobs import Job, Jobs
from tests.simulation.org import KEY, Fields, Row, RowError, SimOrg
from tests.simulation.soql import NotModelled, answer, cell, instant, milliseconds, understood

MINUTE_MS: Final = 60_000
LONG_AGO: Final = "2025-12-01T00:00:00.000+0000"


class Front:
    """The org's web server. `handle` takes effect at once and answers."""

    def __init__(self, org: SimOrg, rng: random.Random, moods: Moods, begin: Callable[[Jobs, Job], None]) -> None:
        self.org = org
        self.moods = moods
        self.calls = 0
        self._rng = rng
        self._cursors: dict[str, tuple[tuple[str, ...], list[tuple[Row, Fields]], int, int]] = {}
        self.jobs = Jobs(org, rng, moods, self.upsert, lambda job: begin(self.jobs, job))

    def handle(self, method: str, target: str, body: bytes) -> Answer:  # noqa: PLR0911 - one line per request
        """Do what is asked."""
        split = urlsplit(target)
        parts = [unquote(part) for part in split.path.strip("/").split("/")]
        query = dict(parse_qsl(split.query))
        self.calls += 1
        if parts == ["services", "data"]:
            date = datetime.fromtimestamp(self.org.clock() // 1000, UTC)
            return Answer(200, b"[]", {"date": format_datetime(date, usegmt=True)})
        match method, parts[3:]:
            case "GET", ["query"]:
                return self._query(query["q"])
            case "GET", ["queryAll"]:
                return self._query(query["q"], deleted=True)
            case "GET", ["query", locator]:
                return self._more(locator)
            case "GET", ["sobjects", name, "updated"]:
                return self._replicated(name, query, deleted=False)
            case "GET", ["sobjects", name, "deleted"]:
                return self._replicated(name, query, deleted=True)
            case "PATCH", ["composite", "sobjects", name, key] if key == KEY:
                return self._collection(name, json.loads(body)["records"])
            case "PATCH", ["composite", "sobjects"]:
                return self._changes(json.loads(body)["records"])
            case "POST", ["composite"]:
                return self._together(json.loads(body)["compositeRequest"])
            case _, ["jobs", kind, *rest]:
                return self.jobs.handle(method, kind, rest, query, body)
            case _:
                raise NotModelled(f"{method} {target}")

    def _query(self, text: str, *, deleted: bool = False) -> Answer:
        query = understood(text)
        rows = answer(self.org, query, deleted=deleted)
        if query.counts:
            return reply({"totalSize": len(rows), "done": True, "records": []})
        kept = [(row, dict(row.fields)) for row in rows]
        return self._page(query.select, kept, 0, len(kept))

    def _more(self, locator: str) -> Answer:
        known = self._cursors.get(locator)
        if known is None:
            return refusal(400, "INVALID_QUERY_LOCATOR")
        return self._page(*known)

    def _page(self, select: tuple[str, ...], rows: list[tuple[Row, Fields]], start: int, total: int) -> Answer:
        size = self._rng.randint(*self.moods.page_rows)
        records = [self._record(row, kept, select) for row, kept in rows[start : start + size]]
        page: dict[str, object] = {"totalSize": total, "done": start + size >= total, "records": records}
        if start + size < total:
            locator = f"01g{self.org.name[0]}{len(self._cursors):014d}"
            self._cursors[locator] = (select, rows, start + size, total)
            page["nextRecordsUrl"] = f"/services/data/v62.0/query/{locator}"
        return reply(page)

    def _record(self, row: Row, kept: Fields, select: tuple[str, ...]) -> dict[str, object]:
        return {name: self._shown(row, kept, name) for name in select}

    def _shown(self, row: Row, kept: Fields, name: str) -> object:
        if name == "IsDeleted":
            return row.deleted_at is not None
        if name in {"Id", "SystemModstamp"}:
            value = cell(row, name)
            return instant(value) if isinstance(value, int) else value
        return (kept if self.moods.stale_pages else row.fields).get(name)

    def _replicated(self, name: str, query: Mapping[str, str], *, deleted: bool) -> Answer:
        start, end = (milliseconds(query[bound]) // MINUTE_MS * MINUTE_MS for bound in ("start", "end"))
        if self.moods.no_replication or start >= end:
            return refusal(400, "INVALID_REPLICATION_DATE")
        covered = instant(self.org.covered(milliseconds(query["end"])))
        rows = self.org.tables[name].values()
        if not deleted:
            ids = [row.id for row in rows if row.deleted_at is None and start <= row.stamp < end]
            return reply({"ids": ids, "latestDateCovered": covered})
        gone = [
            {"id": row.id, "deletedDate": instant(row.deleted_at)}
            for row in rows
            if row.deleted_at is not None and start <= row.deleted_at < end
        ]
        covered = instant(self.org.covered(end))
        return reply({"deletedRecords": gone, "earliestDateAvailable": LONG_AGO, "latestDateCovered": covered})

    def _collection(self, name: str, records: list[dict[str, Any]]) -> Answer:
        results: list[dict[str, object]] = []
        for record in records:
            record.pop("attributes")
            results.append(result_of(*self.upsert(name, record.pop(KEY), record)))
        return reply(results)

    def _together(self, requests: list[dict[str, str]]) -> Answer:
        parts: list[dict[str, object]] = []
        for each in requests:
            answer = self.handle(each["method"], each["url"], b"")
            parts.append(
                {
                    "body": json.loads(answer.body),
                    "httpHeaders": {},
                    "httpStatusCode": answer.status,
                    "referenceId": each["referenceId"],
                }
            )
        return reply({"compositeResponse": parts})

    def _changes(self, records: list[dict[str, Any]]) -> Answer:
        """Change rows that are named by their ids."""
        results: list[dict[str, object]] = []
        for record in records:
            name, row_id = record.pop("attributes")["type"], record.pop("Id")
            row = self.org.tables[name].get(row_id)
            if row is None or row.deleted_at is not None:
                results.append(result_of(False, RowError("ENTITY_IS_DELETED", "entity is deleted")))
            else:
                results.append(result_of(*self.upsert(name, row.fields[KEY] or "", record)))
        return reply(results)

    def upsert(self, name: str, key: str, record: Mapping[str, Any]) -> tuple[bool, RowError | None]:
        """Write one row as JSON or a file has it; a row may meet a lock."""
        if self.moods.lock and self._rng.random() < self.moods.lock:
            return False, RowError("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
        shape = self.org.shapes[name]
        fields: Fields = {}
        parents: dict[str, str] = {}
        for field_name, value in record.items():
            if field_name in shape.relationships:
                parents[shape.relationships[field_name]] = value[KEY]
            elif field_name in shape.plain or field_name in shape.lookups:
                fields[field_name] = str(value).lower() if isinstance(value, bool) else value
            else:
                raise NotModelled(field_name)
        return self.org.upsert(name, key, fields, parents)


def result_of(created: bool, error: RowError | None) -> dict[str, object]:
    """Return one row's result as JSON."""
    if error is None:
        return {"success": True, "created": created, "errors": []}
    fault = {"statusCode": error.code, "message": error.message, "fields": list(error.fields)}
    return {"success": False, "errors": [fault]}
