-- No role of ours stands above the policies, and no serving role is a member of anything.
select r.rolname as subject, 'may bypass policies, or make roles, databases or replicas' as fault
from pg_catalog.pg_roles r
where r.rolname like 'isthmus\_%'
    and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
union all
select m.rolname, format('is a member of %s', g.rolname)
from pg_catalog.pg_auth_members am
join pg_catalog.pg_roles m on m.oid = am.member
join pg_catalog.pg_roles g on g.oid = am.roleid
where m.rolname in ('isthmus_portal', 'isthmus_keeper', 'isthmus_worker')
    or (m.rolname = 'isthmus_migrate' and g.rolname <> 'isthmus_owner')
union all
select r.rolname, 'takes over rights without being told to' from pg_catalog.pg_roles r
where r.rolname = 'isthmus_migrate' and r.rolinherit
