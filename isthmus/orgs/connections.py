"""What portal, cli and worker may know of connections: everything but tokens and keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from isthmus.db.database import TenantTx
from isthmus.orgs.model import Connection
from isthmus.values import ConnectionId, OrgId, UserText

_COLUMNS: Final = """
    select c.id, c.org_id, o.alias, c.purpose, c.state, c.epoch, c.login_origin, o.instance_origin,
        o.salesforce_org_id, c.username, c.scopes, c.connected_at, c.refreshed_at, c.revoked_at, c.revoke_confirmed_at
    from orgs.connection c join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
"""


@dataclass(frozen=True, slots=True)
class _Named:
    name: UserText


async def list_connections(tx: TenantTx) -> list[Connection]:
    """Return every connection of the tenant, revoked ones too, by alias and purpose."""
    return await tx.fetch_all(_COLUMNS + " order by o.alias, c.purpose", row=Connection)


async def find_connection(tx: TenantTx, connection: ConnectionId) -> Connection | None:
    """Return one connection, or None if the tenant has no such."""
    return await tx.fetch_one(_COLUMNS + " where c.id = %(connection)s", row=Connection, connection=connection)


async def connections_of(tx: TenantTx, org: OrgId) -> list[Connection]:
    """Return the connections of one org, by purpose."""
    return await tx.fetch_all(_COLUMNS + " where c.org_id = %(org)s order by c.purpose", row=Connection, org=org)


async def known_client_id(tx: TenantTx, org: OrgId) -> UserText | None:
    """Return the app that an org was last connected through, to offer it again."""
    row = await tx.fetch_one(
        "select client_id as name from orgs.connection where org_id = %(org)s order by connected_at desc limit 1",
        row=_Named,
        org=org,
    )
    return row.name if row else None
