"""Verification of a bundle that somebody drops on a page: the offline verifier, in a process of its own.

Nothing that was uploaded is kept: it lies in a private directory that is gone when the answer is there. The
answer is what ``dpsynth-verify`` says, word for word, so that anyone can get the same without this page.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpsynth.core.canonical import sha256_hex
from dpsynth.core.errors import BadInput, Conflict, IntegrityError
from dpsynth.service.desk import Desk
from dpsynth.service.people import require_role
from dpsynth.service.proving import revocation_list
from dpsynth.service.uploads import Upload, lay_out

__all__ = ["Brought", "Verification", "Verifier"]

_READERS = ("compliance_officer", "data_owner", "auditor")
_SECONDS = 120
_PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
"""Of the environment: the verifier needs no address of a database and no secret."""
_AT_ONCE = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Brought:
    """What a verifier has from elsewhere than the bundle and this platform; empty: not there.

    Attributes:
        keys: files of public keys that the verifier trusts; without any, the keys of this platform count.
        revocations: a signed list of revoked releases.
        checkpoint: a signed checkpoint of the ledger that the verifier kept.
    """

    keys: tuple[Upload, ...] = ()
    revocations: bytes = b""
    checkpoint: bytes = b""


@dataclass(frozen=True)
class Verification:
    """What came out.

    Attributes:
        verified: whether everything holds.
        release_id: of the bundle; "" where that is not known to be true.
        lines: a sentence for each fact that holds.
        notes: a sentence for each thing that could not be looked at.
        failed: what does not hold, naming the file; "" if nothing.
        remedy: what to do about it.
        keys: whose keys were trusted, in words.
        uploads: SHA-256 of each uploaded file, hex, by name as it came.
    """

    verified: bool
    release_id: str
    lines: tuple[str, ...]
    notes: tuple[str, ...]
    failed: str
    remedy: str
    keys: str
    uploads: tuple[tuple[str, str], ...]


class Verifier(Desk):
    """Asked for as ``platform.verifier``."""

    def check(self, actor: str, bundle: Sequence[Upload], brought: Brought | None = None) -> Verification:
        """Verify an uploaded bundle (compliance officers, data owners, auditors).

        Args:
            actor: who asks.
            bundle: one zip, or the files of the bundle.
            brought: what the verifier has from elsewhere.

        Raises:
            BadInput: the upload is no bundle that is read here; Conflict: too many verifications run.
        """
        with self._store.read() as connection:
            require_role(connection, actor, *_READERS)
            own = revocation_list(connection, self._home)
        given = brought or Brought()
        if not _AT_ONCE.acquire(blocking=False):
            raise Conflict(
                "Other bundles are being verified",
                allowed="two verifications at once",
                remedy="try again in a minute, or use `dpsynth-verify` on your own machine",
            )
        try:
            with tempfile.TemporaryDirectory(prefix="dpsynth-verify-") as folder:
                return self._verify(Path(folder), bundle, given, own)
        finally:
            _AT_ONCE.release()

    def _verify(self, folder: Path, bundle: Sequence[Upload], given: Brought, own: bytes) -> Verification:
        place = folder / "bundle"
        place.mkdir()
        lay_out(bundle, place)
        keys = _lay_out_keys(folder, given.keys) or self._home / "keys"
        options: list[str] = []
        # This platform's own list fits this platform's keys only.
        revocations = given.revocations or (b"" if given.keys else own)
        for name, data in (("revocations", revocations), ("checkpoint", given.checkpoint)):
            if data:
                (folder / name).write_bytes(data)
                options += [f"--{name}", str(folder / name)]
        said = _run([str(place), "--keys", str(keys), *options])
        return _told(said, bundle, given)


def _lay_out_keys(folder: Path, keys: Sequence[Upload]) -> Path | None:
    if not keys:
        return None
    place = folder / "keys"
    place.mkdir()
    for number, one in enumerate(keys):
        # Named by number: a key file says itself whose it is, and its name is of no use.
        (place / f"{number:04d}.json").write_bytes(one.data)
    return place


def _run(arguments: list[str]) -> dict[str, Any]:
    """What the verifier says, as its JSON document. Raises IntegrityError where it ended without a word."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    command = [sys.executable, "-m", "dpsynth.publish.confined", *arguments, "--json"]
    try:
        done = subprocess.run(
            command,
            env={**environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        said: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise IntegrityError(
            "The verifier ended without a result: the bundle does not fit in its limits of time and memory",
            allowed="a bundle of a release",
            remedy="do not use this bundle; verify it on your own machine with `dpsynth-verify`",
        ) from None
    return said


def _told(said: dict[str, Any], bundle: Sequence[Upload], given: Brought) -> Verification:
    error = said.get("error")
    if error is not None and error["kind"] == BadInput.kind:
        raise BadInput(error["what"], allowed=error["allowed"], remedy=error["remedy"])
    trusted = f"{len(given.keys)} that you brought" if given.keys else "those of this platform"
    return Verification(
        verified=error is None,
        release_id=said.get("release_id", ""),
        lines=tuple(said.get("lines", ())),
        notes=tuple(said.get("notes", ())),
        failed="" if error is None else error["what"],
        remedy="" if error is None else error["remedy"],
        keys=trusted,
        uploads=tuple((one.name, sha256_hex(one.data)) for one in bundle),
    )
