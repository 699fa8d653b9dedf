-- name: locale
-- In which the database writes amounts, whatever the role or the client says; NULL where only those
-- can be seen.
select coalesce(
    (
        select substr(entry, length('lc_monetary=') + 1)
        from pg_catalog.pg_db_role_setting s
        cross join unnest(s.setconfig) as entry
        where s.setrole = 0
          and (s.setdatabase = 0 or s.setdatabase = (select oid from pg_catalog.pg_database where datname = current_database()))
          and entry like 'lc_monetary=%'
        order by s.setdatabase desc
        limit 1
    ),
    (
        select reset_val
        from pg_catalog.pg_settings
        where name = 'lc_monetary'
          and source not in ('user', 'database user', 'client')
    )
)

-- name: tables
-- Those with a column that holds amounts, in whatever wrapping.
with recursive holding (type_id) as (
    select 'pg_catalog.money'::regtype::oid
    union
    select t.oid
    from holding h
    join pg_catalog.pg_type t
        on t.typbasetype = h.type_id
        or t.typelem = h.type_id
        or exists (select from pg_catalog.pg_range r where r.rngtypid = t.oid and r.rngsubtype = h.type_id)
        or exists (
            select from pg_catalog.pg_attribute a
            where a.attrelid = t.typrelid and a.atttypid = h.type_id and a.attnum > 0 and not a.attisdropped
        )
)
select distinct n.nspname::text, c.relname::text
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where a.atttypid in (select type_id from holding) and a.attnum > 0 and not a.attisdropped
