"""``dpsynth revoke|revocations|prove|catalogue``: what becomes of releases once they are published."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.requests import request_lines
from dpsynth.cli.session import AsJson, checked_text, session
from dpsynth.core.errors import BadInput

__all__ = ["catalogue", "prove", "revocations", "revoke", "write_new"]

_RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of a published request.")]
_Kind = Annotated[
    str,
    typer.Option(
        help="What the public is told: promise (it does not hold or is in doubt), fault (of the data or the "
        "run), permission (withdrawn or wrongly given), replaced (by another release) or other."
    ),
]


def revoke(
    context: typer.Context,
    request: _RequestId,
    reason: Annotated[str, typer.Option(help="Why, in words that stay in the review room.")],
    kind: _Kind = "other",
    as_json: AsJson = False,
) -> None:
    """Revoke a published release. For compliance officers and data owners, never its requester."""
    here = session(context)
    releases = here.platform().releases
    view = releases.revoke(here.actor(), request, checked_text("reason", reason), kind)
    emit(as_json, asdict(view), [*request_lines(view), releases.SENTENCE])


def revocations(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="Also write the list to this new file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign the list of revoked releases anew and put it beside the bundles. Hand it to whoever verifies."""
    here = session(context)
    data = here.platform().releases.revocations()
    place = here.state / "bundles" / "revocations.json" if out is None else out
    if out is not None:
        write_new(out, data)
    emit(as_json, {"file": str(place)}, [f"The signed list of revoked releases: {place}"])


def prove(
    context: typer.Context,
    request: _RequestId,
    out: Annotated[Path, typer.Option(help="A new file; it may take the place of ledger-proof.json.")],
    as_json: AsJson = False,
) -> None:
    """Write a ledger proof of a release up to now, for somebody who kept a newer checkpoint."""
    here = session(context)
    write_new(out, here.platform().releases.prove(here.actor(), request))
    line = f"The ledger's word for {request} up to now: {out}"
    emit(as_json, {"request": request, "file": str(out)}, [line])


def catalogue(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="A new file for the page.")] = None,
    to: Annotated[
        str,
        typer.Option(
            "--to", envvar="DPSYNTH_PUBLISH_TO", help="Directory or URL that gets index.html and the list."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Write one static page that lists published, expired and revoked releases with what was promised."""
    here = session(context)
    if out is None and not to:
        raise BadInput("The catalogue needs a place", allowed="--out FILE or --to PLACE", remedy="name one")
    releases, actor = here.platform().releases, here.actor()
    if out is not None:
        write_new(out, releases.catalogue(actor).encode())
    places = [str(out)] if out is not None else list(releases.deliver_catalogue(actor, to))
    emit(as_json, {"files": places}, [f"Written: {place}" for place in places])


def write_new(path: Path, data: bytes) -> None:
    """Write a file that was not there. Raises BadInput."""
    try:
        with path.open("xb") as stream:
            stream.write(data)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written", allowed="a new file in a directory of yours", remedy="name another"
        ) from error
