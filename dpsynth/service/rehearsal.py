"""Rehearsals: what utility to expect at which budget, measured on a stand-in before anything is spent.

The synthesizer runs as in production, behind the ordinary curator and with the ordinary noise, on rows that
are public. No table of people is opened and the ledger is not asked, so a rehearsal costs nothing and may be
shown to everybody. It says how noise, budget and shape of the domain go together; how much the columns of
real people hang together, and how many people there are, it cannot know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import plan_cost
from dpsynth.accounting.stated import cap_of
from dpsynth.accounting.statement import epsilon_at
from dpsynth.core.curator import Plan, Progress, Synthesizer
from dpsynth.core.errors import BadInput, PolicyRefusal
from dpsynth.core.table import SyntheticTable
from dpsynth.engines.catalog import entrusted
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.policy.model import Policy
from dpsynth.service.measuring import measure_plan, rows_plan
from dpsynth.service.plans import run_plan
from dpsynth.service.standin import Errors, StandIn, behind_curator, errors_of, resampled, unrelated
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.surrogate import SurrogateTable

__all__ = [
    "MOST_DRAWN",
    "MOST_FITS",
    "Limits",
    "Rehearsal",
    "RehearsedPoint",
    "budgets_of",
    "default_rows",
    "rehearse",
    "why_not",
]

MOST_FITS, MOST_POINTS = 20, 12
MOST_DRAWN = 25_000
"""Rows that are drawn from a fitted model to measure it on; more would tell no more."""

_DEFAULT_ROWS = 25_000
_PARTS = (Fraction(1, 27), Fraction(1, 9), Fraction(1, 3), Fraction(1))
Tell = Callable[[str, float], None]
"""What is being done, and which part of the whole is done, 0 to 1."""


@dataclass(frozen=True)
class Limits:
    """How long a rehearsal may take.

    Attributes:
        fits: of each budget, 1 to MOST_FITS; their spread is what chance does.
        seconds: after which nothing further is begun and what runs is given up.
    """

    fits: int = 3
    seconds: float = 90.0


@dataclass(frozen=True)
class RehearsedPoint:
    """One budget on the stand-in.

    Attributes:
        epsilon, delta, rho_nano: the budget.
        errors: of each fit: mean total variation distance of marginals of one, two and three columns.
        note: why there are fewer fits than asked for, or "".
    """

    rho_nano: int
    epsilon: str
    delta: str
    errors: tuple[Errors, ...]
    note: str = ""

    def spread(self, columns: int) -> tuple[float, float, float]:
        """Lowest, mean and highest error of the marginals of so many columns, 0 to 1, over the fits."""
        found = [one[columns - 1] for one in self.errors]
        return min(found), sum(found) / len(found), max(found)


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal found, smallest budget first.

    Attributes:
        stand_in: where its rows come from, in words.
        rows: of the stand-in.
        drawn: rows drawn from each fitted model.
        by_chance: errors of that many rows drawn by chance from the stand-in itself, without any noise.
        unrelated: errors where every column is right and every relation between columns is lost.
    """

    policy_id: str
    synthesizer: str
    stand_in: str
    rows: int
    drawn: int
    fits: int
    points: tuple[RehearsedPoint, ...]
    by_chance: Errors
    unrelated: Errors


class _TimeIsUp(Exception):
    """Raised at the next sign of progress once the time is over."""


@dataclass
class _Trial:
    """A budget, its plan, and the errors of its fits so far; ``synthesizer`` None where it cannot be."""

    rho_nano: int
    synthesizer: Synthesizer | None
    plan: Plan | None
    note: str = ""
    errors: list[Errors] = field(default_factory=list)


@dataclass(frozen=True)
class _Stage:
    """What every fit of a rehearsal is given."""

    policy: Policy
    truth: SyntheticTable
    table: SurrogateTable
    drawn: int
    until: float


def default_rows(policy: Policy) -> int:
    """Rows of a made-up stand-in: as many as the policy releases (a public number), at most 25,000."""
    return max(1_000, min(policy.synthesis.output_rows_value, _DEFAULT_ROWS))


def budgets_of(policy: Policy) -> tuple[int, ...]:
    """Four budgets from small to the policy's cap for one release, in nano-rho, each three times the last."""
    cap = cap_of(policy.budget.per_release).rho
    return tuple(max(1, int(cap * part)) for part in _PARTS)


def why_not(name: str) -> str:
    """Why a synthesizer cannot be rehearsed, or ""."""
    if not entrusted(name):
        return ""
    return (
        f"{name} is a library that takes whole rows in an environment of its own; a rehearsal runs behind "
        "the curator"
    )


def rehearse(
    policy: Policy,
    name: str,
    budgets: Sequence[int],
    stand_in: StandIn,
    limits: Limits = Limits(),
    tell: Tell = lambda words, share: None,
    known: Mapping[int, tuple[Errors, ...]] | None = None,
) -> Rehearsal:
    """Fit a synthesizer to the stand-in at each budget, and say how far off it comes. Free.

    Every budget has one fit before any has two, so that what the time allows is spread evenly.

    Args:
        budgets: in nano-rho; ``budgets_of`` for want of better ones.
        limits: number of fits and time.
        tell: hears what is done; what it raises ends the rehearsal.
        known: errors of earlier fits of this synthesizer to this stand-in, by budget; these are not repeated.

    Raises PolicyRefusal where the policy does not allow the synthesizer, BadInput where it cannot be
    rehearsed or too much is asked for.
    """
    _check(name, budgets, limits)
    trials = [_trial(policy, name, rho) for rho in sorted(set(budgets))]
    for trial in trials:
        trial.errors.extend((known or {}).get(trial.rho_nano, ())[: limits.fits])
    truth, drawn = stand_in.table, min(policy.synthesis.output_rows_value, MOST_DRAWN)
    table = behind_curator(policy, truth)
    stage = _Stage(policy, truth, table, drawn, time.monotonic() + limits.seconds)
    _fit_all(stage, trials, limits, tell)
    delta = policy.budget.report_delta
    return Rehearsal(
        policy_id=policy.id,
        synthesizer=next((one.plan.synthesizer for one in trials if one.plan is not None), name),
        stand_in=stand_in.words,
        rows=truth.rows,
        drawn=drawn,
        fits=limits.fits,
        points=tuple(_point(one, delta) for one in trials),
        by_chance=errors_of(truth, resampled(truth, drawn)),
        unrelated=errors_of(truth, unrelated(truth, drawn)),
    )


def _check(name: str, budgets: Sequence[int], limits: Limits) -> None:
    if refusal := why_not(name):
        raise BadInput(refusal, allowed="synthesizers that ask the curator", remedy="rehearse another one")
    if not 1 <= limits.fits <= MOST_FITS or limits.seconds <= 0:
        raise BadInput(
            "A rehearsal cannot have that many fits or that little time",
            allowed=f"1 to {MOST_FITS} fits of each budget, and more than 0 seconds",
            remedy="choose numbers in between",
        )
    if not 1 <= len(set(budgets)) <= MOST_POINTS:
        raise BadInput(
            "A rehearsal cannot have that many budgets",
            allowed=f"1 to {MOST_POINTS} budgets",
            remedy="rehearse the ones that you might ask for",
        )


def _trial(policy: Policy, name: str, rho_nano: int) -> _Trial:
    """Raises PolicyRefusal only for a synthesizer that no budget could have."""
    allowed = {one.name for one in policy.synthesis.allowed}
    try:
        return _Trial(rho_nano, *run_plan(policy, name, rho_nano))
    except PolicyRefusal as refusal:
        if name not in allowed:
            raise
        return _Trial(rho_nano, None, None, refusal.text())


def _fit_all(stage: _Stage, trials: Sequence[_Trial], limits: Limits, tell: Tell) -> None:
    able = [one for one in trials if one.plan is not None]
    done, most = sum(len(one.errors) for one in able), max(1, len(able) * limits.fits)
    for fit in range(limits.fits):
        for trial in [one for one in able if len(one.errors) <= fit]:
            words = f"rho {trial.rho_nano / 1e9:.6f}, fit {fit + 1} of {limits.fits}"
            tell(words, done / most)

            def watch(progress: Progress, words: str = words, before: int = done) -> None:
                if time.monotonic() > stage.until:
                    raise _TimeIsUp
                tell(words, (before + _share(progress)) / most)

            try:
                trial.errors.append(_fit(stage, trial, watch))
            except _TimeIsUp:
                _give_up(able, limits)
                return
            done += 1
    tell("done", 1.0)


def _give_up(trials: Sequence[_Trial], limits: Limits) -> None:
    for trial in trials:
        if len(trial.errors) < limits.fits:
            trial.note = f"{len(trial.errors)} of {limits.fits} fits in {limits.seconds:g} seconds"


def _share(progress: Progress) -> float:
    part = progress.done / progress.most if progress.most else progress.spent
    return min(1.0, max(0.0, part))


def _fit(stage: _Stage, trial: _Trial, watch: Callable[[Progress], None]) -> Errors:
    if trial.synthesizer is None or trial.plan is None:
        raise LookupError("a budget without a plan has no fit")
    watch(Progress("begin", 0, 1, 0.0, 0))
    # As in a run: what the policy sets aside for paid measures is not the synthesizer's to spend.
    plan = rows_plan(trial.plan, measure_plan(stage.policy, trial.rho_nano))
    budget = PrivacyFilter(plan_cost(plan, stage.policy.budget.report_delta))
    curator = TableCurator(stage.table, stage.policy.unit(), budget, OpenDPNoise(), watch)
    model = trial.synthesizer.fit(plan, curator)
    return errors_of(stage.truth, model.sample(stage.drawn, os_generator()))


def _point(trial: _Trial, delta: str) -> RehearsedPoint:
    epsilon = epsilon_at(plan_cost(trial.plan, delta), delta) if trial.plan is not None else ""
    return RehearsedPoint(trial.rho_nano, epsilon, delta, tuple(trial.errors), trial.note)
