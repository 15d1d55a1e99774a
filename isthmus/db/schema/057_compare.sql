-- Objects whose describes a person asked for without saving a sync: comparing two orgs. Written by portal, read by worker.
create table sync.asked_object (
    tenant_id uuid not null default ctx.tenant(),
    connection_id uuid not null,
    object_name words.api_name not null,
    primary key (tenant_id, connection_id, object_name),
    foreign key (tenant_id, connection_id) references orgs.connection on delete cascade
);
alter table sync.asked_object enable row level security;
alter table sync.asked_object force row level security;
create policy own_select on sync.asked_object for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on sync.asked_object for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
grant select, insert (connection_id, object_name)
    on sync.asked_object to isthmus_portal;
grant select
    on sync.asked_object to isthmus_worker;

-- Which objects an org has that can hold records of a sync: names, as its list gives them. Written by worker.
create table orgs.object_list (
    tenant_id uuid not null default ctx.tenant(),
    org_id uuid not null,
    names bytea not null,
    read_at timestamptz not null default now(),
    primary key (tenant_id, org_id),
    foreign key (tenant_id, org_id) references orgs.org on delete cascade
);
alter table orgs.object_list enable row level security;
alter table orgs.object_list force row level security;
create policy own_select on orgs.object_list for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on orgs.object_list for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on orgs.object_list for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select
    on orgs.object_list to isthmus_portal;
grant select, insert (org_id, names, read_at), update (names, read_at)
    on orgs.object_list to isthmus_worker;
