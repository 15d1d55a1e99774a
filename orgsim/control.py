"""The control port: what a test may do to an org that no API would let it.

Plain HTTP on loopback, no sign-in; calls that come from a web page (with an `Origin` header) are refused.

    GET    /                       this list
    GET    /rows/{object}          array of flat records: every field, null where empty, ids of 18 characters,
                                   dates and times as in REST answers; ?deleted=true adds rows in the recycle bin.
                                   Compound fields (addresses) are left out, their parts are there;
                                   ?fields=Id,Name gives only those
    POST   /rows/{object}          array of records -> {"ids": [...]} in order. Any field may be set, also Id, audit
                                   fields and references; no rule of the platform is checked. A SystemModstamp in the
                                   past makes a late commit: a row that appears below what was already read
    PATCH  /rows/{object}/{id}     change fields; LastModified* and SystemModstamp move on unless given -> the record
    DELETE /rows/{object}          every row vanishes for good, past every rule -> {"deleted": n}
    DELETE /rows/{object}/{id}     into the recycle bin; ?hard=true for good
    POST   /rows/{object}/{id}/undelete     out of the recycle bin, as the administrator
    POST   /rows/{object}/{id}/merge        {"losers": [ids], "values": {}} as the administrator: children move, losers
                                            get MasterRecordId and go into the recycle bin
    POST   /rows/Lead/{id}/convert          {"opportunity": true, "account": id, "contact": id} -> the new ids
    POST   /transactions           {} -> {"id"}: a transaction that began now. Until it commits, latestDateCovered of
                                   getUpdated and getDeleted stays before its start
    POST   /transactions/{id}/rows/{object}   as POST /rows, PATCH and DELETE .../{row} likewise: stamped now, seen only
                                              after the commit. So rows appear below a SystemModstamp already read
    POST   /transactions/{id}/commit          (or /rollback)
    GET    /rules, POST, DELETE    validation, lookup-filter, duplicate, picklist and trigger rules; POST takes one or
                                   an array, see orgsim/store/rules.py
    GET    /counts                 {object: rows that are not deleted}
    GET    /sinks                  {object: {rows, distinctKeys, rowBytes, checksum}} of what bench tables absorbed
    GET    /state                  {"sha256", "schema", "tables": {object: digest}} over all rows and all metadata
    GET    /transcript             array of {at, method, path, query, status, bytes_in, bytes_out, note}
    DELETE /transcript             forget it
    GET    /rewrites, DELETE       {object: {field: times that an update put another value in the place of one}}
    GET    /faults, POST, DELETE   rules, see orgsim/faults.py
    GET    /whims, POST            {"level": "off|mild|hostile", "seed": n} and single knobs, see orgsim/whims.py
    GET    /clock, POST            {"set": "2026-01-31T00:00:00Z"} | {"advance_s": 3600} | {"freeze": true} |
                                   {"thaw": true} -> {"now"}
    POST   /reset                  everything as it was at the start; tokens and apps stay good
    GET    /settings, POST         switches and sizes, see orgsim/settings.py, e.g. {"access_token_lifetime_s": 5}
    POST   /usage                  {"used": 99990}: calls already used today, {"per_day": n},
                                   {"app": name, "per_day": n} for one app,
                                   {"bulk": {"DailyBulkApiBatches": n}} used of DailyBulkV2QueryJobs or of these
    GET    /apps, POST             connected apps, see orgsim/oauth/apps.py
    POST   /fields                 {"FullName", "Metadata", "granted": true} as in Tooling; granted shows it to all
    GET    /users                  the first users of the org, with user names and ids
    POST   /users/{id or name}/token        -> {"access_token"} a fresh session for this user; with
                                            {"client_id": "PlatformCLI"} also the "refresh_token" of a consent to it
    POST   /users/{id or name}/revoke       all refresh and access tokens of the user die
    POST   /users/{id or name}/expire       the access tokens of the user run out, refresh tokens stay
    POST   /users/{id or name}/deactivate   (and /activate)
    POST   /users/{id or name}/permissions  {"MonitorLoginHistory": false}: given by an own permission set, taken
                                            from all sets and the profile of the user
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from aiohttp import web

from orgsim.bulk.sources import AbsorbingTable
from orgsim.emulator import Emulator
from orgsim.faults import parse_rules
from orgsim.ids import normalize_id
from orgsim.oauth import people
from orgsim.oauth.apps import App
from orgsim.permissions import set_permission
from orgsim.plain_json import converted, decoded, guarded, json_answer
from orgsim.rowdesk import RowDesk
from orgsim.store.values import json_value
from orgsim.whims import LEVELS, Mood
from orgsim.wire import ApiError
from orgsim.workbench import Workbench

_ROWS_PER_WRITE: Final = 500
_BODY_BYTES_MAX: Final = 512 * 1024 * 1024


class Control:
    """The handlers of the control port."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._rows = RowDesk(emulator)

    def application(self) -> web.Application:
        """Return the web application."""
        app = web.Application(middlewares=[guarded], client_max_size=_BODY_BYTES_MAX)
        app.add_routes(Workbench(self._emulator, self._rows).routes())
        app.add_routes(
            [
                web.get("/", self.help),
                web.get("/rows/{object}", self.read_rows),
                web.post("/rows/{object}", self.add_rows),
                web.patch("/rows/{object}/{id}", self.change_row),
                web.delete("/rows/{object}/{id}", self.drop_row),
                web.get("/counts", self.counts),
                web.get("/sinks", self.sinks),
                web.get("/state", self.state),
                web.get("/transcript", self.transcript),
                web.delete("/transcript", self.clear_transcript),
                web.get("/faults", self.faults),
                web.post("/faults", self.add_faults),
                web.delete("/faults", self.clear_faults),
                web.get("/whims", self.whims),
                web.post("/whims", self.set_whims),
                web.get("/clock", self.clock),
                web.post("/clock", self.set_clock),
                web.post("/reset", self.reset),
                web.get("/settings", self.settings),
                web.post("/settings", self.set_settings),
                web.post("/usage", self.set_usage),
                web.get("/apps", self.apps),
                web.post("/apps", self.add_app),
                web.post("/fields", self.add_field),
                web.get("/users", self.users),
                web.post("/users/{user}/{action}", self.act_on_user),
            ]
        )
        return app

    async def help(self, request: web.Request) -> web.Response:
        """Show what there is."""
        del request
        return web.Response(text=__doc__ or "")

    # Rows

    async def read_rows(self, request: web.Request) -> web.StreamResponse:
        """Stream all rows of an object as one JSON array."""
        self._rows.check(request.match_info["object"])
        named = request.query.get("fields")
        fields = None if named is None else frozenset(named.split(","))
        deleted = request.query.get("deleted") == "true"
        rows = self._rows.flat(request.match_info["object"], deleted=deleted, fields=fields)
        out = web.StreamResponse(headers={"Content-Type": "application/json"})
        await out.prepare(request)
        async for piece in _as_array(rows):
            await out.write(piece)
        await out.write_eof()
        return out

    async def add_rows(self, request: web.Request) -> web.Response:
        """Store rows without any rule."""
        rows = decoded(await request.read(), list[dict[str, object]])
        return json_answer({"ids": self._rows.add(request.match_info["object"], rows)})

    async def change_row(self, request: web.Request) -> web.Response:
        """Change one row without any rule."""
        values = decoded(await request.read(), dict[str, object])
        return json_answer(self._rows.change(request.match_info["object"], request.match_info["id"], values))

    async def drop_row(self, request: web.Request) -> web.Response:
        """Delete one row."""
        hard = request.query.get("hard") == "true"
        self._rows.drop(request.match_info["object"], request.match_info["id"], hard=hard)
        return json_answer({"deleted": True})

    async def counts(self, request: web.Request) -> web.Response:
        """Count the rows of every object."""
        del request
        org = self._emulator.org
        return json_answer({entry.name: org.tables[key].count() for key, entry in sorted(org.objects.items())})

    async def sinks(self, request: web.Request) -> web.Response:
        """Show what bench tables absorbed."""
        del request
        tables = ((entry.name, self._emulator.org.tables[key]) for key, entry in self._emulator.org.objects.items())
        return json_answer({name: table.sink.summary() for name, table in tables if isinstance(table, AbsorbingTable)})

    async def state(self, request: web.Request) -> web.Response:
        """Show digests over everything."""
        del request
        return json_answer(self._emulator.state())

    # What was asked, and trouble

    async def transcript(self, request: web.Request) -> web.Response:
        """Show all calls."""
        del request
        return json_answer(self._emulator.org.transcript.as_json())

    async def clear_transcript(self, request: web.Request) -> web.Response:
        """Forget all calls."""
        del request
        self._emulator.org.transcript.clear()
        return json_answer({})

    async def faults(self, request: web.Request) -> web.Response:
        """Show the rules."""
        del request
        return json_answer(self._emulator.faults.listed())

    async def add_faults(self, request: web.Request) -> web.Response:
        """Arm rules."""
        self._emulator.faults.add(parse_rules(await request.read()))
        return json_answer(self._emulator.faults.listed())

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Disarm all rules."""
        del request
        self._emulator.faults.clear()
        return json_answer([])

    async def whims(self, request: web.Request) -> web.Response:
        """Show the mood."""
        del request
        return json_answer(self._emulator.whims.as_json())

    async def set_whims(self, request: web.Request) -> web.Response:
        """Change the mood: a level, then single knobs on top of it."""
        wanted = decoded(await request.read(), dict[str, object])
        whims = self._emulator.whims
        level, seed = wanted.pop("level", None), wanted.pop("seed", None)
        if level is not None and (not isinstance(level, str) or level not in LEVELS):
            raise ApiError(400, "INVALID_OPERATION", f"level must be one of {', '.join(LEVELS)}")
        base = LEVELS[level] if isinstance(level, str) else whims.mood
        mood = converted({**msgspec.structs.asdict(base), **wanted}, Mood)
        shown = level if isinstance(level, str) and not wanted else "custom" if wanted else whims.level
        whims.set(mood, level=shown, seed=seed if isinstance(seed, int) else None)
        return json_answer(whims.as_json())

    # Time, switches, books

    async def clock(self, request: web.Request) -> web.Response:
        """Show the org's time."""
        del request
        return json_answer({"now": json_value(self._emulator.clock.now())})

    async def set_clock(self, request: web.Request) -> web.Response:
        """Move the org's time."""
        wanted = decoded(await request.read(), _ClockOrder)
        clock = self._emulator.clock
        if wanted.set is not None:
            clock.set(wanted.set if wanted.set.tzinfo else wanted.set.replace(tzinfo=UTC))
        if wanted.advance_s:
            clock.advance(timedelta(seconds=wanted.advance_s))
        if wanted.freeze:
            clock.freeze()
        if wanted.thaw:
            clock.thaw()
        return await self.clock(request)

    async def reset(self, request: web.Request) -> web.Response:
        """Make the org anew."""
        del request
        self._emulator.reset()
        return json_answer({})

    async def settings(self, request: web.Request) -> web.Response:
        """Show all switches."""
        del request
        return json_answer(dataclasses.asdict(self._emulator.settings))

    async def set_settings(self, request: web.Request) -> web.Response:
        """Change switches; unknown names and wrong types are refused."""
        wanted = decoded(await request.read(), dict[str, object])
        settings = self._emulator.settings
        held = dataclasses.asdict(settings)
        unknown = set(wanted) - set(held)
        if unknown:
            raise ApiError(400, "INVALID_OPERATION", f"unknown settings: {', '.join(sorted(unknown))}")
        checked = converted({**held, **wanted}, type(settings))
        for name in wanted:
            setattr(settings, name, getattr(checked, name))
        self._emulator.org.usage.requests_per_day = settings.api_requests_per_day
        self._emulator.org.metadata_changed()
        return await self.settings(request)

    async def set_usage(self, request: web.Request) -> web.Response:
        """Change how many calls count as used."""
        wanted = decoded(await request.read(), _UsageOrder)
        usage = self._emulator.org.usage
        usage.used = usage.used if wanted.used is None else wanted.used
        if wanted.app is not None:
            usage.limit_app(wanted.app, wanted.per_day)
        elif wanted.per_day is not None:
            usage.requests_per_day = wanted.per_day
        if unknown := sorted(set(wanted.bulk) - set(usage.bulk_used)):
            raise ApiError(400, "INVALID_INPUT", f"no Bulk limit is called {unknown[0]}")
        usage.bulk_used |= wanted.bulk
        return json_answer({"used": usage.used, "per_day": usage.requests_per_day, "bulk": usage.bulk_used})

    # Apps, fields, users

    async def apps(self, request: web.Request) -> web.Response:
        """List the connected apps."""
        del request
        return json_answer([msgspec.to_builtins(app) for app in self._emulator.authority.apps.listed()])

    async def add_app(self, request: web.Request) -> web.Response:
        """Add or replace a connected app."""
        app = decoded(await request.read(), App)
        self._emulator.authority.apps.put(app)
        return json_answer(msgspec.to_builtins(app))

    async def add_field(self, request: web.Request) -> web.Response:
        """Make a custom field."""
        wanted = decoded(await request.read(), _FieldOrder)
        org = self._emulator.org
        return json_answer(
            {"id": self._emulator.tooling.add(org, wanted.FullName, wanted.Metadata, granted=wanted.granted)}
        )

    async def users(self, request: web.Request) -> web.Response:
        """Show who can log in."""
        del request
        return json_answer({**dataclasses.asdict(self._emulator.seeded), "password": people.PASSWORD})

    async def act_on_user(self, request: web.Request) -> web.Response:
        """Do something to one user."""
        emulator = self._emulator
        person = self._person(request.match_info["user"])
        match request.match_info["action"]:
            case "token":
                wanted = decoded(await request.read() or b"{}", dict[str, str])
                if (client := wanted.get("client_id")) is None:
                    return json_answer({"access_token": emulator.new_access_token(person.user_id)})
                if emulator.authority.apps.get(client) is None:
                    raise ApiError(404, "NOT_FOUND", "no such app")
                issued = emulator.new_grant(client, person.user_id)
                return json_answer({"access_token": issued.access_token, "refresh_token": issued.refresh_token})
            case "revoke":
                return json_answer({"revoked": emulator.authority.grants.revoke_user(person.user_id)})
            case "expire":
                return json_answer({"expired": emulator.authority.grants.expire_all_access_tokens(person.user_id)})
            case "activate" | "deactivate" as action:
                return json_answer(self._rows.change("User", person.user_id, {"IsActive": action == "activate"}))
            case "permissions":
                wanted = decoded(await request.read(), dict[str, bool])
                for name, granted in wanted.items():
                    set_permission(emulator.org, person.user_id, name, granted=granted)
                return json_answer(dataclasses.asdict(emulator.org.privileges(person.user_id)))
            case _:
                raise ApiError(
                    400, "INVALID_OPERATION", "actions are token, revoke, expire, activate, deactivate, permissions"
                )

    def _person(self, text: str) -> people.Person:
        org = self._emulator.org
        person = people.by_id(org, normalize_id(text) or "") or people.by_username(org, text)
        if person is None:
            raise ApiError(404, "NOT_FOUND", "no such user")
        return person


class _ClockOrder(msgspec.Struct, forbid_unknown_fields=True):
    set: datetime | None = None
    advance_s: float = 0.0
    freeze: bool = False
    thaw: bool = False


class _UsageOrder(msgspec.Struct, forbid_unknown_fields=True):
    used: int | None = None
    per_day: int | None = None
    app: str | None = None
    bulk: dict[str, int] = {}


class _FieldOrder(msgspec.Struct, forbid_unknown_fields=True):
    FullName: str
    Metadata: dict[str, object]
    granted: bool = True


async def _as_array(rows: AsyncIterator[Mapping[str, object]]) -> AsyncIterator[bytes]:
    yield b"["
    held: list[bytes] = []
    first = True
    async for row in rows:
        held.append(msgspec.json.encode(row))
        if len(held) == _ROWS_PER_WRITE:
            yield (b"" if first else b",\n") + b",\n".join(held)
            held, first = [], False
    if held:
        yield (b"" if first else b",\n") + b",\n".join(held)
    yield b"]\n"
