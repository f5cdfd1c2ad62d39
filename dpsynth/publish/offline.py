"""``dpsynth-verify``: verification for people who have a bundle and no platform.

A small way in of its own: it needs the standard library, the cryptography and the readers of the files, and
none of the parts that synthesize, serve pages or keep a ledger. ``dpsynth verify`` does the same work.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from dpsynth.core.errors import BadInput, DpsynthError
from dpsynth.publish.outside import Outside
from dpsynth.publish.verify import VerifyReport, load_public_keys, verify_bundle

__all__ = ["main", "verify_files"]

_INTERRUPTED = 130


def verify_files(
    bundle: Path,
    keys: Path,
    revocations: Path | None = None,
    checkpoint: Path | None = None,
    extension: Path | None = None,
) -> VerifyReport:
    """Verify a bundle now, against a directory of public keys and what else the verifier has.

    Raises BadInput where there is no key or a named file cannot be read, IntegrityError naming what fails.
    """
    trust = load_public_keys(keys) if keys.is_dir() else {}
    if not trust:
        raise BadInput(
            "There is no public key where --keys points",
            allowed="a directory of *.json public keys",
            remedy="get the keys from the publisher by another way than the bundle",
        )
    outside = Outside(
        _given("--revocations", revocations),
        _given("--checkpoint", checkpoint),
        _given("--extension", extension),
    )
    return verify_bundle(bundle, trust, datetime.now(UTC), outside)


def _given(option: str, path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"The file that {option} names cannot be read", remedy="check the path; nothing was verified"
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a bundle from the command line; 0, 2 for input that cannot be used, 5 and what fails."""
    asked = _parser().parse_args(argv)
    try:
        report = verify_files(asked.bundle, asked.keys, asked.revocations, asked.checkpoint, asked.extension)
    except DpsynthError as error:
        body = {"kind": error.kind, "what": error.what, "allowed": error.allowed, "remedy": error.remedy}
        _say(asked.json, {"error": {**body, "exit_code": error.exit_code}}, [error.text()], sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    lines = [*report.lines, *(f"mind: {note}" for note in report.notes)]
    lines.append(f"Release {report.release_id} verifies.")
    _say(asked.json, {"verified": True, **asdict(report)}, lines, sys.stdout)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dpsynth-verify",
        description="Verify a release bundle offline: every byte, signature, number, cell, date and what the "
        "ledger says. Exit codes: 0 it verifies, 2 bad input, 5 it does not; the text names what fails.",
    )
    parser.add_argument("bundle", type=Path, metavar="DIR", help="directory of the release")
    parser.add_argument(
        "--keys", type=Path, required=True, help="directory of the public keys that you trust"
    )
    parser.add_argument("--revocations", type=Path, metavar="FILE", help="signed list of revoked releases")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="a signed checkpoint that you kept")
    parser.add_argument(
        "--extension", type=Path, metavar="FILE", help="signed later end of the permission of this release"
    )
    parser.add_argument("--json", action="store_true", help="print exactly one JSON document on stdout")
    return parser


def _say(as_json: bool, document: object, lines: Sequence[str], stream: TextIO) -> None:
    """The document on stdout, or the lines with everything escaped that could move a cursor."""
    if as_json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    for line in lines:
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        stream.write(text.encode(stream.encoding or "utf-8", "backslashreplace").decode() + "\n")


if __name__ == "__main__":
    sys.exit(main())
