-- Syncs: definitions and plans as portal writes them, runs and counts as worker writes them.
-- No table that worker may write has a column that could hold a text: ids, numbers, times and closed enums only. So a
-- record's value, or its id, has no place to be in, whatever a worker tries.

create schema sync;
grant usage on schema sync to isthmus_portal, isthmus_worker, isthmus_keeper;

create domain sync.plan_document as bytea check (length(value) between 2 and 4194304);
create domain sync.schedule_document as bytea check (length(value) between 2 and 4096);
create domain sync.step_number as smallint check (value between 0 and 239);
create domain sync.row_count as bigint check (value between 0 and 1099511627776);
create domain sync.viewer_key as bytea check (octet_length(value) = 65);
create type sync.sync_state as enum ('inactive', 'activating', 'active', 'paused');
create type sync.pause_reason as enum ('by_hand', 'source_revoked', 'target_revoked', 'activation_refused', 'looping');
create type sync.run_kind as enum ('scheduled', 'by_hand', 'retry', 'dry_run', 'rollback');
create type sync.run_state as enum ('queued', 'running', 'done', 'partial', 'failed', 'revoked');

-- A saved sync: the YAML that a person wrote, and the two connections. A draft is what somebody plans just now.
create table sync.definition (
    tenant_id uuid not null default ctx.tenant(),
    id uuid not null default gen_random_uuid(),
    title words.display_name not null,
    document words.user_text not null,
    source_connection uuid not null,
    target_connection uuid not null,
    two_way boolean not null default false,
    interval_s integer not null check (interval_s between 60 and 604800),
    schedule sync.schedule_document not null,
    draft boolean not null default false,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    primary key (tenant_id, id),
    foreign key (tenant_id, source_connection) references orgs.connection on delete cascade,
    foreign key (tenant_id, target_connection) references orgs.connection on delete cascade
);
alter table sync.definition enable row level security;
alter table sync.definition force row level security;
create policy owner_select on sync.definition for select to isthmus_owner using (true);
create policy own_select on sync.definition for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.definition for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.definition for update to isthmus_portal
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
create policy own_delete on sync.definition for delete to isthmus_portal
    using (tenant_id = (select ctx.tenant()));
grant select, delete,
    insert (id, title, document, source_connection, target_connection, two_way, interval_s, schedule, draft),
    update (title, document, source_connection, target_connection, two_way, interval_s, schedule, changed_at)
    on sync.definition to isthmus_portal;
grant select
    on sync.definition to isthmus_worker;

-- Which objects' describes a definition needs, of its source (0) and of its target (1).
create table sync.wanted_object (
    tenant_id uuid not null default ctx.tenant(),
    sync_id uuid not null,
    side smallint not null check (side in (0, 1)),
    object_name words.api_name not null,
    primary key (tenant_id, sync_id, side, object_name),
    foreign key (tenant_id, sync_id) references sync.definition on delete cascade
);
alter table sync.wanted_object enable row level security;
alter table sync.wanted_object force row level security;
create policy own_select on sync.wanted_object for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.wanted_object for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
create policy own_delete on sync.wanted_object for delete to isthmus_portal
    using (tenant_id = (select ctx.tenant()));
grant select, delete, insert (sync_id, side, object_name)
    on sync.wanted_object to isthmus_portal;
grant select
    on sync.wanted_object to isthmus_worker;

-- A plan as it was when the sync was activated: steps, fields, constants. Written by portal, read by worker.
create table sync.plan (
    tenant_id uuid not null default ctx.tenant(),
    sync_id uuid not null,
    version integer not null check (version > 0),
    document sync.plan_document not null,
    two_way boolean not null default false,
    drawn_at timestamptz not null default now(),
    primary key (tenant_id, sync_id, version),
    foreign key (tenant_id, sync_id) references sync.definition on delete cascade
);
alter table sync.plan enable row level security;
alter table sync.plan force row level security;
create policy owner_select on sync.plan for select to isthmus_owner using (true);
create policy own_select on sync.plan for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.plan for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
grant select, insert (sync_id, version, document, two_way)
    on sync.plan to isthmus_portal;
grant select
    on sync.plan to isthmus_worker;

-- Whether a sync runs, by which plan, when it is due and why then; `idle_runs`: how many runs in a row found nothing to do.
-- `plan_version` 0: never activated.
create table sync.state (
    tenant_id uuid not null default ctx.tenant(),
    sync_id uuid not null,
    state sync.sync_state not null default 'inactive',
    pause_reason sync.pause_reason,
    plan_version integer not null default 0,
    due_at timestamptz,
    due_reason smallint not null default 0,
    idle_runs integer not null default 0,
    changed_at timestamptz not null default now(),
    activation_calls bigint not null default 0,
    -- Runs in a row in which both orgs' records were last written by us and differed: automation undoes our writes.
    echo_runs smallint not null default 0,
    primary key (tenant_id, sync_id),
    foreign key (tenant_id, sync_id) references sync.definition on delete cascade
);
alter table sync.state enable row level security;
alter table sync.state force row level security;
create policy owner_select on sync.state for select to isthmus_owner using (true);
create policy owner_update on sync.state for update to isthmus_owner using (true) with check (true);
create policy own_select on sync.state for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.state for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.state for update to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select, insert (sync_id), update (state, pause_reason, plan_version, due_at, due_reason, changed_at)
    on sync.state to isthmus_portal;
grant select, update (state, pause_reason, due_at, due_reason, idle_runs, changed_at, activation_calls, echo_runs)
    on sync.state to isthmus_worker;

-- API calls that readings of describes have asked of a connection's org: they belong to no run.
create table sync.schema_reading (
    tenant_id uuid not null default ctx.tenant(),
    connection_id uuid not null,
    calls bigint not null,
    read_at timestamptz not null default now(),
    primary key (tenant_id, connection_id),
    foreign key (tenant_id, connection_id) references orgs.connection on delete cascade
);
alter table sync.schema_reading enable row level security;
alter table sync.schema_reading force row level security;
create policy own_select on sync.schema_reading for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.schema_reading for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.schema_reading for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select
    on sync.schema_reading to isthmus_portal;
grant select, insert (connection_id, calls), update (calls, read_at)
    on sync.schema_reading to isthmus_worker;

-- One execution. `fence` rises with every attempt; whoever writes must carry the latest.
create table sync.run (
    tenant_id uuid not null default ctx.tenant(),
    id uuid not null default gen_random_uuid(),
    sync_id uuid not null,
    plan_version integer not null,
    kind sync.run_kind not null,
    state sync.run_state not null default 'queued',
    fence bigint not null default 0,
    end_reason smallint,
    end_step sync.step_number,
    end_code smallint,
    calls_source bigint not null default 0,
    calls_target bigint not null default 0,
    requested_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz,
    -- When a later run brought in rows that had failed in this one, and its counts were corrected.
    corrected_at timestamptz,
    -- A person's decision of conflicts that are held, for a retry: the source's records (0) or the target's (1).
    winner smallint check (winner in (0, 1)),
    -- From when on, by the target's clock, rows carry this run's tag; and which run's rows this one deletes.
    tagged_at timestamptz,
    rolls_back uuid,
    primary key (tenant_id, id),
    foreign key (tenant_id, rolls_back) references sync.run on delete cascade,
    foreign key (tenant_id, sync_id, plan_version) references sync.plan on delete cascade
);
alter table sync.run enable row level security;
alter table sync.run force row level security;
create policy owner_select on sync.run for select to isthmus_owner using (true);
create policy owner_insert on sync.run for insert to isthmus_owner with check (true);
create policy own_select on sync.run for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.run for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.run for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select, insert (sync_id, plan_version, kind, winner, rolls_back)
    on sync.run to isthmus_portal;
grant select,
    update (state, fence, end_reason, end_step, end_code, calls_source, calls_target, started_at, ended_at,
            corrected_at, tagged_at)
    on sync.run to isthmus_worker;

create index run_by_sync on sync.run (tenant_id, sync_id, requested_at desc);

-- What one step of a run has done so far.
create table sync.run_step (
    tenant_id uuid not null default ctx.tenant(),
    run_id uuid not null,
    step sync.step_number not null,
    path smallint not null,
    rows_expected sync.row_count not null,
    rows_read sync.row_count not null,
    rows_written sync.row_count not null,
    rows_created sync.row_count not null,
    rows_failed sync.row_count not null,
    -- Of the rows written: those that failed in this run and that a later one brought in.
    rows_retried sync.row_count not null default 0,
    settled boolean not null,
    primary key (tenant_id, run_id, step),
    foreign key (tenant_id, run_id) references sync.run on delete cascade
);
alter table sync.run_step enable row level security;
alter table sync.run_step force row level security;
create policy own_select on sync.run_step for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.run_step for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.run_step for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
create policy own_delete on sync.run_step for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select
    on sync.run_step to isthmus_portal;
grant select, delete,
    insert (run_id, step, path, rows_expected, rows_read, rows_written, rows_created, rows_failed, settled),
    update (path, rows_expected, rows_read, rows_written, rows_created, rows_failed, rows_retried, settled)
    on sync.run_step to isthmus_worker;

-- How many rows of a step failed with which code on which column (-1: the org named none).
create table sync.outcome (
    tenant_id uuid not null default ctx.tenant(),
    run_id uuid not null,
    step sync.step_number not null,
    code smallint not null,
    field smallint not null,
    row_count sync.row_count not null,
    primary key (tenant_id, run_id, step, code, field),
    foreign key (tenant_id, run_id) references sync.run on delete cascade
);
alter table sync.outcome enable row level security;
alter table sync.outcome force row level security;
create policy own_select on sync.outcome for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.outcome for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.outcome for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
create policy own_delete on sync.outcome for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select
    on sync.outcome to isthmus_portal;
grant select, delete, insert (run_id, step, code, field, row_count), update (row_count)
    on sync.outcome to isthmus_worker;

-- Up to where the changes of a step were applied, or counted as failed: the next window begins there.
create table sync.checkpoint (
    tenant_id uuid not null default ctx.tenant(),
    sync_id uuid not null,
    plan_version integer not null,
    step sync.step_number not null,
    watermark timestamptz not null,
    -- Up to here the step has read: later than the watermark, below which nothing can come to light any more.
    read_until timestamptz,
    primary key (tenant_id, sync_id, plan_version, step),
    foreign key (tenant_id, sync_id, plan_version) references sync.plan on delete cascade
);
alter table sync.checkpoint enable row level security;
alter table sync.checkpoint force row level security;
create policy own_select on sync.checkpoint for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.checkpoint for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.checkpoint for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select
    on sync.checkpoint to isthmus_portal;
grant select, insert (sync_id, plan_version, step, watermark, read_until),
    update (watermark, read_until)
    on sync.checkpoint to isthmus_worker;

-- A window with failed rows: read again later, because no id of a row is kept. `settled_at`: nothing fails any more.
-- Where our own attempts are used up it stays open, for a retry by hand.
create table sync.failed_window (
    tenant_id uuid not null default ctx.tenant(),
    id uuid not null default gen_random_uuid(),
    sync_id uuid not null,
    plan_version integer not null,
    run_id uuid not null,
    step sync.step_number not null,
    since timestamptz,
    until timestamptz not null,
    row_count sync.row_count not null,
    transient boolean not null,
    -- Rows of it are conflicts that wait for a person.
    held boolean not null default false,
    read_at timestamptz not null default now(),
    attempts smallint not null default 0,
    settled_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, sync_id, plan_version) references sync.plan on delete cascade,
    foreign key (tenant_id, run_id) references sync.run on delete cascade
);
alter table sync.failed_window enable row level security;
alter table sync.failed_window force row level security;
create policy own_select on sync.failed_window for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.failed_window for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.failed_window for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select
    on sync.failed_window to isthmus_portal;
grant select, insert (sync_id, plan_version, run_id, step, since, until, row_count, transient, held),
    update (row_count, transient, held, read_at, attempts, settled_at)
    on sync.failed_window to isthmus_worker;

-- Why rows of a failed window failed when it was last read (column -1: the org named none). Where a later reading finds
-- fewer, the counts of the run that met them first are corrected by the difference.
create table sync.window_outcome (
    tenant_id uuid not null default ctx.tenant(),
    window_id uuid not null,
    code smallint not null,
    field smallint not null,
    row_count sync.row_count not null,
    primary key (tenant_id, window_id, code, field),
    foreign key (tenant_id, window_id) references sync.failed_window on delete cascade
);
alter table sync.window_outcome enable row level security;
alter table sync.window_outcome force row level security;
create policy own_select on sync.window_outcome for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.window_outcome for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_delete on sync.window_outcome for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select
    on sync.window_outcome to isthmus_portal;
grant select, delete, insert (window_id, code, field, row_count)
    on sync.window_outcome to isthmus_worker;

-- A person's wish to look at rows that fail: the public half of a key made for it, and whether it is over. What is shown
-- goes past this database, sealed to that key (`sync/inspecting/relay.py`). `decides`: it waits for that person's decisions, which go
-- past it, too.
create table sync.look (
    tenant_id uuid not null default ctx.tenant(),
    id uuid not null,
    sync_id uuid not null,
    failed_window_id uuid not null,
    viewer_key sync.viewer_key not null,
    rows_max smallint not null check (rows_max between 1 and 50),
    decides boolean not null default false,
    requested_at timestamptz not null default now(),
    ended_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, sync_id) references sync.definition on delete cascade,
    foreign key (tenant_id, failed_window_id) references sync.failed_window on delete cascade
);
alter table sync.look enable row level security;
alter table sync.look force row level security;
create policy owner_select on sync.look for select to isthmus_owner using (true);
create policy own_select on sync.look for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.look for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.look for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select, insert (id, sync_id, failed_window_id, viewer_key, rows_max, decides)
    on sync.look to isthmus_portal;
grant select, update (ended_at)
    on sync.look to isthmus_worker;

-- Looks that may be waiting for decisions now, of whichever tenant: each holds a place of a worker. Says when and whether
-- it is the caller's own, nothing else. Whoever counts them to open one more waits for others who do (the lock).
create function sync.deciding_looks() returns table (own boolean, requested_at timestamptz)
language sql volatile security definer set search_path = ''
as $$
    select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('sync.deciding_looks'));
    select l.tenant_id = (select ctx.tenant()), l.requested_at
    from sync.look l where l.decides and l.ended_at is null and l.requested_at > now() - interval '15 minutes'
$$;
revoke execute on function sync.deciding_looks() from public;
grant execute on function sync.deciding_looks() to isthmus_portal;

-- Whose run it is and which connections it may lease, for keeper: only a run that is queued or running has any.
create function sync.run_subject(run uuid) returns table (tenant_id uuid, connections uuid[])
language sql stable security definer set search_path = ''
as $$
    select r.tenant_id, array[d.source_connection, d.target_connection]
    from sync.run r join sync.definition d on d.tenant_id = r.tenant_id and d.id = r.sync_id
    where r.id = run and r.state in ('queued', 'running')
$$;
revoke execute on function sync.run_subject(uuid) from public;
grant execute on function sync.run_subject(uuid) to isthmus_keeper;

-- The same for an activation, whose subject is the sync: its target, and its source too if it goes both ways.
create function sync.activation_subject(sync uuid) returns table (tenant_id uuid, connections uuid[])
language sql stable security definer set search_path = ''
as $$
    select s.tenant_id, case when p.two_way then array[d.target_connection, d.source_connection]
                             else array[d.target_connection] end
    from sync.state s join sync.definition d on d.tenant_id = s.tenant_id and d.id = s.sync_id
    join sync.plan p on p.tenant_id = s.tenant_id and p.sync_id = s.sync_id and p.version = s.plan_version
    where s.sync_id = sync and s.state = 'activating'
$$;
revoke execute on function sync.activation_subject(uuid) from public;
grant execute on function sync.activation_subject(uuid) to isthmus_keeper;

-- The same for a look: for a quarter of an hour, longer than anybody waits.
create function sync.look_subject(look uuid) returns table (tenant_id uuid, connections uuid[])
language sql stable security definer set search_path = ''
as $$
    select l.tenant_id, array[d.source_connection, d.target_connection]
    from sync.look l join sync.definition d on d.tenant_id = l.tenant_id and d.id = l.sync_id
    where l.id = look and l.ended_at is null and l.requested_at > now() - interval '15 minutes'
$$;
revoke execute on function sync.look_subject(uuid) from public;
grant execute on function sync.look_subject(uuid) to isthmus_keeper;
