-- Connected orgs, the grants for them, and the sealed credentials that only keeper can read.

create schema orgs;
grant usage on schema orgs to isthmus_portal, isthmus_keeper, isthmus_worker;

-- A Salesforce org, bound by its own id at the first connection: whoever connects again must come back as this org.
create table orgs.org (
    tenant_id uuid not null default ctx.tenant() references accounts.tenant on delete cascade,
    id uuid not null default gen_random_uuid(),
    alias words.alias not null,
    salesforce_org_id words.salesforce_id not null,
    instance_origin words.origin not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, alias),
    unique (tenant_id, salesforce_org_id)
);
alter table orgs.org enable row level security;
alter table orgs.org force row level security;
create policy own_select on orgs.org for select to isthmus_portal, isthmus_keeper, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on orgs.org for insert to isthmus_keeper
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on orgs.org for update to isthmus_keeper
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select on orgs.org to isthmus_portal, isthmus_keeper, isthmus_worker;
grant insert (id, alias, salesforce_org_id, instance_origin), update (instance_origin) on orgs.org to isthmus_keeper;

-- Org + purpose + grant. One per org and purpose, for ever: renewing a grant raises its epoch, revoking it too, and a
-- lease of an older epoch is worth nothing. `rotates`: whether the app's last refresh brought a new refresh token; null
-- before the first one.
create table orgs.connection (
    tenant_id uuid not null default ctx.tenant(),
    id uuid not null default gen_random_uuid(),
    org_id uuid not null,
    purpose words.purpose not null,
    state words.connection_state not null,
    epoch bigint not null default 1,
    login_origin words.origin not null,
    client_id words.client_id not null,
    salesforce_user_id words.salesforce_id not null,
    username words.salesforce_username not null,
    scopes words.scopes not null,
    rotates boolean,
    connected_at timestamptz not null default now(),
    refreshed_at timestamptz,
    revoked_at timestamptz,
    revoke_confirmed_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, org_id, purpose),
    foreign key (tenant_id, org_id) references orgs.org on delete cascade
);
alter table orgs.connection enable row level security;
alter table orgs.connection force row level security;
create policy owner_select on orgs.connection for select to isthmus_owner using (true);
create policy own_select on orgs.connection for select to isthmus_portal, isthmus_keeper, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on orgs.connection for insert to isthmus_keeper
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on orgs.connection for update to isthmus_keeper
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select on orgs.connection to isthmus_portal, isthmus_keeper, isthmus_worker;
grant insert (id, org_id, purpose, state, login_origin, client_id, salesforce_user_id, username, scopes),
    update (state, epoch, login_origin, client_id, salesforce_user_id, username, scopes, rotates, connected_at,
            refreshed_at, revoked_at, revoke_confirmed_at)
    on orgs.connection to isthmus_keeper;

-- The sealed tokens of one connection, all under one generation. Keeper sees the row of the connection that its own
-- ticket names and no other, so even injected SQL inside keeper reads one row.
create table orgs.credential (
    tenant_id uuid not null default ctx.tenant(),
    connection_id uuid not null default ctx.connection(),
    generation bigint not null,
    wrapped_key words.envelope not null,
    refresh_token words.envelope not null,
    access_token words.envelope not null,
    client_secret words.envelope,
    updated_at timestamptz not null default now(),
    primary key (tenant_id, connection_id),
    foreign key (tenant_id, connection_id) references orgs.connection on delete cascade
);
alter table orgs.credential enable row level security;
alter table orgs.credential force row level security;
create policy owner_select on orgs.credential for select to isthmus_owner using (true);
create policy one_select on orgs.credential for select to isthmus_keeper
    using (tenant_id = (select ctx.tenant()) and connection_id = (select ctx.connection()));
create policy one_insert on orgs.credential for insert to isthmus_keeper
    with check (tenant_id = (select ctx.tenant()) and connection_id = (select ctx.connection()));
create policy one_update on orgs.credential for update to isthmus_keeper
    using (tenant_id = (select ctx.tenant()) and connection_id = (select ctx.connection()))
    with check (tenant_id = (select ctx.tenant()) and connection_id = (select ctx.connection()));
create policy one_delete on orgs.credential for delete to isthmus_keeper
    using (tenant_id = (select ctx.tenant()) and connection_id = (select ctx.connection()));
grant select, delete, insert (generation, wrapped_key, refresh_token, access_token, client_secret),
    update (generation, wrapped_key, refresh_token, access_token, client_secret, updated_at)
    on orgs.credential to isthmus_keeper;

-- An older ciphertext cannot be put back: new tokens need a higher generation, and the generation never falls.
create function orgs.generation_rises() returns trigger
language plpgsql set search_path = ''
as $$
begin
    if new.generation < old.generation
        or (new.generation = old.generation
            and (new.refresh_token, new.access_token, new.client_secret)
                is distinct from (old.refresh_token, old.access_token, old.client_secret))
    then
        raise exception using errcode = 'integrity_constraint_violation', constraint = 'generation_rises',
            message = 'the generation of a credential must rise';
    end if;
    return new;
end
$$;
revoke execute on function orgs.generation_rises() from public;
create trigger generation_rises before update on orgs.credential
    for each row execute function orgs.generation_rises();

-- A refresh that was begun: written in a transaction of its own before Salesforce is asked, so that after a crash it is
-- known that the token may have been used. Exactly one replay is made, or as many as it takes where no token rotates.
create table orgs.refresh_attempt (
    tenant_id uuid not null default ctx.tenant(),
    connection_id uuid not null default ctx.connection(),
    generation bigint not null,
    attempts integer not null default 1,
    started_at timestamptz not null default now(),
    primary key (tenant_id, connection_id),
    foreign key (tenant_id, connection_id) references orgs.connection on delete cascade
);
alter table orgs.refresh_attempt enable row level security;
alter table orgs.refresh_attempt force row level security;
create policy one_select on orgs.refresh_attempt for select to isthmus_keeper
    using (tenant_id = (select ctx.tenant()) and connection_id = (select ctx.connection()));
create policy one_insert on orgs.refresh_attempt for insert to isthmus_keeper
    with check (tenant_id = (select ctx.tenant()) and connection_id = (select ctx.connection()));
create policy one_update on orgs.refresh_attempt for update to isthmus_keeper
    using (tenant_id = (select ctx.tenant()) and connection_id = (select ctx.connection()))
    with check (tenant_id = (select ctx.tenant()) and connection_id = (select ctx.connection()));
create policy one_delete on orgs.refresh_attempt for delete to isthmus_keeper
    using (tenant_id = (select ctx.tenant()) and connection_id = (select ctx.connection()));
grant select, delete, insert (generation), update (generation, attempts, started_at)
    on orgs.refresh_attempt to isthmus_keeper;

-- A question put to Salesforce's login page. Found again by the hash of its state, used once, ten minutes long.
create table orgs.authorization_request (
    tenant_id uuid not null default ctx.tenant() references accounts.tenant on delete cascade,
    id uuid not null default gen_random_uuid(),
    member_id uuid not null default ctx.member(),
    state_hash words.sha256 not null,
    binding_hash words.sha256 not null,
    alias words.alias not null,
    purpose words.purpose not null,
    login_origin words.origin not null,
    client_id words.client_id not null,
    org_id uuid,
    wrapped_key words.envelope not null,
    verifier words.envelope not null,
    client_secret words.envelope,
    expires_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, state_hash),
    foreign key (tenant_id, member_id) references accounts.member on delete cascade,
    foreign key (tenant_id, org_id) references orgs.org on delete cascade
);
alter table orgs.authorization_request enable row level security;
alter table orgs.authorization_request force row level security;
create policy own_select on orgs.authorization_request for select to isthmus_keeper
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on orgs.authorization_request for insert to isthmus_keeper
    with check (tenant_id = (select ctx.tenant()) and member_id = (select ctx.member()));
create policy own_delete on orgs.authorization_request for delete to isthmus_keeper
    using (tenant_id = (select ctx.tenant()));
grant select, delete, insert (id, state_hash, binding_hash, alias, purpose, login_origin, client_id, org_id,
    wrapped_key, verifier, client_secret, expires_at) on orgs.authorization_request to isthmus_keeper;

-- What an org says of its objects (describes: names and types, no record). Written by worker, read for plans.
create table orgs.object_schema (
    tenant_id uuid not null default ctx.tenant(),
    org_id uuid not null,
    object_name words.api_name not null,
    describe bytea not null,
    read_at timestamptz not null default now(),
    primary key (tenant_id, org_id, object_name),
    foreign key (tenant_id, org_id) references orgs.org on delete cascade
);
alter table orgs.object_schema enable row level security;
alter table orgs.object_schema force row level security;
create policy own_select on orgs.object_schema for select to isthmus_portal, isthmus_worker
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on orgs.object_schema for insert to isthmus_worker
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on orgs.object_schema for update to isthmus_worker
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
create policy own_delete on orgs.object_schema for delete to isthmus_worker
    using (tenant_id = (select ctx.tenant()));
grant select on orgs.object_schema to isthmus_portal;
grant select, delete, insert (org_id, object_name, describe, read_at), update (describe, read_at)
    on orgs.object_schema to isthmus_worker;

-- Grants whose return Salesforce has not confirmed yet: keeper goes on trying after a restart. Ids only.
create function orgs.revocations_pending() returns table (tenant_id uuid, connection_id uuid)
language sql stable security definer set search_path = ''
as $$
    select c.tenant_id, c.id from orgs.connection c
    where c.state = 'revoked' and c.revoke_confirmed_at is null
$$;
revoke execute on function orgs.revocations_pending() from public;
grant execute on function orgs.revocations_pending() to isthmus_keeper;

-- Every sealed credential by id, for rewrapping under a new key. Ids only; each row is then opened by its own ticket.
create function orgs.credentials_sealed() returns table (tenant_id uuid, connection_id uuid)
language sql stable security definer set search_path = ''
as 'select c.tenant_id, c.connection_id from orgs.credential c';
revoke execute on function orgs.credentials_sealed() from public;
grant execute on function orgs.credentials_sealed() to isthmus_keeper;

-- Whose connection it is, for a worker that reads an org's schema. An active connection only.
create function orgs.connection_subject(connection uuid) returns table (tenant_id uuid, connections uuid[])
language sql stable security definer set search_path = ''
as $$
    select c.tenant_id, array[c.id] from orgs.connection c where c.id = connection and c.state = 'active'
$$;
revoke execute on function orgs.connection_subject(uuid) from public;
grant execute on function orgs.connection_subject(uuid) to isthmus_keeper;
