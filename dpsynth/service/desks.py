"""Parts of the platform that are asked for by name, each with the same store, directory and witnesses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpsynth.ledger.store import Store
from dpsynth.service.access import Access
from dpsynth.service.attack_reports import AttackReports
from dpsynth.service.board import Board
from dpsynth.service.book import Book
from dpsynth.service.exports import Exports
from dpsynth.service.notices import Notices
from dpsynth.service.rehearsals import Rehearsals
from dpsynth.service.releases import Releases
from dpsynth.service.requester import RequesterDesk
from dpsynth.service.reviews import Reviews
from dpsynth.service.rulebook import Rulebook
from dpsynth.service.utility_room import UtilityRoom
from dpsynth.service.verifier import Verifier
from dpsynth.service.watch import Watch

__all__ = ["Desks"]


class Desks:
    """Every method of every part reads the actor's roles from the database."""

    def __init__(self, home: Path, store: Store, watch: Watch, served: bool) -> None:
        self._home = home
        self._store = store
        self._watch = watch
        self._served = served
        self._notices = Notices(store, home, self._witnessed)

    @contextmanager
    def _witnessed(self) -> Iterator[None]:
        """An action that the sinks witness: one that is down stops it before it begins."""
        self._watch.mark()
        try:
            yield
        finally:
            self._watch.mark()  # also after a refusal: that leaves an entry too

    @property
    def notices(self) -> Notices:
        """Messages to people outside, which are off until somebody sets where they go."""
        return self._notices

    @property
    def releases(self) -> Releases:
        """What becomes of published releases."""
        return Releases(self._store, self._home, self._witnessed, self._served)

    @property
    def access(self) -> Access:
        """Sign-ins, roles, keys, accounts and the log of exact looks."""
        return Access(self._store, self._home, self._witnessed, self._served)

    @property
    def reviews(self) -> Reviews:
        """Objections and reviews of auditors."""
        return Reviews(self._store, self._home, self._witnessed, self._served)

    @property
    def book(self) -> Book:
        """The ledger in pages, its checks and its export."""
        return Book(self._store, self._home, self._witnessed, self._served, self._watch)

    @property
    def verifier(self) -> Verifier:
        """Verification of bundles that somebody hands in."""
        return Verifier(self._store, self._home, self._witnessed, self._served)

    @property
    def attack_reports(self) -> AttackReports:
        """Attack reports to take along, with a watermark."""
        return AttackReports(self._store, self._home, self._witnessed, self._served)

    @property
    def board(self) -> Board:
        """Budgets with their history, and in coarse bands."""
        return Board(self._store, self._home, self._witnessed, self._served)

    @property
    def rulebook(self) -> Rulebook:
        """Policies with their versions, and registrations."""
        return Rulebook(self._store, self._home, self._witnessed, self._served)

    @property
    def utility(self) -> UtilityRoom:
        """Exact measures of how useful a release is."""
        return UtilityRoom(self._store, self._home, self._witnessed, self._served)

    @property
    def exports(self) -> Exports:
        """Documents for those who answer for a dataset."""
        return Exports(self._store, self._witnessed)

    @property
    def rehearsals(self) -> Rehearsals:
        """What utility to expect, tried on public rows; free."""
        return Rehearsals(self._store, self._home, self._witnessed, self._served)

    @property
    def requester(self) -> RequesterDesk:
        """What is offered, how one's requests go, and what may be fetched."""
        return RequesterDesk(self._store, self._home, self._witnessed, self._served)
