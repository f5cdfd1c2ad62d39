"""Two real processes train together: one Poisson sample, one noise, one answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

HERE = Path(__file__).resolve().parent
HERE_ONLY = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
ROWS, STEPS, RATE, SIGMA = 400, 300, 0.25, 2.0
Answers = list[dict[str, NDArray[np.float32]]]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    folder = tmp_path_factory.mktemp("workers")
    words = [sys.executable, str(HERE / "training_worker.py")]
    both = [
        subprocess.Popen([*words, str(rank), str(folder)], stderr=subprocess.PIPE, text=True, env=HERE_ONLY)
        for rank in range(2)
    ]
    for worker in both:
        _, said = worker.communicate(timeout=300)
        assert worker.returncode == 0, said
    return [dict(np.load(folder / f"{rank}.npz")) for rank in range(2)]


def test_all_workers_get_the_same_answer(answers: Answers) -> None:
    for name in ("sums", "noise"):
        assert np.array_equal(answers[0][name], answers[1][name])


def test_the_sum_is_over_the_units_of_both_and_each_counts_once(answers: Answers) -> None:
    sums = answers[0]["sums"]
    assert set(np.unique(sums.round(2))) == {0.0, 1.0}
    for half in (sums[:, 0::2], sums[:, 1::2]):
        assert half.round().any()


def test_the_union_of_their_samples_is_poisson(answers: Answers) -> None:
    drawn = answers[0]["sums"].round()
    for counts, trials in ((drawn.sum(1), ROWS), (drawn.sum(0), STEPS)):
        variance = trials * RATE * (1 - RATE)
        spread = float((((counts - trials * RATE) ** 2) / variance).sum())
        assert 2 * min(stats.chi2.cdf(spread, len(counts)), stats.chi2.sf(spread, len(counts))) > 1e-6
    together = np.corrcoef(drawn[:, 0::2].sum(1), drawn[:, 1::2].sum(1))[0, 1]
    assert abs(together) < 5 / np.sqrt(STEPS)  # one worker's sample says nothing of the other's


def test_noise_is_added_once(answers: Answers) -> None:
    """Of scale sigma times clip: not sqrt(2) of it, as from two workers, and not none."""
    z = answers[0]["noise"].astype(np.float64).ravel() / SIGMA
    spread = float((z**2).sum())
    assert 2 * min(stats.chi2.cdf(spread, z.size), stats.chi2.sf(spread, z.size)) > 1e-6
    assert stats.kstest(z[:50_000], "norm").pvalue > 1e-6
