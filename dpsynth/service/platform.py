"""The platform: one object behind the command line, the pages and Python programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dpsynth.core.curator import Progress
from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.ledger.sinks import parse_sinks
from dpsynth.ledger.store import Store
from dpsynth.mechanisms.noise import Noise, OpenDPNoise
from dpsynth.service import (
    changes,
    datasets,
    decisions,
    explain,
    forecast,
    ledgerbook,
    people,
    pictures,
    quotes,
    registry,
    requests,
    samples,
)
from dpsynth.service.desks import Desks
from dpsynth.service.samples import SampleForm, SampleView
from dpsynth.service.signins import SignedIn
from dpsynth.service.views import (
    BudgetPlan,
    CheckpointView,
    DatasetInfo,
    Dossier,
    EntryView,
    Explanation,
    Person,
    PictureView,
    PolicyChange,
    Quote,
    RequestForm,
    RequestView,
    ScopeView,
)
from dpsynth.service.watch import Watch
from dpsynth.service.worker import run_next

__all__ = ["DATABASE", "DIRECTORIES", "Platform"]

DATABASE = "ledger.sqlite"
DIRECTORIES = (".", "secrets", "review", "candidates", "keys", "bundles")
"""Of the state directory; for its owner only."""


class Platform(Desks):
    """The only place that changes state. Every method reads the actor's roles from the database."""

    def __init__(
        self, home: Path, store: Store, watch: Watch, noise: Noise, lease_seconds: int, served: bool = False
    ) -> None:
        super().__init__(home, store, watch, served)
        self._noise = noise
        self._lease = lease_seconds

    @classmethod
    def open(
        cls,
        state_dir: Path,
        *,
        database: str = "",
        checkpoints: str = "",
        noise: Noise | None = None,
        lease_seconds: int = 60,
        served: bool = False,
    ) -> Platform:
        """Open the state, making it first if it is not there.

        Where the database is not what the newest outside checkpoint knows, or the sinks are not those that
        the chain knows, the platform opens for reading only: every change is refused with the reason (see
        ``alarm``). The first sinks that a ledger is opened with are registered in its chain.

        Args:
            state_dir: directory of the keys, candidates and bundles, and of the database if it is SQLite.
            database: URL of a PostgreSQL server; empty: SQLite in ``state_dir``.
            checkpoints: sinks outside, as ``dir:PATH`` or ``git:PATH``, separated by commas.
            noise: a stand-in for the noise source; only tests and the surrogate audits have a use for one.
            lease_seconds: how long a silent worker is believed to be alive.
            served: whether it acts for people at other machines, as pages do: each decision then needs the
                sign-in of who decides. Otherwise whoever may open the directory acts as they say.
        """
        if state_dir.exists() and not state_dir.is_dir():
            raise BadInput("The state path is not a directory", remedy="name a directory")
        for name in DIRECTORIES:
            (state_dir / name).mkdir(parents=True, exist_ok=True)
            (state_dir / name).chmod(0o700)  # also where it was there before: the ledger is for its owner
        sinks = parse_sinks(checkpoints)
        store = Store.open(database or state_dir / DATABASE)
        watch = Watch(store, state_dir, sinks)
        if alarm := watch.inspect():
            store.freeze(alarm)
        else:
            people.ensure_service_key(store, state_dir)
            watch.begin()
        return cls(state_dir, store, watch, noise or OpenDPNoise(), lease_seconds, served)

    @property
    def alarm(self) -> str:
        """Why nothing may be changed, or an empty text."""
        return self._store.frozen

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

    def add_person(self, person_id: str, name: str, roles: tuple[str, ...], actor: str = "") -> Person:
        """Add a person and, with roles, their key. Once two people are admins: an admin, without roles."""
        with self._witnessed():
            return people.add_person(self._store, self._home, person_id, name, roles, actor, self._served)

    def register_dataset(
        self, actor: str, policy_path: Path, source_path: Path, reason: str = ""
    ) -> DatasetInfo:
        """Register a file under a policy, or a new version of one (data owners)."""
        if self._served:  # a page says which sign-in asks, and names files under the directories for it
            return self.rulebook.register(actor, str(policy_path), str(source_path), reason)
        with self._witnessed():
            return datasets.register(self._store, self._home, actor, policy_path, source_path, reason)

    def policy_changes(self) -> list[PolicyChange]:
        """Proposed versions of policies and what each changes."""
        return changes.list_changes(self._store)

    def approve_change(self, actor: str, change_id: str, sign_in: str = "") -> DatasetInfo:
        """Put a proposed version of a policy in force (compliance officers, never its proposer)."""
        with self._witnessed():
            return changes.approve_change(self._store, actor, change_id, SignedIn(sign_in, self._served))

    def datasets(self) -> list[DatasetInfo]:
        """Registered datasets."""
        return registry.list_datasets(self._store)

    def dataset(self, dataset_id: str) -> DatasetInfo:
        """One dataset."""
        with self._store.read() as connection:
            return registry.dataset(connection, dataset_id)

    def quote(self, actor: str, form: RequestForm) -> Quote:
        """What a request would cost. Free, holds nothing."""
        return quotes.quote(self._store, self._home, actor, form)

    def submit(self, actor: str, form: RequestForm) -> RequestView:
        """Submit a request: its budget is held and its job queued in one transaction."""
        with self._witnessed():
            return requests.submit(self._store, self._home, actor, form)

    def requests(self, actor: str) -> list[RequestView]:
        """Requests that the actor may see, newest first."""
        return requests.list_requests(self._store, actor)

    def request(self, actor: str, request_id: str) -> RequestView:
        """One request."""
        return requests.show(self._store, actor, request_id)

    def cancel(self, actor: str, request_id: str) -> RequestView:
        """Cancel a queued request of one's own."""
        with self._witnessed():
            return requests.cancel(self._store, actor, request_id)

    def explain(self, actor: str, request_id: str) -> Explanation:
        """What a request costs, event by event, why it was refused, and what would fit."""
        return explain.explain(self._store, actor, request_id)

    def plan_budget(
        self,
        actor: str,
        dataset_id: str,
        synthesizer: str = "",
        epsilons: tuple[str, ...] = (),
        partition: str = "",
    ) -> BudgetPlan:
        """How many releases of which size fit in what is left."""
        return forecast.plan_budget(self._store, actor, dataset_id, synthesizer, epsilons, partition)

    def dossier(self, actor: str, request_id: str) -> Dossier:
        """The dossier that approvers sign."""
        return decisions.dossier(self._store, actor, request_id)

    def mechanism_pictures(self, actor: str, request_id: str) -> tuple[PictureView, ...]:
        """Pictures of the mechanism's evidence, for those who may see the dossier."""
        return pictures.mechanism_pictures(self._store, self._home, actor, request_id)

    def audit_report(self, actor: str, request_id: str) -> dict[str, Any]:
        """Exact audit numbers, for the review room. Every view is logged."""
        with self._witnessed():
            return decisions.audit_report(self._store, self._home, actor, request_id)

    def approve(
        self,
        actor: str,
        request_id: str,
        dossier_sha256: str,
        reason: str,
        ticks: tuple[str, ...],
        sign_in: str = "",
    ) -> RequestView:
        """Sign a release. ``sign_in`` is the actor's, needed where the platform is served."""
        by = SignedIn(sign_in, self._served)
        with self._witnessed():
            return decisions.approve(
                self._store, self._home, actor, request_id, dossier_sha256, reason, ticks, by
            )

    def reject(
        self, actor: str, request_id: str, dossier_sha256: str, reason: str, sign_in: str = ""
    ) -> RequestView:
        """Refuse a release, with a reason."""
        by = SignedIn(sign_in, self._served)
        with self._witnessed():
            return decisions.reject(self._store, actor, request_id, dossier_sha256, reason, by)

    def publish(self, actor: str, request_id: str) -> Path:
        """Publish an approved release; the bundle's directory."""
        with self._witnessed():
            return decisions.publish(self._store, self._home, actor, request_id)

    def budget(self, actor: str) -> list[ScopeView]:
        """Budgets. A requester sees the shared budgets and their own ceiling."""
        return quotes.budget(self._store, actor)

    def ledger_entries(self, actor: str, after: int = 0) -> list[EntryView]:
        """The hash chain, oldest first, for those who answer for it."""
        return ledgerbook.entries(self._store, actor, after)

    def verify_ledger(self, checkpoint: bytes | None = None) -> int:
        """Recompute the chain, replay it, compare all records and checkpoints; the number of entries.

        Args:
            checkpoint: a signed checkpoint that somebody else kept.

        Raises IntegrityError.
        """
        return ledgerbook.verify_all(self._store, self._watch, checkpoint)

    def add_sink(self, actor: str, text: str) -> tuple[str, ...]:
        """Have further sinks witness this ledger, also where those it had are lost; all sinks in use.

        Args:
            actor: a compliance officer, data owner or auditor; the chain names them.
            text: as ``checkpoints`` of ``open``, which must name the sinks too the next time.
        """
        self._watch.add(actor, parse_sinks(text))
        return self._watch.sinks

    def checkpoint(self, actor: str) -> CheckpointView:
        """Sign the head of the ledger, keep it in every sink, and hand it out."""
        return ledgerbook.checkpoint(self._store, self._watch, actor)

    def sample(self, actor: str, request_id: str, form: SampleForm) -> SampleView:
        """Draw further rows from the kept model of a published release. Free."""
        with self._witnessed():
            return samples.sample(self._store, self._home, actor, request_id, form)

    def run_once(
        self,
        worker: str,
        on_stage: Callable[[str], None] | None = None,
        watch: Callable[[Progress], None] | None = None,
    ) -> RequestView | None:
        """Run the oldest queued request, if any. ``watch`` is for the person at this worker alone.

        After SIGINT or SIGTERM it raises KeyboardInterrupt, once the ledger is right.
        """
        mark, lease = self._watch.mark, self._lease
        with self._witnessed():
            done = run_next(self._store, self._home, worker, self._noise, lease, on_stage, mark, watch)
        if done is None:
            return None
        with self._store.read() as connection:
            row = connection.execute(requests.by_id(done)).one()
            return requests.view(connection, row, None)

    def run_forever(
        self,
        worker: str,
        poll_seconds: float,
        on_stage: Callable[[str], None] | None = None,
        watch: Callable[[Progress], None] | None = None,
    ) -> None:
        """Run requests as they come, until the process is stopped. Notices go out between two runs."""
        while True:
            try:
                idle = self.run_once(worker, on_stage, watch) is None
            except IntegrityError:
                self._notices.deliver()  # an alarm ends this worker, and somebody should hear of it
                raise
            self._notices.deliver()
            if idle:
                time.sleep(poll_seconds)
