"""Notices of real runs: told once, to real servers, with counts and codes only."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString

import msgspec
import pytest

from isthmus.clock import SystemClock
from isthmus.db.address import Role
from isthmus.db.storable import Blob
from isthmus.egress.outside import OutsideDialer
from isthmus.egress.tls import tls_context
from isthmus.notices.channels import Channels, read_channels
from isthmus.notices.sending import Sender
from isthmus.sync import definitions
from isthmus.sync.model import Plan, RunState
from isthmus.sync.telling.alerts import note_unusual
from isthmus.values import ConnectionId, RunId, UserText
from isthmus.worker.sync_herald import SyncHerald
from tests.integration.notices.test_sending import Hook, hook_server
from tests.support.copying import two_orgs
from tests.support.mail_server import mail_server
from tests.support.postgres import FreshDatabase
from tests.support.working import Installation, installation, until

SLOW = "version: 1\nname: Contacts\nschedule: {interval_s: 86400}\nsteps: [{object: Contact}]\n"
CANARY = "Wolpertinger"


@pytest.fixture
async def product(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncGenerator[Installation]:
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as running:
            yield running


class Tomorrow(SystemClock):
    """The machine's clock, so many days later."""

    def __init__(self, days: int) -> None:
        self._ahead = timedelta(days=days)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


async def herald(product: Installation, channels: Channels, days: int = 0) -> SyncHerald:
    sender = Sender(channels, OutsideDialer(), tls_context(None), Tomorrow(days))
    return SyncHerald(await product.database.open_as(Role.WORKER), sender, "https://isthmus.acme.com")


async def tell(who: SyncHerald) -> int:
    await who.spread()
    await who.begin_summaries()
    return await who.deliver()


def hooked(hook: Hook, extra: str = "") -> Channels:
    return read_channels(f'version: 1\nchannels: {{h: {{webhook: "{hook.url}", private: yes{extra}}}}}\n')


async def test_a_failure_and_its_end_are_told_once_each_through_the_running_worker(product: Installation) -> None:
    product.pair.source.add_rows("Contact", [{"LastName": f"{CANARY} {n}"} for n in range(3)])
    error = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": f"{CANARY} is not wanted", "fields": ["LastName"]}
    product.pair.target.control("POST", "/faults", {"object": "Contact", "row_error": error})
    async with hook_server() as hook:
        file = product.settings.secrets_dir / "notices.yaml"
        file.write_text(f'version: 1\nchannels: {{h: {{webhook: "{hook.url}", private: yes}}}}\n')
        file.chmod(0o600)
        running = replace(product, settings=replace(product.settings, notices_file=file))
        async with running.worker():
            sync = await running.save(SLOW)
            await running.activate(sync)
            assert (await running.run(sync)).run.state is RunState.PARTIAL

            async def first() -> bool:
                return len(hook.bodies) >= 1

            # What a retry puts right is right when a later text is made: the first one has to be out before.
            await until(first)
            assert (await running.run(sync, retry=True)).run.state is RunState.PARTIAL
            product.pair.target.control("DELETE", "/faults")
            assert (await running.run(sync, retry=True)).run.state is RunState.DONE
            assert (await running.run(sync)).run.state is RunState.DONE

            async def both() -> bool:
                return len(hook.bodies) >= 2

            await until(both)
    told = [json.loads(body) for body in hook.bodies]
    assert [each["event"] for each in told] == ["failure", "recovery"]
    assert told[0]["codes"] == [{"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "rows": 3}]
    assert "a validation rule of the target refuses the rows" in told[0]["text"]
    assert told[0]["link"].startswith(f"{product.settings.public_url}/runs/")
    assert CANARY not in "".join(body.decode() for body in hook.bodies)


async def one_failure(product: Installation) -> None:
    product.pair.source.add_rows("Contact", [{"LastName": CANARY}])
    error = {"code": "STRING_TOO_LONG", "message": CANARY, "fields": ["LastName"]}
    product.pair.target.control("POST", "/faults", {"object": "Contact", "row_error": error})
    async with product.worker():
        sync = await product.save(SLOW)
        await product.activate(sync)
        assert (await product.run(sync)).run.state is RunState.PARTIAL


async def by_hand(product: Installation, statement: LiteralString) -> None:
    connection = await product.database.superuser()
    await connection.execute(statement)


async def again(product: Installation) -> None:
    """The worker of before had no channel, so its notice went nowhere: let it be new once more."""
    await by_hand(product, "delete from sync.delivery")
    await by_hand(product, "update sync.notice set spread_at = null")


async def test_what_cannot_be_delivered_is_tried_again_later_and_not_at_once(product: Installation) -> None:
    await one_failure(product)
    async with hook_server(status=503) as hook:
        who = await herald(product, hooked(hook))
        await again(product)
        assert await tell(who) == 0
        assert len(hook.bodies) == 1
        assert await tell(who) == 0
        assert len(hook.bodies) == 1, "the next attempt is a minute away"
        hook.status = 200
        await by_hand(product, "update sync.delivery set next_try_at = now()")
        assert await tell(who) == 1
        assert await tell(who) == 0
    assert len(hook.bodies) == 2


async def test_a_channel_is_told_only_what_it_asked_for(product: Installation) -> None:
    await one_failure(product)
    await again(product)
    async with hook_server() as hook:
        assert await tell(await herald(product, hooked(hook, ", events: [recovery]"))) == 0
        await again(product)
        assert await tell(await herald(product, hooked(hook, ", tenant: Somebody else"))) == 0
    assert hook.bodies == []


async def test_something_unusual_is_told_once_a_day_from_numbers_alone(
    product: Installation, fresh_database: FreshDatabase
) -> None:
    async with product.transaction() as tx:
        sync = await definitions.save(tx, UserText(SLOW), ConnectionId(product.source), ConnectionId(product.target))
        plan = Blob(msgspec.json.encode(Plan(steps=())))
        await tx.execute(
            "insert into sync.plan (sync_id, version, document) values (%(sync)s, 1, %(plan)s)", sync=sync, plan=plan
        )
    await by_hand(
        product,
        """
        insert into sync.run (tenant_id, sync_id, plan_version, kind, state, requested_at, started_at, ended_at)
        select tenant_id, sync_id, 1, 'scheduled', 'done', now() - n * interval '2 minutes',
            now() - n * interval '2 minutes', now() - n * interval '2 minutes' + interval '3 seconds'
        from sync.plan, generate_series(1, 12) n
        """,
    )
    await by_hand(
        product,
        """
        insert into sync.run_step (tenant_id, run_id, step, path, rows_expected, rows_read, rows_written, rows_created,
            rows_failed, settled)
        select tenant_id, id, 0, 1, 10, 10 + 4990 * (row_number() over (order by requested_at desc) = 1)::int, 10, 0, 0,
            true from sync.run
        """,
    )
    async with product.transaction() as tx:
        (latest, *_) = await definitions.runs(tx, sync)
    worker = await product.database.open_as(Role.WORKER)
    for _ in range(2):
        async with worker.tenant(fresh_database.ticket(Role.WORKER, product.tenant)) as tx:
            await note_unusual(tx, sync, RunId(latest.id))
    async with hook_server() as hook:
        assert await tell(await herald(product, hooked(hook))) == 1
    told = json.loads(hook.bodies[0])
    assert (told["event"], told["anomaly"], told["seen"], told["usual"]) == ("anomaly", "surge", 5_000, 10)
    assert told["text"].startswith("The run read 5,000 rows; none of those before it read more than 10.")


async def test_a_digest_is_mailed_once_per_day_with_counts_by_sync(product: Installation) -> None:
    await one_failure(product)
    async with mail_server() as server:
        text = (
            f"version: 1\nsmtp: smtp://localhost:{server.port}\nfrom: i@acme.com\n"
            "channels: {ops: {mail: [ops@acme.com], digest: daily, events: [digest]}}\n"
        )
        who = await herald(product, read_channels(text), days=1)
        assert await tell(who) == 1
        assert await tell(who) == 0
    mail = server.mails[0]
    body = mail.get_content()
    assert "1 in trouble" in str(mail["Subject"])
    assert "Contacts (active): 1 runs" in body or "Contacts (active): 2 runs" in body
    assert CANARY not in body
