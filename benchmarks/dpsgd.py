"""What a DP-SGD step costs beside the same model's plain SGD step, in one run on one core.

    python -m benchmarks.dpsgd [--rows 40000] [--rounds 30]

The model is a discriminator-like network, 150-256-256-1. A plain step picks a shuffled batch, goes forward
and back and applies SGD. Ours does all that a training behind the curator does: a Poisson sample of the
rows, clipping for each example, noise for each weight, and the same SGD. Opacus' two modes clip and sum
batches of a fixed size and add no noise, so they are flattered. The kinds take turns; medians are compared.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import SampledGaussian
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.core.domain import Column, Domain
from dpsynth.core.gradient import GradientPlan
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.clipping import Ghost, trained
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

__all__ = ["main"]

_SIZES = (10,) * 15
_RATE = 0.01
_BATCHES = (512, 2048)
Step = Callable[[], None]


def network() -> nn.Module:
    """150-256-256-1."""
    sizes = (sum(_SIZES), 256, 256, 1)
    layers: list[nn.Module] = []
    for taken, given in itertools.pairwise(sizes):
        layers += [nn.Linear(taken, given), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


def loss(model: nn.Module, rows: Tensor) -> Tensor:
    """The real half of a discriminator's: one number for each example."""
    shown = functional.one_hot(rows, _SIZES[0]).flatten(1).float()
    return functional.softplus(-model(shown).squeeze(1))


def _table(rows: int) -> tuple[SensitiveTable, Tensor]:
    rng = os_generator()
    columns = {f"c{i}": rng.integers(0, size, rows) for i, size in enumerate(_SIZES)}
    domain = Domain(
        tuple(
            Column(name, "categorical", values=tuple(map(str, range(size))))
            for name, size in zip(columns, _SIZES, strict=True)
        )
    )
    codes = torch.from_numpy(np.stack(list(columns.values()), axis=1))
    return SensitiveTable(domain, columns, np.arange(rows)), codes


def plain(codes: Tensor, batch: int) -> Step:
    """Shuffled batches, mean loss, SGD."""
    model = network()
    descent = torch.optim.SGD(model.parameters(), 0.01)
    queue: list[Tensor] = []

    def step() -> None:
        if not queue:
            queue.extend(torch.randperm(len(codes)).split(batch))
        descent.zero_grad()
        loss(model, codes[queue.pop()]).mean().backward()
        descent.step()

    return step


def ours(table: SensitiveTable, rows: int, batch: int, steps: int) -> Step:
    """The curator's own training."""
    plan = GradientPlan(batch / rows, 1.0, 1.0, steps)
    budget = PrivacyFilter(cost_of(SampledGaussian(plan.rate, plan.sigma, plan.steps)))
    unit = PrivacyUnit("row", None, 1, "add_remove")
    training = TableCurator(table, unit, budget, OpenDPNoise()).gradient(plan)
    model = network()
    descent = torch.optim.SGD(model.parameters(), 0.01)

    def step() -> None:
        for parameter, found in zip(model.parameters(), training.step(model, loss), strict=True):
            parameter.grad = found / batch
        descent.step()

    return step


def opacus_ghost(codes: Tensor, batch: int) -> Step:
    """Opacus' ghost clipping."""
    model, engine = network(), Ghost()
    descent = torch.optim.SGD(model.parameters(), 0.01)

    def step() -> None:
        picked = torch.randint(len(codes), (batch,))
        for parameter, found in zip(
            model.parameters(), engine.clipped_sum(model, loss, codes[picked], 1.0), strict=True
        ):
            parameter.grad = found / batch
        descent.step()

    return step


def opacus_hooks(codes: Tensor, batch: int) -> Step:
    """Opacus' per-sample gradients."""
    from opacus.grad_sample import GradSampleModule

    model = GradSampleModule(network(), batch_first=True, loss_reduction="sum")
    descent = torch.optim.SGD(model.parameters(), 0.01)

    def step() -> None:
        picked = torch.randint(len(codes), (batch,))
        descent.zero_grad()
        loss(model, codes[picked]).sum().backward()
        each = [p.grad_sample for p in trained(model)]
        norms = torch.stack([one.flatten(1).square().sum(1) for one in each]).sum(0).sqrt()
        factors = (1.0 / norms).clamp(max=1.0)
        for parameter, gradients in zip(trained(model), each, strict=True):
            parameter.grad = torch.tensordot(factors, gradients, dims=1) / batch
            parameter.grad_sample = None
        descent.step()

    return step


def measure(rows: int, rounds: int) -> list[dict[str, object]]:
    """Median seconds of a step of each kind and the ratios to plain SGD, for each batch size."""
    table, codes = _table(rows)
    found = []
    for batch in _BATCHES:
        steps = {
            "plain SGD": plain(codes, batch),
            "dpsynth (sample, clip, noise)": ours(table, rows, batch, rounds + 3),
            "Opacus ghost clipping": opacus_ghost(codes, batch),
            "Opacus hooks": opacus_hooks(codes, batch),
        }
        seconds = _turns(steps, rounds)
        base = statistics.median(seconds["plain SGD"])
        for name, taken in seconds.items():
            middle = statistics.median(taken)
            ratio = statistics.median(a / b for a, b in zip(taken, seconds["plain SGD"], strict=True))
            found.append(
                {
                    "batch": batch,
                    "step": name,
                    "ms": round(1e3 * middle, 2),
                    "ratio": round(middle / base, 3),
                    "ratio_of_turns": round(ratio, 3),
                }
            )
    return found


def _turns(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        for _ in range(3):
            step()
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.process_time()
            step()
            seconds[name].append(time.process_time() - start)
    return seconds


def main() -> None:
    """Measure, print, and keep the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results") / "dpsgd.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Full backward hook is firing")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = measure(options.rows, options.rounds)
    for row in rows:
        print(
            f"batch {row['batch']:>5}  {row['step']:<30} {row['ms']:>8} ms  {row['ratio']:>7} times plain SGD"
        )
    said = {
        "command": f"python -m benchmarks.dpsgd --rows {options.rows} --rounds {options.rounds}",
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "torch": torch.__version__,
        "network": "150-256-256-1",
        "steps": rows,
    }
    options.out.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
