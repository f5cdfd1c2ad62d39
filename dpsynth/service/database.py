"""Setting up a database: its schema, and on a server the rights of those who use it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.exc import DatabaseError

from dpsynth.core.errors import BadInput
from dpsynth.ledger.migrate import CURRENT
from dpsynth.ledger.rights import grant_service
from dpsynth.ledger.store import Store
from dpsynth.service.platform import DATABASE

__all__ = ["init_database", "migrate_database"]


def migrate_database(state_dir: Path, database: str = "") -> str:
    """Bring an older database up to this program's schema; the revision it has then."""
    if not database and not (state_dir / DATABASE).is_file():
        raise BadInput(
            "There is no database in this state directory",
            allowed="a state directory that was used before",
            remedy="check --state; a new state needs no migration",
        )
    Store.migrated(database or state_dir / DATABASE)
    return CURRENT


def init_database(database: str, service: str) -> str:
    """Make the tables of a ledger on a server, as their owner, and a role for the service; the revision.

    What is there is kept: it may be called again. Raises BadInput where the account may not do this.

    Args:
        database: URL of a PostgreSQL server, with the account that is to own the tables.
        service: role that pages and workers will connect as.
    """
    if not database:
        raise BadInput(
            "There is no server to set up",
            allowed="--database postgresql://OWNER@HOST/NAME",
            remedy="name the server; SQLite needs no set-up",
        )
    try:
        store = Store.migrated(database)
        try:
            with store.write() as connection:
                grant_service(connection, service)
        finally:
            store.close()
    except DatabaseError as error:
        raise BadInput(
            "The database could not be set up with this account",
            allowed="the owner of an empty database or of a ledger, who may make roles",
            remedy="make the database and the role as the server's administrator, then run this again",
        ) from error
    return CURRENT
