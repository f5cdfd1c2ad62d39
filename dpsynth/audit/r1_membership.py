"""R1, membership: can the release tell who was in it? A bound on epsilon from the coins themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.cells import small_pairs
from dpsynth.attacks.intervals import Interval
from dpsynth.attacks.marginal_ratio import marginal_ratio_scores, mean_by_unit
from dpsynth.attacks.one_run import coin_guesses, epsilon_lower_bound, one_run_p_value, smallest_flagging
from dpsynth.attacks.roc import auc_delong, roc_points, tpr_at_fpr
from dpsynth.audit.attackable import unattackable
from dpsynth.audit.evidence import ReleaseEvidence
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult, Outcome

__all__ = ["check_membership"]

_NAME = "Membership"
_QUESTION = "Can the release tell who was in the table better than the claim allows?"


@dataclass(frozen=True)
class _OneRun:
    coins: int
    guesses: int
    right: int
    bound: float
    p: float
    needed: int | None


def _unit_scores(
    evidence: ReleaseEvidence, plan: AuditPlan
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pairs = small_pairs(evidence.sizes, plan.max_clique_cells)
    rows = np.concatenate([evidence.members, evidence.controls])
    scores = marginal_ratio_scores(rows, evidence.release, evidence.reference, evidence.sizes, pairs)
    members, controls = np.split(scores, [len(evidence.members)])
    return mean_by_unit(members, evidence.member_units), mean_by_unit(controls, evidence.control_units)


def _one_run(
    members: NDArray[np.float64],
    controls: NDArray[np.float64],
    evidence: ReleaseEvidence,
    plan: AuditPlan,
    rng: np.random.Generator,
) -> _OneRun:
    m = len(members) + len(controls)
    guesses = coin_guesses(np.concatenate([members, controls]), int(m * plan.guess_fraction), rng)
    inside = np.arange(m) < len(members)
    r, v = int((guesses != 0).sum()), int(((guesses > 0) & inside | (guesses < 0) & ~inside).sum())
    epsilon, delta = float(evidence.claim.epsilon), float(evidence.claim.delta)
    return _OneRun(
        m,
        r,
        v,
        epsilon_lower_bound(m, r, v, delta, plan.alpha),
        one_run_p_value(m, r, v, epsilon, delta),
        smallest_flagging(m, r, epsilon, delta, plan.alpha),
    )


def check_membership(evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator) -> CheckResult:
    """Score every coined unit by marginal likelihood ratios and test the claim on the coins.

    Args:
        evidence: the release and the coined rows.
        plan: error of the bound, share of guesses, limits.
        rng: tie breaking and the threshold's split.

    Returns:
        fail if the one-run bound exceeds the claimed epsilon; inconclusive if there are too few coins, if
        even perfect guesses could not contradict the claim, or if controls look more like members.
    """
    reason = unattackable(evidence, plan)
    if reason:
        return _inconclusive(reason, evidence.fewest_coined)
    members, controls = _unit_scores(evidence, plan)
    run = _one_run(members, controls, evidence, plan, rng)
    auc = auc_delong(members, controls, plan.confidence)
    swapped = auc_delong(members, controls, 1.0 - 2.0 * plan.label_alpha).high < 0.5
    outcome, plain = _decide(run, float(evidence.claim.epsilon), swapped)
    return CheckResult(
        id="R1",
        name=_NAME,
        question=_QUESTION,
        evidence="B",
        outcome=outcome,
        plain=plain,
        estimate=auc.estimate,
        low=auc.low,
        high=auc.high,
        control=0.5,
        threshold=float(evidence.claim.epsilon),
        n=run.coins,
        p_value=run.p,
        details=_details(run, members, controls, plan, rng),
    )


def _details(
    run: _OneRun,
    members: NDArray[np.float64],
    controls: NDArray[np.float64],
    plan: AuditPlan,
    rng: np.random.Generator,
) -> dict[str, object]:
    few = tpr_at_fpr(members, controls, plan.fpr, plan.confidence, rng)
    return {
        "epsilon_lower_bound": run.bound,
        "guesses": run.guesses,
        "right_guesses": run.right,
        "right_guesses_that_would_flag": run.needed,
        "members": len(members),
        "controls": len(controls),
        "tpr_at_low_fpr": _interval(few.tpr),
        "fpr": _interval(few.fpr),
        "roc": roc_points(members, controls),
    }


def _interval(value: Interval) -> dict[str, float]:
    return {"estimate": value.estimate, "low": value.low, "high": value.high}


def _decide(run: _OneRun, epsilon: float, swapped: bool) -> tuple[Outcome, str]:
    if run.bound > epsilon:
        return "fail", "The coins were guessed right too often for the claimed epsilon to be true."
    if swapped:
        return "inconclusive", "People left out look more like members than members do: check the labels."
    if run.needed is None:
        return "inconclusive", "Even perfect guesses could not have contradicted a claim this large."
    return "pass", "The coins were not guessed right more often than the claim allows."


def _inconclusive(plain: str, units: int) -> CheckResult:
    return CheckResult("R1", _NAME, _QUESTION, "B", "inconclusive", plain, n=units)
