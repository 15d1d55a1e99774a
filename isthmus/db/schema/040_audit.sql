-- Audits: what was read of the five licence objects, what was found, and the documents made of it.
-- Names and e-mail addresses of users are stored here, because an inactive user must be named; nowhere else, and only
-- under forced row-level security.

create schema audit;
grant usage on schema audit to isthmus_portal, isthmus_worker, isthmus_keeper;

create domain audit.short_text as text check (length(value) <= 1024);
create domain audit.line as text check (length(value) between 2 and 65536);
create domain audit.file_text as text check (length(value) <= 1048576);
create domain audit.reason as text check (length(value) between 1 and 200);
create domain audit.rule as text check (value ~ '^R[0-9]{2}[a-z]?$');
create domain audit.currency as text check (value ~ '^[A-Z]{3}$');
create domain audit.percent as smallint check (value between 0 and 100);
create domain audit.seat_count as integer check (value >= 0);
create domain audit.document_bytes as bytea check (length(value) between 1 and 268435456);
create type audit.audit_state as enum ('queued', 'reading', 'reporting', 'done', 'failed');
create type audit.grade as enum ('A', 'B', 'C', 'D');
create type audit.severity as enum ('critical', 'warning', 'info');
create type audit.document_kind as enum ('report.pdf', 'report.xlsx', 'findings.csv', 'report.json', 'bundle.zip',
    'renewal.ics', 'focus.csv');
create type audit.failure as enum (
    'not_readable', 'field_missing', 'login_count_differs', 'sight_changed', 'window_too_dense', 'rows_differ', 'answer_unexpected',
    'limited', 'expired', 'lease_lost', 'unreachable', 'mover_stopped', 'no_sandbox', 'worker_stopped', 'internal');

-- One audit of one connection. `attempt` rises each time a worker takes it up; whoever writes must carry the latest.
-- An audit that met the org's API limit is queued again with `continues_at`, `waits` times so far; its job is made then.
-- Counts and money are null until it is done, and where a gate withheld them. Once its documents and names were removed
-- (045_audit_cadence.sql) the row stays, for the history of counts.
create table audit.audit (
    tenant_id uuid not null default ctx.tenant(),
    id uuid not null default gen_random_uuid(),
    connection_id uuid not null,
    state audit.audit_state not null default 'queued',
    attempt integer not null default 0,
    percent audit.percent not null default 0,
    scheduled boolean not null default false,
    requested_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    continues_at timestamptz,
    waits smallint not null default 0,
    taken_at timestamptz,
    removed_at timestamptz,
    failure audit.failure,
    failure_object words.api_name,
    seats audit.seat_count,
    seats_unused audit.seat_count,
    findings audit.seat_count,
    currency audit.currency,
    reclaim_annual numeric(16, 2),
    renewal_annual numeric(16, 2),
    risk_annual numeric(16, 2),
    primary key (tenant_id, id),
    foreign key (tenant_id, connection_id) references orgs.connection on delete cascade
);
create index audit_by_request on audit.audit (tenant_id, requested_at desc);
alter table audit.audit enable row level security;
alter table audit.audit force row level security;
create policy owner_select on audit.audit for select to isthmus_owner using (true);
create policy own_select on audit.audit for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.audit for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on audit.audit for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
create policy own_delete on audit.audit for delete to isthmus_portal
    using (tenant_id = (select ctx.tenant()));
grant select, delete, insert (id, connection_id) on audit.audit to isthmus_portal;
grant select, update (state, attempt, percent, started_at, finished_at, continues_at, waits, taken_at, failure,
    failure_object, seats, seats_unused, findings, currency, reclaim_annual, renewal_annual, risk_annual)
    on audit.audit to isthmus_worker;

-- The documents of an audit, whole: put down while it reports, shown once it is done, gone if it fails.
create table audit.document (
    tenant_id uuid not null default ctx.tenant(),
    audit_id uuid not null,
    kind audit.document_kind not null,
    content audit.document_bytes not null,
    primary key (tenant_id, audit_id, kind),
    foreign key (tenant_id, audit_id) references audit.audit on delete cascade
);
alter table audit.document enable row level security;
alter table audit.document force row level security;
create policy own_select on audit.document for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.document for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on audit.document for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
create policy own_delete on audit.document for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select on audit.document to isthmus_portal;
grant select, delete, insert (audit_id, kind, content), update (content) on audit.document to isthmus_worker;

-- Findings, in the report's order. `line` is the finding as report.json has it; the other columns are for filters, and
-- rule, subject and pool are what a snooze names. `annual` is null where nothing is saved or no price is known.
create table audit.finding (
    tenant_id uuid not null default ctx.tenant(),
    audit_id uuid not null,
    ordinal audit.seat_count not null,
    rule audit.rule not null,
    grade audit.grade not null,
    severity audit.severity not null,
    subject_id audit.short_text not null default '',
    pool audit.short_text not null,
    pool_name audit.short_text not null default '',
    annual numeric(16, 2),
    snoozed boolean not null default false,
    exempt boolean not null default false,
    search_text audit.short_text not null,
    line audit.line not null,
    primary key (tenant_id, audit_id, ordinal),
    foreign key (tenant_id, audit_id) references audit.audit on delete cascade
);
alter table audit.finding enable row level security;
alter table audit.finding force row level security;
create policy own_select on audit.finding for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.finding for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_delete on audit.finding for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select on audit.finding to isthmus_portal;
grant select, delete, insert (audit_id, ordinal, rule, grade, severity, subject_id, pool, pool_name, annual, snoozed,
    exempt, search_text, line) on audit.finding to isthmus_worker;

-- What a portfolio shows of a finished audit, as JSON: it outlives the audit's documents and holds no name of a person.
create table audit.summary (
    tenant_id uuid not null default ctx.tenant(),
    audit_id uuid not null,
    line audit.line not null,
    primary key (tenant_id, audit_id),
    foreign key (tenant_id, audit_id) references audit.audit on delete cascade
);
alter table audit.summary enable row level security;
alter table audit.summary force row level security;
create policy own_select on audit.summary for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.summary for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_delete on audit.summary for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select on audit.summary to isthmus_portal;
grant select, delete, insert (audit_id, line) on audit.summary to isthmus_worker;

-- Findings that a tenant put off, of an org: they count for no money in audits up to the day `until`. The reason is the
-- member's own text; names of people are not repeated here, and findings lead to them.
create table audit.snooze (
    tenant_id uuid not null default ctx.tenant(),
    id uuid not null default gen_random_uuid(),
    org_id uuid not null,
    rule audit.rule not null,
    subject_id audit.short_text not null,
    pool audit.short_text not null,
    until date not null,
    reason audit.reason not null,
    made_at timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, org_id, rule, subject_id, pool),
    foreign key (tenant_id, org_id) references orgs.org on delete cascade
);
alter table audit.snooze enable row level security;
alter table audit.snooze force row level security;
create policy own_select on audit.snooze for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.snooze for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
create policy own_delete on audit.snooze for delete to isthmus_portal
    using (tenant_id = (select ctx.tenant()));
grant select on audit.snooze to isthmus_worker;
grant select, delete, insert (org_id, rule, subject_id, pool, until, reason) on audit.snooze to isthmus_portal;

-- The pools of user licences at the instant of an audit: nobody can rebuild last year's seats afterwards.
create table audit.license_pool (
    tenant_id uuid not null default ctx.tenant(),
    audit_id uuid not null,
    license_id audit.short_text not null,
    license_key audit.short_text not null,
    label audit.short_text not null,
    purchased audit.seat_count not null,
    assigned audit.seat_count not null,
    active_30 audit.seat_count,
    active_60 audit.seat_count,
    active_90 audit.seat_count,
    unused audit.seat_count,
    unused_a audit.seat_count,
    unused_b audit.seat_count,
    unused_c audit.seat_count,
    seat_costs boolean not null default false,
    unit_price numeric,
    currency audit.currency,
    primary key (tenant_id, audit_id, license_id),
    foreign key (tenant_id, audit_id) references audit.audit on delete cascade
);
alter table audit.license_pool enable row level security;
alter table audit.license_pool force row level security;
create policy own_select on audit.license_pool for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.license_pool for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_delete on audit.license_pool for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select on audit.license_pool to isthmus_portal;
grant select, delete, insert (audit_id, license_id, license_key, label, purchased, assigned, active_30, active_60,
    active_90, unused, unused_a, unused_b, unused_c, seat_costs, unit_price, currency) on audit.license_pool
    to isthmus_worker;

-- How many people were there in each week of the year before an audit, as far as it knew: from the logins that it read,
-- and from the audits before it, for Salesforce forgets logins after six months. So the newest audit has all of it.
create table audit.license_week (
    tenant_id uuid not null default ctx.tenant(),
    audit_id uuid not null,
    license_id audit.short_text not null,
    week_start date not null,
    people audit.seat_count not null,
    machines audit.seat_count not null,
    primary key (tenant_id, audit_id, license_id, week_start),
    foreign key (tenant_id, audit_id) references audit.audit on delete cascade
);
alter table audit.license_week enable row level security;
alter table audit.license_week force row level security;
create policy own_select on audit.license_week for select to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.license_week for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_delete on audit.license_week for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select, delete, insert (audit_id, license_id, week_start, people, machines) on audit.license_week to isthmus_worker;

-- The pools of permission set licences at the instant of an audit.
create table audit.psl_pool (
    tenant_id uuid not null default ctx.tenant(),
    audit_id uuid not null,
    psl_id audit.short_text not null,
    psl_key audit.short_text not null,
    label audit.short_text not null,
    purchased audit.seat_count not null,
    used audit.seat_count not null,
    grants audit.seat_count not null,
    grants_active audit.seat_count not null,
    primary key (tenant_id, audit_id, psl_id),
    foreign key (tenant_id, audit_id) references audit.audit on delete cascade
);
alter table audit.psl_pool enable row level security;
alter table audit.psl_pool force row level security;
create policy own_select on audit.psl_pool for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.psl_pool for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_delete on audit.psl_pool for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select on audit.psl_pool to isthmus_portal;
grant select, delete, insert (audit_id, psl_id, psl_key, label, purchased, used, grants, grants_active)
    on audit.psl_pool to isthmus_worker;

-- The users of an org at the instant of an audit, with when each was last there: first seen active, gaps of more than
-- six months and re-activations can be known from these alone. The keys are what persons are compared by over orgs
-- (address; federation identifier; employee number and name), empty where names were replaced by pseudonyms.
create table audit.person (
    tenant_id uuid not null default ctx.tenant(),
    audit_id uuid not null,
    user_id audit.short_text not null,
    name audit.short_text not null,
    username audit.short_text not null,
    email audit.short_text not null,
    person_key audit.short_text not null default '',
    federation_key audit.short_text not null default '',
    number_key audit.short_text not null default '',
    license_id audit.short_text,
    active boolean not null,
    created_at timestamptz not null,
    last_login_at timestamptz,
    last_human_at timestamptz,
    last_machine_at timestamptz,
    primary key (tenant_id, audit_id, user_id),
    foreign key (tenant_id, audit_id) references audit.audit on delete cascade
);
alter table audit.person enable row level security;
alter table audit.person force row level security;
create policy own_select on audit.person for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.person for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_delete on audit.person for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select on audit.person to isthmus_portal;
grant select, delete, insert (audit_id, user_id, name, username, email, person_key, federation_key, number_key,
    license_id, active, created_at, last_login_at, last_human_at, last_machine_at) on audit.person to isthmus_worker;

-- An unfinished reading, in compressed pieces, so that the next attempt at the audit goes on from it. It names people, as
-- the finished audit will; it is gone when the audit ends, whoever ends it and however.
create type audit.checkpoint_file as enum (
    'reading.json', 'licenses.jsonl', 'psls.jsonl', 'psl_assigns.jsonl', 'users.jsonl', 'logins.bin');
create domain audit.piece as bytea check (length(value) between 1 and 1048576);
create table audit.checkpoint (
    tenant_id uuid not null default ctx.tenant(),
    audit_id uuid not null,
    file audit.checkpoint_file not null,
    ordinal integer not null,
    content audit.piece not null,
    primary key (tenant_id, audit_id, file, ordinal),
    foreign key (tenant_id, audit_id) references audit.audit on delete cascade
);
alter table audit.checkpoint enable row level security;
alter table audit.checkpoint force row level security;
create policy own_select on audit.checkpoint for select to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.checkpoint for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_delete on audit.checkpoint for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy owner_select on audit.checkpoint for select to isthmus_owner using (true);
create policy owner_delete on audit.checkpoint for delete to isthmus_owner using (true);
grant select, delete, insert (audit_id, file, ordinal, content) on audit.checkpoint to isthmus_worker;

create function audit.drop_checkpoint() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    delete from audit.checkpoint c where c.tenant_id = new.tenant_id and c.audit_id = new.id;
    if new.state = 'failed' then -- what it had stored on its way to be done
        delete from audit.document d where d.tenant_id = new.tenant_id and d.audit_id = new.id;
        delete from audit.person p where p.tenant_id = new.tenant_id and p.audit_id = new.id;
    end if;
    return null;
end
$$;
revoke execute on function audit.drop_checkpoint() from public;
create trigger drop_checkpoint after update of state on audit.audit
    for each row when (new.state in ('done', 'failed')) execute function audit.drop_checkpoint();

-- What a tenant decides about the audits of a connection, as the text of the files that were given.
create table audit.setting (
    tenant_id uuid not null default ctx.tenant(),
    connection_id uuid not null,
    prices audit.file_text not null default '',
    contract audit.file_text not null default '',
    exemptions audit.file_text not null default '',
    thresholds audit.file_text not null default '',
    primary key (tenant_id, connection_id),
    foreign key (tenant_id, connection_id) references orgs.connection on delete cascade
);
alter table audit.setting enable row level security;
alter table audit.setting force row level security;
create policy own_select on audit.setting for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.setting for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
create policy own_delete on audit.setting for delete to isthmus_portal
    using (tenant_id = (select ctx.tenant()));
grant select on audit.setting to isthmus_worker;
grant select, delete, insert (connection_id, prices, contract, exemptions, thresholds) on audit.setting
    to isthmus_portal;

-- Whose audit it is and which connection it may lease, for keeper: only an audit that is under way has any.
create function audit.audit_subject(audit uuid) returns table (tenant_id uuid, connections uuid[])
language sql stable security definer set search_path = ''
as $$
    select a.tenant_id, array[a.connection_id]
    from audit.audit a
    where a.id = audit and a.state in ('queued', 'reading', 'reporting')
$$;
revoke execute on function audit.audit_subject(uuid) from public;
grant execute on function audit.audit_subject(uuid) to isthmus_keeper;
