"""Putting findings off, as portal and CLI do it: kept for the org, read by its next audits. As role isthmus_portal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from isthmus.audit.given.prices import PricesInvalid
from isthmus.audit.given.snooze import checked_reason
from isthmus.db.database import TenantTx
from isthmus.values import AuditId, OrgId, UserText

YEARS_MAX: Final = 5
DAYS_MAX: Final = YEARS_MAX * 365


class SnoozeRefused(Exception):
    """A finding cannot be put off like this; the message says what and the remedy."""


@dataclass(frozen=True, slots=True)
class SnoozeView:
    """A finding that is put off. `subject` and `detail` are of the org's newest audit that has it, else empty.

    `over`: its day has passed, so that it counts again; it is kept until somebody removes it.
    """

    id: UUID
    org: str
    rule: str
    subject_id: str
    pool: str
    subject: str
    detail: str
    pool_name: str
    until: date
    reason: str
    over: bool
    made_at: datetime


@dataclass(frozen=True, slots=True)
class _Made:
    id: UUID


@dataclass(frozen=True, slots=True)
class _Of:
    org: UUID


async def snooze(tx: TenantTx, audit: AuditId, number: int, *, until: date, reason: str, today: date) -> UUID | None:
    """Put a finding of an audit off; again: until another day. None if this tenant has no such finding.

    The org's audits from the next one on know of it. Raises `SnoozeRefused`.
    """
    if not today <= until or (until - today).days > DAYS_MAX:
        message = (
            f"The day has passed, or is more than {YEARS_MAX} years away. Name the last day on which it is put off."
        )
        raise SnoozeRefused(message)
    try:
        said = checked_reason(reason, "The finding")
    except PricesInvalid as invalid:
        raise SnoozeRefused(str(invalid)) from None
    of = await tx.fetch_one(
        """
        select c.org_id as org from audit.finding f
        join audit.audit a on a.tenant_id = f.tenant_id and a.id = f.audit_id
        join orgs.connection c on c.tenant_id = a.tenant_id and c.id = a.connection_id
        where f.audit_id = %(audit)s and f.ordinal = %(number)s
        """,
        row=_Of,
        audit=audit,
        number=number,
    )
    if of is None:
        return None
    await tx.execute(
        """
        delete from audit.snooze s using audit.finding f
        where f.audit_id = %(audit)s and f.ordinal = %(number)s and s.tenant_id = f.tenant_id and s.org_id = %(org)s
          and s.rule = f.rule and s.subject_id = f.subject_id and s.pool = f.pool
        """,
        audit=audit,
        number=number,
        org=of.org,
    )
    made = await tx.fetch_one(
        """
        insert into audit.snooze (org_id, rule, subject_id, pool, until, reason)
        select %(org)s, f.rule, f.subject_id, f.pool, %(until)s, %(reason)s
        from audit.finding f where f.audit_id = %(audit)s and f.ordinal = %(number)s
        returning id
        """,
        row=_Made,
        org=of.org,
        audit=audit,
        number=number,
        until=until,
        reason=UserText(said),
    )
    return made.id if made is not None else None


async def list_snoozes(tx: TenantTx, today: date, org: OrgId | None = None) -> list[SnoozeView]:
    """Return what is put off, of one org or of all, by org and day."""
    return await tx.fetch_all(
        """
        select s.id, o.alias as org, s.rule, s.subject_id, s.pool, coalesce(f.subject, '') as subject,
            coalesce(f.detail, '') as detail, coalesce(f.pool_name, '') as pool_name, s.until, s.reason,
            s.until < %(today)s as over, s.made_at
        from audit.snooze s
        join orgs.org o on o.tenant_id = s.tenant_id and o.id = s.org_id
        left join lateral (
            select f.line::text::jsonb ->> 'subject' as subject, f.line::text::jsonb ->> 'detail' as detail, f.pool_name
            from orgs.connection c
            join audit.audit a on a.tenant_id = c.tenant_id and a.connection_id = c.id and a.state = 'done'
            join audit.finding f on f.tenant_id = a.tenant_id and f.audit_id = a.id
            where c.tenant_id = s.tenant_id and c.org_id = s.org_id
              and f.rule = s.rule and f.subject_id = s.subject_id and f.pool = s.pool
            order by a.taken_at desc limit 1
        ) f on true
        where (%(org)s::uuid is null or s.org_id = %(org)s)
        order by o.alias, s.until, s.id
        """,
        row=SnoozeView,
        today=today,
        org=org,
    )


async def end_snooze(tx: TenantTx, snooze_id: UUID) -> bool:
    """Let a finding count again from the next audit on. False if this tenant has no such snooze."""
    ended = await tx.fetch_one(
        "delete from audit.snooze where id = %(snooze)s returning id", row=_Made, snooze=snooze_id
    )
    return ended is not None
