-- All that schema heartbeat is, but for its rows and for the order of its columns: one line a thing, in words.
with namespace as (
    select oid, nspowner, nspacl from pg_catalog.pg_namespace where nspname = 'heartbeat'
),
relation as (
    select c.* from pg_catalog.pg_class c join namespace n on n.oid = c.relnamespace
),
rights as (
    select 'schema' as kind, 'heartbeat' as name, coalesce(n.nspacl, acldefault('n', n.nspowner)) as acl from namespace n
    union all
    select 'relation', r.relname,
           coalesce(r.relacl, acldefault(case r.relkind when 'S' then 's' else 'r' end::"char", r.relowner))
      from relation r where r.relkind in ('r', 'p', 'v', 'm', 'S')
    union all
    select 'column', r.relname || '.' || a.attname, a.attacl
      from relation r join pg_catalog.pg_attribute a on a.attrelid = r.oid where a.attacl is not null
    union all
    select 'function', p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner))
      from pg_catalog.pg_proc p join namespace n on n.oid = p.pronamespace
    union all
    select 'type', t.typname, coalesce(t.typacl, acldefault('T', t.typowner))
      from pg_catalog.pg_type t join namespace n on n.oid = t.typnamespace where t.typtype in ('d', 'e')
)
select format('relation %s: kind %s, %s, row security %s %s, options %s, owner %s',
              relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity, reloptions, relowner::regrole)
  from relation where relkind in ('r', 'p', 'v', 'm', 'S')
union all
select format('column %s.%s: %s, not null %s, default %s, identity %s, generated %s, collation %s, storage %s',
              r.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
              pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attcollation::regcollation, a.attstorage)
  from relation r
  join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
  left join pg_catalog.pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
 where r.relkind in ('r', 'p', 'v', 'm')
union all
select format('constraint %s on %s: %s', k.conname, coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text),
              pg_get_constraintdef(k.oid))
  from pg_catalog.pg_constraint k join namespace n on n.oid = k.connamespace
union all
select format('index %s: valid %s', pg_get_indexdef(i.indexrelid), i.indisvalid)
  from pg_catalog.pg_index i join relation r on r.oid = i.indexrelid
union all
select format('sequence %s: %s', q.seqrelid::regclass, to_jsonb(q) - 'seqrelid')
  from pg_catalog.pg_sequence q join relation r on r.oid = q.seqrelid
union all
select format('function owned by %s: %s', p.proowner::regrole, pg_get_functiondef(p.oid))
  from pg_catalog.pg_proc p join namespace n on n.oid = p.pronamespace
union all
select format('trigger on %s: %s, enabled %s', r.relname, pg_get_triggerdef(t.oid), t.tgenabled)
  from pg_catalog.pg_trigger t join relation r on r.oid = t.tgrelid where not t.tgisinternal
union all
select format('type %s: %s, base %s, not null %s, default %s, owner %s', t.typname, t.typtype,
              format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault, t.typowner::regrole)
  from pg_catalog.pg_type t join namespace n on n.oid = t.typnamespace where t.typtype in ('d', 'e')
union all
select format('rule %s', pg_get_ruledef(u.oid)) from pg_catalog.pg_rewrite u join relation r on r.oid = u.ev_class
union all
select format('policy %s on %s: %s', p.polname, r.relname, to_jsonb(p) - 'oid' - 'polrelid')
  from pg_catalog.pg_policy p join relation r on r.oid = p.polrelid
union all
select format('right on %s %s: %s may %s, grantable %s, by %s', kind, name,
              case grantee when 0 then 'everybody' else grantee::regrole::text end, privilege_type, is_grantable,
              grantor::regrole)
  from rights, aclexplode(acl)
union all
select format('comment on %s: %s', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description)
  from pg_catalog.pg_description d
 where (d.classoid = 'pg_class'::regclass and d.objoid in (select oid from relation))
    or (d.classoid = 'pg_proc'::regclass
        and d.objoid in (select p.oid from pg_catalog.pg_proc p join namespace n on n.oid = p.pronamespace))
    or (d.classoid = 'pg_type'::regclass
        and d.objoid in (select t.oid from pg_catalog.pg_type t join namespace n on n.oid = t.typnamespace))
    or (d.classoid = 'pg_namespace'::regclass and d.objoid = (select oid from namespace))
union all
select format('default rights of %s: %s %s', a.defaclrole::regrole, a.defaclobjtype, a.defaclacl)
  from pg_catalog.pg_default_acl a join namespace n on n.oid = a.defaclnamespace
order by 1
