-- Schedules at work: what an org says of its API calls, what may be used of them, and which syncs are due.

-- An org's own count of API calls as it was told with an answer, and ours beside it, in steps of ten minutes. Kept for
-- two days: for the budget of the last 24 hours, and to say when it will be used up.
create table sync.org_usage (
    tenant_id uuid not null default ctx.tenant(),
    org_id uuid not null,
    span_start timestamptz not null,
    seen_at timestamptz,
    used bigint check (used >= 0),
    allowed bigint check (allowed >= 0),
    own bigint not null default 0 check (own >= 0),
    primary key (tenant_id, org_id, span_start),
    foreign key (tenant_id, org_id) references orgs.org on delete cascade
);
alter table sync.org_usage enable row level security;
alter table sync.org_usage force row level security;
create policy owner_select on sync.org_usage for select to isthmus_owner using (true);
create policy own_select on sync.org_usage for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.org_usage for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.org_usage for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
create policy own_delete on sync.org_usage for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select
    on sync.org_usage to isthmus_portal;
grant select, delete, insert (org_id, span_start, seen_at, used, allowed, own), update (seen_at, used, allowed, own)
    on sync.org_usage to isthmus_worker;

-- Which share of an org's daily API calls may be used: by whomever before we stop, and by all our syncs together.
create table sync.org_budget (
    tenant_id uuid not null default ctx.tenant(),
    org_id uuid not null,
    day_percent smallint not null check (day_percent between 1 and 100),
    own_percent smallint not null check (own_percent between 1 and 100),
    changed_at timestamptz not null default now(),
    primary key (tenant_id, org_id),
    foreign key (tenant_id, org_id) references orgs.org on delete cascade
);
alter table sync.org_budget enable row level security;
alter table sync.org_budget force row level security;
create policy owner_select on sync.org_budget for select to isthmus_owner using (true);
create policy own_select on sync.org_budget for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.org_budget for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.org_budget for update to isthmus_portal
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select, insert (org_id, day_percent, own_percent), update (day_percent, own_percent, changed_at)
    on sync.org_budget to isthmus_portal;
grant select
    on sync.org_budget to isthmus_worker;

-- What is known of an org's API calls now, one row. With the caller's rights: a tenant sees its own orgs.
create function sync.org_calls(org uuid) returns table (
    used bigint, allowed bigint, seen_at timestamptz, own bigint, day_percent smallint, own_percent smallint)
language sql stable security invoker set search_path = ''
as $$
    select latest.used, latest.allowed, latest.seen_at,
        (select coalesce(sum(u.own), 0)::bigint from sync.org_usage u
         where u.org_id = org and u.span_start > now() - interval '24 hours'),
        b.day_percent, b.own_percent
    from (select) as one
    left join lateral (
        select u.used, u.allowed, u.seen_at from sync.org_usage u
        where u.org_id = org and u.used is not null order by u.span_start desc limit 1) latest on true
    left join sync.org_budget b on b.org_id = org
$$;
revoke execute on function sync.org_calls(uuid) from public;
grant execute on function sync.org_calls(uuid) to isthmus_portal, isthmus_worker;

-- Scheduled runs that are queued or under way, by tenant: how full the workers' hands are.
create function sync.in_flight() returns table (tenant_id uuid, runs bigint)
language sql stable security definer set search_path = ''
as $$
    select r.tenant_id, count(*) from sync.run r
    where r.state in ('queued', 'running') and r.kind = 'scheduled' group by r.tenant_id
$$;
revoke execute on function sync.in_flight() from public;
grant execute on function sync.in_flight() to isthmus_worker;

-- Active syncs that are due, held for the transaction; the longest due of each tenant first, so that a tenant with many
-- does not hide the others. One whose org needs a new login waits quietly, and is due at once when it has
-- it. Ids, numbers and times, and the schedule that a person wrote; nothing else of a definition.
create function sync.due(at_most integer) returns table (
    tenant_id uuid, sync_id uuid, due_at timestamptz, schedule bytea, idle_runs integer, busy boolean,
    source_org uuid, target_org uuid)
language sql volatile security definer set search_path = ''
as $$
    with ranked as materialized (
        select s.tenant_id, s.sync_id, row_number() over (partition by s.tenant_id order by s.due_at) as place
        from sync.state s
        join sync.definition d on d.tenant_id = s.tenant_id and d.id = s.sync_id
        where s.state = 'active' and s.due_at <= now() and not exists (
            select from orgs.connection c
            where c.tenant_id = d.tenant_id and c.id in (d.source_connection, d.target_connection)
              and c.state = 'needs_reauth')
    )
    select s.tenant_id, s.sync_id, s.due_at, d.schedule, s.idle_runs,
        exists (
            select from sync.run r
            where r.tenant_id = s.tenant_id and r.sync_id = s.sync_id and r.state in ('queued', 'running')),
        source.org_id, target.org_id
    from ranked
    join sync.state s on s.tenant_id = ranked.tenant_id and s.sync_id = ranked.sync_id
    join sync.definition d on d.tenant_id = s.tenant_id and d.id = s.sync_id
    join orgs.connection source on source.tenant_id = d.tenant_id and source.id = d.source_connection
    join orgs.connection target on target.tenant_id = d.tenant_id and target.id = d.target_connection
    where s.state = 'active' and s.due_at <= now()
    order by ranked.place, s.due_at limit at_most
    for update of s skip locked
$$;
revoke execute on function sync.due(integer) from public;
grant execute on function sync.due(integer) to isthmus_worker;

-- The same question about one org, for the worker before it has a tenant.
create function sync.org_calls_of(org uuid) returns table (
    used bigint, allowed bigint, seen_at timestamptz, own bigint, day_percent smallint, own_percent smallint)
language sql stable security definer set search_path = ''
as $$
    select * from sync.org_calls(org)
$$;
revoke execute on function sync.org_calls_of(uuid) from public;
grant execute on function sync.org_calls_of(uuid) to isthmus_worker;

-- Begin a scheduled run of a due sync and say when it is due next. Nothing happens unless it is due, active and idle.
create function sync.begin_due(tenant uuid, sync uuid, next_at timestamptz, reason smallint)
returns table (run_id uuid)
language sql volatile security definer set search_path = ''
as $$
    with taken as (
        update sync.state s set due_at = next_at, due_reason = reason
        where s.tenant_id = tenant and s.sync_id = sync and s.state = 'active' and s.due_at <= now()
            and not exists (
                select from sync.run r
                where r.tenant_id = tenant and r.sync_id = sync and r.state in ('queued', 'running'))
        returning s.tenant_id, s.sync_id, s.plan_version
    )
    insert into sync.run (tenant_id, sync_id, plan_version, kind)
    select taken.tenant_id, taken.sync_id, taken.plan_version, 'scheduled' from taken returning id
$$;
revoke execute on function sync.begin_due(uuid, uuid, timestamptz, smallint) from public;
grant execute on function sync.begin_due(uuid, uuid, timestamptz, smallint) to isthmus_worker;

-- Put a due sync off: a run of it is under way, it has its quiet hours, or a budget is used up.
create function sync.put_off_due(tenant uuid, sync uuid, next_at timestamptz, reason smallint) returns table (put_off uuid)
language sql volatile security definer set search_path = ''
as $$
    update sync.state s set due_at = next_at, due_reason = reason
    where s.tenant_id = tenant and s.sync_id = sync and s.state = 'active' and s.due_at <= now()
    returning s.sync_id
$$;
revoke execute on function sync.put_off_due(uuid, uuid, timestamptz, smallint) from public;
grant execute on function sync.put_off_due(uuid, uuid, timestamptz, smallint) to isthmus_worker;
