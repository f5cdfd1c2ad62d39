"""Schema versions, by Alembic: an empty database is made, an older one waits for a person."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from dpsynth.core.errors import IntegrityError

__all__ = ["CURRENT", "found_revision", "known_revisions", "require_current", "upgrade"]

CURRENT = "0006"
"""The revision that this program reads and writes."""

_TABLE = "alembic_version"
_FOREIGN = "none"


def found_revision(connection: Connection) -> str | None:
    """Revision of the database; None when it is empty."""
    names = set(inspect(connection).get_table_names())
    if _TABLE in names:
        return str(connection.execute(text(f"SELECT version_num FROM {_TABLE}")).scalar_one())  # noqa: S608
    return _FOREIGN if names else None


def known_revisions() -> list[str]:
    """Every revision this program has a migration for, newest first."""
    from alembic.script import ScriptDirectory  # imported late: only migrations need it

    return [script.revision for script in ScriptDirectory(str(_scripts())).walk_revisions()]


def require_current(found: str) -> None:
    """Raises IntegrityError unless the database has this program's schema."""
    if found == CURRENT:
        return
    if found in known_revisions():
        raise IntegrityError(
            f"The database has schema {found}; this program needs {CURRENT}",
            allowed=f"schema {CURRENT}",
            remedy="make a backup, then run `dpsynth db migrate`",
        )
    raise IntegrityError(
        f"The database has schema {found}, which this program does not know; it knows up to {CURRENT}",
        allowed=f"schema {CURRENT}",
        remedy="use the program version that belongs to the database",
    )


def upgrade(connection: Connection) -> None:
    """Bring the schema up to CURRENT in the caller's transaction. Raises IntegrityError on a newer one."""
    from alembic import command
    from alembic.config import Config

    found = found_revision(connection)
    if found is not None and found not in known_revisions():
        require_current(found)
    config = Config()
    config.set_main_option("script_location", str(_scripts()))
    config.attributes["connection"] = connection
    command.upgrade(config, CURRENT)


def _scripts() -> Path:
    return Path(__file__).parent / "migrations"
