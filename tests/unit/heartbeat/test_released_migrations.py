"""A migration that has left its author's machine is never changed again."""

import hashlib
from pathlib import Path

from heartbeat.schema.version import VERSIONS

_RELEASED = Path(__file__).with_name("released_migrations.sha256")


def test_no_migration_was_changed_after_it_was_released() -> None:
    released = _released()
    changed = sorted(
        name
        for name, digest in released.items()
        if not (VERSIONS / name).exists() or _digest(VERSIONS / name) != digest
    )
    assert not changed, (
        f"{', '.join(changed)}: databases were made by what it said before, and they will never "
        "run it again. Put it back as it was (git log -p) and write the change as a new migration"
    )


def test_every_migration_is_among_the_released_ones() -> None:
    new = sorted(path for path in _migrations() if path.name not in _released())
    lines = "\n".join(f"{_digest(path)}  {path.name}" for path in new)
    assert not new, (
        f"append to {_RELEASED.name}, in the commit that brings the migration to main:\n{lines}"
    )


def test_migrations_are_one_chain_in_the_order_of_their_numbers() -> None:
    """Versions are compared by their numbers."""
    numbers = sorted(path.name[:4] for path in _migrations() if path.suffix == ".py")
    for before, number in zip([None, *numbers], numbers, strict=False):
        (file,) = VERSIONS.glob(f"{number}_*.py")
        text = file.read_text(encoding="utf-8")
        assert f'\nrevision = "{number}"\n' in text
        assert f"\ndown_revision = {before and chr(34) + before + chr(34)}\n" in text


def _released() -> dict[str, str]:
    lines = _RELEASED.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def _migrations() -> list[Path]:
    return [path for path in VERSIONS.glob("[0-9]*") if path.suffix in {".py", ".sql"}]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
