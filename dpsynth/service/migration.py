"""An older database is brought up to this program's schema only when a person asks for it."""

from __future__ import annotations

from pathlib import Path

from dpsynth.core.errors import BadInput
from dpsynth.ledger.migrate import CURRENT
from dpsynth.ledger.store import Store

__all__ = ["DATABASE", "migrate_database"]

DATABASE = "ledger.sqlite"
"""Name of the SQLite file in a state directory."""


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
