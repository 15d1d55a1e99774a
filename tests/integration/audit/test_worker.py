"""An audit from the portal's request to its documents: real keeper, real grant, real mover, real PostgreSQL."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import msgspec
import pytest

from isthmus.audit import service
from isthmus.audit.desk.views import AuditDetail, AuditState, DocumentKind, FindingFilter
from isthmus.audit.evidence.verify import verify_files
from isthmus.audit.given.history import History
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.perform import AuditApp, perform_audit
from isthmus.audit.service import AuditProblem
from isthmus.clock import SystemClock
from isthmus.db.address import Role
from isthmus.db.database import Database
from isthmus.db.ticket import Ticket
from isthmus.journal import Journal
from isthmus.values import AuditId, ConnectionId, Purpose
from tests.support.keeper import RunningKeeper
from tests.support.orgsim import Orgsim, start_orgsim


@pytest.fixture(scope="module")
def demo() -> Iterator[Orgsim]:
    with start_orgsim(profile="demo", seed=2) as org:
        yield org


@dataclass
class Product:
    keeper: RunningKeeper
    portal: Database
    app: AuditApp

    async def request(self, connection: ConnectionId) -> AuditId:
        async with self.portal.tenant(self.keeper.ticket) as tx:
            return await service.request_audit(tx, connection)

    async def detail(self, audit: AuditId, ticket: Ticket | None = None) -> AuditDetail | None:
        async with self.portal.tenant(ticket or self.keeper.ticket) as tx:
            return await service.audit_detail(tx, audit)


@pytest.fixture
async def product(keeper: RunningKeeper) -> Product:
    clock = SystemClock()
    app = AuditApp(
        database=await keeper.database.open_as(Role.WORKER),
        keeper=keeper.worker,
        settings=keeper.settings,
        clock=clock,
        journal=Journal("worker", lambda _line: None, clock),
        options=AuditOptions(),
    )
    return Product(keeper, await keeper.database.open_as(Role.PORTAL), app)


def files_of(bundle: bytes | None) -> dict[str, bytes]:
    assert bundle is not None
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name.removeprefix("bundle/"): archive.read(name) for name in archive.namelist()}


async def test_an_audit_is_requested_read_judged_and_stored(product: Product, demo: Orgsim) -> None:
    connection = await product.keeper.connect(demo, "north", Purpose.AUDIT)
    audit = await product.request(connection)
    queued = await product.detail(audit)
    assert queued is not None
    assert (queued.audit.state, queued.report, queued.documents) == (AuditState.QUEUED, None, ())
    assert await product.request(connection) == audit  # one at a time

    await perform_audit(audit, product.app)

    done = await product.detail(audit)
    assert done is not None
    assert done.audit.problem is None
    assert done.audit.state is AuditState.DONE
    assert done.report is not None
    assert (done.audit.seats, done.audit.seats_unused) == (438, done.report.seats_unused)
    assert done.audit.renewal_annual == done.report.money[0].cash_at_renewal
    assert set(done.documents) == set(DocumentKind) - {DocumentKind.CALENDAR, DocumentKind.FOCUS}
    assert done.report.org == "north"

    async with product.portal.tenant(product.keeper.ticket) as tx:
        assert [view.id for view in await service.list_audits(tx)] == [audit]
        everything = await service.findings(tx, audit, rows_max=10_000)
        assert len(everything) == done.audit.findings == len(done.report.findings)
        by_rule = await service.findings(tx, audit, FindingFilter(rule="R06"), rows_max=10_000)
        assert {finding.rule for finding in by_rule} == {"R06"}
        name = by_rule[0].subject
        assert name in {f.subject for f in await service.findings(tx, audit, FindingFilter(text=name.upper()))}
        in_crm = await service.findings(tx, audit, FindingFilter(license="Salesforce"), rows_max=10_000)
        assert in_crm
        assert {finding.pool for finding in in_crm} == {"Salesforce"}
        assert await service.findings(tx, audit, FindingFilter(text="' or 1=1 --")) == []
        page = await service.findings(tx, audit, rows_max=5, offset=5)
        assert [f.ordinal for f in page] == [6, 7, 8, 9, 10]
        pdf = await service.document(tx, audit, DocumentKind.PDF)
        packed = await service.document(tx, audit, DocumentKind.BUNDLE)
        stated = await service.document(tx, audit, DocumentKind.JSON)
    assert pdf is not None
    assert pdf.startswith(b"%PDF-")
    assert stated is not None
    assert verify_files(files_of(packed), json.loads(stated)["bundle_sha256"]).report == done.report

    await perform_audit(audit, product.app)  # a finished audit is left alone
    assert (await product.detail(audit)) == done

    second = await product.request(connection)
    assert second != audit
    await perform_audit(second, product.app)
    async with product.portal.tenant(product.keeper.ticket) as tx:
        packed = await service.document(tx, second, DocumentKind.BUNDLE)
    history = msgspec.json.decode(files_of(packed)["history.json"], type=History)
    known = [week for week in done.report.license_weeks if week.people is not None]
    assert {(w.start, w.pool, w.people, w.machines) for w in history.weeks} == {
        (w.start, w.pool, w.people, w.machines) for w in known
    }, "what Salesforce will forget is remembered"
    assert len(known) > 40


async def test_another_tenant_sees_nothing_of_an_audit(product: Product, demo: Orgsim) -> None:
    audit = await product.request(await product.keeper.connect(demo, "north", Purpose.AUDIT))
    await perform_audit(audit, product.app)
    other = await product.keeper.database.make_tenant("Other")
    ticket = product.keeper.database.ticket(Role.PORTAL, other)
    assert await product.detail(audit, ticket) is None
    async with product.portal.tenant(ticket) as tx:
        assert await service.list_audits(tx) == []
        assert await service.findings(tx, audit) == []
        assert await service.document(tx, audit, DocumentKind.PDF) is None


async def test_a_sync_connection_and_an_unknown_one_are_refused(product: Product, demo: Orgsim) -> None:
    connection = await product.keeper.connect(demo, "north", Purpose.SYNC)
    with pytest.raises(AuditProblem, match="not connected for audits"):
        await product.request(connection)
    with pytest.raises(AuditProblem, match="not connected for audits"):
        await product.request(ConnectionId(uuid4()))


async def test_a_revoked_connection_ends_the_audit_with_the_remedy(product: Product, demo: Orgsim) -> None:
    connection = await product.keeper.connect(demo, "north", Purpose.AUDIT)
    audit = await product.request(connection)
    await product.keeper.portal.revoke(product.keeper.ticket, connection)
    await perform_audit(audit, product.app)
    failed = await product.detail(audit)
    assert failed is not None
    assert failed.audit.state is AuditState.FAILED
    assert "Connect the org again" in (failed.audit.problem or "")
    with pytest.raises(AuditProblem, match="no longer in force"):
        await product.request(connection)


async def test_a_user_who_sees_only_their_own_logins_gets_no_numbers(product: Product, demo: Orgsim) -> None:
    reader = demo.ready["reader_username"]
    demo.control("POST", f"/users/{reader}/permissions", {"ViewSetup": True, "MonitorLoginHistory": False})
    connection = await product.keeper.connect(demo, "blind", Purpose.AUDIT, username=reader)
    audit = await product.request(connection)
    await perform_audit(audit, product.app)
    done = await product.detail(audit)
    assert done is not None
    assert done.audit.state is AuditState.DONE
    assert (done.audit.seats_unused, done.audit.reclaim_annual) == (None, None)
    assert done.report is not None
    assert any("cannot see other people's logins" in text for text in done.report.withheld)
