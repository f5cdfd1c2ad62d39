"""MST: a private maximum spanning tree of column pairs.

McKenna, Miklau & Sheldon, "Winning the NIST contest" (arXiv 2108.04978), section 3.

A third of the budget each for one-way marginals, for choosing the tree's edges, and for measuring them.
The paper's merging of rare values is left out: bins are public here and come from the policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from dpsynth.core.curator import Candidate, Curator, FittedModel, Plan
from dpsynth.core.domain import Clique, Domain
from dpsynth.graphical.fitting import fit
from dpsynth.graphical.junction_tree import model_cells
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.model import GraphicalModel
from dpsynth.synthesizers.budget import Purse, epsilon_of, refuse_if_infeasible, rho_text

__all__ = ["MST"]


class MST:
    """A tree of noisy two-way marginals, chosen privately by their error under independence."""

    name = "mst"
    version = "0.1.0"

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """Shape and cost from public facts. Raises PolicyRefusal without budget or room."""
        refuse_if_infeasible(self.name, domain, rho_nano, max_model_cells)
        edges = max(len(_useful(domain)) - 1, 0)
        third = rho_text(rho_nano // 3)
        steps = (
            f"Count each of the {len(domain.columns)} columns with noise, for rho {third} in all.",
            f"Choose at most {edges} pairs privately, joining the columns into a tree, for rho {third}.",
            "Count the chosen pairs with noise, for all that is left.",
        )
        options = {"max_model_cells": max_model_cells}
        return Plan(self.name, self.version, rho_nano, steps, options, rho_nano // 3)

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """One-way marginals, tree, two-way marginals, then one fit to all of them."""
        purse = Purse(plan, curator)
        domain, room = curator.domain, int(plan.options["max_model_cells"])
        third = purse.left // 3
        singles: list[Clique] = [(name,) for name in domain.names]
        if third < len(singles) or not _pairs(domain, [], room):
            return fit(domain, purse.measure(singles, purse.left))
        answers = purse.measure(singles, third)
        edges = self._choose_tree(curator, fit(domain, answers), room, third)
        answers += purse.measure(edges or singles, purse.left)
        return fit(domain, answers)

    def _choose_tree(
        self, curator: Curator, model: GraphicalModel, room: int, rho_nano: int
    ) -> Sequence[Clique]:
        """Kruskal with private choices: each picks a worst-fitted pair that joins two unjoined parts."""
        domain = curator.domain
        share = rho_nano // max(len(_useful(domain)) - 1, 1)
        estimates = {pair: model.marginal(pair) for pair in _pairs(domain, [], room)}
        edges: list[Clique] = []
        while share > 0 and (pairs := _pairs(domain, edges, room)):
            candidates = [Candidate(pair, 1.0, 0.0) for pair in pairs]
            if len(pairs) == 1:
                return [*edges, pairs[0]]
            edges.append(pairs[curator.select(candidates, estimates, epsilon_of(share))])
        return edges


def _useful(domain: Domain) -> list[str]:
    return [name for name in domain.names if domain[name].size > 1]


def _pairs(domain: Domain, edges: Sequence[Clique], room: int) -> list[Clique]:
    """Pairs that join two parts of the forest ``edges`` and keep the model within ``room`` cells."""
    part = {name: {name} for name in domain.names}
    for one, two in edges:
        joined = part[one] | part[two]
        part.update(dict.fromkeys(joined, joined))
    layout = Layout(domain)
    return [
        pair
        for pair in combinations(_useful(domain), 2)
        if part[pair[0]] is not part[pair[1]]
        and model_cells(layout.sizes, [layout.ids(each) for each in (*edges, pair)]) <= room
    ]
