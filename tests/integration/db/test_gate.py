"""The catalogue gate passes the real schema, and sees each fault that is planted into a clone of it."""
# ruff: noqa: ISC004 statements read best over two lines

from __future__ import annotations

import pytest

from isthmus.db.address import Role
from isthmus.db.errors import DatabaseUnusable
from isthmus.db.gate import check, lint_names, require_sound, version_fault
from tests.support.postgres import FreshDatabase

PLANTED = [
    ("rls_forced", "alter table accounts.member no force row level security", "accounts.member"),
    ("rls_forced", "alter table jobs.procrastinate_jobs disable row level security", "jobs.procrastinate_jobs"),
    ("policy_per_verb", "grant delete on accounts.tenant to isthmus_portal", "accounts.tenant"),
    ("policy_per_verb", "grant truncate on orgs.org to isthmus_worker", "orgs.org"),
    ("policy_per_verb", "drop policy own_update on orgs.connection", "orgs.connection"),
    ("policy_names_tenant", "create policy open on orgs.org for select to isthmus_portal using (true)", "orgs.org"),
    (
        "policy_names_tenant",
        "create policy wide on orgs.org for update to isthmus_keeper"
        " using (tenant_id = (select ctx.tenant())) with check (true)",
        "orgs.org",
    ),
    (
        "policy_names_tenant",
        "create policy anyone on orgs.org for select using (tenant_id = (select ctx.tenant()))",
        "orgs.org",
    ),
    (
        "policy_names_tenant",
        "create table orgs.note (id int); alter table orgs.note enable row level security, force row level security;"
        " alter table orgs.note owner to isthmus_owner",
        "orgs.note",
    ),
    ("owner_cannot_log_in", "alter table orgs.org owner to postgres", "orgs.org"),
    (
        "functions_are_closed",
        "alter function accounts.session_owner(bytea) reset search_path",
        "accounts.session_owner(bytea)",
    ),
    (
        "functions_are_closed",
        "grant execute on function accounts.operator_of(text) to public",
        "accounts.operator_of(text)",
    ),
    (
        "keys_carry_tenant",
        "alter table orgs.org add constraint id_alone unique (id);"
        " alter table orgs.object_schema add constraint loose foreign key (org_id) references orgs.org (id)",
        "orgs.object_schema",
    ),
    ("keys_carry_tenant", "create unique index alias_alone on orgs.org (alias)", "orgs.org"),
    ("tenant_is_never_written", "grant insert (tenant_id) on orgs.org to isthmus_keeper", "orgs.org"),
    (
        "free_text_in_sync",
        "alter table sync.run add column note text; grant update (note) on sync.run to isthmus_worker",
        "sync.run.note",
    ),
    (
        "free_text_in_sync",
        "alter table sync.run add column alias words.alias; grant insert (alias) on sync.run to isthmus_worker",
        "sync.run.alias",
    ),
    (
        "views_ask_as_caller",
        "create view orgs.everything as select * from orgs.org; alter view orgs.everything owner to isthmus_owner",
        "orgs.everything",
    ),
    (
        "views_ask_as_caller",
        "create materialized view orgs.frozen as select * from orgs.org;"
        " alter materialized view orgs.frozen owner to isthmus_owner",
        "orgs.frozen",
    ),
    (
        "no_way_around_tables",
        "do $$ begin execute format('grant temporary on database %I to isthmus_worker', current_database()); end $$",
        "isthmus_worker",
    ),
    ("no_way_around_tables", "grant create on schema orgs to isthmus_portal", "isthmus_portal"),
    ("no_way_around_tables", "grant execute on function pg_catalog.lo_creat(int) to isthmus_keeper", "isthmus_keeper"),
    ("no_way_around_tables", "grant usage on language plpgsql to isthmus_worker", "isthmus_worker"),
]
CLUSTER_WIDE = [
    ("roles_are_plain", "alter role isthmus_worker bypassrls", "alter role isthmus_worker nobypassrls"),
    ("roles_are_plain", "grant isthmus_owner to isthmus_portal", "revoke isthmus_owner from isthmus_portal"),
    ("owner_cannot_log_in", "alter role isthmus_owner login", "alter role isthmus_owner nologin"),
    (
        "server_log_is_silent",
        "alter role isthmus_keeper set log_min_messages = warning",
        "alter role isthmus_keeper set log_min_messages = fatal",
    ),
]


@pytest.mark.parametrize("role", list(Role))
async def test_the_gate_is_open_for_the_schema_as_it_is(fresh_database: FreshDatabase, role: Role):
    assert [str(fault) for fault in await check(await fresh_database.connect(role), role)] == []


@pytest.mark.parametrize(("lint", "statement", "subject"), PLANTED)
async def test_a_planted_fault_is_seen(fresh_database: FreshDatabase, lint: str, statement: str, subject: str):
    superuser = await fresh_database.superuser()
    await superuser.execute(statement)
    faults = await check(await fresh_database.connect(Role.KEEPER), Role.KEEPER)
    assert (lint, subject) in {(fault.lint, fault.subject) for fault in faults}


@pytest.mark.parametrize(("lint", "statement", "undo"), CLUSTER_WIDE)
async def test_a_planted_fault_of_a_role_is_seen(fresh_database: FreshDatabase, lint: str, statement: str, undo: str):
    superuser = await fresh_database.superuser()
    await superuser.execute(statement)
    try:
        faults = await check(await fresh_database.connect(Role.KEEPER), Role.KEEPER)
    finally:
        await superuser.execute(undo)
    assert lint in {fault.lint for fault in faults}


def test_every_lint_has_a_planted_fault():
    assert {lint for lint, *_ in (*PLANTED, *CLUSTER_WIDE)} == set(lint_names())


async def test_a_fault_stops_the_start_and_names_itself(fresh_database: FreshDatabase):
    superuser = await fresh_database.superuser()
    await superuser.execute("alter table accounts.member no force row level security")
    with pytest.raises(DatabaseUnusable, match=r"accounts\.member.*rls_forced.*restore it from a backup"):
        await require_sound(await fresh_database.connect(Role.PORTAL), Role.PORTAL)


async def test_on_a_managed_server_only_the_host_s_own_settings_are_tolerated(fresh_database: FreshDatabase):
    superuser = await fresh_database.superuser()
    await superuser.execute("grant usage on language plpgsql to isthmus_portal")
    connection = await fresh_database.connect(Role.PORTAL)
    tolerated = await require_sound(connection, Role.PORTAL, managed_server=True)
    assert [fault.lint for fault in tolerated] == ["no_way_around_tables"]
    await superuser.execute("alter table accounts.member no force row level security")
    with pytest.raises(DatabaseUnusable):
        await require_sound(connection, Role.PORTAL, managed_server=True)


@pytest.mark.parametrize(
    ("version", "sound"),
    [
        (140_020, False),
        (150_017, False),
        (150_018, True),
        (160_013, False),
        (160_014, True),
        (170_009, False),
        (170_010, True),
        (180_003, False),
        (180_004, True),
        (180_006, True),
        (190_000, True),
    ],
)
def test_a_server_below_the_version_floor_is_refused(version: int, sound: bool):
    assert (version_fault(version) is None) is sound
