"""What the worker hands over to have a candidate release written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from dpsynth.accounting.curves import NANO, add, curve_of, rho_of, zcdp_curve, zero
from dpsynth.accounting.events import Event
from dpsynth.accounting.statement import epsilon_at
from dpsynth.audit.result import CheckResult
from dpsynth.core.curator import Plan
from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.core.guarantee import Guarantee
from dpsynth.core.table import SyntheticTable
from dpsynth.policy.loader import load_policy_text, policy_sha256
from dpsynth.policy.model import Policy

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

ACCOUNTANT = "zCDP, converted by Canonne, Kamath and Steinke 2020, Proposition 12, integer orders 2 to 64"

_ASSUMPTIONS = (
    "noise comes from exact discrete samplers fed by the operating system",
    "every row of one protected unit carries the same unit id, so contributions are bounded as stated",
    "columns, categories, bins and bounds were fixed without looking at the data",
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
        cap_nano: the cap.
    """

    scope: str
    kind: str
    title: str
    before_nano: int
    this_nano: int
    cap_nano: int

    @property
    def after_nano(self) -> int:
        """Spent once this release is counted."""
        return self.before_nano + self.this_nano


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
        versions: package name to version, of the environment of the run.
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
    notes: OwnerNotes = field(default_factory=OwnerNotes)

    def expires(self) -> datetime:
        """When the permission to use the release ends."""
        return self.issued + timedelta(days=self.policy.release.expires_after_days)

    def require_consistent(self) -> None:
        """Raises IntegrityError where two inputs tell two stories; nothing is written then."""
        charged = zero()
        for event in self.events:
            charged = add(charged, curve_of(event))
        policy = self.policy
        agrees = {
            "the policy text and the policy": policy_sha256(policy)
            == policy_sha256(load_policy_text(self.policy_text, "policy.yaml")),
            "the table and the policy's domain": self.table.domain == policy.domain(),
            "the number of rows and the policy": self.table.rows == policy.synthesis.output_rows_value,
            "the guarantee and its recomputation": self.guarantee
            == release_guarantee(policy, self.guarantee.rho_nano),
            "the events and the guarantee": rho_of(charged) <= self.guarantee.rho_nano,
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


def release_guarantee(policy: Policy, rho_nano: int) -> Guarantee:
    """The guarantee of a zCDP charge under a policy; verification recomputes it from the same two facts."""
    delta = policy.budget.report_delta
    return Guarantee(
        rho_nano=rho_nano,
        epsilon=epsilon_at(zcdp_curve(rho_nano), delta),
        delta=delta,
        unit=policy.unit(),
        accountant=ACCOUNTANT,
        assumptions=_ASSUMPTIONS,
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
