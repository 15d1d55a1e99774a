-- Close runs that no job works on any more: the queue gives a job up after ten tries, and a run that stays open would hold
-- up every later one of its sync. Reason 13: the process that moved the records was ended. Failed rows and checkpoints are
-- kept by window, so the next run goes on from there.
create policy owner_update on sync.run for update to isthmus_owner using (true) with check (true);
create function sync.end_forsaken() returns table (run_id uuid)
language sql volatile security definer set search_path = ''
as $$
    update sync.run r set state = 'failed', end_reason = 13, ended_at = now()
    where r.state in ('queued', 'running') and r.requested_at < now() - interval '1 minute' and not exists (
        select from jobs.procrastinate_jobs j
        where j.args ->> 'subject_id' = r.id::text and j.status in ('todo', 'doing'))
    returning r.id
$$;
revoke execute on function sync.end_forsaken() from public;
grant execute on function sync.end_forsaken() to isthmus_worker;

-- End audits that no job works on any more (the queue gives a job up after ten tries): one that stays open would hold up
-- every later one of its connection. One that waits for API calls has no job meanwhile; it ends with its connection.
create function audit.end_forsaken() returns table (
    tenant_id uuid, connection_id uuid, audit_id uuid, scheduled boolean, failed_in_row smallint, failure text)
language sql volatile security definer set search_path = ''
as $$
    with ended as (
        update audit.audit a set state = 'failed', finished_at = now(), continues_at = null,
            failure = (case when a.continues_at is null then 'worker_stopped' else 'lease_lost' end)::audit.failure
        where a.state in ('queued', 'reading', 'reporting') and a.requested_at < now() - interval '1 minute'
            and not exists (
                select from jobs.procrastinate_jobs j
                where j.args ->> 'subject_id' = a.id::text and j.status in ('todo', 'doing'))
            and (a.continues_at is null or exists (
                select from orgs.connection c
                where c.tenant_id = a.tenant_id and c.id = a.connection_id and c.state = 'revoked'))
        returning a.tenant_id, a.connection_id, a.id, a.scheduled, a.failure
    )
    select e.tenant_id, e.connection_id, e.id, e.scheduled, coalesce(s.failed_in_row, 0::smallint), e.failure::text
    from ended e
    left join audit.schedule s on s.tenant_id = e.tenant_id and s.connection_id = e.connection_id
$$;
revoke execute on function audit.end_forsaken() from public;
grant execute on function audit.end_forsaken() to isthmus_worker;
