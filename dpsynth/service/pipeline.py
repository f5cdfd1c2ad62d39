"""One run, from commit to dossier. The order is the promise: charge durably, then open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Connection, Row

from dpsynth import __version__
from dpsynth.accounting.cost import Cost
from dpsynth.accounting.events import Event, event_to_json
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import covered_order, plan_cost
from dpsynth.accounting.statement import epsilon_at, epsilon_of_cap
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import plan_sha256
from dpsynth.audit.release_runner import run_release_attacks
from dpsynth.audit.report import AuditReport, report_sha256
from dpsynth.audit.result import Claim
from dpsynth.audit.run import run_audit
from dpsynth.core.canonical import sha256_hex
from dpsynth.core.curator import Plan, Progress, Synthesizer
from dpsynth.core.errors import IntegrityError
from dpsynth.core.guarantee import Guarantee
from dpsynth.core.structure import require_structure
from dpsynth.core.table import SyntheticTable
from dpsynth.engines.catalog import entrusted
from dpsynth.ledger.charges import charge, settle
from dpsynth.ledger.charges import commit as commit_charge
from dpsynth.ledger.scopes import Balance, balances, text_cost
from dpsynth.ledger.store import Store
from dpsynth.mechanisms.noise import Noise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.policy.model import Policy
from dpsynth.publish.candidate import write_candidate
from dpsynth.publish.inputs import (
    AuditSummary,
    ReleaseInputs,
    ScopeTotals,
    release_guarantee,
)
from dpsynth.publish.sbom import installed
from dpsynth.service.budgets import part_for, shared_scopes, touched_scopes
from dpsynth.service.clock import unix_now
from dpsynth.service.earlier import earlier_releases
from dpsynth.service.entrusting import asked_before, engine_for
from dpsynth.service.jobs import require_owner
from dpsynth.service.measuring import PaidQueries, exact_text, measure_plan, rows_plan
from dpsynth.service.models import keep_model
from dpsynth.service.pausing import require_open
from dpsynth.service.plans import audit_plan, run_plan
from dpsynth.service.registry import dataset_row, parsed_policy
from dpsynth.utility.measures import PaidMeasures
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.entrusting import Trustee
from dpsynth.vault.opening import CoinedRows, flip_coin, open_table
from dpsynth.vault.sources import read_bytes
from dpsynth.vault.surrogate import Door

__all__ = ["Candidate", "Run"]

_PACKAGES = ("opendp", "dp-accounting", "numpy", "pandas", "pyarrow", "scipy")


@dataclass(frozen=True)
class Candidate:
    """What a run leaves for people to decide on."""

    directory: Path
    files: dict[str, dict[str, object]]
    report: AuditReport
    inputs: ReleaseInputs
    model_sha256: str = ""
    """Digest of the model that was kept for further rows; empty where there is none."""
    exact_utility: str = ""
    """Exact measures of utility, JSON text: class B evidence, for a file of the review room alone."""


class Run:
    """One claimed request on its way through the stations.

    Args:
        row: the request.
        noise: the noise source of the mechanisms.
        lease_seconds: how long the charge is believed to be in living hands without a heartbeat.
        witness: keeps a checkpoint of the ledger outside; what cannot be witnessed does not happen.
    """

    def __init__(
        self,
        store: Store,
        home: Path,
        row: Row[tuple[object, ...]],
        noise: Noise,
        lease_seconds: int,
        witness: Callable[[], object],
    ) -> None:
        self._store = store
        self._home = home
        self._row = row
        self._noise = noise
        self._lease = lease_seconds
        self._witness = witness
        self._policy: Policy = parsed_policy(row.policy_text, row.dataset_id)
        self._cost: Cost = text_cost(row.cost)
        self._totals: tuple[ScopeTotals, ...] = ()
        self._trustee: Trustee | None = None
        paid = None if entrusted(row.synthesizer) else measure_plan(self._policy, int(row.rho))
        self._paid = None if paid is None else PaidQueries(self._policy, paid)
        self._measures: PaidMeasures | None = None

    def execute(
        self, tell: Callable[[str], None], watch: Callable[[Progress], None] | None = None
    ) -> Candidate:
        """Walk all stations. An exception after commit leaves the charge spent."""
        synthesizer, plan = run_plan(self._policy, self._row.synthesizer, asked_before(self._row))
        engine = engine_for(self._home, plan)
        tell("committing")
        source = self._commit()
        tell("opening")
        table = open_table(
            read_bytes(Path(source[0]), self._policy.source.max_bytes),
            source[1],
            self._policy,
            self._row.part,
        )
        fitted, coined = flip_coin(table, float(self._policy.audits.coin_fraction), os_generator())
        tell("fitting")
        budget = PrivacyFilter(self._cost if self._paid is None else self._paid.rest_of(self._cost))
        if engine is not None and plan.entrusted is not None:
            self._trustee = Trustee(plan.entrusted, engine, hidden=(Path(source[0]),))
        unit = self._policy.unit()
        curator = TableCurator(fitted, unit, budget, self._noise, watch, trustee=self._trustee)
        rows = plan if self._paid is None else rows_plan(plan, self._paid.plan)
        model = synthesizer.fit(rows, curator)
        tell("sampling")
        release = model.sample(self._policy.synthesis.output_rows_value, os_generator())
        self._check(release)
        events = budget.events + self._measure(coined, release)
        self._settle(events)
        tell("auditing")
        report = self._audit(synthesizer, rows, release, coined)
        tell("measuring")
        exact = exact_text(self._policy, coined, release)
        tell("packing")
        inputs = self._inputs(plan, release, events, report)
        directory = self._home / "candidates" / self._row.id
        files = write_candidate(directory, inputs, os_generator())
        kept = keep_model(self._home, self._row.id, model)
        return Candidate(directory, files, report, inputs, kept, exact)

    def _commit(self) -> tuple[str, str]:
        """Spend the charge, durably and witnessed. Returns path and hash of the source, still closed."""
        self._witness()
        with self._store.write() as connection:
            require_owner(connection, self._row)
            require_open(connection, self._row.dataset_id)
            registered = dataset_row(connection, self._row.dataset_id)
            if registered.policy_sha256 != self._row.policy_sha256:
                raise IntegrityError("The policy changed since the request", remedy="submit it again")
            self._require_own_charge(connection)
            before = self._balances(connection)
            commit_charge(connection, self._row.id, unix_now() + self._lease)
            after = self._balances(connection)
        self._totals = tuple(self._total(*pair) for pair in zip(before, after, strict=True))
        self._witness()
        return registered.source_path, registered.source_sha256

    def _check(self, release: SyntheticTable) -> None:
        if release.domain != self._policy.domain():
            raise IntegrityError("The synthesizer changed the domain", remedy="report it to its author")
        for column in release.domain.columns:
            codes = release.codes[column.name]
            if codes.size and not (int(codes.min()) >= 0 and int(codes.max()) < column.size):
                raise IntegrityError("The synthesizer left the domain", remedy="report it to its author")
        require_structure(release.domain, release.codes)

    def _measure(self, coined: CoinedRows, release: SyntheticTable) -> tuple[Event, ...]:
        """Answer the queries that were paid for, if there are any; what they were charged."""
        if self._paid is None:
            return ()
        self._measures, events = self._paid.answer(coined, release, self._noise)
        return events

    def _settle(self, events: tuple[Event, ...]) -> None:
        with self._store.write() as connection:
            settle(connection, self._row.id, [event_to_json(event) for event in events])

    def _audit(
        self, synthesizer: Synthesizer, made_by: Plan, release: SyntheticTable, coined: CoinedRows
    ) -> AuditReport:
        """Attack the release, then the mechanism on surrogate rows; class B numbers stay in the report.

        The rows are held to what they were made with: paid measures add nothing to their claim.
        """
        policy, plan, rng = self._policy, audit_plan(self._policy), os_generator()
        guarantee = self._guarantee(made_by, plan_cost(made_by, policy.budget.report_delta))
        claim = Claim(
            guarantee.rho_nano, guarantee.epsilon, guarantee.delta, guarantee.mu2_nano, guarantee.omega
        )
        roles = [column.role for column in policy.columns if column.kept]
        before = earlier_releases(self._store, self._row, release.domain) if "R8" in plan.tests else ()
        attacked = run_release_attacks(coined, release, plan, claim, rng, earlier=before, roles=roles)
        door = Door(policy.domain(), policy.unit(), self._noise, policy)
        return run_audit(
            Pipeline(synthesizer, door, claim, policy.synthesis.max_model_cells),
            plan,
            release_results=attacked,
            subject={"encoded synthetic rows": sha256_hex(release.matrix().tobytes())},
            rng=rng,
            entrusted=made_by.entrusted,
        )

    def _inputs(
        self, plan: Plan, release: SyntheticTable, events: tuple[Event, ...], report: AuditReport
    ) -> ReleaseInputs:
        return ReleaseInputs(
            release_id=self._row.id,
            policy=self._policy,
            policy_text=self._row.policy_text,
            guarantee=self._guarantee(plan, self._cost),
            table=release,
            plan=plan,
            events=events,
            budget=self._totals,
            audit=_public_summary(report),
            partition=self._row.part,
            purpose=self._row.purpose,
            recipients=self._policy.release.recipients,
            # To the hour: how long a run took depends on the rows, and this is published.
            issued=datetime.now(UTC).replace(minute=0, second=0, microsecond=0),
            versions=self._versions(),
            isolation=self._isolation(),
            environment=installed(),
            measures=self._measures,
        )

    def _guarantee(self, plan: Plan, cost: Cost) -> Guarantee:
        mu2 = None if cost.undominated else cost.mu2
        return release_guarantee(self._policy, plan.rho_nano, mu2, plan.entrusted, covered_order(plan))

    def _isolation(self) -> str:
        found = None if self._trustee is None else self._trustee.isolation
        return "" if found is None else found.words()

    def _versions(self) -> dict[str, str]:
        """Of the environment of the run; an entrusted library's own packages under its engine's name."""
        ours = {"dpsynth-platform": __version__, **{name: version(name) for name in _PACKAGES}}
        if self._trustee is None:
            return ours
        engine = self._trustee.engine
        return ours | {f"{engine.kind.name}: {name}": said for name, said in engine.versions.items()}

    def _require_own_charge(self, connection: Connection) -> None:
        """The run may draw what its charge holds, in the scopes of its policy: no more, nowhere else."""
        held = charge(connection, self._row.id)
        scopes = touched_scopes(self._policy, self._row.policy_sha256, self._row.requester)
        part = part_for(self._policy, self._row.part)
        if (held.cost, set(held.scopes), held.part) != (self._cost, {scope.id for scope in scopes}, part):
            raise IntegrityError(
                "The request and its charge do not agree",
                remedy="stop all work on this state and run `dpsynth ledger verify`",
            )

    def _balances(self, connection: Connection) -> list[Balance]:
        """The people's, the dataset's and the table's budget.

        The requester's ceiling is left out: who asked is no business of a recipient.
        """
        shared = shared_scopes(self._policy, self._row.policy_sha256)
        found = {each.scope.id: each for each in balances(connection, [scope.id for scope in shared])}
        return [found[scope.id] for scope in shared]

    def _total(self, before: Balance, after: Balance) -> ScopeTotals:
        scope, delta = after.scope, self._policy.budget.report_delta
        return ScopeTotals(
            scope.id,
            scope.kind,
            scope.title,
            before.rho("spent"),
            self._row.rho,
            after.rho("spent"),
            scope.cap.rho,
            epsilon_at(after.amount("spent"), delta),
            epsilon_of_cap(scope.cap, delta),
            delta,
        )


def _public_summary(report: AuditReport) -> AuditSummary:
    """What a bundle may say of the audit: class A evidence alone."""
    result = report.public_json()["predicate"]["result"]
    return AuditSummary(result, plan_sha256(report.plan), report_sha256(report), report.of_class("A"))
