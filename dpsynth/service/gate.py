"""The gate: a pure decision on values. Every reason is listed; inconclusive is not a pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dpsynth.policy.model import Policy

__all__ = ["Check", "Decision", "decide"]

Outcome = Literal["eligible", "eligible_with_reason", "blocked"]


@dataclass(frozen=True)
class Check:
    """One check of the gate, in plain words."""

    name: str
    ok: bool
    plain: str


@dataclass(frozen=True)
class Decision:
    """Whether people may approve, and why. Only people approve; the gate can only refuse."""

    outcome: Outcome
    checks: tuple[Check, ...]


def decide(policy: Policy, within_cap: bool, verdict: str, policy_is_current: bool) -> Decision:
    """Decide from values alone.

    Args:
        policy: the policy that the request is bound to.
        within_cap: the charge fits the policy's cap for one release.
        verdict: pass, warn, inconclusive, block or stop.
        policy_is_current: the registered policy is still the one that the request is bound to.
    """
    tolerated = policy.audits.on_inconclusive == "officer_reason"
    audit_ok = verdict in {"pass", "warn"} or (verdict == "inconclusive" and tolerated)
    checks = (
        Check("policy", policy_is_current, "the policy that was asked under is still in force"),
        Check("guarantee", within_cap, "the privacy loss is within the policy's cap for one release"),
        Check("audit", audit_ok, _audit_words(verdict, tolerated)),
    )
    if not all(check.ok for check in checks):
        return Decision("blocked", checks)
    return Decision("eligible" if verdict == "pass" else "eligible_with_reason", checks)


def _audit_words(verdict: str, tolerated: bool) -> str:
    if verdict == "pass":
        return "the audit found no violation"
    if verdict == "warn":
        return "the audit warns: approving needs a written reason"
    if verdict == "inconclusive":
        need = "approving needs a written reason" if tolerated else "the policy does not allow a release"
        return f"the audit was inconclusive, which is not a pass: {need}"
    if verdict in {"block", "stop"}:
        return "the audit found a violation: the release is blocked"
    return "the audit gave no verdict: the release is blocked"
