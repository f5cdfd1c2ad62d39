"""What a request costs, why it was refused, what would fit, and what a plan of releases is worth."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from dpsynth.core.errors import BadInput, BudgetExceeded, Conflict, PolicyRefusal

WIDE = {"per_release": {"rho": "0.08"}, "per_requester": {"rho": "0.08"}, "lifetime": {"rho": "0.08"}}
EPSILONS = {
    "per_release": {"epsilon": "1.5", "delta": "1e-6"},
    "per_requester": {"epsilon": "1.5", "delta": "1e-6"},
    "lifetime": {"epsilon": "1.5", "delta": "1e-6"},
}


def refused(house: Any, rho: str = "0.05", key: str = "refused", **more: str) -> str:
    """Id of a request for which there is no room."""
    with pytest.raises(BudgetExceeded) as error:
        house.ask(rho, key=key, **more)
    found = re.search(r"ledger explain (r-[0-9a-f]{12})", error.value.remedy)
    assert found
    return found[1]


def would_fit(house: Any, request: str, name: str) -> str:
    """The smallest number of this name that the explanation says would fit."""
    lines = [line.would_fit for line in house.platform.explain("sam", request).scopes]
    numbers = [re.search(rf"{name} ([0-9.]+)", line) for line in lines]
    assert all(numbers)
    return min((one[1] for one in numbers if one), key=float)


def test_a_refused_request_is_explained_by_scope_and_gate_with_what_would_fit(house: Any) -> None:
    house.register(budget={"per_table": {"rho": "0.03"}})
    house.ask("0.02")
    found = house.platform.explain("sam", refused(house, "0.015"))
    assert (found.state, found.events, found.recount) == ("REFUSED", (), "")
    assert "Table visits of residents" in found.reason
    why = {line.title: line.refusal for line in found.scopes}
    (title,) = [title for title, refusal in why.items() if refusal]
    assert title == "Table visits of residents"
    assert "needs rho 0.015" in why[title]
    assert any("rho 0.010000000" in line.would_fit for line in found.scopes if line.title == title)
    assert any("refused" in line for line in found.history)


@pytest.mark.parametrize("spent", ["0.012345678", "0.033333333", "0.000000001"])
def test_asking_for_exactly_the_rho_that_would_fit_is_accepted_and_for_more_is_not(
    house: Any, spent: str
) -> None:
    house.register(budget=WIDE)
    house.ask(spent)
    request = refused(house, "0.08")
    fitting = would_fit(house, request, "rho")
    refused(house, f"{float(fitting) + 1e-9:.9f}", key="one more")
    house.ask(fitting)
    assert house.scopes()["id-space:residents"].left_nano == 0
    assert "nothing more" in house.platform.explain("sam", request).scopes[0].would_fit


@pytest.mark.parametrize("budget", [WIDE, EPSILONS], ids=["rho", "epsilon"])
@pytest.mark.parametrize("spent", ["0.012345678", "0.0178"])
def test_asking_for_exactly_the_epsilon_that_would_fit_is_accepted(
    house: Any, budget: dict[str, Any], spent: str
) -> None:
    house.register(budget=budget)
    house.ask(spent)
    request = refused(house, "0.05" if budget is EPSILONS else "0.08")
    house.platform.submit("sam", house.form(None, epsilon=would_fit(house, request, "epsilon")))


def test_what_would_fit_in_one_partition_is_said_for_that_partition(house: Any) -> None:
    house.register(privacy_unit={"partition_column": "region"}, budget=WIDE)
    house.ask("0.07", partition="north")
    house.ask("0.02", partition="south")
    request = refused(house, "0.07", partition="south")
    assert would_fit(house, request, "rho") == "0.060000000"
    house.ask("0.06", partition="south")


def test_a_refused_request_holds_nothing_counts_as_no_attempt_and_is_the_same_under_its_key(
    house: Any,
) -> None:
    house.register(budget={"max_attempts_per_purpose": 2, "per_requester": {"rho": "0.03"}})
    house.ask("0.02")
    held, kinds = house.held(), house.kinds()
    assert len({refused(house, "0.02", key="same") for _ in range(4)}) == 1
    assert house.held() == held
    assert house.kinds() == [*kinds, "request", "refused"]
    house.ask("0.01")
    with pytest.raises(PolicyRefusal, match="attempts"):
        house.ask("0.001", who="sue")
    assert house.platform.verify_ledger() > 0


def test_the_key_of_a_refused_request_is_no_key_for_another_one(house: Any) -> None:
    house.register(budget={"per_requester": {"rho": "0.02"}})
    house.ask("0.015")
    refused(house, "0.02", key="same")
    for other in ({"rho": "0.001"}, {"rho": "0.02", "recipients": "teachers"}):
        with pytest.raises(Conflict, match="different request"):
            house.ask(key="same", **other)
    house.ask("0.001", key="another")


def test_a_finished_run_is_explained_event_by_event_and_never_costs_more_than_was_reserved(
    house: Any,
) -> None:
    house.register()
    request = house.ask("0.02")
    assert house.platform.explain("sam", request.id).events == ()
    house.platform.run_once("worker")
    found = house.platform.explain("sam", request.id)
    assert found.state == "SETTLED"
    assert sum(line.times for line in found.events) == 2
    assert 0 < sum(line.rho_nano for line in found.events) <= request.rho_nano
    assert f"rho {request.rho_nano / 1e9:.9f}, epsilon {request.epsilon} at delta 1e-6" in found.cost[0]
    kinds = [line.split()[1] for line in found.history]
    assert kinds == ["reserve", "request", "committed", "settled", "dossier"]
    assert "PLD" in found.recount
    assert "not used for decisions" in found.recount
    pld = re.search(r"epsilon ([0-9.]+)", found.recount)
    assert pld
    assert 0 < float(pld[1]) <= float(request.epsilon)


def test_somebody_elses_request_is_explained_like_an_unknown_one(house: Any) -> None:
    house.register()
    request = house.ask()
    said = []
    for name in (request.id, "r-000000000000"):
        with pytest.raises(BadInput) as unknown:
            house.platform.explain("sue", name)
        said.append(unknown.value.text())
    assert said[0] == said[1]
    for who in ("sam", "carol", "dana", "ada"):
        assert house.platform.explain(who, request.id).request == request.id


@pytest.mark.parametrize("budget", [{}, WIDE, EPSILONS], ids=["small", "one ceiling", "epsilon"])
def test_as_many_releases_fit_as_the_plan_says_and_not_one_more(house: Any, budget: dict[str, Any]) -> None:
    house.register(budget=budget)
    lines = house.platform.plan_budget("sam", "visits").lines
    assert [line.room > 0 for line in lines] == [True] * 5
    for line in lines[:3]:
        asked = [
            house.platform.submit("sam", house.form(None, epsilon=line.epsilon)) for _ in range(line.room)
        ]
        with pytest.raises(BudgetExceeded, match=line.tightest):
            house.platform.submit("sam", house.form(None, epsilon=line.epsilon))
        assert {request.rho_nano for request in asked} == {line.rho_nano}
        for request in asked:
            house.platform.cancel("sam", request.id)


def test_a_plan_counts_what_others_have_taken_and_names_the_tightest_budget(house: Any) -> None:
    house.register()
    for rho in ("0.02", "0.02", "0.005"):
        house.ask(rho, "sue")
    (line,) = house.platform.plan_budget("sam", "visits", epsilons=("0.7",)).lines
    assert (line.room, line.tightest) == (2, "Lifetime budget of everyone in residents")
    (line,) = house.platform.plan_budget("sue", "visits", epsilons=("0.7",)).lines
    assert (line.room, line.tightest) == (0, "Ceiling of sue inside dataset register of residents")


def test_a_size_that_one_release_may_not_have_fits_no_times(house: Any) -> None:
    house.register()
    (line,) = house.platform.plan_budget("sam", "visits", epsilons=("1",)).lines
    assert (line.room, line.tightest) == (0, "The cap of one release")
    with pytest.raises(PolicyRefusal, match="one release"):
        house.platform.submit("sam", house.form(None, epsilon="1"))


@pytest.mark.parametrize("size", ["abc", "-1", "0", "NaN", "1e-9"])
def test_a_size_that_is_no_epsilon_is_bad_input_and_not_left_out_in_silence(house: Any, size: str) -> None:
    house.register()
    with pytest.raises(BadInput):
        house.platform.plan_budget("sam", "visits", epsilons=("0.5", size))
    assert len(house.platform.plan_budget("sam", "visits", epsilons=("0.5",)).lines) == 1


def test_forecasts_hold_nothing(house: Any) -> None:
    house.register()
    house.ask()
    before = (house.scopes(), house.kinds())
    house.platform.plan_budget("sue", "visits")
    house.platform.quote("sue", house.form())
    assert (house.scopes(), house.kinds()) == before


@pytest.mark.parametrize("synthesizer", ["independent", "mst", "aim"])
def test_what_would_fit_can_be_asked_for_of_every_synthesizer_where_the_second_gate_is_the_tighter_one(
    house: Any, synthesizer: str
) -> None:
    cap = {"epsilon": "8", "delta": "1e-12"}
    house.register(budget={"per_release": cap, "per_requester": cap, "lifetime": cap, "report_delta": "1e-6"})
    request = house.platform.submit("sam", replace(house.form("0.2"), synthesizer=synthesizer)).id
    for name in ("rho", "epsilon"):
        fitting = would_fit(house, request, name)
        values = {"rho": None, "epsilon": None, name: fitting}
        asked = house.platform.submit("sam", replace(house.form(), synthesizer=synthesizer, **values))
        assert asked.rho_nano > 50_000_000
        if name == "rho":
            more = f"{float(fitting) + 1e-8:.9f}"
            house.platform.cancel("sam", asked.id)
            with pytest.raises(BudgetExceeded):
                house.platform.submit("sam", replace(house.form(more), synthesizer=synthesizer))
