"""Alembic's entry point: runs the migrations on the connection that `migrate` opened."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, version_table_schema="heartbeat", version_table="schema_version"
)
with context.begin_transaction():
    context.run_migrations()
