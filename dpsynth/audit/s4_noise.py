"""S4, noise scale and shape: the noise in every block is as large as declared, and looks like noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from dpsynth.accounting.events import NoisyMax
from dpsynth.audit.door import Recorded, SurrogateRun
from dpsynth.audit.gaussian import discrete_normal
from dpsynth.audit.noise_tests import NoiseTest, correlation, two_sided
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult, Outcome
from dpsynth.audit.s4_blocks import Block, block_details, training_blocks
from dpsynth.audit.s4_training import training_degrees, training_tests

__all__ = ["check_noise", "detectable_ratio"]


@dataclass(frozen=True)
class _Residuals:
    """Residuals of one answer: standardised, and as uniforms.

    Attributes:
        excess: kurtosis of the law, less one: the variance of one squared residual.
        log_still: log-probability that every residual is 0; it is not small when sigma is.
    """

    block: str
    z: NDArray[np.float64]
    u: NDArray[np.float64]
    excess: float
    log_still: float
    on_lattice: bool


def _residuals(record: Recorded, rng: np.random.Generator) -> _Residuals:
    law = discrete_normal(record.sigma)
    gap = record.noisy - record.true
    on_lattice = bool((gap == np.rint(gap)).all())
    z = gap / np.sqrt(law.variance)
    block = " x ".join(record.cliques[0]) or "count"
    uniforms = law.uniforms(np.rint(gap), rng)
    return _Residuals(block, z, uniforms, law.kurtosis - 1.0, len(z) * law.log_still, on_lattice)


def _degrees(parts: Sequence[_Residuals]) -> tuple[float, float]:
    """(degrees of freedom, scale) of the chi-square with the mean and variance of the sum of squares."""
    cells = sum(len(part.z) for part in parts)
    variance = sum(len(part.z) * part.excess for part in parts)
    return 2.0 * cells**2 / variance, variance / (2.0 * cells)


def _chi_square(name: str, parts: Sequence[_Residuals]) -> NoiseTest:
    freedom, scale = _degrees(parts)
    total = sum(float(part.z @ part.z) for part in parts) / scale
    still = float(np.exp(sum(part.log_still for part in parts)))
    low, high = max(float(stats.chi2.cdf(total, freedom)), still), float(stats.chi2.sf(total, freedom))
    return two_sided(name, low, high)


def _choices(records: Sequence[Recorded], rng: np.random.Generator) -> NoiseTest | None:
    """Fisher's combination over choices, each made with weight exp(epsilon score / (2 sensitivity))."""
    logs = []
    for record in records:
        if not isinstance(record.event, NoisyMax) or record.sensitivity <= 0:
            continue
        weight = special.softmax(record.true * record.event.epsilon / (2.0 * record.sensitivity))
        score = record.true[int(record.noisy[0])]
        above, at = weight[record.true > score].sum(), weight[record.true == score].sum()
        logs.append(np.log(max(float(above + rng.random() * at), 1e-300)))
    if not logs:
        return None
    total = -2.0 * float(np.sum(logs))
    high, low = float(stats.chi2.sf(total, 2 * len(logs))), float(stats.chi2.cdf(total, 2 * len(logs)))
    return two_sided("choices", high, low)


def detectable_ratio(degrees: float, level: float, power: float) -> float:
    """Largest noise ratio (drawn / declared, 0..1) that the chi-square sees with probability ``power``.

    Args:
        degrees: degrees of freedom (about the number of cells).
        level: one-sided level of the test.
        power: probability of seeing it.
    """
    return float(np.sqrt(stats.chi2.ppf(level, degrees) / stats.chi2.ppf(power, degrees)))


def _tests(
    runs: Sequence[SurrogateRun], parts: Sequence[Sequence[_Residuals]], rng: np.random.Generator
) -> list[NoiseTest]:
    flat = [part for fit in parts for part in fit]
    blocks: dict[str, list[_Residuals]] = defaultdict(list)
    for part in flat:
        blocks[part.block].append(part)
    tests = [_chi_square(f"block {name}", members) for name, members in blocks.items()]
    tests.append(_chi_square("all cells", flat))
    u = np.clip(np.concatenate([part.u for part in flat]), 1e-12, 1 - 1e-12)
    tests.append(NoiseTest("shape", float(stats.kstest(u, "uniform").pvalue), True))
    tests.append(correlation("neighbouring cells", u[:-1], u[1:]))
    # Counts of one block may be merged differently; cells are paired where there are as many.
    pairs = [(a.u, b.u) for group in blocks.values() for a, b in pairwise(group) if len(a.u) == len(b.u)]
    if pairs:
        one, two = (np.clip(np.concatenate(side), 1e-12, 1 - 1e-12) for side in zip(*pairs, strict=True))
        tests.append(correlation("repeated answers", one, two))
    choices = _choices([r for run in runs for r in run.records if r.kind == "select"], rng)
    return tests if choices is None else [*tests, choices]


def check_noise(runs: Sequence[SurrogateRun], plan: AuditPlan, rng: np.random.Generator) -> CheckResult:
    """Compare (noisy - true) / declared sigma with the law that was declared, over all fits.

    Tests: chi-square over all cells and per block (clique), shape, correlation of neighbouring cells and of
    repeated answers, and the private choices; Bonferroni, two-sided. The variance and kurtosis of the
    discrete Gaussian are used, which matters when sigma is small. Noise of trainings is continuous: see
    :func:`dpsynth.audit.s4_training.training_tests`; its tests share the level.

    Args:
        runs: finished fits of one configuration.
        plan: level, least fits, power.
        rng: dither of the probability transform.

    Returns:
        fail on too little, dependent or ill-shaped noise; warn on too much; inconclusive on too few fits
        or cells.
    """
    counted = [[r for r in run.records if r.kind != "select"] for run in runs]
    trained = [any(training.steps for training in run.trainings) for run in runs]
    asked = [bool(records) or steps for records, steps in zip(counted, trained, strict=True)]
    if len(runs) < plan.noise_fits or not asked or not all(asked):
        return _result("inconclusive", "Too few fits or no noisy answers: the noise could not be measured.")
    if not all(r.sigma > 0 and np.isfinite(r.sigma) for records in counted for r in records):
        return _result("fail", "A noisy answer declares no noise.")
    parts = [[_residuals(record, rng) for record in records] for records in counted]
    flat = [part for fit in parts for part in fit]
    tests = [*(_tests(runs, parts, rng) if flat else ()), *training_tests(runs)]
    freedom = _degrees(flat)[0] if flat else float(training_degrees(runs))
    ratio = detectable_ratio(freedom, plan.noise_alpha / (2.0 * len(tests)), plan.noise_power)
    outcome, plain, p = _decide(tests, all(part.on_lattice for part in flat), ratio, plan)
    cells, measured = _measured(runs, flat)
    details = {
        "fits": len(runs),
        "tests": len(tests),
        "training_numbers": training_degrees(runs),
        "detectable_ratio": ratio,
        "rejected": [t.name for t in tests if t.p * len(tests) < plan.noise_alpha],
        **block_details([*_blocks(flat), *training_blocks(runs)], plan.confidence),
    }
    tail = (1.0 - plan.confidence) / 2.0
    low, high = (measured * np.sqrt(freedom / stats.chi2.ppf(q, freedom)) for q in (1.0 - tail, tail))
    found = f"noise below {ratio:.0%} of the declared standard deviation"
    return _result(outcome, plain, (measured, float(low), float(high)), cells, p, found, details)


def _blocks(parts: Sequence[_Residuals]) -> list[Block]:
    """What was drawn in each block, over all fits."""
    grouped: dict[str, list[_Residuals]] = defaultdict(list)
    for part in parts:
        grouped[part.block].append(part)
    return [
        Block(
            name,
            sum(len(part.z) for part in members),
            float(np.sqrt(np.mean(np.concatenate([part.z for part in members]) ** 2))),
            _degrees(members)[0],
            np.concatenate([part.u for part in members]),
        )
        for name, members in grouped.items()
    ]


def _measured(runs: Sequence[SurrogateRun], parts: Sequence[_Residuals]) -> tuple[int, float]:
    """Cells and their noise divided by the declared; of trainings where nothing was counted."""
    if parts:
        cells = sum(len(part.z) for part in parts)
        return cells, float(np.sqrt(sum(float(part.z @ part.z) for part in parts) / cells))
    total = sum(float(t.squares.sum()) / t.scale**2 for run in runs for t in run.trainings)
    return training_degrees(runs), float(np.sqrt(total / training_degrees(runs)))


def _decide(
    tests: Sequence[NoiseTest], on_lattice: bool, ratio: float, plan: AuditPlan
) -> tuple[Outcome, str, float]:
    rejected = [test for test in tests if test.p * len(tests) < plan.noise_alpha]
    p = min(1.0, min(test.p for test in tests) * len(tests))
    too_much = [t.name for t in rejected if not t.too_little]
    # Too much noise also bends the shape: then the shape is no second complaint.
    too_little = [t.name for t in rejected if t.too_little and not (too_much and t.name.startswith("shape"))]
    if not on_lattice:
        return "fail", "Noisy counts are not on the integer lattice that the declared noise lives on.", 0.0
    if too_little:
        return "fail", f"Too little, dependent or ill-shaped noise in: {', '.join(too_little)}.", p
    if too_much:
        return "warn", f"More noise than declared in: {', '.join(too_much)}.", p
    if ratio < plan.noise_ratio_needed:
        return "inconclusive", "Too few cells to see noise as weak as the plan asks for.", p
    return "pass", "The noise is as large as declared, block by block, and looks independent.", p


def _result(
    outcome: Outcome,
    plain: str,
    measured: tuple[float, float, float] | None = None,
    cells: int = 0,
    p: float | None = None,
    found: str = "",
    details: dict[str, object] | None = None,
) -> CheckResult:
    estimate, low, high = measured or (None, None, None)
    return CheckResult(
        id="S4",
        name="Noise scale and shape",
        question="Is the noise that was drawn as large, and as independent, as was declared?",
        evidence="A",
        outcome=outcome,
        plain=plain,
        estimate=estimate,
        low=low,
        high=high,
        threshold=1.0,
        n=cells,
        p_value=p,
        holm=p is not None,
        could_have_found=found,
        details=details or {},
    )
