-- A role can store values without any table: temporary tables, new objects, large objects, WAL messages, code. Closed.
select r.rolname as subject, 'may make temporary tables or schemas' as fault
from pg_catalog.pg_roles r
where r.rolname in ('isthmus_portal', 'isthmus_keeper', 'isthmus_worker')
    and (has_database_privilege(r.oid, current_database(), 'TEMPORARY')
        or has_database_privilege(r.oid, current_database(), 'CREATE'))
union all
select r.rolname, format('may create objects in schema %s', n.nspname)
from pg_catalog.pg_roles r cross join pg_catalog.pg_namespace n
where r.rolname in ('isthmus_portal', 'isthmus_keeper', 'isthmus_worker')
    and n.nspname !~ '^pg_(toast|temp)' and has_schema_privilege(r.oid, n.oid, 'CREATE')
union all
select r.rolname, format('may call %s', p.oid::regprocedure)
from pg_catalog.pg_roles r cross join pg_catalog.pg_proc p
where r.rolname in ('isthmus_portal', 'isthmus_keeper', 'isthmus_worker')
    and p.pronamespace = 'pg_catalog'::regnamespace
    and (p.proname like 'lo\_%' or p.proname in ('lowrite', 'loread', 'pg_logical_emit_message')
        or (p.proname = 'pg_notify' and r.rolname = 'isthmus_keeper'))
    and has_function_privilege(r.oid, p.oid, 'EXECUTE')
union all
select r.rolname, format('may write code in %s', l.lanname)
from pg_catalog.pg_roles r cross join pg_catalog.pg_language l
where r.rolname in ('isthmus_portal', 'isthmus_keeper', 'isthmus_worker') and l.lanpltrusted
    and has_language_privilege(r.oid, l.oid, 'USAGE')
