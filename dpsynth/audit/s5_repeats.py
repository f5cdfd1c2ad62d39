"""S5, replay: noise drawn twice is two draws, whatever the process, the release and the global generators."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy import stats

from dpsynth.audit.noise_tape import NoiseTape, compared, matched, taped
from dpsynth.audit.noise_tests import NoiseTest
from dpsynth.audit.pipeline import Fit, Pipeline
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.processes import Elsewhere, fit_elsewhere
from dpsynth.audit.result import CheckResult, Outcome
from dpsynth.audit.surrogate import PLANTED, SurrogateRows
from dpsynth.mechanisms.rng import wound_back

__all__ = ["check_repeats"]

_WORKERS = 2
_NAMED = 3
_HOW = (
    "Two fits began with the global generators of Python, numpy and torch wound back to one state; "
    "answers that still differ were not drawn from these."
)
_WHERE = {
    True: ("forked", "nor in processes forked at the same moment"),
    False: (
        "started afresh",
        "nor in processes started afresh (it cannot run in forked ones, so they share no state)",
    ),
    None: ("none", "processes beside each other were not compared"),
}
"""Words by whether the processes were forked; None: there were none."""


def check_repeats(
    pipeline: Pipeline,
    rows: SurrogateRows,
    fits: Sequence[Fit],
    plan: AuditPlan,
    rng: np.random.Generator,
) -> CheckResult:
    """Compare the noise of every two runs on the same questions: correlation, and residuals that are equal.

    Runs: the audit's own fits; two with the global generators wound back to one state, of which the second
    is on the table without one unit (a second release of nearly the same table); and, where the plan says so,
    two in processes that are forked at the same moment.

    Args:
        pipeline: what is audited.
        rows: surrogate rows.
        fits: finished fits on ``rows``.
        plan: its structural section: level, and how much it must be able to see.
        rng: randomness of the sampling, dither.

    Returns:
        fail on noise that repeats; inconclusive if a run failed or too little noise could be compared.
    """
    section = plan.structural
    if section is None:
        raise ValueError("the plan has no structural section")
    canary = rows.only(PLANTED) if pipeline.trains else None
    tapes = [taped(f"fit {at}", fit.run, rng) for at, fit in enumerate(fits, 1)]
    try:
        tapes += _wound_back(pipeline, rows, canary, rng)
    except Exception as error:  # whatever a pipeline may do: an audit answers in words
        return _result("inconclusive", f"A further fit failed with {type(error).__name__}.")
    away = None
    if section.repeat_processes:
        away = fit_elsewhere(pipeline, rows, canary, _WORKERS, section.repeat_seconds)
        tapes += away.tapes
    return _judged(tapes, away, plan)


def _wound_back(
    pipeline: Pipeline, rows: SurrogateRows, canary: SurrogateRows | None, rng: np.random.Generator
) -> list[NoiseTape]:
    """The table and then the table without a unit, each with the global generators at the same start."""
    made = []
    for name, table in (("wound back", rows), ("second release", rows.without(PLANTED))):
        with wound_back():
            run = pipeline.fit(table, rng, canary).run
        made.append(taped(name, run, rng))
    return made


def _judged(tapes: Sequence[NoiseTape], away: Elsewhere | None, plan: AuditPlan) -> CheckResult:
    section = plan.structural
    if section is None:
        raise ValueError("the plan has no structural section")
    pairs = list(combinations(tapes, 2))
    tests = [test for one, two in pairs for test in compared(one, two)]
    if not tests:
        return _result("inconclusive", "No two runs drew noise for the same question.")
    rejected = [test for test in tests if test.p * len(tests) < section.repeat_alpha]
    p = min(1.0, min(test.p for test in tests) * len(tests))
    fewest = min(matched(one, two) for one, two in pairs)
    reach = _reach(fewest, section.repeat_alpha / len(tests), plan.noise_power)
    outcome, plain = _decide(rejected, away, reach, section.repeat_correlation_needed)
    details = {
        "runs": [tape.name for tape in tapes],
        "tests": len(tests),
        "fewest_numbers_compared": fewest,
        "detectable_correlation": reach,
        "rejected": [test.name for test in rejected],
        "processes": _WHERE[None if away is None else away.forked][0],
        "generators": _HOW,
    }
    found = f"noise of two runs that correlates by {reach:.2f} or more, or is the same" if reach < 1 else ""
    return _result(outcome, plain, p, fewest, found, details)


def _reach(cells: int, level: float, power: float) -> float:
    """Smallest correlation seen with probability ``power`` (Fisher's transform); 1 if there is none."""
    if cells < 10:
        return 1.0
    t = stats.t.isf(level / 2.0, cells - 2)
    needed = np.arctanh(t / np.sqrt(t * t + cells - 2))
    return float(np.tanh(needed + stats.norm.ppf(power) / np.sqrt(cells - 3)))


def _decide(
    rejected: Sequence[NoiseTest], away: Elsewhere | None, reach: float, needed: float
) -> tuple[Outcome, str]:
    if rejected:
        strongest = sorted(rejected, key=lambda test: test.p)[:_NAMED]
        more = f", and {len(rejected) - _NAMED} more" if len(rejected) > _NAMED else ""
        return "fail", f"Noise repeats: {', '.join(test.name for test in strongest)}{more}."
    if away and away.trouble:
        return "inconclusive", f"A fit in a process of its own gave nothing to compare: {away.trouble}."
    if reach > needed:
        return "inconclusive", "Too little noise to see repetition as weak as the plan asks for."
    where = _WHERE[None if away is None else away.forked][1]
    return "pass", f"No noise repeats: not between fits, nor in a second release; {where}."


def _result(
    outcome: Outcome,
    plain: str,
    p: float | None = None,
    cells: int = 0,
    found: str = "",
    details: dict[str, object] | None = None,
) -> CheckResult:
    return CheckResult(
        id="S5",
        name="Replay of noise",
        question="Is noise drawn afresh in every run, process and release?",
        evidence="A",
        outcome=outcome,
        plain=plain,
        n=cells,
        p_value=p,
        holm=p is not None,
        could_have_found=found,
        details=details or {},
    )
