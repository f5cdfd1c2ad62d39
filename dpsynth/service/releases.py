"""What becomes of published releases: delivered, listed, proved, revoked; and datasets that are paused."""

from __future__ import annotations

from datetime import UTC, datetime

from dpsynth.core.errors import Conflict
from dpsynth.ledger.chain import append
from dpsynth.publish.catalogue import catalogue_page
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.revocation import REASONS, REVOCATIONS, SENTENCE
from dpsynth.publish.targets import deliver, public_place, put_file
from dpsynth.publish.verify import Outside, verify_bundle
from dpsynth.service import extending, pausing, revoking
from dpsynth.service.desk import Desk
from dpsynth.service.extending import extension_file
from dpsynth.service.people import require_role
from dpsynth.service.proving import proof_of, revocation_list
from dpsynth.service.published import require_published
from dpsynth.service.release_list import READERS, ReleaseView, asked_for, list_releases, listed_releases
from dpsynth.service.requests import request_row
from dpsynth.service.signing import bundle_path
from dpsynth.service.signins import SignedIn
from dpsynth.service.stopping import STOPPERS
from dpsynth.service.views import PauseView, RequestView

__all__ = ["Releases"]


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
                outside = Outside(
                    revocations=revocation_list(connection, self._home),
                    extension=extension_file(connection, self._home, row),
                )
                verify_bundle(folder, trust, datetime.now(UTC), outside)
                append(connection, "deliver", request=row.id, actor=actor, target=place)
            where = deliver(folder, place)
            if outside.extension is not None:
                put_file(place, extending.file_name(row.id), outside.extension)
            return where

    def catalogue(self, actor: str) -> str:
        """The page that lists every published, expired and revoked release (those who answer for them)."""
        now = datetime.now(UTC)
        with self._store.read() as connection:
            require_role(connection, actor, *READERS)
            return catalogue_page([one for _, one in listed_releases(connection, self._home, now)], now)

    def deliver_catalogue(self, actor: str, target: str) -> tuple[str, ...]:
        """Put the page, the signed list and all extensions under a directory or URL; where they lie then."""
        place, page = public_place(target), self.catalogue(actor)
        files = {REVOCATIONS: self.revocations(), **self._extensions(), "index.html": page.encode()}
        return tuple(put_file(place, name, data) for name, data in files.items())

    def _extensions(self) -> dict[str, bytes]:
        """The signed extensions of releases that are not revoked, by the name of their file."""
        found = {}
        with self._store.read() as connection:
            for row, one in listed_releases(connection, self._home, datetime.now(UTC)):
                data = None if one.revoked else extension_file(connection, self._home, row)
                if data is not None:
                    found[extending.file_name(one.release_id)] = data
        return found

    def listing(self, actor: str) -> list[ReleaseView]:
        """Every release that was ever published, newest first (officers, data owners and auditors)."""
        return list_releases(self._store, self._home, actor)

    def asked_for(self, actor: str) -> int:
        """How many proposed extensions wait for this person's signature (for an auditor none)."""
        return asked_for(self._store, actor)

    def extend(self, actor: str, request_id: str, last_day: str, reason: str, sign_in: str = "") -> str:
        """Propose a later end of a permission and sign for it (approvers, never the requester); its id.

        It is in force when as many people have signed as the release's policy asks for.
        """
        by = SignedIn(sign_in, self._served)
        with self._witnessed():
            return extending.propose(self._store, self._home, actor, request_id, (last_day, reason), by)

    def sign_extension(self, actor: str, extension_id: str, sign_in: str = "") -> bool:
        """Sign a proposed extension; whether it is in force now."""
        by = SignedIn(sign_in, self._served)
        with self._witnessed():
            return extending.sign(self._store, self._home, actor, extension_id, by)

    def withdraw_extension(self, actor: str, extension_id: str) -> None:
        """End a proposed extension that is not in force (approvers)."""
        with self._witnessed():
            extending.withdraw(self._store, actor, extension_id)

    def extension(self, actor: str, request_id: str) -> bytes:
        """The signed extension of a published release, for verifiers. Raises Conflict where there is none."""
        with self._store.read() as connection:
            row = request_row(connection, actor, request_id)
            require_published(row)
            data = extension_file(connection, self._home, row)
        if data is None:
            raise Conflict(
                "This release has no extension in force",
                allowed="a release whose extension enough people have signed",
                remedy="propose one, or verify without it",
            )
        return data

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
