"""The cache of what orgs say of their objects: written by worker after a READ_SCHEMA job, read for plans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from isthmus.db.database import TenantTx
from isthmus.db.storable import Blob
from isthmus.salesforce.describe import ObjectDescribe
from isthmus.values import ApiName, OrgId


@dataclass(frozen=True, slots=True)
class CachedDescribe:
    """An object as its org described it at `read_at`."""

    describe: ObjectDescribe
    read_at: datetime


@dataclass(frozen=True, slots=True)
class _Row:
    describe: bytes
    read_at: datetime


async def save_describes(tx: TenantTx, org: OrgId, describes: Iterable[ObjectDescribe]) -> None:
    """Keep describes, replacing older ones of the same objects. Worker only."""
    for describe in describes:
        await tx.execute(
            """
            insert into orgs.object_schema (org_id, object_name, describe)
            values (%(org)s, %(object_name)s, %(describe)s)
            on conflict (tenant_id, org_id, object_name)
            do update set describe = excluded.describe, read_at = now()
            """,
            org=org,
            object_name=ApiName.parse(describe.name),
            describe=Blob(msgspec.json.encode(describe)),
        )


async def load_describes(tx: TenantTx, org: OrgId, objects: Sequence[ApiName]) -> dict[ApiName, CachedDescribe]:
    """Return what is known of `objects`; those never read are left out."""
    rows = await tx.fetch_all(
        """
        select describe, read_at from orgs.object_schema
        where org_id = %(org)s and object_name = any (%(objects)s::text[])
        """,
        row=_Row,
        org=org,
        objects=list(objects),
    )
    found = [CachedDescribe(msgspec.json.decode(row.describe, type=ObjectDescribe), row.read_at) for row in rows]
    return {ApiName.parse(cached.describe.name): cached for cached in found}
