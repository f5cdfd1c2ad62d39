"""What a library left is handed out once, as it is, kept to the public structure."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.core.curator import Entrustment
from dpsynth.core.domain import Column, Determined, Domain, Impossible
from dpsynth.core.errors import BadInput, IntegrityError, PolicyRefusal
from dpsynth.core.table import SyntheticTable
from dpsynth.synthesizers.entrusted import EntrustedRows, EntrustedSynthesizer

A, B = Column("a", "categorical", ("x", "y", "z")), Column("b", "categorical", ("x", "y", "z"))
PLAIN = Domain((A, B))
RNG = np.random.default_rng(7)


class Trusting:
    """A curator that records what was entrusted and hands back fixed rows."""

    def __init__(self, domain: Domain) -> None:
        self.domain, self.asked = domain, []

    def entrust(self, trust: Entrustment, rows: int) -> SyntheticTable:
        self.asked.append((trust, rows))
        return SyntheticTable(self.domain, {"a": np.arange(rows) % 3, "b": np.arange(rows) // 3 % 3})


def made(domain: Domain, rows: int = 90) -> EntrustedRows:
    synthesizer = EntrustedSynthesizer("smartnoise:aim")
    plan = synthesizer.plan_entrusted(domain, "0.5", "1e-8", rows)
    curator = Trusting(domain)
    found = synthesizer.fit(plan, curator)  # type: ignore[arg-type]
    ((trust, asked),) = curator.asked
    assert (trust.epsilon, trust.delta, trust.method, asked) == ("0.5", "1e-8", "aim", rows)
    assert trust.faults
    return found


def test_the_planned_rows_come_out_as_they_are_and_no_other_number_does() -> None:
    model = made(PLAIN)
    assert model.sample(90, RNG).matrix().tolist() == model.table.matrix().tolist()
    for rows in (0, 89, 91):
        with pytest.raises(BadInput, match="90 rows, as planned"):
            model.sample(rows, RNG)


def test_rows_are_kept_to_what_the_policy_says_of_combinations() -> None:
    zeros = Domain((A, B), impossible=(Impossible(("a", "b"), (0, 4)),))
    cells = made(zeros).sample(90, RNG).marginal(("a", "b"))
    assert cells.sum() == 90
    assert cells[0] == cells[4] == 0
    assert all(cells[cell] >= 10 for cell in (1, 2, 3, 5, 6, 7, 8))  # possible rows are all still there
    follows = Domain((A, B), determined=(Determined("b", "a", (2, 0, 0)),))
    table = made(follows).sample(90, RNG)
    assert table.codes["b"].tolist() == [(2, 0, 0)[code] for code in table.codes["a"]]


def test_rows_that_are_all_impossible_are_no_release() -> None:
    nothing = Domain((A, B), impossible=(Impossible(("a", "b"), tuple(range(9))),))
    with pytest.raises(IntegrityError, match="no row"):
        made(nothing).sample(90, RNG)


def test_a_plan_of_another_synthesizer_is_refused() -> None:
    from dpsynth.synthesizers.independent import Independent

    plan = Independent().plan(PLAIN, 10**8, 1000)
    with pytest.raises(PolicyRefusal, match="no plan of smartnoise:aim"):
        EntrustedSynthesizer("smartnoise:aim").fit(plan, Trusting(PLAIN))  # type: ignore[arg-type]
