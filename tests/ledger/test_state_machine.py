"""Every operation in every order, against a plain model that keeps nothing but the list of charges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from dpsynth.accounting.cost import Cost, cost_of, zcdp_cost
from dpsynth.accounting.curves import ORDERS
from dpsynth.accounting.events import DiscreteGaussian, NoisyMax, SampledGaussian
from dpsynth.accounting.gate import Cap
from dpsynth.core.errors import BudgetExceeded, Conflict, PolicyRefusal
from dpsynth.ledger.scopes import WHOLE, part_of

LEAST_STEPS = 2000
CAPS = {
    "people": Cap(10**9, 22, 0, 3 * 10**9),
    "dataset": Cap(8 * 10**8, 22, 0, None),
    "table": Cap(6 * 10**8, 12, 0, 2 * 10**9),
    "sam": Cap(4 * 10**8, 64, 0, None),
}
TOUCHED = [("people", "dataset", "table", "sam"), ("people", "dataset"), ("table",), ("people", "sam")]
PARTS = [WHOLE, part_of("t@1", "N"), part_of("t@1", "S"), part_of("t@2", "N")]
COSTS = [
    zcdp_cost(10**8),
    zcdp_cost(123_456_789),
    cost_of(DiscreteGaussian(2.0)),
    cost_of(DiscreteGaussian(5.0)),
    cost_of(NoisyMax(0.7)),
    cost_of(SampledGaussian(0.01, 1.0, 500)),
]
ATTEMPTS = ["", "purpose one", "purpose two"]
ALLOWED = 4


class Model:
    """The ledger as a list of charges, each total computed from all of them, in lists of integers."""

    def __init__(self) -> None:
        self.charges: dict[str, dict[str, Any]] = {}

    def vector(self, cost: Cost) -> list[int]:
        return [*cost.rdp, cost.delta, cost.mu2, cost.undominated]

    def total(self, scope: str, states: set[str], part: str | None = None) -> list[int]:
        """For the worst-placed person, or for those in one part."""
        sums: dict[str, list[int]] = {WHOLE: [0] * (len(ORDERS) + 3)}
        for charge in self.charges.values():
            if scope in charge["scopes"] and charge["state"] in states:
                old = sums.get(charge["part"], [0] * (len(ORDERS) + 3))
                values = self.vector(charge["cost"])
                sums[charge["part"]] = [a + b for a, b in zip(old, values, strict=True)]
        groups: dict[str, list[list[int]]] = {}
        for name, values in sums.items():
            if name != WHOLE and (part is None or name.split("\x1f")[0] != part.split("\x1f")[0]):
                groups.setdefault(name.split("\x1f")[0], []).append(values)
        chosen = [sums[WHOLE], *([max(column) for column in zip(*g, strict=True)] for g in groups.values())]
        if part:
            chosen.append(sums.get(part, [0] * (len(ORDERS) + 3)))
        return [sum(column) for column in zip(*chosen, strict=True)]

    def fits(self, scope: str, part: str, cost: Cost) -> bool:
        cap = CAPS[scope]
        taken = self.total(scope, {"RESERVED", "COMMITTED", "SETTLED", "FORFEITED"}, part or None)
        after = [a + b for a, b in zip(taken, self.vector(cost), strict=True)]
        orders = all(after[i] <= a * cap.rho for i, a in enumerate(ORDERS) if a <= cap.omega)
        gauss = cap.mu2 is None or after[-1] > 0 or after[-2] <= cap.mu2
        return orders and after[-3] <= cap.delta and gauss

    def used(self, attempt: str) -> int:
        living = [c for c in self.charges.values() if c["attempt"] == attempt and c["state"] != "RELEASED"]
        return len(living)


class Machine(RuleBasedStateMachine):
    make: ClassVar[Callable[[], Any]]
    steps: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.book, self.model = type(self).make(), Model()

    def keys(self) -> list[str]:
        return sorted(self.model.charges) or ["k0"]

    @rule(
        number=st.integers(0, 24),
        scopes=st.sampled_from(TOUCHED),
        part=st.sampled_from(PARTS),
        cost=st.sampled_from(COSTS),
        attempt=st.sampled_from(ATTEMPTS),
    )
    def reserve(self, number: int, scopes: tuple[str, ...], part: str, cost: Cost, attempt: str) -> None:
        key, model = f"k{number}", self.model
        known = model.charges.get(key)
        expected = "held"
        if known is not None:
            expected = "same" if known["cost"] == cost else "conflict"
        elif attempt and model.used(attempt) >= ALLOWED:
            expected = "no attempt"
        elif not all(model.fits(scope, part, cost) for scope in scopes):
            expected = "no room"
        self.steps[f"reserve: {expected}"] += 1
        assert self.outcome(key, scopes, part, cost, attempt) == expected
        if expected == "held":
            model.charges[key] = {
                "scopes": scopes, "part": part, "cost": cost, "attempt": attempt, "state": "RESERVED",
            }  # fmt: skip

    def outcome(self, key: str, scopes: tuple[str, ...], part: str, cost: Cost, attempt: str) -> str:
        try:
            new = self.book.reserve(key, cost, scopes, part, 10, attempt, ALLOWED)
        except Conflict:
            return "conflict"
        except PolicyRefusal:
            return "no attempt"
        except BudgetExceeded:
            return "no room"
        return "held" if new else "same"

    @rule(choice=st.integers(0, 10**6), move=st.sampled_from(["commit", "settle", "release", "forfeit"]))
    def move(self, choice: int, move: str) -> None:
        keys = self.keys()
        key = keys[choice % len(keys)]
        before, after = {
            "commit": ("RESERVED", "COMMITTED"),
            "settle": ("COMMITTED", "SETTLED"),
            "release": ("RESERVED", "RELEASED"),
            "forfeit": ("COMMITTED", "FORFEITED"),
        }[move]
        known = self.model.charges.get(key)
        legal = known is not None and known["state"] == before
        self.steps[f"{move}: {'done' if legal else 'refused'}"] += 1
        if not legal:
            with pytest.raises(Conflict):
                getattr(self.book, move)(key)
            return
        getattr(self.book, move)(key)
        assert known is not None
        known["state"] = after

    @invariant()
    def the_balances_are_those_of_the_model_and_within_the_caps(self) -> None:
        for scope, cap in CAPS.items():
            balance = self.book.balance(scope)
            for which, states in (
                ("taken", {"RESERVED", "COMMITTED", "SETTLED", "FORFEITED"}),
                ("spent", {"COMMITTED", "SETTLED", "FORFEITED"}),
                ("forfeited", {"FORFEITED"}),
            ):
                assert self.model.vector(balance.amount(which)) == self.model.total(scope, states)
            taken = balance.amount("taken")
            assert all(u <= a * cap.rho for a, u in zip(ORDERS, taken.rdp, strict=True) if a <= cap.omega)

    def teardown(self) -> None:
        assert self.book.complaints() == []
        self.book.store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_order_of_operations_departs_from_the_plain_model(
    kind: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    make_book: Callable[..., Any],
    make_scope: Callable[..., Any],
) -> None:
    server = request.getfixturevalue("postgres_server") if kind == "postgresql" else None
    made: list[int] = []

    def make() -> Any:
        made.append(1)
        where = server() if server else tmp_path / f"{len(made)}.sqlite"
        return make_book(where).open(*(make_scope(name, cap) for name, cap in CAPS.items()))

    machine = type("Machine", (Machine,), {"make": staticmethod(make), "steps": Counter()})
    while sum(machine.steps.values()) < LEAST_STEPS:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=30,
                stateful_step_count=100,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    # The walk met every outcome, so no branch above went untested.
    outcomes = {"held", "same", "conflict", "no attempt", "no room"}
    assert {f"reserve: {one}" for one in outcomes} <= set(machine.steps)
    assert {f"{move}: done" for move in ("commit", "settle", "release", "forfeit")} <= set(machine.steps)
