"""The platform: one object behind the command line, the pages and Python programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.ledger.chain import read_chain, verify_chain
from dpsynth.ledger.charges import balances
from dpsynth.ledger.replay import replay
from dpsynth.ledger.store import Store
from dpsynth.mechanisms.noise import Noise, OpenDPNoise
from dpsynth.service import datasets, decisions, people, quotes, records, requests
from dpsynth.service.views import (
    DatasetInfo,
    Dossier,
    EntryView,
    Person,
    Quote,
    RequestForm,
    RequestView,
    ScopeView,
)
from dpsynth.service.worker import run_next

__all__ = ["Platform"]


class Platform:
    """The only place that changes state. Every method reads the actor's roles from the database."""

    def __init__(self, home: Path, store: Store, noise: Noise, lease_seconds: int) -> None:
        self._home = home
        self._store = store
        self._noise = noise
        self._lease = lease_seconds

    @classmethod
    def open(cls, state_dir: Path, *, noise: Noise | None = None, lease_seconds: int = 60) -> Platform:
        """Open the state, making it first if it is not there.

        Args:
            state_dir: directory of the database, keys, candidates and bundles.
            noise: a stand-in for the noise source; only tests and the surrogate audits have a use for one.
            lease_seconds: how long a silent worker is believed to be alive.
        """
        if state_dir.exists() and not state_dir.is_dir():
            raise BadInput("The state path is not a directory", remedy="name a directory")
        for name in (".", "secrets", "review", "candidates", "keys", "bundles"):
            (state_dir / name).mkdir(parents=True, exist_ok=True)
            (state_dir / name).chmod(0o700)  # also where it was there before: the ledger is for its owner
        store = Store.create_or_open(state_dir / "ledger.sqlite")
        people.ensure_service_key(store, state_dir)
        return cls(state_dir, store, noise or OpenDPNoise(), lease_seconds)

    @property
    def keys_dir(self) -> Path:
        """Public keys, to be handed to verifiers out of band."""
        return self._home / "keys"

    @property
    def bundles_dir(self) -> Path:
        """Published bundles."""
        return self._home / "bundles"

    def people(self) -> list[Person]:
        """Everyone with a role."""
        return people.all_people(self._store)

    def add_person(self, person_id: str, name: str, roles: tuple[str, ...]) -> Person:
        """Add a person and make their signing key."""
        return people.add_person(self._store, self._home, person_id, name, roles)

    def register_dataset(self, actor: str, policy_path: Path, source_path: Path) -> DatasetInfo:
        """Register a file under a policy (data owners)."""
        return datasets.register(self._store, actor, policy_path, source_path)

    def datasets(self) -> list[DatasetInfo]:
        """Registered datasets."""
        return datasets.list_datasets(self._store)

    def dataset(self, dataset_id: str) -> DatasetInfo:
        """One dataset."""
        with self._store.read() as connection:
            return datasets.dataset(connection, dataset_id)

    def quote(self, actor: str, form: RequestForm) -> Quote:
        """What a request would cost. Free, holds nothing."""
        return quotes.quote(self._store, actor, form)

    def submit(self, actor: str, form: RequestForm) -> RequestView:
        """Submit a request: its budget is held and its job queued in one transaction."""
        return requests.submit(self._store, actor, form)

    def requests(self, actor: str) -> list[RequestView]:
        """Requests that the actor may see, newest first."""
        return requests.list_requests(self._store, actor)

    def request(self, actor: str, request_id: str) -> RequestView:
        """One request."""
        return requests.show(self._store, actor, request_id)

    def cancel(self, actor: str, request_id: str) -> RequestView:
        """Cancel a queued request of one's own."""
        return requests.cancel(self._store, actor, request_id)

    def dossier(self, actor: str, request_id: str) -> Dossier:
        """The dossier that approvers sign."""
        return decisions.dossier(self._store, actor, request_id)

    def audit_report(self, actor: str, request_id: str) -> dict[str, Any]:
        """Exact audit numbers, for the review room. Every view is logged."""
        return decisions.audit_report(self._store, self._home, actor, request_id)

    def approve(
        self, actor: str, request_id: str, dossier_sha256: str, reason: str, ticks: tuple[str, ...]
    ) -> RequestView:
        """Sign a release."""
        return decisions.approve(self._store, self._home, actor, request_id, dossier_sha256, reason, ticks)

    def reject(self, actor: str, request_id: str, dossier_sha256: str, reason: str) -> RequestView:
        """Refuse a release, with a reason."""
        return decisions.reject(self._store, actor, request_id, dossier_sha256, reason)

    def publish(self, actor: str, request_id: str) -> Path:
        """Publish an approved release; the bundle's directory."""
        return decisions.publish(self._store, self._home, actor, request_id)

    def budget(self, actor: str) -> list[ScopeView]:
        """Budgets. A requester sees the shared budgets and their own ceiling."""
        with self._store.read() as connection:
            someone = people.person(connection, actor)
            found = [quotes.scope_view(balance) for balance in balances(connection)]
        wide = set(someone.roles) & {"compliance_officer", "data_owner", "auditor"}
        return [s for s in found if wide or s.kind != "requester" or s.id.endswith(f":{actor}")]

    def ledger_entries(self, actor: str) -> list[EntryView]:
        """The hash chain, oldest first, for those who answer for it."""
        with self._store.read() as connection:
            people.require_role(connection, actor, "compliance_officer", "data_owner", "auditor")
            return [EntryView(e.seq, e.time, e.kind, e.body, e.hash) for e in read_chain(connection)]

    def verify_ledger(self) -> int:
        """Recompute the chain, replay it, compare all records; the number of entries.

        Raises IntegrityError.
        """

        def fail(what: str) -> None:
            raise IntegrityError(what, remedy="stop all work on this state and compare it with a backup")

        with self._store.read() as connection:
            count = verify_chain(connection)
            replay(connection, fail)
            records.reconcile(connection, fail)
        return count

    def run_once(self, worker: str, on_stage: Callable[[str], None] | None = None) -> RequestView | None:
        """Run the oldest queued request, if any."""
        done = run_next(self._store, self._home, worker, self._noise, self._lease, on_stage)
        if done is None:
            return None
        with self._store.read() as connection:
            row = connection.execute(requests.by_id(done)).one()
            return requests.view(connection, row, None)

    def run_forever(self, worker: str, poll_seconds: float) -> None:
        """Run requests as they come, until the process is stopped."""
        while True:
            if self.run_once(worker) is None:
                time.sleep(poll_seconds)
