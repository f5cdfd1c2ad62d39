"""The statistic of audits from outside: ceilings, false alarms, and what it could have found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dpsynth.audit.blackbox.statistic import Counts, epsilon_bound, needed_share, refuting_p


@pytest.mark.parametrize(("fits", "ceiling"), [(100, 3.28), (200, 3.98), (400, 4.68), (1000, 5.60)])
def test_no_errors_give_the_known_ceiling(fits: int, ceiling: float) -> None:
    found = epsilon_bound(Counts(0, fits, fits, fits), 0.0, 0.05)
    assert found == pytest.approx(ceiling, abs=0.01)
    assert refuting_p(Counts(0, fits, fits, fits), found - 0.01, 0.0) <= 0.05 * 1.05
    assert refuting_p(Counts(0, fits, fits, fits), found + 0.05, 0.0) > 0.05


def test_randomized_response_at_its_claim_is_refuted_no_more_often_than_the_level() -> None:
    rng, epsilon, fits, alpha = np.random.default_rng(3), 1.0, 150, 0.05
    truth = math.exp(epsilon) / (1 + math.exp(epsilon))
    tight = [Counts(int(rng.binomial(fits, 1 - truth)), fits, int(rng.binomial(fits, truth)), fits)
             for _ in range(400)]  # fmt: skip
    alarms = sum(refuting_p(one, epsilon, 0.0) <= alpha for one in tight)
    assert alarms <= 400 * alpha
    assert sum(refuting_p(one, 0.3, 0.0) <= alpha for one in tight) > 200  # a smaller claim is refuted


def test_delta_pays_for_rare_tells() -> None:
    assert refuting_p(Counts(0, 1000, 100, 1000), 1.0, 0.0) < 0.001
    assert refuting_p(Counts(0, 1000, 100, 1000), 1.0, 0.1) > 0.1


def test_what_could_have_been_found_is_found_that_often() -> None:
    share = needed_share(50, 1.0, 1e-6, 0.001, 0.9)
    assert share is not None
    hits = np.random.default_rng(4).binomial(50, share, 2000)
    found = np.mean([refuting_p(Counts(0, 50, int(h), 50), 1.0, 1e-6) <= 0.001 for h in hits])
    assert 0.87 < found < 0.93
    assert needed_share(15, 1.0, 1e-6, 0.001, 0.9) is None


def test_nothing_seen_refutes_nothing() -> None:
    assert refuting_p(Counts(0, 0, 0, 0), 1.0, 0.0) == 1.0
    assert epsilon_bound(Counts(0, 0, 0, 0), 0.0, 0.05) == 0.0
