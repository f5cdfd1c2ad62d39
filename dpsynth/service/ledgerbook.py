"""The ledger as a book for those who answer for it: read, verify, take a checkpoint."""

from __future__ import annotations

from typing import NoReturn

from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.chain import Entry, read_chain, verify_chain
from dpsynth.ledger.checkpoint import compare
from dpsynth.ledger.replay import replay
from dpsynth.ledger.store import Store
from dpsynth.service import people, records
from dpsynth.service.views import CheckpointView, EntryView
from dpsynth.service.watch import Watch

__all__ = ["READERS", "checkpoint", "entries", "entry_view", "verify", "verify_all"]

READERS = ("compliance_officer", "data_owner", "auditor")


def entries(store: Store, actor: str, after: int) -> list[EntryView]:
    """Entries after number ``after``, oldest first. Raises PolicyRefusal for other roles."""
    with store.read() as connection:
        people.require_role(connection, actor, *READERS)
        return [entry_view(entry) for entry in read_chain(connection, after)]


def entry_view(entry: Entry) -> EntryView:
    """An entry as shells see it."""
    return EntryView(entry.seq, entry.time, entry.kind, entry.body, entry.hash, entry.salt)


def verify_all(store: Store, watch: Watch, known: bytes | None) -> int:
    """What the sinks say, then the chain and all records; the number of entries. Raises IntegrityError."""
    alone = known is not None and watch.unnamed  # then that checkpoint is the witness
    if not alone and (alarm := watch.inspect()):
        raise IntegrityError(
            f"The ledger does not fit what witnesses it: {alarm}",
            allowed="a ledger that every outside checkpoint fits",
            remedy="stop all work on this state and find out with an auditor what happened",
        )
    return verify(store, watch, known)


def verify(store: Store, watch: Watch, known: bytes | None) -> int:
    """Recompute the chain, replay it, compare all records; the number of entries. Raises IntegrityError."""

    def fail(what: str) -> NoReturn:
        raise IntegrityError(what, remedy="stop all work on this state and compare it with a backup")

    with store.read() as connection:
        count = verify_chain(connection)
        replay(connection, fail)
        records.reconcile(connection, fail)
        if known is not None and (difference := compare(connection, watch.open(known))):
            fail(f"The ledger differs from the checkpoint: {difference}")
    return count


def checkpoint(store: Store, watch: Watch, actor: str) -> CheckpointView:
    """Sign the head, keep it in every sink, hand it out."""
    with store.read() as connection:
        people.require_role(connection, actor, *READERS)
    taken, envelope = watch.take()
    return CheckpointView(taken.origin, taken.seq, taken.hash, taken.time, envelope.decode(), watch.sinks)
