"""S9, sampler consistency: rows that come out as they went in, though the noisy model could not draw them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.attacks.verbatim import apart, detectable_rate, expected_near, fisher_more, poisson_more
from dpsynth.audit.pipeline import Fit, Pipeline
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.plan_structural import StructuralSection
from dpsynth.audit.result import CheckResult, Outcome
from dpsynth.audit.surrogate import SurrogateRows
from dpsynth.core.curator import Dense
from dpsynth.core.domain import Column, Domain
from dpsynth.core.structure import follow, violating

__all__ = ["check_copies_made", "entropic_rows", "widened"]

_CODES = 32
_WORDS = ("equal to a row of the table", "that differ from one in at most one column")


def widened(domain: Domain, needed: float) -> Domain:
    """The domain, with further columns of 32 codes where it has fewer than ``needed`` cells."""
    columns, cells = list(domain.columns), float(domain.size())
    values = tuple(map(str, range(_CODES)))
    while cells < needed:
        name = f"further {len(columns) - len(domain.columns) + 1}"
        while name in domain.names:
            name += "'"
        columns.append(Column(name, "categorical", values))
        cells *= _CODES
    more = len(columns) - len(domain.columns)
    weights = domain.weights + (1.0,) * more if domain.weights else ()
    return replace(domain, columns=tuple(columns), weights=weights)


def entropic_rows(domain: Domain, rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of which every free column is drawn uniformly, keeping to the public structure; (rows, columns).

    Raises ValueError where nearly nothing is possible.
    """
    kept: list[NDArray[np.int64]] = []
    for _ in range(1000):
        drawn = {column.name: rng.integers(0, column.size, rows) for column in domain.columns}
        codes = follow(domain, drawn)
        kept.append(np.column_stack([codes[name] for name in domain.names])[~violating(domain, codes)])
        if sum(map(len, kept)) >= rows:
            return np.concatenate(kept)[:rows]
    raise ValueError("nearly every row is impossible")


def _table(domain: Domain, matrix: NDArray[np.int64]) -> SurrogateRows:
    codes = {name: matrix[:, at] for at, name in enumerate(domain.names)}
    return SurrogateRows(codes, np.arange(len(matrix), dtype=np.int64))


@dataclass(frozen=True)
class _Pool:
    """Fits of one kind; pairs are of rows equal to one of the table, and at most one column apart.

    Attributes:
        dense: whether the models tell how likely a row is.
        fits: how many.
        hits: dense: released rows that hit a row of the table. Else rows of the table that were hit.
        against: dense: how many were expected, by the models. Else rows left out that were hit.
    """

    dense: bool
    fits: int
    hits: NDArray[np.int64]
    against: NDArray[np.float64]

    def p(self, which: int, hits: int, section: StructuralSection) -> float:
        """Chance of so many hits or more."""
        if self.dense:
            return poisson_more(hits, float(self.against[which]))
        trials = self.fits * section.copy_rows
        return fisher_more(hits, trials, int(self.against[which]), trials * section.copy_controls)


def _reached(rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of ``rows`` that equal one of ``others``; that differ from one in at most one column."""
    distance = apart(rows, others)
    return np.array([(distance == 0).sum(), (distance <= 1).sum()], dtype=np.int64)


def _density(fit: Fit) -> Callable[[NDArray[np.int64]], NDArray[np.float64]] | None:
    """Log-probabilities of rows under the fitted model; None where it has none."""
    model = fit.model
    if not isinstance(model, Dense) or model.log_density(fit.release.matrix()[:1]) is None:
        return None

    def density(codes: NDArray[np.int64]) -> NDArray[np.float64]:
        found = model.log_density(codes)
        if found is None or not np.isfinite(np.exp(found)).all():
            raise ValueError("a density of some rows only")
        return found

    return density


def _looked(pipeline: Pipeline, section: StructuralSection, rng: np.random.Generator) -> list[_Pool]:
    """Fit as often as the plan says. Raises what a pipeline raises; ValueError on a release of other rows."""
    domain = pipeline.door.domain
    rows = entropic_rows(domain, section.copy_rows, rng)
    left_out = entropic_rows(domain, section.copy_rows * section.copy_controls, rng)
    found: dict[bool, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {True: [], False: []}
    for _ in range(section.copy_fits):
        fit = pipeline.fit(_table(domain, rows), rng)
        release = fit.release.matrix()
        if fit.release.domain != domain or len(release) != len(rows):
            raise ValueError("a release of other columns or of another length")
        density = _density(fit)
        if density is None:
            missed = _reached(left_out, release).astype(np.float64)
            found[False].append((_reached(rows, release), missed))
        else:
            chances = np.array(expected_near(density, rows, domain.shape)) * len(release)
            found[True].append((_reached(release, rows), chances))
    return [
        _Pool(
            dense,
            len(pairs),
            np.sum([hits for hits, _ in pairs], axis=0),
            np.sum([a for _, a in pairs], axis=0),
        )
        for dense, pairs in found.items()
        if pairs
    ]


def check_copies_made(pipeline: Pipeline, plan: AuditPlan, rng: np.random.Generator) -> CheckResult:
    """Count released rows that are rows of a table in which every column is random, or all but are.

    Against it stands, summed over the fits, the chance of such rows under the *fitted noisy* model: a correct
    model of much budget may well draw a row again. A model without a density is compared with rows of the
    same source that were left out. Where the public domain is so small that chance alone makes such rows,
    columns are added to it.

    Args:
        pipeline: what is audited.
        plan: its structural section: level, fits, rows.
        rng: the random rows, and randomness of the sampling.

    Returns:
        fail where more rows come out again than the model explains; inconclusive where a fit failed, or
        copies as rare as the plan asks for could not be seen.
    """
    section = plan.structural
    if section is None:
        raise ValueError("the plan has no structural section")
    own = pipeline.door.domain
    # Then chance makes fewer than ``copy_alpha`` such rows in all fits together, so that one is too many; a
    # fitted model is less even than chance, hence a column more.
    around = 1.0 + sum(own.shape) + 10.0 * _CODES
    needed = _CODES * section.copy_fits * section.copy_rows**2 * around / section.copy_alpha
    domain = widened(own, needed)
    try:
        pools = _looked(replace(pipeline, door=pipeline.door.over(domain)), section, rng)
    except Exception as error:  # whatever a pipeline may do: an audit answers in words
        return _result("inconclusive", f"A fit on random rows failed with {type(error).__name__}.")
    return _judged(pools, len(domain.columns) - len(own.columns), plan, section)


def _judged(pools: Sequence[_Pool], added: int, plan: AuditPlan, section: StructuralSection) -> CheckResult:
    tests = [
        (pool, which, pool.p(which, int(pool.hits[which]), section)) for pool in pools for which in (0, 1)
    ]
    level = section.copy_alpha / len(tests)
    p = min(1.0, min(p for *_, p in tests) * len(tests))
    rates = [
        detectable_rate(partial(_p, pool, which, section), level, pool.fits, plan.noise_power)
        for pool, which, _ in tests
    ]
    # The rarest copies of whole rows that are seen: of two kinds of model, by the better watched.
    rate = min(rates[0::2])
    doubtful = [pool for pool in pools if pool.dense and _overstated(pool, level)]
    rejected = [_WORDS[which] for _, which, chance in tests if chance <= level]
    details = {
        "fits": sum(pool.fits for pool in pools),
        "columns_added": added,
        "detectable_rate": rate,
        "detectable_rate_of_near_rows": min(rates[1::2]),
        "pools": [
            {
                "against": "the fitted model's density" if pool.dense else "rows left out",
                "fits": pool.fits,
                "hits": pool.hits.tolist(),
                "expected" if pool.dense else "control_hits": pool.against.tolist(),
            }
            for pool in pools
        ],
    }
    outcome, plain = _decide(rejected, bool(doubtful), rate, section.copy_rate_needed)
    found = f"a row copied by {rate:.1%} of the fits or more" if rate < 1.0 else ""
    return _result(outcome, plain, p, details, found)


def _p(pool: _Pool, which: int, section: StructuralSection, hits: int) -> float:
    return pool.p(which, hits, section)


def _overstated(pool: _Pool, level: float) -> bool:
    """Whether the models expect far more hits than there are: then their densities are not to be believed."""
    return bool(stats.poisson.cdf(int(pool.hits[0]), float(pool.against[0])) <= level)


def _decide(rejected: Sequence[str], doubtful: bool, rate: float, needed: float) -> tuple[Outcome, str]:
    if rejected:
        return "fail", f"More rows come out than the noisy model can explain {' and '.join(rejected)}."
    if doubtful:
        return "inconclusive", "The model's own density does not agree with the rows that it draws."
    if rate > needed:
        return "inconclusive", "Copies as rare as the plan asks for could not have been told from chance."
    return "pass", "No more rows come out as they went in than the noisy model draws by itself."


def _result(
    outcome: Outcome,
    plain: str,
    p: float | None = None,
    details: dict[str, object] | None = None,
    found: str = "",
) -> CheckResult:
    return CheckResult(
        id="S9",
        name="Sampler consistency",
        question="Does a row come out that the noisy model could not have drawn by itself?",
        evidence="A",
        outcome=outcome,
        plain=plain,
        p_value=p,
        holm=p is not None,
        could_have_found=found,
        details=details or {},
    )
