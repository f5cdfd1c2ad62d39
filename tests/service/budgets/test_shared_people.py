"""Several tables about the same people: one budget for life, and no way round it through another table."""

from __future__ import annotations

from typing import Any

import pytest

from dpsynth.core.errors import BudgetExceeded, Conflict
from dpsynth.service import datasets

WHY = "The board agreed to share the table with a second group."
TOP = "id-space:residents"
OTHER = {"name": "stays", "people": range(300)}
LOW = {"lifetime": {"rho": "0.04"}, "per_requester": {"rho": "0.04"}}


def two_tables(house: Any, **other: Any) -> None:
    """Two tables of two datasets about the same people."""
    house.register()
    house.register(**OTHER, source={"dataset_id": "hospitals"}, **other)


def test_two_tables_about_the_same_people_draw_on_one_budget_for_life(house: Any) -> None:
    two_tables(house)
    for who, dataset in (("sam", "visits"), ("sam", "stays"), ("sue", "visits"), ("sue", "stays")):
        house.ask("0.02", who, dataset)
    assert house.scopes()[TOP].left_nano == 0
    assert house.scopes()["dataset:residents:hospitals"].left_nano == 40_000_000
    with pytest.raises(BudgetExceeded, match="Lifetime budget of everyone in residents"):
        house.ask("0.001", "dana", "stays")


def test_a_table_about_other_people_has_a_budget_of_its_own(house: Any) -> None:
    house.register()
    house.register(**OTHER, source={"dataset_id": "hospitals"}, privacy_unit={"id_space": "patients"})
    house.ask("0.02")
    assert house.scopes()["id-space:patients"].held_nano == 0
    assert house.scopes()[TOP].held_nano == 20_000_000


@pytest.mark.parametrize(
    ("ceiling", "named", "elsewhere"),
    [
        ("per_table", "Table visits of residents", "stays"),
        ("per_dataset", "Dataset register of residents", "beds"),
    ],
)
def test_the_ceiling_of_a_table_or_dataset_refuses_by_name_and_leaves_room_beside_it(
    house: Any, ceiling: str, named: str, elsewhere: str
) -> None:
    budget = {ceiling: {"rho": "0.03"}}
    house.register(budget=budget)
    house.register(**OTHER, budget=budget)
    house.register(name="beds", people=range(310), source={"dataset_id": "hospitals"}, budget=budget)
    house.ask("0.02")
    with pytest.raises(BudgetExceeded, match=named):
        house.ask("0.011")
    house.ask("0.011", dataset=elsewhere)
    house.ask("0.01", "sue")


def test_tables_about_the_same_people_state_one_refresh_rule(house: Any) -> None:
    house.register()
    with pytest.raises(Conflict, match="refresh"):
        house.register(**OTHER, budget={"refresh": "new_units_only"})
    house.register(**OTHER, budget={"refresh": "new_units_only"}, privacy_unit={"id_space": "patients"})
    house.register(name="beds", people=range(310))


def test_the_refresh_rule_is_looked_at_again_when_a_proposal_is_approved(house: Any) -> None:
    house.register()
    moved = {"privacy_unit": {"id_space": "patients"}, "source": {"snapshot": "2026-02"}}
    pending = house.register(version="2", people=range(250), reason=WHY, **moved).pending
    house.register(**OTHER, budget={"refresh": "new_units_only"}, privacy_unit={"id_space": "patients"})
    with pytest.raises(Conflict, match="refresh"):
        house.platform.approve_change("carol", pending)
    assert "id-space:patients" not in house.scopes()


@pytest.mark.parametrize("ceiling", ["per_requester", "per_dataset"])
def test_tables_of_one_dataset_state_one_set_of_ceilings(house: Any, ceiling: str) -> None:
    house.register()
    budget = {ceiling: {"rho": "0.04"}}
    with pytest.raises(Conflict, match=ceiling):
        house.register(**OTHER, budget=budget)
    house.register(**OTHER, source={"dataset_id": "hospitals"}, budget=budget)


def test_a_cap_that_one_table_tightened_is_not_loosened_by_one_person_through_another(house: Any) -> None:
    two_tables(house)
    house.register(version="2", budget=LOW)
    with pytest.raises(Conflict, match="tighter cap than this policy states") as refused:
        house.register(
            **OTHER,
            version="2",
            source={"dataset_id": "hospitals"},
            budget={"lifetime": {"rho": "0.06"}, "per_requester": {"rho": "0.04"}},
        )
    assert refused.value.exit_code == 6
    assert house.scopes()[TOP].rho_cap_nano == 40_000_000
    house.register(**OTHER, version="2", source={"dataset_id": "hospitals"}, budget=LOW)
    house.ask(dataset="stays")
    assert house.platform.verify_ledger() > 0


def test_a_cap_that_one_table_tightened_holds_for_requests_on_the_others(house: Any) -> None:
    two_tables(house)
    house.register(version="2", budget=LOW)
    assert house.platform.quote("sue", house.form("0.02", "stays")).fits
    for who in ("sam", "sue"):
        house.ask("0.02", who, "stays")
    assert not house.platform.quote("dana", house.form("0.001", "stays")).fits
    with pytest.raises(BudgetExceeded, match="Lifetime budget of everyone in residents"):
        house.ask("0.001", "dana", "stays")


def test_a_cap_that_was_raised_through_one_table_is_not_used_by_another_that_states_a_tighter_one(
    house: Any,
) -> None:
    two_tables(house)
    raised = {"lifetime": {"rho": "0.1"}}
    pending = house.register(version="2", budget=raised, reason=WHY).pending
    house.platform.approve_change("carol", pending)
    house.ask()
    assert not house.platform.quote("sam", house.form(dataset="stays")).fits
    with pytest.raises(Conflict, match="looser cap"):
        house.ask(dataset="stays")
    same = {"source": {"dataset_id": "hospitals"}, "budget": raised}
    pending = house.register(**OTHER, version="2", reason=WHY, **same).pending
    house.platform.approve_change("carol", pending)
    house.ask(dataset="stays")


def test_the_second_person_is_told_of_a_cap_that_would_be_loosened_though_the_words_stay_the_same(
    house: Any,
) -> None:
    two_tables(house)
    house.register(version="2", budget=LOW)
    wider = {"source": {"dataset_id": "hospitals"}, "release": {"recipients": ["anybody"]}}
    pending = house.register(**OTHER, version="2", reason=WHY, **wider).pending
    (told,) = [one for one in house.platform.policy_changes() if one.id == pending]
    assert "Lifetime budget of everyone in residents rho 0.04 in force to 0.08: LOOSER" in told.lines
    assert any("Lifetime budget" in line for line in house.platform.ledger_entries("ada")[-1].body["effects"])


def test_no_such_warning_is_given_where_no_cap_in_force_would_be_loosened(house: Any) -> None:
    two_tables(house)
    wider = {"source": {"dataset_id": "hospitals"}, "release": {"recipients": ["anybody"]}}
    pending = house.register(**OTHER, version="2", reason=WHY, **wider).pending
    (told,) = [one for one in house.platform.policy_changes() if one.id == pending]
    assert not any("in force" in line for line in told.lines)


def test_ceilings_of_a_dataset_with_two_tables_can_still_be_tightened(house: Any) -> None:
    house.register()
    house.register(**OTHER)
    house.ask()
    tighter = {"budget": {"per_requester": {"rho": "0.04"}}}
    house.register(version="2", **tighter)
    assert house.scopes()["requester:residents:register:sam"].rho_cap_nano == 40_000_000
    house.ask(dataset="stays")
    house.register(**OTHER, version="2", **tighter)
    house.ask(dataset="stays", key="again")


ELSEWHERE = {"privacy_unit": {"id_space": "patients"}}
LATER = {"source": {"snapshot": "2026-02"}}


def test_a_file_that_another_snapshot_has_replaced_is_still_no_second_budget(house: Any) -> None:
    house.register()
    house.ask()
    house.register(version="2", people=range(250), **LATER)
    before = house.scopes()
    with pytest.raises(Conflict, match="id_space"):
        house.register("stays", people=range(240), **ELSEWHERE)
    assert house.scopes() == before
    house.register("stays", people=range(241), **ELSEWHERE)


def test_a_file_that_is_only_proposed_is_bound_to_its_people_too(house: Any) -> None:
    house.register()
    pending = house.register(version="2", people=range(250), reason=WHY, **ELSEWHERE, **LATER).pending
    with pytest.raises(Conflict, match="id_space"):
        house.register("stays", people=range(250))
    house.platform.approve_change("carol", pending)
    house.ask()
    assert house.scopes()["id-space:patients"].held_nano == 10_000_000
    assert house.platform.verify_ledger() > 0


def test_whose_file_it_is_is_looked_at_again_when_a_proposal_is_approved(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.register()
    pending = house.register(version="2", people=range(250), reason=WHY, **ELSEWHERE, **LATER).pending
    with monkeypatch.context() as blind:
        blind.setattr(datasets, "refuse_second_budget", lambda *args: None)
        house.register("stays", people=range(250))
    with pytest.raises(Conflict, match="id_space"):
        house.platform.approve_change("carol", pending)
    assert "id-space:patients" not in house.scopes()


def test_the_chain_knows_a_file_by_a_keyed_hash_that_another_installation_does_not_share(
    open_house: Any,
) -> None:
    macs = []
    for name in ("here", "there"):
        house = open_house(name)
        house.register()
        entries = house.platform.ledger_entries("ada")
        macs.append(next(entry.body["source_mac"] for entry in entries if entry.kind == "dataset"))
    assert macs[0] != macs[1]
    assert all(len(mac) == 64 for mac in macs)


@pytest.mark.parametrize("dataset", ["register", "hospitals"])
def test_the_same_file_as_another_policy_brings_no_fresh_ceilings(house: Any, dataset: str) -> None:
    house.register()
    before = house.scopes()
    again = {"people": range(240), "source": {"dataset_id": dataset}}
    with pytest.raises(Conflict, match="bound to policy visits") as refused:
        house.register("stays", **again)
    assert "keep source.dataset_id register" in refused.value.text()
    assert house.scopes() == before
    house.register("stays", **{**again, "people": range(241)})


def test_neither_a_replaced_file_nor_a_new_version_brings_a_file_fresh_ceilings(house: Any) -> None:
    two_tables(house)
    house.register(version="2", people=range(250), **LATER)
    moved = {"source": {"dataset_id": "hospitals", "snapshot": "2026-02"}}
    for people in (range(240), range(250)):
        with pytest.raises(Conflict, match="bound to policy visits"):
            house.register("beds", people=people, source={"dataset_id": "hospitals"})
        with pytest.raises(Conflict, match="bound to policy visits"):
            house.register("stays", version="2", people=people, **moved)
    assert house.register("stays", version="2", people=range(310), **moved).policy.version == "2"


def test_a_file_stays_with_the_versions_of_its_own_policy(house: Any) -> None:
    first = house.register()
    assert house.register() == first
    assert house.register(version="2", budget=LOW).policy.version == "2"
    pending = house.register(version="3", reason=WHY).pending
    assert house.register(version="3", reason=WHY).pending == pending
    assert house.platform.approve_change("carol", pending).policy.version == "3"
