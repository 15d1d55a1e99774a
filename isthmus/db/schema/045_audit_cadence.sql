-- When an org is audited by itself, how long the names in its audits are kept, and what is told of them. Whom it is told
-- stands in the operator's own file; here a channel is a number, and texts are made when a notice is sent.

create type audit.cadence as enum ('off', 'daily', 'weekly', 'monthly');
create type audit.notice_kind as enum ('result', 'failure', 'recovery', 'finance');
create domain audit.zone_name as text check (length(value) <= 64 and value ~ '^[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}$');

-- One schedule per audit connection: weekly from its first finished audit on, unless somebody chose otherwise
-- (`chosen_at`). `minute` is of the day, in `zone`; weekday 0 is Monday. `keep_days`: how long documents, findings and
-- persons are kept (null: for ever). The worker writes numbers and instants only.
create table audit.schedule (
    tenant_id uuid not null default ctx.tenant(),
    connection_id uuid not null,
    cadence audit.cadence not null default 'weekly',
    weekday smallint not null default 0 check (weekday between 0 and 6),
    month_day smallint not null default 1 check (month_day between 1 and 31),
    minute smallint not null default 360 check (minute between 0 and 1439),
    zone audit.zone_name not null default 'UTC',
    keep_days smallint default 400 check (keep_days between 1 and 3650),
    chosen_at timestamptz,
    due_at timestamptz,
    failed_in_row smallint not null default 0 check (failed_in_row >= 0),
    primary key (tenant_id, connection_id),
    foreign key (tenant_id, connection_id) references orgs.connection on delete cascade
);
create index schedule_by_due on audit.schedule (due_at);
alter table audit.schedule enable row level security;
alter table audit.schedule force row level security;
create policy owner_all on audit.schedule for all to isthmus_owner using (true) with check (true);
create policy own_select on audit.schedule for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.schedule for insert to isthmus_portal, isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on audit.schedule for update to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select, insert (connection_id, cadence, weekday, month_day, minute, zone, keep_days, chosen_at, due_at),
    update (cadence, weekday, month_day, minute, zone, keep_days, chosen_at, due_at) on audit.schedule to isthmus_portal;
grant select, insert (connection_id), update (due_at, failed_in_row) on audit.schedule to isthmus_worker;

-- A notice to be sent: of one audit, or (finance) of all audits of a tenant up to `until`, for one channel.
create table audit.notice (
    tenant_id uuid not null default ctx.tenant(),
    id uuid not null default gen_random_uuid(),
    kind audit.notice_kind not null,
    connection_id uuid,
    audit_id uuid,
    to_channel bigint,
    since timestamptz,
    until timestamptz,
    made_at timestamptz not null default now(),
    spread_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, audit_id, kind),
    unique (tenant_id, to_channel, until),
    foreign key (tenant_id, connection_id) references orgs.connection on delete cascade,
    foreign key (tenant_id, audit_id) references audit.audit on delete cascade
);
alter table audit.notice enable row level security;
alter table audit.notice force row level security;
create policy owner_all on audit.notice for all to isthmus_owner using (true) with check (true);
create policy own_select on audit.notice for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on audit.notice for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
grant select on audit.notice to isthmus_portal;
grant select, insert (kind, connection_id, audit_id) on audit.notice to isthmus_worker;

-- A notice on its way to one channel, as sync.delivery: the attempt and the next try are written before the attempt.
create table audit.delivery (
    tenant_id uuid not null,
    notice_id uuid not null,
    channel bigint not null,
    attempts smallint not null default 0,
    next_try_at timestamptz not null default now(),
    sent_at timestamptz,
    given_up_at timestamptz,
    primary key (tenant_id, notice_id, channel),
    foreign key (tenant_id, notice_id) references audit.notice on delete cascade
);
alter table audit.delivery enable row level security;
alter table audit.delivery force row level security;
create policy owner_all on audit.delivery for all to isthmus_owner using (true) with check (true);
create policy own_select on audit.delivery for select to isthmus_portal
    using (tenant_id = (select ctx.tenant()));
grant select on audit.delivery to isthmus_portal;

-- What the functions below may touch of the audits themselves.
create policy owner_insert on audit.audit for insert to isthmus_owner with check (true);
create policy owner_update on audit.audit for update to isthmus_owner using (true) with check (true);
create policy owner_select on audit.document for select to isthmus_owner using (true);
create policy owner_delete on audit.document for delete to isthmus_owner using (true);
create policy owner_select on audit.finding for select to isthmus_owner using (true);
create policy owner_delete on audit.finding for delete to isthmus_owner using (true);
create policy owner_select on audit.person for select to isthmus_owner using (true);
create policy owner_delete on audit.person for delete to isthmus_owner using (true);
create policy owner_select on audit.summary for select to isthmus_owner using (true);
create policy owner_select on orgs.org for select to isthmus_owner using (true);
create index audit_with_names on audit.audit (finished_at) where state = 'done' and removed_at is null;

-- Schedules that are due or have no next instant yet, held for the transaction; the longest due of each tenant first. A
-- connection that was revoked is left alone; one that needs a new login is not, so that somebody is told.
create function audit.due(at_most integer) returns table (
    tenant_id uuid, connection_id uuid, cadence text, weekday smallint, month_day smallint, minute smallint, zone text,
    due_at timestamptz)
language sql volatile security definer set search_path = ''
as $$
    with ranked as materialized (
        select s.tenant_id, s.connection_id, row_number() over (partition by s.tenant_id order by s.due_at) as place
        from audit.schedule s
        join orgs.connection c on c.tenant_id = s.tenant_id and c.id = s.connection_id
        where s.cadence <> 'off' and (s.due_at is null or s.due_at <= now()) and c.state <> 'revoked'
            and c.purpose = 'audit' and not exists (
                select from audit.audit a where a.tenant_id = s.tenant_id and a.connection_id = s.connection_id
                    and a.state in ('queued', 'reading', 'reporting'))
    )
    select s.tenant_id, s.connection_id, s.cadence::text, s.weekday, s.month_day, s.minute, s.zone::text, s.due_at
    from ranked
    join audit.schedule s on s.tenant_id = ranked.tenant_id and s.connection_id = ranked.connection_id
    order by ranked.place, s.due_at limit at_most
    for update of s skip locked
$$;
revoke execute on function audit.due(integer) from public;
grant execute on function audit.due(integer) to isthmus_worker;

-- Scheduled audits that are queued or under way, by tenant. One that waits for API calls takes nobody's place.
create function audit.in_flight() returns table (tenant_id uuid, audits bigint)
language sql stable security definer set search_path = ''
as $$
    select a.tenant_id, count(*) from audit.audit a
    where a.state in ('queued', 'reading', 'reporting') and a.scheduled and a.continues_at is null
    group by a.tenant_id
$$;
revoke execute on function audit.in_flight() from public;
grant execute on function audit.in_flight() to isthmus_worker;

-- Begin the audit of a due schedule and say when it is due next; without `begins` only the latter. An audit begins only
-- if it is due and no other of its connection is under way.
create function audit.begin_due(tenant uuid, connection uuid, next_at timestamptz, begins boolean)
returns table (audit_id uuid)
language sql volatile security definer set search_path = ''
as $$
    with taken as (
        update audit.schedule s set due_at = next_at
        where s.tenant_id = tenant and s.connection_id = connection
            and (s.due_at is null or s.due_at <= now()) and not exists (
                select from audit.audit a where a.tenant_id = tenant and a.connection_id = connection
                    and a.state in ('queued', 'reading', 'reporting'))
        returning s.tenant_id, s.connection_id
    )
    insert into audit.audit (tenant_id, connection_id, scheduled)
    select taken.tenant_id, taken.connection_id, true from taken where begins returning id
$$;
revoke execute on function audit.begin_due(uuid, uuid, timestamptz, boolean) from public;
grant execute on function audit.begin_due(uuid, uuid, timestamptz, boolean) to isthmus_worker;

-- Audits that waited for API calls and may go on: no longer waiting, each to be given its job in this transaction.
create function audit.continue_due() returns table (tenant_id uuid, connection_id uuid, audit_id uuid)
language sql volatile security definer set search_path = ''
as $$
    update audit.audit a set continues_at = null
    from orgs.connection c
    where a.state = 'queued' and a.continues_at <= now()
        and c.tenant_id = a.tenant_id and c.id = a.connection_id and c.state <> 'revoked'
    returning a.tenant_id, a.connection_id, a.id
$$;
revoke execute on function audit.continue_due() from public;
grant execute on function audit.continue_due() to isthmus_worker;

-- What follows a failed audit: it is told, or tried again before its usual time. A failure that somebody caused by hand
-- does not count in the schedule's row.
create function audit.note_failure(tenant uuid, connection uuid, audit uuid, tells boolean, retry_at timestamptz)
returns table (noted uuid)
language sql volatile security definer set search_path = ''
as $$
    insert into audit.notice (tenant_id, kind, connection_id, audit_id)
        select a.tenant_id, 'failure', a.connection_id, a.id from audit.audit a
        where tells and a.tenant_id = tenant and a.id = note_failure.audit and a.state = 'failed'
        on conflict do nothing;
    update audit.schedule s set failed_in_row = least(s.failed_in_row + 1, 30000),
        due_at = case when retry_at is null or s.cadence = 'off' then s.due_at else least(s.due_at, retry_at) end
    where s.tenant_id = tenant and s.connection_id = connection and exists (
        select from audit.audit a where a.tenant_id = tenant and a.id = note_failure.audit and a.scheduled)
    returning s.connection_id
$$;
revoke execute on function audit.note_failure(uuid, uuid, uuid, boolean, timestamptz) from public;
grant execute on function audit.note_failure(uuid, uuid, uuid, boolean, timestamptz) to isthmus_worker;

-- Remove documents, findings and persons of one audit that is older than its connection's `keep_days`, up to so many rows
-- of each; call it until it returns nothing. The audit's own counts and its pools stay: they name nobody.
create function audit.remove_old(at_most integer) returns table (audit_id uuid, whole boolean)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    old record;
begin
    select a.tenant_id, a.id into old
    from audit.audit a
    join audit.schedule s on s.tenant_id = a.tenant_id and s.connection_id = a.connection_id
    where a.state = 'done' and a.removed_at is null and a.finished_at < now() - s.keep_days * interval '1 day'
    order by a.finished_at limit 1 for update of a skip locked;
    if not found then
        return;
    end if;
    delete from audit.document d where d.tenant_id = old.tenant_id and d.audit_id = old.id;
    delete from audit.finding f where f.ctid = any (array(
        select v.ctid from audit.finding v where v.tenant_id = old.tenant_id and v.audit_id = old.id limit at_most));
    delete from audit.person p where p.ctid = any (array(
        select v.ctid from audit.person v where v.tenant_id = old.tenant_id and v.audit_id = old.id limit at_most));
    whole := not exists (select from audit.finding f where f.tenant_id = old.tenant_id and f.audit_id = old.id)
        and not exists (select from audit.person p where p.tenant_id = old.tenant_id and p.audit_id = old.id);
    if whole then
        update audit.audit a set removed_at = now() where a.tenant_id = old.tenant_id and a.id = old.id;
    end if;
    audit_id := old.id;
    return next;
end
$$;
revoke execute on function audit.remove_old(integer) from public;
grant execute on function audit.remove_old(integer) to isthmus_worker;
