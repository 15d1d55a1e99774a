"""What the end of an audit leaves: its schedule, and the notice that is due. As isthmus_worker; ids and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from isthmus.audit.cadence.cadence import after_failure
from isthmus.audit.failures import Failure
from isthmus.db.database import TenantTx
from isthmus.values import AuditId


@dataclass(frozen=True, slots=True)
class _State:
    scheduled: bool
    failed_in_row: int


async def note_done(tx: TenantTx, audit: AuditId, connection: UUID) -> None:
    """Begin the weekly schedule if nobody has chosen another, and make the notice of this audit.

    It is a recovery if the last thing that was told of this connection's scheduled audits was a failure.
    """
    await tx.execute(
        "insert into audit.schedule (connection_id) values (%(connection)s) on conflict do nothing",
        connection=connection,
    )
    await tx.execute(
        "update audit.schedule set failed_in_row = 0 where connection_id = %(connection)s", connection=connection
    )
    await tx.execute(
        """
        insert into audit.notice (kind, connection_id, audit_id)
        select case when (
            select n.kind from audit.notice n
            join audit.audit a on a.tenant_id = n.tenant_id and a.id = n.audit_id
            where n.connection_id = %(connection)s and (n.kind <> 'failure' or a.scheduled)
            order by n.made_at desc, n.id limit 1
        ) = 'failure' then 'recovery'::audit.notice_kind else 'result' end, %(connection)s, %(audit)s
        on conflict do nothing
        """,
        connection=connection,
        audit=audit,
    )


async def note_failed(tx: TenantTx, audit: AuditId, connection: UUID, failure: Failure, now: datetime) -> None:
    """Make the notice of a failed audit, or have it tried again before its usual time. A manual one is told at once."""
    state = await tx.fetch_one(
        """
        select a.scheduled, coalesce(s.failed_in_row, 0::smallint) as failed_in_row
        from audit.audit a
        left join audit.schedule s on s.tenant_id = a.tenant_id and s.connection_id = a.connection_id
        where a.id = %(audit)s
        """,
        row=_State,
        audit=audit,
    )
    if state is None:
        return
    after = after_failure(failure, state.failed_in_row, now)
    await tx.execute(
        "select audit.note_failure((select ctx.tenant()), %(connection)s, %(audit)s, %(tells)s, %(retry_at)s)",
        connection=connection,
        audit=audit,
        tells=after.tells or not state.scheduled,
        retry_at=after.retry_at if state.scheduled else None,
    )
