-- A policy of a serving role on a table of tenants compares with the verified ticket, in USING and in WITH CHECK; no
-- policy is for everybody; and a table without a tenant is one of the few that belong to the installation.
select format('%s.%s', n.nspname, c.relname) as subject,
    format('policy %s does not compare with ctx.tenant()', p.polname) as fault
from pg_catalog.pg_policy p
join pg_catalog.pg_class c on c.oid = p.polrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where exists (select from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
    and exists (select from pg_catalog.pg_roles r
        where r.oid = any (p.polroles) and r.rolname in ('isthmus_portal', 'isthmus_keeper', 'isthmus_worker'))
    and (coalesce(pg_get_expr(p.polqual, p.polrelid), 'ctx.tenant()') !~ 'ctx\.tenant\(\)'
        or coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'ctx.tenant()') !~ 'ctx\.tenant\(\)')
union all
select format('%s.%s', n.nspname, c.relname), format('policy %s is for every role', p.polname)
from pg_catalog.pg_policy p
join pg_catalog.pg_class c on c.oid = p.polrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where 0 = any (p.polroles)
union all
select format('%s.%s', n.nspname, c.relname), 'the table has no tenant_id and is not one of the installation''s own'
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|information_schema$)'
    and not exists (select from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
    and format('%s.%s', n.nspname, c.relname) not in (
        'ctx.pad', 'meta.schema_version', 'meta.vault_canary', 'trust.attestation',
        'jobs.procrastinate_jobs', 'jobs.procrastinate_events', 'jobs.procrastinate_workers',
        'jobs.procrastinate_periodic_defers')
