"""Measures of utility in a run: those that are paid for, planned with the request, and the exact ones.

The paid part is taken off a request's rho before its synthesizer plans, so a request costs what it asked for.
"""

from __future__ import annotations

import json
import secrets
import traceback
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dpsynth.accounting.cost import Cost, cost_of, total
from dpsynth.accounting.events import DiscreteGaussian, Event
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.audit.release_runner import CoinedRows
from dpsynth.core.curator import Plan
from dpsynth.core.errors import PolicyRefusal
from dpsynth.core.table import SyntheticTable
from dpsynth.mechanisms.marginal import MarginalMechanism
from dpsynth.mechanisms.noise import Noise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.policy.model import Policy
from dpsynth.synthesizers.budget import rho_text, sigma_of
from dpsynth.utility.cells import Codes, some_rows
from dpsynth.utility.evidence import MOST_TRAINING_ROWS, exact_utility
from dpsynth.utility.learner import learn
from dpsynth.utility.measures import LEAST_RHO, Measure, MeasurePlan, PaidMeasures, share_of
from dpsynth.utility.paid import (
    error_sums,
    errors_sensitivity,
    hits,
    hits_sensitivity,
    read_errors,
    read_hits,
)

__all__ = ["PaidQueries", "exact_text", "measure_plan", "rows_plan", "with_measures"]


def measure_plan(policy: Policy, rho_nano: int) -> MeasurePlan | None:
    """What a run of this rho sets aside for measures; None where the policy buys none.

    Raises PolicyRefusal where that is too little to tell anything.
    """
    paid = MeasurePlan.of(share_of(rho_nano, policy.utility.share), policy.utility.task)
    if not paid.rho_nano:
        if policy.utility.share == "0":
            return None
    elif paid.errors_nano >= LEAST_RHO and (not paid.task or paid.task_nano >= LEAST_RHO):
        return paid
    raise PolicyRefusal(
        f"A share of {policy.utility.share} of rho {rho_text(rho_nano)} is too little to measure with",
        allowed=f"a budget of which that share is rho {rho_text(LEAST_RHO)} or more for each measure",
        remedy="ask for a larger epsilon",
    )


def with_measures(plan: Plan, paid: MeasurePlan | None) -> Plan:
    """The synthesizer's plan with the measures that the run makes besides: the whole that is charged."""
    if paid is None:
        return plan
    options = {**plan.options, "utility_rho_nano": paid.rho_nano}
    whole = plan.rho_nano + paid.rho_nano
    return replace(plan, rho_nano=whole, steps=(*plan.steps, *paid.steps()), options=options)


def rows_plan(plan: Plan, paid: MeasurePlan | None) -> Plan:
    """What the synthesizer itself planned, of the whole that is charged."""
    if paid is None:
        return plan
    options = {name: value for name, value in plan.options.items() if name != "utility_rho_nano"}
    steps = tuple(step for step in plan.steps if step not in paid.steps())
    return replace(plan, rho_nano=plan.rho_nano - paid.rho_nano, steps=steps, options=options)


@dataclass(frozen=True)
class PaidQueries:
    """The noisy queries of one run, whose price is set aside before its synthesizer may spend anything.

    Attributes:
        policy: whose rows they are about.
        plan: what they may cost.
    """

    policy: Policy
    plan: MeasurePlan

    @property
    def _events(self) -> tuple[DiscreteGaussian, ...]:
        prices = [self.plan.errors_nano, *([self.plan.task_nano] if self.plan.task else [])]
        return tuple(DiscreteGaussian(sigma_of(price)) for price in prices)

    @property
    def cost(self) -> Cost:
        """Of all queries."""
        return total(cost_of(event) for event in self._events)

    def rest_of(self, whole: Cost) -> Cost:
        """What a run that reserved ``whole`` has left for its rows."""
        own = self.cost
        if whole.undominated:
            own = replace(own, mu2=0, undominated=0)
        return whole - own

    def answer(
        self, coined: CoinedRows, release: SyntheticTable, noise: Noise
    ) -> tuple[PaidMeasures, tuple[Event, ...]]:
        """Measure the rows that the release was made from, after the charge; also what was charged."""
        budget = PrivacyFilter(self.cost)
        budget.charge(*self._events)
        members, _, reference = coined.reveal_for_attack()
        real, made = np.concatenate([members, reference]), release.matrix()
        queries, found = self._errors(real, made, noise)
        if self.plan.task:
            more = self._hits(real, made, noise)
            queries, found = (*queries, *more[0]), (*found, *more[1])
        return PaidMeasures(self.plan.rho_nano, queries, found), budget.events

    def _errors(self, real: Codes, made: Codes, noise: Noise) -> tuple[tuple[str, ...], tuple[Measure, ...]]:
        domain = self.policy.domain()
        sensitivity = errors_sensitivity(domain, self.policy.unit())
        query = MarginalMechanism((), self._events[0].sigma, sensitivity)
        noisy = query.release(error_sums(real, made, domain), noise)
        said = self._query("mean errors of marginals, in thousandths of a row", self.plan.errors_nano, query)
        return (said,), read_errors(noisy.values.tolist(), noisy.sigma, domain)

    def _hits(self, real: Codes, made: Codes, noise: Noise) -> tuple[tuple[str, ...], tuple[Measure, ...]]:
        domain, task = self.policy.domain(), self.plan.task
        # Only synthetic rows train it, so it is post-processing of what was paid for already.
        model = learn(some_rows([made], MOST_TRAINING_ROWS, os_generator()), domain, task)
        query = MarginalMechanism((task,), self._events[1].sigma, hits_sensitivity(self.policy.unit()))
        noisy = query.release(hits(real, model), noise)
        said = self._query(f"rows by {task} and whether it is predicted right", self.plan.task_nano, query)
        return (said,), read_hits(noisy.values, noisy.sigma, domain[task])

    def _query(self, what: str, price: int, query: MarginalMechanism) -> str:
        unit = self.policy.unit()
        change = "adding or removing" if unit.adjacency == "add_remove" else "replacing"
        return (
            f"{what}: rho {rho_text(price)}, L2 sensitivity {query.l2_sensitivity:.6g} under {change} one "
            f"{unit.kind}, discrete Gaussian noise of scale {query.scale:.6g}"
        )


def exact_text(policy: Policy, coined: CoinedRows, release: SyntheticTable) -> str:
    """The exact measures of a release, as JSON text for the review room. A fault in them costs no run."""
    body: dict[str, Any] = {"release": "exact measures of utility", "nonce": secrets.token_hex(16)}
    try:
        roles = tuple(column.role for column in policy.columns if column.kept)
        chosen: dict[str, Any] = {"task": policy.utility.task, "by": policy.utility.by, "roles": roles}
        real = coined.reveal_for_attack()
        found = exact_utility(real, release.matrix(), release.domain, os_generator(), **chosen)
        return json.dumps(body | found, allow_nan=False)
    except Exception:
        return json.dumps(body | {"why_not": "the measures failed", "trace": traceback.format_exc()})
