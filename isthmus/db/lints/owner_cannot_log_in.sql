-- Everything belongs to one role, and nobody can be that role without being told to.
select format('%s.%s', n.nspname, c.relname) as subject, format('belongs to %s', r.rolname) as fault
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_roles r on r.oid = c.relowner
where n.nspname !~ '^(pg_|information_schema$)' and r.rolname <> 'isthmus_owner'
union all
select p.oid::regprocedure::text, format('belongs to %s', r.rolname)
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_roles r on r.oid = p.proowner
where n.nspname !~ '^(pg_|information_schema$)' and r.rolname <> 'isthmus_owner'
union all
select r.rolname, 'the owner of the tables can log in' from pg_catalog.pg_roles r
where r.rolname = 'isthmus_owner' and r.rolcanlogin
