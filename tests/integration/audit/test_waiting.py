"""An audit that meets the org's API limit waits with what it has read, and goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from isthmus.audit.desk.views import AuditState
from isthmus.audit.perform import AuditApp, perform_audit
from isthmus.clock import SystemClock
from isthmus.values import AuditId, Purpose
from isthmus.worker.due_audits import begin_due_audits, continue_audits, end_forsaken_audits
from tests.integration.audit.test_resuming import asked, demo, kept, reads_static
from tests.integration.audit.test_worker import Product, product
from tests.support.cadence import Later
from tests.support.orgsim import Orgsim
from tests.support.postgres import Connection

__all__ = ["demo", "product"]


@contextmanager
def used_up(org: Orgsim) -> Iterator[None]:
    """Let the org have no call left for the day."""
    before = org.control("POST", "/usage", {})["per_day"]
    org.control("POST", "/usage", {"per_day": 1})
    try:
        yield
    finally:
        org.control("POST", "/usage", {"per_day": before})


async def limited(app: AuditApp, audit: AuditId, demo: Orgsim, admin: Connection) -> None:
    """Let the org's calls end when something of the reading has been kept; return when the attempt has."""
    demo.control("POST", "/faults", {"path": "/query", "method": "GET", "delay_s": 0.1})
    attempt = asyncio.create_task(perform_audit(audit, app))
    while not await kept(admin):
        assert not attempt.done()
        await asyncio.sleep(0.05)
    with used_up(demo):
        demo.control("DELETE", "/faults")
        await attempt


async def forget_its_job(admin: Connection) -> None:
    """Let the job be over that was carried out, as the queue does, some time ago."""
    await admin.execute("delete from jobs.procrastinate_jobs")
    await admin.execute("update audit.audit set requested_at = now() - interval '1 hour'")


async def let_an_hour_pass(admin: Connection) -> None:
    await admin.execute("update audit.audit set continues_at = continues_at - interval '61 minutes'")


async def test_an_audit_that_used_up_the_day_s_calls_goes_on_when_there_are_some(
    product: Product, demo: Orgsim
) -> None:
    connection = await product.keeper.connect(demo, "north", Purpose.AUDIT)
    audit = await product.request(connection)
    app, admin = replace(product.app, checkpoint_every_s=0), await product.keeper.database.superuser()
    worker, clock = product.app.database, SystemClock()
    asked(demo)
    await limited(app, audit, demo, admin)
    waiting = await product.detail(audit)
    assert waiting is not None
    assert (waiting.audit.state, waiting.audit.problem) == (AuditState.QUEUED, None)
    assert waiting.audit.continues_at is not None
    assert clock.now() < waiting.audit.continues_at <= clock.now() + timedelta(hours=1)
    assert reads_static(asked(demo))

    await forget_its_job(admin)
    await admin.execute(
        "insert into audit.schedule (tenant_id, connection_id, due_at) select tenant_id, id, now() from orgs.connection"
    )
    assert await product.request(connection) == audit, "no second one meanwhile"
    assert await begin_due_audits(worker, clock) == 0
    assert await end_forsaken_audits(worker, clock) == 0
    assert await continue_audits(worker) == 0
    await let_an_hour_pass(admin)
    assert [await continue_audits(worker), await continue_audits(worker)] == [1, 0]

    await perform_audit(audit, app)
    done = await product.detail(audit)
    assert done is not None
    assert (done.audit.state, done.audit.continues_at) == (AuditState.DONE, None)
    assert done.report is not None
    assert done.report.interruptions == 1
    assert not reads_static(asked(demo)), "it went on from what it had"
    assert done.report.taken_at < waiting.audit.continues_at - timedelta(minutes=50), "as of its own instant"
    assert await kept(admin) == set()


async def test_a_waiting_audit_ends_with_its_connection(product: Product, demo: Orgsim) -> None:
    connection = await product.keeper.connect(demo, "north", Purpose.AUDIT)
    audit = await product.request(connection)
    app, admin = replace(product.app, checkpoint_every_s=0), await product.keeper.database.superuser()
    await limited(app, audit, demo, admin)
    await forget_its_job(admin)
    await product.keeper.portal.revoke(product.keeper.ticket, connection)
    await let_an_hour_pass(admin)
    assert await continue_audits(product.app.database) == 0
    assert await end_forsaken_audits(product.app.database, SystemClock()) == 1
    ended = await product.detail(audit)
    assert ended is not None
    assert (ended.audit.state, ended.audit.continues_at) == (AuditState.FAILED, None)
    assert "Connect the org again" in (ended.audit.problem or "")
    assert await kept(admin) == set(), "what was read is gone with it"


async def test_it_waits_as_often_as_need_be_and_for_three_days(product: Product, demo: Orgsim) -> None:
    audit = await product.request(await product.keeper.connect(demo, "north", Purpose.AUDIT))
    app, admin = replace(product.app, checkpoint_every_s=0), await product.keeper.database.superuser()
    await limited(app, audit, demo, admin)
    with used_up(demo):
        # It has waited more often than an audit may be tried that ends its worker.
        await admin.execute("update audit.audit set attempt = attempt + 9, waits = waits + 9")
        await perform_audit(audit, app)
        waiting = await product.detail(audit)
        assert waiting is not None
        assert waiting.audit.state is AuditState.QUEUED
        assert await kept(admin)
        await perform_audit(audit, replace(app, clock=Later(timedelta(days=3))))
    ended = await product.detail(audit)
    assert ended is not None
    assert ended.audit.state is AuditState.FAILED
    assert "API allowance" in (ended.audit.problem or "")
    assert await kept(admin) == set()
