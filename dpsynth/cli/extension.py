"""``dpsynth extension``: a later end of a release's permission, signed by as many people as the release."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.output import columns, emit
from dpsynth.cli.releases import write_new
from dpsynth.cli.session import AsJson, checked_text, session

__all__ = ["app"]

app = typer.Typer(help="Extend the permission to use a published release.")

_RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of a published request.")]
_Id = Annotated[str, typer.Argument(metavar="EXTENSION", help="Id of a proposed extension.")]


@app.command("list")
def list_releases(context: typer.Context, as_json: AsJson = False) -> None:
    """List published releases, until when each may be used, and the extensions that wait for signatures."""
    here = session(context)
    found = here.platform().releases.listing(here.actor())
    rows = [
        (
            one.request,
            one.state,
            one.until,
            f"{one.first_day} to {one.last_day}" if one.first_day <= one.last_day else "not now",
            one.waiting.id if one.waiting else "",
        )
        for one in found
    ]
    head = ("RELEASE", "STATE", "PERMISSION ENDS", "LAST DAY MAY BE", "WAITING EXTENSION")
    emit(as_json, {"releases": [asdict(one) for one in found]}, columns(head, rows))


@app.command()
def propose(
    context: typer.Context,
    request: _RequestId,
    last_day: Annotated[str, typer.Option(help="Last day of the permission (UTC), such as 2027-01-31.")],
    reason: Annotated[str, typer.Option(help="Why, in words that stay in the review room.")],
    as_json: AsJson = False,
) -> None:
    """Propose a later end and sign for it. For approvers of the release, never its requester."""
    here = session(context)
    words = checked_text("reason", reason)
    name = here.platform().releases.extend(here.actor(), request, last_day, words)
    line = f"Proposed as {name} and signed by you. The others sign with `dpsynth extension sign {name}`."
    emit(as_json, {"extension": name, "request": request, "last_day": last_day}, [line])


@app.command()
def sign(context: typer.Context, extension: _Id, as_json: AsJson = False) -> None:
    """Sign a proposed extension. For approvers of the release, never its requester."""
    here = session(context)
    complete = here.platform().releases.sign_extension(here.actor(), extension)
    line = "Signed. It is in force." if complete else "Signed. It waits for further signatures."
    emit(as_json, {"extension": extension, "in_force": complete}, [line])


@app.command()
def withdraw(context: typer.Context, extension: _Id, as_json: AsJson = False) -> None:
    """End a proposed extension that is not in force. For approvers of the release."""
    here = session(context)
    here.platform().releases.withdraw_extension(here.actor(), extension)
    emit(as_json, {"extension": extension, "withdrawn": True}, [f"{extension} is withdrawn."])


@app.command()
def write(
    context: typer.Context,
    request: _RequestId,
    out: Annotated[Path, typer.Option(help="A new file, for whoever verifies the release.")],
    as_json: AsJson = False,
) -> None:
    """Write the signed extension in force of a release; `dpsynth-verify --extension FILE` reads it."""
    here = session(context)
    write_new(out, here.platform().releases.extension(here.actor(), request))
    emit(as_json, {"request": request, "file": str(out)}, [f"The signed extension of {request}: {out}"])
