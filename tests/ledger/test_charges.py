"""Charges: room in every scope or in none, one-way states, one charge for one key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dpsynth.accounting.cost import Cost, cost_of, zcdp_cost
from dpsynth.accounting.curves import ORDERS
from dpsynth.accounting.events import DiscreteGaussian, Entrusted, NoisyMax
from dpsynth.accounting.gate import Cap, compile_cap
from dpsynth.accounting.statement import epsilon_at
from dpsynth.core.errors import BudgetExceeded, Conflict, IntegrityError, PolicyRefusal
from dpsynth.ledger import charges
from dpsynth.ledger.attempts import attempt_id, attempts_used
from dpsynth.ledger.scopes import part_of


def test_a_charge_is_held_in_every_scope_it_touches_or_in_none(book: Any) -> None:
    assert book.reserve("a", 50, ("people", "sam"))
    with pytest.raises(BudgetExceeded, match="Sam's ceiling"):
        book.reserve("b", 20, ("people", "sam"))
    assert book.balance().rho("held") == book.balance("sam").rho("held") == 50
    assert book.reserve("c", 50)
    with pytest.raises(BudgetExceeded, match="Everyone"):
        book.reserve("d", 1)


def test_a_refusal_names_the_first_scope_asked_for_that_has_no_room(book: Any) -> None:
    with pytest.raises(BudgetExceeded, match="Everyone"):
        book.reserve("a", 101, ("people", "dataset", "sam"))
    with pytest.raises(BudgetExceeded, match="The dataset"):
        book.reserve("a", 81, ("people", "dataset", "sam"))
    with pytest.raises(BudgetExceeded, match="Sam's ceiling"):
        book.reserve("a", 61, ("people", "dataset", "sam"))


def test_the_cap_can_be_met_exactly_and_not_passed_by_one_nano(book: Any) -> None:
    assert book.reserve("a", 100)
    with pytest.raises(BudgetExceeded):
        book.reserve("b", 1)


def test_same_key_and_payload_is_one_charge_and_another_payload_a_conflict(book: Any) -> None:
    assert book.reserve("a", 30)
    assert not book.reserve("a", 30)
    assert book.balance().rho("held") == 30
    with pytest.raises(Conflict):
        book.reserve("a", 31)


def test_committed_stays_spent_whatever_comes_after(book: Any) -> None:
    book.reserve("a", 30)
    book.commit("a")
    for act in (book.release, book.commit):
        with pytest.raises(Conflict):
            act("a")
    book.forfeit("a")
    assert (book.balance().rho("spent"), book.balance().rho("forfeited")) == (30, 30)
    for act in (book.settle, book.release, book.commit, book.forfeit):
        with pytest.raises(Conflict):
            act("a")
    assert book.balance().rho("spent") == 30


def test_a_hold_can_be_released_and_only_before_commit(book: Any) -> None:
    book.reserve("a", 30)
    book.release("a")
    assert book.balance().rho("held") == book.balance().rho("spent") == 0
    with pytest.raises(Conflict):
        book.commit("a")


def test_settling_gives_nothing_back(book: Any) -> None:
    book.spend("a", 30)
    assert book.balance().rho("spent") == 30
    assert book.balance().left == 70


def test_a_charge_on_a_scope_that_does_not_exist_changes_nothing(book: Any) -> None:
    before = book.entries()
    with pytest.raises(IntegrityError, match="does not exist"):
        book.reserve("a", 1, ("people", "nobody"))
    assert book.entries() == before
    assert book.balance().rho("held") == 0


def test_leases_that_ended_are_listed_with_their_state_and_settled_ones_are_not(book: Any) -> None:
    book.reserve("old", 10, lease=5)
    book.reserve("young", 10, lease=50)
    book.reserve("running", 10, lease=50)
    book.commit("running", lease=6)
    book.reserve("done", 10, lease=5)
    book.commit("done", lease=5)
    book.settle("done")
    with book.store.write() as connection:
        charges.extend_lease(connection, "done", 1)
    with book.store.read() as connection:
        ended = charges.expired(connection, 20)
    assert [(charge.key, charge.state) for charge in ended] == [("old", "RESERVED"), ("running", "COMMITTED")]


def test_marginals_and_dp_sgd_share_one_book(book: Any, make_scope: Callable[..., Any]) -> None:
    from dpsynth.accounting.events import SampledGaussian

    book.open(make_scope("shared", compile_cap("4", "1e-6")))
    dp_sgd = cost_of(SampledGaussian(512 / 39074, 2.795098, 2000))
    book.spend("gan", dp_sgd, scopes=("shared",))
    left = book.balance("shared").left
    assert 0.92 < left / 310_840_563 < 0.93  # 7.6 % went to a DP-SGD run of epsilon 1
    book.spend("marginals", left, scopes=("shared",))
    with pytest.raises(BudgetExceeded):
        book.reserve("more", 1, ("shared",))
    spent = book.balance("shared").amount("spent")
    assert float(epsilon_at(spent, "1e-6", 7)) <= 4.0


def test_a_curve_is_gated_at_every_order_up_to_omega_and_none_above(
    book: Any, make_scope: Callable[..., Any]
) -> None:
    book.open(make_scope("low", Cap(100, 10)), make_scope("high", Cap(100, 11)))
    curve = tuple(order * 100 if order <= 10 else order * 10_000 for order in ORDERS)
    assert book.reserve("a", Cost(curve), ("low",))
    with pytest.raises(BudgetExceeded):
        book.reserve("b", Cost(curve), ("high",))


def test_entrusted_delta_is_capped_beside_the_curve(book: Any) -> None:
    from decimal import Decimal

    def mass(delta: str) -> Cost:
        return cost_of(Entrusted(Decimal("1e-7"), Decimal(delta)))

    assert book.reserve("a", mass("6e-10"))
    with pytest.raises(BudgetExceeded, match="entrusted delta"):
        book.reserve("b", mass("5e-10"))
    assert book.reserve("c", mass("4e-10"))
    with pytest.raises(BudgetExceeded, match="entrusted delta"):
        book.reserve("d", mass("1e-18"), ("sam",))


def test_the_second_gate_holds_while_every_event_is_gaussian_dominated(
    book: Any, make_scope: Callable[..., Any]
) -> None:
    count, choice = cost_of(DiscreteGaussian(20.0)), cost_of(NoisyMax(0.1))
    book.open(make_scope("gauss", Cap(10**9, 64, 0, count.mu2 + choice.mu2)))
    book.reserve("a", count, ("gauss",))
    book.reserve("b", choice, ("gauss",))
    with pytest.raises(BudgetExceeded, match="mu squared"):
        book.reserve("c", cost_of(DiscreteGaussian(1e4)), ("gauss",))
    # What no Gaussian dominates is stated, and gated, by its curve alone from then on.
    assert book.reserve("d", zcdp_cost(10), ("gauss",))
    assert book.reserve("e", count, ("gauss",))
    book.release("d")
    with pytest.raises(BudgetExceeded, match="mu squared"):
        book.reserve("f", choice, ("gauss",))


def test_partitions_of_one_group_do_not_add_up_and_groups_do(book: Any) -> None:
    north, south, next_year = part_of("t@2025", "N"), part_of("t@2025", "S"), part_of("t@2026", "N")
    book.spend("whole", 20)
    book.spend("n", 50, part=north)
    book.spend("s", 60, part=south)
    assert book.balance().rho("taken") == 80
    with pytest.raises(BudgetExceeded):
        book.reserve("n2", 31, part=north)
    assert book.reserve("n3", 30, part=north)  # 20 + max(80, 60) = 100
    with pytest.raises(BudgetExceeded):
        book.reserve("w2", 1)
    with pytest.raises(BudgetExceeded):
        book.reserve("later", 1, part=next_year)  # people may have moved between two snapshots
    assert book.complaints() == []


def test_a_purpose_is_tried_only_so_often_and_released_holds_do_not_count(book: Any) -> None:
    counter = attempt_id("table", "Teach  the Course")
    assert counter == attempt_id("table", "teach the course ")
    book.reserve("a", 1, attempt=counter, allowed=2)
    book.reserve("b", 1, attempt=counter, allowed=2)
    with pytest.raises(PolicyRefusal, match="attempts"):
        book.reserve("c", 1, attempt=counter, allowed=2)
    book.release("a")
    assert book.reserve("d", 1, attempt=counter, allowed=2)
    book.commit("d")
    book.forfeit("d")
    with book.store.read() as connection:
        assert attempts_used(connection, counter) == 2
        assert attempts_used(connection, attempt_id("table", "another")) == 0


def test_a_transaction_that_fails_leaves_no_trace(book: Any) -> None:
    before = book.entries()

    def die_half_way() -> None:
        with book.store.write() as connection:
            hold = charges.Hold("a", "p", ["people"], zcdp_cost(5))
            charges.reserve(connection, hold, 10)
            raise RuntimeError("the process died here")

    with pytest.raises(RuntimeError):
        die_half_way()
    assert book.balance().rho("held") == 0
    assert book.entries() == before


def test_opening_a_ledger_again_changes_nothing(
    book: Any, database: Path | str, make_book: Callable[..., Any]
) -> None:
    book.spend("a", 30)
    again = make_book(database)
    assert again.balance() == book.balance()
    assert again.entries() == book.entries()
