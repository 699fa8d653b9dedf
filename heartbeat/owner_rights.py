"""What the owner of the databases may do: all that a migration needs, or what an administrator
has to grant.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row

from heartbeat.login import Login
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("owner_rights")
_LOGINS = platform_statements("logins")

WRITERS = ("heartbeat_sync", "heartbeat_benchmark")
"""The roles that guarded tables ask for; nobody logs in as them."""

_READER_WORK_MEM = "64MB"


@dataclass(frozen=True)
class _Owner:
    current_user: str
    makes_roles: bool
    makes_databases: bool
    rolsuper: bool
    has_admins: bool
    """Whether making roles gives power over those only that one made: PostgreSQL 16 and later."""


@dataclass(frozen=True)
class _Role:
    rolname: str
    rolsuper: bool
    administers: bool


def missing_rights(connection: Connection[Any], settings: Settings) -> tuple[str, ...]:
    """The statements with which an administrator gives the owner what it lacks; empty mostly."""
    with connection.cursor(row_factory=class_row(_Owner)) as cursor:
        owner = cursor.execute(_sql("owner")).fetchone()
    assert owner is not None
    roles = _roles(connection)
    return (
        *_superuser_logins(roles),
        *(() if owner.rolsuper else _lacking(connection, settings, owner, roles)),
    )


def unset_limits(connection: Connection[Any], settings: Settings) -> tuple[str, ...]:
    """Limit what authors' SQL may take; gives what this owner could not limit, a line each."""
    unset = []
    limits = {
        "temp_file_limit": settings.temp_file_limit,
        "work_mem": _READER_WORK_MEM,
        "statement_timeout": settings.statement_timeout,
    }
    row = connection.execute(_LOGINS["limits"].encode(), {"role": Login.READER.value}).fetchone()
    said = set(row[0]) if row else set()
    for name, value in limits.items():
        if f"{name}={value}" in said:
            continue
        may = connection.execute(_sql("may_set"), {"name": name}).fetchone()
        if name == "temp_file_limit" and not (may and may[0]):
            unset.append(
                f"{name} of {Login.READER} is not limited: only a superuser, or who has "
                f"`grant set on parameter {name}`, may (docs/operations/grants.sql)"
            )
            continue
        alter = sql.SQL("alter role {} in database {} set {} = {}")
        connection.execute(
            alter.format(
                sql.Identifier(Login.READER),
                sql.Identifier(settings.database_name),
                sql.Identifier(name),
                sql.Literal(value),
            )
        )
    return (*unset, *_unwithdrawn(connection))


def _unwithdrawn(connection: Connection[Any]) -> Iterator[str]:
    """Close functions of Postgres to queries; says so where only an administrator may."""
    found = connection.execute(_sql("is_withdrawn")).fetchone()
    if found and found[0]:
        return
    owner = connection.execute(_sql("owner")).fetchone()
    if owner and owner[3]:
        connection.execute(_LOGINS["withdraw"].encode())
        return
    yield (
        f"{Login.READER} may take advisory locks and end other queries of its own: only a "
        "superuser may withdraw that (docs/operations/grants.sql)"
    )


def _superuser_logins(roles: dict[str, _Role]) -> Iterator[str]:
    for name in (*map(str, Login), *WRITERS):
        if name in roles and roles[name].rolsuper:
            yield f"alter role {name} nosuperuser;"


def _lacking(
    connection: Connection[Any], settings: Settings, owner: _Owner, roles: dict[str, _Role]
) -> Iterator[str]:
    name = sql.Identifier(owner.current_user).as_string(connection)
    if not owner.makes_roles:
        yield f"alter role {name} createrole;"
    if owner.has_admins:
        for role in roles.values():
            # of those that it makes itself it is the administrator
            if not role.administers:
                yield f"grant {role.rolname} to {name} with admin option;"
    yield from _databases(connection, settings, name, owner)
    for schema, held_by in connection.execute(_sql("schemas")).fetchall():
        yield f"reassign owned by {held_by} to {name}; -- in marts, for the schema {schema}"


def _databases(
    connection: Connection[Any], settings: Settings, name: str, owner: _Owner
) -> Iterator[str]:
    names = [settings.dagster_database_name]
    asked = {"names": [settings.database_name]}
    for (database,) in connection.execute(_sql("databases"), asked).fetchall():
        identifier = sql.Identifier(database).as_string(connection)
        yield f"alter database {identifier} owner to {name};"
    known = dict(connection.execute(_sql("known_databases"), {"names": names}).fetchall())
    if not owner.makes_databases and known.get(settings.dagster_database_name) != Login.DAGSTER:
        # to make it, or to give it away
        yield f"alter role {name} createdb;"


def _roles(connection: Connection[Any]) -> dict[str, _Role]:
    asked = {"roles": [*map(str, Login), *WRITERS]}
    with connection.cursor(row_factory=class_row(_Role)) as cursor:
        return {role.rolname: role for role in cursor.execute(_sql("roles"), asked)}


def _sql(name: str) -> bytes:
    return _STATEMENTS[name].encode()
