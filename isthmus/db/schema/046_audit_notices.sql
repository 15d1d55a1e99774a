-- Telling of audits: which notices have no channel yet, which deliveries are due, and what a text is made of. As in
-- 056_notices.sql, by the same names, for another kind of subject. Documents leave the tenant's rows only for a delivery that is under way.

-- Notices that no channel has been chosen for yet, held for the transaction; the worker knows the channels.
create function audit.notices_to_spread(at_most integer) returns table (
    tenant_id uuid, tenant_name text, notice_id uuid, kind text, alias text, scheduled boolean)
language sql volatile security definer set search_path = ''
as $$
    select n.tenant_id, t.name::text, n.id, n.kind::text, o.alias::text, a.scheduled
    from audit.notice n
    join accounts.tenant t on t.tenant_id = n.tenant_id
    join audit.audit a on a.tenant_id = n.tenant_id and a.id = n.audit_id
    join orgs.connection c on c.tenant_id = n.tenant_id and c.id = n.connection_id
    join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
    where n.spread_at is null order by n.made_at limit at_most for update of n skip locked
$$;
revoke execute on function audit.notices_to_spread(integer) from public;
grant execute on function audit.notices_to_spread(integer) to isthmus_worker;

-- Send a notice by these channels.
create function audit.spread_notice(tenant uuid, notice uuid, channels bigint[]) returns table (spread uuid)
language sql volatile security definer set search_path = ''
as $$
    insert into audit.delivery (tenant_id, notice_id, channel) select tenant, notice, unnest(channels)
        on conflict do nothing;
    update audit.notice n set spread_at = now() where n.tenant_id = tenant and n.id = notice returning n.id
$$;
revoke execute on function audit.spread_notice(uuid, uuid, bigint[]) from public;
grant execute on function audit.spread_notice(uuid, uuid, bigint[]) to isthmus_worker;

-- Make the finance summary of a span for one channel, once, for each tenant that had an audit before its end. `only_orgs`:
-- aliases with commas between, none for all.
create function audit.begin_summary(
    to_channel bigint, span_start timestamptz, span_end timestamptz, only_tenant text, only_orgs text)
returns table (notice_id uuid)
language sql volatile security definer set search_path = ''
as $$
    with made as (
        insert into audit.notice (tenant_id, kind, to_channel, since, until, spread_at)
        select t.tenant_id, 'finance', to_channel, span_start, span_end, now() from accounts.tenant t
        where (only_tenant = '' or only_tenant in (t.name::text, t.tenant_id::text)) and exists (
            select from audit.audit a
            join orgs.connection c on c.tenant_id = a.tenant_id and c.id = a.connection_id
            join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
            where a.tenant_id = t.tenant_id and a.state = 'done' and a.finished_at < span_end
                and (only_orgs = '' or o.alias::text = any (string_to_array(only_orgs, ','))))
        on conflict do nothing returning tenant_id, id
    )
    insert into audit.delivery (tenant_id, notice_id, channel)
    select made.tenant_id, made.id, to_channel from made returning audit.delivery.notice_id
$$;
revoke execute on function audit.begin_summary(bigint, timestamptz, timestamptz, text, text) from public;
grant execute on function audit.begin_summary(bigint, timestamptz, timestamptz, text, text) to isthmus_worker;

-- Deliveries that are to be tried now, each marked as tried: the next attempt comes 1, 2, 4 … minutes later. `good_at`:
-- the audit of the same connection that went well last.
create function audit.take_deliveries(at_most integer) returns table (
    tenant_id uuid, tenant_name text, notice_id uuid, channel bigint, attempts smallint, kind text, made_at timestamptz,
    alias text, audit_id uuid, scheduled boolean, failure text, failure_object text, good_at timestamptz,
    since timestamptz, until timestamptz)
language sql volatile security definer set search_path = ''
as $$
    with due as (
        select d.tenant_id, d.notice_id, d.channel from audit.delivery d
        where d.sent_at is null and d.given_up_at is null and d.next_try_at <= now()
        order by d.next_try_at limit at_most for update skip locked
    ), tried as (
        update audit.delivery d set attempts = d.attempts + 1,
            next_try_at = now() + least(60 * 2 ^ d.attempts, 7200) * interval '1 second'
        from due
        where d.tenant_id = due.tenant_id and d.notice_id = due.notice_id and d.channel = due.channel
        returning d.tenant_id, d.notice_id, d.channel, d.attempts
    )
    select tried.tenant_id, t.name::text, tried.notice_id, tried.channel, tried.attempts, n.kind::text, n.made_at,
        o.alias::text, n.audit_id, coalesce(a.scheduled, true), a.failure::text, a.failure_object::text,
        (select max(g.taken_at) from audit.audit g
         where g.tenant_id = n.tenant_id and g.connection_id = n.connection_id and g.state = 'done'
            and g.id is distinct from n.audit_id),
        n.since, n.until
    from tried
    join audit.notice n on n.tenant_id = tried.tenant_id and n.id = tried.notice_id
    join accounts.tenant t on t.tenant_id = tried.tenant_id
    left join audit.audit a on a.tenant_id = n.tenant_id and a.id = n.audit_id
    left join orgs.connection c on c.tenant_id = n.tenant_id and c.id = n.connection_id
    left join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
$$;
revoke execute on function audit.take_deliveries(integer) from public;
grant execute on function audit.take_deliveries(integer) to isthmus_worker;

-- How an attempt ended.
create function audit.delivery_ended(tenant uuid, notice uuid, to_channel bigint, sent boolean)
returns table (ended uuid)
language sql volatile security definer set search_path = ''
as $$
    update audit.delivery d set sent_at = case when delivery_ended.sent then now() end,
        given_up_at = case when not delivery_ended.sent then now() end
    where d.tenant_id = tenant and d.notice_id = notice and d.channel = to_channel returning d.notice_id
$$;
revoke execute on function audit.delivery_ended(uuid, uuid, bigint, boolean) from public;
grant execute on function audit.delivery_ended(uuid, uuid, bigint, boolean) to isthmus_worker;

-- Whether a notice is on its way now. Only then are documents handed out for it.
create function audit.is_on_its_way(tenant uuid, notice uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select from audit.delivery d where d.tenant_id = tenant and d.notice_id = notice
            and d.attempts > 0 and d.sent_at is null and d.given_up_at is null)
$$;
revoke execute on function audit.is_on_its_way(uuid, uuid) from public;

-- A document of a notice's audit or, with `previous`, of the audit of the same connection before it.
create function audit.notice_document(tenant uuid, notice uuid, wanted text, previous boolean)
returns table (content bytea)
language sql stable security definer set search_path = ''
as $$
    select d.content::bytea
    from audit.notice n
    join audit.audit told on told.tenant_id = n.tenant_id and told.id = n.audit_id
    join audit.audit a on a.tenant_id = told.tenant_id and a.connection_id = told.connection_id and a.state = 'done'
        and case when previous then (a.taken_at, a.finished_at, a.id) < (told.taken_at, told.finished_at, told.id)
            else a.id = told.id end
    join audit.document d on d.tenant_id = a.tenant_id and d.audit_id = a.id and d.kind::text = wanted
    where n.tenant_id = tenant and n.id = notice and audit.is_on_its_way(tenant, notice)
    order by a.taken_at desc, a.finished_at desc, a.id desc limit 1
$$;
revoke execute on function audit.notice_document(uuid, uuid, text, boolean) from public;
grant execute on function audit.notice_document(uuid, uuid, text, boolean) to isthmus_worker;

-- What a finance summary is made of: for each org the last audit of each of the twelve months up to its end, in order, as
-- a portfolio shows it; `latest`: the last of all, whose report is asked for, because it has the contract's days.
create function audit.finance_rows(tenant uuid, notice uuid, only_orgs text) returns table (
    alias text, taken_at timestamptz, line text, latest uuid)
language sql stable security definer set search_path = ''
as $$
    with known as (
        select o.alias::text as alias, a.id, a.taken_at,
            row_number() over (partition by o.id, date_trunc('month', a.taken_at at time zone 'UTC')
                order by a.taken_at desc, a.finished_at desc, a.id desc) as in_month,
            row_number() over (partition by o.id order by a.taken_at desc, a.finished_at desc, a.id desc) as of_all
        from audit.notice n
        join audit.audit a on a.tenant_id = n.tenant_id and a.state = 'done' and a.finished_at < n.until
            and a.taken_at > n.until - interval '12 months'
        join orgs.connection c on c.tenant_id = a.tenant_id and c.id = a.connection_id and c.state <> 'revoked'
        join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
        where n.tenant_id = tenant and n.id = notice and audit.is_on_its_way(tenant, notice)
            and (only_orgs = '' or o.alias::text = any (string_to_array(only_orgs, ',')))
    )
    select k.alias, k.taken_at, s.line::text, case when k.of_all = 1 then k.id end
    from known k
    left join audit.summary s on s.tenant_id = tenant and s.audit_id = k.id
    where k.in_month = 1 order by k.alias, k.taken_at limit 1000
$$;
revoke execute on function audit.finance_rows(uuid, uuid, text) from public;
grant execute on function audit.finance_rows(uuid, uuid, text) to isthmus_worker;

-- The report of one audit for a finance summary that is on its way.
create function audit.finance_report(tenant uuid, notice uuid, audit uuid) returns table (content bytea)
language sql stable security definer set search_path = ''
as $$
    select d.content::bytea
    from audit.notice n
    join audit.audit a on a.tenant_id = n.tenant_id and a.id = finance_report.audit and a.finished_at < n.until
    join audit.document d on d.tenant_id = a.tenant_id and d.audit_id = a.id and d.kind = 'report.json'
    where n.tenant_id = tenant and n.id = notice and n.kind = 'finance' and audit.is_on_its_way(tenant, notice)
$$;
revoke execute on function audit.finance_report(uuid, uuid, uuid) from public;
grant execute on function audit.finance_report(uuid, uuid, uuid) to isthmus_worker;
