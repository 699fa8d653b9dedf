"""Commands that save what Heartbeat knows, and bring it back."""

from pathlib import Path
from typing import Annotated

import typer

from heartbeat.backup.backup_file import BackupError, Manifest
from heartbeat.cli.marts import running_server
from heartbeat.judgement.wording import counted
from heartbeat.settings import Settings


def backup(
    file: Annotated[Path, typer.Argument(help="Written when it is whole; replaces an older one.")],
    with_landed: Annotated[
        bool, typer.Option("--with-landed", help="The landed tables as well: much larger.")
    ] = False,
) -> None:
    """Save all that cannot be landed again into one file, while everything goes on."""
    from heartbeat.backup.backup import write_backup

    settings = Settings.load()
    folder = settings.embedded_postgres.folder
    if settings.explicit_database_url is None and not folder.exists():
        raise BackupError(f"there is nothing to back up: there is no embedded Postgres in {folder}")
    with running_server():
        content, size = write_backup(settings.database_url, file, with_landed=with_landed)
    typer.echo(f"{file}: {size / 1e6:.1f} MB, {_told(content)}.")


def restore(
    file: Annotated[Path, typer.Argument(help="What `heartbeat backup` has written.")],
) -> None:
    """Bring back what a backup holds, into a database without rows: all of it or nothing."""
    from heartbeat.backup.restore import restore_backup
    from heartbeat.database import prepare_databases

    with running_server() as settings:
        content = restore_backup(settings.database_url, file)
        prepare_databases(settings)
    landed = "" if content.landed_schemas else " The next refresh lands all tables anew."
    typer.echo(f"Restored from {content.made_at}: {_told(content)}.{landed}")


def _told(content: Manifest) -> str:
    rows = sum(content.rows.values())
    landed = ", ".join(content.landed_schemas) or "none"
    return (
        f"{counted(rows, 'row')} of schema heartbeat at {content.schema_version}, "
        f"landed schemas: {landed}"
    )
