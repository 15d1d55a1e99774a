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
