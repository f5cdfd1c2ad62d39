"""A small pipeline that trains by DP-SGD, correct in every part: what the planted faults are planted in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dpsynth.accounting.training import last_order, training_sigma
from dpsynth.core.curator import Curator, Plan
from dpsynth.core.domain import Column, Domain
from dpsynth.core.gradient import GradientPlan
from dpsynth.core.table import SyntheticTable
from dpsynth.synthesizers.independent import Independent

if TYPE_CHECKING:
    from dpsynth.core.curator import FittedModel

__all__ = ["DOMAIN", "SmallTraining", "Trained"]

_SIZES = {"a": 16, "b": 24, "c": 30, "d": 20}
_HIDDEN = 8

DOMAIN = Domain(
    tuple(Column(name, "categorical", values=tuple(map(str, range(size)))) for name, size in _SIZES.items())
)


@dataclass(frozen=True)
class Trained:
    """Columns drawn independently; the network was trained beside them.

    Attributes:
        known: model of the columns.
        network: trained weights.
    """

    known: FittedModel
    network: nn.Module

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        """``rows`` rows of the columns' model."""
        return self.known.sample(rows, rng)


@dataclass(frozen=True)
class SmallTraining:
    """Half of the budget counts the columns; half trains a network to tell rows from uniform ones.

    Attributes:
        rate, steps, clip: of the training.
    """

    rate: float = 0.05
    steps: int = 200
    clip: float = 1.0
    name: str = "small-training"
    version: str = "1"

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """Both halves, from public facts."""
        share = rho_nano // 2
        said = Independent().plan(domain, rho_nano - share, max_model_cells).steps
        sigma = training_sigma(self.rate, self.steps, share, last_order(rho_nano))
        training = GradientPlan(self.rate, self.clip, sigma, self.steps)
        return Plan(self.name, self.version, rho_nano, said, {}, gradient=training, gradient_nano=share)

    def fit(self, plan: Plan, curator: Curator) -> Trained:
        """Counts, then all steps that were paid for."""
        counts = Independent().plan(curator.domain, plan.rho_nano - plan.gradient_nano, 10**6)
        known = Independent().fit(counts, curator)
        network = _network(curator.domain)
        self._train(network, plan, curator)
        return Trained(known, network)

    def _train(self, network: nn.Module, plan: Plan, curator: Any) -> None:
        """Each step moves the weights against the noisy sum."""
        if plan.gradient is None:
            raise ValueError("the plan has no training")
        source = curator.gradient(plan.gradient)
        while source.left:
            self._move(network, source.step(network, self._loss))

    def _move(self, network: nn.Module, sums: list[Tensor]) -> None:
        with torch.no_grad():
            for weight, one in zip(network.parameters(), sums, strict=True):
                weight -= 0.01 * one

    def _loss(self, network: nn.Module, codes: Tensor) -> Tensor:
        """How little the network takes each row for a real one, shape (rows,)."""
        shown = torch.cat(
            [functional.one_hot(codes[:, at], size).float() for at, size in enumerate(_SIZES.values())], dim=1
        )
        return functional.softplus(-network(shown).squeeze(1))


def _network(domain: Domain) -> nn.Module:
    return nn.Sequential(nn.Linear(sum(domain.shape), _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, 1))
