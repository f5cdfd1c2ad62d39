"""``dpsynth verify``: check a release bundle offline, without a platform or an account."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.session import AsJson
from dpsynth.core.errors import BadInput

if TYPE_CHECKING:
    from dpsynth.publish.verify import VerifyReport

__all__ = ["verify", "verify_release"]


def verify_release(bundle: Path, keys: Path) -> VerifyReport:
    """Verify a bundle now, against a directory of public keys. Raises BadInput when there are none."""
    from dpsynth.publish.verify import load_public_keys, verify_bundle

    trust = load_public_keys(keys) if keys.is_dir() else {}
    if not trust:
        raise BadInput(
            "There is no public key where --keys points",
            allowed="a directory of *.json public keys",
            remedy="get the keys from the publisher by another way than the bundle",
        )
    return verify_bundle(bundle, trust, datetime.now(UTC))


def verify(
    bundle: Annotated[Path, typer.Argument(help="Directory of the release.")],
    keys: Annotated[Path, typer.Option("--keys", help="Directory of the public keys that you trust.")],
    as_json: AsJson = False,
) -> None:
    """Verify a release bundle offline: every byte, signature, number, cell and date."""
    report = verify_release(bundle, keys)
    emit(
        as_json,
        {"verified": True, **asdict(report)},
        [*report.lines, f"Release {report.release_id} verifies."],
    )
