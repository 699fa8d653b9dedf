"""The name of a screen belongs to the browser that reports it."""

from pathlib import Path

from alembic import op

revision = "0017"
down_revision = "0015"


def upgrade() -> None:
    """Change the tables by the SQL file beside this one."""
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})
