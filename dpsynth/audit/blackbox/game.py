"""G1 from outside: can releases of two tables that differ by one row be told apart better than is claimed?"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.blackbox.claim import Declared
from dpsynth.audit.blackbox.micro import MICRO, Played
from dpsynth.audit.blackbox.statistic import Counts, epsilon_bound, needed_share, refuting_p
from dpsynth.audit.plan_blackbox import BlackBoxSection
from dpsynth.audit.result import CheckResult
from dpsynth.engines.made import Made

__all__ = ["check_game", "features", "separating_direction", "threshold_between"]

_ASKED = (
    "G1",
    "Black-box micro game",
    "Can releases made with and without one row be told apart better than the claim allows?",
)


def features(made: Made) -> NDArray[np.float64]:
    """What a release on the micro table shows, shape (features,).

    Counts of each column and pair of columns, rows by the number of columns that match the target, smallest
    and largest code of each column, rows, and whether there was a release at all.
    """
    sizes = tuple(MICRO.values())
    codes = np.zeros((0, len(sizes)), dtype=np.int64) if made.codes is None or made.grave else made.codes
    parts: list[NDArray[Any]] = [np.bincount(codes[:, at], minlength=size) for at, size in enumerate(sizes)]
    for one, two in combinations(range(len(sizes)), 2):
        pair = codes[:, one] * sizes[two] + codes[:, two]
        parts.append(np.bincount(pair, minlength=sizes[one] * sizes[two]))
    matches = (codes == np.array(sizes) - 1).sum(axis=1)
    parts.append(np.bincount(matches, minlength=len(sizes) + 1))
    if len(codes):
        parts += [codes.min(axis=0), codes.max(axis=0)]
    else:
        parts += [np.zeros(2 * len(sizes))]
    return np.concatenate([*parts, [len(codes), float(len(codes) == 0)]]).astype(np.float64)


def separating_direction(out: NDArray[np.float64], held: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fisher's linear discriminant over standardised features, its covariance shrunk halfway to diagonal.

    Args:
        out, held: features of both sides, shape (fits, features).

    Returns:
        a weight for each feature; the larger the product, the more like ``held``.
    """
    spread = np.concatenate([out, held]).std(axis=0)
    scale = np.where(spread > 0.0, spread, 1.0)
    centred = np.concatenate([out - out.mean(axis=0), held - held.mean(axis=0)]) / scale
    covariance = centred.T @ centred / max(1, len(centred) - 2)
    diagonal = np.diag(np.diag(covariance))
    shrunk = 0.5 * covariance + 0.5 * diagonal + 0.05 * np.eye(len(scale))
    weights: NDArray[np.float64] = np.linalg.solve(shrunk, (held.mean(0) - out.mean(0)) / scale) / scale
    return weights


def threshold_between(out: NDArray[np.float64], held: NDArray[np.float64], declared: Declared) -> float:
    """The threshold whose guesses contradict the claim most, or else err least, on these scores."""
    cuts = np.unique(np.concatenate([out, held]))
    best, chosen = (2.0, 2.0), float("inf")
    for cut in (cuts[1:] + cuts[:-1]) / 2.0:
        counts = _counts(out, held, float(cut))
        errors = counts.hits_out / counts.out + 1.0 - counts.hits_in / counts.held
        if (found := (refuting_p(counts, *declared.numbers), errors)) < best:
            best, chosen = found, float(cut)
    return chosen


def _counts(out: NDArray[np.float64], held: NDArray[np.float64], cut: float) -> Counts:
    return Counts(int((out > cut).sum()), len(out), int((held > cut).sum()), len(held))


def check_game(played: Played, declared: Declared, limits: BlackBoxSection, power: float) -> CheckResult:
    """G1: direction learned on a third, threshold set on a third, claim tested on the last third."""
    out, held = (np.array([features(one) for one in side]) for side in (played.out, played.held))
    ended = sum(one.codes is not None for one in (*played.out, *played.held))
    third = len(out) // 3
    needed = needed_share(len(out) - 2 * third, *declared.numbers, limits.alpha, power)
    details = {"fits_per_side": len(out), "fits_that_decide": len(out) - 2 * third, "rows": played.rows_held}
    if third == 0 or not ended or needed is None:
        plain = f"{len(out)} fits on each side, {ended} of them ended: no leak at all could have been seen."
        return CheckResult(*_ASKED, "A", "inconclusive", plain, n=2 * len(out), details=details)
    weights = separating_direction(out[:third], held[:third])
    low, high = out @ weights, held @ weights
    cut = threshold_between(low[third : 2 * third], high[third : 2 * third], declared)
    counts = _counts(low[2 * third :], high[2 * third :], cut)
    p = refuting_p(counts, *declared.numbers)
    bound = epsilon_bound(counts, declared.numbers[1], limits.alpha)
    refuted = p <= limits.alpha
    plain = (
        f"{counts.hits_in} of {counts.held} releases with the row and {counts.hits_out} of {counts.out} "
        f"without it were guessed to hold it: "
        + ("more than" if refuted else "no contradiction to")
        + f" epsilon {declared.epsilon} and delta {declared.delta}"
        + (" allow." if refuted else ".")
    )
    return CheckResult(
        *_ASKED,
        "A",
        "fail" if refuted else "pass",
        plain,
        estimate=bound,
        threshold=declared.numbers[0],
        n=2 * len(out),
        p_value=p,
        holm=True,
        could_have_found=f"a tell in {needed:.0%} of the releases with one row, and in none without it (G1)",
        details={**details, "guessed": vars(counts), "epsilon_lower_bound": bound, "alpha": limits.alpha},
    )
