"""One emulated org with everything around it, and how a call is answered; no sockets in here.

The HTTP server is a thin shell around `Emulator.answer`, so tests can drive the same code without a process.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final, cast

import msgspec

from orgsim.bulk.ingest import IngestJobs
from orgsim.bulk.jobs import IngestJob, JobShelf, QueryJob
from orgsim.bulk.query import QueryJobs
from orgsim.bulk.sources import AbsorbingTable
from orgsim.bulk1.service import BulkOne
from orgsim.clock import OrgClock
from orgsim.faults import Faults, RowFault, Trouble
from orgsim.generate.profiles import populate
from orgsim.generate.world import Seeded
from orgsim.loading import load_folder
from orgsim.oauth.apps import DEFAULT_SCOPES, Apps, default_apps, default_client_id
from orgsim.oauth.authority import Authority
from orgsim.oauth.grants import Grants, Issued
from orgsim.org import Org
from orgsim.rest.routes import rest_routes
from orgsim.router import Router
from orgsim.schema.load import load_objects
from orgsim.settings import NEWEST_VERSION, OrgSettings
from orgsim.soql.lazy import VirtualTable
from orgsim.soql.parser import is_ordered
from orgsim.soql.result import QueryResult
from orgsim.soql.steps import Steps, settled
from orgsim.store.results import Operation, Row, RowError, SaveResult, WriteContext
from orgsim.tooling import Tooling
from orgsim.whims import LEVELS, Whims
from orgsim.wire import Request, Response, json_response
from orgsim.wire_routes import wire_routes

_NEEDS_API_SCOPE: Final = ("/services/data", "/services/async", "/services/Soap")


@dataclass(frozen=True, slots=True)
class Options:
    """What an org is made from; the same options give the same org. `rows` are counts by object name."""

    name: str = "orgsim"
    profile: str = "demo"
    rows: Mapping[str, int] = field(default_factory=dict[str, int])
    seed: int = 1
    whims: str = "off"
    redirect_uris: tuple[str, ...] = ()
    api_requests_per_day: int = 100_000
    load: Path | None = None
    switches: Mapping[str, object] = field(default_factory=dict[str, object])


class TroubledOrg(Org):
    """An org whose rows can be hit by fault rules and whims before the platform's own checks see them."""

    faults: Faults | None = None
    whims: Whims | None = None

    def _struck(self, object_name: str, values: Mapping[str, object]) -> SaveResult | None:
        hit: RowFault | None = self.faults.for_row(object_name, values) if self.faults is not None else None
        if hit is None and self.whims is not None:
            hit = self.whims.for_row()
        return None if hit is None else SaveResult.refused(RowError(hit.code, hit.message, hit.fields))

    def query_steps(
        self,
        soql: str,
        *,
        all_rows: bool = False,
        ctx: WriteContext,
        page_rows: int | None = None,
        version: int = NEWEST_VERSION,
    ) -> Steps[QueryResult]:
        """Run a query in steps; a whim may make its pages shorter and mix the rows that nothing puts in order."""
        rows = page_rows or self.settings.query_page_rows
        if self.whims is not None:
            rows = self.whims.query_page_rows(rows)
        result = yield from super().query_steps(soql, all_rows=all_rows, ctx=ctx, page_rows=rows, version=version)
        if self.whims is not None and isinstance(result.rows, list) and not is_ordered(soql):
            self.whims.shuffle(result.rows)
        return result

    def insert(self, object_name: str, values: Mapping[str, object], ctx: WriteContext) -> SaveResult:
        """Create one row, unless trouble strikes."""
        return self._struck(object_name, values) or super().insert(object_name, values, ctx)

    def update(self, object_name: str, row_id: str, values: Mapping[str, object], ctx: WriteContext) -> SaveResult:
        """Change one row, unless trouble strikes."""
        return self._struck(object_name, {**values, "Id": row_id}) or super().update(object_name, row_id, values, ctx)

    def upsert(
        self, object_name: str, key_field: str, key: object, values: Mapping[str, object], ctx: WriteContext
    ) -> SaveResult:
        """Create or change one row, unless trouble strikes."""
        struck = self._struck(object_name, {**values, key_field: key})
        return struck or super().upsert(object_name, key_field, key, values, ctx)

    def delete(self, object_name: str, row_id: str, ctx: WriteContext, *, hard: bool = False) -> SaveResult:
        """Delete one row, unless trouble strikes."""
        return self._struck(object_name, {"Id": row_id}) or super().delete(object_name, row_id, ctx, hard=hard)

    def dml_many(
        self,
        operation: Operation,
        object_name: str,
        key_field: str | None,
        rows: Iterable[Mapping[str, object]],
        ctx: WriteContext,
    ) -> list[SaveResult]:
        """Write many rows; those that trouble strikes are refused in their place."""
        all_rows = list(rows)
        struck = {place: hit for place, row in enumerate(all_rows) if (hit := self._struck(object_name, row))}
        if not struck:
            return super().dml_many(operation, object_name, key_field, all_rows, ctx)
        spared = [row for place, row in enumerate(all_rows) if place not in struck]
        results = iter(super().dml_many(operation, object_name, key_field, spared, ctx))
        return [struck.get(place) or next(results) for place in range(len(all_rows))]


class Emulator:
    """An org, its sign-in, its bulk jobs, its faults and whims, and the routes to all of them."""

    def __init__(self, options: Options, instance_url: str) -> None:
        self.options = options
        self.instance_url = instance_url
        self.settings = _settings(options)
        self.clock = OrgClock()
        self._born = self.clock.now().replace(microsecond=0)
        self.faults = Faults(Random(f"faults-{options.seed}"))
        self.whims = Whims(options.whims, options.seed)
        self.query_jobs: JobShelf[QueryJob] = JobShelf()
        self.ingest_jobs: JobShelf[IngestJob] = JobShelf()
        self.bulk_one = BulkOne(self.whims, self._start)
        self.tooling = Tooling()
        self._tasks: set[asyncio.Task[None]] = set()
        self.org, self.seeded = self._make_org()
        apps: Apps = default_apps(options.name, options.seed, options.redirect_uris)
        self.authority = Authority(self.org, apps, Grants(self.org.id15, self.settings, self.clock.now))
        self.router = Router(
            (
                *rest_routes(),
                *wire_routes(
                    self.authority,
                    QueryJobs(self.query_jobs, self.whims, self._start),
                    IngestJobs(self.ingest_jobs, self.whims, self._start),
                    self.bulk_one,
                    self.tooling,
                ),
            )
        )

    @property
    def client_id(self) -> str:
        """The client id of the app for the client under test."""
        return default_client_id(self.options.name, self.options.seed)

    def new_access_token(self, user_id: str | None = None) -> str:
        """Return a fresh access token of the default app, for the administrator unless another user is named."""
        app = self.authority.apps.get(self.client_id)
        if app is None:  # pragma: no cover  # the default app cannot be removed
            raise LookupError
        scopes = DEFAULT_SCOPES - {"refresh_token", "offline_access"}
        user = user_id or self.seeded.admin_id
        return self.authority.grants.open_family(app, user, scopes, self.instance_url).access_token

    def new_grant(self, client_id: str, user_id: str) -> Issued:
        """Return the tokens of a consent to everything that an app may ask for; LookupError without such an app."""
        app = self.authority.apps.get(client_id)
        if app is None:
            raise LookupError(client_id)
        return self.authority.grants.open_family(app, user_id, app.scopes, self.instance_url)

    def trouble_for(self, request: Request, target: str) -> Trouble | None:
        """Return what a fault rule, else a whim, does to this call."""
        return self.faults.for_request(request, target) or self.whims.for_request(request)

    def answer(self, request: Request) -> Response:
        """Answer one call at once; must run inside the event loop, because bulk jobs start there."""
        return settled(self.answer_steps(request))

    def answer_steps(self, request: Request) -> Steps[Response]:
        """Answer one call, with pauses in which others can be answered."""
        request = self.authority.signed(request)
        session = request.session
        if (
            session is not None
            and not session.scopes & {"api", "full"}
            and request.path.lstrip("/").startswith(tuple(prefix[1:] for prefix in _NEEDS_API_SCOPE))
        ):
            text = "This session is not valid for use with the REST API"
            return json_response([{"message": text, "errorCode": "INVALID_SESSION_ID"}], 401)
        return (yield from self.router.dispatch_steps(self.org, request))

    def expire_token_of(self, request: Request) -> None:
        """Let the access token of this call run out."""
        signed = self.authority.signed(request)
        if signed.session is not None:
            self.authority.grants.expire_access_token(signed.session.token)

    def reset(self) -> None:
        """Make all anew from the options: rows, clock, settings, whims; jobs and faults go, tokens and apps stay."""
        for task in list(self._tasks):
            task.cancel()
        self.query_jobs.clear()
        self.ingest_jobs.clear()
        self.bulk_one.jobs.clear()
        self.faults.clear()
        self.tooling.clear()
        self.whims.set(LEVELS[self.options.whims], level=self.options.whims, seed=self.options.seed)
        fresh = _settings(self.options)
        for entry in dataclasses.fields(fresh):
            setattr(self.settings, entry.name, getattr(fresh, entry.name))
        self.org, self.seeded = self._make_org()
        self.authority.org = self.org

    def state(self) -> dict[str, object]:
        """Return SHA-256 digests of every table and of the schema, and one over all of them."""
        tables = {definition.name: self._table_digest(key) for key, definition in sorted(self.org.objects.items())}
        schema = hashlib.sha256()
        for key, definition in sorted(self.org.objects.items()):
            schema.update(repr((key, definition.fields)).encode())
        schema.update(repr(sorted(self.org.guarded_fields)).encode())
        total = hashlib.sha256(repr(sorted(tables.items())).encode() + schema.digest())
        return {"sha256": total.hexdigest(), "schema": schema.hexdigest(), "tables": tables}

    def _table_digest(self, key: str) -> str:
        table = self.org.tables[key]
        digest = hashlib.sha256()
        found = table.scan()
        if isinstance(table, VirtualTable):  # made up as they are read: what was written counts, and what came in
            taken = sorted(table.sink.summary().items()) if isinstance(table, AbsorbingTable) else ()
            digest.update(repr((table.count(), taken)).encode())
            found = table.written_between("", None, None)
        rows: list[Row] = sorted(found, key=lambda row: str(row.get("Id")))
        for row in rows:
            digest.update(repr([(name, row[name]) for name in sorted(row) if row[name] is not None]).encode())
        return digest.hexdigest()

    def _make_org(self) -> tuple[TroubledOrg, Seeded]:
        """Make the org as it was at the start of the process, to the second; then let its clock say now."""
        options = self.options
        self.clock.freeze(self._born)
        org = TroubledOrg(
            load_objects(),
            name=options.name,
            instance_url=self.instance_url,
            seed=options.seed,
            settings=self.settings,
            clock=self.clock,
        )
        seeded = populate(org, options.profile, seed=options.seed, rows=options.rows)
        if options.load is not None:
            load_folder(org, options.load, seeded.admin_id)
        self.clock.set(datetime.now(UTC))
        org.metadata_changed()
        org.faults, org.whims = self.faults, self.whims
        return org, seeded

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop the jobs that still run."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _settings(options: Options) -> OrgSettings:
    return OrgSettings(api_requests_per_day=options.api_requests_per_day, **options.switches)  # pyright: ignore[reportArgumentType]  # checked by `checked_switches`


def checked_switches(wanted: Mapping[str, object]) -> dict[str, object]:
    """Return settings given by name as text, typed; ValueError naming one that does not exist or does not fit.

    `extra.KEY` gives an entry of `extra`, `sharing.OBJECT` one of `sharing`.
    """
    given: dict[str, object] = {}
    for name, value in wanted.items():
        head, dot, tail = name.partition(".")
        if dot:
            held = cast("dict[str, object]", given.setdefault(head, {}))
            held[tail] = value
        else:
            given[name] = value
    known = {entry.name for entry in dataclasses.fields(OrgSettings)}
    if strangers := sorted(set(given) - known):
        message = f"no setting is called {strangers[0]}"
        raise ValueError(message)
    try:
        typed = msgspec.convert(given, OrgSettings, strict=False)
    except msgspec.ValidationError as broken:
        message = f"settings: {broken}"
        raise ValueError(message) from None
    return {name: getattr(typed, name) for name in given}
