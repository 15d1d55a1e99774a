"""The statement by which an audit remembers the weeks that Salesforce has forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from isthmus.audit.given.history import PoolWeek
from isthmus.db.database import TenantTx


@dataclass(frozen=True, slots=True)
class _Week:
    start: date
    pool: str
    people: int
    machines: int


async def load_weeks(tx: TenantTx, audit: UUID) -> tuple[PoolWeek, ...]:
    """Return the weeks that the newest earlier audit of the same org knew: it has those of all before it."""
    weeks = await tx.fetch_all(
        """
        with newest as (
            select a.tenant_id, a.id
            from audit.audit now
            join orgs.connection mine on mine.tenant_id = now.tenant_id and mine.id = now.connection_id
            join orgs.connection c on c.tenant_id = mine.tenant_id and c.org_id = mine.org_id
            join audit.audit a on a.tenant_id = c.tenant_id and a.connection_id = c.id
            where now.id = %(audit)s and a.id <> now.id and a.state = 'done'
              and exists (select from audit.license_week w where w.tenant_id = a.tenant_id and w.audit_id = a.id)
            order by a.taken_at desc, a.id limit 1
        )
        select w.week_start as start, w.license_id as pool, w.people, w.machines
        from newest n join audit.license_week w on w.tenant_id = n.tenant_id and w.audit_id = n.id
        order by w.week_start, w.license_id
        """,
        row=_Week,
        audit=audit,
    )
    return tuple(PoolWeek(week.start, week.pool, week.people, week.machines) for week in weeks)
