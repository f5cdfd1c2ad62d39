"""``dpsynth people``: who may act, and in which roles."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dpsynth.cli.output import columns, emit
from dpsynth.cli.session import AsJson, session

__all__ = ["add", "app", "list_people"]

app = typer.Typer(help="People, their roles and their keys.")


@app.command("list")
def list_people(context: typer.Context, as_json: AsJson = False) -> None:
    """List the people and their roles."""
    found = session(context).platform().people()
    rows = [(one.id, one.name, ", ".join(one.roles), one.key_id[:16]) for one in found]
    head = ("ID", "NAME", "ROLES", "KEY")
    emit(as_json, {"people": [asdict(one) for one in found]}, columns(head, rows))


@app.command()
def add(
    context: typer.Context,
    person_id: Annotated[str, typer.Argument(metavar="ID", help="Lower-case letters, digits, dashes.")],
    name: Annotated[str, typer.Argument(help="Full name.")],
    role: Annotated[list[str], typer.Option("--role", help="Repeat for several roles.")],
    as_json: AsJson = False,
) -> None:
    """Add a person with roles and make a signing key."""
    person = session(context).platform().add_person(person_id, name, tuple(dict.fromkeys(role)))
    emit(as_json, asdict(person), [f"Added {person.id} ({person.name}): {', '.join(person.roles)}."])
