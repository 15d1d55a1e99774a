-- The tenant of a row comes from the ticket, by default; nobody who serves may write the column.
select format('%s.%s', n.nspname, c.relname) as subject, format('%s may write tenant_id', r.rolname) as fault
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join pg_catalog.pg_roles r
where a.attname = 'tenant_id' and c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|information_schema$)'
    and r.rolname in ('isthmus_portal', 'isthmus_keeper', 'isthmus_worker')
    and (has_column_privilege(r.oid, c.oid, a.attnum, 'INSERT') or has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE'))
