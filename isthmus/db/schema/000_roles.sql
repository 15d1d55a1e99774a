-- Roles. One login role per kind of process, none of which owns anything; one owner that can never log in.
-- Run by the account that may create roles (the embedded superuser, or the owner named in ISTHMUS_DATABASE_URL),
-- again at every start: each statement may be repeated. Passwords are set by db/migrate.py, never here.

do $roles$
declare
    name text;
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'isthmus_owner') then
        create role isthmus_owner nologin noinherit;
    end if;
    -- noinherit: the migrating role has the owner's rights only after an explicit SET ROLE.
    foreach name in array array['isthmus_migrate', 'isthmus_portal', 'isthmus_keeper', 'isthmus_worker'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = name) then
            execute format('create role %I login noinherit nosuperuser nocreatedb nocreaterole', name);
        end if;
    end loop;
end
$roles$;

grant isthmus_owner to isthmus_migrate;
alter role isthmus_migrate set search_path = '';
alter role isthmus_keeper set search_path = '';
-- The queue's own statements are unqualified; every other name in the product is written with its schema.
alter role isthmus_portal set search_path = jobs;
alter role isthmus_worker set search_path = jobs;

-- The database: nobody but the four may connect, and nobody may make temporary tables (they reach the disk unasked).
do $database$
begin
    execute format('revoke all on database %I from public', current_database());
    execute format(
        'grant connect on database %I to isthmus_migrate, isthmus_portal, isthmus_keeper, isthmus_worker',
        current_database());
    execute format('grant create on database %I to isthmus_owner', current_database());
end
$database$;
revoke all on schema public from public;

-- Other ways of storing a value without any table privilege (large objects, WAL messages, procedural code) are closed,
-- and the server's log is told nothing of a failing statement. On a managed server the account may lack the right to;
-- the catalogue gate then names what the server's operator has to do.
do $hardening$
declare
    closed record;
    name text;
    setting text;
begin
    for closed in
        select p.oid::regprocedure as signature
        from pg_catalog.pg_proc p
        where p.pronamespace = 'pg_catalog'::regnamespace
          and (p.proname like 'lo\_%' or p.proname in ('lowrite', 'loread', 'pg_logical_emit_message', 'pg_notify'))
    loop
        execute format('revoke execute on function %s from public', closed.signature);
    end loop;
    revoke usage on language plpgsql from public;
    revoke usage on language sql from public;
    foreach name in array array['isthmus_migrate', 'isthmus_portal', 'isthmus_keeper', 'isthmus_worker'] loop
        foreach setting in array array[
            'log_min_messages = fatal', 'log_min_error_statement = panic', 'log_statement = none',
            'log_parameter_max_length = 0', 'log_parameter_max_length_on_error = 0'
        ] loop
            execute format('alter role %I set %s', name, setting);
        end loop;
    end loop;
exception when insufficient_privilege then
    null;
end
$hardening$;

grant usage on language plpgsql, sql to isthmus_owner;
-- Two triggers of the queue notify with the rights of whoever enqueues.
grant execute on function pg_catalog.pg_notify(text, text) to isthmus_portal, isthmus_worker;
