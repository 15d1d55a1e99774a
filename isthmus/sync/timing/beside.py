"""API calls that belong to no run: what an activation and the readings of describes have asked of both orgs."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from isthmus.db.database import TenantTx
from isthmus.values import SyncId


@dataclass(frozen=True, slots=True)
class CallsBeside:
    """Calls beside the runs of one sync. Readings are of the whole connection, which other syncs may share."""

    sync: UUID
    activation: int
    reading_source: int
    reading_target: int


async def calls_beside_runs(tx: TenantTx, sync: SyncId | None = None) -> dict[UUID, CallsBeside]:
    """Return them by sync: of one, or of all."""
    rows = await tx.fetch_all(
        """
        select d.id as sync, s.activation_calls as activation, coalesce(a.calls, 0) as reading_source,
            coalesce(b.calls, 0) as reading_target
        from sync.definition d
        join sync.state s on s.tenant_id = d.tenant_id and s.sync_id = d.id
        left join sync.schema_reading a on a.tenant_id = d.tenant_id and a.connection_id = d.source_connection
        left join sync.schema_reading b on b.tenant_id = d.tenant_id and b.connection_id = d.target_connection
        where %(sync)s::uuid is null or d.id = %(sync)s
        """,
        row=CallsBeside,
        sync=sync,
    )
    return {row.sync: row for row in rows}
