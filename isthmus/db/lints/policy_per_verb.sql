-- What a serving role may do to a table is limited by a policy for exactly that: USING for rows that it reads or
-- touches, WITH CHECK for rows that it writes (also on update, where PostgreSQL would silently reuse USING).
select format('%s.%s', n.nspname, c.relname) as subject,
    format('%s may %s without a policy that says which rows', r.rolname, verb.name) as fault
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join pg_catalog.pg_roles r
cross join (values ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')) as verb (name, command)
where c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|information_schema$)'
    and r.rolname in ('isthmus_portal', 'isthmus_keeper', 'isthmus_worker')
    and case verb.name when 'DELETE' then has_table_privilege(r.oid, c.oid, 'DELETE')
        else has_any_column_privilege(r.oid, c.oid, verb.name) end
    and not exists (
        select from pg_catalog.pg_policy p
        where p.polrelid = c.oid and p.polcmd::text in (verb.command, '*') and r.oid = any (p.polroles)
            and (verb.name = 'INSERT' or p.polqual is not null)
            and (verb.name in ('SELECT', 'DELETE') or p.polwithcheck is not null))
union all
select format('%s.%s', n.nspname, c.relname), format('%s may %s, which no policy limits', r.rolname, verb.name)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join pg_catalog.pg_roles r
cross join (values ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) as verb (name)
where c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|information_schema$)'
    and r.rolname in ('isthmus_portal', 'isthmus_keeper', 'isthmus_worker')
    and has_table_privilege(r.oid, c.oid, verb.name)
