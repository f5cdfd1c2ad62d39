"""What becomes of published releases: delivered, listed, proved, revoked; and datasets that are paused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, select

from dpsynth.ledger.chain import append
from dpsynth.publish.catalogue import Listed, catalogue_page
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.revocation import REASONS, REVOCATIONS, SENTENCE
from dpsynth.publish.targets import deliver, public_place, put_file
from dpsynth.publish.verify import Outside, verify_bundle
from dpsynth.service import pausing, revoking
from dpsynth.service.desk import Desk
from dpsynth.service.people import require_role
from dpsynth.service.proving import proof_of, revocation_list
from dpsynth.service.published import as_it_stands, require_published
from dpsynth.service.requests import request_row
from dpsynth.service.signing import bundle_path
from dpsynth.service.signins import SignedIn
from dpsynth.service.stopping import STOPPERS
from dpsynth.service.tables import requests
from dpsynth.service.views import PauseView, RequestView

__all__ = ["Releases"]

_READERS = (*STOPPERS, "auditor")


class Releases(Desk):
    """Asked for as ``platform.releases``. Every method reads the actor's roles from the database."""

    REASONS = REASONS
    """Kinds of reasons that the public is told, with their words."""
    SENTENCE = SENTENCE
    """What is true of expiry and revocation."""

    def revoke(
        self, actor: str, request_id: str, reason: str, kind: str = "other", sign_in: str = ""
    ) -> RequestView:
        """Revoke a published release (compliance officers and data owners, never its requester)."""
        by = SignedIn(sign_in, self._served)
        with self._witnessed():
            return revoking.revoke(self._store, self._home, actor, request_id, (reason, kind), by)

    def revocations(self) -> bytes:
        """The signed list of revoked releases as it is now, also put beside the bundles. For everybody."""
        with self._witnessed():
            return revoking.write_list(self._store, self._home)

    def prove(self, actor: str, request_id: str) -> bytes:
        """A ledger proof of a published release up to now, which may take the place of the bundle's own."""
        with self._witnessed(), self._store.read() as connection:
            row = request_row(connection, actor, request_id)
            require_published(row)
            return proof_of(connection, self._home, row.id)

    def deliver(self, actor: str, request_id: str, target: str) -> str:
        """Put a published release under a directory or URL; where it lies then. Safe to repeat.

        The bundle is verified first and the ledger is told where it goes. Raises as publish.targets does.
        """
        place = public_place(target)
        with self._witnessed():
            with self._store.write() as connection:
                require_role(connection, actor, *STOPPERS)
                row = request_row(connection, actor, request_id)
                require_published(row)
                folder, trust = bundle_path(self._home, row), load_public_keys(self._home / "keys")
                outside = Outside(revocations=revocation_list(connection, self._home))
                verify_bundle(folder, trust, datetime.now(UTC), outside)
                append(connection, "deliver", request=row.id, actor=actor, target=place)
            return deliver(folder, place)

    def catalogue(self, actor: str) -> str:
        """The page that lists every published, expired and revoked release (those who answer for them)."""
        now = datetime.now(UTC)
        with self._store.read() as connection:
            require_role(connection, actor, *_READERS)
            return catalogue_page(_listed(connection, self._home, now), now)

    def deliver_catalogue(self, actor: str, target: str) -> tuple[str, str]:
        """Put the page and the signed list under a directory or URL; where they lie then."""
        place, page = public_place(target), self.catalogue(actor)
        data = self.revocations()
        return put_file(place, REVOCATIONS, data), put_file(place, "index.html", page.encode())

    def pause(self, actor: str, dataset_id: str, reason: str) -> None:
        """Pause a dataset: no new request, nothing held, what is queued stays closed."""
        with self._witnessed():
            pausing.pause(self._store, actor, dataset_id, reason)

    def resume(self, actor: str, dataset_id: str, reason: str) -> None:
        """End a pause."""
        with self._witnessed():
            pausing.resume(self._store, actor, dataset_id, reason)

    def paused(self, actor: str) -> list[PauseView]:
        """Datasets that are paused now."""
        return pausing.paused_datasets(self._store, actor)


def _listed(connection: Connection, home: Path, now: datetime) -> list[Listed]:
    asked = select(requests).where(requests.c.state.in_(("published", "revoked")))
    rows = connection.execute(asked.order_by(requests.c.number.desc())).all()
    return [as_it_stands(connection, home, row, now) for row in rows]
