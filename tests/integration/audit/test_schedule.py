"""Schedules at work, over real PostgreSQL as the real roles: due, one at a time, ended, removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from isthmus.audit.cadence.cadence import Rhythm
from isthmus.audit.cadence.scheduling import ScheduleChange, change_schedule, schedule_of
from isthmus.clock import SystemClock
from isthmus.db.address import Role
from isthmus.values import ConnectionId
from isthmus.worker.due_audits import begin_due_audits, end_forsaken_audits, remove_old_audits
from tests.support.cadence import CANARY, Planted, plant
from tests.support.postgres import FreshDatabase

CLOCK = SystemClock()
LAST_WEEK = timedelta(days=7)


@pytest.fixture
async def planted(fresh_database: FreshDatabase) -> Planted:
    return await plant(fresh_database)


def ago(span: timedelta) -> datetime:
    return datetime.now(UTC) - span


async def due_at(planted: Planted) -> datetime:
    cursor = await planted.admin.execute("select due_at from audit.schedule")
    row = await cursor.fetchone()
    assert row is not None
    return row[0]


async def test_a_due_audit_begins_once_with_its_job_and_missed_weeks_are_not_made_up_for(planted: Planted) -> None:
    await planted.schedule(due_at=ago(LAST_WEEK * 5))
    assert await begin_due_audits(planted.worker, CLOCK) == 1
    assert await begin_due_audits(planted.worker, CLOCK) == 0
    assert await planted.count("select count(*) from audit.audit where scheduled and state = 'queued'") == 1
    jobs = "select count(*) from jobs.procrastinate_jobs where task_name = 'run_audit' and status = 'todo'"
    assert await planted.count(jobs) == 1
    assert datetime.now(UTC) < await due_at(planted) <= datetime.now(UTC) + LAST_WEEK


async def test_no_second_audit_begins_beside_one_that_is_under_way(planted: Planted) -> None:
    await planted.schedule(due_at=ago(LAST_WEEK))
    audit = await planted.audit(0, state="reading", taken_at=None, finished_at=None, scheduled=False)
    assert await begin_due_audits(planted.worker, CLOCK) == 0
    await planted.admin.execute("update audit.audit set state = 'done' where id = %s", (audit,))
    assert await begin_due_audits(planted.worker, CLOCK) == 1


async def test_off_and_revoked_connections_begin_nothing_and_a_lost_login_is_found_out(planted: Planted) -> None:
    await planted.schedule(due_at=ago(LAST_WEEK), cadence="off")
    assert await begin_due_audits(planted.worker, CLOCK) == 0
    await planted.schedule(due_at=ago(LAST_WEEK))
    await planted.admin.execute("update orgs.connection set state = 'revoked'")
    assert await begin_due_audits(planted.worker, CLOCK) == 0
    await planted.admin.execute("update orgs.connection set state = 'needs_reauth'")
    assert await begin_due_audits(planted.worker, CLOCK) == 1


async def test_no_more_audits_begin_than_a_worker_should_do_and_each_tenant_gets_its_turn(
    fresh_database: FreshDatabase, planted: Planted
) -> None:
    await planted.schedule(due_at=ago(LAST_WEEK * 3))
    second = await plant(fresh_database, "second", planted.tenant)
    await second.schedule(due_at=ago(LAST_WEEK * 2))
    other = await plant(fresh_database, "other", await fresh_database.make_tenant("Other"))
    await other.schedule(due_at=ago(LAST_WEEK))
    assert await begin_due_audits(planted.worker, CLOCK) == 2
    begun = await (await planted.admin.execute("select connection_id from audit.audit")).fetchall()
    assert {row[0] for row in begun} == {planted.connection, other.connection}
    assert await begin_due_audits(planted.worker, CLOCK) == 0
    await planted.admin.execute("update audit.audit set state = 'done'")
    assert await begin_due_audits(planted.worker, CLOCK) == 1


async def test_an_audit_whose_job_is_lost_ends_with_its_reason_and_holds_up_nothing(planted: Planted) -> None:
    asked = ago(timedelta(hours=2))
    await planted.schedule(due_at=datetime.now(UTC) + LAST_WEEK)
    lost = await planted.audit(0, state="reading", requested_at=asked, taken_at=None, finished_at=None)
    assert await end_forsaken_audits(planted.worker, CLOCK) == 1
    assert await end_forsaken_audits(planted.worker, CLOCK) == 0
    cursor = await planted.admin.execute("select id, state, failure from audit.audit")
    assert await cursor.fetchall() == [(lost, "failed", "worker_stopped")]
    assert await due_at(planted) < datetime.now(UTC) + timedelta(hours=2), "it is tried again before next week"
    assert await planted.count("select count(*) from audit.notice") == 0, "and told when that fails too"
    await planted.schedule(due_at=ago(LAST_WEEK))
    assert await begin_due_audits(planted.worker, CLOCK) == 1
    await planted.admin.execute("update audit.audit set requested_at = now() - interval '2 hours'")
    assert await end_forsaken_audits(planted.worker, CLOCK) == 0, "an audit with a job is left alone"


async def test_names_older_than_the_operator_says_are_removed_in_batches_and_counts_stay(planted: Planted) -> None:
    await planted.schedule(keep_days=90)
    old = await planted.audit(91, persons=12_000, findings=6_000)
    young = await planted.audit(89)
    assert await remove_old_audits(planted.worker) == 1
    assert await remove_old_audits(planted.worker) == 0
    for table in ("document", "finding", "person"):
        cursor = await planted.admin.execute(SQL("select distinct audit_id from audit.{}").format(Identifier(table)))
        assert await cursor.fetchall() == [(young,)], table
    assert await planted.count("select count(*) from audit.license_pool") == 2
    assert await planted.count("select count(*) from audit.audit where seats = 438") == 2
    assert await planted.count("select count(*) from audit.audit where removed_at is not null") == 1
    everything = await (
        await planted.admin.execute("select a::text from audit.audit a where id = %s", (old,))
    ).fetchone()
    assert CANARY not in str(everything)


async def test_for_ever_removes_nothing_and_without_a_choice_it_is_400_days(planted: Planted) -> None:
    await planted.schedule(keep_days=None)
    await planted.audit(3000)
    await planted.audit(401)
    await planted.audit(399)
    assert await remove_old_audits(planted.worker) == 0
    await planted.schedule()
    assert await remove_old_audits(planted.worker) == 2


async def test_a_schedule_is_shown_chosen_changed_by_parts_and_switched_off(planted: Planted) -> None:
    connection = ConnectionId(planted.connection)
    async with planted.portal.tenant(planted.database.ticket(Role.PORTAL, planted.tenant)) as tx:
        usual = await schedule_of(tx, connection)
        assert usual is not None
        assert (usual.chosen, usual.next_at, usual.keep_days) == (False, None, 400)
        assert usual.text == "weekly on Monday at 06:00 (UTC)"
        now = datetime(2026, 6, 10, 12, tzinfo=UTC)
        berlin = ScheduleChange(weekday="friday", zone="Europe/Berlin", keep_days=90)
        chosen = await change_schedule(tx, connection, berlin, now)
        assert chosen is not None
        assert (chosen.chosen, chosen.next_at) == (True, datetime(2026, 6, 12, 4, tzinfo=UTC))
        kept = await change_schedule(tx, connection, ScheduleChange(keep_days="forever"), now + LAST_WEEK)
        assert kept is not None
        assert (kept.next_at, kept.keep_days, kept.zone) == (chosen.next_at, "forever", "Europe/Berlin")
        off = await change_schedule(tx, connection, ScheduleChange(cadence=Rhythm.OFF), now)
        assert off is not None
        assert (off.next_at, off.text) == (None, "only when somebody asks")


async def test_a_schedule_is_no_other_tenants_and_no_sync_connections(planted: Planted) -> None:
    other = await planted.database.make_tenant("Other")
    syncs = await planted.database.make_connection(planted.tenant, "uat", "sync")
    for tenant, connection in ((other, planted.connection), (planted.tenant, syncs.connection)):
        async with planted.portal.tenant(planted.database.ticket(Role.PORTAL, tenant)) as tx:
            assert await schedule_of(tx, ConnectionId(connection)) is None
            assert await change_schedule(tx, ConnectionId(connection), ScheduleChange(day=3), datetime.now(UTC)) is None
    assert await planted.count("select count(*) from audit.schedule") == 0


async def test_the_worker_cannot_rewrite_what_a_person_chose(planted: Planted) -> None:
    await planted.schedule()
    worker = await planted.database.connect(Role.WORKER)
    ticket = planted.database.ticket(Role.WORKER, planted.tenant)
    await worker.execute("select set_config('app.ticket', %s, false)", (ticket.text,))
    for column in ("cadence", "zone", "keep_days", "weekday", "chosen_at"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await worker.execute(SQL("update audit.schedule set {0} = {0}").format(Identifier(column)))
    for table in ("delivery", "schedule"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await worker.execute(SQL("delete from audit.{}").format(Identifier(table)))


async def test_the_database_refuses_what_no_schedule_can_have(planted: Planted) -> None:
    portal = await planted.database.connect(Role.PORTAL)
    ticket = planted.database.ticket(Role.PORTAL, planted.tenant)
    await portal.execute("select set_config('app.ticket', %s, false)", (ticket.text,))
    wrong = {"weekday": 7, "month_day": 0, "minute": 1440, "keep_days": 0}
    zones = [("zone", "Berlin; drop"), ("zone", "A" * 65), ("zone", "../etc")]
    for column, value in (*wrong.items(), *zones):
        with pytest.raises(psycopg.errors.CheckViolation):
            await portal.execute(
                SQL("insert into audit.schedule (connection_id, {}) values (%s, %s)").format(Identifier(column)),
                (planted.connection, value),
            )
