-- What the processes report of their own confinement, as numbers: the trust page reads it, promises are judged by it.

create schema trust;
grant usage on schema trust to isthmus_portal, isthmus_worker;

-- One row per mover that was started: what its own probe found (isthmus/sandbox/report.py has the meanings). Belongs to
-- the installation, not to a tenant, and holds numbers only.
create table trust.attestation (
    id bigint primary key generated always as identity,
    reported_at timestamptz not null default now(),
    confined boolean not null,
    landlock_abi integer not null,
    seccomp_mode integer not null,
    no_new_privs integer not null,
    dumpable integer not null,
    memory_locked boolean not null,
    core_limit bigint not null,
    file_size_limit bigint not null,
    processes_limit bigint not null,
    threads integer not null,
    descriptors integer not null,
    swap_kb bigint not null,
    tried bigint not null,
    refused bigint not null
);
alter table trust.attestation enable row level security;
alter table trust.attestation force row level security;
create policy anyone_select on trust.attestation for select to isthmus_portal, isthmus_worker using (true);
create policy worker_insert on trust.attestation for insert to isthmus_worker with check (true);
grant select on trust.attestation to isthmus_portal, isthmus_worker;
grant insert (confined, landlock_abi, seccomp_mode, no_new_privs, dumpable, memory_locked, core_limit,
    file_size_limit, processes_limit, threads, descriptors, swap_kb, tried, refused) on trust.attestation to isthmus_worker;
