"""``dpsynth db``: the database's schema. Changed only when a person says so."""

from __future__ import annotations

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.session import AsJson, session

__all__ = ["app", "migrate"]

app = typer.Typer(help="Bring the database's schema up to this program's.")


@app.callback()
def _only_group() -> None:
    """The database's schema."""


@app.command()
def migrate(context: typer.Context, as_json: AsJson = False) -> None:
    """Migrate an older database. Make a backup first; there is no way back."""
    here = session(context)
    from dpsynth.service.migration import migrate_database

    revision = migrate_database(here.state, here.database)
    emit(as_json, {"schema": revision}, [f"The database has schema {revision}."])
