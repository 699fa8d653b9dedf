"""One source table as the source file wants it landed, or why it cannot land."""

from collections.abc import Sequence

from psycopg.rows import DictRow

from heartbeat.errors import HeartbeatError
from heartbeat.landing.catalog import Column, Table, WriteMode
from heartbeat.landing.cursor import refuse_unusable_cursor
from heartbeat.landing.landed_name import landed_name
from heartbeat.landing.system_catalog import Relation
from heartbeat.qualified_name import qualified_name
from heartbeat.source import SourceFile, TableOptions

# no table may have a column of these names
_SYSTEM_COLUMNS = {"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"}


class NameCollisionError(HeartbeatError):
    """A source name that becomes another's in marts, or one that marts cannot have."""


class UnusableOptionError(HeartbeatError):
    """The source file says something about a table that the table does not allow."""


class UnreadableTableError(HeartbeatError):
    """The role may not read the whole table."""


def reflected_table(
    relation: Relation, file: SourceFile, *, with_children: bool, is_large: bool
) -> Table:
    """The table of one relation of the source; raises a HeartbeatError that names it."""
    name = qualified_name(*relation.name)
    row, columns = relation.row, relation.columns
    options = file.tables.get(name, TableOptions())
    _refuse_columns_of_options(name, columns, file)
    _refuse_partial_reads(name, row, options)
    if cursor := next((column for column in columns if column.name == options.cursor), None):
        refuse_unusable_cursor(name, cursor, options)
    kept = [column for column in columns if column.name not in options.drop_columns]
    _refuse_column_names(name, kept)
    key = tuple(row["primary_key"])
    has_children = bool(relation.below) and not with_children
    write, reason = _write_mode(name, key, options, is_large, has_children)
    return Table(
        schema_name=row["schema_name"],
        name=row["name"],
        landed_as=landed_name(row["name"]),
        columns=tuple(kept),
        primary_key=() if set(key) & set(options.drop_columns) else key,
        write=write,
        reason=reason,
        with_children=with_children,
    )


def refuse_collision(where: str, name: str, taken_by: str, landed_as: str) -> None:
    """Raise NameCollisionError where another name has become the landed one before."""
    if name != taken_by:
        raise NameCollisionError(
            f"{where}: {taken_by!r} and {name!r} both land as {landed_as}; "
            "skip or drop one of them in the source file"
        )


def _refuse_columns_of_options(name: str, columns: Sequence[Column], file: SourceFile) -> None:
    names = {column.name for column in columns}
    options = file.tables.get(name, TableOptions())
    used = {column for index in file.indexes.get(name, ()) for column in index}
    used |= {options.cursor} if options.cursor else set()
    dropped = {*options.drop_columns}
    if missing := sorted((used | dropped) - names):
        raise UnusableOptionError(
            f"{name}: the source file names column {missing[0]}, which the table lacks; "
            f"it has {', '.join(sorted(names))}"
        )
    if lost := sorted(used & dropped):
        raise UnusableOptionError(
            f"{name}: the source file drops column {lost[0]}, and has it as cursor or in an index"
        )
    if names == dropped:
        raise UnusableOptionError(f"{name}: all its columns are dropped; name it in skip_tables")


def _refuse_partial_reads(name: str, row: DictRow, options: TableOptions) -> None:
    unreadable = [column for column in row["unreadable"] if column not in options.drop_columns]
    if unreadable and row["may_read_some"]:
        raise UnreadableTableError(
            f"{name}: the role {row['role']} may not read column {', '.join(unreadable)}; "
            "grant select on it, or name it in drop_columns"
        )
    if unreadable:
        raise UnreadableTableError(
            f"{name}: the role {row['role']} may not read it; grant select on it, "
            "or name it in skip_tables"
        )
    if row["hides_rows"]:
        raise UnreadableTableError(
            f"{name}: row level security shows the role {row['role']} only some of its rows; "
            f"let the role read all (alter role {row['role']} bypassrls), "
            "or name the table in skip_tables"
        )


def _refuse_column_names(name: str, columns: Sequence[Column]) -> None:
    names: dict[str, str] = {}
    for column in columns:
        taken_by = names.setdefault(column.landed_as, column.name)
        refuse_collision(name, column.name, taken_by, column.landed_as)
        if column.landed_as in _SYSTEM_COLUMNS:
            raise NameCollisionError(
                f"{name}: column {column.name!r} would land as {column.landed_as}, which is "
                "Postgres's own; name it in drop_columns"
            )


def _write_mode(
    name: str, key: tuple[str, ...], options: TableOptions, is_large: bool, has_children: bool
) -> tuple[WriteMode, str]:
    has_key = bool(key) and not set(key) & set(options.drop_columns)
    if options.write:
        _refuse_write_mode(name, options, has_key)
        return options.write, "the source file says so"
    if key and not has_key:
        return "replace", "its key is among drop_columns"
    if not key:
        return "replace", "has no key: every load reads and writes all rows"
    if options.cursor and has_children:
        # its rows change when a child begins to land on its own, and no cursor tells
        return "reconcile", "has a key, and child tables that land: every load compares all rows"
    if options.cursor:
        return "merge", f"has a key, and {options.cursor} tells what changed"
    if is_large:
        return "reconcile", "has a key, no cursor, and is large: every load compares all rows"
    return "replace", "has a key and no cursor: every load reads all rows"


def _refuse_write_mode(name: str, options: TableOptions, has_key: bool) -> None:
    if options.write in ("merge", "reconcile") and not has_key:
        raise UnusableOptionError(
            f"{name}: `write: {options.write}` needs a primary key, which the table lacks"
        )
    if options.write == "append" and not options.cursor:
        raise UnusableOptionError(f"{name}: `write: append` needs a `cursor` that only grows")
    if options.write == "merge" and not options.cursor:
        raise UnusableOptionError(
            f"{name}: `write: merge` needs a `cursor` that grows with every change; "
            "without one, `write: reconcile` compares all rows"
        )
