from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dpsynth.accounting.cost import zcdp_cost
from dpsynth.accounting.events import DiscreteGaussian
from dpsynth.accounting.reserve import marginal_cost
from dpsynth.accounting.statement import epsilon_at
from dpsynth.audit.gaussian import discrete_normal
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.result import Claim
from dpsynth.audit.run import run_structural
from dpsynth.audit.s4_noise import detectable_ratio
from dpsynth.core.curator import Candidate
from dpsynth.core.errors import BudgetExceeded
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers.aim import AIM
from dpsynth.synthesizers.independent import Independent
from dpsynth.vault.surrogate import Door


@pytest.fixture
def audit(plan, claim, make_synthesizer):
    def run(door, seed=3, **synthesizer):
        results = run_structural(
            Pipeline(make_synthesizer(**synthesizer), door, claim, 10_000), plan, np.random.default_rng(seed)
        )
        return {result.id: result for result in results}

    return run


@pytest.mark.parametrize("adjacency", ["add_remove", "replace_one"])
@pytest.mark.parametrize("max_rows", [1, 3])
def test_a_correct_curator_passes_every_structural_test(audit, make_door, max_rows, adjacency) -> None:
    results = audit(make_door(max_rows, adjacency))
    assert {name: result.outcome for name, result in results.items()} == dict.fromkeys(results, "pass")
    assert set(results) == {"S1", "S3", "S4"}


def test_a_correct_curator_is_not_accused_in_sixty_audits(audit, make_door) -> None:
    outcomes = [audit(make_door(seed=seed), seed=seed)["S4"].outcome for seed in range(60)]
    assert outcomes == ["pass"] * 60


@pytest.mark.parametrize("stated", ["by its curve", "by mu squared too"])
def test_the_real_curator_passes_every_structural_test(domain, make_door, plan, stated) -> None:
    rho = 500_000_000
    mu2 = marginal_cost(rho, 0, "1e-6").mu2 if stated == "by mu squared too" else None
    claim = Claim(rho, epsilon_at(zcdp_cost(rho), "1e-6"), "1e-6", mu2)
    assert claim.cost.undominated == (mu2 is None)
    door = Door(domain, make_door(3, "replace_one").unit, OpenDPNoise())
    loose = plan.model_copy(update={"noise_fits": 9})
    results = run_structural(Pipeline(Independent(), door, claim, 10_000), loose, np.random.default_rng(3))
    assert [result.outcome for result in results] == ["pass"] * 3


@pytest.mark.parametrize("rho", [10_000, 100_000, 1_000_000, 2_000_000, 10_000_000])
def test_a_small_budget_is_no_fault_and_a_claim_below_it_is_found(domain, make_door, plan, rho) -> None:
    """The best Renyi order of a small loss is large, where the recount must have as many as the claim."""
    door = Door(domain, make_door().unit, OpenDPNoise())
    epsilon = epsilon_at(zcdp_cost(rho), "1e-6")
    ledger = plan.model_copy(update={"tests": ("S1",)})
    for said, outcome in ((epsilon, "pass"), (f"{float(epsilon) * 0.99:f}", "fail")):
        pipeline = Pipeline(Independent(), door, Claim(rho, said, "1e-6"), 10_000)
        (result,) = run_structural(pipeline, ledger, np.random.default_rng(3))
        assert result.outcome == outcome, result.plain


def test_counts_of_one_marginal_at_different_grains_are_audited(
    domain, make_door, make_synthesizer, plan
) -> None:
    """AIM counts rare codes together, more finely later on: answers of one block differ in length."""

    def regrain(curator):
        for groups in ((0, 0, 1), (0, 1, 2), (0, 1, 1), (0, 0, 0)):
            curator.measure(
                [("a", "b"), ("a",)], 20.0, {"a": (groups * domain["a"].size)[: domain["a"].size]}
            )

    rho = 500_000_000
    claim = Claim(rho, epsilon_at(zcdp_cost(rho), "1e-6"), "1e-6")
    door = Door(domain, make_door().unit, OpenDPNoise())
    for synthesizer in (make_synthesizer(misbehave=regrain), AIM()):
        results = run_structural(Pipeline(synthesizer, door, claim, 10_000), plan, np.random.default_rng(3))
        assert [result.outcome for result in results] == ["pass"] * 3


def test_a_surrogate_run_may_spend_its_claim_and_no_more(domain, make_door) -> None:
    door = Door(domain, make_door().unit, OpenDPNoise())
    rows = door.table({name: np.zeros(3, dtype=np.int64) for name in domain.names}, np.arange(3))
    for mu2, fits in ((None, True), (10_100_000, True), (9_900_000, False)):
        run = door.open(rows, Claim(5_000_000, "1", "1e-6", mu2).cost)
        if fits:
            run.curator.measure([("a",)], 10.0)
        with pytest.raises(BudgetExceeded):
            run.curator.measure([("a",)], 10.0)
        assert run.reads == fits


@pytest.mark.parametrize("factor", [0.5, 2**-0.5])
def test_too_little_noise_fails(audit, make_door, factor) -> None:
    for seed in range(10):
        assert audit(make_door(noise_factor=factor, seed=seed), seed=seed)["S4"].outcome == "fail"


def test_too_much_noise_warns_and_does_not_fail(audit, make_door) -> None:
    assert audit(make_door(noise_factor=1.5))["S4"].outcome == "warn"


@pytest.mark.parametrize("clique", [(), ("a",), ("a", "d")])
def test_one_marginal_without_noise_fails_and_is_named(audit, make_door, clique) -> None:
    result = audit(make_door(silent_clique=clique))["S4"]
    assert result.outcome == "fail"
    assert f"block {' x '.join(clique) or 'count'}" in result.plain


def test_noise_that_repeats_between_fits_fails(audit, make_door) -> None:
    result = audit(make_door(fixed_noise=True))["S4"]
    assert (result.outcome, "repeated answers" in result.plain) == ("fail", True)


def test_noise_off_the_integers_fails(audit, make_door) -> None:
    assert audit(make_door(off_lattice=True))["S4"].outcome == "fail"


def test_a_choice_that_always_takes_the_best_fails(audit, make_door) -> None:
    def more(run):
        pairs = [("a", "b"), ("d", "e"), ("b", "c")]
        for turn in range(25):
            # One score is better by half the noise's scale: a private choice still often takes another.
            flat = {pair: np.zeros(run.domain.size(pair)) for pair in pairs}
            flat[pairs[turn % 3]][0] = -100.0
            run.select([Candidate(pair, 1.0, 0.0) for pair in pairs], flat, 0.01)

    fair = audit(make_door(), misbehave=more)["S4"]
    greedy = audit(make_door(best_choice=True), misbehave=more)["S4"]
    assert fair.outcome == "pass"
    assert (greedy.outcome, "choices" in greedy.plain) == ("fail", True)


def test_sensitivity_for_one_row_with_three_rows_per_unit_fails(audit, make_door) -> None:
    assert audit(make_door(3, sensitivity=1.0))["S3"].outcome == "fail"


def test_add_remove_sensitivity_under_replacement_fails(audit, make_door) -> None:
    result = audit(make_door(1, "replace_one", sensitivity=1.0))["S3"]
    assert (result.outcome, "replaced" in result.plain) == ("fail", True)


def test_a_unit_that_escapes_the_row_bound_fails(audit, make_door) -> None:
    result = audit(make_door(3, unbounded=True))["S3"]
    assert (result.outcome, "too many rows" in result.plain) == ("fail", True)


def test_an_uncharged_read_during_the_fit_fails(audit, make_door) -> None:
    result = audit(make_door(), misbehave=lambda run: run.table.marginal(run.domain, ("a",)))["S1"]
    assert (result.outcome, "outside any mechanism" in result.plain) == ("fail", True)


def test_a_model_that_still_reads_rows_when_sampling_fails(audit, make_door) -> None:
    assert audit(make_door(), late_read=True)["S1"].outcome == "fail"


def test_an_answer_without_a_charge_fails(audit, make_door) -> None:
    assert audit(make_door(uncharged_answer=True))["S1"].outcome == "fail"


def test_a_charge_without_an_answer_fails(audit, make_door) -> None:
    result = audit(make_door(), misbehave=lambda run: run.charged.append(DiscreteGaussian(1000.0)))["S1"]
    assert (result.outcome, "no answer" in result.plain) == ("fail", True)


def test_a_charge_for_more_noise_than_was_drawn_fails(audit, make_door) -> None:
    result = audit(make_door(event_factor=2.0))["S1"]
    assert (result.outcome, "differs from the charged event" in result.plain) == ("fail", True)


def test_spending_beyond_the_claim_fails(audit, make_door) -> None:
    result = audit(make_door(), misbehave=lambda run: run.measure([("a",)] * 8, 30.0))["S1"]
    assert (result.outcome, "recounted rho exceeds" in result.plain) == ("fail", True)


def test_an_epsilon_below_what_the_charges_come_to_fails(make_door, plan, make_synthesizer) -> None:
    claim = Claim(12_000_000, "0.1", "1e-6")
    results = run_structural(
        Pipeline(make_synthesizer(), make_door(), claim, 1), plan, np.random.default_rng(3)
    )
    assert "recounted epsilon exceeds" in results[0].plain


def test_a_synthesizer_that_asks_nothing_is_inconclusive_everywhere(audit, make_door) -> None:
    results = audit(make_door(), silent=True)
    assert {result.outcome for result in results.values()} == {"inconclusive"}


def test_the_printed_smallest_leak_is_found_nine_times_in_ten() -> None:
    rng, cells, level = np.random.default_rng(3), 500, 1e-4
    ratio = detectable_ratio(cells, level, 0.9)
    squares = (rng.normal(0, ratio, size=(2000, cells)) ** 2).sum(axis=1)
    assert 0.87 <= np.mean(stats.chi2.cdf(squares, cells) < level) <= 0.93


def test_small_sigma_uses_the_variance_of_the_discrete_law() -> None:
    law = discrete_normal(0.4)
    assert law.variance < 0.4**2 / 1.5
    assert discrete_normal(5.0).variance == pytest.approx(25.0, rel=1e-9)
    assert discrete_normal(5.0).kurtosis == pytest.approx(3.0, abs=1e-6)


def test_uniforms_of_the_declared_law_are_uniform() -> None:
    rng = np.random.default_rng(3)
    for sigma in (0.5, 3.0, 300.0):
        law = discrete_normal(sigma)
        if law.mass.size:
            draws = rng.choice(np.arange(-law.reach, law.reach + 1), p=law.mass, size=4000).astype(float)
        else:
            draws = np.rint(rng.normal(0, sigma, 4000))
        u = law.uniforms(draws, rng)
        assert abs(u.mean() - 0.5) < 0.02
        assert abs(u.var() - 1 / 12) < 0.005
