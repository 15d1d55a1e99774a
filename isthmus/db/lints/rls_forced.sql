-- Every table of every schema has row-level security enabled and forced, so that even its owner is bound by policies.
select format('%s.%s', n.nspname, c.relname) as subject,
    'row-level security is not enabled and forced' as fault
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|information_schema$)'
    and not (c.relrowsecurity and c.relforcerowsecurity)
