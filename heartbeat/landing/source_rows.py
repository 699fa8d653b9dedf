"""Where the rows of a source table are."""

from psycopg import sql

from heartbeat.landing.catalog import Table


def source_rows(table: Table) -> sql.Composed:
    """The table in a FROM clause, with the rows below it where they land with its own."""
    name = sql.Identifier(table.schema_name, table.name)
    return sql.SQL("{}" if table.with_children else "only {}").format(name)
