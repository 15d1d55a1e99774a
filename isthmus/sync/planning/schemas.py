"""Reading describes: once through a mover for a connection's org, kept for plans. Names and types, no record."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from isthmus.db.database import TenantTx
from isthmus.db.storable import Blob
from isthmus.orgs.keeper_client import KeeperRefused, RunKind
from isthmus.salesforce.describe import (
    CallsMessage,
    MissingMessage,
    ObjectsMessage,
    SchemaJob,
    SchemaMessage,
    joined,
)
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.schema import ObjectDescribe
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.version import API_VERSION_DEFAULT, API_VERSION_OLDEST
from isthmus.sandbox.report import ExitKind, MoverFailure
from isthmus.sandbox.spawn import MoverRefused, mover_command, spawn
from isthmus.sync import store
from isthmus.sync.app import SyncApp
from isthmus.sync.drive import Moving
from isthmus.sync.moving import moving_to
from isthmus.values import ApiName, ConnectionId, Purpose

ALWAYS_READ: Final = ("Account", "Contact", "Opportunity", "Lead", "Case", "Task")
"""Read for every connection, so that a first sync can be drawn up without waiting."""
UNSEEN: Final = b""
"""Kept instead of a describe: the connected user does not see the object."""
_Message: TypeAlias = SchemaMessage | ObjectsMessage | MissingMessage | CallsMessage


class SchemaUnread(Exception):
    """An org's objects could not be read; the message says why and the remedy. `calls` were made by endpoint."""

    def __init__(self, message: str, calls: Sequence[int] = ()) -> None:
        """Keep both."""
        super().__init__(message)
        self.calls = tuple(calls)


@dataclass(frozen=True, slots=True)
class Described:
    """An object's describe as it is kept, or None if the user does not see it."""

    name: str
    describe: ObjectDescribe | None


@dataclass(frozen=True, slots=True)
class SchemasRead:
    """What was described and listed, and the API calls that it took, by endpoint.

    `listed` are the objects that can hold records of a sync, of an endpoint whose list was asked for.
    """

    described: tuple[tuple[Described, ...], ...]
    calls: tuple[int, ...]
    listed: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    describe: bytes


async def read_schemas(
    endpoints: Sequence[Endpoint],
    objects: Sequence[Sequence[str]],
    moving: Moving,
    lease_socket: socket.socket,
    *,
    listing: bool = False,
) -> SchemasRead:
    """Describe `objects[i]` in `endpoints[i]` through a mover, and list all its objects if `listing`.

    Raises `SchemaUnread`.
    """
    job = SchemaJob(list(endpoints), [list(names) for names in objects], listing=listing)
    reading = _Reading(len(endpoints))
    try:
        async with spawn(
            mover_command(loopback=moving.loopback, ca_file=moving.ca_file),
            msgspec.json.encode(job),
            dial=moving.dial,
            lease_socket=lease_socket,
            limits=moving.limits,
            allow_no_sandbox=moving.allow_no_sandbox,
        ) as mover:
            async for message in mover.messages():
                reading.take(msgspec.json.decode(message, type=_Message))
            ended = await mover.exit()
    except MoverRefused as refused:
        raise SchemaUnread(str(refused)) from None
    except msgspec.MsgspecError:
        text = "The mover's answer is not understood. Portal, worker and mover are of different versions: restart."
        raise SchemaUnread(text) from None
    if ended.kind is not ExitKind.DONE:
        raise SchemaUnread(_why(ended.failure, ended.detail, reading.interrupted(job.objects)), reading.calls)
    return SchemasRead(
        tuple(tuple(side) for side in reading.found),
        tuple(reading.calls),
        tuple(tuple(side) for side in reading.listed),
    )


class _Reading:
    """What has come of one mover so far."""

    def __init__(self, endpoints: int) -> None:
        self.found: list[list[Described]] = [[] for _ in range(endpoints)]
        self.calls = [0] * endpoints
        self.listed: list[list[str]] = [[] for _ in range(endpoints)]
        self._parts: dict[tuple[int, str], list[SchemaMessage]] = {}

    def interrupted(self, objects: Sequence[Sequence[str]]) -> str:
        """Return in words which org was being read when the mover ended: it reads one after the other."""
        if len(objects) == 1:
            return "The org"
        whole = len(self.found[0]) == len(objects[0]) and (objects[0] or self.listed[0])
        return "The target" if whole else "The source"

    def take(self, message: _Message) -> None:
        match message:
            case SchemaMessage(endpoint=endpoint, describe=describe):
                got = self._parts.setdefault((endpoint, describe.name), [])
                got.append(message)
                whole = joined(got)
                if whole is not None:
                    self.found[endpoint].append(Described(whole.name, whole))
            case MissingMessage(endpoint=endpoint, object=name):
                self.found[endpoint].append(Described(name, None))
            case CallsMessage(calls=calls):
                self.calls = list(calls)
            case ObjectsMessage(endpoint=endpoint, objects=objects):
                self.listed[endpoint].extend(each.name for each in objects if each.queryable and each.createable)


def _why(failure: MoverFailure, detail: int, org: str) -> str:
    match failure:
        case MoverFailure.REFUSED if detail == StatusCode.parse("UNSUPPORTED_API_VERSION"):
            known = f"{API_VERSION_OLDEST} to {API_VERSION_DEFAULT}"
            return f"{org} serves none of the API versions {known}. Use a release of Isthmus that knows the org's."
        case MoverFailure.LEASE_REVOKED | MoverFailure.LEASE_NEEDS_REAUTH:
            return f"{org} does not accept our token. Connect it again, or give a fresh token."
        case MoverFailure.LIMITED:
            return f"{org}'s API allowance is used up. Wait, or raise the allowance."
        case MoverFailure.DIAL_REFUSED | MoverFailure.TLS_REFUSED:
            return f"{org}'s address is refused. Check its instance URL, and ISTHMUS_CA_FILE for its certificate."
        case MoverFailure.REFUSED:
            return f"{org} refuses to describe its objects. Check the connected user's API permission."
        case _:
            return f"{org} does not answer. Check that it can be reached from here, then try again."


async def perform_schema(connection: ConnectionId, app: SyncApp) -> None:
    """Read the describes of a connection's org and keep them. Raises `SchemaUnread`."""
    try:
        ticket = await app.keeper.ticket_for_run(RunKind.SCHEMA, connection)
    except KeeperRefused:
        return
    async with app.database.tenant(ticket) as tx:
        row = await store.endpoint(tx, connection)
        wanted = await store.wanted_objects(tx, connection)
    if row is None:
        return
    names = list(dict.fromkeys((*ALWAYS_READ, *wanted)))
    lease = await app.keeper.open_lease_channel(ticket, connection, [connection])
    endpoint = Endpoint(row.id, row.origin, Purpose.SYNC, API_VERSION_DEFAULT)
    moving = moving_to([row.origin], app.settings)
    try:
        read = await read_schemas([endpoint], [names], moving, lease, listing=True)
    except SchemaUnread as unread:
        async with app.database.tenant(await app.keeper.ticket_for_run(RunKind.SCHEMA, connection)) as tx:
            await store.save_reading(tx, connection, sum(unread.calls))
        raise
    async with app.database.tenant(await app.keeper.ticket_for_run(RunKind.SCHEMA, connection)) as tx:
        await store.save_reading(tx, connection, sum(read.calls))
        await _save_list(tx, row.org_id, read.listed[0])
        for described in read.described[0]:
            await _save(tx, row.org_id, described)


async def _save_list(tx: TenantTx, org: UUID, names: Sequence[str]) -> None:
    await tx.execute(
        """
        insert into orgs.object_list (org_id, names, read_at) values (%(org)s, %(names)s, now())
        on conflict (tenant_id, org_id) do update set names = excluded.names, read_at = excluded.read_at
        """,
        org=org,
        names=Blob(msgspec.json.encode(list(names))),
    )


async def _save(tx: TenantTx, org: UUID, described: Described) -> None:
    packed = UNSEEN if described.describe is None else msgspec.json.encode(described.describe)
    await tx.execute(
        """
        insert into orgs.object_schema (org_id, object_name, describe, read_at)
        values (%(org)s, %(name)s, %(describe)s, now())
        on conflict (tenant_id, org_id, object_name)
            do update set describe = excluded.describe, read_at = excluded.read_at
        """,
        org=org,
        name=ApiName.parse(described.name),
        describe=Blob(packed),
    )


async def kept_describes(tx: TenantTx, connection: UUID, objects: Sequence[str]) -> list[Described]:
    """Return what is kept of `objects` (any case) of the connection's org; objects never read are not among it."""
    rows = await tx.fetch_all(
        """
        select s.object_name as name, s.describe
        from orgs.object_schema s join orgs.connection c on c.tenant_id = s.tenant_id and c.org_id = s.org_id
        where c.id = %(connection)s and lower(s.object_name) = any(
            select lower(wanted) from unnest(%(names)s::text[]) as wanted)
        """,
        row=_Row,
        connection=connection,
        names=[ApiName.parse(name) for name in objects],
    )
    return [
        Described(row.name, msgspec.json.decode(row.describe, type=ObjectDescribe) if row.describe else None)
        for row in rows
    ]


async def kept_objects(tx: TenantTx, connection: UUID) -> list[Described]:
    """Return everything that is kept of the connection's org, by name."""
    rows = await tx.fetch_all(
        """
        select s.object_name as name, s.describe
        from orgs.object_schema s join orgs.connection c on c.tenant_id = s.tenant_id and c.org_id = s.org_id
        where c.id = %(connection)s order by s.object_name
        """,
        row=_Row,
        connection=connection,
    )
    return [
        Described(row.name, msgspec.json.decode(row.describe, type=ObjectDescribe) if row.describe else None)
        for row in rows
    ]
