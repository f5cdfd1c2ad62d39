"""How well scores tell members from controls: AUC with DeLong's interval, hits at few false alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.attacks.intervals import Interval, clopper_pearson, normal_quantile

__all__ = ["LowFalsePositive", "auc_delong", "detectable_auc", "rank_p_values", "roc_points", "tpr_at_fpr"]


def auc_delong(members: NDArray[np.float64], controls: NDArray[np.float64], confidence: float) -> Interval:
    """Area under the ROC curve (ties count one half) with DeLong's interval (DeLong et al. 1988).

    Midranks as in Sun and Xu 2014, O(n log n). Both samples need at least two scores.

    Raises:
        ValueError: fewer than two scores on a side.
    """
    m, n = len(members), len(controls)
    if m < 2 or n < 2:
        raise ValueError("an AUC interval needs at least two scores on each side")
    ranks = stats.rankdata(np.concatenate([members, controls]))
    above = (ranks[:m] - stats.rankdata(members)) / n
    below = 1.0 - (ranks[m:] - stats.rankdata(controls)) / m
    auc = float(above.mean())
    spread = math.sqrt(float(above.var(ddof=1)) / m + float(below.var(ddof=1)) / n)
    half = normal_quantile(confidence) * spread
    return Interval(auc, max(0.0, auc - half), min(1.0, auc + half))


def roc_points(
    members: NDArray[np.float64], controls: NDArray[np.float64], most: int = 60
) -> list[list[float]]:
    """At most ``most`` pairs [false-positive rate, true-positive rate], for a picture: no interval, no bound.

    Thresholds are quantiles of the controls, closer together towards few false alarms; both rates count
    scores at or above the threshold.
    """
    rates = np.geomspace(1.0 / max(len(controls), 2), 1.0, most)
    thresholds = np.unique(np.quantile(controls, 1.0 - rates, method="higher"))
    return [
        [float((controls >= at).mean()), float((members >= at).mean())] for at in thresholds[::-1].tolist()
    ]


@dataclass(frozen=True)
class LowFalsePositive:
    """True- and false-positive rates at one threshold, both with exact intervals."""

    tpr: Interval
    fpr: Interval


def tpr_at_fpr(
    members: NDArray[np.float64],
    controls: NDArray[np.float64],
    target: float,
    confidence: float,
    rng: np.random.Generator,
) -> LowFalsePositive:
    """True-positive rate where the false-positive rate is about ``target``.

    The threshold is set on a random half of the controls and judged on the other half and on the members,
    so that neither interval is flattered by the choice.
    """
    shuffled = rng.permutation(controls)
    chosen, judged = shuffled[: len(shuffled) // 2], shuffled[len(shuffled) // 2 :]
    threshold = float(np.quantile(chosen, 1.0 - target, method="higher"))
    return LowFalsePositive(
        clopper_pearson(int((members > threshold).sum()), len(members), confidence),
        clopper_pearson(int((judged > threshold).sum()), len(judged), confidence),
    )


def rank_p_values(members: NDArray[np.float64], controls: NDArray[np.float64]) -> tuple[float, float]:
    """One-sided p-values that members score higher, and lower, than controls.

    By flipping the coins: the rank sum's exact mean and variance over all relabellings, ties included, and
    the normal law (Mann and Whitney 1947). Both are 1 where all scores are equal.
    """
    m, n = len(members), len(controls)
    ranks = stats.rankdata(np.concatenate([members, controls]))
    spread = math.sqrt(m * n / (m + n) * float(ranks.var(ddof=1))) if m + n > 1 else 0.0
    if spread == 0.0:
        return 1.0, 1.0
    z = (float(ranks[:m].sum()) - m * float(ranks.mean())) / spread
    return float(stats.norm.sf(z)), float(stats.norm.cdf(z))


def detectable_auc(members: int, controls: int, level: float, power: float) -> float:
    """Smallest area under the curve that a one-sided rank test sees with ``power``; approximate."""
    reach = float(stats.norm.isf(level) + stats.norm.ppf(power))
    return min(1.0, 0.5 + reach * math.sqrt((members + controls + 1) / (12 * members * controls)))
