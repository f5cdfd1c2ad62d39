"""``dpsynth download``: a published bundle as one ZIP file, named in the ledger before it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.session import AsJson, session
from dpsynth.core.errors import BadInput

__all__ = ["download"]


def download(
    context: typer.Context,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Id of a published request.")],
    out: Annotated[Path, typer.Option(help="A new ZIP file.")],
    as_json: AsJson = False,
) -> None:
    """Verify a published release and write it as one ZIP file: for its requester and those who answer for it.

    The same bundle gives the same bytes. Who takes it is written to the ledger.
    """
    here = session(context)
    actor, platform = here.actor(), here.platform()
    try:
        stream = out.open("xb")
    except OSError as error:
        raise BadInput(
            f"{out} cannot be written ({error.strerror})",
            allowed="a new file in a directory that is there",
            remedy="name another one; nothing was handed over",
        ) from error
    try:
        with stream:
            found = platform.requester.fetch(actor, request)
            stream.write(found.data)
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    lines = [
        f"The bundle of {request}: {out} ({len(found.data)} bytes, sha256 {found.sha256})",
        f"Unpack it and run: dpsynth-verify {found.name.removesuffix('.zip')} --keys DIRECTORY-OF-KEYS",
    ]
    emit(as_json, {"request": request, "file": str(out), "sha256": found.sha256}, lines)
