"""The ledger in pages: its entries, the state of its chain, checks on demand, and the whole to keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection, Select, select

from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.ledger.chain import hash_at, read_chain, read_head
from dpsynth.ledger.schema import entries
from dpsynth.ledger.store import Store
from dpsynth.service import ledgerbook
from dpsynth.service.desk import Desk
from dpsynth.service.people import require_role
from dpsynth.service.views import EntryView
from dpsynth.service.watch import Watch

__all__ = ["Book", "BookPage", "ChainStatus", "MOST_ENTRIES"]

_READERS = ledgerbook.READERS
MOST_ENTRIES = 500
"""Entries of one page at most: nobody reads more at once, and a page has to fit one message."""
_LONGEST_FILTER = 100
_FRAME = ("seq", "time", "kind", "salt")


@dataclass(frozen=True)
class BookPage:
    """Entries, newest first.

    Attributes:
        entries: at most as many as were asked for.
        older: ``before`` of the next page; 0 where there is none.
    """

    entries: tuple[EntryView, ...]
    older: int


@dataclass(frozen=True)
class ChainStatus:
    """Where the chain stands. Nothing of it is recomputed here; ``Book.verify`` does that.

    Attributes:
        origin: hash of the first entry, hex: the ledger's id; zeros for an empty chain.
        seq: number of the newest entry; the chain has that many.
        hash: of the newest entry, hex.
        time: of the newest entry, ISO 8601, or "".
        sinks: names of the places outside that keep checkpoints.
        alarm: why nothing may be changed, or "".
    """

    origin: str
    seq: int
    hash: str
    time: str
    sinks: tuple[str, ...]
    alarm: str


class Book(Desk):
    """Asked for as ``platform.book``: for compliance officers, data owners and auditors."""

    def __init__(
        self,
        store: Store,
        home: Path,
        witnessed: Callable[[], AbstractContextManager[None]],
        served: bool,
        watch: Watch,
    ) -> None:
        super().__init__(store, home, witnessed, served)
        self._watch = watch

    def status(self, actor: str) -> ChainStatus:
        """Where the chain stands."""
        with self._store.read() as connection:
            require_role(connection, actor, *_READERS)
            head = read_head(connection)
            newest = _views(connection, select(entries).where(entries.c.seq == head.seq))
            return ChainStatus(
                origin=hash_at(connection, min(1, head.seq)),
                seq=head.seq,
                hash=head.hash,
                time=newest[0].time if newest else "",
                sinks=self._watch.sinks,
                alarm=self._store.frozen,
            )

    def page(self, actor: str, before: int = 0, most: int = 50, about: str = "", kind: str = "") -> BookPage:
        """One page of entries, newest first.

        Args:
            actor: who looks.
            before: entries with a smaller number only; 0: from the newest.
            most: entries on the page, 1 to 500.
            about: only entries that mention this text as a whole value, such as a request or a person.
            kind: only entries of this kind.

        Raises:
            BadInput: a number or a text outside these limits.
        """
        if not 1 <= most <= MOST_ENTRIES or before < 0 or max(len(about), len(kind)) > _LONGEST_FILTER:
            raise BadInput(
                "This page of the ledger cannot be shown",
                allowed=f"1 to {MOST_ENTRIES} entries, and words of up to {_LONGEST_FILTER} characters",
                remedy="ask for fewer entries, or for a shorter word",
            )
        query = select(entries).order_by(entries.c.seq.desc()).limit(most + 1)
        if before:
            query = query.where(entries.c.seq < before)
        # A body is canonical JSON, in which every text stands with its quotation marks.
        if about:
            query = query.where(
                entries.c.body.contains(json.dumps(about, ensure_ascii=False), autoescape=True)
            )
        if kind:
            query = query.where(entries.c.body.contains(f'"kind":{json.dumps(kind)}', autoescape=True))
        with self._store.read() as connection:
            require_role(connection, actor, *_READERS)
            found = _views(connection, query)
        shown = tuple(one for one in found[:most] if not kind or one.kind == kind)
        return BookPage(shown, found[most - 1].seq if len(found) > most else 0)

    def verify(self, actor: str, checkpoint: bytes | None = None) -> int:
        """Recompute the chain, replay it, compare all records and checkpoints; the number of entries.

        Args:
            actor: who asks.
            checkpoint: a signed checkpoint that the actor kept.

        Raises:
            IntegrityError: naming the first thing that is not what it was.
        """
        with self._store.read() as connection:
            require_role(connection, actor, *_READERS)
        return ledgerbook.verify_all(self._store, self._watch, checkpoint)

    def export(self, actor: str) -> bytes:
        """The whole chain as JSON lines, oldest first, a signed checkpoint of its end as the last line."""
        taken = ledgerbook.checkpoint(self._store, self._watch, actor)
        with self._store.read() as connection:
            lines = [*_lines(connection, taken.seq), taken.envelope]
        return ("\n".join(lines) + "\n").encode()


def _lines(connection: Connection, last: int) -> Iterable[str]:
    """As ``dpsynth ledger export`` writes them."""
    for entry in read_chain(connection):
        if entry.seq <= last:
            yield json.dumps(asdict(ledgerbook.entry_view(entry)), sort_keys=True)


def _views(connection: Connection, query: Select[tuple[object, ...]]) -> list[EntryView]:
    return [_view(row.seq, row.body, row.hash) for row in connection.execute(query)]


def _view(seq: int, text: str, found: str) -> EntryView:
    """An entry as it lies there; nothing is recomputed."""
    try:
        full = json.loads(text)
        body = {name: value for name, value in full.items() if name not in _FRAME}
        return EntryView(full["seq"], full["time"], full["kind"], body, found, full.get("salt", ""))
    except (ValueError, KeyError, AttributeError):
        raise IntegrityError(
            f"Entry {seq} of the ledger cannot be read",
            allowed="entries as this program wrote them",
            remedy="stop all work on this state, keep a copy, and compare it with the last backup",
        ) from None
