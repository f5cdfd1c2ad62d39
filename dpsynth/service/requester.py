"""The requester's side: what is offered, how one's requests go, and what may be fetched."""

from __future__ import annotations

from dpsynth.service import downloads, offered, timeline
from dpsynth.service.desk import Desk
from dpsynth.service.downloads import Bundle, Download
from dpsynth.service.offered import Offer
from dpsynth.service.timeline import Step

__all__ = ["RequesterDesk"]


class RequesterDesk(Desk):
    """Asked for as ``platform.requester``. Every method reads the actor's roles from the database."""

    BANDS = offered.BANDS

    def offers(self, actor: str) -> tuple[Offer, ...]:
        """Every dataset: its policy, a coarse band of what is left for the actor, and what was published."""
        return offered.offers(self._store, self._home, actor)

    def timeline(self, actor: str, request_id: str) -> tuple[Step, ...]:
        """The steps of a request that the actor may see, each dated to the hour at most."""
        return timeline.timeline(self._store, actor, request_id)

    def downloads(self, actor: str) -> tuple[Download, ...]:
        """Releases that the actor may have, and those that they may no longer use."""
        return downloads.downloads(self._store, self._home, actor)

    def fetch(self, actor: str, request_id: str) -> Bundle:
        """A published bundle as one ZIP file; the ledger is told who fetches it before it is handed over."""
        with self._witnessed():
            return downloads.fetch(self._store, self._home, actor, request_id)
