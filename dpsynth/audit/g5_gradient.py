"""G5, two-run gradient game: what one canary's coin does to the noisy sums of a training, step by step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import SampledGaussian
from dpsynth.accounting.recount import pld_epsilon
from dpsynth.attacks.gradient_game import Game, GameBounds, game_bounds, game_p_values, smallest_shift
from dpsynth.audit.door import SurrogateRun
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult, Claim, Outcome

__all__ = ["check_gradient_game"]

_HARMLESS = ("more noise", "sampled less often")
_WORST_SHIFT = 2.0  # at least: a larger one is taken for this, which keeps the bound one, and quick
_LEAST_RATE = 1e-12


@dataclass(frozen=True)
class _Played:
    """One game: its p-values, bounds, and lower bound on epsilon beside the event's own epsilon."""

    game: Game
    p_values: dict[str, float]
    bounds: GameBounds | None
    share: float
    epsilon_low: float
    epsilon: float


def check_gradient_game(runs: Sequence[SurrogateRun], claim: Claim, plan: AuditPlan) -> CheckResult:
    """Test noise, sampling rate and shift of a canary's scores, and compose them to a bound on epsilon.

    In runs whose table holds the canary the sampler's own coin decides at which steps it takes part; in one
    run it is not there. The attacker knows everyone else's part of each sum (white box).

    Args:
        runs: finished fits of one configuration, with the canary in the table and without.
        claim: its delta is where epsilon is read off.
        plan: level, confidence, power and the share of the clip that the canary must use.

    Returns:
        fail if a test (Holm) refutes the declared noise, rate or shift, or if the bound on epsilon is above
        the event's; warn on more noise or rarer coins; inconclusive without both runs, or if the canary
        used too little of the clip.
    """
    games = _games(runs)
    # Half of the level is for the tests, half for the bound on epsilon.
    level = plan.gradient_alpha / 2.0
    played = [_play(event, *pair, level / len(games), claim) for event, pair in games.items()]
    refuted = _refuted([one.p_values for one in played], level)
    outcome, plain = _judge(played, refuted, plan)
    tests = sum(len(one.p_values) for one in played)
    lowest = min((p for one in played for p in one.p_values.values()), default=None)
    first = played[0] if played else None
    return CheckResult(
        id="G5",
        name="Two-run gradient game",
        question="Does one unit's part in a training show more than its declared noise allows?",
        evidence="A",
        outcome=outcome,
        plain=plain,
        estimate=None if first is None or first.bounds is None else first.bounds.shift,
        threshold=None if first is None else first.game.shift,
        n=sum(len(one.game.inside) + len(one.game.outside) for one in played),
        p_value=None if lowest is None else min(1.0, lowest * tests),
        could_have_found=_smallest(played, level / max(tests, 1), plan) if outcome == "pass" else "",
        details={"refuted": refuted, "games": [_details(one) for one in played]},
    )


def _games(
    runs: Sequence[SurrogateRun],
) -> dict[SampledGaussian, tuple[Game, float]]:
    """For each event: the observations of all runs, and the mean share of the clip that the canary used."""
    seen: dict[SampledGaussian, list[tuple[bool, NDArray[np.float64]]]] = defaultdict(list)
    for run in runs:
        for training in run.trainings:
            if training.canary is not None:
                coin, norm, score = training.canary.T
                rows = np.stack([coin, norm / training.clip, score / training.scale])
                seen[training.event].append((run.holds_canary, rows))
    return {
        event: _pooled(event, parts)
        for event, parts in seen.items()
        if {held for held, _ in parts} == {True, False}
    }


def _pooled(event: SampledGaussian, parts: Sequence[tuple[bool, NDArray[np.float64]]]) -> tuple[Game, float]:
    coin, share, score = np.concatenate([rows for _, rows in parts], axis=1)
    inside, felt = coin > 0, share > 0
    drawn = sum(rows.shape[1] for held, rows in parts if held)
    game = Game(score[inside & felt], score[~inside & felt], drawn, event.rate, 1.0 / event.sigma)
    return game, float(share.mean())


def _play(event: SampledGaussian, game: Game, share: float, alpha: float, claim: Claim) -> _Played:
    p_values, delta = game_p_values(game), float(claim.delta)
    epsilon = _epsilon(event, delta)
    if not (len(game.inside) and len(game.outside)):
        return _Played(game, p_values, None, share, 0.0, epsilon)
    bounds = game_bounds(game, alpha)
    shift = min(bounds.shift_low, max(_WORST_SHIFT, 1.5 * game.shift))
    low = 0.0
    if shift > 0 and bounds.rate_low > _LEAST_RATE:
        low = _epsilon(SampledGaussian(bounds.rate_low, 1.0 / shift, event.steps), delta)
    return _Played(game, p_values, bounds, share, low, epsilon)


@lru_cache(maxsize=64)
def _epsilon(event: SampledGaussian, delta: float) -> float:
    """By privacy-loss distributions, which are tight: a looser count could not be a lower bound."""
    found = pld_epsilon([event], delta)
    if found is None:
        raise ValueError("a sampled Gaussian has a privacy-loss distribution")
    return found


def _refuted(games: Sequence[dict[str, float]], alpha: float) -> list[str]:
    """What Holm's procedure rejects over all tests of all games."""
    tested = sorted((p, name) for game in games for name, p in game.items())
    rejected: list[str] = []
    for step, (p, name) in enumerate(tested):
        if p > alpha / (len(tested) - step):
            break
        rejected.append(name)
    return list(dict.fromkeys(rejected))


def _judge(played: Sequence[_Played], refuted: Sequence[str], plan: AuditPlan) -> tuple[Outcome, str]:
    harmful = [name for name in refuted if name not in _HARMLESS]
    if harmful:
        return "fail", f"The canary's scores refute what was declared: {', '.join(harmful)}."
    if any(one.epsilon_low > one.epsilon for one in played):
        return "fail", "The canary shows an epsilon above that of the training's own event."
    if refuted:
        return "warn", f"Safer than declared, so not as declared: {', '.join(refuted)}."
    if not played:
        return "inconclusive", "There was no training with a canary in one run and without it in another."
    if any(one.share < plan.canary_share_needed for one in played):
        return "inconclusive", "The canary was weak: it used too little of the clip to show anything."
    if any(one.bounds is None for one in played):
        return "inconclusive", "The canary was never in a sample, or always, so nothing could be compared."
    return "pass", "A canary's part in the noisy sums shows no more than the declared noise and rate allow."


def _smallest(played: Sequence[_Played], level: float, plan: AuditPlan) -> str:
    """In words, for the game that shows the least."""
    ratios = [
        smallest_shift(len(one.game.inside), one.game.shift, level, plan.noise_power) / one.game.shift
        for one in played
    ]
    return f"a unit that moves noisy sums by {max(ratios):.1f} times the clip"


def _details(one: _Played) -> dict[str, object]:
    bounds = one.bounds
    return {
        "inside": len(one.game.inside),
        "outside": len(one.game.outside),
        "canary_share_of_clip": one.share,
        "p_values": dict(one.p_values),
        "noise_ratio": None if bounds is None else [bounds.noise_low, bounds.noise, bounds.noise_high],
        "rate_low": None if bounds is None else bounds.rate_low,
        "shift_low": None if bounds is None else bounds.shift_low,
        "declared_shift": one.game.shift,
        "epsilon_lower_bound": one.epsilon_low,
        "event_epsilon": one.epsilon,
    }
