"""S6, lattice: noisy counts lie on the integers, and from 0 and from 1 the same integers are reached.

Floating-point noise betrays what it was added to: sums with 0 and with 1 end in different low bits (Mironov
2012). Noise of an exact sampler on the integers cannot. The curator is asked for counts of a made-up table
whose cells hold 0, and of one whose cells hold 1, at four scales: half a row and one, where continuous laws
that are rounded to integers are far from the discrete one (Canonne, Kamath, Steinke 2020); and two large
ones, where noise of few digits skips integers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.accounting.cost import zcdp_cost
from dpsynth.audit.door import SurrogateDoor
from dpsynth.audit.gaussian import discrete_normal
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult, Outcome
from dpsynth.core.domain import Column, Domain

__all__ = ["SCALES", "check_lattice"]

_SMALL, _LARGE = (0.5, 1.0), (1000.0, float(1 << 31))
SCALES = (*_SMALL, *_LARGE)
"""Scales of noise that are probed, in rows."""

_RESIDUES = 16
_TESTS = 8
_ENOUGH = 10**15  # nano-rho: a made-up table has no budget to mind
_TRAINED = (
    "Noise of a training is continuous floating-point noise, rounded to single precision: it is on no "
    "lattice, by design, and is not looked at here."
)


@dataclass(frozen=True)
class _Drawn:
    """Noisy counts of one scale.

    Attributes:
        scale: what the curator declared, in rows.
        zeros, ones: noisy counts of cells that hold 0, and that hold 1, shape (draws,).
    """

    scale: float
    zeros: NDArray[np.float64]
    ones: NDArray[np.float64]

    @property
    def finest(self) -> tuple[float, float]:
        """Exponent of the lowest bit that is ever used, from 0 and from 1; 0 where only integers are."""
        zeros, ones = (min(map(_lowest_bit, drawn), default=0) for drawn in (self.zeros, self.ones))
        return zeros, ones

    @property
    def on_lattice(self) -> bool:
        """Whether every answer is an integer."""
        both = np.concatenate([self.zeros, self.ones])
        return bool(np.isfinite(both).all() and (both == np.rint(both)).all())

    @property
    def residues(self) -> tuple[list[int], list[int]]:
        """Remainders by 16 that were reached from 0, and from 1."""
        zeros, ones = (
            np.unique(np.mod(drawn, _RESIDUES)).astype(int).tolist() for drawn in (self.zeros, self.ones)
        )
        return zeros, ones


def _lowest_bit(value: float) -> int:
    """Exponent of the lowest bit of a number, at most 0; 0 for what is no number."""
    if not math.isfinite(value) or value == math.floor(value):
        return 0
    return -(float(value).as_integer_ratio()[1].bit_length() - 1)


def check_lattice(door: SurrogateDoor, plan: AuditPlan, trained: bool) -> CheckResult:
    """Probe the noise of the door's curator from 0 and from 1.

    Args:
        door: surrogate door; it is opened on made-up tables of one column.
        plan: number of draws from each count at each scale, level and power.
        trained: whether the pipeline trains by DP-SGD, whose noise lies on no lattice.

    Returns:
        fail where an answer is no integer, where low bits are skipped or differ between 0 and 1, or where
        the law at a small scale is not the discrete Gaussian; inconclusive on too few draws, or where the
        curator does not answer.
    """
    if plan.structural is None or not _enough(
        plan.structural.lattice_draws, plan.structural.lattice_alpha, plan
    ):
        return _result("inconclusive", "Too few draws to tell an exact sampler from a rounded one.", trained)
    draws, alpha = plan.structural.lattice_draws, plan.structural.lattice_alpha
    try:
        drawn = [_drawn(door, draws, scale) for scale in SCALES]
    except Exception as error:
        return _result("inconclusive", f"The curator gave no counts ({type(error).__name__}).", trained)
    small = drawn[: len(_SMALL)]
    p = min(1.0, _TESTS * min(_law_p(one, noise) for one in small for noise in (one.zeros, one.ones - 1.0)))
    outcome, plain = _judge(drawn, p, alpha)
    return _result(outcome, plain, trained, drawn, p)


def _judge(drawn: list[_Drawn], p: float, alpha: float) -> tuple[Outcome, str]:
    if not all(one.on_lattice for one in drawn):
        return "fail", "Noisy counts are no integers: their low bits tell what the noise was added to."
    if any(one.scale < asked for one, asked in zip(drawn, SCALES, strict=True)):
        return "fail", "The curator declares less noise than it was asked for."
    large = [residues for one in drawn[len(_SMALL) :] for residues in one.residues]
    if any(len(residues) < _RESIDUES for residues in large):
        return "fail", "Noise skips integers, so that from 0 and from 1 different ones are reached."
    if p < alpha:
        return "fail", "Small noise is not the discrete Gaussian: no exact sampler drew it."
    return (
        "pass",
        "Noisy counts are integers, all are reached from 0 and from 1, and small noise has its law.",
    )


def _drawn(door: SurrogateDoor, draws: int, scale: float) -> _Drawn:
    """Noisy counts of a column of as many codes as draws: of no rows, and of one row of each code."""
    column = Column("code", "categorical", values=tuple(map(str, range(draws))))
    probe = door.over(Domain((column,)))
    # Rounded up, so that the declared scale is never below the one asked for here by rounding alone.
    sigma = math.nextafter(scale / door.unit.l2_sensitivity(), math.inf)
    answers, declared = [], []
    for rows in (0, draws):
        codes = np.arange(rows, dtype=np.int64)
        run = probe.open(probe.table({"code": codes}, codes), zcdp_cost(_ENOUGH))
        answer = run.curator.measure([("code",)], sigma)[0]
        values = np.asarray(answer.values, dtype=np.float64)
        if values.shape != (draws,):
            raise ValueError("an answer has another number of cells than its column has codes")
        answers.append(values)
        declared.append(answer.sigma)
    return _Drawn(min(declared), *answers)


def _law_p(drawn: _Drawn, noise: NDArray[np.float64]) -> float:
    """Exact binomial tests of how often noise is 0, and 1 either way; the smaller p-value."""
    law = discrete_normal(drawn.scale)
    found = []
    for size in (0, 1):
        chance = float(law.mass[law.reach + size]) * (1 + size)
        found.append(stats.binomtest(int((np.abs(noise) == size).sum()), len(noise), chance).pvalue)
    return float(min(found))


def _enough(draws: int, alpha: float, plan: AuditPlan) -> bool:
    """Whether a rounded normal law at half a row is told from the discrete one with the plan's power."""
    law = discrete_normal(SCALES[0])
    exact, rounded = float(law.mass[law.reach]), float(2.0 * stats.norm.cdf(0.5 / SCALES[0]) - 1.0)
    limit = stats.binom.ppf(alpha / (2.0 * _TESTS), draws, exact) - 1.0
    return bool(stats.binom.cdf(limit, draws, rounded) >= plan.noise_power)


def _result(
    outcome: Outcome,
    plain: str,
    trained: bool,
    drawn: list[_Drawn] | None = None,
    p: float | None = None,
) -> CheckResult:
    details: dict[str, object] = {"declared": "integers, in steps of one row"}
    if trained:
        details["not_covered"] = _TRAINED
    if drawn:
        details["probes"] = [_probe(one) for one in drawn]
    return CheckResult(
        id="S6",
        name="Lattice",
        question="Could the last digits of a noisy count tell what the noise was added to?",
        evidence="A",
        outcome=outcome,
        plain=plain + (" Noise of trainings is not on a lattice and was not looked at." if trained else ""),
        n=sum(len(one.zeros) + len(one.ones) for one in drawn or ()),
        p_value=p,
        could_have_found=_found() if drawn else "",
        details=details,
    )


def _probe(drawn: _Drawn) -> Mapping[str, object]:
    whole = drawn.on_lattice
    return {
        "scale": drawn.scale,
        "lowest_bit_from_0_and_1": list(drawn.finest),
        "remainders_from_0_and_1": [list(found) for found in drawn.residues] if whole else None,
    }


def _found() -> str:
    return "noisy counts off the integers, in steps of several, or of a continuous law that was rounded"
