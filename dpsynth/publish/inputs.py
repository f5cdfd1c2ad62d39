"""What the worker hands over to have a candidate release written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Literal

from dpsynth.accounting.cost import Cost, cost_of, total
from dpsynth.accounting.curves import NANO, ORDERS, rho_of, zcdp_curve
from dpsynth.accounting.events import Event
from dpsynth.accounting.reserve import covered_order, entrusted_cost
from dpsynth.accounting.statement import epsilon_at, gaussian_epsilon_at
from dpsynth.audit.result import CheckResult
from dpsynth.core.curator import Entrustment, Plan
from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.core.guarantee import Guarantee
from dpsynth.core.table import SyntheticTable
from dpsynth.policy.loader import load_policy_text, policy_sha256
from dpsynth.policy.model import Policy
from dpsynth.publish import reliance
from dpsynth.utility.measures import PaidMeasures, share_of

__all__ = [
    "ACCOUNTANT",
    "AuditSummary",
    "OwnerNotes",
    "ReleaseInputs",
    "ScopeTotals",
    "release_guarantee",
    "rho_text",
    "utc_text",
]

ACCOUNTANT = (
    "Renyi filter over zCDP, converted by Canonne, Kamath and Steinke 2020, Proposition 12, at integer "
    f"orders 2 to {ORDERS[-1]}; gaussian_epsilon, where there is one: exact conversion of Gaussian DP (Dong, "
    "Roth and Su 2022, Corollary 2.13). Both hold for adaptively chosen steps, because the run could not "
    "exceed what was reserved before it"
)

_ASSUMPTIONS = (
    "noise comes from exact discrete samplers fed by the operating system",
    "every row of one protected unit carries the same unit id, so contributions are bounded as stated",
    "columns, categories, bins and bounds were fixed without looking at the data",
)

_TRAINED_NOISE = (
    "counts get noise from exact discrete samplers fed by the operating system; sums of gradients get "
    "Gaussian noise in floating point, from a cipher keyed by the operating system: what rounding adds is "
    "not counted"
)
_TRAINED_MODEL = "the model and the loss that were trained inside the curator only answered its steps"
_TRAINED = (_TRAINED_NOISE, _TRAINED_MODEL, *_ASSUMPTIONS[1:])


def _accountant(omega: int | None) -> str:
    if omega is None:
        return ACCOUNTANT
    return (
        f"{ACCOUNTANT}. A training by DP-SGD took part, so that rho bounds the Renyi divergence at orders up "
        f"to {omega} only (truncated zCDP, Bun, Dwork, Rothblum and Steinke 2018); epsilon was read off there"
    )


@dataclass(frozen=True)
class ScopeTotals:
    """One budget scope, in nano-rho.

    Attributes:
        scope: id of the scope.
        kind: dataset, id_space, requester, ...
        title: plain words.
        before_nano: spent before this release.
        this_nano: charged by this release.
        after_nano: spent with it; less than the sum where partitions do not add up.
        cap_nano: the cap.
        epsilon_after, epsilon_cap: the sum so far (orientation) and the scope's promise, at ``delta``.
        delta: where they are read.
    """

    scope: str
    kind: str
    title: str
    before_nano: int
    this_nano: int
    after_nano: int
    cap_nano: int
    epsilon_after: str
    epsilon_cap: str
    delta: str


@dataclass(frozen=True)
class AuditSummary:
    """The public part of an audit report.

    Attributes:
        result: in-toto test-result words; FAILED is never published.
        plan_sha256: digest of the audit plan, hex.
        report_sha256: digest of the full report, hex. The report must hold enough unguessable content (a
            run id, a salt) that its digest cannot be confirmed by guessing its numbers.
        checks: class A checks only; one of class B makes the candidate be refused.
    """

    result: Literal["PASSED", "WARNED", "FAILED"]
    plan_sha256: str
    report_sha256: str
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True)
class OwnerNotes:
    """What only the data owner can say; an empty text is printed as not stated."""

    other_releases: str = ""
    collection: str = ""
    bias: str = ""
    utility: str = ""


@dataclass(frozen=True)
class ReleaseInputs:
    """Everything a candidate release is made from. ``issued`` must carry a time zone.

    Attributes:
        policy_text: exact text of the policy file that ``policy`` was loaded from.
        events: what the run was charged for, in order.
        budget: scopes that this release is counted in; printed as they are, so pass public ones only.
        versions: package name to version, of the environment of the run: those that the guarantee rests on.
        environment: all its packages, for the bill of materials.
        partition: the part of the table that was used, by its public value; "" for all of it.
        measures: what was measured of the rows' utility and paid for from the same rho; None: nothing was.
        isolation: how an entrusted library was kept apart, in a sentence; "" where there was none.
    """

    release_id: str
    policy: Policy
    policy_text: str
    guarantee: Guarantee
    table: SyntheticTable
    plan: Plan
    events: tuple[Event, ...]
    budget: tuple[ScopeTotals, ...]
    audit: AuditSummary
    purpose: str
    recipients: tuple[str, ...]
    issued: datetime
    versions: Mapping[str, str]
    partition: str = ""
    notes: OwnerNotes = field(default_factory=OwnerNotes)
    isolation: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    measures: PaidMeasures | None = None

    def expires(self) -> datetime:
        """When the permission to use the release ends."""
        return self.issued + timedelta(days=self.policy.release.expires_after_days)

    def require_consistent(self) -> None:
        """Raises IntegrityError where two inputs tell two stories; nothing is written then."""
        charged, policy = total(cost_of(event) for event in self.events), self.policy
        agrees = {
            "the policy text and the policy": policy_sha256(policy)
            == policy_sha256(load_policy_text(self.policy_text, "policy.yaml")),
            "the table and the policy's domain": self.table.domain == policy.domain(),
            "the number of rows and the policy": self.table.rows == policy.synthesis.output_rows_value,
            "the guarantee and its recomputation": self.guarantee
            == release_guarantee(
                policy,
                self.guarantee.rho_nano,
                self.guarantee.mu2_nano,
                self.plan.entrusted,
                covered_order(self.plan),
            ),
            "the paid measures and the policy's share": self._paid_for(),
            "the isolation and the library that was entrusted": bool(self.isolation)
            == (self.plan.entrusted is not None),
            "the events and the guarantee": rho_of(charged.rdp, self.guarantee.omega or ORDERS[-1])
            <= self.guarantee.rho_nano
            and (
                self.guarantee.mu2_nano is None
                or (charged.undominated == 0 and charged.mu2 <= self.guarantee.mu2_nano)
            ),
            "public audit checks and class A": all(check.evidence == "A" for check in self.audit.checks),
            "the audit plan and the policy": self.audit.plan_sha256 == policy.audits.plan_sha256,
            "run options and the rule that no seed is kept": not any(
                "seed" in name.lower() for name in self.plan.options
            ),
        }
        for what, same in agrees.items():
            if not same:
                raise IntegrityError(
                    f"Candidate release {self.release_id}: {what} do not agree",
                    remedy="nothing was written; report this run to the data owner",
                )

    def _paid_for(self) -> bool:
        """Measures cost what the policy sets aside; a library's whole declared budget goes to its rows."""
        share = "0" if self.plan.entrusted else self.policy.utility.share
        paid = 0 if self.measures is None else self.measures.rho_nano
        return paid == share_of(self.guarantee.rho_nano, share)


def release_guarantee(
    policy: Policy,
    rho_nano: int,
    mu2_nano: int | None,
    trust: Entrustment | None = None,
    omega: int | None = None,
) -> Guarantee:
    """The guarantee of a charge under a policy; verification recomputes it from the same facts.

    Args:
        rho_nano: zCDP charge.
        mu2_nano: the sum of mu squared that was reserved with it, or None.
        trust: the library that was given rows; its own budget then says what the charge is.
        omega: largest Renyi order that rho covers; None: every order.
    """
    if trust is not None:
        return Guarantee(
            rho_nano=entrusted_cost(trust.epsilon, trust.delta).rho,
            epsilon=trust.epsilon,
            mu2_nano=None,
            gaussian_epsilon="",
            delta=trust.delta,
            unit=policy.unit(),
            accountant=reliance.ACCOUNTANT,
            assumptions=reliance.assumptions(trust),
            relies_on=trust,
        )
    delta = policy.budget.report_delta
    curve = zcdp_curve(Fraction(rho_nano, NANO))
    cost = Cost(curve, mu2=mu2_nano or 0, undominated=int(mu2_nano is None))
    return Guarantee(
        rho_nano=rho_nano,
        epsilon=epsilon_at(cost, delta, omega or ORDERS[-1]),
        mu2_nano=mu2_nano,
        gaussian_epsilon=gaussian_epsilon_at(cost, delta),
        delta=delta,
        unit=policy.unit(),
        accountant=_accountant(omega),
        assumptions=_ASSUMPTIONS if omega is None else _TRAINED,
        omega=omega,
    )


def rho_text(nano: int) -> str:
    """Nano-rho as an exact decimal string, such as ``0.1``."""
    text = f"{nano // NANO}.{nano % NANO:09d}".rstrip("0")
    return text.removesuffix(".")


def utc_text(moment: datetime) -> str:
    """A moment as ``2026-01-31T12:00:00Z``, to the second, rounded down. Raises BadInput without a zone."""
    if moment.tzinfo is None:
        raise BadInput("A time has no time zone", allowed="a time with a zone", remedy="pass UTC")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
