"""A library that insists on rows, as a synthesizer: all it does is done by ``curator.entrust``.

What it leaves is a table, not a model: it can be handed out once, with the number of rows that were asked
for, and no structural audit can stand in its door.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dpsynth.accounting.reserve import entrusted_cost
from dpsynth.core.curator import Curator, Entrustment, Plan
from dpsynth.core.domain import Domain
from dpsynth.core.errors import BadInput, IntegrityError, PolicyRefusal
from dpsynth.core.structure import follow, violating
from dpsynth.core.table import SyntheticTable
from dpsynth.engines.catalog import method_of

__all__ = ["EntrustedRows", "EntrustedSynthesizer"]


@dataclass(frozen=True)
class EntrustedRows:
    """What the library made, behind the interface of a model.

    Attributes:
        table: its rows; nothing else is left of it.
    """

    table: SyntheticTable

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        """The rows themselves, kept to the public structure. Raises BadInput for another number of them.

        Determined columns are filled in; rows in impossible cells are replaced by possible ones drawn from
        the rest. Both are post-processing.
        """
        domain = self.table.domain
        if rows != self.table.rows:
            raise BadInput(
                "An entrusted library leaves rows, not a model: other numbers of rows cannot be drawn",
                allowed=f"{self.table.rows} rows, as planned",
                remedy="plan the number that you need, or choose a synthesizer that asks the curator",
            )
        codes = follow(domain, self.table.codes)
        bad = violating(domain, codes)
        if bad.any():
            good = np.flatnonzero(~bad)
            if not good.size:
                raise IntegrityError(
                    "The library made no row that the policy's structure allows",
                    remedy="choose another synthesizer",
                )
            source = np.arange(rows)
            source[bad] = rng.choice(good, int(bad.sum()))
            codes = {name: column[source] for name, column in codes.items()}
        return SyntheticTable(domain, codes)


class EntrustedSynthesizer:
    """One method of an engine, such as ``smartnoise:mst``.

    Attributes:
        name: ``engine:method``.
        version: of the library, as it is pinned.
        needs_delta: whether it takes a delta; otherwise it declares pure epsilon.
    """

    def __init__(self, name: str) -> None:
        """Raises PolicyRefusal for an unknown engine or method."""
        self._kind, self._method, self._about = method_of(name)
        self.name, self.version, self.needs_delta = name, self._kind.version, self._about.needs_delta

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """Raises PolicyRefusal: a library that takes (epsilon, delta) cannot be planned by rho."""
        raise PolicyRefusal(
            f"{self.name} takes a budget as epsilon and delta, not as rho",
            allowed="an epsilon, with the delta that the library may fail with",
            remedy="state epsilon instead of rho",
        )

    def plan_entrusted(self, domain: Domain, epsilon: str, delta: str, rows: int) -> Plan:
        """One entrusted run with all of (epsilon, delta), for ``rows`` rows. From public facts alone.

        Raises PolicyRefusal where the library can do nothing with the domain.
        """
        if sum(size > 1 for size in domain.shape) < 2:
            raise PolicyRefusal(
                f"{self.name} needs two columns of at least two values",
                allowed="a policy that keeps such columns",
                remedy="choose a synthesizer that asks the curator, such as independent",
            )
        kind = self._kind
        trust = Entrustment(
            kind.name, kind.library, kind.version, self._method, epsilon, delta, self._about.faults
        )
        given = (
            f"Give the rows to {self._about.title} of {kind.library} {kind.version}, in a process of its "
            f"own, for all of epsilon {epsilon} and delta {delta}: one entrusted run."
        )
        steps = (
            given,
            "It relies on that library alone: it is not structurally audited.",
        )
        options: dict[str, int | str] = {"epsilon": epsilon, "delta": delta, "rows": rows}
        cost = entrusted_cost(epsilon, delta)
        return Plan(self.name, self.version, cost.rho, steps, options, least_spent=1.0, entrusted=trust)

    def fit(self, plan: Plan, curator: Curator) -> EntrustedRows:
        """Have the library make the rows of the plan."""
        if plan.entrusted is None:
            raise PolicyRefusal(f"This is no plan of {self.name}", remedy="plan with plan_entrusted")
        return EntrustedRows(curator.entrust(plan.entrusted, int(plan.options["rows"])))
