-- A function with its owner's rights has an empty search path; no function of ours is for everybody.
select p.oid::regprocedure::text as subject, 'runs with its owner''s rights without an empty search path' as fault
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname !~ '^(pg_|information_schema$)' and p.prosecdef
    and not ('search_path=""' = any (coalesce(p.proconfig, '{}')))
union all
select p.oid::regprocedure::text, 'may be called by everybody'
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname !~ '^(pg_|information_schema$)'
    and exists (
        select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        where a.grantee = 0 and a.privilege_type = 'EXECUTE')
