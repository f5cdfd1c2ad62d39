"""The watch over the ledger: checkpoints to outside sinks, and the alarm when the database differs.

Before and after each state-changing call the head is signed and kept outside. The mark before an action can
prevent it: where a sink is down, lost what it kept or knows another history, nothing happens. The mark after
an action can only report: the action is done then. Inside a run there is one mark more, between the commit
of the charge and the opening of the source: no data are read on a charge that nobody outside has seen.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.chain import append
from dpsynth.ledger.checkpoint import (
    PAYLOAD_TYPE,
    Checkpoint,
    Marker,
    checkpoint_bytes,
    compare,
    known_sinks,
    marker_bytes,
    now,
    parse_checkpoint,
    parse_marker,
)
from dpsynth.ledger.sinks import Sink
from dpsynth.ledger.store import Store
from dpsynth.publish.dsse import pack, sign, unpack
from dpsynth.publish.keys import load_private_key, load_public_keys
from dpsynth.service.clock import iso_now
from dpsynth.service.people import SERVICE, require_role

__all__ = ["Watch"]

_NAME = "checkpoint"
_UNNAMED = "this ledger is witnessed; name its sinks with --checkpoints"
_LOST = (
    "a sink that this ledger used is gone or was emptied, or this one is new and a person has to add it: "
    "{name}"
)
_STRANGER = "the sink belongs to another ledger: {name}"
_ADDERS = ("compliance_officer", "data_owner", "auditor")


@dataclass(frozen=True)
class _Found:
    """What a look at sinks and database gave.

    Attributes:
        differs: how the database differs from a checkpoint, or an empty text.
        unknown: why the sinks are not those that the chain knows, or an empty text.
        known: number of each sink's newest checkpoint; 0 where there is none yet.
        head: where the database stands.
    """

    differs: str
    unknown: str
    known: tuple[int, ...]
    head: Checkpoint

    @property
    def alarm(self) -> str:
        """Why nothing may be changed, or an empty text."""
        return self.differs or self.unknown


class Watch:
    """Keeps and compares checkpoints of one ledger."""

    def __init__(self, store: Store, home: Path, sinks: tuple[Sink, ...]) -> None:
        self._store = store
        self._home = home
        self._sinks = sinks
        self._read: tuple[int, frozenset[str]] = (0, frozenset())

    @property
    def sinks(self) -> tuple[str, ...]:
        """What the sinks are called."""
        return tuple(sink.name for sink in self._sinks)

    @property
    def unnamed(self) -> bool:
        """Whether the chain knows sinks and none was named, so that nothing can be compared."""
        return not self._sinks and self.inspect() == _UNNAMED

    def inspect(self) -> str:
        """What the sinks say against the database; an empty text if nothing."""
        try:
            return self._look().alarm
        except IntegrityError as error:  # a sink that cannot be read
            return error.what

    def begin(self) -> None:
        """Register the sinks of a ledger that knows none yet, and keep a first checkpoint."""
        with self._store.read() as connection:
            first = bool(self._sinks) and not known_sinks(connection)
        if first:
            with self._store.write() as connection:
                if not known_sinks(connection):  # another process may have been first
                    self._register(connection, SERVICE, self._sinks)
        self.mark()

    def add(self, actor: str, sinks: tuple[Sink, ...]) -> None:
        """Register sinks because a person says so, also where all others were lost.

        Raises IntegrityError where a sink differs from the database: nobody can say that away.
        """
        with self._store.read() as connection:
            require_role(connection, actor, *_ADDERS)
        everything = tuple({sink.name: sink for sink in (*self._sinks, *sinks)}.values())
        frozen = self._store.frozen
        if frozen and frozen != self._look().unknown:
            self._refuse_frozen()
        if differs := Watch(self._store, self._home, everything)._look().differs:
            raise _refusal(differs)
        self._store.freeze("")
        try:
            with self._store.write() as connection:
                self._register(connection, actor, sinks)
        except BaseException:
            self._store.freeze(frozen)
            raise
        self._sinks = everything
        if frozen:
            self._store.freeze(self.inspect())
        self.mark()

    def _register(self, connection: Connection, actor: str, sinks: tuple[Sink, ...]) -> None:
        """Marker and a checkpoint first, then the entry: what the chain knows was never empty."""
        head, known = now(connection, iso_now()), known_sinks(connection)
        for sink in sinks:
            empty, data = sink.newest() is None, sink.marker()
            marker = Marker(head.origin, secrets.token_hex(16)) if data is None else parse_marker(data)
            if marker.origin != head.origin:
                raise _refusal(_STRANGER.format(name=sink.name))
            if data is None:
                sink.put_marker(marker_bytes(marker))
            sink.put(head.seq, self.sign(head))
            if empty or marker.sink not in known:
                append(connection, "sink", actor=actor, name=sink.name, sink=marker.sink)

    def mark(self) -> None:
        """Keep the signed head in every sink that does not know it yet; the others must be able to take one.

        Raises IntegrityError when a sink is down, which changes nothing; and when one knows another history,
        which freezes the store. A ledger that is not the one that was witnessed gets no checkpoint: the next
        time it would look like the true one.
        """
        self._refuse_frozen()
        found = self._look()
        if found.alarm:
            self._store.freeze(found.alarm)
            self._refuse_frozen()
        for sink, seq in zip(self._sinks, found.known, strict=True):
            if seq < found.head.seq:
                sink.put(found.head.seq, self.sign(found.head))
            else:
                sink.check()

    def _look(self) -> _Found:
        """Raises IntegrityError where a sink cannot be read."""
        newest, differs = [sink.newest() for sink in self._sinks], ""
        known: list[Checkpoint | None] = []
        for sink, data in zip(self._sinks, newest, strict=True):
            try:
                known.append(None if data is None else self.open(data))
            except IntegrityError as error:
                differs = f"the newest checkpoint is not one of this ledger: {error.what} ({sink.name})"
                known.append(None)
        # Read after the sinks: a ledger that only ever grows is then never behind them.
        with self._store.read() as connection:
            head = now(connection, iso_now())
            for sink, one in zip(self._sinks, known, strict=True):
                if one is not None and (found := compare(connection, one)):
                    differs = f"{found} ({sink.name})"
            ids = self._ids(connection, head.seq)
        unknown = "" if differs else self._unknown(ids, head.origin, [data is None for data in newest])
        return _Found(differs, unknown, tuple(0 if one is None else one.seq for one in known), head)

    def _ids(self, connection: Connection, head: int) -> frozenset[str]:
        """Ids of the sinks that the chain knows; entries that were read once are not read again."""
        seen, ids = self._read
        self._read = max(seen, head), ids | known_sinks(connection, seen)
        return self._read[1]

    def _unknown(self, ids: frozenset[str], origin: str, empty: list[bool]) -> str:
        """Why the sinks are not those that the chain knows; an empty text if they are, or it knows none."""
        if ids and not self._sinks:
            return _UNNAMED
        for sink, nothing in zip(self._sinks, empty, strict=True):
            data = sink.marker()
            marker = None if data is None else parse_marker(data)
            if marker and marker.origin != origin:
                return _STRANGER.format(name=sink.name)
            if ids and (marker is None or marker.sink not in ids):
                return _LOST.format(name=sink.name)
            # Asked again: another process may just have registered it.
            if ids and nothing and sink.newest() is None:
                return _LOST.format(name=sink.name)
        return ""

    def _refuse_frozen(self) -> None:
        if self._store.frozen:
            raise _refusal(self._store.frozen)

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


def _refusal(why: str) -> IntegrityError:
    return IntegrityError(
        f"The ledger is read-only: {why}",
        allowed="reading",
        remedy="stop, keep a copy, and find out with an auditor what happened to the database or its sinks",
    )
