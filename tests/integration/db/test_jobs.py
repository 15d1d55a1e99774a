"""The queue: ids only, each tenant its own, and worked off by a real procrastinate worker."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID, uuid4

import psycopg
import pytest
from procrastinate.jobs import Status
from psycopg.types.json import Jsonb

from isthmus.db.address import Role
from isthmus.db.errors import Refused
from isthmus.db.jobs import TaskName, enqueue
from isthmus.journal import silence_libraries
from isthmus.worker.app import queue_app
from isthmus.worker.due_syncs import retry_stalled
from tests.support.postgres import FreshDatabase

TENANT, SUBJECT = str(uuid4()), str(uuid4())


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"tenant_id": TENANT},
        {"tenant_id": TENANT, "subject_id": "Acme Corp"},
        {"tenant_id": TENANT, "subject_id": SUBJECT, "note": "Acme Corp"},
        {"tenant_id": TENANT, "subject_id": SUBJECT + " Acme"},
        {"tenant_id": TENANT, "subject_id": None},
        {"timestamp": 1},
        [],
        "Acme Corp",
    ],
)
async def test_the_database_refuses_a_job_whose_arguments_are_not_ids(fresh_database: FreshDatabase, args: object):
    worker = await fresh_database.connect(Role.WORKER)
    with pytest.raises(psycopg.Error) as refused:
        await worker.execute(
            "insert into jobs.procrastinate_jobs (queue_name, task_name, args) values ('default', 'run_sync', %s)",
            (Jsonb(args),),
        )
    assert "Acme" not in str(refused.value)


@pytest.mark.parametrize(
    ("column", "value"),
    [("lock", "Acme"), ("queueing_lock", "Acme"), ("task_name", "Acme"), ("queue_name", "Acme")],
)
async def test_no_other_column_of_a_job_takes_a_text(fresh_database: FreshDatabase, column: str, value: str):
    worker = await fresh_database.connect(Role.WORKER)
    row = {"queue_name": "default", "task_name": "run_sync", "lock": None, "queueing_lock": None, column: value}
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        await worker.execute(
            "insert into jobs.procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args)"
            " values (%(queue_name)s, %(task_name)s, %(lock)s, %(queueing_lock)s, %(args)s)",
            {**row, "args": Jsonb({"tenant_id": TENANT, "subject_id": SUBJECT})},
        )
    assert "Acme" not in str(refused.value)


async def test_a_portal_queues_for_its_own_tenant_only_and_sees_only_that(fresh_database: FreshDatabase):
    acme, other = await fresh_database.make_tenant("Acme"), await fresh_database.make_tenant("Other")
    portal = await fresh_database.open_as(Role.PORTAL)
    for tenant in (acme, other):
        async with portal.tenant(fresh_database.ticket(Role.PORTAL, tenant)) as tx:
            await enqueue(tx, TaskName.RUN_SYNC, uuid4(), lock=uuid4())
    connection = await fresh_database.connect(Role.PORTAL)
    await connection.execute(
        "select set_config('app.ticket', %s, false)", (fresh_database.ticket(Role.PORTAL, acme).text,)
    )
    cursor = await connection.execute("select args ->> 'tenant_id' from jobs.procrastinate_jobs")
    assert await cursor.fetchall() == [(str(acme.tenant),)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute(
            "insert into jobs.procrastinate_jobs (queue_name, task_name, args) values ('default', 'run_sync', %s)",
            (Jsonb({"tenant_id": str(other.tenant), "subject_id": SUBJECT}),),
        )


async def test_without_a_ticket_nothing_is_queued(fresh_database: FreshDatabase):
    portal = await fresh_database.open_as(Role.PORTAL)
    with pytest.raises(Refused):
        async with portal.system() as tx:
            await enqueue(tx, TaskName.RUN_SYNC, uuid4())  # type: ignore[arg-type]


async def test_a_worker_works_off_what_a_portal_queued_in_the_order_of_its_lock(
    fresh_database: FreshDatabase, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    acme = await fresh_database.make_tenant()
    portal = await fresh_database.open_as(Role.PORTAL)
    subjects, lock = [uuid4() for _ in range(5)], uuid4()
    done: list[UUID] = []
    at_once = most = 0

    async def run(tenant_id: str, subject_id: str) -> None:
        nonlocal at_once, most
        assert UUID(tenant_id) == acme.tenant
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        done.append(UUID(subject_id))

    silence_libraries()
    app = queue_app(fresh_database.settings)
    app.task(name=TaskName.RUN_SYNC.value, queue="default")(run)
    async with app.open_async():
        for subject in subjects:
            async with portal.tenant(fresh_database.ticket(Role.PORTAL, acme)) as tx:
                await enqueue(tx, TaskName.RUN_SYNC, subject, lock=lock)
        working = asyncio.create_task(app.run_worker_async(concurrency=4))
        async with asyncio.timeout(60):
            while len(done) < len(subjects):
                await asyncio.sleep(0.05)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert done == subjects
    assert most == 1
    assert str(subjects[0]) not in caplog.text


async def test_a_job_of_a_worker_that_died_is_queued_again(fresh_database: FreshDatabase):
    acme = await fresh_database.make_tenant()
    portal = await fresh_database.open_as(Role.PORTAL)
    subject = uuid4()
    async with portal.tenant(fresh_database.ticket(Role.PORTAL, acme)) as tx:
        await enqueue(tx, TaskName.RUN_SYNC, subject)
    superuser = await fresh_database.superuser()
    await superuser.execute(
        "insert into jobs.procrastinate_workers (last_heartbeat) values (now() - interval '10 minutes')"
    )
    await superuser.execute(
        "update jobs.procrastinate_jobs set status = 'doing', worker_id = (select id from jobs.procrastinate_workers)"
    )
    done: list[UUID] = []

    async def run(tenant_id: str, subject_id: str) -> None:
        del tenant_id
        done.append(UUID(subject_id))

    app = queue_app(fresh_database.settings)
    app.task(name=TaskName.RUN_SYNC.value, queue="default")(run)
    async with app.open_async():
        assert await retry_stalled(app) == 1
        await app.run_worker_async(wait=False)
    assert done == [subject]


async def test_a_worker_that_wakes_up_ends_no_job_that_was_handed_on(fresh_database: FreshDatabase):
    acme = await fresh_database.make_tenant()
    portal = await fresh_database.open_as(Role.PORTAL)
    async with portal.tenant(fresh_database.ticket(Role.PORTAL, acme)) as tx:
        await enqueue(tx, TaskName.RUN_SYNC, uuid4())
    app = queue_app(fresh_database.settings)
    superuser = await fresh_database.superuser()

    async def statuses() -> list[tuple[str, int]]:
        cursor = await superuser.execute("select status::text, attempts from jobs.procrastinate_jobs")
        return await cursor.fetchall()

    async with app.open_async():
        jobs = app.job_manager
        asleep, awake = await jobs.register_worker(), await jobs.register_worker()
        held = await jobs.fetch_job(["default"], asleep)
        assert held is not None
        await superuser.execute(
            "update jobs.procrastinate_workers set last_heartbeat = now() - interval '1 minute' where id = %s",
            (asleep,),
        )
        assert await retry_stalled(app) == 1
        handed_on = await jobs.fetch_job(["default"], awake)
        assert handed_on is not None
        assert handed_on.id == held.id
        await jobs.finish_job(held, Status.SUCCEEDED, delete_job=True)
        await jobs.retry_job(held)
        assert await statuses() == [("doing", 1)]
        await jobs.retry_job(handed_on)
        assert await statuses() == [("todo", 2)]
        again = await jobs.fetch_job(["default"], awake)
        assert again is not None
        await jobs.finish_job(handed_on, Status.FAILED, delete_job=True)
        assert await statuses() == [("doing", 2)]
        await jobs.finish_job(again, Status.SUCCEEDED, delete_job=True)
        assert await statuses() == []
