-- The job queue. Its tables and functions are procrastinate's own (db/migrate.py puts them into schema jobs just before
-- this file); here they get the same treatment as ours: forced policies, narrow grants, and domains that admit ids only.

grant usage on schema jobs to isthmus_portal, isthmus_worker;

-- A job says which subject of which tenant. Nothing else can be written down.
create domain jobs.ids_only as jsonb not null check (coalesce(
    value - 'tenant_id' - 'subject_id' = '{}'::jsonb
        and value ->> 'tenant_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        and value ->> 'subject_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', false));
create domain jobs.lock_id as text check (value ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$');
create domain jobs.task_name as varchar(128)
    check (value in ('run_sync', 'run_audit', 'read_schema', 'activate_sync', 'look'));
create domain jobs.queue_name as varchar(128) check (value = 'default');

alter table jobs.procrastinate_jobs
    alter column args drop default,
    alter column args type jobs.ids_only,
    alter column lock type jobs.lock_id,
    alter column queueing_lock type jobs.lock_id,
    alter column task_name type jobs.task_name,
    alter column queue_name type jobs.queue_name;
alter table jobs.procrastinate_periodic_defers
    alter column task_name type jobs.task_name,
    add constraint periodic_id_unused check (periodic_id = '');

-- Every function of the queue works in its own schema, whatever the caller's search path is.
do $fixed$
declare
    queue_function regprocedure;
begin
    for queue_function in select oid from pg_catalog.pg_proc where pronamespace = 'jobs'::regnamespace loop
        execute format('alter function %s set search_path = jobs, pg_temp', queue_function);
        execute format('revoke execute on function %s from public', queue_function);
        execute format('grant execute on function %s to isthmus_worker', queue_function);
    end loop;
end
$fixed$;
grant execute on function jobs.procrastinate_defer_jobs_v1(jobs.procrastinate_job_to_defer_v1[]) to isthmus_portal;

-- Jobs: the worker works on all of them, the portal queues and sees those of its tenant.
alter table jobs.procrastinate_jobs enable row level security;
alter table jobs.procrastinate_jobs force row level security;
create policy owner_select on jobs.procrastinate_jobs for select to isthmus_owner using (true);
create policy worker_all on jobs.procrastinate_jobs for all to isthmus_worker using (true) with check (true);
create policy own_select on jobs.procrastinate_jobs for select to isthmus_portal
    using (args ->> 'tenant_id' = (select ctx.tenant())::text);
create policy own_insert on jobs.procrastinate_jobs for insert to isthmus_portal
    with check (args ->> 'tenant_id' = (select ctx.tenant())::text);
grant select, insert, update, delete on jobs.procrastinate_jobs to isthmus_worker;
grant select, insert (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
    on jobs.procrastinate_jobs to isthmus_portal;

-- Events of jobs: written by the queue's triggers with the rights of whoever queues.
alter table jobs.procrastinate_events enable row level security;
alter table jobs.procrastinate_events force row level security;
-- A worker that goes away lets go of its jobs by a foreign key, whose action, and the trigger behind it, run as the owner.
create policy owner_insert on jobs.procrastinate_events for insert to isthmus_owner with check (true);
create policy worker_all on jobs.procrastinate_events for all to isthmus_worker using (true) with check (true);
create policy own_insert on jobs.procrastinate_events for insert to isthmus_portal
    with check (exists (
        select from jobs.procrastinate_jobs j
        where j.id = job_id and j.args ->> 'tenant_id' = (select ctx.tenant())::text));
grant select, insert, update, delete on jobs.procrastinate_events to isthmus_worker;
grant insert (job_id, type, at) on jobs.procrastinate_events to isthmus_portal;

-- Ticks that were queued already, so that several workers queue each once.
alter table jobs.procrastinate_periodic_defers enable row level security;
alter table jobs.procrastinate_periodic_defers force row level security;
create policy worker_all on jobs.procrastinate_periodic_defers for all to isthmus_worker using (true) with check (true);
grant select, insert, update, delete on jobs.procrastinate_periodic_defers to isthmus_worker;

-- Workers and when they were last heard of; the trust page counts them.
alter table jobs.procrastinate_workers enable row level security;
alter table jobs.procrastinate_workers force row level security;
create policy worker_all on jobs.procrastinate_workers for all to isthmus_worker using (true) with check (true);
create policy portal_select on jobs.procrastinate_workers for select to isthmus_portal using (true);
grant select, insert, update, delete on jobs.procrastinate_workers to isthmus_worker;
grant select on jobs.procrastinate_workers to isthmus_portal;

grant usage on all sequences in schema jobs to isthmus_worker;
grant usage on sequence jobs.procrastinate_jobs_id_seq, jobs.procrastinate_events_id_seq to isthmus_portal;
