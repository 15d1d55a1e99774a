-- Foreign-key checks ignore policies, and a unique key reveals what exists: so both carry the tenant.
select format('%s.%s', n.nspname, c.relname) as subject,
    format('foreign key %s does not carry the tenant', k.conname) as fault
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f'
    and exists (select from pg_catalog.pg_attribute a where a.attrelid = k.confrelid and a.attname = 'tenant_id')
    and not exists (
        select from unnest(k.conkey, k.confkey) as pair (mine, theirs)
        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = pair.mine
        join pg_catalog.pg_attribute b on b.attrelid = k.confrelid and b.attnum = pair.theirs
        where a.attname = 'tenant_id' and b.attname = 'tenant_id')
union all
select format('%s.%s', n.nspname, c.relname), format('unique key %s does not carry the tenant', i.indexrelid::regclass)
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where i.indisunique and n.nspname !~ '^(pg_|information_schema$)'
    and exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')
    and not exists (
        select from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnum = any (i.indkey::int2[]))
