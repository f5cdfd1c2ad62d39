"""The watch over the ledger: checkpoints to outside sinks, and the alarm when the database differs.

Nobody's action is recorded in the chain alone: before and after each state-changing call the head is signed
and kept outside. If a sink cannot take it, the action does not happen.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    @property
    def sinks(self) -> tuple[str, ...]:
        """What the sinks are called."""
        return tuple(sink.name for sink in self._sinks)

    def inspect(self) -> str:
        """What the newest checkpoints of the sinks say against the database; an empty text if nothing."""
        try:
            return self._compared([sink.newest() for sink in self._sinks])[0]
        except IntegrityError as error:  # a sink that cannot be read
            return error.what

    def mark(self) -> None:
        """Keep the signed head in every sink that does not know it yet; the others must be able to take one.

        Raises IntegrityError when a sink is down, which changes nothing; and when one knows another history,
        which freezes the store. A ledger that is not the one that was witnessed gets no checkpoint: the next
        time it would look like the true one.
        """
        self._refuse_frozen()
        alarm, known, head = self._compared([sink.newest() for sink in self._sinks])
        if alarm:
            self._store.freeze(alarm)
            self._refuse_frozen()
        for sink, seq in zip(self._sinks, known, strict=True):
            if seq < head.seq:
                sink.put(head.seq, self.sign(head))
            else:
                sink.check()

    def _compared(self, newest: Sequence[bytes | None]) -> tuple[str, list[int], Checkpoint]:
        """The alarm, if any; the number of each sink's newest checkpoint (0: none yet); the head."""
        alarm, known = "", []
        for sink, data in zip(self._sinks, newest, strict=True):
            try:
                known.append(None if data is None else self.open(data))
            except IntegrityError as error:
                alarm = f"the newest checkpoint is not one of this ledger: {error.what} ({sink.name})"
                known.append(None)
        # Read after the sinks: a ledger that only ever grows is then never behind them.
        with self._store.read() as connection:
            head = now(connection, iso_now())
            for sink, one in zip(self._sinks, known, strict=True):
                if one is not None and (found := compare(connection, one)):
                    alarm = f"{found} ({sink.name})"
        return alarm, [0 if one is None else one.seq for one in known], head

    def _refuse_frozen(self) -> None:
        if self._store.frozen:
            raise IntegrityError(
                f"The ledger is read-only: {self._store.frozen}",
                allowed="reading",
                remedy="stop, keep a copy, and find out with an auditor what happened to the database",
            )

    def take(self) -> tuple[Checkpoint, bytes]:
        """The checkpoint of the ledger as it stands, kept in every sink, and its signed envelope."""
        self.mark()
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
