"""The watch over the ledger: checkpoints to outside sinks, and the alarm when the database differs.

Nobody's action is recorded in the chain alone: before and after each state-changing call the head is signed
and kept outside. If a sink cannot take it, the action does not happen.
"""

from __future__ import annotations

from pathlib import Path

from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.checkpoint import (
    PAYLOAD_TYPE,
    Checkpoint,
    checkpoint_bytes,
    compare,
    now,
    parse_checkpoint,
)
from dpsynth.ledger.sinks import Sink
from dpsynth.ledger.store import Store
from dpsynth.publish.dsse import pack, sign, unpack
from dpsynth.publish.keys import load_private_key, load_public_keys
from dpsynth.service.clock import iso_now
from dpsynth.service.people import SERVICE

__all__ = ["Watch"]

_NAME = "checkpoint"


class Watch:
    """Keeps and compares checkpoints of one ledger."""

    def __init__(self, store: Store, home: Path, sinks: tuple[Sink, ...]) -> None:
        self._store = store
        self._home = home
        self._sinks = sinks
        self._last = 0

    @property
    def sinks(self) -> tuple[str, ...]:
        """What the sinks are called."""
        return tuple(sink.name for sink in self._sinks)

    def inspect(self) -> str:
        """Compare the database with the newest checkpoint of each sink; freeze the store on a difference.

        Returns the alarm, or an empty text.
        """
        for sink in self._sinks:
            alarm = self._difference(sink)
            if alarm:
                self._store.freeze(alarm)
                return alarm
        return ""

    def _difference(self, sink: Sink) -> str:
        try:
            newest = sink.newest()
            if newest is None:
                return ""
            known = self.open(newest)
        except IntegrityError as error:
            return f"{error.what} ({sink.name})"
        with self._store.read() as connection:
            found = compare(connection, known)
        return found and f"{found} ({sink.name})"

    def mark(self) -> Checkpoint | None:
        """Sign the head and keep it in every sink. Raises IntegrityError if one cannot take it."""
        if not self._sinks:
            return None
        with self._store.read() as connection:
            checkpoint = now(connection, iso_now())
        if checkpoint.seq > self._last:
            envelope = self.sign(checkpoint)
            for sink in self._sinks:
                sink.put(checkpoint.seq, envelope)
            self._last = checkpoint.seq
        return checkpoint

    def take(self) -> tuple[Checkpoint, bytes]:
        """The checkpoint of the ledger as it stands, and its signed envelope."""
        with self._store.read() as connection:
            checkpoint = now(connection, iso_now())
        return checkpoint, self.sign(checkpoint)

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """A DSSE envelope with the service's signature."""
        payload = checkpoint_bytes(checkpoint)
        signature = sign(payload, PAYLOAD_TYPE, load_private_key(self._home / "secrets" / f"{SERVICE}.pem"))
        return pack(payload, PAYLOAD_TYPE, [signature], _NAME)

    def open(self, data: bytes) -> Checkpoint:
        """A checkpoint out of its envelope. Raises IntegrityError unless this ledger's service signed it."""
        trust = load_public_keys(self._home / "keys")
        payload, signers = unpack(data, PAYLOAD_TYPE, trust, _NAME)
        if SERVICE not in {trust[key_id].person for key_id in signers}:
            raise IntegrityError(
                "A checkpoint is not signed by this ledger's service",
                allowed="checkpoints that this service signed",
                remedy="find out with an auditor where it came from",
            )
        return parse_checkpoint(payload)
