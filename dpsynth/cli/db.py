"""``dpsynth db``: the database's schema and roles. Changed only when a person says so."""

from __future__ import annotations

from typing import Annotated

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.session import AsJson, session

__all__ = ["app", "init", "migrate"]

app = typer.Typer(help="Set a database server up; bring a schema up to this program's.")


@app.command()
def migrate(context: typer.Context, as_json: AsJson = False) -> None:
    """Migrate an older database. Make a backup first; there is no way back."""
    here = session(context)
    from dpsynth.service.database import migrate_database

    revision = migrate_database(here.state, here.database)
    emit(as_json, {"schema": revision}, [f"The database has schema {revision}."])


@app.command()
def init(
    context: typer.Context,
    service: Annotated[
        str, typer.Option(metavar="ROLE", help="Role that pages and workers connect as; made if not there.")
    ] = "dpsynth_service",
    as_json: AsJson = False,
) -> None:
    """Make the tables on a PostgreSQL server, as their owner, and a role that cannot change the ledger.

    Name the owner in --database; let the service use another address, with the role. May be run again.
    """
    here = session(context)
    from dpsynth.service.database import init_database

    revision = init_database(here.database, service)
    lines = [f"The database has schema {revision}; pages and workers connect as {service}."]
    emit(as_json, {"schema": revision, "service": service}, lines)
