"""Exact-copy replay: does the release hold rows of members more often than rows of people left out?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.attacks.cells import row_labels
from dpsynth.attacks.intervals import Interval, newcombe

__all__ = ["CopyRates", "copied_unique", "copy_rates"]


@dataclass(frozen=True)
class CopyRates:
    """Rates of exact copies among rows that no other real row equals.

    Attributes:
        members, controls: unique rows on each side (trials).
        member_hits, control_hits: those found verbatim in the release.
        difference: member rate minus control rate, Newcombe interval.
        p_more, p_fewer: one-sided Fisher p-values that members are copied more, or less, than controls.
        detectable: smallest difference that a 1 % test would see with 90 % probability (approximate).
    """

    members: int
    controls: int
    member_hits: int
    control_hits: int
    difference: Interval
    p_more: float
    p_fewer: float
    detectable: float


def copied_unique(
    release: NDArray[np.int64],
    members: NDArray[np.int64],
    controls: NDArray[np.int64],
    reference: NDArray[np.int64],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """(member is unique, member is in the release, control is unique, control is in the release).

    Unique means: occurs once among members, controls and reference together. All matrices (rows, d).
    """
    labels, counts = row_labels(release, members, controls, reference)
    unique, released = counts[1:].sum(axis=0) == 1, counts[0] > 0
    return unique[labels[1]], released[labels[1]], unique[labels[2]], released[labels[2]]


def copy_rates(
    member_hits: int, members: int, control_hits: int, controls: int, confidence: float
) -> CopyRates:
    """Compare two rates of exact copies; ``members`` and ``controls`` are the numbers of unique rows."""
    table = [[member_hits, members - member_hits], [control_hits, controls - control_hits]]
    return CopyRates(
        members,
        controls,
        member_hits,
        control_hits,
        newcombe(member_hits, members, control_hits, controls, confidence),
        float(stats.fisher_exact(table, alternative="greater").pvalue),
        float(stats.fisher_exact(table, alternative="less").pvalue),
        _detectable(control_hits, members, controls),
    )


def _detectable(control_hits: int, members: int, controls: int) -> float:
    if members == 0 or controls == 0:
        return 1.0
    rate = max(control_hits, 1) / controls
    reach = float(stats.norm.ppf(0.99) + stats.norm.ppf(0.90))
    return min(1.0, reach * math.sqrt(max(rate * (1 - rate), 0.0) * (1 / members + 1 / controls)))
