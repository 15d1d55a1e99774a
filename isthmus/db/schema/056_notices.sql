-- What is told to people outside the portal: that something fails, works again, or how a day went. Ids, numbers, times.
-- To whom stands in the operator's own file; here a channel is a number. Texts are made when a notice is sent.

create type sync.notice_kind as enum ('failure', 'reminder', 'recovery', 'digest', 'anomaly');

-- Whether a sync is in trouble and whether that was told: one row per sync, so that one trouble is told once.
create table sync.alert (
    tenant_id uuid not null default ctx.tenant(),
    sync_id uuid not null,
    failing_since timestamptz,
    told_at timestamptz,
    runs_failed integer not null default 0,
    primary key (tenant_id, sync_id),
    foreign key (tenant_id, sync_id) references sync.definition on delete cascade
);
alter table sync.alert enable row level security;
alter table sync.alert force row level security;
create policy owner_select on sync.alert for select to isthmus_owner using (true);
create policy own_select on sync.alert for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.alert for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on sync.alert for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select
    on sync.alert to isthmus_portal;
grant select, insert (sync_id, failing_since, told_at, runs_failed), update (failing_since, told_at, runs_failed)
    on sync.alert to isthmus_worker;

-- A notice to be sent. A digest has no sync: it is about all of a tenant's, from `since` to `until`. An anomaly is a kind and
-- two numbers.
create table sync.notice (
    tenant_id uuid not null default ctx.tenant(),
    id uuid not null default gen_random_uuid(),
    kind sync.notice_kind not null,
    sync_id uuid,
    run_id uuid,
    since timestamptz,
    until timestamptz,
    anomaly smallint,
    seen bigint,
    usual bigint,
    made_at timestamptz not null default now(),
    spread_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, sync_id) references sync.definition on delete cascade,
    foreign key (tenant_id, run_id) references sync.run on delete cascade
);
alter table sync.notice enable row level security;
alter table sync.notice force row level security;
create policy owner_all on sync.notice for all to isthmus_owner using (true) with check (true);
create policy own_select on sync.notice for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.notice for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
grant select
    on sync.notice to isthmus_portal;
grant select, insert (kind, sync_id, run_id, since, until, anomaly, seen, usual)
    on sync.notice to isthmus_worker;

-- A notice on its way to one channel. `attempts` and the next try are written before the attempt: after a crash it is
-- sent again, at least once.
create table sync.delivery (
    tenant_id uuid not null,
    notice_id uuid not null,
    channel bigint not null,
    attempts smallint not null default 0,
    next_try_at timestamptz not null default now(),
    sent_at timestamptz,
    given_up_at timestamptz,
    primary key (tenant_id, notice_id, channel),
    foreign key (tenant_id, notice_id) references sync.notice on delete cascade
);
alter table sync.delivery enable row level security;
alter table sync.delivery force row level security;
create policy owner_all on sync.delivery for all to isthmus_owner using (true) with check (true);
create policy own_select on sync.delivery for select to isthmus_portal
    using (tenant_id = (select ctx.tenant()));
grant select
    on sync.delivery to isthmus_portal;

-- A notice says how many rows of its run did what.
create policy owner_select on sync.run_step for select to isthmus_owner using (true);
create policy owner_select on sync.outcome for select to isthmus_owner using (true);

-- Notices that no channel has been chosen for yet, held for the transaction; the worker knows the channels.
create function sync.notices_to_spread(at_most integer) returns table (
    tenant_id uuid, tenant_name text, notice_id uuid, kind text)
language sql volatile security definer set search_path = ''
as $$
    select n.tenant_id, t.name::text, n.id, n.kind::text
    from sync.notice n join accounts.tenant t on t.tenant_id = n.tenant_id
    where n.spread_at is null order by n.made_at limit at_most for update of n skip locked
$$;
revoke execute on function sync.notices_to_spread(integer) from public;
grant execute on function sync.notices_to_spread(integer) to isthmus_worker;

-- Send a notice by these channels.
create function sync.spread_notice(tenant uuid, notice uuid, channels bigint[]) returns table (spread uuid)
language sql volatile security definer set search_path = ''
as $$
    insert into sync.delivery (tenant_id, notice_id, channel) select tenant, notice, unnest(channels)
        on conflict do nothing;
    update sync.notice n set spread_at = now() where n.tenant_id = tenant and n.id = notice returning n.id
$$;
revoke execute on function sync.spread_notice(uuid, uuid, bigint[]) from public;
grant execute on function sync.spread_notice(uuid, uuid, bigint[]) to isthmus_worker;

-- Deliveries that are to be tried now, each marked as tried: the next attempt comes 1, 2, 4 … minutes later, the last
-- of ten after about five hours. With what a text is made of: names of syncs, counts, codes.
create function sync.take_deliveries(at_most integer) returns table (
    tenant_id uuid, tenant_name text, notice_id uuid, channel bigint, attempts smallint, kind text, made_at timestamptz,
    sync_id uuid, title text, run_id uuid, run_state text, end_reason smallint, end_code smallint,
    rows_read bigint, rows_written bigint, rows_failed bigint, codes smallint[], code_rows bigint[],
    failing_since timestamptz, runs_failed integer, since timestamptz, until timestamptz,
    anomaly smallint, seen bigint, usual bigint)
language sql volatile security definer set search_path = ''
as $$
    with due as (
        select d.tenant_id, d.notice_id, d.channel from sync.delivery d
        where d.sent_at is null and d.given_up_at is null and d.next_try_at <= now()
        order by d.next_try_at limit at_most for update skip locked
    ), tried as (
        update sync.delivery d set attempts = d.attempts + 1,
            next_try_at = now() + least(60 * 2 ^ d.attempts, 7200) * interval '1 second'
        from due
        where d.tenant_id = due.tenant_id and d.notice_id = due.notice_id and d.channel = due.channel
        returning d.tenant_id, d.notice_id, d.channel, d.attempts
    )
    select tried.tenant_id, t.name::text, tried.notice_id, tried.channel, tried.attempts, n.kind::text, n.made_at,
        n.sync_id, s.title::text, n.run_id, r.state::text, r.end_reason, r.end_code,
        c.read, c.written, c.failed, o.codes, o.code_rows, a.failing_since, a.runs_failed, n.since, n.until,
        n.anomaly, n.seen, n.usual
    from tried
    join sync.notice n on n.tenant_id = tried.tenant_id and n.id = tried.notice_id
    join accounts.tenant t on t.tenant_id = tried.tenant_id
    left join sync.definition s on s.tenant_id = n.tenant_id and s.id = n.sync_id
    left join sync.run r on r.tenant_id = n.tenant_id and r.id = n.run_id
    left join sync.alert a on a.tenant_id = n.tenant_id and a.sync_id = n.sync_id
    left join lateral (
        select coalesce(sum(p.rows_read), 0)::bigint as read, coalesce(sum(p.rows_written), 0)::bigint as written,
            coalesce(sum(p.rows_failed), 0)::bigint as failed
        from sync.run_step p where p.tenant_id = n.tenant_id and p.run_id = n.run_id) c on true
    left join lateral (
        select array_agg(k.code order by k.rows desc) as codes, array_agg(k.rows order by k.rows desc) as code_rows
        from (
            select e.code, sum(e.row_count)::bigint as rows from sync.outcome e
            where e.tenant_id = n.tenant_id and e.run_id = n.run_id group by e.code order by 2 desc limit 5) k) o on true
$$;
revoke execute on function sync.take_deliveries(integer) from public;
grant execute on function sync.take_deliveries(integer) to isthmus_worker;

-- How an attempt ended.
create function sync.delivery_ended(tenant uuid, notice uuid, to_channel bigint, sent boolean) returns table (ended uuid)
language sql volatile security definer set search_path = ''
as $$
    update sync.delivery d set sent_at = case when delivery_ended.sent then now() end,
        given_up_at = case when not delivery_ended.sent then now() end
    where d.tenant_id = tenant and d.notice_id = notice and d.channel = to_channel returning d.notice_id
$$;
revoke execute on function sync.delivery_ended(uuid, uuid, bigint, boolean) from public;
grant execute on function sync.delivery_ended(uuid, uuid, bigint, boolean) to isthmus_worker;

-- Make a digest of a span for one channel, once, for each tenant that had runs in it.
create function sync.begin_summary(to_channel bigint, span_start timestamptz, span_end timestamptz, only_tenant text)
returns table (notice_id uuid)
language sql volatile security definer set search_path = ''
as $$
    with wanted as (
        select t.tenant_id from accounts.tenant t
        where (only_tenant = '' or only_tenant in (t.name::text, t.tenant_id::text))
            and exists (
                select from sync.run r where r.tenant_id = t.tenant_id
                    and r.requested_at >= span_start and r.requested_at < span_end)
            and not exists (
                select from sync.notice n join sync.delivery d on d.tenant_id = n.tenant_id and d.notice_id = n.id
                where n.tenant_id = t.tenant_id and n.kind = 'digest' and d.channel = to_channel
                    and n.until = span_end)
    ), made as (
        insert into sync.notice (tenant_id, kind, since, until, spread_at)
        select wanted.tenant_id, 'digest', span_start, span_end, now() from wanted returning tenant_id, id
    )
    insert into sync.delivery (tenant_id, notice_id, channel)
    select made.tenant_id, made.id, to_channel from made returning sync.delivery.notice_id
$$;
revoke execute on function sync.begin_summary(bigint, timestamptz, timestamptz, text) from public;
grant execute on function sync.begin_summary(bigint, timestamptz, timestamptz, text) to isthmus_worker;

-- What a digest says: each sync of a tenant with its runs of the span.
create function sync.digest_rows(tenant uuid, span_start timestamptz, span_end timestamptz) returns table (
    sync_id uuid, title text, state text, runs bigint, runs_failed bigint, rows_written bigint, rows_failed bigint,
    failing_since timestamptz)
language sql stable security definer set search_path = ''
as $$
    select d.id, d.title::text, s.state::text, count(r.id), count(r.id) filter (where r.state in ('failed', 'revoked')),
        coalesce(sum(c.written), 0)::bigint, coalesce(sum(c.failed), 0)::bigint, a.failing_since
    from sync.definition d
    join sync.state s on s.tenant_id = d.tenant_id and s.sync_id = d.id
    left join sync.alert a on a.tenant_id = d.tenant_id and a.sync_id = d.id
    left join sync.run r on r.tenant_id = d.tenant_id and r.sync_id = d.id
        and r.requested_at >= span_start and r.requested_at < span_end and r.kind <> 'dry_run'
    left join lateral (
        select sum(p.rows_written)::bigint as written, sum(p.rows_failed)::bigint as failed
        from sync.run_step p where p.tenant_id = r.tenant_id and p.run_id = r.id) c on true
    where d.tenant_id = tenant
    group by d.id, d.title, s.state, a.failing_since order by d.title, d.id limit 200
$$;
revoke execute on function sync.digest_rows(uuid, timestamptz, timestamptz) from public;
grant execute on function sync.digest_rows(uuid, timestamptz, timestamptz) to isthmus_worker;
