"""Declared parallel composition: budgets of different partitions do not add up, and only those."""

from __future__ import annotations

from typing import Any

import pytest

from dpsynth.core.errors import BadInput, BudgetExceeded

PARTS = {"privacy_unit": {"partition_column": "region"}}
WHY = "The office asked for a finer split of the regions."
TOP = "id-space:residents"
CEILING = "requester:residents:register:sam"


def split(house: Any, **more: Any) -> Any:
    return house.register(**{**PARTS, **more})


def held(house: Any, scope: str = TOP) -> int:
    return int(house.held()[scope])


def test_requests_for_different_partitions_do_not_add_up_and_for_the_same_one_do(house: Any) -> None:
    split(house)
    for region in ("north", "south", "west"):
        house.ask("0.02", partition=region)
    assert set(house.held().values()) == {20_000_000}
    house.ask("0.01", partition="north")
    assert set(house.held().values()) == {30_000_000}
    house.ask("0.01", partition="south")
    assert set(house.held().values()) == {30_000_000}


def test_without_a_partition_the_same_requests_add_up(house: Any) -> None:
    split(house)
    for _ in range(2):
        house.ask("0.02")
    assert set(house.held().values()) == {40_000_000}


@pytest.mark.parametrize("order", [("", "north", "south"), ("north", "", "south"), ("north", "south", "")])
def test_the_whole_and_the_largest_partition_add_up_in_every_scope_also_in_the_requesters(
    house: Any, order: tuple[str, ...]
) -> None:
    split(house)
    for part in order:
        house.ask("0.02", partition=part)
    assert {scope.held_nano for scope in house.scopes().values()} == {40_000_000}
    assert house.scopes()[CEILING].left_nano == 10_000_000
    for part in ("", "north", "south"):
        with pytest.raises(BudgetExceeded, match="Ceiling of sam"):
            house.ask("0.011", partition=part)
    house.ask("0.01", partition="north")
    house.ask("0.01", partition="south")
    with pytest.raises(BudgetExceeded):
        house.ask("0.000001", partition="north")
    house.ask("0.01", partition="west")


@pytest.mark.parametrize("scope", ["per_requester", "per_dataset", "per_table", "lifetime"])
def test_no_cap_is_passed_by_adding_partitions_to_the_whole(house: Any, scope: str) -> None:
    budget = {"per_requester": {"rho": "0.08"}, scope: {"rho": "0.03"}}
    if scope == "lifetime":
        budget["per_requester"] = {"rho": "0.03"}
    split(house, budget=budget)
    house.ask("0.015", partition="north")
    house.ask("0.015")
    with pytest.raises(BudgetExceeded):
        house.ask("0.000001")
    with pytest.raises(BudgetExceeded):
        house.ask("0.000001", partition="north")
    house.ask("0.015", partition="south")


def test_what_a_finished_run_spent_stays_with_its_partition(house: Any) -> None:
    split(house)
    for region in ("north", "south"):
        house.ask("0.02", partition=region)
        assert house.platform.run_once("worker").state == "awaiting_decision"
    assert {scope.spent_nano for scope in house.scopes().values()} == {20_000_000}
    assert house.platform.verify_ledger() > 0


def test_a_cancelled_hold_is_given_back_in_its_partition_only(house: Any) -> None:
    split(house)
    kept, gone = (house.ask("0.02", partition=region) for region in ("north", "south"))
    house.platform.cancel("sam", gone.id)
    assert held(house) == 20_000_000
    house.platform.cancel("sam", kept.id)
    assert house.held() == {}


@pytest.mark.parametrize("partition", ["east", "North", "north ", "unknown, north", "*"])
def test_an_unknown_partition_is_bad_input_before_anything_is_held(house: Any, partition: str) -> None:
    split(house)
    before = house.kinds()
    for act in (house.platform.submit, house.platform.quote):
        with pytest.raises(BadInput, match="north, south, west, unknown"):
            act("sam", house.form(partition=partition))
    assert (house.kinds(), house.held()) == (before, {})
    house.ask(partition="unknown")


def test_a_partition_of_a_table_that_declares_none_is_bad_input(house: Any) -> None:
    house.register()
    before = house.kinds()
    with pytest.raises(BadInput, match="declares no partitions"):
        house.ask(partition="north")
    assert (house.kinds(), house.held()) == (before, {})


def test_a_new_snapshot_is_a_group_of_its_own_whose_maximum_adds(house: Any) -> None:
    split(house)
    house.ask("0.02", partition="north")
    split(house, version="2", people=range(250), source={"snapshot": "2026-02"})
    house.ask("0.02", partition="north", key="the new north")
    assert held(house) == 40_000_000
    house.ask("0.02", partition="south")
    assert held(house) == 40_000_000


def test_a_new_version_of_the_same_snapshot_and_rule_stays_in_its_group(house: Any) -> None:
    split(house)
    house.ask("0.02", partition="north")
    assert split(house, version="2", title="Another title").policy.version == "2"
    house.ask("0.02", partition="south")
    assert held(house) == 20_000_000


@pytest.mark.parametrize(
    ("region", "unit"),
    [
        ({"domain": ["south", "north", "west", "unknown"]}, {}),
        ({"out_of_domain": "north"}, {}),
        ({"domain": ["north", "south", "unknown"]}, {}),
        ({}, {"id_column": None}),
    ],
    ids=["order", "strange values", "values", "ids"],
)
def test_where_people_may_lie_in_another_partition_than_before_the_maxima_add(
    house: Any, region: dict[str, Any], unit: dict[str, Any]
) -> None:
    split(house)
    house.ask("0.02", partition="north")
    sections = {
        "columns": house.columns(region=region),
        "privacy_unit": {"partition_column": "region", **unit},
    }
    if pending := house.register(version="2", reason=WHY, **sections).pending:
        house.platform.approve_change("carol", pending)
    house.ask("0.02", partition="south")
    assert held(house) == 40_000_000


def test_tables_of_one_dataset_are_groups_of_their_own(house: Any) -> None:
    split(house)
    split(house, name="stays", people=range(300))
    house.ask("0.02", partition="north")
    house.ask("0.02", dataset="stays", partition="south")
    assert held(house) == 40_000_000


def test_a_plan_counts_what_fits_in_one_partition(house: Any) -> None:
    split(house)
    house.ask("0.02", partition="north")
    plan = {
        part: house.platform.plan_budget("sam", "visits", epsilons=("0.89",), partition=part).lines[0].room
        for part in ("", "north", "south")
    }
    assert plan == {"": 1, "north": 1, "south": 2}
