"""S4, S7 and G5 on made-up trainings: what each finds, and what none of them may flag."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from dpsynth.accounting.events import SampledGaussian
from dpsynth.audit.g5_gradient import check_gradient_game
from dpsynth.audit.result import CheckResult
from dpsynth.audit.s4_noise import check_noise
from dpsynth.audit.s7_sampling import check_sampling
from dpsynth.audit.s8_clip import check_clipping
from dpsynth.audit.verdict import judge

RATE, SIGMA, CLIP, STEPS, UNITS, SIZE = 0.05, 1.5, 2.0, 200, 300, 40
COLUMNS = ("a", "b")
EVENT = SampledGaussian(RATE, SIGMA, STEPS)
CODES = np.stack([np.arange(UNITS) % 3, np.arange(UNITS) % 7 == 0], axis=1).astype(int)


@dataclass
class Training:
    coins: np.ndarray
    noise: np.ndarray
    share: float = 1.0
    factor: float = 1.0
    held: bool = True
    event: SampledGaussian = EVENT
    clip: float = CLIP
    scale: float = SIGMA * CLIP
    reads: int = 1
    probe: Any = None
    categories: np.ndarray = field(default_factory=lambda: CODES)

    @property
    def steps(self) -> int:
        return len(self.coins)

    @property
    def residuals(self) -> tuple[np.ndarray, ...]:
        return tuple(self.noise)

    @property
    def squares(self) -> np.ndarray:
        return (self.noise**2).sum(axis=1)

    @property
    def sizes(self) -> np.ndarray:
        return np.full(self.steps, self.noise.shape[1])

    @property
    def canary(self) -> np.ndarray:
        """Its norm is a share of the clip; what it really moves is ``factor`` as much."""
        coin = self.coins[:, 0] & self.held
        norm = np.full(self.steps, self.share * self.clip)
        return np.stack([coin, norm, coin * norm * self.factor + self.noise[:, 0]], axis=1)


@dataclass
class Run:
    trainings: list[Training]
    holds_canary: bool = True
    records: tuple[Any, ...] = ()


def poisson(rng, steps=STEPS, rate=RATE):
    return rng.random((steps, UNITS)) < rate


def runs(rng, coins=poisson, noise=1.0, **other) -> list[Run]:
    made = []
    for held in (True, False, True):
        drawn = coins(rng)
        residuals = rng.normal(0, SIGMA * CLIP * noise, (len(drawn), SIZE))
        made.append(Run([Training(drawn, residuals, held=held, **other)], held))
    return made


def one_size(rng):
    return np.argsort(rng.random((STEPS, UNITS)), axis=1) < round(RATE * UNITS)


def by_turns(rng):
    turns = [rng.permutation(UNITS).reshape(-1, 15) for _ in range(STEPS // 20)]
    coins = np.zeros((STEPS, UNITS), dtype=bool)
    for step, units in enumerate(np.concatenate(turns)):
        coins[step, units] = True
    return coins


def by_code(rng):
    """Every step draws from one code of the first column, thrice as often: the rates are right."""
    code = rng.integers(0, 3, STEPS)[:, None]
    return (np.arange(UNITS) % 3 == code) & (rng.random((STEPS, UNITS)) < 3 * RATE)


def favouring(rng):
    rate = np.where(np.arange(UNITS) % 7 == 0, 2.0 * RATE, RATE * (1 - 1 / 6))
    return rng.random((STEPS, UNITS)) < rate


BAD_SAMPLES = {
    "one size": (one_size, "range of the samples' sizes"),
    "shuffled turns": (by_turns, "units shared by samples 1 steps apart"),
    "from one code at a time": (by_code, "make-up of samples by a"),
    "rare code favoured": (favouring, "how often each code of b was drawn"),
    "more often": (lambda rng: poisson(rng, rate=1.3 * RATE), "mean of the samples' sizes"),
    "the same batches again": (lambda rng: np.tile(poisson(rng, 50), (4, 1)), "the two samples most alike"),
}


@pytest.mark.parametrize("name", BAD_SAMPLES)
def test_samples_that_are_not_poissons_fail_and_say_how(plan, name) -> None:
    coins, said = BAD_SAMPLES[name]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        result = check_sampling(runs(rng, coins), COLUMNS, plan, rng)
        assert (result.outcome, said in result.details["rejected"]) == ("fail", True)


def test_poisson_samples_pass_in_thirty_audits(plan) -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        result = check_sampling(runs(rng), COLUMNS, plan, rng)
        assert result.outcome == "pass", result.plain
    assert "sampling rate off by" in result.could_have_found


def test_too_few_steps_or_no_training_are_inconclusive_and_still_fail_on_what_they_show(plan) -> None:
    rng = np.random.default_rng(3)
    short = runs(rng, lambda rng: poisson(rng, STEPS - 1))
    assert check_sampling(short, COLUMNS, plan, rng).outcome == "inconclusive"
    assert check_sampling([Run([])], COLUMNS, plan, rng).outcome == "inconclusive"
    assert check_sampling(runs(rng, lambda rng: one_size(rng)[:100]), COLUMNS, plan, rng).outcome == "fail"


def test_at_rate_one_everyone_is_in_every_sample_or_it_fails(plan) -> None:
    rng, event = np.random.default_rng(3), SampledGaussian(1.0, SIGMA, STEPS)
    full = np.ones((STEPS, UNITS), dtype=bool)
    assert check_sampling(runs(rng, lambda rng: full, event=event), COLUMNS, plan, rng).outcome == "pass"
    full = full.copy()
    full[7, 9] = False
    assert check_sampling(runs(rng, lambda rng: full, event=event), COLUMNS, plan, rng).outcome == "fail"


def still(made):
    made[1].trainings[0].noise[17] *= 0.01


def rounded(made):
    for run in made:
        run.trainings[0].noise = np.rint(run.trainings[0].noise * 2 / SIGMA / CLIP) * SIGMA * CLIP / 2


def repeated(made):
    made[0].trainings[0].noise[1::2] = made[0].trainings[0].noise[::2]


def shared(made):
    made[2].trainings[0].noise = made[1].trainings[0].noise


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (still, "quietest step"),
        (rounded, "shape of training noise"),
        (repeated, "neighbouring steps"),
        (shared, "steps of two trainings"),
    ],
)
def test_training_noise_that_is_missing_discrete_or_used_twice_fails(plan, spoil, said) -> None:
    made = runs(np.random.default_rng(3))
    spoil(made)
    result = check_noise(made, plan, np.random.default_rng(4))
    assert (result.outcome, said in result.plain) == ("fail", True)


def test_training_noise_as_declared_passes_too_little_fails_and_too_much_warns(plan) -> None:
    for factor, outcome in ((1.0, "pass"), (0.9, "fail"), (1.1, "warn")):
        for seed in range(20):
            rng = np.random.default_rng(seed)
            assert check_noise(runs(rng, noise=factor), plan, rng).outcome == outcome


def test_a_game_as_declared_passes_in_sixty_audits_and_its_bound_is_below_the_events(plan, claim) -> None:
    for seed in range(60):
        result = check_gradient_game(runs(np.random.default_rng(seed)), claim, plan)
        assert result.outcome == "pass", result.plain
        (game,) = result.details["games"]
        assert game["epsilon_lower_bound"] <= game["event_epsilon"]


@pytest.mark.parametrize(
    ("broken", "outcome", "said"),
    [
        ({"noise": 0.5}, "fail", "less noise"),
        ({"noise": 2.0}, "warn", "more noise"),
        ({"factor": 6.0}, "fail", "larger shift"),
        ({"coins": lambda rng: poisson(rng, rate=0.15)}, "fail", "sampled more often"),
        ({"share": 0.3}, "inconclusive", "weak"),
        ({"coins": lambda rng: np.zeros((STEPS, UNITS), dtype=bool)}, "warn", "sampled less often"),
    ],
)
def test_a_game_that_is_not_as_declared_says_how(plan, claim, broken, outcome, said) -> None:
    for seed in range(2):
        result = check_gradient_game(runs(np.random.default_rng(seed), **broken), claim, plan)
        assert (result.outcome, said in result.plain) == (outcome, True)


def test_a_large_leak_composes_to_an_epsilon_above_the_events(plan, claim) -> None:
    result = check_gradient_game(runs(np.random.default_rng(3), factor=6.0), claim, plan)
    (game,) = result.details["games"]
    assert game["epsilon_lower_bound"] > game["event_epsilon"] > 0


def test_one_run_alone_is_no_game(plan, claim) -> None:
    made = runs(np.random.default_rng(3))
    for kept in (made[:1], made[1:2], []):
        assert check_gradient_game(kept, claim, plan).outcome == "inconclusive"


def test_a_clip_that_nobody_could_ask_about_is_inconclusive() -> None:
    made = runs(np.random.default_rng(3))
    assert check_clipping(made[0].trainings).outcome == "inconclusive"
    assert check_clipping([]).outcome == "inconclusive"


def test_a_missing_test_of_trainings_is_not_a_pass_where_there_was_a_training(plan) -> None:
    def check(name):
        return CheckResult(name, name, "?", "A" if name[0] in "SG" else "B", "pass", "fine")

    usual = [check(test) for test in plan.tests]
    due = [check(test) for test in plan.training_tests]
    assert judge(usual, plan).outcome == "pass"
    assert judge(usual, plan, trained=True).outcome == "inconclusive"
    assert judge([*usual, *due[1:]], plan, trained=True).outcome == "inconclusive"
    assert judge([*usual, *due], plan, trained=True).outcome == "pass"
