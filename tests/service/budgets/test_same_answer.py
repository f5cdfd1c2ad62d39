"""One key is one request for good; a run is held to its charge; statements tell what was spent before."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from dpsynth.core.errors import BudgetExceeded, Conflict


def test_the_same_key_and_form_get_the_same_answer_though_the_policy_has_a_new_version(house: Any) -> None:
    house.register()
    first = house.ask("0.02", key="k1")
    house.register(version="2", budget={"max_attempts_per_purpose": 50})
    assert house.ask("0.02", key="k1") == first
    assert set(house.held().values()) == {20_000_000}
    with pytest.raises(Conflict, match="different request"):
        house.ask("0.01", key="k1")


def test_a_refused_request_is_refused_again_under_a_new_version_of_the_policy(house: Any) -> None:
    house.register(budget={"per_requester": {"rho": "0.015"}})
    for version in ("1", "2"):
        if version == "2":
            house.register(version="2", budget={"per_requester": {"rho": "0.014"}})
        with pytest.raises(BudgetExceeded):
            house.ask("0.02", key="k1")
    assert house.kinds().count("refused") == 1
    with pytest.raises(Conflict, match="which was refused"):
        house.ask("0.01", key="k1")


def test_a_run_whose_request_differs_from_its_charge_ends_before_anything_is_opened(house: Any) -> None:
    house.register()
    small, large = house.ask("0.001"), house.ask("0.02")
    with house.platform._store.write() as connection:
        cost = "UPDATE request SET cost = (SELECT cost FROM request WHERE id = :large), rho = 20000000"
        connection.execute(text(f"{cost} WHERE id = :small"), {"large": large.id, "small": small.id})
    done = house.platform.run_once("worker")
    assert (done.id, done.state) == (small.id, "failed")
    assert house.scopes()["id-space:residents"].spent_nano == 0
    assert "committed" not in house.kinds()


def test_a_statement_tells_what_was_spent_before_also_where_partitions_do_not_add_up(house: Any) -> None:
    house.register(privacy_unit={"partition_column": "region"}, audits={"coin_fraction": "0.5"})
    told = []
    for rho, region in (("0.02", "north"), ("0.01", "south"), ("0.015", "south")):
        request = house.ask(rho, partition=region)
        house.platform.run_once("worker")
        (people, *_) = house.platform.dossier("carol", request.id).body["budget"]
        told.append(tuple(int(people[name]) / 1e6 for name in ("before_nano", "this_nano", "after_nano")))
    assert told == [(0.0, 20.0, 20.0), (20.0, 10.0, 20.0), (20.0, 15.0, 25.0)]
