"""Audits of the past for tests of schedules, retention and notices: planted as rows, with a small report each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import msgspec
from psycopg.sql import SQL, Identifier

from isthmus.clock import SystemClock
from isthmus.db.address import Role
from isthmus.db.database import Database
from isthmus.egress.outside import OutsideDialer
from isthmus.egress.tls import tls_context
from isthmus.notices.channels import Channels
from isthmus.notices.sending import Sender
from isthmus.worker.audit_herald import AuditHerald
from tests.support.postgres import Connection, FreshDatabase, TestTenant

CANARY = "Wolpertinger"
"""A person's name: in documents, findings and persons, and nowhere else."""


class Later(SystemClock):
    """The machine's clock, so much later."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


@dataclass
class Planted:
    """A tenant with an audit connection, and somebody who may plant anything."""

    database: FreshDatabase
    tenant: TestTenant
    connection: UUID
    admin: Connection
    worker: Database
    portal: Database

    async def audit(self, days_ago: float, *, persons: int = 1, findings: int = 2, **columns: object) -> UUID:
        """Plant a finished audit with documents, findings and persons."""
        audit, taken = uuid4(), datetime.now(UTC) - timedelta(days=days_ago)
        values: dict[str, Any] = {
            "state": "done",
            "taken_at": taken,
            "finished_at": taken,
            "requested_at": taken,
            "seats": 438,
            "seats_unused": 42,
            "currency": "USD",
            "reclaim_annual": 12600,
            "scheduled": True,
            **columns,
        }
        await self.admin.execute(
            SQL("insert into audit.audit (tenant_id, id, connection_id, {}) values (%s, %s, %s, {})").format(
                SQL(", ").join(map(Identifier, values)), SQL(", ").join([SQL("%s")] * len(values))
            ),
            (self.tenant.tenant, audit, self.connection, *values.values()),
        )
        await self.admin.execute(
            "insert into audit.license_pool (tenant_id, audit_id, license_id, license_key, label, purchased, assigned)"
            " values (%s, %s, 'a', 'SFDC', 'Salesforce', 450, 438)",
            (self.tenant.tenant, audit),
        )
        await self.admin.execute(
            "insert into audit.summary (tenant_id, audit_id, line) values (%s, %s, %s)",
            (self.tenant.tenant, audit, summary_line(int(values["seats"]))),
        )
        await self.admin.execute(
            "insert into audit.person (tenant_id, audit_id, user_id, name, username, email, active, created_at)"
            " select %s, %s, n::text, %s, 'u', 'e', true, now() from generate_series(1, %s) n",
            (self.tenant.tenant, audit, CANARY, persons),
        )
        await self.admin.execute(
            "insert into audit.finding (tenant_id, audit_id, ordinal, rule, grade, severity, pool, search_text, line)"
            " select %s, %s, n, 'R08', 'A', 'critical', 'a', %s, '{}' from generate_series(1, %s) n",
            (self.tenant.tenant, audit, CANARY, findings),
        )
        contents = {"report.json": report_json(taken, findings), "report.pdf": f"%PDF {CANARY}".encode()}
        for kind, content in contents.items():
            await self.admin.execute(
                "insert into audit.document (tenant_id, audit_id, kind, content) values (%s, %s, %s, %s)",
                (self.tenant.tenant, audit, kind, content),
            )
        return audit

    async def notice(self, audit: UUID, kind: str = "result") -> None:
        """Plant the notice that the end of an audit leaves."""
        await self.admin.execute(
            "insert into audit.notice (tenant_id, kind, connection_id, audit_id) values (%s, %s, %s, %s)",
            (self.tenant.tenant, kind, self.connection, audit),
        )

    async def schedule(self, **columns: object) -> None:
        """Plant the schedule as it is said to be."""
        await self.admin.execute("delete from audit.schedule where connection_id = %s", (self.connection,))
        await self.admin.execute(
            "insert into audit.schedule (tenant_id, connection_id) values (%s, %s)",
            (self.tenant.tenant, self.connection),
        )
        for name, value in columns.items():
            await self.admin.execute(
                SQL("update audit.schedule set {} = %s where connection_id = %s").format(Identifier(name)),
                (value, self.connection),
            )

    async def count(self, statement: LiteralString) -> int:
        """Return the number that a statement gives."""
        row: tuple[int] | None = await (await self.admin.execute(statement)).fetchone()
        assert row is not None
        return row[0]

    def herald(self, channels: Channels, ahead: timedelta = timedelta(0)) -> AuditHerald:
        """Return who tells the channels, as the worker's role."""
        sender = Sender(channels, OutsideDialer(), tls_context(None), Later(ahead))
        return AuditHerald(self.worker, sender, "https://isthmus.acme.com")


async def plant(database: FreshDatabase, alias: str = "prod", tenant: TestTenant | None = None) -> Planted:
    """Make a tenant with an audit connection."""
    owner = tenant or await database.make_tenant()
    made = await database.make_connection(owner, alias, "audit")
    worker, portal = await database.open_as(Role.WORKER), await database.open_as(Role.PORTAL)
    return Planted(database, owner, made.connection, await database.superuser(), worker, portal)


async def tell(herald: AuditHerald) -> int:
    """Do what the worker does each few seconds; return how many notices were sent."""
    await herald.spread()
    await herald.begin_summaries()
    return await herald.deliver()


def summary_line(seats: int) -> str:
    """Return the part of an audit's summary that is told."""
    money = {"currency": "USD", "reclaim_now": "12600.00", "cash_at_renewal": "20000.00", "at_risk": "0.00"}
    figures = {"seats_purchased": 450, "seats_assigned": seats, "seats_active": 289, "seats_unused": 42, "findings": 2}
    return msgspec.json.encode({**figures, "money": [money], "money_withheld": False}).decode()


def report_json(taken: datetime, findings: int) -> bytes:
    """Return a report of which only what is told is there, and a name that must not be."""
    money = {"currency": "USD", "reclaim_now": "12600.00", "cash_at_renewal": "20000.00", "at_risk": "0.00"}
    lines = [
        {"rule": "R08", "subject_kind": "user", "subject_id": str(n), "pool": "a", "subject": CANARY}
        for n in range(findings)
    ]
    return msgspec.json.encode(
        {
            "org": "prod",
            "taken_at": taken,
            "seats_purchased": 450,
            "seats_assigned": 438,
            "seats_active": 289,
            "seats_unused": 42,
            "pseudonymous": False,
            "withheld": [],
            "money": [money],
            "money_withheld": False,
            "findings": lines,
            "rules": [{"id": "R08", "findings": findings}],
            "contract": [{"product": "Sales Cloud", "end": "2199-08-31", "notice_deadline": "2199-07-02"}],
        }
    )
