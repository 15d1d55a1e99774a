-- No column of a sync table that worker may write can hold a text: fixed width only, through domains too. So a record's
-- value has no place to be in.
select format('%s.%s.%s', n.nspname, c.relname, a.attname) as subject,
    format('worker may write a column of type %s', format_type(a.atttypid, a.atttypmod)) as fault
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'sync' and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped and a.attlen = -1
    and (has_column_privilege('isthmus_worker', c.oid, a.attnum, 'INSERT')
        or has_column_privilege('isthmus_worker', c.oid, a.attnum, 'UPDATE'))
