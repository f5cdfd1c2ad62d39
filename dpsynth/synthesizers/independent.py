"""Independent columns: noisy one-way marginals and nothing else; the floor that others must beat.

The product-of-marginals baseline of the benchmark of Tao, McKenna, Hay, Machanavajjhala & Miklau
(arXiv 2112.09238, section 3), with the Gaussian mechanism.
"""

from __future__ import annotations

from dpsynth.core.curator import Curator, FittedModel, Plan
from dpsynth.core.domain import Domain
from dpsynth.graphical.fitting import fit
from dpsynth.synthesizers.budget import Purse, rho_text
from dpsynth.synthesizers.feasibility import refuse_if_too_large

__all__ = ["Independent"]


class Independent:
    """All of the budget on one-way marginals; columns come out independent."""

    name = "independent"
    version = "0.1.0"

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """One marginal per column. Raises PolicyRefusal without budget or room."""
        refuse_if_too_large(self.name, domain, rho_nano, max_model_cells)
        rho = rho_text(rho_nano)
        step = f"Count each of the {len(domain.columns)} columns with noise, for rho {rho} in all."
        options = {"max_model_cells": max_model_cells}
        return Plan(self.name, self.version, rho_nano, (step,), options, choices_nano=0)

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """Measure every column, fit each alone."""
        purse = Purse(plan, curator)
        answers = purse.measure([(name,) for name in curator.domain.names], purse.left)
        return fit(curator.domain, answers)
