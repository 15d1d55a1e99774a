-- A view shows what its caller may see, not what its owner may; a materialised view would show everything.
select format('%s.%s', n.nspname, c.relname) as subject, 'is a view without security_invoker' as fault
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'v' and n.nspname !~ '^(pg_|information_schema$)'
    and not (coalesce(c.reloptions, '{}') && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1'])
union all
select format('%s.%s', n.nspname, c.relname), 'is a materialised view, which no policy limits'
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'm' and n.nspname !~ '^(pg_|information_schema$)'
