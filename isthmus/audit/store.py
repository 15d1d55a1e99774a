"""The worker's statements: claim an audit, say how far it is, keep what it found. The only maker of `AuditText`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Final
from uuid import UUID

import msgspec

from isthmus.audit.failures import Failure
from isthmus.audit.figures import Report
from isthmus.audit.given.catalogue import Category
from isthmus.audit.given.history import History, PoolPoint, SeenDeactivated
from isthmus.audit.given.snooze import Snooze
from isthmus.audit.judge import Judged
from isthmus.audit.money import annual
from isthmus.audit.portfolio.persons import keys_of
from isthmus.audit.portfolio.portfolio import summary_of
from isthmus.audit.store_weeks import load_weeks
from isthmus.db.database import TenantTx
from isthmus.db.storable import AuditText, Blob
from isthmus.values import Alias, ApiName

ROWS_PER_INSERT: Final = 1_000
TEXT_LENGTH_MAX: Final = 1_000
BUNDLE_NAME: Final = "bundle.zip"


class AttemptLost(Exception):
    """Another attempt at this audit has begun, or it was removed: this one may write no more."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a worker needs to begin."""

    attempt: int
    connection: UUID
    origin: str
    alias: Alias
    state: str
    started_at: datetime
    waits: int


@dataclass(frozen=True, slots=True)
class _Point:
    day: date
    pool: str
    purchased: int
    assigned: int
    unused_a: int | None
    unused_b: int | None
    unused_c: int | None


@dataclass(frozen=True, slots=True)
class _Gone:
    who: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Snooze:
    rule: str
    subject: str
    pool: str
    until: date
    reason: str


@dataclass(frozen=True, slots=True)
class _Id:
    id: UUID


async def claim(tx: TenantTx, audit: UUID) -> Claimed | None:
    """Take the audit up: raise its attempt and return what it needs; None if it has ended already."""
    return await tx.fetch_one(
        """
        update audit.audit a
        set state = 'reading', attempt = a.attempt + 1, percent = 0, started_at = coalesce(a.started_at, now()),
            continues_at = null
        from orgs.connection c join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
        where a.id = %(audit)s and a.state in ('queued', 'reading', 'reporting')
          and c.tenant_id = a.tenant_id and c.id = a.connection_id
        returning a.attempt, c.id as connection, o.instance_origin as origin, o.alias, c.state, a.started_at, a.waits
        """,
        row=Claimed,
        audit=audit,
    )


async def load_history(tx: TenantTx, audit: UUID) -> History:
    """Return what earlier audits of the same org knew."""
    points = await tx.fetch_all(
        """
        select (a.taken_at at time zone 'UTC')::date as day, p.license_id as pool, p.purchased, p.assigned,
            p.unused_a, p.unused_b, p.unused_c
        from audit.audit now
        join orgs.connection mine on mine.tenant_id = now.tenant_id and mine.id = now.connection_id
        join orgs.connection c on c.tenant_id = mine.tenant_id and c.org_id = mine.org_id
        join audit.audit a on a.tenant_id = c.tenant_id and a.connection_id = c.id
        join audit.license_pool p on p.tenant_id = a.tenant_id and p.audit_id = a.id
        where now.id = %(audit)s and a.id <> now.id and a.state = 'done' and a.taken_at > now() - interval '400 days'
        order by day, pool, a.taken_at
        """,
        row=_Point,
        audit=audit,
    )
    gone = await tx.fetch_all(
        """
        select p.user_id as who, min(a.taken_at) as at
        from audit.audit now
        join orgs.connection mine on mine.tenant_id = now.tenant_id and mine.id = now.connection_id
        join orgs.connection c on c.tenant_id = mine.tenant_id and c.org_id = mine.org_id
        join audit.audit a on a.tenant_id = c.tenant_id and a.connection_id = c.id
        join audit.person p on p.tenant_id = a.tenant_id and p.audit_id = a.id
        where now.id = %(audit)s and a.id <> now.id and a.state = 'done' and not p.active
          and a.taken_at > now() - interval '400 days'
        group by p.user_id order by p.user_id
        """,
        row=_Gone,
        audit=audit,
    )
    return History(
        tuple(PoolPoint(p.day, p.pool, p.purchased, p.assigned, p.unused_a, p.unused_b, p.unused_c) for p in points),
        tuple(SeenDeactivated(row.who, row.at.astimezone(UTC)) for row in gone),
        await load_weeks(tx, audit),
    )


async def load_snoozes(tx: TenantTx, audit: UUID) -> tuple[Snooze, ...]:
    """Return what the tenant put off in the org of this audit."""
    rows = await tx.fetch_all(
        """
        select s.rule, s.subject_id as subject, s.pool, s.until, s.reason
        from audit.audit now
        join orgs.connection c on c.tenant_id = now.tenant_id and c.id = now.connection_id
        join audit.snooze s on s.tenant_id = c.tenant_id and s.org_id = c.org_id
        where now.id = %(audit)s order by s.rule, s.subject_id, s.pool
        """,
        row=_Snooze,
        audit=audit,
    )
    return tuple(Snooze(row.rule, row.subject, row.pool, row.until, row.reason) for row in rows)


async def check_attempt(tx: TenantTx, audit: UUID, attempt: int) -> None:
    """Lock the audit's row for this transaction; raise `AttemptLost` unless this attempt is the latest."""
    row = await tx.fetch_one(
        """
        select id from audit.audit
        where id = %(audit)s and attempt = %(attempt)s and state in ('reading', 'reporting') for update
        """,
        row=_Id,
        audit=audit,
        attempt=attempt,
    )
    if row is None:
        message = "another attempt at this audit has begun"
        raise AttemptLost(message)


async def save_percent(tx: TenantTx, audit: UUID, attempt: int, percent: int) -> None:
    """Say how far the reading is."""
    await check_attempt(tx, audit, attempt)
    await tx.execute("update audit.audit set percent = %(percent)s where id = %(audit)s", audit=audit, percent=percent)


async def save_reporting(tx: TenantTx, audit: UUID, attempt: int) -> None:
    """Say that everything was read. What an attempt before this one had stored of its findings is removed."""
    await check_attempt(tx, audit, attempt)
    await tx.execute("delete from audit.document where audit_id = %(audit)s", audit=audit)
    await tx.execute("delete from audit.person where audit_id = %(audit)s", audit=audit)
    await tx.execute("update audit.audit set state = 'reporting', percent = 100 where id = %(audit)s", audit=audit)


async def save_failure(tx: TenantTx, audit: UUID, attempt: int, failure: Failure, of: str | None) -> None:
    """End the audit as failed."""
    await check_attempt(tx, audit, attempt)
    await tx.execute(
        """
        update audit.audit set state = 'failed', finished_at = now(), failure = %(failure)s, failure_object = %(of)s
        where id = %(audit)s
        """,
        audit=audit,
        failure=failure,
        of=ApiName.parse(of) if of else None,
    )


async def save_document(tx: TenantTx, audit: UUID, attempt: int, name: str, piece: bytes) -> None:
    """Keep a document of an audit that is reporting, or its next piece. Nobody is shown it before the audit is done.

    A connection holds what it sends, twice, and the larger part of that for as long as it lives: hence pieces.
    """
    await check_attempt(tx, audit, attempt)
    await tx.execute(
        """
        insert into audit.document as d (audit_id, kind, content) values (%(audit)s, %(kind)s, %(piece)s)
        on conflict (tenant_id, audit_id, kind) do update set content = d.content || excluded.content
        """,
        audit=audit,
        kind=AuditText(name),
        piece=Blob(piece),
    )


async def save_judged(tx: TenantTx, audit: UUID, attempt: int, report: Report) -> None:
    """End the audit as done, with its findings, all in this transaction. Documents and people are kept already."""
    await check_attempt(tx, audit, attempt)
    await _save_findings(tx, audit, report)
    await _save_pools(tx, audit, report)
    await _save_weeks(tx, audit, report)
    await _save_summary(tx, audit, report)


async def _save_findings(tx: TenantTx, audit: UUID, report: Report) -> None:
    await tx.execute("delete from audit.finding where audit_id = %(audit)s", audit=audit)
    rows = (
        {
            "ordinal": line.ordinal,
            "rule": line.rule,
            "grade": line.grade,
            "severity": line.severity,
            "subject_id": line.subject_id,
            "pool": line.pool,
            "pool_name": _short(line.pool_name),
            "annual": None if line.saving_monthly is None else annual(line.saving_monthly, 1),
            "snoozed": line.snoozed_until is not None,
            "exempt": line.exempt,
            "search_text": _short(f"{line.subject} {line.detail} {line.email} {line.department}"),
            "line": msgspec.json.encode(line).decode(),
        }
        for line in report.findings
    )
    async for part in _parts(rows):
        await tx.execute(
            """
            insert into audit.finding (audit_id, ordinal, rule, grade, severity, subject_id, pool, pool_name, annual,
                snoozed, exempt, search_text, line)
            select %(audit)s, r.ordinal, r.rule, r.grade, r.severity, r.subject_id, r.pool, r.pool_name, r.annual,
                r.snoozed, r.exempt, r.search_text, r.line
            from jsonb_to_recordset(%(rows)s::jsonb) as r(ordinal integer, rule text, grade audit.grade,
                severity audit.severity, subject_id text, pool text, pool_name text, annual numeric, snoozed boolean,
                exempt boolean, search_text text, line text)
            """,
            audit=audit,
            rows=part,
        )


async def _save_pools(tx: TenantTx, audit: UUID, report: Report) -> None:
    await tx.execute("delete from audit.license_pool where audit_id = %(audit)s", audit=audit)
    await tx.execute("delete from audit.psl_pool where audit_id = %(audit)s", audit=audit)
    paid = ({**msgspec.to_builtins(line), "costs": Category(line.category).seat_costs} for line in report.licenses)
    async for part in _parts(paid):
        await tx.execute(
            """
            insert into audit.license_pool (audit_id, license_id, license_key, label, purchased, assigned, active_30,
                active_60, active_90, unused, unused_a, unused_b, unused_c, seat_costs, unit_price, currency)
            select %(audit)s, r.id, r.key, left(r.name, 1000), r.purchased, r.assigned, r.active_30, r.active_60,
                r.active_90, r.unused, r.unused_a, r.unused_b, r.unused_c, r.costs, r.unit_price, r.currency
            from jsonb_to_recordset(%(rows)s::jsonb) as r(id text, key text, name text, purchased integer,
                assigned integer, active_30 integer, active_60 integer, active_90 integer, unused integer,
                unused_a integer, unused_b integer, unused_c integer, costs boolean, unit_price numeric, currency text)
            """,
            audit=audit,
            rows=part,
        )
    async for part in _parts(msgspec.to_builtins(line) for line in report.psls):
        await tx.execute(
            """
            insert into audit.psl_pool (audit_id, psl_id, psl_key, label, purchased, used, grants, grants_active)
            select %(audit)s, r.id, r.key, left(r.name, 1000), r.purchased, r.used, r.assignments, r.assignments_active
            from jsonb_to_recordset(%(rows)s::jsonb) as r(id text, key text, name text, purchased integer,
                used integer, assignments integer, assignments_active integer)
            """,
            audit=audit,
            rows=part,
        )


async def _save_weeks(tx: TenantTx, audit: UUID, report: Report) -> None:
    await tx.execute("delete from audit.license_week where audit_id = %(audit)s", audit=audit)
    rows = (
        {"license_id": week.pool, "week_start": week.start, "people": week.people, "machines": week.machines}
        for week in report.license_weeks
        if week.people is not None and week.machines is not None
    )
    async for part in _parts(rows):
        await tx.execute(
            """
            insert into audit.license_week (audit_id, license_id, week_start, people, machines)
            select %(audit)s, r.license_id, r.week_start, r.people, r.machines
            from jsonb_to_recordset(%(rows)s::jsonb) as r(license_id text, week_start date, people integer,
                machines integer)
            """,
            audit=audit,
            rows=part,
        )


async def save_people(tx: TenantTx, audit: UUID, attempt: int, judged: Judged) -> None:
    """Keep the users of an audit that is reporting, with when each was there."""
    await check_attempt(tx, audit, attempt)
    view = judged.view
    rows = (
        {
            "id": user.id,
            "name": _short(user.name),
            "username": _short(user.username),
            "email": _short(user.email),
            "key": _short(keys.email),
            "federation": _short(keys.federation),
            "number": _short(keys.number),
            "license": user.license,
            "active": user.active,
            "created_at": user.created_at,
            "last_login_at": user.last_login_at,
            "human_at": view.activity(user.id).human_last,
            "machine_at": view.activity(user.id).machine_last,
        }
        for user in view.snapshot.users
        for keys in (keys_of(user, pseudonymous=judged.report.pseudonymous),)
    )
    async for part in _parts(rows):
        await tx.execute(
            """
            insert into audit.person (audit_id, user_id, name, username, email, person_key, federation_key, number_key,
                license_id, active, created_at, last_login_at, last_human_at, last_machine_at)
            select %(audit)s, r.id, r.name, r.username, r.email, r.key, r.federation, r.number, r.license, r.active,
                r.created_at, r.last_login_at, r.human_at, r.machine_at
            from jsonb_to_recordset(%(rows)s::jsonb) as r(id text, name text, username text, email text, key text,
                federation text, number text, license text, active boolean, created_at timestamptz,
                last_login_at timestamptz, human_at timestamptz, machine_at timestamptz)
            """,
            audit=audit,
            rows=part,
        )


async def _save_summary(tx: TenantTx, audit: UUID, report: Report) -> None:
    await tx.execute("delete from audit.summary where audit_id = %(audit)s", audit=audit)
    await tx.execute(
        "insert into audit.summary (audit_id, line) values (%(audit)s, %(line)s)",
        audit=audit,
        line=AuditText(msgspec.json.encode(summary_of(report)).decode()),
    )
    total = report.money[0] if report.money else None
    quiet = report.seats_unused is None
    await tx.execute(
        """
        update audit.audit set state = 'done', percent = 100, finished_at = now(), taken_at = %(taken_at)s,
            seats = %(seats)s, seats_unused = %(unused)s, findings = %(findings)s, currency = %(currency)s,
            reclaim_annual = %(reclaim)s, renewal_annual = %(renewal)s, risk_annual = %(risk)s
        where id = %(audit)s
        """,
        audit=audit,
        taken_at=report.taken_at,
        seats=report.seats_assigned,
        unused=report.seats_unused,
        findings=len(report.findings),
        currency=AuditText(total.currency) if total else None,
        reclaim=total.reclaim_now if total and not quiet else None,
        renewal=total.cash_at_renewal if total and not quiet else None,
        risk=total.at_risk if total and not quiet else None,
    )


def _short(text: str) -> str:
    return text.replace("\x00", "")[:TEXT_LENGTH_MAX]


async def _parts(rows: Iterable[object]) -> AsyncIterator[AuditText]:
    """Yield the rows as JSON arrays of bounded length, made in a thread: the worker has other things to do."""
    iterator = iter(rows)
    while part := await asyncio.to_thread(_part, iterator):
        yield part


def _part(rows: Iterator[object]) -> AuditText | None:
    part = list(islice(rows, ROWS_PER_INSERT))
    return _json(part) if part else None


def _json(rows: Sequence[object]) -> AuditText:
    # PostgreSQL's jsonb takes no NUL character, in any spelling.
    return AuditText(msgspec.json.encode(rows).decode().replace("\\u0000", ""))
