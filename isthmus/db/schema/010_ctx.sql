-- Who is asking (ctx), what kinds of text exist (words), and what this database is (meta).
-- From here on everything is created, and owned, by isthmus_owner.

create schema ctx;
create schema words;
create schema meta;
grant usage on schema ctx, words, meta to isthmus_portal, isthmus_keeper, isthmus_worker;

-- The two pads of the key that signs tickets. Only the definer function below reads them: no serving role has a
-- privilege here, and the policy admits the owner alone.
create table ctx.pad (
    one boolean primary key default true check (one),
    inner_pad bytea not null,
    outer_pad bytea not null
);
alter table ctx.pad enable row level security;
alter table ctx.pad force row level security;
create policy owner_all on ctx.pad for all to isthmus_owner using (true) with check (true);

-- Verify the ticket of this transaction and return its parts, or null. HMAC-SHA256 is built from sha256() because the
-- embedded server has no pgcrypto. The digest is computed for every text, well formed or not, and digests of digests
-- are compared, so the time taken says nothing about how nearly right a forgery was.
create function ctx.claim() returns text[]
language plpgsql stable parallel restricted security definer set search_path = ''
as $$
declare
    parts text[] := string_to_array(coalesce(current_setting('app.ticket', true), ''), '|');
    pad ctx.pad;
    expected bytea;
begin
    select * into pad from ctx.pad;
    expected := sha256(pad.outer_pad || sha256(pad.inner_pad
        || convert_to(coalesce(array_to_string(parts[1:6], '|'), ''), 'UTF8')));
    if pad.one and cardinality(parts) = 7 and parts[1] = 'v1'
        and sha256(convert_to(encode(expected, 'hex'), 'UTF8')) = sha256(convert_to(parts[7], 'UTF8'))
    then
        if parts[2] = session_user and parts[6]::bigint > extract(epoch from clock_timestamp()) then
            return parts;
        end if;
    end if;
    return null;
end
$$;
revoke execute on function ctx.claim() from public;

create function ctx.tenant() returns uuid
language sql stable parallel restricted security definer set search_path = ''
as 'select (ctx.claim())[3]::pg_catalog.uuid';

create function ctx.member() returns uuid
language sql stable parallel restricted security definer set search_path = ''
as 'select (ctx.claim())[4]::pg_catalog.uuid';

create function ctx.connection() returns uuid
language sql stable parallel restricted security definer set search_path = ''
as 'select (ctx.claim())[5]::pg_catalog.uuid';

revoke execute on function ctx.tenant(), ctx.member(), ctx.connection() from public;
grant execute on function ctx.tenant(), ctx.member(), ctx.connection()
    to isthmus_portal, isthmus_keeper, isthmus_worker;

-- Kinds of text. Domains rather than table checks: a failing table check prints the whole row into the error, a
-- failing domain on a bound parameter prints nothing of it.
create domain words.api_name as text check (value ~ '^[A-Za-z][A-Za-z0-9_]{0,79}$');
create domain words.alias as text check (value ~ '^[a-z0-9][a-z0-9-]{0,39}$');
create domain words.display_name as text check (length(value) between 1 and 200);
create domain words.user_text as text check (length(value) <= 262144);
create domain words.client_id as text check (length(value) between 1 and 512 and value ~ '^[!-~]+$');
create domain words.salesforce_id as text check (value ~ '^[A-Za-z0-9]{18}$');
create domain words.salesforce_username as text check (value ~ '^[^[:space:]@]{1,128}@[^[:space:]@]{1,128}$');
create domain words.scopes as text check (value ~ '^[a-z_]{1,40}( [a-z_]{1,40}){0,40}$');
create domain words.origin as text check (value ~ '^https?://[A-Za-z0-9.:_\[\]-]{1,253}$');
create domain words.purpose as text check (value in ('audit', 'sync'));
create domain words.connection_state as text check (value in ('active', 'needs_reauth', 'revoked'));
create domain words.sha256 as bytea check (length(value) = 32);
-- The magic of an envelope of isthmus/vault/sealed.py: a token in the clear cannot get into such a column.
create domain words.envelope as bytea
    check (length(value) between 46 and 65536 and substring(value from 1 for 5) = '\x4953544801'::bytea);

-- Which schema this is, and of which files it was made. A database of a newer or another Isthmus is refused.
create table meta.schema_version (
    version integer primary key,
    fingerprint text not null default '',
    applied_at timestamptz not null default now()
);
alter table meta.schema_version enable row level security;
alter table meta.schema_version force row level security;
create policy owner_all on meta.schema_version for all to isthmus_owner using (true) with check (true);
create policy serving_select on meta.schema_version for select
    to isthmus_portal, isthmus_keeper, isthmus_worker using (true);
grant select on meta.schema_version to isthmus_portal, isthmus_keeper, isthmus_worker;

-- A known text sealed under the key-encryption key: a keeper with another key notices at its start.
create table meta.vault_canary (
    one boolean primary key default true check (one),
    sealed words.envelope not null,
    sealed_at timestamptz not null default now()
);
alter table meta.vault_canary enable row level security;
alter table meta.vault_canary force row level security;
create policy owner_all on meta.vault_canary for all to isthmus_owner using (true) with check (true);
create policy keeper_select on meta.vault_canary for select to isthmus_keeper using (true);
create policy keeper_update on meta.vault_canary for update to isthmus_keeper using (true) with check (true);
grant select, update (sealed, sealed_at) on meta.vault_canary to isthmus_keeper;
