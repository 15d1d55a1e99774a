-- Tenants, their members, and how these sign in. No password exists anywhere.

create schema accounts;
grant usage on schema accounts to isthmus_portal, isthmus_keeper;

-- An account of Isthmus. Made at first start by the migrating role; nobody who serves can make one.
create table accounts.tenant (
    tenant_id uuid primary key default gen_random_uuid(),
    name words.display_name not null,
    created_at timestamptz not null default now()
);
alter table accounts.tenant enable row level security;
alter table accounts.tenant force row level security;
create policy owner_all on accounts.tenant for all to isthmus_owner using (true) with check (true);
create policy own_select on accounts.tenant for select to isthmus_portal, isthmus_keeper
    using (tenant_id = (select ctx.tenant()));
grant select on accounts.tenant to isthmus_portal, isthmus_keeper;

-- A person in a tenant.
create table accounts.member (
    tenant_id uuid not null default ctx.tenant() references accounts.tenant on delete cascade,
    id uuid not null default gen_random_uuid(),
    name words.display_name not null,
    is_owner boolean not null default false,
    created_at timestamptz not null default now(),
    primary key (tenant_id, id)
);
alter table accounts.member enable row level security;
alter table accounts.member force row level security;
create policy owner_all on accounts.member for all to isthmus_owner using (true) with check (true);
create policy own_select on accounts.member for select to isthmus_portal, isthmus_keeper
    using (tenant_id = (select ctx.tenant()));
grant select on accounts.member to isthmus_portal, isthmus_keeper;

-- A browser that has signed in: the hash of its token, never the token. Portal may show and end sessions of its tenant,
-- but neither read a hash nor make a session other than by redeeming a link.
create table accounts.session (
    tenant_id uuid not null default ctx.tenant(),
    id uuid not null default gen_random_uuid(),
    member_id uuid not null,
    token_hash words.sha256 not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    ended_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, member_id) references accounts.member on delete cascade
);
create index session_token_hash on accounts.session (token_hash);
alter table accounts.session enable row level security;
alter table accounts.session force row level security;
create policy owner_all on accounts.session for all to isthmus_owner using (true) with check (true);
create policy own_select on accounts.session for select to isthmus_portal
    using (tenant_id = (select ctx.tenant()));
create policy own_update on accounts.session for update to isthmus_portal
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select (tenant_id, id, member_id, created_at, expires_at, ended_at), update (ended_at)
    on accounts.session to isthmus_portal;

-- A link that signs its holder in once.
create table accounts.sign_in_link (
    tenant_id uuid not null default ctx.tenant(),
    id uuid not null default gen_random_uuid(),
    member_id uuid not null,
    token_hash words.sha256 not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, member_id) references accounts.member on delete cascade
);
create index sign_in_link_token_hash on accounts.sign_in_link (token_hash);
alter table accounts.sign_in_link enable row level security;
alter table accounts.sign_in_link force row level security;
create policy owner_all on accounts.sign_in_link for all to isthmus_owner using (true) with check (true);
create policy own_select on accounts.sign_in_link for select to isthmus_portal
    using (tenant_id = (select ctx.tenant()));
create policy own_insert on accounts.sign_in_link for insert to isthmus_portal
    with check (tenant_id = (select ctx.tenant()));
create policy own_update on accounts.sign_in_link for update to isthmus_portal
    using (tenant_id = (select ctx.tenant())) with check (tenant_id = (select ctx.tenant()));
grant select (tenant_id, id, member_id, created_at, expires_at, used_at), insert (member_id, token_hash, expires_at),
    update (used_at) on accounts.sign_in_link to isthmus_portal;

-- Turn a link into a session. Takes the link's token itself, not its hash: whoever could read hashes could not use
-- them. One statement marks the link used, so of fifty callers one succeeds.
create function accounts.redeem_link(link bytea, session_hash bytea) returns table (member_id uuid)
language sql volatile security definer set search_path = ''
as $$
    with used as (
        update accounts.sign_in_link l set used_at = now()
        where l.token_hash = sha256(link) and l.used_at is null and l.expires_at > now()
        returning l.tenant_id, l.member_id
    )
    insert into accounts.session (tenant_id, member_id, token_hash, expires_at)
    select used.tenant_id, used.member_id, session_hash, now() + interval '12 hours' from used
    returning member_id
$$;
revoke execute on function accounts.redeem_link(bytea, bytea) from public;
grant execute on function accounts.redeem_link(bytea, bytea) to isthmus_portal;

-- Whose session it is. Only keeper may ask: it signs the ticket.
create function accounts.session_owner(session bytea)
returns table (tenant_id uuid, member_id uuid, expires_at timestamptz)
language sql stable security definer set search_path = ''
as $$
    select s.tenant_id, s.member_id, s.expires_at from accounts.session s
    where s.token_hash = sha256(session) and s.ended_at is null and s.expires_at > now()
$$;
revoke execute on function accounts.session_owner(bytea) from public;
grant execute on function accounts.session_owner(bytea) to isthmus_keeper;

-- The operator's tenant, by name or id; where none is named, the only one there is.
create function accounts.operator_of(wanted text) returns table (tenant_id uuid, member_id uuid)
language sql stable security definer set search_path = ''
as $$
    select t.tenant_id, m.id from accounts.tenant t
    join accounts.member m on m.tenant_id = t.tenant_id and m.is_owner
    where case when wanted is null then (select count(*) from accounts.tenant) = 1
               else t.name = wanted or t.tenant_id::text = wanted end
    order by m.created_at, m.id
    limit 1
$$;
revoke execute on function accounts.operator_of(text) from public;
grant execute on function accounts.operator_of(text) to isthmus_keeper;

-- End the session of the browser that signs out. Takes the token itself, which only that browser has.
create function accounts.end_session(session bytea) returns table (member_id uuid)
language sql volatile security definer set search_path = ''
as $$
    update accounts.session s set ended_at = now()
    where s.token_hash = sha256(session) and s.ended_at is null
    returning s.member_id
$$;
revoke execute on function accounts.end_session(bytea) from public;
grant execute on function accounts.end_session(bytea) to isthmus_portal;
