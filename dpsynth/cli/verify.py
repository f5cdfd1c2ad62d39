"""``dpsynth verify``: check a release bundle offline, without a platform or an account."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.session import AsJson

if TYPE_CHECKING:
    from dpsynth.publish.verify import VerifyReport

__all__ = ["verify", "verify_release"]


def verify_release(
    bundle: Path,
    keys: Path,
    revocations: Path | None = None,
    checkpoint: Path | None = None,
    extension: Path | None = None,
) -> VerifyReport:
    """Verify a bundle now, as ``dpsynth-verify`` does. Raises BadInput or IntegrityError."""
    from dpsynth.publish.offline import verify_files

    return verify_files(bundle, keys, revocations, checkpoint, extension)


def verify(
    bundle: Annotated[Path, typer.Argument(help="Directory of the release.")],
    keys: Annotated[Path, typer.Option("--keys", help="Directory of the public keys that you trust.")],
    revocations: Annotated[Path | None, typer.Option(help="Signed list of revoked releases.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A signed checkpoint that you kept.")] = None,
    extension: Annotated[
        Path | None, typer.Option(help="Signed later end of the permission of this release.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify a release bundle offline: every byte, signature, number, cell, date and the ledger's word."""
    report = verify_release(bundle, keys, revocations, checkpoint, extension)
    notes = [f"mind: {note}" for note in report.notes]
    emit(
        as_json,
        {"verified": True, **asdict(report)},
        [*report.lines, *notes, f"Release {report.release_id} verifies."],
    )
