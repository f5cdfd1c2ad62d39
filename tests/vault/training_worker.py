"""One of two workers of a training, started by test_training_workers.py: answers go to a file."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, distributed, nn

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import SampledGaussian
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.core.domain import Column, Domain
from dpsynth.core.gradient import GradientPlan
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.keystream import KeyStream
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.workers import Group
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

ROWS, STEPS = 400, 300
PLAN = GradientPlan(rate=0.25, clip=1.0, sigma=2.0, steps=STEPS)
CODES = tuple(str(code) for code in range(ROWS))


class Quiet(KeyStream):
    """Real coins, no noise."""

    def normal(self, count: int, scale: float) -> Tensor:
        return torch.zeros(count, dtype=torch.float64)


def loss(model: nn.Module, rows: Tensor) -> Tensor:
    """Its gradient is one at the row's own place: a sum of them is the list of who was in the sample."""
    return model(nn.functional.one_hot(rows[:, 0], ROWS).float()).squeeze(1)


def still(model: nn.Module, rows: Tensor) -> Tensor:
    return 0.0 * loss(model, rows)


def train(rank: int, quiet: bool) -> np.ndarray:
    """The answers of every step, shape (steps, weights); this worker has every second unit."""
    mine = np.arange(rank, ROWS, 2)
    table = SensitiveTable(Domain((Column("a", "categorical", values=CODES),)), {"a": mine}, mine)
    budget = PrivacyFilter(cost_of(SampledGaussian(PLAN.rate, PLAN.sigma, PLAN.steps)))
    noise = Quiet() if quiet else None
    unit = PrivacyUnit("row", None, 1, "add_remove")
    curator = TableCurator(table, unit, budget, OpenDPNoise(), gradient_noise=noise, workers=Group())
    training, model = curator.gradient(PLAN), nn.Linear(ROWS, 1, bias=False)
    found = [training.step(model, loss if quiet else still) for _ in range(STEPS)]
    return np.stack([one[0].flatten().numpy() for one in found])


def main() -> None:
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=120),
    )
    answers = {"sums": train(rank, quiet=True), "noise": train(rank, quiet=False)}
    np.savez(folder / f"{rank}.npz", **answers)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
