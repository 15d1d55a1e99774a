"""Comparing two orgs' schemas: of orgs given by tokens, through a mover; of connected orgs, from what the worker read.

Comparing connected orgs never waits by itself: `ask` notes what is to be read, and `compared` raises `SchemaPending`
until it has been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import msgspec

from isthmus.config import Settings
from isthmus.db.database import TenantTx
from isthmus.db.jobs import TaskName, enqueue
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.lease import Lease
from isthmus.salesforce.schema import ObjectDescribe
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.sync.copy import CopyOrg
from isthmus.sync.definitions import SchemaPending, check_connections
from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.lending import lent
from isthmus.sync.moving import moving_to
from isthmus.sync.plan import schema_of
from isthmus.sync.planning.compare import Comparison, compare
from isthmus.sync.planning.schemas import kept_describes, read_schemas
from isthmus.values import ApiName, ConnectionId, InvalidValue, Purpose

PAIRS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class _Names:
    names: bytes


class BadPair(Exception):
    """What was given is no pair of objects; the message says why and the remedy."""


def parse_pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of objects from texts such as `Account` or `Invoice__c=Bill__c`. Raises `BadPair`."""
    if len(texts) > PAIRS_MAX:
        message = f"These are too many objects. Compare {PAIRS_MAX} at a time."
        raise BadPair(message)
    pairs: list[tuple[str, str]] = []
    for text in texts:
        source, _, target = text.partition("=")
        try:
            pairs.append((str(ApiName.parse(source.strip())), str(ApiName.parse((target or source).strip()))))
        except InvalidValue:
            message = "That is no object. Name one as `Account`, or two as `Invoice__c=Bill__c`."
            raise BadPair(message) from None
    return list(dict.fromkeys(pairs))


async def compare_once(
    source: CopyOrg, target: CopyOrg, pairs: Sequence[tuple[str, str]], *, settings: Settings
) -> Comparison:
    """Compare two orgs that were given by tokens. Raises `SchemaUnread`."""
    orgs = (source, target)
    endpoints = [Endpoint(uuid4(), org.host.origin, Purpose.SYNC, API_VERSION_DEFAULT) for org in orgs]
    leases = {e.connection: Lease(org.token, org.host) for e, org in zip(endpoints, orgs, strict=True)}
    objects = [list(dict.fromkeys(pair[side] for pair in pairs)) for side in (SOURCE, TARGET)]
    moving = moving_to([endpoint.origin for endpoint in endpoints], settings)
    async with lent(leases) as lease:
        read = await read_schemas(endpoints, objects, moving, lease, listing=True)
    schemas = [schema_of(d.describe for d in side if d.describe is not None) for side in read.described]
    return compare((read.listed[SOURCE], read.listed[TARGET]), pairs, schemas[SOURCE], schemas[TARGET])


async def ask(tx: TenantTx, source: ConnectionId, target: ConnectionId, pairs: Sequence[tuple[str, str]]) -> None:
    """Ask the worker for what comparing needs and nobody has read yet. Raises `SyncProblem`."""
    await check_connections(tx, source, target)
    for side, connection in enumerate((source, target)):
        names = list(dict.fromkeys(pair[side] for pair in pairs))
        unread = await _unread(tx, connection, names)
        for name in unread:
            await tx.execute(
                """
                insert into sync.asked_object (connection_id, object_name) values (%(connection)s, %(name)s)
                on conflict do nothing
                """,
                connection=connection,
                name=ApiName.parse(name),
            )
        if unread or await _listed(tx, connection) is None:
            await enqueue(tx, TaskName.READ_SCHEMA, connection, lock=connection)


async def compared(
    tx: TenantTx, source: ConnectionId, target: ConnectionId, pairs: Sequence[tuple[str, str]]
) -> Comparison:
    """Return the comparison of two connected orgs as they were read last. Raises `SchemaPending`, `SyncProblem`."""
    await check_connections(tx, source, target)
    lists: list[list[str]] = []
    schemas: list[dict[str, ObjectDescribe]] = []
    for side, connection in enumerate((source, target)):
        names = list(dict.fromkeys(pair[side] for pair in pairs))
        listed = await _listed(tx, connection)
        if listed is None or await _unread(tx, connection, names):
            message = "The objects of the orgs are being read. Try again in some seconds."
            raise SchemaPending(message)
        lists.append(listed)
        kept = await kept_describes(tx, connection, names)
        schemas.append(schema_of(each.describe for each in kept if each.describe is not None))
    return compare((lists[SOURCE], lists[TARGET]), pairs, schemas[SOURCE], schemas[TARGET])


async def _unread(tx: TenantTx, connection: UUID, names: Sequence[str]) -> list[str]:
    known = {described.name.casefold() for described in await kept_describes(tx, connection, names)}
    return [name for name in names if name.casefold() not in known]


async def _listed(tx: TenantTx, connection: UUID) -> list[str] | None:
    row = await tx.fetch_one(
        """
        select l.names from orgs.object_list l join orgs.connection c
            on c.tenant_id = l.tenant_id and c.org_id = l.org_id
        where c.id = %(connection)s
        """,
        row=_Names,
        connection=connection,
    )
    return None if row is None else msgspec.json.decode(row.names, type=list[str])
