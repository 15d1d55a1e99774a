"""What a tenant decides about audits is kept for that tenant, decides the next audit, and is refused if unusable."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from isthmus.audit import service
from isthmus.audit.cadence.scheduling import ScheduleChange, change_schedule
from isthmus.audit.desk.setting import SETTING_LENGTH_MAX, AuditSetting, read_setting, save_setting, setting_view
from isthmus.audit.desk.views import DocumentKind
from isthmus.audit.evidence.verify import verify_files
from isthmus.audit.given.days import day_of
from isthmus.audit.given.prices import PricesInvalid
from isthmus.audit.perform import perform_audit
from isthmus.db.address import Role
from isthmus.values import ConnectionId, Purpose
from tests.integration.audit.test_worker import Product, product
from tests.support.orgsim import Orgsim, start_orgsim

__all__ = ["product"]

GIVEN = AuditSetting(
    prices="product,price,currency\nSFDC,120,EUR\n",
    contract="license,quantity,end,notice_days\nSFDC,400,2031-01-31,60\n",
    thresholds="inactive_days = 60\n",
)


@pytest.fixture(scope="module")
def demo() -> Iterator[Orgsim]:
    with start_orgsim(profile="demo", seed=4) as org:
        yield org


async def test_settings_decide_the_next_audit_which_remembers_the_one_before(product: Product, demo: Orgsim) -> None:
    connection = await product.keeper.connect(demo, "north", Purpose.AUDIT)
    await perform_audit(await product.request(connection), product.app)
    async with product.portal.tenant(product.keeper.ticket) as tx:
        assert await save_setting(tx, connection, GIVEN)
        assert await read_setting(tx, connection) == GIVEN
        zone = ScheduleChange(zone="Pacific/Kiritimati")
        assert await change_schedule(tx, connection, zone, datetime.now(UTC)) is not None
        view = await setting_view(tx, connection)
    assert view is not None
    assert view.in_force.thresholds.time_zone == "Pacific/Kiritimati"
    second = await product.request(connection)
    await perform_audit(second, product.app)
    detail = await product.detail(second)
    assert detail is not None
    assert detail.report is not None
    assert (detail.report.threshold_days, detail.report.money[0].currency) == (60, "EUR")
    assert next(price.price for price in detail.report.prices if price.currency == "EUR") == Decimal(120)
    report = detail.report
    assert (report.time_zone, report.today) == (zone.zone, day_of(report.taken_at, "Pacific/Kiritimati"))
    assert set(detail.documents) == set(DocumentKind)
    async with product.portal.tenant(product.keeper.ticket) as tx:
        packed = await service.document(tx, second, DocumentKind.BUNDLE)
    assert packed is not None
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = {name.removeprefix("bundle/"): archive.read(name) for name in archive.namelist()}
    assert b'"points":[{"day":' in files["history.json"]
    assert verify_files(files).report == detail.report


async def test_another_tenant_neither_reads_nor_changes_a_setting(product: Product, demo: Orgsim) -> None:
    connection = await product.keeper.connect(demo, "north", Purpose.AUDIT)
    async with product.portal.tenant(product.keeper.ticket) as tx:
        assert await save_setting(tx, connection, GIVEN)
    other = product.keeper.database.ticket(Role.PORTAL, await product.keeper.database.make_tenant("Other"))
    async with product.portal.tenant(other) as tx:
        assert await read_setting(tx, connection) == AuditSetting()
        assert not await save_setting(tx, connection, AuditSetting())
    async with product.portal.tenant(product.keeper.ticket) as tx:
        assert await read_setting(tx, connection) == GIVEN
        assert not await save_setting(tx, ConnectionId(uuid4()), GIVEN)


@pytest.mark.parametrize(
    "bad",
    [
        AuditSetting(prices="product,price\nSFDC,1\n"),
        AuditSetting(contract="x"),
        AuditSetting(exemptions="who,reason\nnobody,x\n"),
        AuditSetting(thresholds="inactive_days = 1"),
        AuditSetting(prices="product,price,currency\nA\x00,1,USD\n"),
        AuditSetting(prices="x" * (SETTING_LENGTH_MAX + 1)),
    ],
)
async def test_a_setting_that_cannot_be_used_is_refused_and_nothing_is_kept(
    product: Product, demo: Orgsim, bad: AuditSetting
) -> None:
    connection = await product.keeper.connect(demo, "north", Purpose.AUDIT)
    async with product.portal.tenant(product.keeper.ticket) as tx:
        with pytest.raises(PricesInvalid):
            await save_setting(tx, connection, bad)
        assert await read_setting(tx, connection) == AuditSetting()
