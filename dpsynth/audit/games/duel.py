"""From features of two kinds of fits to one decision: a third trains, a third validates, a third tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.attacks.bounds import (
    Errors,
    bayesian_estimate,
    best_threshold,
    curve_p_value,
    epsilon_bound,
    errors_at,
    mu_bound,
    violates,
)
from dpsynth.attacks.discriminant import Discriminant, fit_discriminant, single_feature
from dpsynth.attacks.roc import auc_delong
from dpsynth.attacks.trade_off import caps
from dpsynth.audit.games.claimed import claimed_curve, epsilon_of
from dpsynth.audit.result import Claim

__all__ = ["Duel", "details", "duel", "equivalent_epsilon", "look_levels"]

_LEAST_SCALE, _LARGEST_SCALE = 1e-4, 1e4
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Duel:
    """The test third's answer.

    Attributes:
        p: that the claimed curve is refuted, looks counted in.
        errors: at the threshold that validation chose, over all test fits so far.
        score: which score validation chose.
        inside, outside: its test scores, with and without the target.
    """

    p: float
    errors: Errors
    score: str
    inside: NDArray[np.float64]
    outside: NDArray[np.float64]


def look_levels(alpha: float, looks: int) -> tuple[float, ...]:
    """Level of each of equally spaced looks, ``alpha`` in all: O'Brien and Fleming 1979.

    Spent as 2 (1 - Phi(z / sqrt(t))) at a share t of the fits (Lan and DeMets 1983), z the quantile of
    alpha / 2. Each look has what is newly spent to itself, which no dependence between looks can break.
    """
    z = float(stats.norm.isf(alpha / 2.0))
    spent = [2.0 * float(stats.norm.sf(z / math.sqrt((look + 1) / looks))) for look in range(looks)]
    return tuple(np.diff([0.0, *spent]).tolist())


def duel(
    inside: NDArray[np.float64],
    outside: NDArray[np.float64],
    claim: Claim,
    alpha: float,
    *,
    ready: Sequence[tuple[str, Discriminant]] = (),
    fits: int | None = None,
    looks: int = 1,
) -> Duel | None:
    """Train scores, choose one with its threshold, test it; None without six fits on each side.

    Args:
        inside, outside: features of fits with and without the target, in the order in which they were made;
            shape (fits, features).
        claim: what is promised.
        alpha: level.
        ready: scores that need no training, by name.
        fits: how many a side was planned to have; rows beyond those given are still to come.
        looks: how often the test fits are looked at, at most.
    """
    planned = fits or min(len(inside), len(outside))
    third = planned // 3
    if third < 2 or min(len(inside), len(outside)) <= 2 * third:
        return None
    curve = claimed_curve(claim)
    train, valid = (inside[:third], outside[:third]), (slice(third, 2 * third))
    scores = [*ready, ("discriminant", fit_discriminant(*train)), ("single feature", single_feature(*train))]
    chosen = [
        (name, score, *best_threshold(score(inside[valid]), score(outside[valid]), curve, alpha))
        for name, score in scores
    ]
    name, score, threshold, _ = max(chosen, key=lambda one: one[3])
    test = score(inside[2 * third :]), score(outside[2 * third :])
    each = -(-(planned - 2 * third) // looks)
    p = 1.0
    for look, level in enumerate(look_levels(alpha, looks)):
        end = (look + 1) * each
        p = min(p, curve_p_value(errors_at(test[0][:end], test[1][:end], threshold), curve) * alpha / level)
        if end >= max(map(len, test)):
            break
    return Duel(min(1.0, p), errors_at(*test, threshold), name, *test)


def equivalent_epsilon(errors: Errors, claim: Claim, alpha: float) -> float:
    """Epsilon of the largest multiple of the claim's budget whose curve is refuted; 0.0 if none is."""
    low, high = math.log(_LEAST_SCALE), math.log(_LARGEST_SCALE)
    if not violates(errors, claimed_curve(claim, _LEAST_SCALE), alpha):
        return 0.0
    while high - low > 1e-3:
        middle = (low + high) / 2.0
        refuted = violates(errors, claimed_curve(claim, math.exp(middle)), alpha)
        low, high = (middle, high) if refuted else (low, middle)
    return epsilon_of(claim, claim.delta, math.exp(low))


def details(found: Duel, claim: Claim, alpha: float) -> dict[str, Any]:
    """Numbers for people; the bounds hold at confidence 1 - alpha."""
    allowed, delta = caps(claimed_curve(claim)), float(claim.delta)
    auc = auc_delong(found.inside, found.outside, _CONFIDENCE)
    return {
        "score": found.score,
        "alarms": [found.errors.alarms, found.errors.outs],
        "misses": [found.errors.misses, found.errors.ins],
        "epsilon_equivalent": equivalent_epsilon(found.errors, claim, alpha),
        "epsilon_bound_clopper_pearson": epsilon_bound(found.errors, delta, alpha),
        "mu_bound": mu_bound(found.errors, alpha),
        "epsilon_bayesian_estimate_only": bayesian_estimate(found.errors, delta, alpha),
        "auc": [auc.estimate, auc.low, auc.high],
        "allowed_auc": allowed.auc,
        "allowed_tpr_at_1_percent": allowed.tpr,
        "allowed_advantage": allowed.advantage,
    }
